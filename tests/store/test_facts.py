from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import LogEntry
from iolaus.model.endpoint import Event, Reach, Target
from iolaus.model.fact import Health, Known, PowerState, Unknown
from iolaus.store.facts import Facts
from tests.store.made import (
    T0,
    ask_for,
    asset,
    component,
    firmware,
    health,
    hot,
    manager,
    power,
    reading,
    report,
    setting,
    status,
)

A, B = "https://a", "https://b"


def kinds(events: tuple[Event, ...]) -> list[str]:
    return sorted(event.kind for event in events)


def test_first_sight_is_one_event_for_each_asset_and_no_history(facts: Facts) -> None:
    ask_for(facts, A)
    parts = tuple(component(f"g{n}", serial=f"G{n}") for n in range(8))
    two = report(A, [asset(serial="S1"), asset("Systems/2", serial="S2")], components=parts)
    assert kinds(facts.record_report(two)) == ["Discovered", "Discovered"]
    assert facts.record_report(msgspec.structs.replace(two, observed_at=T0 + 9)) == ()


async def test_changes_become_events_and_history(facts: Facts) -> None:
    ask_for(facts, A)
    old = report(
        A,
        [asset(serial="S1", hostname="n1", counts={"gpu": 2})],
        components=(component("g0", serial="G0"), component("g1", serial="G1")),
        firmware=(firmware("BMC", "1.0"),),
        settings=(setting("Smt", "On"), setting("Numa", 1)),
    )
    facts.record_report(old)
    new = report(
        A,
        [asset(serial="S1", hostname="n2", counts={"gpu": 3}, at=T0 + 60)],
        at=T0 + 60,
        components=(
            component("g0", serial="G9"),
            component("g1", serial="G1", health="Critical"),
            component("g2", serial="G2"),
        ),
        firmware=(firmware("BMC", "1.1"),),
        settings=(setting("Smt", "Off"), setting("Numa", True)),
    )
    events = facts.record_report(new)
    assert kinds(events) == [
        "ComponentAdded",
        "ComponentChanged",
        "CountChanged",
        "FirmwareChanged",
        "SettingsChanged",
    ]
    assert all(event.asset == "a1" for event in events)
    rows = {(c.component, c.field): (c.before, c.after) for c in await facts.history()}
    assert rows == {
        (None, "hostname"): ("n1", "n2"),
        (None, "counts.gpu"): ("2", "3"),
        ("g0", "serial"): ("G0", "G9"),
        ("g2", "component"): (None, "gpu serial G2"),
        ("BMC", "version"): ("1.0", "1.1"),
        (None, "bios.Smt"): ("On", "Off"),
        (None, "bios.Numa"): ("1", "True"),
    }


async def test_settings_of_a_controller_have_a_history_and_unknown_is_no_change(
    facts: Facts,
) -> None:
    ask_for(facts, A)
    first = (manager("ntp.servers", ("a",)), manager("services.ssh", True, key="Systems/1"))
    facts.record_report(report(A, manager_settings=first))
    blind = (manager("ntp.servers", None), manager("services.ssh", True, key="Systems/1"))
    assert facts.record_report(report(A, at=T0 + 1, manager_settings=blind)) == ()
    later = (manager("ntp.servers", ("a", "b")), manager("services.ssh", False, key="Systems/1"))
    (event,) = facts.record_report(report(A, at=T0 + 2, manager_settings=later))
    assert event.message == "2 settings of the controller changed: ntp.servers, services.ssh"
    rows = {c.field: (c.before, c.after, c.source) for c in await facts.history()}
    uri = "/redfish/v1/Managers/1"
    assert rows == {
        "bmc.ntp.servers": ("a", "a, b", uri),
        "bmc.services.ssh": ("True", "False", uri),
    }


async def test_an_event_that_was_returned_is_recorded_already(facts: Facts) -> None:
    ask_for(facts, A)
    (event,) = facts.record_report(report(A))
    assert facts.record_event(event) is False
    assert facts.events() == (event,)


async def test_unknown_is_not_a_change_and_the_next_known_value_is_compared_with_the_last(
    facts: Facts,
) -> None:
    ask_for(facts, A)
    facts.record_report(report(A, [asset(serial="S1")], firmware=(firmware("BMC", "1.0"),)))
    blind = asset(serial=None, power_state=power(None, T0 + 1), health=health(None, T0 + 1))
    facts.record_report(report(A, [blind], at=T0 + 1, firmware=(firmware("BMC", None),)))
    held = facts.held(A)
    assert held
    assert isinstance(held.assets["Systems/1"].power_state, Unknown)
    assert await facts.history() == ()
    back = report(A, [asset(serial="S1", at=T0 + 2)], at=T0 + 2, firmware=(firmware("BMC", "2"),))
    assert kinds(facts.record_report(back)) == ["FirmwareChanged"]


