"""`/metrics`: the Prometheus text format, from what is held, without asking any device.

`hw_*` follows OpenTelemetry's hardware conventions (base units; a whole host's power apart, so
that nothing is summed twice); what they do not name is `iolaus_*`. Every reading has an age beside
it under the same labels. A value is left out, never repeated, once it is stale.

A hall has more readings than a scrape has time to format, so each endpoint's text is kept and made
anew only after its facts changed; labels are formatted once per inventory. Ages move all the time:
they are kept as text with a hole, one hole per second of reading time, and filled at each scrape.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from iolaus.model.alarm import AlarmState, Priority
from iolaus.model.appraisal import Appraisal
from iolaus.model.asset import Asset, Reading
from iolaus.model.condition import effective, last_seen, leak_verdict
from iolaus.model.decision import Standing
from iolaus.model.endpoint import Reach
from iolaus.model.fact import Known, PowerState, value_of
from iolaus.model.naming import distinct
from iolaus.model.trust import Summary
from iolaus.north.attestations import Row
from iolaus.north.context import Context
from iolaus.north.dto.make import Frame, counts_of, limit_of, reading_is_stale
from iolaus.north.exposition import HOLE, escape, number
from iolaus.north.fleet import Picture
from iolaus.north.power_metrics import POWER_FAMILIES, cap_lines, power_lines, site_lines
from iolaus.north.rolledup import rolled_up

CONTENT_TYPE: Final = "text/plain; version=0.0.4"
BREATH: Final = 25
CHUNK: Final = 1 << 20
_STATES: Final = {"OK": "ok", "Warning": "degraded", "Critical": "failed", None: "unknown"}


class Family(NamedTuple):
    type: str
    help: str


FAMILIES: Final[Mapping[str, Family]] = {
    "hw_status": Family(
        "gauge", "1 for the state that holds (parts: only that line); unknown when stale"
    ),
    "hw_host_power_watts": Family("gauge", "What the whole host draws"),
    "hw_host_energy_joules_total": Family("counter", "Energy of the whole host"),
    "hw_power_watts": Family("gauge", "Power of a part or a feed"),
    "hw_energy_joules_total": Family("counter", "Energy of a part or a feed"),
    "hw_temperature_celsius": Family("gauge", "Temperature"),
    "hw_fan_speed_rpm": Family("gauge", "Speed of a fan or pump"),
    "hw_fan_speed_ratio": Family("gauge", "Speed of a fan or pump, 1 is full"),
    "hw_voltage_volts": Family("gauge", "Voltage"),
    "iolaus_current_amperes": Family("gauge", "Current"),
    "iolaus_frequency_hertz": Family("gauge", "Frequency"),
    "iolaus_pressure_pascals": Family("gauge", "Pressure"),
    "iolaus_liquid_flow_liters_per_second": Family("gauge", "Flow of a liquid"),
    "iolaus_air_flow_cubic_meters_per_second": Family("gauge", "Flow of air"),
    "iolaus_humidity_ratio": Family("gauge", "Relative humidity, 1 is saturated"),
    "iolaus_ratio": Family("gauge", "A share that no other family names, 1 is all"),
    "iolaus_reading": Family("gauge", "A quantity that no other family names, in its own unit"),
    "iolaus_leak_detected": Family("gauge", "1 leak, 0 dry; absent while the detector is silent"),
    "iolaus_power_on": Family("gauge", "1 on, 0 not on; absent while it is not known"),
    "iolaus_power_cap_watts": Family("gauge", "The cap on the whole asset"),
    "iolaus_components": Family("gauge", "Present parts by class; absent where not readable"),
    "iolaus_asset_info": Family("gauge", "Always 1; what and where an asset is, to join by"),
    "iolaus_firmware_info": Family("gauge", "Always 1; a firmware and its version"),
    "iolaus_endpoint_up": Family("gauge", "1 if the management controller answers us"),
    "iolaus_endpoint_latency_seconds": Family("gauge", "Time of its last answer"),
    "iolaus_collection_duration_seconds": Family("gauge", "Time that its last inventory took"),
    "iolaus_collection_requests": Family("gauge", "Requests that its last inventory took"),
    "iolaus_deviations": Family("gauge", "Departures from the standard in its answers"),
    "iolaus_unread_parts": Family("gauge", "Parts of its tree that could not be read"),
    "iolaus_clock_skew_seconds": Family("gauge", "Its clock minus ours"),
    "iolaus_endpoints": Family("gauge", "Endpoints by state"),
    "iolaus_attestation_trusted": Family(
        "gauge", "1 trusted, 0 untrusted; absent while it is not proved"
    ),
    "iolaus_attestation_axis": Family("gauge", "Always 1; what stands on an axis of a verdict"),
    "iolaus_attestation_age_seconds": Family("gauge", "Since the evidence was asked"),
    **{name: Family(*told) for name, told in POWER_FAMILIES.items()},
    "iolaus_alarms": Family("gauge", "Alarms that are not normal, by priority and state"),
    "iolaus_attestation_components": Family("gauge", "Components that can attest, by summary"),
    "iolaus_attestation_standing": Family(
        "gauge", "Components that can attest, by what counts by policy, of all and by place"
    ),
    "iolaus_build_info": Family("gauge", "Always 1; the version of Iolaus"),
}
READING_AGE: Final = "iolaus_reading_age_seconds"
AGES: Final[Mapping[str, Family]] = {
    "iolaus_asset_age_seconds": Family("gauge", "Since any fact of the asset was last read"),
    READING_AGE: Family("gauge", "Since a reading was taken, whatever it says"),
}

_BY_UNIT: Final[Mapping[str, tuple[str, float]]] = {
    "Cel": ("hw_temperature_celsius", 1.0),
    "W": ("hw_power_watts", 1.0),
    "kW": ("hw_power_watts", 1e3),
    "J": ("hw_energy_joules_total", 1.0),
    "W.h": ("hw_energy_joules_total", 3.6e3),
    "kW.h": ("hw_energy_joules_total", 3.6e6),
    "RPM": ("hw_fan_speed_rpm", 1.0),
    "V": ("hw_voltage_volts", 1.0),
    "A": ("iolaus_current_amperes", 1.0),
    "Hz": ("iolaus_frequency_hertz", 1.0),
    "Pa": ("iolaus_pressure_pascals", 1.0),
    "kPa": ("iolaus_pressure_pascals", 1e3),
    "L/s": ("iolaus_liquid_flow_liters_per_second", 1.0),
    "L/min": ("iolaus_liquid_flow_liters_per_second", 1 / 60),
    "m3/min": ("iolaus_air_flow_cubic_meters_per_second", 1 / 60),
    "[cft_i]/min": ("iolaus_air_flow_cubic_meters_per_second", 0.028316846592 / 60),
}
_HOST: Final = {
    "hw_power_watts": "hw_host_power_watts",
    "hw_energy_joules_total": "hw_host_energy_joules_total",
}


class Line(NamedTuple):
    """How a reading is printed: family, scale to the base unit, everything before the number,
    and the whole line of its age with a hole."""

    family: str
    scale: float
    head: str
    age: str


class Block(NamedTuple):
    """One endpoint's text. `families` is family -> lines. The ages are second -> lines with
    holes, of the readings and of the assets."""

    families: dict[str, str]
    ages: dict[float, str]
    asset_ages: dict[float, str]


class Metrics:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._blocks: dict[str, tuple[tuple[object, ...], Block]] = {}
        self._lines: dict[str, tuple[object, object, dict[str, Line]]] = {}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The exposition, in pieces of about a megabyte; other tasks run in between."""
        blocks = await self._refresh()
        now = self._context.clock.now()
        gathered: list[str] = []
        size = 0
        for piece in self._pieces(blocks, now):
            gathered.append(piece)
            size += len(piece)
            if size >= CHUNK:
                yield "".join(gathered).encode("utf-8", "replace")
                gathered, size = [], 0
                await asyncio.sleep(0)
        yield "".join(gathered).encode("utf-8", "replace")

    async def text(self) -> str:
        return b"".join([chunk async for chunk in self.chunks()]).decode()

    def _pieces(self, blocks: list[Block], now: float) -> Iterable[str]:
        fleet = self._fleet_lines()
        for name, family in FAMILIES.items():
            lines = [text for block in blocks if (text := block.families.get(name))]
            lines += fleet.get(name, [])
            if lines:
                yield _header(name, family)
                yield from lines
        for name, family in AGES.items():
            yield _header(name, family)
            for block in blocks:
                kept = block.ages if name == READING_AGE else block.asset_ages
                for at, text in kept.items():
                    yield text.replace(HOLE, f"{max(0.0, now - at):.1f}")
        for stat, value in sorted(self._context.stats().items()):
            name = "iolaus_" + re.sub(r"[^a-zA-Z0-9_]", "_", stat)
            yield f"# TYPE {name} gauge\n{name} {number(value)}\n"

    def _fleet_lines(self) -> dict[str, list[str]]:
        states: dict[str, int] = {reach.value: 0 for reach in Reach} | {"untried": 0}
        for held in self._context.facts.all_held():
            states[held.status.reach.value if held.status else "untried"] += 1
        return {
            "iolaus_endpoints": [
                f'iolaus_endpoints{{state="{state}"}} {count}\n' for state, count in states.items()
            ],
            **self._attestation_lines(),
            **self._alarm_lines(),
            **self._power_lines(),
            "iolaus_build_info": [
                f'iolaus_build_info{{version="{escape(self._context.version)}"}} 1\n'
            ],
        }

    def _attestation_lines(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        context = self._context
        if context.attests is None:
            return found
        counts = {summary.value: 0 for summary in Summary}
        now, rows = context.clock.now(), context.attestations.rows()
        for row in rows:
            counts[row.kind.summary] += 1
            head = f'node="{escape(row.node)}",component="{escape(row.held.name)}"'
            for name, line in attestation_lines(row.held, head, now=now):
                found[name].append(line)
        name = "iolaus_attestation_components"
        found[name] = [f'{name}{{summary="{word}"}} {n}\n' for word, n in counts.items()]
        found["iolaus_attestation_standing"] = list(standing_lines(rows, now=now))
        return found

    def _alarm_lines(self) -> dict[str, list[str]]:
        if (alarms := self._context.alarms) is None:
            return {}
        counts = Counter((each.priority, each.state) for each in alarms.all())
        name = "iolaus_alarms"
        lines = [
            f'{name}{{priority="{priority}",state="{state}"}} {counts[(priority, state)]}\n'
            for priority in Priority
            for state in AlarmState
            if state is not AlarmState.NORMAL
        ]
        return {name: lines}

    def _power_lines(self) -> dict[str, list[str]]:
        room, seen = self._context.power, self._context.seen_site
        found = power_lines(room.edges(), room.domains()) if room else {}
        found |= cap_lines(self._context.power_shelf.keepings())
        return found | (site_lines(seen) if seen else {})

    async def _refresh(self) -> list[Block]:
        fleet, blocks = self._context.fleet, []
        addresses = list(fleet.addresses())
        for count, address in enumerate(addresses):
            if count % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            if (block := self._block(address)) is not None:
                blocks.append(block)
        for gone in self._blocks.keys() - set(addresses):
            del self._blocks[gone]
            self._lines.pop(gone, None)
        return blocks

    def _block(self, address: str) -> Block | None:
        picture = self._context.fleet.picture(address)
        if picture is None:
            return None
        frame = picture.frame
        stale = tuple(
            frame.sight.is_stale(last_seen(a), interval_s=frame.sight.asset_interval_s(a))
            for a in frame.assets
        )
        state = (picture.changes, frozenset(frame.names.items()), stale)
        cached = self._blocks.get(address)
        if cached and cached[0] == state:
            return cached[1]
        block = self._make(address, picture)
        self._blocks[address] = (state, block)
        return block

    def _make(self, address: str, picture: Picture) -> Block:
        frame = picture.frame
        families: dict[str, list[str]] = defaultdict(list)
        ages: dict[float, list[str]] = defaultdict(list)
        lines = self._lines_of(address, frame)
        for key, reading in picture.held.readings.items():
            if (how := lines.get(key)) is None:
                continue
            ages[float(int(reading.at))].append(how.age)
            if reading_is_stale(reading, frame):
                continue
            if (value := _value(reading)) is not None:
                families[how.family].append(f"{how.head}{number(value * how.scale)}\n")
        for asset in frame.assets:
            _asset_lines(asset, frame, families)
        _endpoint_lines(picture, families)
        asset_ages: dict[float, str] = defaultdict(str)
        for asset in frame.assets:
            line = f"iolaus_asset_age_seconds{{{_head(frame, asset.key)}}} {HOLE}\n"
            asset_ages[float(int(last_seen(asset)))] += line
        return Block(
            {name: "".join(found) for name, found in families.items()},
            {at: "".join(found) for at, found in ages.items()},
            asset_ages,
        )

    def _lines_of(self, address: str, frame: Frame) -> dict[str, Line]:
        """Made once per inventory (or when a reading appears that was not there)."""
        cached = self._lines.get(address)
        held = self._context.facts.held(address)
        readings = held.readings if held else {}
        is_same = cached and cached[0] is frame.report and cached[1] is frame.names
        if cached and is_same and len(cached[2]) == len(readings):
            return cached[2]
        lines = make_lines(readings, frame)
        self._lines[address] = (frame.report, frame.names, lines)
        return lines


def standing_lines(rows: Sequence[Row], *, now: float) -> Iterable[str]:
    """What counts by policy, of all and by place."""
    for by in ("all", "hall", "rack"):
        for group in rolled_up(rows, by, now=now):
            head = f'iolaus_attestation_standing{{by="{by}",name="{escape(group.name)}"'
            for word in Standing:
                yield f'{head},standing="{word.value}"}} {getattr(group, word.value)}\n'


def attestation_lines(held: Appraisal, head: str, *, now: float) -> Iterable[tuple[str, str]]:
    """(family, line) of one attester."""
    summary = held.verdict.summary
    if summary in (Summary.TRUSTED, Summary.UNTRUSTED):
        name = "iolaus_attestation_trusted"
        yield name, f"{name}{{{head}}} {int(summary is Summary.TRUSTED)}\n"
    if held.asked_at is not None:
        name = "iolaus_attestation_age_seconds"
        yield name, f"{name}{{{head}}} {max(0.0, now - held.asked_at):.1f}\n"
    for axis in ("evidence", "signature", "identity", "reference", "lifecycle"):
        if (value := getattr(held.verdict, axis)) is not None:
            name = "iolaus_attestation_axis"
            yield name, f'{name}{{{head},axis="{axis}",value="{value}"}} 1\n'


def _header(name: str, family: Family) -> str:
    return f"# HELP {name} {family.help}.\n# TYPE {name} {family.type}\n"


def make_lines(readings: Mapping[str, Reading], frame: Frame) -> dict[str, Line]:
    by_asset: dict[str, list[str]] = defaultdict(list)
    for key, reading in readings.items():
        by_asset[reading.asset].append(key)
    lines: dict[str, Line] = {}
    for asset, keys in by_asset.items():
        names = distinct(readings[key].name for key in keys)
        head = _head(frame, asset)
        for key, name in zip(keys, names, strict=True):
            lines[key] = _line(readings[key], head=head, sensor=name)
    return lines


def _line(reading: Reading, *, head: str, sensor: str) -> Line:
    family, scale = family_of(reading)
    labels = f'{head},sensor="{escape(sensor)}"'
    if reading.component:
        labels += f',component="{escape(reading.component)}"'
    value = f"{family}{{{labels}"
    if family == "iolaus_reading":
        value += f',unit="{escape(reading.unit)}"'
    age = f'iolaus_reading_age_seconds{{{labels},quantity="{escape(reading.quantity)}"}} {HOLE}\n'
    return Line(family, scale, value + "} ", age)


def family_of(reading: Reading) -> tuple[str, float]:
    """Where a reading goes, and its scale to the family's base unit."""
    if reading.role == "leak":
        return "iolaus_leak_detected", 1.0
    if reading.unit == "%":
        return _percent(reading), 0.01
    family, scale = _BY_UNIT.get(reading.unit, ("iolaus_reading", 1.0))
    if reading.role in ("node_power", "node_energy"):
        family = _HOST.get(family, family)
    return family, scale


def _percent(reading: Reading) -> str:
    if "humidity" in reading.quantity.lower():
        return "iolaus_humidity_ratio"
    words = f"{reading.component or ''} {reading.name} {reading.role}".lower()
    return "hw_fan_speed_ratio" if "fan" in words or "pump" in words else "iolaus_ratio"


def _value(reading: Reading) -> float | None:
    if reading.role == "leak":
        verdict = leak_verdict(reading)
        return None if verdict is None else float(verdict)
    return reading.value


def _head(frame: Frame, asset_key: str) -> str:
    node = frame.names.get(asset_key) or frame.called
    asset = next((each for each in frame.assets if each.key == asset_key), None)
    rack = frame.labels(asset).get("rack")
    return f'node="{escape(node)}"' + (f',rack="{escape(rack)}"' if rack else "")


def _asset_lines(asset: Asset, frame: Frame, families: dict[str, list[str]]) -> None:
    sight, head = frame.sight, _head(frame, asset.key)
    kind = "host" if asset.kind.value == "node" else asset.kind.value
    interval_s = sight.asset_interval_s(asset)
    health = value_of(effective(asset.health, sight, interval_s=interval_s))
    for word, state in _STATES.items():
        holds = int((health.value if health else None) == word)
        families["hw_status"].append(
            f'hw_status{{{head},hw_type="{kind}",state="{state}"}} {holds}\n'
        )
    families["hw_status"].extend(_part_states(asset, frame, head))
    power = effective(asset.power_state, sight, interval_s=interval_s)
    if isinstance(power, Known):
        is_on = int(power.value is PowerState.ON)
        families["iolaus_power_on"].append(f"iolaus_power_on{{{head}}} {is_on}\n")
    if (cap_w := limit_of(frame.limits_of.get(asset.key, ()))) is not None:
        families["iolaus_power_cap_watts"].append(
            f"iolaus_power_cap_watts{{{head}}} {number(cap_w)}\n"
        )
    for name, count in counts_of(asset).items():
        if count is not None:
            families["iolaus_components"].append(
                f'iolaus_components{{{head},hw_type="{escape(name)}"}} {count}\n'
            )
    families["iolaus_asset_info"].append(_info(asset, frame, head))
    families["iolaus_firmware_info"].extend(_firmware(asset, frame, head))


def _part_states(asset: Asset, frame: Frame, head: str) -> Iterable[str]:
    parts = frame.components_of.get(asset.key, ())
    names = distinct(part.name for part in parts)
    stale = frame.slow_is_stale
    for part, name in zip(parts, names, strict=True):
        state = "unknown" if stale else _STATES.get(part.health, "unknown")
        yield (
            f'hw_status{{{head},hw_type="{part.kind.value}",component="{escape(name)}",'
            f'state="{state}"}} 1\n'
        )


def _info(asset: Asset, frame: Frame, head: str) -> str:
    labels = {
        "kind": asset.kind.value,
        "vendor": asset.vendor,
        "model": asset.model,
        "serial": asset.identity.serial,
        "endpoint": frame.target.address,
        **{k: v for k, v in frame.labels(asset).items() if k in ("hall", "row", "u")},
    }
    text = "".join(f',{name}="{escape(value)}"' for name, value in labels.items() if value)
    return f"iolaus_asset_info{{{head}{text}}} 1\n"


def _firmware(asset: Asset, frame: Frame, head: str) -> Iterable[str]:
    entries = frame.firmware_of.get(asset.key, ())
    names = distinct(each.component for each in entries)
    for each, name in zip(entries, names, strict=True):
        version = escape(each.version or "")
        yield f'iolaus_firmware_info{{{head},component="{escape(name)}",version="{version}"}} 1\n'


def _endpoint_lines(picture: Picture, families: dict[str, list[str]]) -> None:
    status, report = picture.held.status, picture.held.report
    head = f'endpoint="{escape(picture.held.target.address)}",name="{escape(picture.name)}"'
    is_up = status is not None and status.reach is Reach.REACHABLE
    values: dict[str, float | None] = {
        "iolaus_endpoint_up": float(is_up),
        "iolaus_endpoint_latency_seconds": (
            status.latency_ms / 1e3 if status and status.latency_ms is not None else None
        ),
        "iolaus_collection_duration_seconds": report.duration_s if report else None,
        "iolaus_collection_requests": report.requests if report else None,
        "iolaus_deviations": len(report.deviations) if report else None,
        "iolaus_unread_parts": len(report.partial) if report else None,
        "iolaus_clock_skew_seconds": report.clock_skew_s if report else None,
    }
    for name, value in values.items():
        if value is not None:
            families[name].append(f"{name}{{{head}}} {number(value)}\n")
