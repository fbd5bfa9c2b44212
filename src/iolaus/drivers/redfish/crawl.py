"""The walk over a device's tree: complete where hardware is, polite everywhere else.

This is the only part of an inventory that waits for the device. It starts at the service root and
follows links known by name (`links`), each URI once, many at a time: how many are really in
flight is the lane's business. Collections are read whole through `Reads.members`, so paging and
`$expand` are used where the device can. Hardware that no collection lists but some resource links
to is fetched in a second pass, when the collections have already brought home the rest.

A device is presumed to lie about its links: they may dangle (a deviation), answer with an error
(a gap with its reason), lead out of `/redfish/v1` (ignored), in circles (each URI once) or on
without end (bounded in depth and number). Nothing here raises but for the root itself.
"""

from __future__ import annotations

import asyncio
import email.utils
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from iolaus.drivers.ports import Payload, Reads, Repair
from iolaus.drivers.redfish import repairs
from iolaus.drivers.redfish.harvest import ROOT, Harvest, links_in, normal, order, type_of, word
from iolaus.drivers.redfish.links import (
    COLLECTIONS,
    CROSS_LINKS,
    LAST_RESORTS,
    ONLY_FROM,
    SINGLES,
    STANDARD_ROOTS,
)
from iolaus.kernel.errors import FAILURES, DeviceLied, DeviceRefused, DeviceSilent
from iolaus.model.asset import Deviation

MAX_RESOURCES: Final = 20_000
MAX_DEPTH: Final = 12
MAX_DEVIATIONS: Final = 5_000
MAX_FUNCTION_PROBES: Final = 32
MAX_DETAIL: Final = 200
READERS: Final = 6
ROOT_FRESH_S: Final = 2.0
"""Whoever chose the driver has just read the root. An older one would have a walk begin before it
did: whatever was done in between would count as not read."""
GONE: Final = frozenset({404, 410})
NOT_FOUND: Final = re.compile(r"\bHTTP (404|410)\b")


