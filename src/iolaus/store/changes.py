"""What changed between two readings of one asset, as rows of history.

Pure. A value that became unknown is not a change: a BMC that lists its drives only while the host
is on would otherwise lose and find them at every reboot. So what was last *known* is carried
along (`Carry`) and the next known value is compared with that. Likewise a component is gone only
when two readings in a row, both able to show it, did not; and one that appears where the reading
before could not see is no news. Components are recognised by their URI, else by their serial;
firmware entries by their Id, else by their name (some makers put the version into the Id).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from iolaus.model.asset import Asset, Component, Firmware, ManagerSetting, Report, Setting
from iolaus.model.fact import PowerState, value_of
from iolaus.store.held import is_hidden
from iolaus.store.identity import clean

ASSET_FIELDS = ("vendor", "model", "hostname", "bmc_firmware", "memory_gib")
IDENTITY_FIELDS = ("uuid", "serial", "part_number", "sku", "asset_tag")
COMPONENT_FIELDS = ("vendor", "model", "serial", "part_number", "firmware", "health", "state")
AGREEING = 2
"""Readings in a row that must agree that a component is not there."""


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of history. `asset` is the asset's uid; `field` a word: a model field's name,
    "identity.<field>", "counts.<kind>", "bios.<attribute>",
    "bmc.<setting>", "version" (firmware), "reach"
    (endpoint), or "component" and "entry" for parts and firmware entries that came or went.
    `before` and `after` are text; None means that there was nothing. `source` is a URI."""

    at: float
    endpoint: str
    asset: str | None
    component: str | None
    field: str
    before: str | None
    after: str | None
    source: str = ""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A component that recent readings did not show; `misses` of them could have."""

    component: Component
    misses: int = 0


class Carry(msgspec.Struct, kw_only=True):
    """What outlives the reading that said it: last known texts by "item|field" where the newest
    reading has none, components not shown lately, and whether a whole reading was ever seen."""

    known: dict[str, str] = {}
    missing: dict[str, Missing] = {}
    whole: bool = False


class View(NamedTuple):
    """One asset's part of a report."""

    asset: Asset
    components: Mapping[str, Component]
    firmware: Mapping[str, Firmware]
    settings: Mapping[str, Setting]
    manager: Mapping[str, ManagerSetting]
    partial: tuple[str, ...]


def views_of(report: Report, assets: Mapping[str, Asset] | None = None) -> dict[str, View]:
    """A view for each asset of the report; `assets` overrides the report's own."""
    found = {
        a.key: View((assets or {}).get(a.key, a), {}, {}, {}, {}, tuple(report.partial))
        for a in report.assets
    }
    for component in report.components:
        if (view := found.get(component.asset)) is not None:
            view.components[component.uri] = component  # type: ignore[index]
    for entry in report.firmware:
        if (view := found.get(entry.asset)) is not None:
            view.firmware[entry.component] = entry  # type: ignore[index]
    for setting in report.settings:
        if (view := found.get(setting.asset)) is not None:
            view.settings[setting.name] = setting  # type: ignore[index]
    for mine in report.manager_settings:
        key = _owner(mine, report)
        if (view := found.get(key)) is not None:
            view.manager[mine.name] = mine  # type: ignore[index]
    return found


