"""Lanes over the real wire, against simulated devices that count what reaches them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.drivers.lane.conftest import RIGHT, V1, WRONG, FileLedger, lane_to
from tests.sim.engine.tree import device

from iolaus.drivers.lane import AuthRules, BreakerRules, CacheRules, LaneRules
from iolaus.drivers.ports import Priority, Reads
from iolaus.drivers.redfish.events import events
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, IolausError
from iolaus.sim.device import Device, Latency, Options
from iolaus.sim.rules import Rule, Select, parse_rules
from iolaus.sim.server import running

SAFETY, CONTROL, LIFECYCLE, TELEMETRY, INVENTORY = Priority
SYSTEM, PROCESSORS = f"{V1}/Systems/1", f"{V1}/Systems/1/Processors"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
SESSIONS = f"{V1}/SessionService/Sessions"
TELEMETRY_URIS = [
    SYSTEM,
    f"{V1}/Chassis/1/EnvironmentMetrics",
    f"{V1}/Chassis/1/Sensors/inlet",
    f"{V1}/Chassis/1/Controls/Limit",
    *(f"{PROCESSORS}/{n}" for n in range(5)),
]


def logins(played: Device) -> int:
    return sum(m == "POST" and p == SESSIONS for _, m, p in played.counters.order or [])


# --- acceptance 5 -----------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [4, 2, 1])
async def test_on_a_busy_device_a_safety_write_waits_for_at_most_one_request(slots: int) -> None:
    """With every slot of the device taken, the next request that it sees is the safety write: it
    takes the first slot that falls free, so it waited for one request and for no second."""
    played = device(options=Options(slots=slots, latency=Latency(median_s=0.02, sigma=0.4)))
    async with running([played]), lane_to(played, rules=LaneRules(max_in_flight=slots)) as lane:
        await lane.at(TELEMETRY).get(SYSTEM)
        seen = played.counters
        seen.order = order = list[tuple[float, str, str]]()
        load = [asyncio.create_task(_poll_for_ever(lane.at(TELEMETRY), n)) for n in range(8)]
        load.append(asyncio.create_task(_poll_for_ever(lane.at(INVENTORY), 8)))
        overtaken_by = []
        for _ in range(10):
            await _until(lambda: seen.in_flight == slots and lane.stats().waiting > 0)
            before = len(order)
            await lane.write("POST", RESET, {"ResetType": "Nmi"}, priority=SAFETY)
            after = [path for _, _, path in order[before:]]
            overtaken_by.append(after.index(RESET))
        for task in load:
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)
    assert overtaken_by == [0] * 10
    assert (seen.max_in_flight, seen.max_sessions) == (slots, 1)
    assert played.gate.sessions() == ()


async def _outcome(job: Awaitable[object]) -> object:
    return (await asyncio.gather(job, return_exceptions=True))[0]


async def _until(true: Callable[[], bool]) -> None:
    for _ in range(5000):
        if true():
            return
        await asyncio.sleep(0.001)
    pytest.fail("it never came to that")


async def _poll_for_ever(reads: Reads, reader: int) -> None:
    """Each reader asks for something of its own, or they would share their answers."""
    while True:
        for uri in TELEMETRY_URIS:
            await reads.get(f"{uri}?reader={reader}")


async def test_a_killed_predecessors_session_is_reaped(tmp_path: Path) -> None:
    played, ledger = device(), FileLedger(tmp_path / "sessions.json")
    async with running([played]):
        await _run_and_kill(played, tmp_path / "sessions.json")
        (left_behind,) = played.gate.sessions()
        assert ledger.ours(played.address) == (left_behind.path,)
        async with lane_to(played, ledger=ledger) as lane:
            await lane.at(TELEMETRY).get(SYSTEM)
            (ours,) = played.gate.sessions()
            assert ours.path != left_behind.path
            assert ledger.ours(played.address) == (ours.path,)
        assert played.gate.sessions() == ()
        assert ledger.ours(played.address) == ()
    assert played.counters.max_sessions == 1


async def _run_and_kill(played: Device, ledger: Path) -> None:
    script = Path(__file__).with_name("predecessor.py")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        script,
        played.address,
        played.fingerprint,
        ledger,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
        cwd=Path(__file__).parents[3],
    )
    try:
        assert child.stdout is not None
        assert await asyncio.wait_for(child.stdout.readline(), 90) == b"reading\n"
    finally:
        child.send_signal(signal.SIGKILL)
        await child.wait()
        child._transport.close()  # type: ignore[attr-defined]


# --- behaviour 5: sessions --------------------------------------------------------------------


async def test_when_no_session_is_free_everything_is_read_and_one_login_was_tried() -> None:
    played = device(options=Options(session_limit=1))
    played.counters.order = []
    async with running([played]):
        played.gate.login({"UserName": RIGHT.user, "Password": RIGHT.password})
        async with lane_to(played) as lane:
            for uri in TELEMETRY_URIS * 3:
                assert (await lane.at(TELEMETRY).get(uri)).status == 200
            assert lane.stats().sessions == 0
        assert len(played.gate.sessions()) == 1, "the other one's"
    assert logins(played) == 1
    assert played.counters.auth_failures == 0


async def test_a_device_that_leaks_its_sessions_is_read_all_the_same() -> None:
    """It never gives a deleted session back, and has two: the third life goes without."""
    async with running([device()], faults=parse_rules(["sessions-run-out"], source="-")) as hall:
        played = hall.devices[0]
        for _ in range(4):
            async with lane_to(played) as lane:
                for uri in TELEMETRY_URIS:
                    assert (await lane.at(TELEMETRY).get(uri)).status == 200
        assert played.counters.max_sessions == 2
        assert played.counters.auth_failures == 0


async def test_a_slow_and_degrading_device_keeps_every_promise() -> None:
    """Slow, very slow, hanging, and gone for a while: reads end in time, and nothing is left."""
    rules = LaneRules(breaker=BreakerRules(pause_s=0.1, pause_max_s=0.2))
    bad = [
        Rule(effect="latency", seconds=0.01, sigma=0.5),
        Rule(effect="latency", seconds=0.4, select=Select(path="*Firmware*")),
        Rule(effect="latency", hang=True, select=Select(probability=0.05, after=10)),
        Rule(effect="status", status=503, select=Select(probability=0.05, after=10)),
        Rule(effect="die", how="reset", for_s=0.3, times=1, select=Select(after=60)),
    ]
    async with running([device()], faults=bad) as hall:
        played = hall.devices[0]
        async with lane_to(played, rules=rules) as lane:
            reads = lane.at(TELEMETRY, deadline_s=0.5)
            firmware = lane.at(INVENTORY, deadline_s=2.0)
            for _ in range(8):
                asked = [reads.get(uri) for uri in TELEMETRY_URIS]
                asked.append(firmware.get(f"{V1}/UpdateService/FirmwareInventory/bmc"))
                for result in await asyncio.gather(*asked, return_exceptions=True):
                    assert not isinstance(result, Exception) or isinstance(result, IolausError)
                assert lane.stats().waiting == 0
            hall.clear()
            for _ in range(100):
                await asyncio.sleep(0.05)
                if not isinstance(await _outcome(reads.get(SYSTEM)), Exception):
                    break
            assert (await lane.at(TELEMETRY).get(SYSTEM)).status == 200
        assert lane.stats().in_flight == 0
        assert played.counters.max_sessions <= 2
        assert played.gate.sessions() == ()


async def test_an_expired_session_is_renewed_once_for_all_who_find_out() -> None:
    played = device(options=Options(session_limit=1))
    played.counters.order = []
    async with running([played]), lane_to(played, rules=LaneRules(max_in_flight=4)) as lane:
        await lane.at(TELEMETRY).get(SYSTEM)
        played.gate.drop_all()
        await asyncio.gather(*(lane.at(TELEMETRY).get(uri) for uri in TELEMETRY_URIS))
        assert lane.stats().sessions == 1
    assert logins(played) == 2
    assert (played.counters.max_sessions, played.counters.auth_failures) == (1, 0)
    assert played.gate.sessions() == ()


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 10, 20, 40])
async def test_no_session_is_left_wherever_the_caller_is_cancelled(turns: int) -> None:
    played = device(options=Options(latency=Latency(median_s=0.005)))
    async with running([played]):
        async with lane_to(played) as lane:
            read = asyncio.create_task(lane.at(TELEMETRY).get(SYSTEM))
            for _ in range(turns):
                await asyncio.sleep(0.001)
            read.cancel()
            await asyncio.wait({read})
        assert played.gate.sessions() == ()


# --- behaviour 6: slow, hung, crashed ---------------------------------------------------------


async def test_a_hung_request_costs_its_slot_until_its_deadline_and_nobody_else() -> None:
    hang = Rule(effect="latency", hang=True, select=Select(path="*/FirmwareInventory*"))
    async with running([device()], faults=[hang]) as hall, lane_to(hall.devices[0]) as lane:
        firmware = f"{V1}/UpdateService/FirmwareInventory"
        hung = asyncio.create_task(lane.at(INVENTORY, deadline_s=0.8).get(firmware))
        for uri in TELEMETRY_URIS:
            await lane.at(TELEMETRY).get(uri)
        assert not hung.done()
        with pytest.raises(DeviceSilent):
            await hung
        assert (lane.stats().in_flight, lane.stats().breaker) == (0, "closed")


async def test_a_controller_that_crashes_is_left_alone_and_taken_up_again() -> None:
    heard: list[bool] = []
    rules = LaneRules(breaker=BreakerRules(threshold=3, pause_s=0.05, pause_max_s=0.1))
    async with (
        running([device()]) as hall,
        lane_to(
            hall.devices[0], rules=rules, on_silence=lambda _, silent, __: heard.append(silent)
        ) as lane,
    ):
        place = hall.places[hall.devices[0].name]
        await lane.at(TELEMETRY).get(SYSTEM)
        place.down("refuse")
        await place.settled()
        for _ in range(20):
            with pytest.raises(DeviceSilent):
                await lane.at(TELEMETRY, deadline_s=1.0).get(SYSTEM)
        assert heard == [True]
        assert lane.stats().breaker != "closed"
        place.up()
        await place.settled()
        for _ in range(50):
            await asyncio.sleep(0.02)
            if lane.stats().breaker == "closed":
                break
            await _outcome(lane.at(TELEMETRY).get(SYSTEM))
        assert heard == [True, False]
        assert (await lane.at(TELEMETRY).get(SYSTEM)).status == 200


async def test_many_readers_of_a_slow_listing_are_one_request() -> None:
    slow = Rule(effect="latency", seconds=0.2, select=Select(path="*/FirmwareInventory"))
    async with running([device()], faults=[slow]) as hall, lane_to(hall.devices[0]) as lane:
        uri = f"{V1}/UpdateService/FirmwareInventory"
        await asyncio.gather(*(lane.at(INVENTORY).get(uri) for _ in range(20)))
        assert hall.devices[0].counters.by_path[uri] == 1


# --- behaviour 8: stale reads after writes ----------------------------------------------------


async def test_after_a_write_the_device_is_asked_until_it_tells_the_new_state() -> None:
    """The device serves the old state for a while; nothing of it sticks in the lane."""
    stale = Rule(effect="lie", lie="stale_reads", seconds=0.3)
    rules = LaneRules(cache=CacheRules(hold_off_s=1.0))
    async with (
        running([device()], faults=[stale]) as hall,
        lane_to(hall.devices[0], rules=rules) as lane,
    ):
        reads, told = lane.at(CONTROL), []
        await reads.get(SYSTEM, fresh_s=600.0)
        await lane.write("PATCH", SYSTEM, {"AssetTag": "new"}, priority=CONTROL)
        for _ in range(40):
            told.append((await reads.get(SYSTEM, fresh_s=600.0)).body["AssetTag"])
            if told[-1] == "new":
                break
            await asyncio.sleep(0.02)
        assert told[0] == "", "the device did lie"
        assert told[-1] == "new"
        assert hall.devices[0].counters.by_path[SYSTEM] == len(told) + 2


async def test_an_etag_saves_the_body_where_nothing_was_written() -> None:
    played = device()
    async with running([played]), lane_to(played) as lane:
        reads = lane.at(TELEMETRY)
        first = await reads.get(SYSTEM, fresh_s=0.001)
        await asyncio.sleep(0.01)
        again = await reads.get(SYSTEM, fresh_s=0.001)
        assert played.counters.by_status["304"] == 1
        assert again.body == first.body


# --- behaviour 11: locking the account --------------------------------------------------------


async def test_a_wrong_password_does_not_lock_the_account() -> None:
    played = device(options=Options(lockout_after=3, lockout_s=3600.0))
    async with running([played]):
        async with lane_to(played, WRONG) as lane:
            for _ in range(10):
                reads = [lane.at(priority).get(SYSTEM) for priority in Priority]
                results = await asyncio.gather(*reads, return_exceptions=True)
                assert all(isinstance(r, DeviceRefused) and r.status == 401 for r in results)
        assert played.counters.auth_failures == 1
        async with lane_to(played, RIGHT) as lane:
            assert (await lane.at(TELEMETRY).get(SYSTEM)).status == 200


async def test_nor_where_there_are_no_sessions_and_many_read_at_once() -> None:
    played = device(options=Options(lockout_after=3, lockout_s=3600.0))
    none = Rule(effect="status", status=405, select=Select(method=["POST"], path="*/Sessions"))
    async with running([played], faults=[none]):
        async with lane_to(played, WRONG, rules=LaneRules(max_in_flight=4)) as lane:
            reads = [lane.at(TELEMETRY).get(uri) for uri in TELEMETRY_URIS * 2]
            results = await asyncio.gather(*reads, return_exceptions=True)
            assert all(isinstance(each, DeviceRefused) for each in results)
        assert played.counters.auth_failures == 1
        async with lane_to(played, RIGHT) as lane:
            assert (await lane.at(TELEMETRY).get(SYSTEM)).status == 200


async def test_nor_by_reaping_with_a_password_that_is_no_longer_right(tmp_path: Path) -> None:
    played, ledger = device(options=Options(lockout_after=4)), FileLedger(tmp_path / "s.json")
    async with running([played]):
        for number in range(5):
            ledger.remember(played.address, f"{SESSIONS}/old-{number}")
        async with lane_to(played, WRONG, ledger=ledger) as lane:
            for _ in range(5):
                with pytest.raises(DeviceRefused):
                    await lane.at(TELEMETRY).get(SYSTEM)
        assert played.counters.auth_failures <= 2


async def test_where_every_session_is_refused_the_next_try_is_basic_and_stays() -> None:
    played = device(options=Options(lockout_after=3, lockout_s=3600.0))
    played.counters.order = []
    none = Rule(effect="status", status=401, select=Select(method=["POST"], path="*/Sessions"))
    rules = LaneRules(auth=AuthRules(pause_s=0.05))
    async with running([played], faults=[none]), lane_to(played, rules=rules) as lane:
        with pytest.raises(DeviceRefused):
            await lane.at(TELEMETRY).get(SYSTEM)
        with pytest.raises(DeviceRefused, match="refused once"):
            await lane.at(TELEMETRY).get(SYSTEM)
        await _until(lambda: lane.stats().login_retry_s is None)
        for uri in TELEMETRY_URIS:
            assert (await lane.at(TELEMETRY).get(uri)).status == 200
    assert logins(played) == 1
    assert played.counters.auth_failures == 0


async def test_a_wrong_password_is_tried_both_ways_in_turn_and_never_twice_at_once() -> None:
    played = device(options=Options(lockout_after=10))
    played.counters.order = []
    rules = LaneRules(auth=AuthRules(pause_s=0.02, factor=1.0, pause_max_s=0.02))
    async with running([played]), lane_to(played, WRONG, rules=rules) as lane:
        for tried in range(1, 5):
            await _until(lambda: lane.stats().login_retry_s is None)
            results = await asyncio.gather(
                *(lane.at(TELEMETRY).get(uri) for uri in TELEMETRY_URIS), return_exceptions=True
            )
            assert all(isinstance(each, DeviceRefused) for each in results)
            assert played.counters.auth_failures == tried
    assert logins(played) == 2, "every other try"


# --- collections and events -------------------------------------------------------------------


async def test_collections_are_read_whole_page_by_page() -> None:
    played = device(options=Options(page_size=2, slots=2))
    gaps: list[tuple[str, str]] = []
    async with running([played]), lane_to(played) as lane:
        reads = lane.at(INVENTORY)
        members = await reads.members(PROCESSORS, on_gap=lambda *gap: gaps.append(gap))
        assert [body["Id"] for _, body in members] == ["0", "1", "2", "3", "4"]
        await reads.get(V1)
        members = await reads.members(PROCESSORS, on_gap=lambda *gap: gaps.append(gap))
        assert len(members) == 5
    assert not gaps


async def test_the_driver_hears_the_device_through_its_lane() -> None:
    async with running([device()]) as hall, lane_to(hall.devices[0]) as lane:
        heard = aclosing(events(lane.at(TELEMETRY), last_event_id=None))
        async with heard as stream:
            first = asyncio.ensure_future(anext(stream))
            await _until(lambda: lane.stats().streams == 1 and lane.stats().in_flight == 0)
            test_event = f"{V1}/EventService/Actions/EventService.SubmitTestEvent"
            while not first.done():
                await lane.write("POST", test_event, {"MessageId": "X.1.0.Y"}, priority=CONTROL)
                await asyncio.wait({first}, timeout=0.05)
            assert (await first).message_id == "X.1.0.Y"
        await _until(lambda: lane.stats().streams == 0)


async def test_events_flow_beside_the_requests_and_end_with_the_reader() -> None:
    played = device()
    async with running([played]), lane_to(played, connections=4) as lane:
        stream = lane.events(f"{V1}/EventService/SSE")
        first = asyncio.ensure_future(anext(stream))
        for _ in range(200):
            await asyncio.sleep(0.01)
            if lane.stats().streams and not first.done():
                test_event = f"{V1}/EventService/Actions/EventService.SubmitTestEvent"
                await lane.write("POST", test_event, {"MessageId": "X.1.0.Y"}, priority=CONTROL)
            if first.done():
                break
        assert (await first).data
        assert lane.stats().ceiling == 2
        await stream.aclose()
        assert lane.stats().streams == 0
        assert (await lane.at(TELEMETRY).get(SYSTEM)).status == 200
