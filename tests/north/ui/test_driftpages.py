"""Drift by cause and the baselines as pages, through the real application."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from iolaus.fleet.check import read_baselines
from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import Setting
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from iolaus.store.facts import Facts
from tests.north.ui import scene, wanting
from tests.north.ui.conftest import client_of
from tests.north.ui.document import Document
from tests.north.ui.serving import make_context
from tests.north.ui.wanting import baseline, want


@pytest.fixture
async def hall(context: Context, clock: JumpClock) -> AsyncIterator[httpx.AsyncClient]:
    wanting.set_snc(context.facts, clock)
    await want(context, *wanting.ALL)
    async with client_of(context) as client:
        yield client


async def read(web: httpx.AsyncClient, path: str, *, status: int = 200, **query: Any) -> Document:
    answer = await web.get(path, params=query or None)
    assert answer.status_code == status, answer.text
    return Document(answer.text)


def links(page: Document, prefix: str) -> list[str]:
    return [each["href"] for each in page.all("a") if each["href"].startswith(prefix)]


def outcomes(page: Document) -> list[tuple[str, str, str]]:
    return [(row["Nodes"], row["Outcome"], row["Subject"]) for row in page.table()]


async def test_causes_stand_by_what_they_ask_of_a_person(hall: httpx.AsyncClient) -> None:
    page = await read(hall, "/ui/drift")
    assert outcomes(page) == [
        ("1", "conflict", "firmware/BMC two"),
        ("14", "drifted", "firmware/bmc bmc-2026"),
        ("1", "drifted", "bios/Snc snc"),
        ("1", "staged", "bios/Snc snc"),
        ("1", "unknown", "the whole node bmc-2026"),
        ("3", "excused", "firmware/bmc bmc-2026"),
    ]
    rows = page.table()
    assert (rows[1]["Is"], rows[1]["Wanted"]) == ("25.08-9", "25.09-1")
    assert rows[0]["Why"] == "one wants >=25.08"
    assert "no answer within 5 s" in rows[4]["Why"]
    assert rows[5]["Why"] == "ana until 2099-12-31: waits for fans"
    assert "Nodes compared 37 in-sync 16 drifted 15 conflict 1 staged 1 unknown 1" in page.text
    assert "Values compared" in page.text
    assert "Baselines 4" in page.text


async def test_the_page_says_what_the_api_says(hall: httpx.AsyncClient) -> None:
    said = (await hall.get("/api/v1/causes")).json()
    page = await read(hall, "/ui/drift")
    assert [row["Nodes"] for row in page.table()] == [str(c["count"]) for c in said["items"]]
    assert said["counts"] == wanting.COUNTS


async def test_a_cause_names_its_nodes_and_its_command(hall: httpx.AsyncClient) -> None:
    page = await read(hall, "/ui/drift", outcome="drifted", baseline="bmc-2026")
    (row,) = page.table()
    which = "h1-a01-u[08,10,12,14,16,18,20,22,26,28,30,32,34,36]"
    assert row["Which"].startswith(which)
    assert len(links(page, "/ui/assets/h1-a01-")) == 14
    command = f"iolaus diff --baseline bmc-2026 -l '{which}'"
    assert command in page.text
    said = (await hall.get("/api/v1/causes", params={"labelSelector": which})).json()
    assert [(c["outcome"], c["count"]) for c in said["items"]] == [("drifted", 14)]


async def test_a_cause_has_an_address(hall: httpx.AsyncClient) -> None:
    page = await read(hall, "/ui/drift")
    ids = [each["id"] for each in page.all("details")]
    assert len(set(ids)) == 6
    alone = await read(hall, "/ui/drift", cause=ids[1])
    assert outcomes(alone) == outcomes(page)[1:2]
    assert [sorted(each) for each in alone.all("details")] == [["id", "open"]]
    gone = await read(hall, "/ui/drift", cause="c-0123456789ab")
    assert "This cause is gone" in gone.text


@pytest.mark.parametrize(
    ("query", "nodes"),
    [
        ({"outcome": "staged"}, ["1"]),
        ({"baseline": "snc"}, ["1", "1"]),
        ({"selector": "rack=h1-a02"}, ["1", "1"]),
        ({"selector": "h1-a01-u[02-08]"}, ["1", "3"]),
        ({"selector": "state=conflict"}, ["1"]),
        ({"selector": "rack=h1-a01", "outcome": "excused"}, ["3"]),
    ],
)
async def test_filters(hall: httpx.AsyncClient, query: dict[str, Any], nodes: list[str]) -> None:
    page = await read(hall, "/ui/drift", **query)
    assert [row["Nodes"] for row in page.table()] == nodes
    part = await read(hall, next(e["hx-get"] for e in page.all("div") if "hx-get" in e))
    assert part.table() == page.table()
    assert "html" not in {tag for tag, _ in part.elements}


async def test_what_cannot_be_asked_is_said(hall: httpx.AsyncClient) -> None:
    odd = await read(hall, "/ui/drift", selector="rack===(", baseline="none", outcome="fine")
    assert len(odd.table()) == 6
    assert "No outcome is called so; there is no such baseline;" in odd.text
    assert "this was not used" in odd.text
    for page in ("-1", "99", "x", "²", "9999999999"):
        assert len((await read(hall, "/ui/drift", page=page)).table()) == 6


async def test_many_causes_come_in_pages(context: Context, web: httpx.AsyncClient) -> None:
    raw = {f"Attribute{n:03d}": "On" for n in range(120)}
    await want(context, baseline("many", "rack=h1-a02", bios={"raw": raw}))
    first = await read(web, "/ui/drift")
    assert len(first.table()) == 50
    assert "page 1 of 3, 120 causes" in first.text
    after = next(each for each in first.all("a") if each.get("rel") == "next")
    rest = await read(web, after["href"])
    assert len(rest.table()) == 50
    assert "page 2 of 3" in rest.text
    own = await read(web, "/ui/baselines/many")
    assert "All 120 causes" in own.text


async def test_a_cause_of_many_nodes_lists_some_and_all_on_its_own(clock: JumpClock) -> None:
    context = make_context(scene.build(200, clock, devices=False), clock)
    await want(context, baseline("all", "hall=h1,kind=node", bmc="25.09-1"))
    async with client_of(context) as web:
        page = await read(web, "/ui/drift")
        few = len(links(page, "/ui/assets/"))
        assert few < 200
        alone = await read(web, next(h for h in links(page, "/ui/drift?cause=")))
    assert len(links(alone, "/ui/assets/")) == 197  # three do not answer


async def test_nothing_wanted_says_how_to_begin(web: httpx.AsyncClient) -> None:
    page = await read(web, "/ui/drift")
    assert "Nothing is wanted yet" in page.text
    assert "iolaus export baseline NODE -o good.yaml" in page.text
    assert "in-sync" not in page.text
    empty = await read(web, "/ui/baselines")
    assert "iolaus apply good.yaml" in empty.text


async def test_no_drift_says_so_with_the_time(context: Context, web: httpx.AsyncClient) -> None:
    await want(context, baseline("right", "rack=h1-a02,kind=node", bmc="25.08-9"))
    page = await read(web, "/ui/drift")
    assert "No drift" in page.text
    assert "At 2023-11-14 22:13:20 UTC all 18 nodes that are compared are as wanted" in page.text
    assert "18 values" in page.text
    own = await read(web, "/ui/baselines/right")
    assert "At 2023-11-14 22:13:20 UTC its nodes are as wanted: 18 values" in own.text


async def test_nothing_selected_is_another_nothing(
    context: Context, web: httpx.AsyncClient
) -> None:
    await want(context, baseline("far", "rack=elsewhere", bmc="1"))
    assert "none of them selects a node" in (await read(web, "/ui/drift")).text
    assert "selects none" in (await read(web, "/ui/baselines")).text
    assert "It selects no node" in (await read(web, "/ui/baselines/far")).text
    await want(context, baseline("near", "rack=h1-a02", bmc="25.09-1"))
    asked = await read(web, "/ui/drift", selector="rack=h1-a01")
    assert "No such node is compared" in asked.text
    staged = await read(web, "/ui/drift", outcome="staged")
    assert "Nothing is staged" in staged.text


async def test_what_changes_is_shown_at_once(
    context: Context, hall: httpx.AsyncClient, clock: JumpClock
) -> None:
    assert len((await read(hall, "/ui/drift")).table()) == 6
    await context.baselines.remove("two")
    assert len((await read(hall, "/ui/drift")).table()) == 5
    report = scene.report(21, at=clock.now(), parts=True)
    setting = msgspec.structs.replace(_snc(context.facts), value="On")
    context.facts.record_report(msgspec.structs.replace(report, settings=(setting,)))
    clock.advance(1.0)
    assert len((await read(hall, "/ui/drift")).table()) == 4


def _snc(facts: Facts) -> Setting:
    held = facts.held(scene.target(21).address)
    assert held is not None
    assert held.report is not None
    return held.report.settings[0]


async def test_baselines_are_listed(hall: httpx.AsyncClient) -> None:
    page = await read(hall, "/ui/baselines")
    rows = {row["Name"]: row for row in page.table()}
    assert list(rows) == ["bmc-2026", "one", "snc", "two"]
    row = rows["bmc-2026"]
    assert [row[w] for w in ("Nodes", "In sync", "Drifted", "Unknown", "Excused")] == [
        "18",
        "0",
        "14",
        "1",
        "3",
    ]
    assert (row["Generation"], row["By"], row["From"]) == ("1", "ana", "hall.yaml")
    assert row["Applied"] == "2023-11-14 22:13 UTC"
    part = await read(hall, "/ui/baselines", part="1")
    assert part.table() == page.table()


async def test_a_baseline_can_be_copied_and_applied_again(
    context: Context, hall: httpx.AsyncClient
) -> None:
    answer = await hall.get("/ui/baselines/bmc-2026")
    text = answer.text.partition('<pre id="text" tabindex="0">')[2].partition("</pre>")[0]
    (again,) = read_baselines(html.unescape(text), source="copied")
    kept = context.baselines.get("bmc-2026")
    assert kept is not None
    assert again == kept.baseline
    page = Document(answer.text)
    assert "14 drifted" in page.text
    assert outcomes(page) == [
        ("14", "drifted", "firmware/bmc"),
        ("1", "unknown", "the whole node"),
        ("3", "excused", "firmware/bmc"),
    ]
    assert "iolaus diff --baseline bmc-2026" in page.text
    part = await read(hall, "/ui/baselines/bmc-2026", part="1")
    assert part.table() == page.table()
    assert "apiVersion" not in part.text


async def test_a_baseline_that_is_not_there_is_a_page_too(hall: httpx.AsyncClient) -> None:
    page = await read(hall, "/ui/baselines/nobody", status=404)
    assert "Not found" in page.text


async def test_a_node_says_how_it_departs(hall: httpx.AsyncClient) -> None:
    page = await read(hall, "/ui/assets/h1-a01-u08")
    assert "drifted compared with bmc-2026" in page.text
    assert "Departures 1 of 1 values compared" in page.text
    row = next(r for r in page.rows if r[:2] == ["drifted", "firmware/bmc BMC"])
    assert row[2:4] == ["25.08-9", "25.09-1"]
    (link,) = links(page, "/ui/drift?cause=")
    cause = await read(hall, link)
    assert outcomes(cause) == [("14", "drifted", "firmware/bmc bmc-2026")]
    firmware = [r for r in page.rows if r and r[0] in ("BMC", "BIOS")]
    assert ["BMC", "25.08-9", "25.09-1", "drifted", "Enabled"] in firmware
    assert ["BIOS", "2.1.7", "", "", "Enabled"] in firmware


async def test_a_node_shows_what_is_staged_excused_unknown_and_disputed(
    hall: httpx.AsyncClient,
) -> None:
    staged = await read(hall, "/ui/assets/h1-a02-u06")
    row = next(r for r in staged.rows if r[:1] == ["staged"])
    assert row[1:6] == ["bios/Snc", "Off", "On", "On", "it waits for a reset"]
    excused = await read(hall, "/ui/assets/h1-a01-u02")
    assert ["BMC", "25.08-9", "25.09-1", "excused", "Enabled"] in excused.rows
    silent = await read(hall, "/ui/assets/h1-a01-u24")
    assert ["BMC", "25.08-9", "25.09-1", "unknown", "Enabled"] in silent.rows
    assert "the whole node" in silent.text
    disputed = await read(hall, "/ui/assets/h1-a03-u02")
    assert ["BMC", "25.08-9", ">=25.08 and 25.08-9", "conflict", "Enabled"] in disputed.rows
    right = await read(hall, "/ui/assets/h1-a02-u02")
    assert "Every value that a baseline names is as wanted." in right.text
    nothing = await read(hall, "/ui/assets/h1-a03-u04")
    assert "Baseline none selects it" in nothing.text
    assert "Departures" not in nothing.text


async def test_every_departure_leads_to_its_cause(
    context: Context, hall: httpx.AsyncClient
) -> None:
    page = await read(hall, "/ui/drift")
    ids = {each["id"] for each in page.all("details")}
    for number in range(40):
        node = await read(hall, f"/ui/assets/{scene.target(number).name}")
        for link in links(node, "/ui/drift?cause="):
            assert link.partition("=")[2] in ids


async def test_the_hall_counts_drift(hall: httpx.AsyncClient) -> None:
    page = await read(hall, "/")
    assert "Drifted 16 of 37 (1 unknown)" in page.text
    assert "/ui/drift" in links(page, "/ui/drift")


async def test_the_hall_says_that_nothing_is_wanted(web: httpx.AsyncClient) -> None:
    assert "Drifted no baseline" in (await read(web, "/")).text


async def test_the_table_twin_has_drift(hall: httpx.AsyncClient) -> None:
    rows = {row["Name"]: row["Drift"] for row in (await read(hall, "/ui/table")).table()}
    nodes = [state for name, state in rows.items() if "-u" in name and state != "no baseline"]
    assert wanting.counted(nodes) == wanting.COUNTS
    assert rows["h1-a01-sw1"] == "no baseline"
    worst = await read(hall, "/ui/table?sort=drift")
    assert [row["Drift"] for row in worst.table()][:2] == ["conflict", "drifted"]


def guarded(context: Context, scope: str) -> tuple[Context, dict[str, str]]:
    secret, token = new_token(Role.VIEWER, name="guest", scope=scope)
    made = make_context(context.facts, context.clock, auth=Auth(tokens=TokenList(token)))
    return made, {"Authorization": f"Bearer {secret}"}


async def test_a_scope_sees_only_its_own(context: Context, clock: JumpClock) -> None:
    wanting.set_snc(context.facts, clock)
    small, headers = guarded(context, "rack=h1-a02")
    await want(small, *wanting.ALL)
    async with client_of(small) as web:
        web.headers.update(headers)
        page = await read(web, "/ui/drift")
        assert "Nodes compared 18 in-sync 16 drifted 1 staged 1" in page.text
        assert "bmc-2026" not in page.text
        assert "h1-a01" not in page.text
        probe = await read(web, "/ui/drift", baseline="bmc-2026")
        absent = await read(web, "/ui/drift", baseline="not-there")
        assert probe.shape == absent.shape
        assert "Drifted 1 of 18" in (await read(web, "/")).text
        baselines = await read(web, "/ui/baselines")
        assert "snc" not in baselines.text
        assert "a part of it" in baselines.text
        await read(web, "/ui/baselines/snc", status=404)
        node = await read(web, "/ui/assets/h1-a02-u06")
        assert links(node, "/ui/baselines/") == []
        assert "staged compared with snc" in node.text
        await read(web, "/ui/assets/h1-a01-u08", status=404)
    nobody, headers = guarded(context, "rack=h1-a03,u=04")
    await want(nobody, *wanting.ALL)
    async with client_of(nobody) as web:
        web.headers.update(headers)
        assert "that you may see" in (await read(web, "/ui/drift")).text


async def test_without_a_token_there_is_no_drift(context: Context) -> None:
    closed, _ = guarded(context, "")
    async with client_of(closed) as web:
        for path in ("/ui/drift", "/ui/baselines", "/ui/baselines/snc"):
            assert (await web.get(path)).status_code == 401


async def test_commands_are_quoted_for_a_shell(hall: httpx.AsyncClient) -> None:
    page = await read(hall, "/ui/drift", selector="rack=$HOME;reboot")
    assert "iolaus diff -l 'rack=$HOME;reboot'" in page.text