class Differ:
    """Compares `before` with `after` for one asset and brings `carry` up to date."""

    def __init__(self, *, endpoint: str, uid: str, at: float, carry: Carry) -> None:
        self._endpoint, self._uid, self._at, self._carry = endpoint, uid, at, carry

    def diff(self, before: View | None, after: View) -> list[Change]:
        """Rows of history; none for an asset that was not known before."""
        if before is None:
            self._carry.whole |= is_whole(after.asset)
            return []
        found = [
            *self.diff_asset(before.asset, after.asset),
            *self._diff_components(before, after),
            *self._diff_firmware(before, after),
            *self._diff_settings(before.settings, after.settings),
            *self._diff_manager(before, after),
        ]
        self._carry.whole |= is_whole(after.asset)
        return found

    def diff_asset(self, before: Asset, after: Asset) -> Iterator[Change]:
        was, now = dict(_asset_texts(before)), dict(_asset_texts(after))
        source = after.resources[0] if after.resources else ""
        for field in {**was, **now}:
            if field.startswith("identity.") and clean(was.get(field)) == clean(now.get(field)):
                continue
            yield from self._field("", None, field, (was.get(field), now.get(field)), source)

    def diff_standing(self, before: Asset, after: Asset) -> Iterator[Change]:
        """Of two that can differ only in what the hot set reads of an asset itself."""
        source = after.resources[0] if after.resources else ""
        was, now = dict(_standing_texts(before)), dict(_standing_texts(after))
        for field, text in now.items():
            yield from self._field("", None, field, (was[field], text), source)

    def _diff_components(self, before: View, after: View) -> Iterator[Change]:
        carry, was = self._carry, dict(before.components)
        was |= {uri: gone.component for uri, gone in carry.missing.items()}
        for uri, old_uri in _pairs(was, after.components):
            new, old = after.components[uri], was.pop(old_uri) if old_uri else None
            gone = carry.missing.pop(old_uri or uri, None)
            if old is not None:
                yield from self._fields_of(old, new)
            elif gone is None and carry.whole and not is_hidden(uri, before.partial):
                yield self._change(new.name, "component", None, describe(new), uri)
        whole = is_whole(after.asset)
        for uri, lost in was.items():
            misses = carry.missing[uri].misses if uri in carry.missing else 0
            misses += whole and not is_hidden(uri, after.partial)
            carry.missing[uri] = Missing(component=lost, misses=misses)
            if misses >= AGREEING:
                del carry.missing[uri]
                yield self._change(lost.name, "component", describe(lost), None, uri)

    def _fields_of(self, old: Component, new: Component) -> Iterator[Change]:
        if old is new:
            return
        for field in COMPONENT_FIELDS:
            pair = getattr(old, field), getattr(new, field)
            if pair[0] is not pair[1]:
                yield from self._field(new.uri, new.name, field, pair, new.uri)

    def _diff_firmware(self, before: View, after: View) -> Iterator[Change]:
        was, now = dict(before.firmware), dict(after.firmware)
        for key in was.keys() & now.keys():
            old, new = was.pop(key), now.pop(key)
            if old is not new:
                yield from self._version(old, new)
        for old_key, new_key in _same_name(was, now):
            yield from self._version(was.pop(old_key), now.pop(new_key))
        for entry in was.values():
            if is_whole(after.asset) and not is_hidden(entry.uri, after.partial):
                yield self._change(entry.component, "entry", entry.version, None, entry.uri)
        for entry in now.values():
            if self._carry.whole and not is_hidden(entry.uri, before.partial):
                yield self._change(entry.component, "entry", None, entry.version, entry.uri)

    def _version(self, old: Firmware, new: Firmware) -> Iterator[Change]:
        yield from self._field(
            f"firmware/{new.component}",
            new.component,
            "version",
            (old.version, new.version),
            new.uri,
        )

    def _diff_settings(
        self, was: Mapping[str, Setting], now: Mapping[str, Setting]
    ) -> Iterator[Change]:
        if was is now or not was or not now:
            return
        for name in was.keys() & now.keys():
            if was[name] is not now[name]:
                pair = _text(was[name].value), _text(now[name].value)
                yield from self._field("", None, f"bios.{name}", pair, "")

    def _diff_manager(self, before: View, after: View) -> Iterator[Change]:
        for name, old in before.manager.items():
            new = after.manager.get(name, old)
            if new is not old:
                pair = _text(old.value), _text(new.value)
                yield from self._field("", None, f"bmc.{name}", pair, new.uri)

    def _field(
        self, item: str, name: str | None, field: str, pair: tuple[str | None, str | None], uri: str
    ) -> Iterator[Change]:
        """The change from the last known value to this one; nothing while it is not known."""
        (before, after), key = pair, f"{item}|{field}"
        if after is None:
            if before is not None:
                self._carry.known[key] = before
            return
        carried = self._carry.known.pop(key, None)
        before = before if before is not None else carried
        if before is not None and before != after:
            yield self._change(name, field, before, after, uri)

    def _change(
        self, component: str | None, field: str, before: str | None, after: str | None, uri: str
    ) -> Change:
        return Change(
            at=self._at,
            endpoint=self._endpoint,
            asset=self._uid,
            component=component,
            field=field,
            before=before,
            after=after,
            source=uri,
        )


def _owner(setting: ManagerSetting, report: Report) -> str:
    """What no asset claims is told of the endpoint's first."""
    return setting.asset or (report.assets[0].key if report.assets else "")


def is_whole(asset: Asset) -> bool:
    """A reading of an asset that is off shows only what its BMC remembers."""
    return value_of(asset.power_state) in (None, PowerState.ON)


def describe(part: Component) -> str:
    words = (part.kind.value, part.vendor, part.model, part.serial and f"serial {part.serial}")
    return " ".join(word for word in words if word)


def _standing_texts(asset: Asset) -> Iterator[tuple[str, str | None]]:
    yield "power_state", _text(value_of(asset.power_state))
    yield "health", _text(value_of(asset.health))


def _asset_texts(asset: Asset) -> Iterator[tuple[str, str | None]]:
    yield from _standing_texts(asset)
    for name in ASSET_FIELDS:
        yield name, _text(getattr(asset, name))
    for name in IDENTITY_FIELDS:
        yield f"identity.{name}", getattr(asset.identity, name)
    for kind, count in asset.counts.items():
        yield f"counts.{kind}", _text(count)


def _text(value: str | float | bool | tuple[str, ...] | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value)


def _pairs(
    was: Mapping[str, Component], now: Mapping[str, Component]
) -> Iterator[tuple[str, str | None]]:
    """Each URI of `now` with the URI of `was` that is the same component, if there is one."""
    left = {_serial_key(c): uri for uri, c in was.items() if uri not in now and clean(c.serial)}
    for uri, component in now.items():
        if uri in was:
            yield uri, uri
        elif clean(component.serial):
            yield uri, left.pop(_serial_key(component), None)
        else:
            yield uri, None


def _serial_key(component: Component) -> tuple[str, str | None]:
    return component.kind.value, clean(component.serial)


def _same_name(was: Mapping[str, Firmware], now: Mapping[str, Firmware]) -> list[tuple[str, str]]:
    """Entries whose Id changed: pairs that alone have their name on both sides."""
    olds, news = _alone(was.values()), _alone(now.values())
    return [(olds[name], news[name]) for name in olds.keys() & news.keys()]


def _alone(entries: Iterable[Firmware]) -> dict[str, str]:
    found: dict[str, str | None] = {}
    for entry in entries:
        found[entry.name] = None if entry.name in found else entry.component
    return {name: key for name, key in found.items() if key is not None}
