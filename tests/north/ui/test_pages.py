"""What the pages say, through the real application: every one complete without a script."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.model.endpoint import Event
from iolaus.model.select import EVERYTHING
from iolaus.north.context import Context
from iolaus.north.ui.measures import METRICS
from iolaus.north.ui.scopes import Maps
from iolaus.store.facts import Facts
from tests.north import hall
from tests.north.api.test_drains import People
from tests.north.ui import scene
from tests.north.ui.conftest import client_of
from tests.north.ui.document import Document
from tests.north.ui.serving import make_context


async def read(web: httpx.AsyncClient, path: str, *, status: int = 200) -> Document:
    answer = await web.get(path)
    assert answer.status_code == status, answer.text
    return Document(answer.text)


async def test_hall_counts_what_the_map_shows(web: httpx.AsyncClient) -> None:
    page = await read(web, "/")
    assert "Endpoints reachable 46 of 47" in page.text
    assert "Nodes 40" in page.text
    assert "OK 44 Warning 1 Critical 1 Unknown 1" in page.text
    watts = sum(scene.watts_of(n) for n in range(40) if n not in (9, 11))
    assert f"Power {watts / 1000:.2f} kW (38 of 40 nodes)" in page.text
    assert "Leaks 1" in page.text
    assert "Makes 6" in page.text
    assert "iolaus get nodes -o wide" in page.text


async def test_summary_refreshes_alone_and_says_when(web: httpx.AsyncClient) -> None:
    page = await read(web, "/ui/summary")
    assert "Nodes 40" in page.text
    assert "html" not in {tag for tag, _ in page.elements}
    now = next(each for each in page.all("span") if each.get("id") == "now")
    assert now["hx-swap-oob"] == "true"
    assert "2023-11-14 22:13:20 UTC" in page.text


async def test_table_twin_says_what_the_map_says(context: Context, web: httpx.AsyncClient) -> None:
    page = await read(web, "/ui/table")
    rows = {row["Name"]: row for row in page.table()}
    hall_map = Maps(context).of(EVERYTHING)
    cells = hall_map.cells()
    assert list(rows) == [cell.name for cell in cells]
    for metric in METRICS.values():
        for cell, text in zip(cells, hall_map.texts(metric.name), strict=True):
            expected = "" if text == "not measured" else text
            assert rows[cell.name][metric.title] == expected


async def test_table_is_chosen_sorted_and_paged(web: httpx.AsyncClient) -> None:
    chosen = await read(web, "/ui/table?selector=rack%3Dh1-a01,health!%3DOK")
    assert [row["Name"] for row in chosen.table()] == ["h1-a01-u24", "h1-a01-u16", "h1-a01-u12"]
    assert "iolaus get nodes -l 'rack=h1-a01,health!=OK' -o wide" in chosen.text
    worst = await read(web, "/ui/table?sort=health")
    assert [row["Health"] for row in worst.table()[:4]] == ["Critical", "Warning", "unknown", "OK"]
    assert [each["aria-sort"] for each in worst.all("th") if "aria-sort" in each] == ["descending"]
    hot = await read(web, "/ui/table?sort=inlet")
    degrees = [float(row["Inlet"].split()[0]) for row in hot.table() if row["Inlet"]]
    assert degrees == sorted(degrees, reverse=True)
    assert len(degrees) == 40
    for odd in ("page=99999999999", "page=-1", "page=²", "sort=nothing", "page=7"):
        assert len((await read(web, f"/ui/table?{odd}")).table()) == 47


async def test_a_wrong_selector_is_said_and_everything_shown(web: httpx.AsyncClient) -> None:
    page = await read(web, "/ui/table?selector=rack%3D%3D%3D%28")
    assert "everything is shown" in page.text
    assert len(page.table()) == 47
    empty = await read(web, "/ui/table?selector=rack%3Dnowhere")
    assert "Nothing matches" in empty.text


async def test_many_things_come_in_pages(clock: JumpClock) -> None:
    context = make_context(scene.build(250, clock, devices=False, parts=False), clock)
    async with client_of(context) as web:
        first = await read(web, "/ui/table?sort=power")
        assert len(first.table()) == 200
        after = next(each for each in first.all("a") if each.get("rel") == "next")
        rest = await read(web, after["href"])
    assert len(rest.table()) == 50
    assert "page 2 of 2" in rest.text
    names = {row["Name"] for row in first.table()} | {row["Name"] for row in rest.table()}
    assert len(names) == 250


async def test_racks_are_sums(web: httpx.AsyncClient) -> None:
    rows = {row["Rack"]: row for row in (await read(web, "/ui/racks")).table()}
    assert list(rows) == ["h1-a01", "h1-a02", "h1-a03"]
    first = rows["h1-a01"]
    assert (first["Nodes"], first["Other devices"], first["Leaks"]) == ("18", "2", "")
    assert first["Health"] == "17 OK 1 Warning 1 Critical 1 Unknown"
    assert first["Power"].endswith("by 16 of 18 nodes")
    assert rows["h1-a02"]["Leaks"] == "1"


async def test_rack_is_drawn_and_told(web: httpx.AsyncClient) -> None:
    page = await read(web, "/ui/racks/h1-a01")
    rows = page.table()
    assert [row["U"] for row in rows[:3]] == ["40", "36", "34"]
    silent = next(row for row in rows if row["Name"] == "h1-a01-u24")
    assert (silent["State"], silent["Health"], silent["Power"]) == ("unknown", "Unknown", "")
    assert silent["Vendor and model"] == "Dell PowerEdge XE9680"
    drawn = [each["href"] for each in page.all("a") if each.get("id", "").startswith("box-")]
    assert drawn == [f"/ui/assets/{row['Name']}" for row in rows]
    stripes = [e["class"] for e in page.all("rect") if e.get("class", "").startswith("stripe")]
    assert sorted(set(stripes)) == [
        "stripe critical",
        "stripe ok",
        "stripe unknown",
        "stripe warning",
    ]
    assert stripes.count("stripe unknown") == 1
    assert "iolaus get nodes -l rack=h1-a01 -o wide" in page.text


async def test_a_rack_with_a_slash_in_its_name_has_a_page(
    facts: Facts, web: httpx.AsyncClient, clock: JumpClock
) -> None:
    name = "a/b c;'&<i>"
    where = msgspec.structs.replace(scene.target(41), name="odd", labels={"rack": name})
    scene.put(facts, where, scene.report(41, at=clock.now(), parts=False), at=clock.now())
    racks = await read(web, "/ui/racks")
    link = next(each["href"] for each in racks.all("a") if "b%20c" in each["href"])
    page = await read(web, link)
    assert f"Rack {name}" in page.text
    assert "rect" not in {tag for tag, _ in page.elements}
    refreshed = next(each["hx-get"] for each in page.all("div") if "hx-get" in each)
    assert "odd" in (await read(web, refreshed)).text


async def test_node_page_is_complete(
    facts: Facts, web: httpx.AsyncClient, clock: JumpClock
) -> None:
    facts.record_event(
        Event(
            at=clock.now() - 30.0,
            kind="EndpointLost",
            severity="Warning",
            endpoint=hall.address(20),
            message="no answer within 5 s",
        )
    )
    page = await read(web, "/ui/assets/h1-a02-u06")
    for wanted in (
        "S00020",
        "00000000-0000-4000-8000-000000000020",
        "2 cpu, 8 gpu, 32 memory",
        "? dpu",
        "limit 6.60 kW",
        "https://127.1.0.21 25.08-9 Redfish 1.20.0",
        "endpoint lost no answer within 5 s",
        "GPU7 gpu NVIDIA H200",
        "12.1 V",
        "9000 RPM",
        "61.5 °C",
        "iolaus describe node/h1-a02-u06",
        "InventoryComplete True all read",
    ):
        assert wanted in page.text, wanted
    assert page.text.count(" last hour ") == 3
    lost = next(row for row in page.rows if row and row[0] == "Lost")
    assert lost[1] == "unknown"


async def test_a_drained_node_says_so(context: Context, web: httpx.AsyncClient) -> None:
    people = context.drains = People()
    name = (await context.fleet.assets())[0].name
    assert "Drain</dt>" not in (await web.get(f"/ui/assets/{name}")).text
    await people.drain("u", name, adapter="", reason="new <pump>", by="kim")
    text = (await web.get(f"/ui/assets/{name}")).text
    assert "<dt>Drain</dt><dd>draining" in text
    assert "by kim: new &lt;pump&gt;" in text


async def test_parts_that_need_a_look_come_first(
    facts: Facts, web: httpx.AsyncClient, clock: JumpClock
) -> None:
    report = scene.report(20, at=clock.now(), parts=True)
    bad = msgspec.structs.replace(report.components[5], health="Critical")
    hot = msgspec.structs.replace(report.readings[-2], status="Warning")
    facts.record_report(
        msgspec.structs.replace(
            report,
            components=(*report.components[:5], bad, *report.components[6:]),
            readings=(*report.readings[:-2], hot, report.readings[-1]),
        )
    )
    page = await read(web, "/ui/assets/h1-a02-u06")
    heads = [number for number, row in enumerate(page.rows) if row[0] in ("Name", "Sensor")]
    first = [page.rows[number + 1][0] for number in heads]
    assert first == ["GPU5", hot.name]


async def test_a_silent_node_says_why_and_what_to_do(web: httpx.AsyncClient) -> None:
    page = await read(web, "/ui/assets/h1-a01-u24")
    assert "Health Unknown" in page.text
    assert "no answer within 5 s" in page.text
    assert "Next:" in page.text
    health = next(row for row in page.rows if row and row[0] == "Healthy")
    assert health[1] == "Unknown"


@pytest.mark.parametrize("path", ["/ui/racks/h1-a02", "/ui/assets/h1-a02-u06"])
async def test_a_page_refreshes_a_part_of_itself(web: httpx.AsyncClient, path: str) -> None:
    whole = await read(web, path)
    refreshing = next(each for each in whole.all("div") if "hx-get" in each)
    part = await read(web, refreshing["hx-get"])
    assert "html" not in {tag for tag, _ in part.elements}
    assert part.table() == whole.table() or path.endswith("u06")
    assert {each["id"] for each in part.all("a") if "id" in each} <= {
        each["id"] for each in whole.all("a") if "id" in each
    }


@pytest.mark.parametrize(
    "path", ["/ui/assets/nobody", "/ui/racks/none", "/ui/racks/", "/ui/racks/a/b"]
)
async def test_what_is_not_known_is_a_page_too(web: httpx.AsyncClient, path: str) -> None:
    answer = await web.get(path)
    assert answer.status_code in (200, 404)
    if path != "/ui/racks/":
        assert answer.status_code == 404
        assert "Not found" in Document(answer.text).text


@pytest.mark.parametrize("path", ["/", "/ui/summary", "/ui/table", "/ui/racks"])
async def test_an_empty_hall_has_pages(clock: JumpClock, path: str) -> None:
    async with client_of(make_context(Facts(clock=clock), clock)) as web:
        page = await read(web, path)
    assert "None" not in page.text
    assert "nan" not in page.text.lower().split()


async def test_an_endpoint_that_never_answered_is_counted(clock: JumpClock) -> None:
    facts = Facts(clock=clock)
    facts.put_target(scene.target(0))
    async with client_of(make_context(facts, clock)) as web:
        assert "Endpoints reachable 0 of 1" in (await read(web, "/")).text
