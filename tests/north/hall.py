"""A synthetic hall, for tests and benchmarks of what north shows: facts without any device."""

from __future__ import annotations

from iolaus.kernel.clock import Clock
from iolaus.model.asset import (
    Asset,
    AssetKind,
    Component,
    ComponentKind,
    Deviation,
    Firmware,
    Identity,
    Place,
    PowerLimit,
    Reading,
    Report,
)
from iolaus.model.endpoint import EndpointStatus, Event, Reach, Target
from iolaus.model.fact import Health, Known, PowerState, Unknown
from iolaus.store.facts import Facts

SYSTEM = "Systems/System_0"
ROOT = "/redfish/v1"
MAKERS = (("Dell", "XE9680"), ("HPE", "Cray XD670"), ("Supermicro", "SYS-821GE"))


def address(number: int) -> str:
    return f"https://127.1.{number // 250}.{number % 250 + 1}"


def place(number: int) -> tuple[str, str, str]:
    """Hall, rack and name of the node with this number: 18 to a rack."""
    rack = f"h1-r{number // 18 + 1:02d}"
    return "h1", rack, f"{rack}-u{number % 18 + 1:02d}"


def target(number: int) -> Target:
    hall, rack, name = place(number)
    return Target(
        address=address(number),
        name=name,
        labels={"hall": hall, "rack": rack, "u": str(number % 18 + 1), "pool": "train"},
    )


def node(number: int, *, at: float, health: Health = Health.OK) -> Asset:
    vendor, model = MAKERS[number % len(MAKERS)]
    return Asset(
        key=SYSTEM,
        kind=AssetKind.NODE,
        resources=(f"{ROOT}/{SYSTEM}",),
        identity=Identity(serial=f"S{number:05d}", uuid=f"00000000-0000-4000-8000-{number:012d}"),
        power_state=Known(value=PowerState.ON, at=at),
        health=Known(value=health, at=at),
        observed_at=at,
        vendor=vendor,
        model=model,
        hostname=f"host{number}",
        counts={"cpu": 2, "gpu": 8, "memory": 32, "nic": 10, "drive": 8, "psu": 6, "fan": 15},
        memory_gib=2048.0,
        bmc_firmware="25.08-9",
        capabilities=("inventory", "sensors", "logs"),
        raw={"vendor": f"{vendor} Inc."},
        gaps={"counts.dpu": "no such class is shown"},
    )


def reading(
    name: str,
    value: float | None,
    *,
    at: float,
    quantity: str = "Temperature",
    unit: str = "Cel",
    role: str = "",
    asset: str = SYSTEM,
    component: str | None = None,
    status: str | None = "OK",
    limits: dict[str, float] | None = None,
) -> Reading:
    return Reading(
        name=name,
        asset=asset,
        uri=f"{ROOT}/Chassis/1/Sensors/{name.replace(' ', '_')}",
        quantity=quantity,
        unit=unit,
        value=value,
        at=at,
        role=role,
        component=component,
        status=status,
        limits=limits or {},
    )


def readings(number: int, *, at: float, extra: int = 0) -> list[Reading]:
    return [
        reading(
            "Total Power", 5000.0 + number, at=at, quantity="Power", unit="W", role="node_power"
        ),
        reading("Inlet", 24.0 + number % 8, at=at, role="inlet_temperature"),
        reading("GPU0 Temp", 61.5, at=at, component="GPU0", limits={"upper_critical": 90.0}),
        reading("Fan 1", 9000.0, at=at, quantity="Rotational", unit="RPM", component="Fan1"),
        reading("12V", 12.1, at=at, quantity="Voltage", unit="V"),
        reading("Lost", None, at=at, status=None),
        *(reading(f"Temp {n}", 30.0 + n / 7, at=at) for n in range(extra)),
    ]


def components(number: int) -> list[Component]:
    return [
        Component(
            name=f"GPU{n}",
            kind=ComponentKind.GPU,
            asset=SYSTEM,
            uri=f"{ROOT}/{SYSTEM}/Processors/GPU{n}",
            vendor="NVIDIA",
            model="H200",
            serial=f"G{number:05d}{n}",
            firmware="96.00",
            health="OK",
            location=f"slot {n}",
        )
        for n in range(8)
    ] + [
        Component(
            name="NIC1", kind=ComponentKind.NIC, asset=SYSTEM, uri=f"{ROOT}/nic1", model="CX7"
        )
    ]