async def test_a_component_is_gone_when_two_whole_readings_agree(facts: Facts) -> None:
    ask_for(facts, A)
    both = (component("g0", serial="G0"), component("g1", serial="G1"))

    def read(at: float, parts: Any, **fields: Any) -> list[str]:
        me = asset(serial="S1", at=T0 + at, power_state=power(fields.pop("power", PowerState.ON)))
        return kinds(facts.record_report(report(A, [me], at=T0 + at, components=parts, **fields)))

    read(0, both)
    assert read(1, both[:1], power=PowerState.OFF) == ["PowerChanged"]
    assert read(2, both[:1]) == ["PowerChanged"]
    assert read(3, both) == []
    hidden = {"/redfish/v1/Systems/1/Processors": "timed out"}
    assert [read(4 + n, (), partial=hidden) for n in range(3)] == [[], [], []]
    assert read(7, both[:1]) == []
    assert read(8, both[:1]) == ["ComponentRemoved"]
    assert read(9, both) == ["ComponentAdded"]


async def test_what_was_not_readable_before_is_no_news(facts: Facts) -> None:
    ask_for(facts, A)
    hidden = {"/redfish/v1/Systems/1/Processors": "timed out"}
    facts.record_report(report(A, partial=hidden))
    assert facts.record_report(report(A, at=T0 + 1, components=(component("g0"),))) == ()


async def test_renamed_entries_are_recognised(facts: Facts) -> None:
    ask_for(facts, A)
    old = firmware("Installed-159-1.0", "1.0", name="BIOS")
    facts.record_report(report(A, components=(component("g0", serial="G0"),), firmware=(old,)))
    new = firmware("Installed-159-1.1", "1.1", name="BIOS")
    moved = component("GPU_0", serial="G0")
    events = facts.record_report(report(A, at=T0 + 1, components=(moved,), firmware=(new,)))
    assert kinds(events) == ["FirmwareChanged"]


async def test_one_version_told_three_times_is_one_event(facts: Facts) -> None:
    ask_for(facts, A)

    def read(version: str, at: float) -> tuple[Event, ...]:
        part = component("bmc", firmware=version)
        me = asset(serial="S1", bmc_firmware=version, at=at)
        return facts.record_report(
            report(A, [me], at=at, components=(part,), firmware=(firmware("BMC", version),))
        )

    read("1", T0)
    assert kinds(read("2", T0 + 1)) == ["FirmwareChanged"]
    assert len(await facts.history(field="bmc_firmware")) == 1


async def test_a_flood_of_changes_is_cut(facts: Facts) -> None:
    ask_for(facts, A)
    many = tuple(component(f"g{n}", serial=f"A{n}") for n in range(300))
    facts.record_report(report(A, components=many))
    other = tuple(component(f"g{n}", serial=f"B{n}") for n in range(300))
    events = facts.record_report(report(A, at=T0 + 1, components=other))
    assert len(events) == 51
    assert events[-1].kind == "ManyChanges"
    assert len(await facts.history(limit=1000)) == 300


def test_hot_values_are_laid_over_and_the_newer_fact_wins(facts: Facts) -> None:
    ask_for(facts, A)
    facts.record_report(report(A, readings=(reading("t", 20.0), reading("u", 30.0))))
    update = hot(
        A,
        at=T0 + 10,
        power=power(PowerState.OFF, T0 + 10),
        readings=(reading("t", 25.0, at=T0 + 10),),
    )
    assert kinds(facts.record_hot(update)) == ["PowerChanged"]
    late = report(A, [asset(serial="SN-" + A, at=T0 + 5)], at=T0 + 5)
    late = msgspec.structs.replace(late, readings=(reading("t", 21.0, at=T0 + 5),))
    assert facts.record_report(late) == ()
    held = facts.held(A)
    assert held
    assert held.hot_at == T0 + 10
    assert [(r.value, r.at) for r in held.readings.values()] == [(25.0, T0 + 10)]
    assert held.assets["Systems/1"].power_state == Known(value=PowerState.OFF, at=T0 + 10)
    assert facts.record_hot(hot(A, at=T0 + 11, health=health(Health.CRITICAL, T0 + 11)))


def test_two_sensors_of_one_name_are_both_kept(facts: Facts) -> None:
    ask_for(facts, A)
    facts.record_report(report(A, readings=(reading("t", 1.0), reading("t", 2.0))))
    held = facts.held(A)
    assert held
    assert [r.value for r in held.readings.values()] == [1.0, 2.0]


async def test_a_system_that_could_not_be_read_stays_as_old_as_it_is(facts: Facts) -> None:
    ask_for(facts, A)
    pair = [asset(serial="S1"), asset("Systems/2", serial="S2")]
    facts.record_report(report(A, pair, components=(component("g", key="Systems/2"),)))
    unread = {"/redfish/v1/Systems/2": "503"}
    facts.record_report(report(A, [asset(serial="S1", at=T0 + 9)], at=T0 + 9, partial=unread))
    held = facts.held(A)
    assert held
    assert held.assets["Systems/2"].observed_at == T0
    assert held.report
    assert len(held.report.components) == 1
    assert held.uids == {"Systems/1": "a1", "Systems/2": "a2"}
    assert kinds(facts.record_report(report(A, [pair[0]], at=T0 + 10))) == ["AssetLost"]
    assert kinds(facts.record_report(report(A, pair, at=T0 + 11))) == ["AssetBack"]


