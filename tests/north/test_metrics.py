"""Metrics: parseable, in base units, every reading with an age, and never a lie by repetition."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import HotUpdate
from iolaus.model.endpoint import Reach
from iolaus.model.fact import Health, Known
from iolaus.north.context import Context
from iolaus.north.exposition import escape, number
from iolaus.north.metrics import FAMILIES, Metrics
from tests.north import hall
from tests.north.conftest import client_of, make_context


def samples(text: str) -> dict[str, list[Sample]]:
    """Parsed strictly: each family once, each series once."""
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in found, f"{family.name} is not in one piece"
        found[family.name] = family.samples
        series = Counter((s.name, tuple(sorted(s.labels.items()))) for s in family.samples)
        assert max(series.values(), default=1) == 1, series.most_common(1)
    return found


def of(found: dict[str, list[Sample]], family: str, /, **labels: str) -> list[float]:
    return [
        sample.value
        for sample in found.get(family, [])
        if all(sample.labels.get(key) == value for key, value in labels.items())
    ]


async def test_over_http(context: Context) -> None:
    context.stats = lambda: {"loop_lag_seconds": 0.25}
    async with client_of(context) as api:
        answer = await api.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.text)
    assert of(found, "hw_host_power_watts", node="h1-r01-u01", rack="h1-r01") == [5000.0]
    assert of(found, "hw_temperature_celsius", sensor="GPU0 Temp", component="GPU0")[0] == 61.5
    assert of(found, "hw_fan_speed_rpm", node="h1-r01-u02") == [9000.0]
    assert of(found, "hw_voltage_volts", node="h1-r01-u02") == [12.1]
    assert of(found, "iolaus_liquid_flow_liters_per_second", node="cdu-1") == [8.0]
    assert of(found, "iolaus_leak_detected", node="cdu-1") == [0.0]
    assert of(found, "iolaus_power_cap_watts", node="h1-r01-u01") == [6600.0]
    assert of(found, "iolaus_components", node="h1-r01-u01", hw_type="gpu") == [8.0]
    assert of(found, "iolaus_endpoint_up", name="h1-r01-u03") == [0.0]
    assert of(found, "iolaus_collection_duration_seconds", name="h1-r01-u01") == [2.5]
    assert of(found, "iolaus_endpoints", state="reachable") == [4.0]
    assert of(found, "iolaus_firmware_info", component="BMC", version="25.08-9") == [1.0] * 4
    assert of(found, "iolaus_loop_lag_seconds") == [0.25]


async def test_every_reading_has_an_age_under_its_own_labels(context: Context) -> None:
    context.clock.advance(4.0)  # type: ignore[attr-defined]
    found = samples(await Metrics(context).text())
    ages = {
        (s.labels["node"], s.labels["sensor"]): s.value for s in found["iolaus_reading_age_seconds"]
    }
    held = sum(len(each.readings) for each in context.facts.all_held())
    assert len(ages) == held == 26
    assert set(ages.values()) == {5.0}
    values = [s for name in FAMILIES for s in found.get(name, []) if "sensor" in s.labels]
    assert {(s.labels["node"], s.labels["sensor"]) for s in values} <= set(ages)
    assert len(of(found, "iolaus_asset_age_seconds")) == 5


async def test_who_is_silent_repeats_nothing_and_is_never_ok(context: Context) -> None:
    found = samples(await Metrics(context).text())
    assert not of(found, "hw_host_power_watts", node="h1-r01-u03")
    assert not of(found, "iolaus_power_on", node="h1-r01-u03")
    assert of(found, "hw_status", node="h1-r01-u03", hw_type="host", state="ok") == [0.0]
    assert of(found, "hw_status", node="h1-r01-u03", hw_type="host", state="unknown") == [1.0]
    assert of(found, "hw_status", node="h1-r01-u02", hw_type="host", state="failed") == [1.0]
    assert len(of(found, "iolaus_reading_age_seconds", node="h1-r01-u03")) == 6


async def test_the_cache_follows_every_change(context: Context, clock: JumpClock) -> None:
    metrics = Metrics(context)
    await metrics.text()
    now = clock.now()
    hot = hall.reading("Total Power", 777.0, at=now, quantity="Power", unit="W", role="node_power")
    context.facts.record_hot(
        HotUpdate(
            endpoint=hall.address(0),
            at=now,
            healths={hall.SYSTEM: Known(value=Health.WARNING, at=now)},
            readings=(hot, hall.reading("New one", 1.0, at=now)),
        )
    )
    found = samples(await metrics.text())
    assert of(found, "hw_host_power_watts", node="h1-r01-u01") == [777.0]
    assert of(found, "hw_temperature_celsius", node="h1-r01-u01", sensor="New one") == [1.0]
    assert of(found, "hw_status", node="h1-r01-u01", hw_type="host", state="degraded") == [1.0]
    context.facts.record_status(hall.status(0, at=now, reach=Reach.UNREACHABLE))
    assert not of(samples(await metrics.text()), "hw_host_power_watts", node="h1-r01-u01")
    context.facts.remove_target(hall.address(0))
    assert not of(samples(await metrics.text()), "iolaus_endpoint_up", name="h1-r01-u01")


async def test_growing_stale_shows_without_any_change(context: Context, clock: JumpClock) -> None:
    metrics = Metrics(context)
    await metrics.text()
    clock.advance(25.0)
    found = samples(await metrics.text())
    assert of(found, "hw_status", node="h1-r01-u01", hw_type="host", state="unknown") == [1.0]
    assert of(found, "iolaus_asset_age_seconds", node="h1-r01-u01") == [26.0]


@pytest.mark.parametrize("nodes", [100, pytest.param(1000, marks=pytest.mark.soak)])
async def test_what_many_nodes_say_parses(clock: JumpClock, nodes: int) -> None:
    context = make_context(clock, nodes=nodes, extra=20)
    found = samples(await Metrics(context).text())
    assert len(found["iolaus_reading_age_seconds"]) == nodes * 26 + 2
    assert len(of(found, "hw_host_power_watts")) == nodes - 1


async def test_hostile_names_and_equal_names(clock: JumpClock) -> None:
    context = make_context(clock, nodes=1)
    now = clock.now()
    report = hall.report(0, at=now)
    evil = 'a"b\\c\nd\0{e="f"} 1\ud800'
    twice = [
        msgspec.structs.replace(hall.reading(evil, 1.0, at=now), uri=f"/r/{n}") for n in range(2)
    ]
    context.facts.record_report(
        msgspec.structs.replace(
            report,
            readings=(*report.readings, *twice),
            components=(*report.components, *report.components),
            firmware=(*report.firmware, *report.firmware),
        )
    )
    text = b"".join([chunk async for chunk in Metrics(context).chunks()]).decode()
    found = samples(text)
    assert len(of(found, "hw_temperature_celsius", node="h1-r01-u01")) == 4


@given(st.text())
def test_any_label_value_comes_back(value: str) -> None:
    line = f'm{{a="{escape(value)}"}} 1\n'
    found = samples(line)["m"][0].labels["a"]
    assert found == value.replace("\0", "")


@given(st.floats(-1e300, 1e300) | st.sampled_from([float("inf"), float("nan")]))
def test_any_number_is_readable(value: float) -> None:
    found = samples(f"m {number(value)}\n")["m"][0].value
    assert found == value or found != found or abs(found - value) <= abs(value) * 1e-9
