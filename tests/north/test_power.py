"""Edges, caps and latches from outside: API, command line, metrics, and the page."""

from __future__ import annotations

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from iolaus.energy.ports import Grade
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.point import Point
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.cli.power import parse_watts
from iolaus.north.context import Context
from iolaus.north.dto.edges import edge_view
from iolaus.north.ui.oneline import FITS, Box, one_line, wave
from tests.north.cli.test_golden import run
from tests.north.conftest import client_of, make_context, serving
from tests.north.powering import PLANT, Room
from tests.north.ui.conftest import client_of as browser_of
from tests.north.ui.document import Document


@pytest.fixture
def room(clock: JumpClock) -> Room:
    return Room(clock)


@pytest.fixture
def context(clock: JumpClock, room: Room) -> Context:
    context = make_context(clock)
    context.power, context.plant = room, lambda: PLANT
    return context


async def test_an_edge_tells_what_it_holds_and_why(api: httpx.AsyncClient, room: Room) -> None:
    room.wet()
    found = (await api.get("/api/v1/edges/r1")).json()["status"]
    assert (found["state"], found["budget_w"], found["epoch"]) == ("held", 3600, 1)
    (latch,) = found["latched"]
    assert latch["effect"] == "power off, drain"
    assert "critical" in latch["because"]
    assert found["headroom_w"] == 5000 - 2400


async def test_a_latch_is_released_by_a_person_and_not_while_it_is_wet(
    api: httpx.AsyncClient, room: Room
) -> None:
    room.wet()
    refused = await api.post("/api/v1/edges/r1/release", json={"reason": "dry"})
    assert (refused.status_code, refused.json()["code"]) == (403, "StillTripped")
    room.wet(Grade.GOOD)
    said = await api.post("/api/v1/edges/r1/release", json={"reason": "dry", "node": "n1"})
    assert said.json()["status"]["latched"] == []
    silent = await api.post("/api/v1/edges/r1/release", json={})
    assert silent.status_code == 400


async def test_a_cap_is_set_listed_and_cleared(api: httpx.AsyncClient) -> None:
    order = {"spec": {"subject": "r1", "watts": 2400, "for_s": 60, "reason": "test"}}
    made = await api.post("/api/v1/powercaps", json=order)
    assert (made.status_code, made.json()["status"]["left_s"]) == (201, 60)
    low = {"spec": {**order["spec"], "watts": 100}}
    assert (await api.post("/api/v1/powercaps", json=low)).json()["code"] == "BelowFloor"
    (listed,) = (await api.get("/api/v1/powercaps")).json()["items"]
    shown = listed["status"]
    assert (shown["in_force_w"], shown["draws_w"], shown["floor_w"]) == (4000, 2400, 1600)
    assert (shown["kept"], shown["why"]) == (
        None, "not read yet: n[0-3]; until then all that can be drawn counts",
    )  # fmt: skip
    there = "/api/v1/powercaps/r1?restore=false"
    assert (await api.delete(there)).status_code == 200
    assert (await api.delete(there)).status_code == 404
    gone = {"spec": {**order["spec"], "subject": "r9"}}
    assert (await api.post("/api/v1/powercaps", json=gone)).status_code == 404


async def test_a_rack_of_which_nobody_spoke_yet_is_not_said_to_be_none(
    api: httpx.AsyncClient, room: Room
) -> None:
    room.deaf = "this core has just begun to lead and hears of racks"
    order = {"spec": {"subject": "r9", "watts": 2400, "for_s": 60, "reason": "test"}}
    for asked in (
        api.post("/api/v1/powercaps", json=order),
        api.post("/api/v1/edges/r9/isolate", json={"reason": "a leak"}),
        api.post("/api/v1/edges/r9/release", json={"reason": "dry"}),
    ):
        refused = await asked
        assert (refused.status_code, refused.json()["code"]) == (503, "NotReady")
        assert room.deaf in refused.json()["detail"]


async def test_an_isolation_without_a_building_says_so(api: httpx.AsyncClient) -> None:
    said = await api.post("/api/v1/edges/r1/isolate", json={"reason": "leak"})
    assert (said.status_code, said.json()["code"]) == (400, "NoBuilding")


async def test_a_rack_is_given_back_when_nothing_latches_it(
    api: httpx.AsyncClient, room: Room
) -> None:
    async def ask() -> httpx.Response:
        return await api.post("/api/v1/edges/r1/unisolate", json={"reason": "dry"})

    assert (await ask()).status_code == 202
    room.gives_back = True
    assert (await ask()).status_code == 200
    room.wet(Grade.CRITICAL)
    assert ((said := await ask()).status_code, said.json()["code"]) == (403, "StillLatched")
    assert len(room.isolations) == 2


async def test_who_may_and_what_a_scope_sees(clock: JumpClock, room: Room) -> None:
    text, viewer = new_token(Role.VIEWER, name="v")
    far_text, far = new_token(Role.FACILITY, name="f", scope="rack=r7")
    context = make_context(clock, auth=Auth(demo=False, tokens=TokenList(viewer, far)))
    context.power = room
    async with client_of(context) as client:
        for word, status in ((text, 403), (far_text, 404)):
            said = await client.post(
                "/api/v1/edges/r1/release",
                json={"reason": "x"},
                headers={"Authorization": f"Bearer {word}"},
            )
            assert said.status_code == status