def firmware() -> list[Firmware]:
    return [
        Firmware(
            component=name,
            name=f"{name} firmware",
            version=version,
            asset=SYSTEM,
            uri=f"{ROOT}/UpdateService/FirmwareInventory/{name}",
            updateable=True,
            state="Enabled",
            kind=name.lower(),
        )
        for name, version in (("BMC", "25.08-9"), ("BIOS", "2.1.7"))
    ]


def report(number: int, *, at: float, extra: int = 0, health: Health = Health.OK) -> Report:
    return Report(
        endpoint=address(number),
        driver="redfish",
        redfish_version="1.20.0",
        observed_at=at,
        assets=(node(number, at=at, health=health),),
        components=tuple(components(number)),
        readings=tuple(readings(number, at=at, extra=extra)),
        firmware=tuple(firmware()),
        power_limits=(
            PowerLimit(
                asset=SYSTEM, uri=f"{ROOT}/Chassis/1/Controls/P", dialect="control", limit_w=6600.0
            ),
        ),
        deviations=(Deviation(uri=f"{ROOT}/{SYSTEM}", pointer="/Name", rule="missing"),),
        hot=(f"{ROOT}/{SYSTEM}", *(r.uri for r in readings(number, at=at))),
        requests=120,
        duration_s=2.5,
        clock_skew_s=0.4,
    )


def status(number: int, *, at: float, reach: Reach = Reach.REACHABLE) -> EndpointStatus:
    is_up = reach is Reach.REACHABLE
    return EndpointStatus(
        address=address(number),
        reach=reach,
        at=at,
        since=at - 60.0,
        driver="redfish",
        latency_ms=21.0 if is_up else None,
        sessions=1 if is_up else 0,
        last_error="" if is_up else "no answer within 5 s",
        next_step="" if is_up else "check its power and its management network.",
        answered_at=at,
    )


def cdu_target() -> Target:
    return Target(address="https://127.9.0.1", name="cdu-1", labels={"hall": "h1", "row": "a"})


def cdu(*, at: float, leak: str | None = "OK") -> Report:
    key = "ThermalEquipment/CDUs/1"
    asset = Asset(
        key=key,
        kind=AssetKind.CDU,
        resources=(f"{ROOT}/{key}",),
        identity=Identity(serial="C1"),
        power_state=Unknown(reason="not reported", at=at),
        health=Known(value=Health.OK, at=at),
        observed_at=at,
        vendor="Vertiv",
        model="XDU1350",
        place=Place(rack="cool-1"),
        counts={"pump": 2},
    )
    return Report(
        endpoint="https://127.9.0.1",
        driver="redfish",
        redfish_version="1.15.0",
        observed_at=at,
        assets=(asset,),
        readings=(
            reading(
                "Flow",
                480.0,
                at=at,
                quantity="LiquidFlowLPM",
                unit="L/min",
                role="coolant_flow",
                asset=key,
            ),
            reading(
                "Rope", None, at=at, quantity="Leak", unit="", role="leak", asset=key, status=leak
            ),
        ),
        hot=(f"{ROOT}/{key}",),
    )


def build(count: int, clock: Clock, *, extra: int = 0) -> Facts:
    """`count` nodes; the second is Critical, the third silent, and there is one CDU."""
    facts = Facts(clock=clock)
    now = clock.now()
    for number in range(count):
        facts.put_target(target(number))
        reach = Reach.UNREACHABLE if number == 2 else Reach.REACHABLE
        facts.record_status(status(number, at=now - 1.0, reach=reach))
        health = Health.CRITICAL if number == 1 else Health.OK
        facts.record_report(report(number, at=now - 1.0, extra=extra, health=health))
    facts.put_target(cdu_target())
    facts.record_status(
        EndpointStatus(
            address="https://127.9.0.1",
            reach=Reach.REACHABLE,
            at=now,
            since=now - 5,
            driver="redfish",
            answered_at=now,
        )
    )
    facts.record_report(cdu(at=now - 1.0))
    if count > 2:
        facts.record_event(
            Event(
                at=now - 30.0,
                kind="EndpointLost",
                severity="Warning",
                endpoint=address(2),
                message="no answer within 5 s",
            )
        )
    return facts
