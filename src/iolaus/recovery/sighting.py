"""What is seen of every node by all its paths, from the picture of the hall. No device is asked.

Which outlets feed a node, and which switch its controller hangs on, nobody can tell from outside:
the operator writes it as labels of the target (`outlets`: "h1-r07-pdu1/12,h1-r07-pdu2/12", a strip
and the outlet's id there; `switch`: its name, by which it is asked itself where it is known). What
was not written is not known, and the judge says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from iolaus.model.asset import Asset, AssetKind, Component, ComponentKind, Reading
from iolaus.model.condition import STALE_AFTER_POLLS, Sight, effective
from iolaus.model.endpoint import Reach
from iolaus.model.fact import PowerState, value_of
from iolaus.model.naming import asset_names, endpoint_name
from iolaus.model.reach import Controller, HostSight, NodeSight, OutletSight
from iolaus.store.held import Held

OUTLETS: Final = "outlets"
SWITCH: Final = "switch"
SLOT: Final = "slot"
OUTLET_W: Final = "outlet_power"
_OFF: Final = frozenset({PowerState.OFF, PowerState.POWERING_OFF})
NODES: Final = frozenset({AssetKind.NODE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """Through what the hall is seen: the time, the polls, how long a controller must be silent
    before that counts, and what is known beside the picture, by uid or address."""

    now: float
    interval_s: float
    slow_interval_s: float
    silent_for_s: float
    host_of: Callable[[str], HostSight]
    disproved: Callable[[str], bool] = lambda _: False
    crowded: Callable[[str], bool] = lambda _: False
    wedged: Callable[[str], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Outlet:
    """An outlet as it is found: on which endpoint, at which URI, as which part of its strip."""

    name: str
    endpoint: str
    uri: str
    part: str = ""


def sights(every: Iterable[Held], lens: Lens) -> dict[str, NodeSight]:
    """Each node by uid."""
    return dict(each for some in sights_by_endpoint(every, lens) for each in some)


def sights_by_endpoint(every: Iterable[Held], lens: Lens) -> Iterator[list[tuple[str, NodeSight]]]:
    """Of one endpoint after the other, for who lets others have their turn between them."""
    held = list(every)
    strips = {endpoint_name(each.target): each for each in held}
    managers = _managers(held)
    for each in held:
        found: list[tuple[str, NodeSight]] = []
        names = asset_names(each.target, each.assets.values())
        for asset in each.assets.values():
            uid = each.uids.get(asset.key)
            if uid is not None and asset.kind in NODES:
                seen = _node(each, asset, uid, names[asset.key], strips, managers, lens)
                found.append((uid, seen))
        yield found


def sight_of(held: Held, asset: Asset, every: Iterable[Held], lens: Lens) -> NodeSight:
    """Of one node."""
    others = list(every)
    strips = {endpoint_name(each.target): each for each in others}
    names = asset_names(held.target, held.assets.values())
    uid = held.uids.get(asset.key, asset.key)
    return _node(held, asset, uid, names[asset.key], strips, _managers(others), lens)


def rack_of(held: Held, asset: Asset) -> str:
    return held.target.labels.get("rack") or asset.place.rack or ""


def outlets_of(held: Held, strips: Mapping[str, Held]) -> Iterator[tuple[Outlet, Held | None]]:
    """The outlets that the operator says feed it, each with its strip (None: not known here)."""
    for word in held.target.labels.get(OUTLETS, "").split(","):
        strip, slash, number = word.strip().partition("/")
        if not slash:
            continue
        there = strips.get(strip)
        part = _part(there, number) if there else None
        address = there.target.address if there else ""
        uri, name = (part.uri, part.name) if part else ("", "")
        yield Outlet(f"{strip}/{number}", address, uri, name), there


def _part(strip: Held, number: str) -> Component | None:
    parts = strip.report.components if strip.report else ()
    outlets = (each for each in parts if each.kind is ComponentKind.OUTLET)
    return next((each for each in outlets if each.uri.rstrip("/").endswith(f"/{number}")), None)


def _node(
    held: Held,
    asset: Asset,
    uid: str,
    name: str,
    strips: Mapping[str, Held],
    managers: Mapping[str, dict[str, bool | None]],
    lens: Lens,
) -> NodeSight:
    controller, said = _controller(held, lens)
    rack, status = rack_of(held, asset), held.status
    fact = effective(asset.power_state, _sight(held, lens))
    state = value_of(fact)
    return NodeSight(
        uid=uid,
        name=name,
        controller=controller,
        since=status.since if status else None,
        said=said,
        at=status.at if status else None,
        rack=rack,
        switch=held.target.labels.get(SWITCH, ""),
        gate=_gate(strips.get(held.target.labels.get(SWITCH, "")), lens),
        on=None if state is None else state not in _OFF,
        outlets=tuple(_outlet(each, there, lens) for each, there in outlets_of(held, strips)),
        host=lens.host_of(uid),
        beside={n: up for n, up in managers.get(rack, {}).items() if n != name} if rack else {},
        attested=False if lens.disproved(uid) else None,
        wedged=lens.wedged(held.target.address),
        broken=tuple(_broken(held, asset)),
        supplies=tuple(_failed(held, asset)),
    )


def _sight(held: Held, lens: Lens) -> Sight:
    return Sight(
        now=lens.now,
        interval_s=lens.interval_s,
        slow_interval_s=lens.slow_interval_s,
        status=held.status,
        report=held.report,
        hot=frozenset(held.report.hot if held.report else ()),
    )


def _controller(held: Held, lens: Lens) -> tuple[Controller, str]:
    status = held.status
    if status is None:
        return Controller.UNKNOWN, "its controller has not been tried yet"
    if status.reach is Reach.REACHABLE:
        crowded = lens.crowded(held.target.address)
        return (Controller.CROWDED if crowded else Controller.ANSWERS), ""
    if status.reach is Reach.UNAUTHENTICATED:
        return Controller.REFUSES, status.last_error
    if status.reach is Reach.UNSUPPORTED:
        return Controller.UNKNOWN, status.last_error or "what answers is not understood"
    if lens.now - status.since < lens.silent_for_s:
        return Controller.UNKNOWN, "silent for a moment: too short to mean anything"
    return Controller.SILENT, status.last_error or "no answer"


def _gate(switch: Held | None, lens: Lens) -> bool | None:
    """Whether a switch answers itself; None where it is not known here, or not long enough."""
    if switch is None:
        return None
    controller, _ = _controller(switch, lens)
    return None if controller is Controller.UNKNOWN else controller is not Controller.SILENT


def _outlet(outlet: Outlet, strip: Held | None, lens: Lens) -> OutletSight:
    """What the strip said last, as long as that counts."""
    if strip is None or not outlet.uri or strip.status is None:
        return OutletSight(name=outlet.name)
    if strip.status.reach is not Reach.REACHABLE:
        return OutletSight(name=outlet.name)
    reading = _power(strip, outlet)
    old = reading is None or lens.now - reading.at > STALE_AFTER_POLLS * lens.slow_interval_s
    return OutletSight(
        name=outlet.name,
        watts=None if old or reading is None else reading.value,
        at=reading.at if reading else None,
    )


def _power(strip: Held, outlet: Outlet) -> Reading | None:
    """The power that its strip measured there, read in the hot set or with the inventory: at the
    outlet itself, or by a sensor that its strip says is that outlet's."""
    for reading in strip.readings.values():
        at_it = reading.uri.partition("#")[0].rstrip("/") == outlet.uri.rstrip("/")
        at_it = at_it or (reading.role == OUTLET_W and reading.component == outlet.part)
        if at_it and reading.quantity == "Power" and reading.unit == "W":
            return reading
    return None


def _managers(every: Iterable[Held]) -> dict[str, dict[str, bool | None]]:
    """Rack managers by rack: controllers that see a rack from beside it."""
    found: dict[str, dict[str, bool | None]] = {}
    for held in every:
        for asset in held.assets.values():
            rack = rack_of(held, asset)
            if asset.kind is AssetKind.CHASSIS and rack:
                known = held.status is not None
                answers = known and held.status is not None and held.status.reach is Reach.REACHABLE
                found.setdefault(rack, {})[endpoint_name(held.target)] = answers if known else None
    return found


def _broken(held: Held, asset: Asset) -> Iterator[str]:
    """Firmware that is to run and does not; the other bank is a stock, and harms nobody."""
    for entry in held.report.firmware if held.report else ():
        if entry.health == "Critical" and entry.asset == asset.key and not entry.bank:
            yield entry.component


def _failed(held: Held, asset: Asset) -> Iterator[str]:
    for part in held.report.components if held.report else ():
        if part.kind is not ComponentKind.PSU or part.asset != asset.key:
            continue
        if part.health == "Critical" or part.state == "UnavailableOffline":
            yield part.name