class Crawl:
    """One walk over one device. `mend` are the vendor's repairs, applied after the generic."""

    def __init__(
        self,
        device: Reads,
        *,
        mend: Sequence[Repair] = (),
        extra: Mapping[str, str] | None = None,
        max_resources: int = MAX_RESOURCES,
    ) -> None:
        self._device, self._mend = device, (*repairs.GENERIC, *mend)
        self._extra, self._left = dict(extra or {}), max_resources
        self._seen: set[str] = set()
        self._later: dict[str, str] = {}
        self._resources: dict[str, Payload] = {}
        self._collections: dict[str, tuple[str, ...]] = {}
        self._gaps: dict[str, str] = {}
        self._deviations: list[Deviation] = []
        self._fetched_at: dict[str, float] = {}
        self._todo: list[Callable[[], Awaitable[None]]] = []
        self._requests, self._started_at = 0, 0.0
        self._skew_s: float | None = None

    async def run(self) -> Harvest:
        """Walk it all. Raises only what reading the service root raises."""
        self._follow(ROOT, await self._read_root(), 0)
        await self._drain()
        await self._read_the_rest()
        self._last_resorts()
        await self._drain()
        await self._read_the_rest()
        await self._probe_functions()
        return self._harvest()

    async def _read_root(self) -> Payload:
        try:
            self._requests += 1
            answer = await self._device.get(ROOT, fresh_s=ROOT_FRESH_S)
        except DeviceRefused as refused:
            if refused.status not in GONE:
                raise
            return await self._rootless(refused)
        self._skew_s = skew_s(answer.headers, answer.at)
        self._started_at = answer.at - answer.elapsed_s
        self._seen.add(ROOT)
        self._keep(ROOT, answer.body, "ServiceRoot", answer.at)
        return self._resources[ROOT]

    async def _rootless(self, refused: DeviceRefused) -> Payload:
        """A service without a root may still answer where every service's collections stand."""
        self._note(ROOT, "missing", "no service root")
        guess: Payload = {name: {"@odata.id": f"{ROOT}/{name}"} for name in STANDARD_ROOTS}
        await self._collection(f"{ROOT}/Chassis", "Chassis", 1)
        if not self._resources:
            raise refused
        return guess | {"@odata.type": "#ServiceRoot.ServiceRoot"}

    async def _drain(self) -> None:
        """Generation by generation, by a handful of readers: a thousand crawls run at once, and
        one task per resource would be a gigabyte of waiting tasks."""
        while self._todo:
            wave, self._todo = iter(self._todo), []
            await asyncio.gather(*(self._reader(wave) for _ in range(READERS)))

    async def _reader(self, wave: Iterator[Callable[[], Awaitable[None]]]) -> None:
        for step in wave:
            await step()

    def _follow(self, uri: str, payload: Payload, depth: int) -> None:
        if depth >= MAX_DEPTH:
            self._gaps.setdefault(uri, "the tree is deeper than is read")
            return
        for name, target, is_list in self._leads(payload):
            if is_list or (name in CROSS_LINKS and name not in COLLECTIONS):
                self._later.setdefault(target, CROSS_LINKS.get(name) or COLLECTIONS.get(name, ""))
            elif name in COLLECTIONS or name in self._extra:
                expected = COLLECTIONS.get(name) or self._extra[name]
                self._todo.append(partial(self._collection, target, expected, depth + 1))
            else:
                self._todo.append(partial(self._single, target, SINGLES[name], depth + 1))

    def _leads(self, payload: Payload) -> Iterator[tuple[str, str, bool]]:
        """(link name, URI, whether it is one of a list) of all that is worth following."""
        kind = type_of(payload)
        for name in payload:
            known = name in COLLECTIONS or name in SINGLES
            if known and kind in ONLY_FROM.get(name, (kind,)):
                is_list = isinstance(payload[name], list)
                yield from ((name, uri, is_list) for uri in self._new(payload[name]))
        yield from self._nested(kind, payload)
        links = payload.get("Links")
        for name, value in links.items() if isinstance(links, dict) else ():
            if name in CROSS_LINKS:
                yield from ((name, uri, True) for uri in self._new(value))

    def _nested(self, kind: str, payload: Payload) -> Iterator[tuple[str, str, bool]]:
        """Links that stand one level down."""
        for holder, name, owner in (
            ("HTTPS", "Certificates", "ManagerNetworkProtocol"),
            ("@Redfish.Settings", "SettingsObject", "Bios"),
        ):
            inner = payload.get(holder)
            if kind == owner and isinstance(inner, dict):
                yield from ((name, uri, False) for uri in self._new(inner.get(name)))
        for name in self._extra:
            value: Any = payload
            for step in name.split("/"):
                value = value.get(step) if isinstance(value, dict) else None
            yield from ((name, uri, False) for uri in self._new(value))

    def _new(self, value: object) -> Iterator[str]:
        for uri in links_in(value):
            if uri not in self._seen and uri.startswith(f"{ROOT}/"):
                yield uri

    def _claim(self, uri: str) -> bool:
        """Whether this walk is the one that reads `uri`: each URI once, within the bound."""
        if uri in self._seen:
            return False
        if self._left <= 0:
            self._gaps.setdefault(uri, "more resources than are read of one device")
            return False
        self._seen.add(uri)
        self._left -= 1
        return True

    async def _single(self, uri: str, expected: str, depth: int) -> None:
        if not self._claim(uri):
            return
        try:
            self._requests += 1
            answer = await self._device.get(uri)
        except FAILURES as failure:
            self._failed(uri, failure)
            return
        payload = self._keep(uri, answer.body, expected, answer.at)
        if expected and type_of(payload) != expected:
            await self._astray(uri, expected, payload, depth)
        self._follow(uri, payload, depth)

    async def _astray(self, uri: str, expected: str, payload: Payload, depth: int) -> None:
        """A link that leads to another type: a collection of what is wanted is read as such, and
        the thing itself may stand where the standard says."""
        kind = type_of(payload)
        self._note(uri, "wrong type", f"{kind} where {expected} belongs")
        if kind.removesuffix("Collection") in COLLECTIONS.values() and "Members" in payload:
            self._seen.discard(uri)
            del self._resources[uri]
            await self._collection(uri, kind.removesuffix("Collection"), depth)
        usual = f"{uri.rpartition('/')[0]}/{expected}"
        if expected in SINGLES and usual != uri:
            await self._single(usual, expected, depth)

    async def _collection(self, uri: str, expected: str, depth: int) -> None:
        if not self._claim(uri):
            return
        try:
            self._requests += 1
            found = await self._device.members(uri, on_gap=self._member_failed)
        except FAILURES as failure:
            self._failed(uri, failure)
            return
        members = [(normal(each) or _made_up(uri, p), p) for each, p in found]
        kept = [(each, payload) for each, payload in members if self._member(each)]
        self._collections[uri] = tuple(dict.fromkeys(each for each, _ in members if each))
        for each, payload in kept:
            self._follow(each, self._keep(each, payload, expected, None), depth + 1)

    def _member(self, uri: str) -> bool:
        """Whether a member is new; it has been read already, so it counts as one request."""
        if not uri.startswith(f"{ROOT}/") or not self._claim(uri):
            return False
        self._later.pop(uri, None)
        self._requests += 1
        return True

    def _keep(self, uri: str, body: Any, expected: str, at: float | None) -> Payload:
        payload = body if isinstance(body, dict) else {}
        if expected and not type_of(payload):
            self._note(uri, "missing", "", pointer="/@odata.type")
            payload = repairs.typed(payload, expected)
        payload = repairs.apply(
            uri, payload, self._mend, lambda rule: self._note(uri, "repaired", rule)
        )
        for pointer, what in flaws(uri, payload):
            self._note(uri, what, "", pointer=pointer)
        self._resources[uri] = payload
        if at is not None:
            self._fetched_at[uri] = at
        return payload

    def _failed(self, uri: str, failure: DeviceSilent | DeviceRefused | DeviceLied) -> None:
        if isinstance(failure, DeviceRefused) and failure.status in GONE:
            self._note(uri, "dangling link", f"HTTP {failure.status}")
        else:
            self._gaps[uri] = failure.message

    def _member_failed(self, uri: str, reason: str) -> None:
        """`members` gives the reason as text; its status tells a dangling link from a fault."""
        uri = normal(uri)
        self._seen.add(uri)
        if NOT_FOUND.search(reason):
            self._note(uri, "dangling link", reason)
        else:
            self._gaps[uri] = reason

    def _note(self, uri: str, rule: str, detail: str, *, pointer: str = "") -> None:
        if len(self._deviations) < MAX_DEVIATIONS:
            slug = rule.replace(" ", "-")
            self._deviations.append(
                Deviation(uri=uri, pointer=pointer, rule=slug, detail=detail[:MAX_DETAIL])
            )

    async def _read_the_rest(self) -> None:
        """Hardware that is linked to but listed nowhere, until nothing new turns up."""
        while pending := {u: t for u, t in self._later.items() if u not in self._seen}:
            self._later = {}
            self._todo += [partial(self._single, uri, kind, 2) for uri, kind in pending.items()]
            await self._drain()

    def _last_resorts(self) -> None:
        """Ways to hardware that cost much and are seldom needed: only where nothing was found."""
        for name, (kind, wanted) in LAST_RESORTS.items():
            if self._of(wanted):
                continue
            for system in self._of("ComputerSystem"):
                for uri in self._new(system.get(name)):
                    step = self._single if isinstance(system[name], list) else self._collection
                    self._todo.append(partial(step, uri, kind, 3))

    async def _probe_functions(self) -> None:
        """PCIe functions tell an accelerator that no Processor resource tells; else they are
        not worth their requests."""
        kinds = {word(p, "ProcessorType") for p in self._of("Processor")}
        if kinds & {"GPU", "Accelerator"}:
            return
        devices = [uri for device in self._of("PCIeDevice") for uri in _functions(device)]
        self._todo += [
            partial(self._collection, uri, "PCIeFunction", 3)
            for uri in devices[:MAX_FUNCTION_PROBES]
        ]
        await self._drain()

    def _of(self, kind: str) -> list[Payload]:
        return [p for p in self._resources.values() if type_of(p) == kind]

    def _harvest(self) -> Harvest:
        uris = sorted(self._resources, key=order)
        at = max(self._fetched_at.values(), default=0.0)
        return Harvest(
            address=self._device.address,
            at=at,
            resources={uri: self._resources[uri] for uri in uris},
            collections=self._collections,
            gaps=self._gaps,
            deviations=sorted(self._deviations, key=lambda each: (each.uri, each.rule)),
            fetched_at=self._fetched_at,
            requests=self._requests,
            duration_s=max(0.0, at - self._started_at) if self._started_at else 0.0,
            clock_skew_s=self._skew_s,
        )


