"""The hall as objects: facts turned into named views, cached while nothing changes.

Everyone who shows something (REST, metrics, pages) asks here, so that all of them agree on names,
ages and what is unknown. Views of one endpoint are made together and kept until its facts change
or a second has passed (ages move). Walking a large hall lets other tasks run in between.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.model.condition import Sight
from iolaus.model.endpoint import Condition, Target
from iolaus.model.naming import asset_names, asset_uid, endpoint_name
from iolaus.model.select import EVERYTHING, Lookup, Selector, lookup_in
from iolaus.north.dto.leaks import leak_views
from iolaus.north.dto.make import (
    Frame,
    asset_view,
    component_views,
    endpoint_view,
    firmware_views,
    sensor_views,
)
from iolaus.north.dto.views import (
    AssetView,
    ComponentView,
    EndpointView,
    FirmwareView,
    LeakView,
    SensorView,
    View,
)
from iolaus.north.kinds import Kind, Source
from iolaus.north.places import halls, racks
from iolaus.store.facts import Facts
from iolaus.store.held import Held

KEEP_S: Final = 1.0
ROOMS: Final = frozenset(
    {Source.BASELINE, Source.DRIFT, Source.PLAN, Source.ROLLOUT, Source.ADVISORY, Source.DRAIN}
    | {Source.RECOVERY}
    | {Source.HARDENING, Source.REFERENCE, Source.ATTESTATION, Source.ALARM, Source.SUPPRESSION}
    | {Source.PLANT, Source.EDGE, Source.POWER_CAP, Source.POWER_POLICY, Source.POWER_CHANGE}
    | {Source.CANDIDATE, Source.EXPECTED, Source.RETIREMENT, Source.POINT}
    | {Source.MEMBER, Source.SITE_POWER}
)
BREATH: Final = 10
MayOwn = Callable[[AssetView], bool]
Shelf = Callable[[Selector], AsyncIterator["Item"]]
"""The objects of a source that a room keeps, in the order of their keys, for a scope."""
Choosing = Callable[[Selector, Sequence[Selector], tuple[str, ...]], AsyncIterator["Item"]]
"""The same of a shelf that is long: (scope, selectors that must all match, behind which key)."""
Single = Callable[[str, Selector], Awaitable["Item | None"]]
"""One of them by name, with what a list leaves out."""
_SPACE: Final = uuid.UUID("6f2c1d0e-5b0a-5d57-9a57-1014a5000002")


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One object with what lists need: `name` is unique among its kind, `key` orders the list,
    `revision` is the store's revision at its last change. `origin` is a uid, or what one is
    made from (a list of thousands is filtered before anyone wants to see their uids)."""

    name: str
    origin: str
    key: tuple[str, ...]
    revision: int
    view: View

    @property
    def uid(self) -> str:
        is_uid = len(self.origin) == 36 and "/" not in self.origin
        return self.origin if is_uid else str(uuid.uuid5(_SPACE, self.origin))


class Picture:
    """All views of one endpoint at one moment."""

    def __init__(self, held: Held, frame: Frame, *, revision: int, changes: int) -> None:
        self.held, self.frame, self.revision, self.changes = held, frame, revision, changes
        self.uids = dict(held.uids)
        self.name = frame.called

    @cached_property
    def assets(self) -> list[AssetView]:
        ordered = sorted(self.frame.assets, key=lambda each: self.frame.names[each.key])
        return [asset_view(asset, self.frame) for asset in ordered]

    @cached_property
    def endpoint(self) -> EndpointView:
        return endpoint_view(self.frame)

    @cached_property
    def components(self) -> list[ComponentView]:
        return component_views(self.frame)

    @cached_property
    def sensors(self) -> list[SensorView]:
        return sensor_views(self.frame)

    @cached_property
    def firmware(self) -> list[FirmwareView]:
        return firmware_views(self.frame)

    @cached_property
    def leaks(self) -> list[LeakView]:
        return leak_views(self.frame, self.assets)

    @cached_property
    def key_of(self) -> Mapping[str, str]:
        """Asset name -> asset key."""
        return {name: key for key, name in self.frame.names.items()}

    def uid_of(self, name: str) -> str:
        key = self.key_of[name]
        return self.uids.get(key) or asset_uid(self.frame.target.address, key)


