"""The map's arrays: what a browser is sent, when it changes, and who sees what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import HotUpdate
from iolaus.model.endpoint import Reach
from iolaus.model.fact import Health, Known
from iolaus.model.select import EVERYTHING, parse_selector
from iolaus.north.context import Context
from iolaus.north.ui.hallmap import HallMap
from iolaus.north.ui.measures import ABSENT, METRICS, TOP, UNKNOWN
from iolaus.north.ui.scopes import Maps
from iolaus.store.facts import Facts
from tests.north import hall
from tests.north.ui import scene, wanting
from tests.north.ui.serving import make_context


def map_of(context: Context, scope: str = "") -> HallMap:
    return Maps(context).of(parse_selector(scope) if scope else EVERYTHING)


def layout_of(hall_map: HallMap) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(hall_map.layout()[1])
    return found


def cells_of(hall_map: HallMap, metric: str) -> Mapping[str, tuple[int, bool]]:
    """Name -> code and stale bit, as a browser reads them from the frame."""
    names = layout_of(hall_map)["names"]
    data = hall_map.frame(metric, max_age_s=0).data
    assert len(data) == 2 * len(names) + (len(names) + 7) // 8
    codes = np.frombuffer(data[: 2 * len(names)], dtype="<u2").tolist()
    bits = np.unpackbits(np.frombuffer(data[2 * len(names) :], np.uint8), bitorder="little")
    return {
        name: (code, bool(bit))
        for name, code, bit in zip(names, codes, bits[: len(names)].tolist(), strict=True)
    }


def name_of(number: int) -> str:
    return scene.target(number).name or ""


def test_layout_goes_by_hall_row_rack_and_unit_from_the_top(context: Context) -> None:
    layout = layout_of(map_of(context))
    assert [each["name"] for each in layout["halls"]] == ["h1"]
    racks = layout["halls"][0]["rows"][0]["racks"]
    assert [rack["name"] for rack in racks] == ["", "h1-a01", "h1-a02", "h1-a03"]
    names = [layout["names"][index] for index in racks[1]["cells"]]
    assert names[:3] == ["h1-a01-sw1", "h1-a01-u36", "h1-a01-u34"]
    assert names[-1] == "h1-a01-ps1"
    assert sorted(i for rack in racks for i in rack["cells"]) == list(range(len(layout["names"])))
    assert [metric["name"] for metric in layout["metrics"]] == list(METRICS)
    units = dict(zip(layout["names"], layout["units"], strict=True))
    assert units["h1-a01-u36"] == [36, 2]
    assert units["h1-a01-sw1"] == [40, 1]
    assert units["h1-a-cdu1"] == [0, 1]


def test_health_has_its_word_and_silence_is_unknown(context: Context) -> None:
    health = cells_of(map_of(context), "health")
    assert health[name_of(0)] == (0, False)
    assert health[name_of(7)] == (1, False)
    assert health[name_of(5)] == (2, False)
    assert health[name_of(11)] == (UNKNOWN, True)


def test_numbers_are_scaled_and_what_nobody_measures_is_absent(context: Context) -> None:
    hall_map = map_of(context)
    power = cells_of(hall_map, "power")
    scale = json.loads(hall_map.frame("power").scale)
    assert (scale["low"], scale["high"]) == (0, 8000)
    assert power[name_of(0)] == (round(scene.watts_of(0) / 8000 * TOP), False)
    assert power[name_of(9)] == (UNKNOWN, False)
    assert power[name_of(11)][1]
    assert power["h1-a01-sw1"] == (ABSENT, False)
    assert cells_of(hall_map, "leak")[name_of(0)] == (ABSENT, False)
    assert cells_of(hall_map, "leak")[name_of(23)] == (1, False)
    assert cells_of(hall_map, "leak")[name_of(24)] == (0, False)


def test_everything_grows_stale_and_only_numbers_keep_their_value(
    context: Context, clock: JumpClock
) -> None:
    hall_map = map_of(context)
    fresh = cells_of(hall_map, "power")
    clock.advance(3600.0)
    for metric in METRICS:
        for name, (code, stale) in cells_of(hall_map, metric).items():
            assert stale or code in (UNKNOWN, ABSENT), (metric, name)
    assert all(code == UNKNOWN for code, _ in cells_of(hall_map, "health").values())
    assert {n: c for n, (c, _) in cells_of(hall_map, "power").items()} == {
        n: c for n, (c, _) in fresh.items()
    }


def test_a_leak_stays_when_its_detector_falls_silent(context: Context, clock: JumpClock) -> None:
    hall_map = map_of(context)
    clock.advance(3600.0)
    leak = cells_of(hall_map, "leak")
    assert leak[name_of(23)] == (1, True)
    assert leak[name_of(24)] == (UNKNOWN, True)


def test_a_hot_pass_moves_only_what_it_touched(
    context: Context, facts: Facts, clock: JumpClock
) -> None:
    hall_map = map_of(context)
    before, version = cells_of(hall_map, "power"), hall_map.layout()[0]
    clock.advance(5.0)
    scene.breathe(facts, [0], clock, beat=1)
    after = cells_of(hall_map, "power")
    assert {n for n in after if after[n] != before[n]} == {name_of(0)}
    assert after[name_of(0)][0] == round(scene.watts_of(0, 1) / 8000 * TOP)
    assert hall_map.layout()[0] == version


def test_silence_and_return_are_seen_at_once(
    context: Context, facts: Facts, clock: JumpClock
) -> None:
    hall_map, now = map_of(context), clock.now()
    status = msgspec.structs.replace(
        hall.status(0, at=now, reach=Reach.UNREACHABLE), address=scene.target(0).address
    )
    facts.record_status(status)
    assert cells_of(hall_map, "health")[name_of(0)] == (UNKNOWN, True)
    facts.record_status(msgspec.structs.replace(status, reach=Reach.REACHABLE))
    assert cells_of(hall_map, "health")[name_of(0)] == (0, False)


def test_a_full_reading_of_the_same_things_keeps_the_layout(
    context: Context, facts: Facts, clock: JumpClock
) -> None:
    hall_map = map_of(context)
    version, text = hall_map.layout()
    clock.advance(900.0)
    scene.put_node(facts, 0, at=clock.now())
    assert hall_map.layout() == (version, text)
    assert cells_of(hall_map, "health")[name_of(0)] == (0, False)


def test_layout_moves_with_what_stands_there(
    context: Context, facts: Facts, clock: JumpClock
) -> None:
    hall_map = map_of(context)
    version, _ = hall_map.layout()
    scene.put_node(facts, 40, at=clock.now())
    assert hall_map.layout()[0] == version + 1
    assert name_of(40) in cells_of(hall_map, "health")
    facts.remove_target(scene.target(40).address)
    assert hall_map.layout()[0] == version + 2
    assert name_of(40) not in cells_of(hall_map, "health")
    moved = msgspec.structs.replace(scene.target(0), labels={"hall": "h2", "rack": "x", "u": "3"})
    facts.put_target(moved)
    assert {h["name"] for h in layout_of(hall_map)["halls"]} == {"h1", "h2"}


def test_two_endpoints_with_one_name_are_two_cells(
    context: Context, facts: Facts, clock: JumpClock
) -> None:
    hall_map = map_of(context)
    hall_map.layout()
    twin = msgspec.structs.replace(scene.target(41), name=name_of(0))
    scene.put(facts, twin, scene.report(41, at=clock.now(), parts=False), at=clock.now())
    names = [cell.name for cell in hall_map.cells()]
    assert len(names) == len(set(names)) == 40 + 7 + 1
    assert sum(name.startswith(name_of(0)) for name in names) == 2


def test_swing_is_the_range_of_the_last_minutes(
    context: Context, facts: Facts, clock: JumpClock
) -> None:
    hall_map = map_of(context)
    assert cells_of(hall_map, "swing")[name_of(0)][0] == UNKNOWN
    assert cells_of(hall_map, "swing")["h1-a01-sw1"][0] == ABSENT
    watts = [scene.watts_of(0)]
    for beat in range(1, 4):
        clock.advance(10.0)
        scene.breathe(facts, [0], clock, beat=beat)
        watts.append(scene.watts_of(0, beat))
        hall_map.layout()
    assert shown(hall_map, "swing", name_of(0)) == kilowatts(max(watts) - min(watts))
    clock.advance(299.0)
    scene.breathe(facts, [0], clock, beat=4)
    kept = [watts[-1], scene.watts_of(0, 4)]
    assert shown(hall_map, "swing", name_of(0)) == kilowatts(max(kept) - min(kept))


def test_frames_are_worked_out_once_a_tick(
    context: Context, facts: Facts, clock: JumpClock
) -> None:
    hall_map = map_of(context)
    first = hall_map.show("age")
    assert hall_map.show("age") is first
    clock.advance(1.0)
    assert hall_map.show("age") is not first


@pytest.mark.parametrize("count", [1_008, pytest.param(10_080, marks=pytest.mark.soak)])
def test_thousands_of_cells(clock: JumpClock, count: int) -> None:
    context = make_context(scene.build(count, clock, devices=False, parts=False), clock)
    hall_map = map_of(context)
    version, text = hall_map.layout()
    assert len(hall_map.cells()) == count
    for metric in METRICS:
        assert len(hall_map.frame(metric).data) == count * 2 + count // 8
    health = cells_of(hall_map, "health")
    for number in range(0, count, 7):
        expected = (UNKNOWN, True) if scene.is_silent(number) else (code_of(number), False)
        assert health[name_of(number)] == expected
    assert hall_map.layout() == (version, text)


def test_an_empty_hall_is_a_map_without_cells(clock: JumpClock) -> None:
    context = make_context(Facts(clock=clock), clock)
    hall_map = map_of(context)
    assert layout_of(hall_map)["names"] == []
    assert all(hall_map.frame(metric).data == b"" for metric in METRICS)


def test_a_scope_is_all_there_is(context: Context) -> None:
    scoped = map_of(context, "rack=h1-a02")
    assert {cell.rack for cell in scoped.cells()} == {"h1-a02"}
    assert len(scoped.cells()) == 20
    assert b"h1-a01" not in scoped.layout()[1]


def test_a_scope_over_what_moves_follows_it(
    context: Context, facts: Facts, clock: JumpClock
) -> None:
    scoped = map_of(context, "health=Critical")
    assert names_of(scoped.cells()) == [name_of(5)]
    clock.advance(1.0)
    critical = Known(value=Health.CRITICAL, at=clock.now())
    facts.record_hot(
        HotUpdate(endpoint=hall.address(1), at=clock.now(), healths={hall.SYSTEM: critical})
    )
    clock.advance(10.0)
    assert set(names_of(scoped.cells())) == {name_of(1), name_of(5)}


def names_of(cells: Sequence[Any]) -> list[str]:
    return [cell.name for cell in cells]


def code_of(number: int) -> int:
    return METRICS["health"].words.index(scene.health_of(number).value)


def shown(hall_map: HallMap, metric: str, name: str) -> str:
    hall_map.show(metric, max_age_s=0)
    index = names_of(hall_map.cells()).index(name)
    return hall_map.texts(metric)[index]


def kilowatts(watts: float) -> str:
    return f"{watts / 1000:.2f} kW" if watts >= 999.5 else f"{watts:.0f} W"


async def drift_of(context: Context, hall_map: HallMap) -> dict[str, str]:
    """Name -> what the map says of its drift, once everything is judged."""
    await context.desired.ledger.settle()
    names = [cell.name for cell in hall_map.cells()]
    return dict(zip(names, hall_map.texts("drift"), strict=True))


async def test_drift_is_what_the_ledger_says(context: Context, clock: JumpClock) -> None:
    hall_map = map_of(context)
    assert set((await drift_of(context, hall_map)).values()) == {"no baseline"}
    wanting.set_snc(context.facts, clock)
    await wanting.want(context, *wanting.ALL)
    clock.advance(1.0)
    found = await drift_of(context, hall_map)
    judged = [state for state in found.values() if state != "no baseline"]
    assert wanting.counted(judged) == wanting.COUNTS
    assert (found["h1-a01-u02"], found["h1-a02-u06"]) == ("excused", "staged")
    assert (found["h1-a03-u02"], found["h1-a03-u04"]) == ("conflict", "no baseline")


async def test_drift_follows_a_baseline_without_any_new_fact(context: Context) -> None:
    hall_map = map_of(context)
    await wanting.want(context, wanting.baseline("b", "h1-a02-*,kind=node", bmc="25.09-1"))
    assert (await drift_of(context, hall_map))["h1-a02-u02"] == "drifted"
    await wanting.want(context, wanting.baseline("b", "h1-a02-*,kind=node", bmc="25.08-9"))
    assert (await drift_of(context, hall_map))["h1-a02-u02"] == "in-sync"
    await context.baselines.remove("b")
    assert (await drift_of(context, hall_map))["h1-a02-u02"] == "no baseline"


async def test_what_is_in_sync_is_unknown_when_it_is_old_or_silent(
    context: Context, clock: JumpClock
) -> None:
    hall_map = map_of(context)
    await wanting.want(context, wanting.baseline("b", "hall=h1,kind=node", bmc="25.08-9"))
    found = await drift_of(context, hall_map)
    assert found["h1-a01-u24"] == "unknown"
    assert found["h1-a02-u02"] == "in-sync"
    clock.advance(2 * context.slow_interval_s + 5.0)
    assert shown(hall_map, "drift", "h1-a02-u02") == "unknown"
    assert shown(hall_map, "drift", "h1-a01-sw1") == "no baseline"


async def test_a_map_settles_once_a_second_at_most(context: Context, clock: JumpClock) -> None:
    maps = Maps(context)
    await maps.settle()
    await wanting.want(context, wanting.baseline("b", "h1-a02-*,kind=node", bmc="25.09-1"))
    await maps.settle()
    assert maps.of(EVERYTHING).texts("drift").count("drifted") == 18
    report = scene.report(20, at=clock.now(), parts=False)
    clock.advance(0.5)
    context.facts.record_report(report)
    await maps.settle()
    assert maps.of(EVERYTHING).texts("drift").count("drifted") == 18
    clock.advance(1.0)
    await maps.settle()
    clock.advance(1.0)
    assert maps.of(EVERYTHING).texts("drift").count("drifted") == 17