def flaws(uri: str, payload: Payload) -> Iterator[tuple[str, str]]:
    """(JSON pointer, what is wrong) of what every resource must have right (DSP0268, Resource)."""
    collection = type_of(payload).endswith("Collection")
    for name in ("@odata.id", "Name") if collection else ("@odata.id", "Id", "Name"):
        if not isinstance(payload.get(name), str):
            yield f"/{name}", "missing"
    told = normal(payload.get("@odata.id"))
    if told and told != uri:
        yield "/@odata.id", "another resource's link"
    status = payload.get("Status")
    if isinstance(status, dict):
        for name, words in (("State", repairs.STATES), ("Health", repairs.HEALTHS)):
            value = status.get(name)
            if value is not None and not (isinstance(value, str) and value in words):
                yield f"/Status/{name}", "no word of the schema"


def _made_up(collection: str, payload: Payload) -> str:
    """Where a member that carries no link would stand."""
    name = payload.get("Id")
    return f"{collection}/{name}" if isinstance(name, str) and name.isalnum() else ""


def _functions(device: Payload) -> Iterator[str]:
    """A modern device's own collection of functions, told by where it stands."""
    for uri in links_in(device.get("PCIeFunctions")):
        if uri.startswith(f"{ROOT}/"):
            yield uri


def skew_s(headers: Mapping[str, str], received_at: float) -> float | None:
    """How far the device's clock is ahead of ours, by its answer's `Date` (RFC 9110)."""
    try:
        told = email.utils.parsedate_to_datetime(headers.get("date") or "")
    except (TypeError, ValueError):
        return None
    return told.timestamp() - received_at
