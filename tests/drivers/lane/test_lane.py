"""A lane against a hand-written device on the jumping clock: what callers rely on."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.drivers.lane.fake import V1, FakeDevice, lane_of, settle

from iolaus.drivers.lane import GivenUp, HeldBack, LaneRules
from iolaus.drivers.ports import Priority
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, IolausError, WeErred
from iolaus.wire.redfish.upload import raw

SAFETY, CONTROL, LIFECYCLE, TELEMETRY, INVENTORY = Priority
SYSTEM = f"{V1}/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
PUSH = f"{V1}/UpdateService/push"


@pytest.fixture
def device() -> FakeDevice:
    device = FakeDevice(JumpClock())
    device.state = {f"{V1}/Things/{i}": {"Id": str(i)} for i in range(100)}
    device.state[SYSTEM] = {"PowerState": "On"}
    return device


# --- images ------------------------------------------------------------------------------------


async def test_an_image_takes_one_slot_and_a_safety_write_goes_beside_it(
    device: FakeDevice,
) -> None:
    lane = lane_of(device)
    device.latency_s = lambda method, uri: 300.0 if uri == PUSH else 0.1
    await lane.at(TELEMETRY).get(SYSTEM)
    pushing = asyncio.create_task(lane.writer(CONTROL, deadline_s=600).push(PUSH, raw(b"image")))
    await settle()
    began = device.clock.monotonic()
    await lane.write("POST", RESET, {}, priority=SAFETY)
    await lane.at(TELEMETRY).get(f"{V1}/Things/1")
    assert device.clock.monotonic() - began < 1.0
    assert (await pushing).status == 200
    assert device.pushed == b"image"
    assert device.most_running == 2
    await lane.close()


async def test_how_long_an_image_takes_says_nothing_of_the_devices_pace(device: FakeDevice) -> None:
    lane = lane_of(device, rules=LaneRules(max_in_flight=4))
    await lane.at(TELEMETRY).get(SYSTEM)
    before = lane.stats().latency_ms
    device.latency_s = lambda method, uri: 100.0
    await lane.push(PUSH, raw(b"image"))
    assert (lane.stats().limit, lane.stats().latency_ms) == (4, before)
    await lane.close()


async def test_a_large_image_is_given_the_time_that_its_size_needs(device: FakeDevice) -> None:
    lane = lane_of(device)
    await lane.push(PUSH, raw(b"x" * (1 << 20)))
    assert device.timeouts[-1] == 120.0 + 16.0
    device.mute = True
    with pytest.raises(DeviceSilent):
        await lane.push(PUSH, raw(b"x"), deadline_s=5.0)
    assert lane.stats().in_flight == 0
    await lane.close()


async def test_what_an_image_may_have_changed_is_read_afresh(device: FakeDevice) -> None:
    lane = lane_of(device)
    await lane.at(TELEMETRY).get(PUSH, fresh_s=60.0)
    await lane.push(PUSH, raw(b"x"))
    await lane.at(TELEMETRY).get(PUSH, fresh_s=60.0)
    assert device.count("GET", PUSH) == 2
    await lane.close()


# --- order and number -------------------------------------------------------------------------


async def test_at_most_two_in_flight_and_one_session_whoever_asks(device: FakeDevice) -> None:
    lane = lane_of(device)
    reads = [lane.at(list(Priority)[i % 5]).get(f"{V1}/Things/{i}") for i in range(50)]
    await asyncio.gather(*reads)
    assert (device.most_running, device.most_sessions, device.logins) == (2, 1, 1)
    await lane.close()
    assert device.sessions == 0


@pytest.mark.parametrize(("connections", "most"), [(1, 1), (3, 3), (None, 4)])
async def test_never_more_than_the_device_is_known_to_bear(
    device: FakeDevice, connections: int | None, most: int
) -> None:
    lane = lane_of(device, rules=LaneRules(max_in_flight=4), connections=connections)
    await asyncio.gather(*(lane.at(TELEMETRY).get(f"{V1}/Things/{i}") for i in range(20)))
    assert device.most_running == most
    await lane.close()


@pytest.mark.parametrize("slots", [1, 2, 4])
async def test_a_safety_write_waits_for_one_request_under_full_load(
    device: FakeDevice, slots: int
) -> None:
    lane = lane_of(device, rules=LaneRules(max_in_flight=slots))
    await lane.at(TELEMETRY).get(SYSTEM)
    reads = [
        asyncio.create_task(lane.at(priority).get(f"{V1}/Things/{i}"))
        for i in range(40)
        for priority in (TELEMETRY,)
    ]
    await settle()
    sent = len(device.log)
    await lane.write("POST", RESET, {}, priority=SAFETY)
    assert RESET in device.order()[sent : sent + 1], "the next one sent is the safety write"
    await asyncio.gather(*reads)
    await lane.close()


async def test_who_has_less_time_than_the_request_he_shares_gives_up_alone(
    device: FakeDevice,
) -> None:
    lane = lane_of(device)
    await lane.at(TELEMETRY).get(f"{V1}/Things/1")
    device.latency_s = lambda _, uri: 40.0 if uri == SYSTEM else 0.1
    patient = asyncio.create_task(lane.at(INVENTORY).get(SYSTEM))
    await settle(5)
    began = device.clock.monotonic()
    with pytest.raises(GivenUp):
        await lane.at(TELEMETRY, timeout_s=5.0).get(SYSTEM)
    assert device.clock.monotonic() - began == pytest.approx(5.0)
    device.latency_s = lambda _, uri: 0.1
    assert (await lane.at(TELEMETRY, timeout_s=5.0).get(SYSTEM)).body == {"PowerState": "On"}
    assert not patient.done(), "what may hang is not waited for again"
    assert (await patient).body == {"PowerState": "On"}
    assert device.count("GET", SYSTEM) == 2
    await lane.close()


async def test_a_time_out_of_its_own_counts_from_the_sending(device: FakeDevice) -> None:
    lane = lane_of(device, rules=LaneRules(max_in_flight=1))
    device.latency_s = lambda _, uri: 3.0
    reads = lane.at(TELEMETRY, timeout_s=5.0)
    results = await asyncio.gather(*(reads.get(f"{V1}/Things/{i}") for i in range(5)))
    assert len(results) == 5
    assert device.timeouts == [5.0] * 5
    await lane.close()


async def test_long_inventory_never_fills_every_slot(device: FakeDevice) -> None:
    lane = lane_of(device)
    device.latency_s = lambda _, uri: 50.0 if "Firmware" in uri else 0.1
    slow = [
        asyncio.create_task(lane.at(INVENTORY).get(f"{V1}/FirmwareInventory/{i}")) for i in range(3)
    ]
    await settle(50)
    began = device.clock.monotonic()
    await lane.at(TELEMETRY).get(SYSTEM)
    assert device.clock.monotonic() - began < 1.0
    await asyncio.gather(*slow)
    await lane.close()


async def test_503_halves_what_is_in_flight(device: FakeDevice) -> None:
    lane = lane_of(device, rules=LaneRules(max_in_flight=4))
    device.refuse[SYSTEM] = 503
    with pytest.raises(DeviceRefused):
        await lane.at(TELEMETRY).get(SYSTEM)
    assert lane.stats().limit == 2
    await lane.close()


# --- deadlines --------------------------------------------------------------------------------


async def test_a_deadline_holds_in_the_queue(device: FakeDevice) -> None:
    lane = lane_of(device, rules=LaneRules(max_in_flight=1))
    device.latency_s = lambda _, uri: 10.0
    first = asyncio.create_task(lane.at(TELEMETRY).get(SYSTEM))
    await settle()
    for attempt in (
        lane.at(TELEMETRY, deadline_s=2.0).get(f"{V1}/Things/1"),
        lane.write("PATCH", f"{V1}/Things/2", {}, priority=SAFETY, deadline_s=2.0),
    ):
        with pytest.raises(HeldBack) as caught:
            await attempt
        assert caught.value.code == "DeadlinePassed"
    await first
    assert device.order() == [SYSTEM], "what was given up in the queue is never sent"
    assert lane.stats().breaker == "closed", "a full queue is not a silent device"
    await lane.close()


async def test_a_deadline_bounds_the_request_and_silence_counts(device: FakeDevice) -> None:
    lane = lane_of(device)
    await lane.at(TELEMETRY).get(SYSTEM)
    device.mute = True
    for _ in range(3):
        with pytest.raises(DeviceSilent):
            await lane.at(TELEMETRY, deadline_s=3.0).get(SYSTEM)
    assert device.timeouts[-1] == pytest.approx(3.0)
    assert lane.stats().breaker == "open"
    await lane.close()


# --- silence ----------------------------------------------------------------------------------


async def test_a_dead_device_is_told_once_each_way_and_comes_back_by_itself(
    device: FakeDevice,
) -> None:
    heard: list[tuple[bool, str]] = []
    lane = lane_of(device, on_silence=lambda _, silent, why: heard.append((silent, why)))
    device.mute = True
    poll_s, asked = 10.0, []
    for turn in range(30):
        if turn == 20:
            device.mute = False
        try:
            await lane.at(TELEMETRY, deadline_s=5.0).get(SYSTEM)
            asked.append("ok")
        except DeviceSilent as error:
            asked.append("left alone" if error.code == "LaneOpen" else "silent")
        await device.clock.sleep(poll_s)
    assert [silent for silent, _ in heard] == [True, False]
    assert asked[0] == "silent"
    assert "left alone" in asked
    assert asked[-1] == "ok"
    assert asked.index("ok") <= 24, "probed soon after it came back"
    await lane.close()


async def test_while_it_is_open_nobody_waits_and_safety_still_goes(device: FakeDevice) -> None:
    lane = lane_of(device)
    device.mute = True
    for _ in range(3):
        with pytest.raises(DeviceSilent):
            await lane.at(TELEMETRY).get(SYSTEM)
    began, sent = device.clock.monotonic(), device.logins
    with pytest.raises(GivenUp, match="next probe in 5 s"):
        await lane.at(TELEMETRY).get(SYSTEM)
    assert (device.clock.monotonic(), device.logins) == (began, sent)
    device.mute = False
    await lane.write("POST", RESET, {}, priority=SAFETY)
    assert lane.stats().breaker == "closed"
    await lane.close()


async def test_a_probe_that_is_cancelled_does_not_wedge_the_lane(device: FakeDevice) -> None:
    lane = lane_of(device)
    await lane.at(TELEMETRY).get(SYSTEM)
    device.mute = True
    for _ in range(3):
        with pytest.raises(DeviceSilent):
            await lane.at(TELEMETRY, deadline_s=1.0).get(SYSTEM)
    device.clock.advance(5.0)
    probe = asyncio.create_task(lane.at(TELEMETRY).get(SYSTEM))
    await settle(3)
    probe.cancel()
    await asyncio.wait({probe})
    device.mute = False
    await lane.at(TELEMETRY).get(SYSTEM)
    await lane.close()


# --- cache ------------------------------------------------------------------------------------


async def test_identical_reads_in_flight_are_one_request(device: FakeDevice) -> None:
    lane = lane_of(device)
    answers = await asyncio.gather(*(lane.at(TELEMETRY).get(SYSTEM) for _ in range(10)))
    assert device.count("GET", SYSTEM) == 1
    assert {a.body["PowerState"] for a in answers} == {"On"}
    assert lane.stats().shared == 9
    await lane.at(TELEMETRY).get(SYSTEM)
    assert device.count("GET", SYSTEM) == 2, "nothing is kept unless asked for"
    await lane.close()


async def test_one_rider_leaving_does_not_take_the_others_down(device: FakeDevice) -> None:
    lane = lane_of(device)
    device.latency_s = lambda _, uri: 5.0
    first = asyncio.create_task(lane.at(TELEMETRY).get(SYSTEM))
    other = asyncio.create_task(lane.at(TELEMETRY).get(SYSTEM))
    await settle(5)
    first.cancel()
    assert (await other).status == 200
    assert device.count("GET", SYSTEM) == 1
    await lane.close()


async def test_a_follower_in_a_hurry_lifts_the_read(device: FakeDevice) -> None:
    lane = lane_of(device, rules=LaneRules(max_in_flight=1))
    queued = [lane.at(INVENTORY).get(f"{V1}/Things/{i}") for i in range(5)]
    tasks = [asyncio.create_task(each) for each in queued]
    await settle(3)
    tasks.append(asyncio.create_task(lane.at(SAFETY).get(f"{V1}/Things/4")))
    await asyncio.gather(*tasks)
    assert device.order()[1] == f"{V1}/Things/4"
    await lane.close()


async def test_kept_for_as_long_as_asked_then_revalidated(device: FakeDevice) -> None:
    lane = lane_of(device)
    device.tags[SYSTEM] = '"7"'
    reads = lane.at(TELEMETRY)
    first = await reads.get(SYSTEM, fresh_s=10.0)
    assert await reads.get(SYSTEM, fresh_s=10.0) == first
    await device.clock.sleep(11.0)
    again = await reads.get(SYSTEM, fresh_s=10.0)
    assert device.etags == [None, '"7"']
    assert again.body == first.body
    assert again.at > first.at
    await lane.close()


async def test_a_write_makes_its_surroundings_be_read_afresh(device: FakeDevice) -> None:
    """Behaviour 8: stale reads after writes; and ETags that do not change are not believed."""
    lane = lane_of(device)
    reads, other = lane.at(TELEMETRY), f"{V1}/Things/1"
    device.tags = {SYSTEM: '"same"', other: '"1"'}
    for uri in (SYSTEM, other):
        await reads.get(uri, fresh_s=60.0)
    await lane.write("PATCH", SYSTEM, {"PowerState": "Off"}, priority=CONTROL)
    assert (await reads.get(SYSTEM, fresh_s=60.0)).body["PowerState"] == "Off"
    await reads.get(SYSTEM, fresh_s=60.0)
    assert device.count("GET", SYSTEM) == 3, "not kept while the device may still serve old state"
    assert set(device.etags) == {None}
    await reads.get(other, fresh_s=60.0)
    assert device.count("GET", other) == 1
    await device.clock.sleep(6.0)
    await reads.get(SYSTEM, fresh_s=60.0)
    await reads.get(SYSTEM, fresh_s=60.0)
    assert device.count("GET", SYSTEM) == 4
    await lane.close()


async def test_a_read_that_a_write_overtook_is_not_shared_with_later_ones(
    device: FakeDevice,
) -> None:
    lane = lane_of(device)
    device.latency_s = lambda method, _: 5.0 if method == "GET" else 0.1
    early = asyncio.create_task(lane.at(TELEMETRY).get(SYSTEM, fresh_s=60.0))
    await settle(60)
    await lane.write("PATCH", SYSTEM, {"PowerState": "Off"}, priority=CONTROL)
    late = await lane.at(TELEMETRY).get(SYSTEM, fresh_s=60.0)
    await early
    assert device.count("GET", SYSTEM) == 2
    assert late.body["PowerState"] == "Off"
    await lane.close()


async def test_a_write_that_fails_or_is_cancelled_invalidates_too(device: FakeDevice) -> None:
    lane = lane_of(device)
    reads = lane.at(TELEMETRY)
    await reads.get(SYSTEM, fresh_s=600.0)
    device.refuse[SYSTEM] = 500
    with pytest.raises(DeviceRefused):
        await lane.write("PATCH", SYSTEM, {}, priority=CONTROL)
    device.refuse.clear()
    await device.clock.sleep(6.0)
    await reads.get(SYSTEM, fresh_s=600.0)
    device.latency_s = lambda *_: 9.0
    write = asyncio.create_task(lane.write("PATCH", SYSTEM, {}, priority=CONTROL))
    await settle(5)
    write.cancel()
    await asyncio.wait({write})
    await reads.get(SYSTEM, fresh_s=600.0)
    assert device.count("GET", SYSTEM) == 3
    assert lane.stats().in_flight == 0
    await lane.close()


# --- being let in -----------------------------------------------------------------------------


async def test_a_wrong_password_never_locks_the_account(device: FakeDevice) -> None:
    """Behaviour 11: a day of ten-second polls by five classes; the device locks after three."""
    lane = lane_of(device)
    device.right_password, device.lock_after, device.login_s = False, 99, 0.0
    times: list[float] = []
    for turn in range(720):
        before = device.failed_logins
        reads = [lane.at(p).get(f"{V1}/Things/{p}") for p in Priority]
        results = await asyncio.gather(*reads, return_exceptions=True)
        assert all(isinstance(r, DeviceRefused) and r.status == 401 for r in results)
        times += [device.clock.monotonic()] * (device.failed_logins - before)
        await device.clock.sleep(10.0)
        if turn == 0:
            assert isinstance(results[-1], DeviceRefused)
    assert len(times) == 4, "two hours: at 0, 10, 40 and 100 minutes"
    assert all(sum(t <= at < t + 1800 for at in times) <= 2 for t in times)
    await lane.close()


async def test_a_new_credential_is_tried_at_once(device: FakeDevice) -> None:
    lane = lane_of(device)
    device.right_password = False
    with pytest.raises(DeviceRefused):
        await lane.at(TELEMETRY).get(SYSTEM)
    with pytest.raises(HeldBack, match="next login is tried in") as caught:
        await lane.at(TELEMETRY).get(SYSTEM)
    assert caught.value.retry_after_s
    assert lane.stats().login_retry_s == pytest.approx(caught.value.retry_after_s)
    other = FakeDevice(device.clock)
    lane.use(other)
    await lane.at(TELEMETRY).get(SYSTEM)
    assert device.failed_logins == 1
    await lane.close()


async def test_without_session_slots_basic_carries_on(device: FakeDevice) -> None:
    """Behaviour 5: one login per pause, not one per request; the slot is taken when it is free."""
    lane = lane_of(device)
    device.sessions = device.slots
    for _ in range(20):
        await lane.at(TELEMETRY).get(SYSTEM)
    assert (device.logins, lane.stats().sessions) == (1, 0)
    device.sessions -= 1
    await device.clock.sleep(60.0)
    await lane.at(TELEMETRY).get(SYSTEM)
    assert (device.logins, lane.stats().sessions) == (2, 1)
    await lane.close()


async def test_an_unproven_password_over_basic_is_tried_by_one_request(
    device: FakeDevice,
) -> None:
    lane = lane_of(device, rules=LaneRules(max_in_flight=4))
    device.right_password, device.basic_until = False, 1e9
    reads = [lane.at(TELEMETRY).get(f"{V1}/Things/{i}") for i in range(20)]
    results = await asyncio.gather(*reads, return_exceptions=True)
    assert all(isinstance(each, DeviceRefused) for each in results)
    assert device.failed_logins == 1
    await lane.close()


async def test_predecessors_sessions_are_reaped_before_the_first_login(
    device: FakeDevice,
) -> None:
    lane = lane_of(device)
    device.sessions = device.stale = 1
    await lane.at(TELEMETRY).get(SYSTEM)
    assert (device.reaps, device.most_sessions) == (1, 1)
    await lane.close()
    assert device.sessions == 0


async def test_a_uri_that_stays_401_costs_no_login_per_poll(device: FakeDevice) -> None:
    lane = lane_of(device)
    device.refuse[f"{V1}/Secret"] = 401
    for _ in range(10):
        with pytest.raises(DeviceRefused):
            await lane.at(TELEMETRY).get(f"{V1}/Secret")
    assert device.count("GET", f"{V1}/Secret") == 1
    await lane.at(TELEMETRY).get(SYSTEM)
    assert device.failed_logins == 0
    await lane.close()


async def test_anonymous_lanes_neither_log_in_nor_wait_for_proof(device: FakeDevice) -> None:
    lane = lane_of(device, anonymous=True)
    device.basic_until = 1e9
    await asyncio.gather(*(lane.at(TELEMETRY).get(f"{V1}/Things/{i}") for i in range(4)))
    assert (device.logins, device.most_running) == (0, 2)
    await lane.close()


# --- ending -----------------------------------------------------------------------------------


async def test_closing_turns_everyone_away_and_deletes_the_session(device: FakeDevice) -> None:
    lane = lane_of(device)
    device.latency_s = lambda *_: 3.0
    work = [asyncio.create_task(lane.at(TELEMETRY).get(f"{V1}/Things/{i}")) for i in range(6)]
    work.append(asyncio.create_task(lane.write("POST", RESET, {}, priority=CONTROL)))
    await settle(60)
    await lane.close()
    results = await asyncio.gather(*work, return_exceptions=True)
    turned_away = [each for each in results if isinstance(each, BaseException)]
    assert turned_away
    assert all(isinstance(each, WeErred) and each.code == "Closed" for each in turned_away)
    assert device.sessions == 0
    assert lane.stats().in_flight == lane.stats().waiting == 0
    with pytest.raises(WeErred):
        await lane.at(TELEMETRY).get(SYSTEM)


async def test_cancelled_in_the_middle_of_the_login_no_session_is_left(
    device: FakeDevice,
) -> None:
    lane = lane_of(device)
    read = asyncio.create_task(lane.at(TELEMETRY).get(SYSTEM))
    await settle(5)
    read.cancel()
    await asyncio.wait({read})
    assert lane.stats().in_flight == 1, "the login still holds the slot"
    await lane.close()
    assert (device.logins, device.sessions, lane.stats().in_flight) == (1, 0, 0)


async def test_close_goes_on_when_its_caller_is_cancelled(device: FakeDevice) -> None:
    lane = lane_of(device)
    await lane.at(TELEMETRY).get(SYSTEM)
    closing = asyncio.create_task(lane.close())
    await settle(2)
    closing.cancel()
    await asyncio.wait({closing})
    await lane.close()
    assert device.sessions == 0


async def test_a_stream_takes_no_slot_but_a_known_connection(device: FakeDevice) -> None:
    device.stream_events = [1, 2, 3]
    lane = lane_of(device, connections=2)
    seen = []
    async for event in lane.events(f"{V1}/SSE"):
        seen.append(event)
        assert (lane.stats().ceiling, lane.stats().streams) == (1, 1)
        with pytest.raises(HeldBack):
            await anext(lane.events(f"{V1}/SSE"))
        await lane.at(TELEMETRY).get(SYSTEM)
    assert seen == [1, 2, 3]
    assert (lane.stats().ceiling, lane.stats().streams) == (2, 0)
    lane.bear(1)
    with pytest.raises(HeldBack, match="last connection"):
        await anext(lane.events(f"{V1}/SSE"))
    await lane.close()


# --- anything at all --------------------------------------------------------------------------

ACTS = st.tuples(
    st.sampled_from(["read", "write", "stale read"]),
    st.sampled_from(list(Priority)),
    st.integers(0, 5),
    st.sampled_from([None, 0.05, 0.5, 5.0]),
    st.sampled_from([None, 0, 1, 3, 8, 25]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(ACTS, max_size=25),
    st.lists(st.sampled_from([0.01, 0.1, 1.0, 40.0]), min_size=1, max_size=6),
    st.sets(st.sampled_from([401, 404, 503])),
    st.integers(1, 4),
)
def test_whatever_is_asked_and_cancelled_nothing_is_left_behind(
    acts: list[tuple[str, Priority, int, float | None, int | None]],
    latencies: list[float],
    refusals: set[int],
    slots: int,
) -> None:
    async def scenario() -> None:
        device = FakeDevice(JumpClock(idle_turns=8))
        device.latency_s = lambda _, uri: latencies[int(uri[-1]) % len(latencies)]
        device.refuse = {f"{V1}/Things/{s % 6}": s for s in refusals}
        lane = lane_of(device, rules=LaneRules(max_in_flight=slots))
        tasks = []
        for kind, priority, number, deadline_s, cancel_after in acts:
            uri = f"{V1}/Things/{number}"
            if kind == "write":
                job = lane.write("PATCH", uri, {}, priority=priority, deadline_s=deadline_s)
            else:
                fresh_s = 5.0 if kind == "stale read" else 0.0
                job = lane.read(uri, priority=priority, deadline_s=deadline_s, fresh_s=fresh_s)
            tasks.append(asyncio.create_task(job))
            if cancel_after is not None:
                await settle(cancel_after)
                tasks[-1].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            assert not isinstance(result, Exception) or isinstance(result, IolausError)
        await lane.close()
        stats = lane.stats()
        assert (stats.in_flight, stats.waiting, stats.sessions) == (0, 0, 0)
        assert device.most_running <= slots
        assert (device.sessions, device.most_sessions <= 1) == (0, True)

    asyncio.run(scenario())