async def test_status_is_history_when_the_reach_changes(facts: Facts) -> None:
    ask_for(facts, A)
    facts.record_status(status(A))
    facts.record_status(status(A, at=T0 + 1))
    facts.record_status(status(A, Reach.UNREACHABLE, at=T0 + 2))
    (row,) = await facts.history(endpoint=A)
    assert (row.field, row.before, row.after) == ("reach", "reachable", "unreachable")
    assert facts.events() == ()


def test_nothing_is_taken_for_an_endpoint_nobody_asked_for(facts: Facts) -> None:
    assert facts.record_report(report(A)) == ()
    facts.record_status(status(A))
    facts.record_logs(A, [])
    assert (facts.held(A), list(facts.all_held()), facts.revision) == (None, [], 0)


def test_listeners_hear_of_every_change_until_they_leave(facts: Facts) -> None:
    heard: list[str] = []
    leave = facts.on_change(lambda topic, payload: heard.append(topic))
    ask_for(facts, A)
    ask_for(facts, A)
    facts.record_report(report(A))
    facts.record_hot(hot(A, at=T0 + 1))
    leave()
    facts.remove_target(A)
    assert heard == ["facts.target", "facts.report", "events", "facts.hot"]
    assert facts.revision == 5


def entry(number: int, created: str | None = None) -> LogEntry:
    uri = f"/redfish/v1/Systems/1/LogServices/Sel/Entries/{number}"
    return LogEntry(
        uri=uri, entry_id=str(number), severity="OK", message="m", at=T0, created=created
    )


async def test_the_picture_is_the_same_after_a_restart(
    clock: JumpClock, anywhere: Path | str
) -> None:
    facts = Facts(database=anywhere, clock=clock)
    await facts.start()
    facts.put_target(Target(address=A, name="n1", labels={"rack": "r1"}))
    ask_for(facts, B)
    whole = report(
        A,
        [asset(serial="S1", counts={"gpu": 1, "cpu": None}, gaps={"sku": "not reported"})],
        components=(component("g0", serial="G0", readings={"power_w": float("nan")}),),
        firmware=(firmware("BMC", "1.0"),),
        readings=(reading("t", 20.0), reading("u", None)),
        settings=(setting("Numa", 1), setting("Smt", True)),
        manager_settings=(manager("ntp.servers", ("a", "b")), manager("ntp.enabled", True)),
        partial={"/redfish/v1/Fabrics": "404"},
        hot=("/redfish/v1/Systems/1",),
    )
    facts.record_report(whole)
    facts.record_hot(hot(A, at=T0 + 10, readings=(reading("t", 25.0, at=T0 + 10),)))
    facts.record_status(status(A, at=T0 + 10))
    facts.record_status(status(A, at=T0 + 11))
    facts.record_event(
        Event(at=T0, kind="DeviceEvent", severity="OK", endpoint=A, message="m", dedup="d")
    )
    facts.record_logs(A, [entry(1), entry(2), entry(1), entry(2)])
    before = facts.held(A)
    events, history = facts.events(), await facts.history()
    await facts.close()

    again = Facts(database=anywhere, clock=clock)
    await again.start()
    after = again.held(A)
    assert before
    assert after
    assert str(after) == str(before)
    assert again.events() == events
    assert await again.history() == history
    assert again.record_event(msgspec.structs.replace(events[0], message="replayed")) is False
    assert again.newest_log(A) == entry(2).uri
    assert [e.entry_id for e in await again.logs(A)] == ["2", "1"]
    assert again.held(B)
    same = again.record_report(msgspec.structs.replace(whole, observed_at=T0 + 20))
    assert same == ()
    again.remove_target(A)
    await again.close()

    empty = Facts(database=anywhere, clock=clock)
    await empty.start()
    assert [held.target.address for held in empty.all_held()] == [B]
    ask_for(empty, A)
    assert kinds(empty.record_report(whole)) == ["AssetBack"]
    assert empty.uid(A, "Systems/1") == after.uids["Systems/1"]
    await empty.close()


async def test_what_an_operator_said_is_on_disk_when_it_is_acknowledged(
    clock: JumpClock, anywhere: Path | str
) -> None:
    facts = Facts(database=anywhere, clock=clock)
    await facts.start()
    ask_for(facts, A)
    facts.record_status(status(A, at=T0))
    facts.record_hot(hot(A, at=T0))
    await facts.keep()
    survivor = Facts(database=anywhere, clock=clock)
    await survivor.start()
    assert survivor.held(A)
    await survivor.close()
    await facts.close()
