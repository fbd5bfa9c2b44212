"""Who a machine is and whether it is there: identities, clocks, dead paths, other actors, silence.

Behaviours 12, 14 and 15, and what the hall sees when the control plane's own processes die: to a
device a dead controller is a network on which nobody speaks any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from iolaus.sim.actions import set_power
from iolaus.sim.catalogue.entry import Argument, Entry, Given, Mend, Scene, Strike
from iolaus.sim.catalogue.rules import armed, armed_each, changing, once, preset
from iolaus.sim.device import Device
from iolaus.sim.server import Place
from iolaus.sim.tree import ROOT, Resource, canonical, links

SYSTEMS: Final = f"{ROOT}/Systems"
BLANK: Final = "00000000-0000-0000-0000-000000000000"
TRUE_IDENTITY: Final = "GET /devices/NAME/truth?path=URI has the true serial and UUID."
WATCH_S: Final = 0.25
Undo = Callable[[], None]


def entry(words: str, name: str, title: str, what: str, **more: Any) -> Entry:
    sources = tuple(words.split("; ")) if words else ()
    return Entry(name=name, title=title, what=what, room="standing", sources=sources, **more)


# who it is


def posing(serial: str, uuid: str) -> list[dict[str, Any]]:
    """Rules by which systems, chassis and the service root claim this identity."""
    named, alike = {"SerialNumber": serial}, {"UUID": uuid}
    merges: list[tuple[str, Resource]] = [
        ("ComputerSystem", {**named, **alike}),
        ("Chassis", named),
        ("ServiceRoot", alike),
    ]
    return [{"effect": "replace", "only": only, "merge": merge} for only, merge in merges]


def made_up(word: str) -> tuple[str, str]:
    noise = blake2b(word.encode(), digest_size=16).digest()
    return f"X{noise.hex()[:10].upper()}", str(UUID(bytes=noise, version=4))


def _swapped(given: Given, device: Device, key: str) -> list[dict[str, Any]]:
    del key
    return posing(*made_up(f"{given['seed']}/{device.name}"))


def _like_each_other(given: Given, device: Device, key: str) -> list[dict[str, Any]]:
    del given, device
    return posing(*made_up(key))


def _move(place: Place) -> Undo:
    old = place.device.host
    first, second, *rest = old.split(".")
    place.move(".".join([first, str(int(second) ^ 128), *rest]))
    return lambda: place.move(old)


async def _moved(scene: Scene) -> Mend:
    undo = [_move(place) for place in scene.places]

    async def mend() -> None:
        for back in undo:
            back()

    return mend


def _second_system(device: Device, given: Given) -> Undo:
    """Another host behind the same controller."""
    del given
    first = next(links(device.kept(SYSTEMS) or {}, "Members"), "")
    found = device.kept(canonical(first)) if first else None
    if found is None:
        return lambda: None
    path = f"{SYSTEMS}/Second"
    serial, uuid = made_up(f"{device.name}/second")
    own = {"@odata.id": path, "Id": "Second", "SerialNumber": serial, "UUID": uuid}
    device.put(path, {**found, **own})
    device.enlist(SYSTEMS, path)

    def undo() -> None:
        device.delist(SYSTEMS, path)
        device.remove(path)

    return undo


# what the time is


def _clock(given: Given) -> list[dict[str, Any]]:
    return [{"effect": "lie", "lie": "clock", "offset_s": given["offset_s"]}]


def _logs(given: Given) -> list[dict[str, Any]]:
    merge = {"Created": given["date"], "EventTimestamp": given["date"]}
    return [{"effect": "replace", "only": "LogEntry", "merge": merge}]


# half dead, and other actors


def host_dead(given: Given) -> list[dict[str, Any]]:
    del given
    failed = {"effect": "status", "status": 500, "message": "InternalError"}
    gone = {"Status": {"State": "UnavailableOffline", "Health": None}}
    parts = [
        {"effect": "replace", "only": only, "merge": gone}
        for only in ("Processor", "Memory", "Drive", "NetworkAdapter")
    ]
    silent: dict[str, Any] = {"effect": "replace", "only": "Sensor"}
    silent["patch"] = [{"op": "replace", "path": "/Reading", "value": None}]
    names = ("PowerWatts", "TemperatureCelsius", "EnergyJoules", "EnergykWh", "FanSpeedsPercent",
             "HumidityPercent", "PowerLoadPercent")  # fmt: skip
    numb = {"effect": "replace", "only": "EnvironmentMetrics", "merge": dict.fromkeys(names)}
    return [
        {**failed, "select": {"method": ["POST"], "path": "*/Systems/*/Actions/*"}},
        {**failed, "select": {"method": ["GET"], "path": "*/Bios*"}},
        silent,
        numb,
        *parts,
    ]


def somebody(device: Device, given: Given) -> Undo:
    """Somebody else switches a host on again, some time after it was switched off; one without
    mains nobody can."""
    ended, off_since = list[bool](), dict[str, float]()

    def look() -> None:
        if ended:
            return
        now = device.clock.monotonic()
        for path in links(device.kept(SYSTEMS) or {}, "Members"):
            system = canonical(path)
            if device.dark or (device.kept(system) or {}).get("PowerState") != "Off":
                off_since.pop(system, None)
            elif now - off_since.setdefault(system, now) >= given["after_s"]:
                set_power(device, system, "On")
        device.later(min(WATCH_S, given["after_s"]), look)

    look()
    return lambda: ended.append(True)


def _dies(how: str) -> Strike:
    return armed(lambda _: [{"effect": "die", "how": how}])


def _cut(place: Place, given: Given) -> None:
    del given
    for connection in list(place.front.connections):
        connection.reset()
    place.device.gate.drop_all()


async def _edge_dies(scene: Scene) -> Mend:
    """Nobody speaks to the devices any more, nor, where there is one, on the field bus."""
    quiet = await _dies("silence")(scene)
    bus = scene.beside.get("building")
    for place in scene.places if bus is not None else ():
        body = {"name": "link-loss", "thing": place.device.name, "what": "modbus"}
        assert bus is not None
        await bus.asked("arm", {**body, "key": scene.key})

    async def mend() -> None:
        await quiet()
        if bus is not None:
            await bus.asked("disarm", {"word": scene.key})

    return mend


GONE: Final[Mapping[str, str]] = {
    "seen": "A connection is refused, or accepted and never answered.",
    "oracle": "state of GET /devices/NAME; what the machine really does goes on in GET /truth.",
}

FAULTS: Final = (
    entry(
        "12: new address; 12: identity changes", "address-changes", "the device gets a new address",
        "As after a new lease the device answers at another address (the second byte of its own "
        "turned by 128) and nobody answers at the old one.",
        strike=_moved, seen="The old address refuses; the same serial answers at the new one.",
        oracle="address of GET /devices/NAME.",
    ),
    entry(
        "12: board swap", "board-swapped", "another board stands there",
        "After a repair the machine at the address has another serial number and UUID.",
        strike=armed_each(_swapped),
        arguments=(Argument(name="seed", what="another one each time", usual=1.0),),
        seen="SerialNumber and UUID are others than before.", oracle=TRUE_IDENTITY,
    ),
    entry(
        "12: blank or duplicate UUID and serial", "identity-blank", "no serial, a UUID of zeros",
        "Serial numbers are empty and UUIDs are all zeros, as on boards that nobody wrote to.",
        strike=armed(lambda _: posing("", BLANK)),
        seen="SerialNumber is empty and UUID is zero.", oracle=TRUE_IDENTITY,
    ),
    entry(
        "12: blank or duplicate UUID and serial", "identity-duplicate", "all have one identity",
        "Every device selected claims the same serial number and UUID.",
        strike=armed_each(_like_each_other), seen="The same UUID at many addresses.",
        oracle=TRUE_IDENTITY,
    ),
    entry(
        "12: one BMC for many systems", "second-system", "one controller, two hosts",
        "The controller shows another host beside its own, with a serial and UUID of its own. (The "
        "persona sd665-twin is always so.)",
        strike=changing(_second_system), kinds=frozenset({"node"}),
        seen="Systems has one member more.", oracle="Systems/Second is among the changed.",
    ),
    entry(
        "12: many BMCs for one tray", "many-controllers-one-tray", "many controllers, one tray",
        "The controllers selected all show the serial and UUID of one and the same tray. (A "
        "gb300-tray and the DPU in it are always two.)",
        strike=armed_each(_like_each_other), seen="One serial number at many addresses.",
        oracle=TRUE_IDENTITY,
    ),
    entry(
        "14: the clock is 12 h off; 14: TLS is not yet valid; 14: logs lie", "clock-off",
        "the clock is wrong",
        "The controller's clock is off by hours: Date, events, and a certificate that is not valid "
        "yet. The certificate is a new one.",
        strike=armed(_clock),
        arguments=(Argument(name="offset_s", what="ahead (negative: behind)", unit="s",
                            usual=43200.0),),
        seen="Date and the certificate's notBefore are 12 h ahead.",
        oracle="The hall's own clock did not move.",
    ),
    entry(
        "14: logs lie", "logs-misdated", "log entries are dated wrong",
        "Every log entry says that it was written at the beginning of 1970.",
        strike=armed(_logs),
        arguments=(Argument(name="date", what="what they say", usual="1970-01-01T00:00:00Z"),),
        seen="Created of a LogEntry is 1970.",
        oracle="GET /devices/NAME/truth?path=URI has the true date.",
    ),
    entry(
        "15: half-dead hardware; 15: it answers but the host path is dead", "host-path-dead",
        "the controller lives, the way to the host is dead",
        "The management controller answers, but knows nothing of its host: sensors are null, parts "
        "are UnavailableOffline, actions and BIOS answer 500.",
        strike=armed(host_dead), seen="Reading is null; POST ComputerSystem.Reset answers 500.",
        oracle="Power in GET /truth is what it was: the host runs on.",
    ),
    entry(
        "15: other actors; 15: someone powers it on between our two steps", "someone-powers-on",
        "somebody else powers it on",
        "Whenever a host has been off for a moment, somebody else switches it on again.",
        strike=changing(somebody), kinds=frozenset({"node", "dpu"}),
        arguments=(Argument(name="after_s", what="after so long off", unit="s", usual=1.0),),
        seen="PowerState is On again, and nobody asked us.", oracle="Power in GET /truth is On.",
    ),
    entry(
        "energy: part of the fleet unreachable; 6: the API crashes for 2-3 minutes", "unreachable",
        "connections are refused",
        "The controller's address refuses connections; the machine itself goes on. With --for 150s "
        "it is an API that crashed and comes back.",
        strike=preset("unreachable"), **GONE,
    ),
    entry("energy: part of the fleet unreachable", "silent", "nothing is ever answered",
          "Connections are accepted, and nothing is ever said.", strike=_dies("silence"), **GONE),
    entry(
        "", "connections-reset", "answers are cut off",
        "Every answer is reset in the middle of its body.",
        strike=armed(lambda _: [{"effect": "die", "how": "reset"}]),
        seen="The connection is reset while the body is read.",
        oracle="requests of GET /devices/NAME goes on counting.",
    ),
    entry(
        "energy: central controller dies", "controller-dies", "nobody commands any more",
        "To a hall a dead central controller is a network on which nobody speaks: no request gets "
        "through, no session is kept, no cap is written. What was written last stays.",
        strike=_dies("silence"), **GONE,
    ),
    entry(
        "energy: edge dies", "edge-dies", "a rack's edge dies",
        "Nobody speaks to the machines selected any more, neither by Redfish nor on the field bus. "
        "What was written last stays. Select a rack: -l rack=h1-r07.",
        strike=_edge_dies, **GONE,
    ),
    entry(
        "energy: controller restart", "controller-restarts", "all connections end at once",
        "What a hall sees of a controller that restarts: every connection and session ends at "
        "once, and whoever comes back must log in and read everything anew.",
        strike=once(_cut), seen="Connections are reset; old tokens answer 401.",
        oracle="sessions of GET /devices/NAME is empty.",
    ),
)  # fmt: skip