class Fleet:
    """`interval_s` is how often the hot set is polled, `slow_interval_s` the inventory."""

    def __init__(
        self, facts: Facts, clock: Clock, *, interval_s: float, slow_interval_s: float
    ) -> None:
        self.facts, self.clock = facts, clock
        self.interval_s, self.slow_interval_s = interval_s, slow_interval_s
        self._pictures: dict[str, tuple[tuple[object, ...], float, Picture]] = {}
        self._names: dict[str, tuple[Target, object, dict[str, str]]] = {}
        self._called: dict[str, str] = {}
        self._changes: Counter[str] = Counter()
        self._index: dict[str, tuple[str, str]] = {}
        self._hot: dict[str, tuple[object, frozenset[str]]] = {}
        self._order: list[str] = []
        self._claims: dict[str, dict[str, str]] | None = None
        self._seen_revision = -1
        self.shelves: dict[Source, Shelf] = {}
        self.singles: dict[Source, Single] = {}
        self.choosing: dict[Source, Choosing] = {}
        self.saying: list[Callable[[str], Condition | None]] = []
        """What rooms say of an asset by its uid."""
        facts.on_change(self._note)

    def index(self) -> Mapping[str, tuple[str, str]]:
        """Asset name -> (endpoint address, asset key), with clashes between endpoints solved."""
        if self._seen_revision != self.facts.revision:
            if self._refresh_names():
                self._solve_clashes()
            self._seen_revision = self.facts.revision
        return self._index

    def addresses(self) -> list[str]:
        """All endpoints, by name."""
        self.index()
        return self._order

    def names_of(self, address: str) -> Mapping[str, str]:
        """Asset key -> name at one endpoint."""
        self.index()
        entry = self._names.get(address)
        return entry[2] if entry else {}

    def endpoint_names(self) -> Mapping[str, str]:
        """Endpoint address -> its name, unique in the hall."""
        self.index()
        return self._called

    def picture(self, address: str) -> Picture | None:
        held = self.facts.held(address)
        if held is None:
            self._pictures.pop(address, None)
            return None
        names, now = self.names_of(address), self.clock.now()
        state = (self._changes[address], names)
        cached = self._pictures.get(address)
        same = cached is not None and cached[0][0] == state[0] and cached[0][1] is names
        if cached and same and 0 <= now - cached[1] < KEEP_S:
            return cached[2]
        revision = cached[2].revision if cached and same else self.facts.revision
        frame = self._frame(held, names, now)
        picture = Picture(held, frame, revision=revision, changes=self._changes[address])
        self._pictures[address] = (state, now, picture)
        return picture

    async def pictures(self, *, after: tuple[str, ...] = ()) -> AsyncIterator[Picture]:
        """By endpoint name, from the one named by `after` (name, address) on."""
        for number, address in enumerate(list(self.addresses())):
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            if (self._called.get(address, ""), address) < after[:2]:
                continue
            if (picture := self.picture(address)) is not None:
                yield picture

    async def items(
        self,
        kind: Kind,
        *,
        scope: Selector = EVERYTHING,
        after: tuple[str, ...] = (),
        may_own: MayOwn | None = None,
        selectors: Sequence[Selector] = (),
    ) -> AsyncIterator[Item]:
        """The objects of a kind in the order of their keys, those behind `after` only. `scope`
        judges the asset that a part belongs to; `may_own` spares the parts of an asset, and
        `selectors` what a long shelf need not make."""
        if (choosing := self.choosing.get(kind.source)) is not None:
            async for item in choosing(scope, selectors, after):
                yield item
            return
        if kind.source in (Source.RACK, Source.HALL):
            for item in await self._places(kind, scope):
                if item.key > after:
                    yield item
            return
        if kind.source in ROOMS:
            async for item in self._shelf(kind, scope):
                if item.key > after:
                    yield item
            return
        in_order = kind.source not in (Source.ASSET, Source.ENDPOINT)
        found: list[Item] = []
        async for picture in self.pictures(after=after if in_order else ()):
            for item in picture_items(kind, picture, scope, may_own):
                if item.key <= after:
                    continue
                if in_order:
                    yield item
                else:
                    found.append(item)
        for item in sorted(found, key=lambda each: each.key):
            yield item

    async def find(self, kind: Kind, name: str, *, scope: Selector = EVERYTHING) -> Item | None:
        """By name; an endpoint also by address, a part by its id."""
        if kind.source in (Source.RACK, Source.HALL):
            return next((i for i in await self._places(kind, scope) if i.name == name), None)
        if (single := self.singles.get(kind.source)) is not None:
            return await single(name, scope)
        if kind.source in ROOMS:
            return await anext((i async for i in self._shelf(kind, scope) if i.name == name), None)
        for address in self._where(kind, name):
            picture = self.picture(address)
            for item in picture_items(kind, picture, scope) if picture else ():
                if item.name == name or _address_of(item) == name:
                    return item
        return None

    async def assets(self, scope: Selector = EVERYTHING) -> list[AssetView]:
        return [
            view
            async for picture in self.pictures()
            for view in picture.assets
            if visible(view, scope)
        ]

    async def _shelf(self, kind: Kind, scope: Selector) -> AsyncIterator[Item]:
        if (shelf := self.shelves.get(kind.source)) is not None:
            async for item in shelf(scope):
                yield item

    def _where(self, kind: Kind, name: str) -> Iterable[str]:
        if kind.source is Source.ENDPOINT:
            by_name = [a for a, called in self.endpoint_names().items() if called == name]
            return [name] if self.facts.held(name) else by_name
        owner = name.partition(":")[0] if kind.source is not Source.ASSET else name
        place = self.index().get(owner)
        return [place[0]] if place else []

    async def _places(self, kind: Kind, scope: Selector) -> list[Item]:
        assets = await self.assets(scope)
        views: Iterable[View] = racks(assets) if kind.source is Source.RACK else halls(assets)
        return [
            Item(
                name=view.name,
                origin=f"{kind.name}/{view.name}",
                key=(view.name,),
                revision=self.facts.revision,
                view=view,
            )
            for view in views
        ]

    def _frame(self, held: Held, names: Mapping[str, str], now: float) -> Frame:
        sight = Sight(
            now=now,
            interval_s=self.interval_s,
            slow_interval_s=self.slow_interval_s,
            status=held.status,
            report=held.report,
            hot=self._hot_uris(held),
        )
        assets = [asset for key, asset in held.assets.items() if key in names]
        return Frame(
            target=held.target,
            sight=sight,
            assets=assets,
            readings=held.readings.values(),
            names=names,
            conflicts=self._conflicts().get(held.target.address),
            called=self._called.get(held.target.address),
            more=self._more(held),
        )

    def _more(self, held: Held) -> Mapping[str, tuple[Condition, ...]]:
        """What rooms say of the assets of an endpoint, by asset key."""
        said = {
            key: tuple(c for say in self.saying if (c := say(uid)) is not None)
            for key, uid in held.uids.items()
        }
        return {key: found for key, found in said.items() if found}

    def _conflicts(self) -> Mapping[str, Mapping[str, str]]:
        """Endpoint -> asset key -> who else claims its identity; worked out after new reports."""
        if self._claims is None:
            self._claims = {}
            for conflict in self.facts.conflicts():
                for mine in conflict.members:
                    others = [f"{o.endpoint} ({o.key})" for o in conflict.members if o is not mine]
                    told = f"{conflict.sort} also claimed by {', '.join(others)}"
                    self._claims.setdefault(mine.endpoint or "", {})[mine.key] = told
        return self._claims

    def _hot_uris(self, held: Held) -> frozenset[str]:
        address, report = held.target.address, held.report
        cached = self._hot.get(address)
        if cached is None or cached[0] is not report:
            cached = (report, frozenset(report.hot if report else ()))
            self._hot[address] = cached
        return cached[1]

    def _refresh_names(self) -> bool:
        changed, gone = False, set(self._names)
        for held in self.facts.all_held():
            address = held.target.address
            gone.discard(address)
            entry = self._names.get(address)
            if entry and entry[0] is held.target and entry[1] is held.report:
                continue
            names = dict(asset_names(held.target, held.assets.values()))
            changed = changed or entry is None or entry[2] != names or entry[0] != held.target
            kept = entry[2] if entry is not None and entry[2] == names else names
            self._names[address] = (held.target, held.report, kept)
        for address in gone:
            for known in (self._names, self._hot, self._pictures, self._changes):
                known.pop(address, None)
        return changed or bool(gone)

    def _solve_clashes(self) -> None:
        """Two endpoints may claim one name; the later address then adds its host."""
        self._index, self._called = {}, {}
        taken: set[str] = set()
        for address in sorted(self._names):
            target, report, names = self._names[address]
            host = endpoint_name(Target(address=address))
            called = endpoint_name(target)
            self._called[address] = called = f"{called}-{host}" if called in taken else called
            taken.add(called)
            if any(name in self._index for name in names.values()):
                names = {key: f"{name}-{host}" for key, name in names.items()}
                self._names[address] = (target, report, names)
            self._index |= {name: (address, key) for key, name in names.items()}
        self._order = sorted(self._names, key=lambda a: (self._called[a], a))

    def _note(self, topic: str, payload: object) -> None:
        if topic.startswith("facts.") and isinstance(payload, str):
            self._changes[payload] += 1
            if topic in ("facts.report", "facts.target"):
                self._claims = None


