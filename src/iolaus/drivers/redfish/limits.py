"""Power limits in the three dialects that Redfish has had for one thing.

Newest first: a `Control` of type Power; the `PowerLimitWatts` excerpt of `EnvironmentMetrics`,
which may be a window onto such a Control (`DataSourceUri`); and the legacy `PowerControl` with its
`PowerLimit`. One cap that shows in two dialects is two entries here, each with its own URI: they
are ways to set it, and which one a device obeys is learned by trying. `enabled` says whether the
cap is in force; a limit of zero that is not in force is no limit (`limit_w` None).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from iolaus.drivers.ports import Payload
from iolaus.drivers.redfish._plausible import parse_number
from iolaus.drivers.redfish._text import items, mapping
from iolaus.drivers.redfish.harvest import Harvest, links_in
from iolaus.kernel.quantity import convert
from iolaus.model.asset import PowerLimit

_OFF: Final = frozenset({"Disabled"})
_ON: Final = frozenset({"Automatic", "Override", "Manual"})


def enabled_by(mode: object) -> bool | None:
    """Whether a ControlMode says that the cap is in force; None where it does not say."""
    if not isinstance(mode, str):
        return None
    return False if mode in _OFF else (True if mode in _ON else None)


def watts_of(value: object, unit: object = "W") -> float | None:
    """A limit in watts; None for what is no number or negative."""
    number = parse_number(value).value
    if number is None or number < 0:
        return None
    return convert(number, unit=unit if isinstance(unit, str) and unit else "W", to="W")


def _first(holder: Mapping[str, Any], *names: str) -> object:
    return next((holder[name] for name in names if holder.get(name) is not None), None)


def _limit(
    holder: Mapping[str, Any], *, uri: str, asset: str, dialect: str, component: str | None
) -> PowerLimit:
    """A `SetPoint` with its bounds: the shape that a Control and its excerpt share."""
    unit, enabled = holder.get("SetPointUnits"), enabled_by(holder.get("ControlMode"))
    limit_w = watts_of(holder.get("SetPoint"), unit)
    return PowerLimit(
        asset=asset,
        uri=uri,
        dialect=dialect,
        limit_w=None if limit_w == 0 and not enabled else limit_w,
        enabled=enabled,
        min_w=watts_of(_first(holder, "AllowableMin", "SettingRangeMin"), unit),
        max_w=watts_of(_first(holder, "AllowableMax", "SettingRangeMax"), unit),
        component=component,
    )


class _Names:
    """Finds the component that a limit is for, by its URI or what it is related to."""

    def __init__(self, components: Mapping[str, str], harvest: Harvest) -> None:
        self._components, self._harvest = components, harvest

    def of(self, *uris: str) -> str | None:
        """The one component among these; None where the limit is for the whole or for several."""
        found = {self._components[uri] for uri in uris if uri in self._components}
        return found.pop() if len(found) == 1 else None

    def carried(self, chassis: str) -> list[str]:
        """The processors of a chassis that is a part (a GPU module's own chassis)."""
        payload = self._harvest.get(chassis) or {}
        return list(links_in(mapping(payload.get("Links")).get("Processors")))


def _controls(harvest: Harvest, owner: Callable[[str], str], names: _Names) -> Iterator[PowerLimit]:
    for uri, payload in harvest.of_type("Control"):
        if payload.get("ControlType") != "Power":
            continue
        related = list(links_in(payload.get("RelatedItem")))
        chassis = uri.partition("/Controls/")[0]
        yield _limit(
            payload,
            uri=uri,
            asset=owner(uri),
            dialect="control",
            component=names.of(*(related or names.carried(chassis))),
        )


def _metrics(harvest: Harvest, owner: Callable[[str], str], names: _Names) -> Iterator[PowerLimit]:
    for uri, payload in harvest.of_type("EnvironmentMetrics"):
        holder = mapping(payload.get("PowerLimitWatts"))
        about = uri.rpartition("/")[0]
        if holder:
            yield _limit(
                holder,
                uri=uri,
                asset=owner(uri),
                dialect="environment_metrics",
                component=names.of(about) or names.of(*names.carried(about)),
            )


def _legacy(uri: str, payload: Payload, asset: str, names: _Names) -> Iterator[PowerLimit]:
    for index, entry in enumerate(items(payload.get("PowerControl"), 64)):
        limit = mapping(entry.get("PowerLimit"))
        if "LimitInWatts" not in limit:
            continue
        limit_w = watts_of(limit["LimitInWatts"]) or None
        yield PowerLimit(
            asset=asset,
            uri=f"{uri}#/PowerControl/{index}",
            dialect="power_control",
            limit_w=limit_w,
            enabled=limit_w is not None,
            max_w=watts_of(entry.get("PowerCapacityWatts")) or None,
            component=names.of(*links_in(entry.get("RelatedItem"))),
        )


def read_limits(
    harvest: Harvest,
    owner: Callable[[str], str],
    *,
    components: Mapping[str, str] = MappingProxyType({}),
) -> tuple[PowerLimit, ...]:
    """Every power cap that a device shows. `components` names the component at a URI. Pure."""
    names = _Names(components, harvest)
    found = [*_controls(harvest, owner, names), *_metrics(harvest, owner, names)]
    for uri, payload in harvest.of_type("Power"):
        found += _legacy(uri, payload, owner(uri), names)
    return tuple(found)
