"""The site from outside: its loop, its watts, what did happen, and what somebody says of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.app.sited import house_of
from tests.north.cli.test_golden import run
from tests.north.conftest import client_of, make_context, serving
from tests.north.powering import PLANT, Room
from tests.north.ui.conftest import client_of as browser_of

from iolaus.app.site_room import SiteRoom, past_file
from iolaus.energy.centre import Centre
from iolaus.energy.hindsight import Past
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.north.context import Context


@pytest.fixture
def context(tmp_path: Path) -> Context:
    clock = JumpClock()
    context, room = make_context(clock), Room(clock, mode=Mode.ADVISE)
    context.power, context.plant = room, lambda: PLANT
    centre = Centre(PLANT, PowerPolicy(mode=Mode.ADVISE), 2)
    centre.take(room.run.edge.report(clock.monotonic()), clock.monotonic())
    centre.tick(clock.monotonic())
    context.seen_site = house_of(context, tmp_path, running=lambda: centre, plant=PLANT)
    return context


def room_of(context: Context) -> SiteRoom:
    assert isinstance(context.seen_site, SiteRoom)
    return context.seen_site


async def play(context: Context, seconds: float) -> None:
    task = asyncio.create_task(room_of(context).run())
    await context.clock.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_did_happen_is_kept_and_goes_on_after_a_restart(
    context: Context, tmp_path: Path
) -> None:
    await play(context, 21)
    past = room_of(context).past()["r1"]
    assert (past.seen_s, past.did.seconds) == (20, 0)
    again = house_of(context, tmp_path)
    assert again.past()["r1"].seen_s == 20
    (tmp_path / "power-past.json").write_text("{")
    assert house_of(context, tmp_path).past() == {}
    with pytest.raises(OperatorMust):
        past_file(tmp_path / "power-past.json").load()


async def test_the_site_s_ratios_are_unknown_until_somebody_says_what_no_controller_sees(
    context: Context,
) -> None:
    await play(context, 11)
    async with client_of(context) as api:
        before = (await api.get("/api/v1/sitepower/site")).json()["status"]
        assert before["pue"] is None
        assert before["pue_why"]
        assert before["loop"] == "idle"
        said = await api.post("/api/v1/signals", json={"name": "facility.power", "value": 1e7})
        assert said.status_code == 202
        for value in (0, 500):
            body = {"name": "job/train", "value": value, "unit": "tokens"}
            assert (await api.post("/api/v1/signals", json=body)).status_code == 202
            await context.clock.sleep(10)
        wrong = await api.post("/api/v1/signals", json={"name": "job/", "value": 1})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "UnknownSignal")
        await room_of(context).measure()
        after = (await api.get("/api/v1/sitepower/site")).json()["status"]
    assert after["facility_w"] == 1e7
    (job,) = after["jobs"]
    assert (job["rate"], job["why"]) == (50, "no node of the plant is said to run it")


def test_the_command_line_describes_it(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    room_of(context).hindsight.past["r1"] = Past(domain="r1", since=0.0, seen_s=3_600.0)
    with serving(context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        told = run("describe sitepower/site")
        assert "stage     node to chip" in told
        assert "did       0 s over its limit" in run("describe plant/r1")
        assert "idle" in run("get sitepower")


async def test_the_page_and_the_metrics_show_it(context: Context) -> None:
    await play(context, 11)
    async with browser_of(context) as web:
        html = (await web.get("/ui/power")).text
        assert "Where its watts go" in html
        assert "node to chip" in html
        text = (await web.get("/metrics")).text
    assert 'iolaus_energy_domain_over_seconds_total{domain="r1",as="did"} 0' in text
    assert "iolaus_energy_site_pue{" not in text


async def test_a_person_asks_the_site_to_draw_less_for_a_while(
    context: Context, tmp_path: Path
) -> None:
    order = {"name": "t2", "limit_w": 3000, "for_s": 60, "reason": "transformer 2"}
    async with client_of(context) as api:
        whole = context.seen_site
        context.seen_site = house_of(context, tmp_path)
        none = await api.post("/api/v1/loadtargets", json={"spec": order})
        assert (none.status_code, none.json()["code"]) == (400, "NoSite")
        context.seen_site = whole
        room = room_of(context)
        made = await api.post("/api/v1/loadtargets", json={"spec": order})
        assert (made.status_code, made.json()["status"]["mode"]) == (201, "observe")
        room._siting.look()
        (target,) = (await api.get("/api/v1/sitepower/site")).json()["status"]["targets"]
        assert (target["name"], target["limit_w"], target["late"]) == ("person/t2", 3000, False)
        assert target["by"].endswith(": transformer 2")
        assert room.site().limit_w is not None
        again = house_of(context, tmp_path)
        assert [each.name for each in again._asked.all()] == ["t2"]
        assert (await api.delete("/api/v1/loadtargets/t2")).status_code == 200
        gone = await api.delete("/api/v1/loadtargets/t2")
        assert (gone.status_code, gone.json()["code"]) == (400, "NoSuchTarget")
        room._siting.look()
        assert room.site().targets == ()
        await api.post("/api/v1/loadtargets", json={"spec": order})
        await context.clock.sleep(61)
        room._siting.look()
        assert (room.site().targets, room.site().people) == ((), {})


def test_targets_of_people_on_the_command_line(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        assert "would hold the site at 3000 W" in run(
            "power target set 3kW --reason test --dry-run"
        )
        told = run("power target set 3kW --for 1h --reason test -y")
        assert "target person is set; the policy says observe: it is not held" in told
        assert "nobody asks it to draw less" in run("power target list")
        assert "target person is ended" in run("power target clear person")
