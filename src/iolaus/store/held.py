"""What is held of one endpoint: the last full reading, with everything read since laid over it.

A full reading takes minutes on a slow controller and the hot set comes every few seconds, so each
fact keeps its own time and the newer one wins, whichever way it came. A newer *unknown* beats an
older value: the picture says what is known now, and history remembers what was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from iolaus.model.asset import Asset, HotUpdate, Reading, Report
from iolaus.model.endpoint import EndpointStatus, Target

PARTS = (
    "components",
    "readings",
    "firmware",
    "power_limits",
    "capabilities",
    "settings",
    "manager_settings",
)
"""Fields of a report whose members say which asset they belong to."""


@dataclass(slots=True)
class Held:
    """The picture of one endpoint. Live and shared: read it, never write, never keep it across
    an `await`. `assets` is by asset key and `readings` by `reading_key`, hot values merged in;
    `uids` maps an asset key to the uid that survives a change of address. `status` and `report`
    are None until there is one; `hot_at` is when the hot set was last read."""

    target: Target
    status: EndpointStatus | None = None
    report: Report | None = None
    assets: dict[str, Asset] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)
    hot_at: float | None = None


def reading_key(reading: Reading) -> str:
    return f"{reading.uri}#{reading.name}"


def by_key(readings: Iterable[Reading]) -> dict[str, Reading]:
    """Readings by key; a device that gives two sensors one name still keeps both."""
    keyed: dict[str, Reading] = {}
    for reading in readings:
        key, again = reading_key(reading), 2
        while key in keyed:
            key, again = f"{reading_key(reading)}~{again}", again + 1
        keyed[key] = reading
    return keyed


def lay_report(held: Held, report: Report) -> None:
    """Take a new full reading; facts read later than it (the hot set ran meanwhile) stay, and so
    does what another channel said of its assets (its URIs name the channel)."""
    assets, readings = held.assets, held.readings
    held.report = report
    held.assets = {a.key: _newest(assets.get(a.key), a) for a in report.assets}
    held.readings = by_key(report.readings)
    for key, reading in held.readings.items():
        if (before := readings.get(key)) is not None and before.at > reading.at:
            held.readings[key] = before
    beside = {k: r for k, r in readings.items() if "://" in r.uri and r.asset in held.assets}
    held.readings = {**beside, **held.readings}


def lay_hot(held: Held, update: HotUpdate) -> None:
    held.hot_at = max(update.at, held.hot_at or update.at)
    for key in update.power_states.keys() | update.healths.keys():
        if (asset := held.assets.get(key)) is not None:
            held.assets[key] = _with_hot(asset, update)
    for key, reading in by_key(update.readings).items():
        before = held.readings.get(key)
        if before is None or reading.at >= before.at:
            held.readings[key] = reading


def drop_asset(held: Held, key: str) -> None:
    """The asset is elsewhere now: take it and its parts out of this endpoint's picture."""
    held.assets.pop(key, None)
    held.uids.pop(key, None)
    held.readings = {k: r for k, r in held.readings.items() if r.asset != key}
    if held.report is not None:
        parts = {p: tuple(x for x in getattr(held.report, p) if x.asset != key) for p in PARTS}
        assets = tuple(asset for asset in held.report.assets if asset.key != key)
        held.report = msgspec.structs.replace(held.report, assets=assets, **parts)


def keep_unread(report: Report, last: Report | None) -> tuple[Report, frozenset[str]]:
    """The report with those assets of the last one that it could not read (their resource is in
    `partial`), as old as they are; and their keys."""
    shown = {asset.key for asset in report.assets}
    unread = tuple(
        asset
        for asset in (last.assets if last else ())
        if asset.key not in shown and is_hidden(asset.resources[0], report.partial)
    )
    keys = frozenset(asset.key for asset in unread)
    if not last or not unread:
        return report, keys
    parts = {
        name: getattr(report, name) + tuple(p for p in getattr(last, name) if p.asset in keys)
        for name in PARTS
    }
    return msgspec.structs.replace(report, assets=report.assets + unread, **parts), keys


def is_hidden(uri: str, partial: Iterable[str]) -> bool:
    """A reading could not see this resource: it, or what it hangs on, was not readable."""
    return any(uri == part or uri.startswith(part.rstrip("/") + "/") for part in partial)


def _newest(before: Asset | None, after: Asset) -> Asset:
    if before is None:
        return after
    power = before.power_state if before.power_state.at > after.power_state.at else None
    health = before.health if before.health.at > after.health.at else None
    if power is None and health is None:
        return after
    return msgspec.structs.replace(
        after, power_state=power or after.power_state, health=health or after.health
    )


def _with_hot(asset: Asset, update: HotUpdate) -> Asset:
    power = update.power_states.get(asset.key, asset.power_state)
    health = update.healths.get(asset.key, asset.health)
    return msgspec.structs.replace(
        asset,
        power_state=power if power.at >= asset.power_state.at else asset.power_state,
        health=health if health.at >= asset.health.at else asset.health,
        observed_at=max(asset.observed_at, power.at, health.at),
    )
