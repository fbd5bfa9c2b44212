"""A hall for pages: rows of racks with nodes, a switch, a shelf and a CDU, in every state there is.

The value of everything follows from its number, so a test knows what a page must show. With the
same seed it is always the same hall; `breathe` moves a share of it, as a polling pass would.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.model.asset import Asset, AssetKind, HotUpdate, Identity, Reading, Report
from iolaus.model.endpoint import EndpointStatus, Reach, Target
from iolaus.model.fact import Health, Known, PowerState, Unknown
from iolaus.north.context import Sample
from iolaus.store.facts import Facts
from tests.north import hall
from tests.north.hall import ROOT, SYSTEM, address, reading

RACK_NODES, ROW_RACKS = 18, 40
MAKERS = (("Dell", "PowerEdge XE9680"), ("HPE", "Cray XD670"), ("Supermicro", "SYS-821GE"))


def target(number: int) -> Target:
    rack, unit = number // RACK_NODES, number % RACK_NODES + 1
    row = chr(ord("a") + rack // ROW_RACKS % 26)
    name = f"h1-{row}{rack % ROW_RACKS + 1:02d}"
    labels = {"hall": "h1", "row": row, "rack": name, "u": str(2 * unit), "height": "2"}
    return Target(address=address(number), name=f"{name}-u{2 * unit:02d}", labels=labels)


def health_of(number: int) -> Health:
    if number % 97 == 5:
        return Health.CRITICAL
    return Health.WARNING if number % 41 == 7 else Health.OK


def is_silent(number: int) -> bool:
    """The endpoint does not answer any more."""
    return number % 83 == 11


def node(number: int, *, at: float) -> Asset:
    vendor, model = MAKERS[number // RACK_NODES % len(MAKERS)]
    off = number % 31 == 3
    return Asset(
        key=SYSTEM,
        kind=AssetKind.NODE,
        resources=(f"{ROOT}/{SYSTEM}",),
        identity=Identity(serial=f"S{number:05d}", uuid=f"00000000-0000-4000-8000-{number:012d}"),
        power_state=Known(value=PowerState.OFF if off else PowerState.ON, at=at),
        health=Known(value=health_of(number), at=at),
        observed_at=at,
        vendor=vendor,
        model=model,
        hostname=f"host{number}",
        counts={"cpu": 2, "gpu": 8, "memory": 32, "nic": 10, "drive": 8, "psu": 6, "fan": 15},
        memory_gib=2048.0,
        bmc_firmware="25.08-9",
        capabilities=("inventory", "sensors", "logs"),
    )


def watts_of(number: int, beat: int = 0) -> float:
    return round(3000.0 + 4500.0 * random.Random(number * 1000 + beat).random(), 1)


def inlet_of(number: int, beat: int = 0) -> float:
    return round(19.0 + 14.0 * random.Random(number * 7 + beat).random(), 1)


def readings(number: int, *, at: float, beat: int = 0) -> list[Reading]:
    watts = None if number % 53 == 9 else watts_of(number, beat)
    found = [
        reading("Total Power", watts, at=at, quantity="Power", unit="W", role="node_power"),
        reading("Inlet", inlet_of(number, beat), at=at, role="inlet_temperature"),
    ]
    if number // RACK_NODES % 2:
        wet = "Critical" if number % 211 == 23 else "OK"
        found += [
            reading("Return", inlet_of(number) + 14, at=at, role="coolant_return_temperature"),
            reading("Tray", None, at=at, quantity="Leak", unit="", role="leak", status=wet),
        ]
    return found


def report(number: int, *, at: float, parts: bool) -> Report:
    found = readings(number, at=at)
    full = hall.report(number, at=at)
    more = [each for each in full.readings if not each.role]
    return msgspec.structs.replace(
        full,
        assets=(node(number, at=at),),
        readings=(*found, *(more if parts else ())),
        components=full.components if parts else (),
        firmware=full.firmware if parts else (),
        hot=(f"{ROOT}/{SYSTEM}", *(each.uri for each in found)),
        deviations=(),
    )


def device(name: str, kind: AssetKind, *, number: int, labels: dict[str, str]) -> Target:
    return Target(
        address=f"https://127.9.{number // 250}.{number % 250 + 1}", name=name, labels=labels
    )


def device_report(
    where: Target,
    kind: AssetKind,
    model: tuple[str, str],
    *,
    at: float,
    extra: Iterable[Reading] = (),
) -> Report:
    key = f"Chassis/{kind.value}"
    asset = Asset(
        key=key,
        kind=kind,
        resources=(f"{ROOT}/{key}",),
        identity=Identity(serial=f"D{where.address[-6:]}"),
        power_state=Unknown(reason="not reported", at=at),
        health=Known(value=Health.OK, at=at),
        observed_at=at,
        vendor=model[0],
        model=model[1],
    )
    found = tuple(msgspec.structs.replace(each, asset=key) for each in extra)
    return Report(
        endpoint=where.address,
        driver="redfish",
        redfish_version="1.15.0",
        observed_at=at,
        assets=(asset,),
        readings=found,
        hot=(f"{ROOT}/{key}", *(each.uri for each in found)),
    )


def put(
    facts: Facts, where: Target, what: Report, *, at: float, reach: Reach = Reach.REACHABLE
) -> None:
    facts.put_target(where)
    facts.record_status(
        EndpointStatus(
            address=where.address,
            reach=reach,
            at=at,
            since=at - 60.0,
            driver="redfish",
            latency_ms=21.0,
            last_error="" if reach is Reach.REACHABLE else "no answer within 5 s",
            answered_at=at,
        )
    )
    facts.record_report(what)


def put_node(facts: Facts, number: int, *, at: float, parts: bool = True) -> None:
    reach = Reach.UNREACHABLE if is_silent(number) else Reach.REACHABLE
    put(facts, target(number), report(number, at=at, parts=parts), at=at, reach=reach)


def put_devices(facts: Facts, racks: Sequence[str], *, at: float) -> None:
    """A switch and a power shelf in each rack, and one CDU beside them."""
    for index, rack in enumerate(racks):
        labels = {"hall": "h1", "row": rack[3], "rack": rack}
        switch = device(
            f"{rack}-sw1", AssetKind.SWITCH, number=2 * index, labels={**labels, "u": "40"}
        )
        put(
            facts,
            switch,
            device_report(switch, AssetKind.SWITCH, ("Arista", "7060X6"), at=at),
            at=at,
        )
        shelf = device(
            f"{rack}-ps1", AssetKind.POWER_SHELF, number=2 * index + 1, labels={**labels, "u": "1"}
        )
        power = reading(
            "Out", 29_200.0 + index, at=at, quantity="Power", unit="W", role="shelf_output_power"
        )
        model = ("Delta", "ORv3 33kW Power Shelf")
        put(
            facts,
            shelf,
            device_report(shelf, AssetKind.POWER_SHELF, model, at=at, extra=[power]),
            at=at,
        )
    cdu = device("h1-a-cdu1", AssetKind.CDU, number=9000, labels={"hall": "h1", "row": "a"})
    warm = reading("Return", 45.5, at=at, role="coolant_return_temperature")
    put(
        facts,
        cdu,
        device_report(cdu, AssetKind.CDU, ("Vertiv", "XDU1350"), at=at, extra=[warm]),
        at=at,
    )


def build(count: int, clock: Clock, *, devices: bool = True, parts: bool = True) -> Facts:
    """`count` nodes and, with `devices`, what stands between them."""
    facts, at = Facts(clock=clock), clock.now() - 1.0
    for number in range(count):
        put_node(facts, number, at=at, parts=parts)
    if devices:
        racks = list(dict.fromkeys(target(n).labels["rack"] for n in range(count)))
        put_devices(facts, racks, at=at)
    return facts


def breathe(facts: Facts, numbers: Iterable[int], clock: Clock, *, beat: int) -> None:
    """A pass over the hot set of these nodes, in which every number moves a little."""
    now = clock.now()
    for number in numbers:
        if is_silent(number):
            continue
        asset = node(number, at=now)
        facts.record_hot(
            HotUpdate(
                endpoint=address(number),
                at=now,
                power_states={SYSTEM: asset.power_state},
                healths={SYSTEM: asset.health},
                readings=tuple(readings(number, at=now, beat=beat)),
            )
        )


class Past(msgspec.Struct, frozen=True):
    at: float
    value: float


class Memory:
    """A past for every reading: half an hour, a value a minute."""

    def __init__(self, minutes: int = 30) -> None:
        self.minutes = minutes
        self.asked: list[tuple[str, str]] = []

    async def history(
        self, *, endpoint: str, reading: str, since: float, until: float, step_s: float, limit: int
    ) -> Sequence[Sample]:
        self.asked.append((endpoint, reading))
        base = 5000.0 if "Power" in reading else 24.0
        steps = range(self.minutes, 0, -1)
        return [Past(until - 60.0 * n, base + 0.4 * (n % 5)) for n in steps][:limit]