def test_the_command_line(context: Context, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        shown = run("get edges -o wide")
        assert "r1" in shown
        assert "leased" in shown
        assert "SWING" in run("top racks --sort swing")
        assert "held at 2400 W" in run("power cap set r1 2.4kW --for 10m --reason why --yes")
        assert "2400 W" in run("power cap list")
        for number in range(4):
            room.run.edge.written(f"n{number}", 700.0, room.clock.monotonic(), ticket=0)
        assert "not kept" not in run("describe edge/r1")
        assert "held no more" in run("power cap clear r1")
        room.wet(Grade.WARNING)
        room.wet(Grade.CRITICAL)
        described = run("describe edge/r1")
        assert "latched   leak/tray-n1: leak is critical at n1-wet" in described
        assert not any(
            line.startswith(("would  ", "unknown  ")) and "[{" in line
            for line in described.split("\n")
        )
        room.wet(Grade.GOOD)
        assert "would release leak/tray-n1" in run("latch release n1 --reason a --dry-run")
        assert "n1 is released" in run("latch release n1 --reason a --yes")
        assert "no building" in run("isolate r1 --reason leak --yes")
        assert "asked to give r1 back" in run("isolate r1 --release --reason dry --yes")


async def test_metrics_leave_out_what_is_unknown(context: Context) -> None:
    async with browser_of(context) as web:
        text = (await web.get("/metrics")).text
    families = {f.name: f for f in text_string_to_metric_families(text)}
    budget = families["iolaus_energy_edge_budget_watts"]
    assert [(s.labels, s.value) for s in budget.samples] == [({"rack": "r1"}, 3600.0)]
    limits = families["iolaus_energy_domain_limit_watts"].samples
    assert "feed-b" not in {sample.labels["domain"] for sample in limits}
    late = families["iolaus_energy_edge_latency_seconds"].samples
    assert [s.value for s in late if s.name.endswith("_count")] == [4.0]


async def test_the_page_shows_plant_budgets_latches_and_why(context: Context, room: Room) -> None:
    room.wet()
    async with browser_of(context) as web:
        html = (await web.get("/ui/power", params={"rack": "r1"})).text
        assert "leak is critical at n1-wet" in html
        assert 'id="line-n2"' in html
        assert "standby" in html
        tables = Document(html).table()
        assert tables
        part = (await web.get("/ui/power", params={"part": "1"})).text
        assert "<html" not in part
        assert (await web.get("/ui/power", params={"rack": "<b>"})).status_code == 200


def test_a_diagram_of_a_circle_ends_and_a_wave_has_gaps() -> None:
    drawn = one_line(PLANT, {}, {}, chosen="r1")
    assert {box.name for box in drawn.boxes} >= {"site", "r1", "n3"}
    assert sum(wire.standby for wire in drawn.wires) == 1
    assert wave([1.0, None, 2.0, 3.0]).path.count("M") == 2
    assert wave([None]).path == ""


def test_a_long_name_is_cut_before_it_touches_its_watts() -> None:
    long = Box("a-transformer-of-the-east", "feed", 0, 0, "465.5 / 1134.0 kW", "", None, 0, False)
    assert long.label == "a-transf.."
    assert len(long.label) + len(long.says) <= FITS
    assert long._replace(name="demo").label == "demo"
    assert {box.says for box in one_line(PLANT, {}, {}).boxes} >= {"? / 5.0 kW", "? / ?"}


def test_powers_are_read_as_they_are_written() -> None:
    assert [parse_watts(each) for each in ("60kW", "2500", "1.2 MW")] == [6e4, 2500, 1.2e6]
    for wrong in ("", "-1", "0", "many", "1e5"):
        with pytest.raises(OperatorMust):
            parse_watts(wrong)


async def test_a_buildings_points_are_objects_with_quality_and_age(clock: JumpClock) -> None:
    context = make_context(clock)
    leak = Point(
        name="Rack/RackLeakDetect/s/r1", building="b", about="r1", object_type="Rack", rack="r1",
        point_type="RackLeakDetect", value=0.0, state="NoLeak", quality=1, age_s=3.04,
    )  # fmt: skip
    meter = Point(
        name="PowerMeter/ActivePower/s/m1", building="b", about="m1", object_type="PowerMeter",
        point_type="ActivePower", unit="kW", serves=("r1",), quality=0, age_s=9.0, reason="bad",
    )  # fmt: skip
    context.points = lambda: [leak, meter]
    async with client_of(context) as client:
        found = [each["status"] for each in (await client.get("/api/v1/points")).json()["items"]]
        one = await client.get("/api/v1/points/Rack.RackLeakDetect.s.r1")
        mine = await client.get("/api/v1/points", params={"labelSelector": "rack=r1"})
    assert [(each["about"], each["value"], each["age_s"]) for each in found] == [
        ("m1", None, 9.0), ("r1", 0.0, 3.0),
    ]  # fmt: skip
    assert (found[0]["serves"], found[0]["reason"]) == (["r1"], "bad")
    assert one.json()["status"]["state"] == "NoLeak"
    assert len(mine.json()["items"]) == 1


def test_an_edge_says_why_it_is_leased_less_than_it_wants(room: Room) -> None:
    (standing,) = room.edges()
    (seen,) = room.racks()
    because = "nobody says how much feed-b can carry"
    limited = msgspec.structs.replace(seen, state="limited", because=because)
    view = edge_view(standing, limited)
    assert (view.demand_met, view.because) == (False, because)
    assert edge_view(standing, msgspec.structs.replace(seen, state="met")).demand_met is True
    assert edge_view(standing, msgspec.structs.replace(seen, state="silent")).demand_met is None
    assert edge_view(standing).demand_met is None