def picture_items(
    kind: Kind, picture: Picture, scope: Selector, may_own: MayOwn | None = None
) -> Iterable[Item]:
    """The objects of one kind at one endpoint, in the order of their keys."""
    shown = {view.name for view in picture.assets if visible(view, scope)}
    if kind.source is Source.ASSET:
        for view in picture.assets:
            if view.kind == kind.name and view.name in shown:
                yield _item(picture, view, view.name, picture.uid_of(view.name), (view.name,))
    elif kind.source is Source.ENDPOINT:
        endpoint = picture.endpoint
        if shown or (not picture.assets and visible(endpoint, scope)):
            address = endpoint.address
            yield _item(picture, endpoint, endpoint.name, address, (endpoint.name, address))
    else:
        if may_own is not None:
            shown &= {view.name for view in picture.assets if may_own(view)}
        yield from _part_items(kind, picture, shown)


def _part_items(kind: Kind, picture: Picture, shown: set[str]) -> Iterable[Item]:
    if not shown:
        return
    head = (picture.name, picture.frame.target.address)
    uids = {name: picture.uid_of(name) for name in shown}
    for view in _parts(kind, picture):
        if view.node in shown:
            origin = f"{uids[view.node]}/{kind.name}/{view.id}"
            yield _item(picture, view, view.id, origin, (*head, view.node, view.id))


def _parts(
    kind: Kind, picture: Picture
) -> Iterable[ComponentView | SensorView | FirmwareView | LeakView]:
    if kind.source is Source.COMPONENT:
        return (v for v in picture.components if not kind.types or v.type in kind.types)
    if kind.source is Source.SENSOR:
        return picture.sensors
    if kind.source is Source.FIRMWARE:
        return picture.firmware
    return sorted(picture.leaks, key=lambda view: (view.node, view.id))


def _item(picture: Picture, view: View, name: str, origin: str, key: tuple[str, ...]) -> Item:
    return Item(name=name, origin=origin, key=key, revision=picture.revision, view=view)


def visible(view: View, scope: Selector) -> bool:
    return not scope or scope.matches(view.name, lookup_of(view))


def lookup_of(view: View) -> Lookup:
    return lookup_in(labels=view.labels, fields=view, conditions=getattr(view, "conditions", ()))


def _address_of(item: Item) -> str | None:
    return item.view.address if isinstance(item.view, EndpointView) else None
