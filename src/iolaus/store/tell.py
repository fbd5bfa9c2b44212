"""Which changes are worth telling: rows of history in, events out.

Every change is kept as a row; an event is for what an operator would want to hear. A reading that
changes everything at once (a board swap that kept its serial, a device that lies) is cut to
`MOST_EVENTS` and one event that says how many more there are in the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from iolaus.model.asset import Asset
from iolaus.model.endpoint import Event
from iolaus.store.changes import Change
from iolaus.store.identity import IdentityConflict, KnownAsset, Verdict

MOST_EVENTS = 50
_KIND_OF = {
    "power_state": "PowerChanged",
    "health": "HealthChanged",
    "version": "FirmwareChanged",
    "firmware": "FirmwareChanged",
    "bmc_firmware": "FirmwareChanged",
    "serial": "ComponentChanged",
    "model": "ComponentChanged",
    "memory_gib": "CountChanged",
}
_SETTINGS = {"bios.": "BIOS settings", "bmc.": "settings of the controller"}


def tell_changes(changes: Iterable[Change]) -> list[Event]:
    changes = list(changes)
    told = [_event(change) for change in _told_once(changes)]
    events = [event for event in told if event is not None]
    for room, called in _SETTINGS.items():
        if settings := [c for c in changes if c.field.startswith(room)]:
            events.append(_settings_event(settings, room, called))
    if len(events) > MOST_EVENTS:
        more, events = len(events) - MOST_EVENTS, events[:MOST_EVENTS]
        events.append(
            _of(changes[0], "ManyChanges", "Warning", f"{more} more changes: see the history")
        )
    return events


def tell_verdict(verdict: Verdict, asset: Asset, endpoint: str, at: float) -> Iterator[Event]:
    """Discovered, moved, replaced, back: what became of an asset as a whole."""

    def event(kind: str, severity: str, message: str, pair: tuple[str | None, str | None]) -> Event:
        return Event(
            at=at,
            kind=kind,
            severity=severity,
            endpoint=endpoint,
            message=message,
            asset=verdict.uid,
            before=pair[0],
            after=pair[1],
        )

    name = " ".join(filter(None, (asset.kind.value, asset.vendor, asset.model)))
    moved, out = verdict.moved_from, verdict.displaced
    if out is not None:
        was, now = _who(out), _who(asset)
        yield event("IdentityChanged", "Warning", f"{was} was replaced by {now}", (was, now))
    if moved is not None and moved.endpoint != endpoint:
        message = f"{name} moved here from {moved.endpoint}"
        yield event("AssetMoved", "OK", message, (moved.endpoint, endpoint))
    elif verdict.back or moved is not None:
        yield event("AssetBack", "OK", f"{name} is back", (None, _who(asset)))
    elif verdict.new and out is None:
        yield event("Discovered", "OK", f"{name} discovered", (None, _who(asset)))


def tell_lost(known: KnownAsset, endpoint: str, at: float) -> Event:
    return Event(
        at=at,
        kind="AssetLost",
        severity="Warning",
        endpoint=endpoint,
        message=f"{_who(known)} is no longer shown by its controller",
        asset=known.uid,
        before=_who(known),
    )


def tell_conflict(conflict: IdentityConflict, endpoint: str, at: float, *, over: bool) -> Event:
    places = ", ".join(member.endpoint for member in conflict.members)
    message = f"{conflict.sort} {conflict.value.rpartition('|')[2]} is claimed at {places}"
    return Event(
        at=at,
        kind="IdentityConflictEnded" if over else "IdentityConflict",
        severity="OK" if over else "Warning",
        endpoint=endpoint,
        message=f"no longer: {message}" if over else message,
        asset=next((m.uid for m in conflict.members if m.endpoint == endpoint), None),
    )


def _told_once(changes: Iterable[Change]) -> Iterator[Change]:
    """A BMC's version shows up as component, as firmware entry and on the asset: tell one."""
    told: set[tuple[str | None, str | None]] = set()
    order = {"version": 0, "firmware": 1, "bmc_firmware": 2}
    for change in sorted(changes, key=lambda c: order.get(c.field, -1)):
        if change.field in order:
            if change.field != "version" and (change.before, change.after) in told:
                continue
            told.add((change.before, change.after))
        yield change


def _event(change: Change) -> Event | None:
    what, kind = change.component or "", _KIND_OF.get(change.field)
    if change.field == "component":
        came = change.after is not None
        kind = "ComponentAdded" if came else "ComponentRemoved"
        text = f"{change.after or change.before} ({what})"
        return _of(change, kind, "OK" if came else "Warning", text)
    if change.field in ("model", "serial") and not change.component:
        return None
    if change.field.startswith("identity."):
        kind = "IdentityChanged"
    elif change.field.startswith("counts."):
        kind = "CountChanged"
    if kind is None:
        return None
    subject = " ".join(filter(None, (what, change.field.replace("_", " "))))
    return _of(change, kind, _severity(change), f"{subject}: {change.before} -> {change.after}")


def _severity(change: Change) -> str:
    if change.field == "health":
        return change.after if change.after in ("Warning", "Critical") else "OK"
    if change.field.startswith(("identity.", "counts.")) or change.field == "serial":
        return "Warning"
    return "OK"


def _settings_event(changes: list[Change], room: str, called: str) -> Event:
    names = [change.field.removeprefix(room) for change in changes]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    message = f"{len(names)} {called} changed: {', '.join(sorted(names)[:5])}{more}"
    return _of(changes[0], "SettingsChanged", "OK", message)


def _of(change: Change, kind: str, severity: str, message: str) -> Event:
    single = kind not in ("ManyChanges", "SettingsChanged")
    return Event(
        at=change.at,
        kind=kind,
        severity=severity,
        endpoint=change.endpoint,
        message=message,
        asset=change.asset,
        component=change.component if single else None,
        origin=change.source or None,
        before=change.before if single else None,
        after=change.after if single else None,
    )


def _who(asset: Asset | KnownAsset) -> str:
    identity = asset.identity
    mark = f"serial {identity.serial}" if identity.serial else f"uuid {identity.uuid}"
    known = identity.serial or identity.uuid
    return " ".join(filter(None, (asset.vendor, asset.model, mark if known else "")))
