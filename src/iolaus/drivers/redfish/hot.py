"""The hot set: power state, health, power, the main temperatures and leaks, in a few requests.

Ten thousand controllers polled every ten seconds leave room for a handful of small requests each.
Which ones is worked out once per inventory, where everything is known: every reading has a weight
by its role, every resource shows some readings, and the greedy cover takes the resource that shows
the most weight not yet shown, until the budget is spent. Leak detectors are outside the budget.

The pass then reads just those URIs and extracts by the functions of the inventory. What cannot be
read becomes unknown with the reason; only a device whose own systems cannot be read is an error.
A collection stands in the set only with its `$expand` query and where the service offers that;
each pass proves the answer by itself: what an expanded answer lacks is read one by one, bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from iolaus.drivers.ports import Payload, Reads
from iolaus.drivers.redfish import _merge
from iolaus.drivers.redfish._roles import WHOLE, place_of
from iolaus.drivers.redfish._sightings import LEGACY, Sighting, sight
from iolaus.drivers.redfish._text import items
from iolaus.drivers.redfish.harvest import Harvest, normal, type_of
from iolaus.drivers.redfish.likeness import unlike_assets
from iolaus.drivers.redfish.sensors import Readings, dark_assets, refresh
from iolaus.drivers.redfish.standing import health_fact, power_fact
from iolaus.kernel.errors import FAILURES, DeviceLied, DeviceRefused, DeviceSilent
from iolaus.model.asset import Asset, HealthFact, HotUpdate, PowerFact, Reading, Report
from iolaus.model.fact import Health, Known, Unknown
from iolaus.wire.redfish.expand import expand_query
from iolaus.wire.redfish.port import Answer

BUDGET: Final = 6
GPU_BUDGET: Final = 8
MAX_FALLBACK: Final = 8
MAX_PAGES: Final = 4
QUICK_S: Final = 1.0
"""A pass that takes longer goes on with two requests at a time."""
Failure = DeviceSilent | DeviceRefused | DeviceLied
Repair = Callable[[str, Payload], Payload]

WEIGHTS: Final = MappingProxyType(
    {
        "leak": 1000.0,
        **dict.fromkeys(WHOLE, 100.0),
        "shelf_input_power": 60.0,
        "inlet_temperature": 50.0,
        "coolant_supply_temperature": 50.0,
        "coolant_return_temperature": 40.0,
        "coolant_flow": 40.0,
        "gpu_temperature": 30.0,
        "cpu_temperature": 20.0,
        "asic_temperature": 20.0,
        "exhaust_temperature": 15.0,
        "facility_supply_temperature": 15.0,
        "facility_return_temperature": 10.0,
        "coolant_supply_pressure": 10.0,
        "gpu_power": 10.0,
        "circuit_power": 4.0,
        "outlet_power": 2.0,
        "pump_speed": 5.0,
        "cpu_power": 5.0,
        "memory_temperature": 1.0,
        "ambient_temperature": 1.0,
    }
)
"""How much it is worth to see a role every few seconds. Other roles are for the inventory."""


def _weight(reading: Reading) -> float:
    """A reading that has no value now may have one later, but is worth less."""
    full = WEIGHTS.get(reading.role, 0.0)
    return full if reading.value is not None or reading.role == "leak" else full / 20


def standing_uris(asset: Asset) -> tuple[str, ...]:
    """The resources that give an asset's power state and health."""
    systems = [u for u in asset.resources[1:4] if "/Systems/" in u or "/Switches/" in u]
    told = [f.source for f in (asset.power_state, asset.health) if isinstance(f, Known)]
    return tuple(dict.fromkeys(uri for uri in (*asset.resources[:1], *systems, *told) if uri))


def _offers(harvest: Harvest, found: Readings) -> dict[str, dict[str, float]]:
    """Resource URI -> what it shows: reading uri -> weight. Collections come with their query."""
    offers: dict[str, dict[str, float]] = {}
    query = expand_query(harvest.root)
    home = {
        member: uri
        for uri, members in harvest.collections.items()
        for member in members
        if uri.rpartition("/")[2] in ("Sensors", "LeakDetectors")
    }
    for reading in found.readings:
        weight = _weight(reading)
        for source in found.sources.get(reading.uri, ()) if weight else ():
            offers.setdefault(source, {})[reading.uri] = weight
            if query and source in home:
                offers.setdefault(home[source] + query, {})[reading.uri] = weight
    return offers


def _best(
    offers: Mapping[str, Mapping[str, float]], wanted: frozenset[str] | set[str]
) -> tuple[str, float]:
    """The resource that shows the most of what is wanted; a plain one before an expanded one."""
    worth = {
        uri: sum(w for key, w in shown.items() if key in wanted) for uri, shown in offers.items()
    }
    return max(worth.items(), key=lambda each: (each[1], "?" not in each[0]), default=("", 0.0))


def _cover(
    offers: Mapping[str, Mapping[str, float]], wanted: set[str], *, most: int
) -> Iterator[str]:
    """Greedy cover of `wanted` (which shrinks) by at most `most` resources."""
    for _ in range(most):
        uri, worth = _best(offers, wanted)
        if worth <= 0:
            return
        wanted.difference_update(offers[uri])
        yield uri


def hot_uris(harvest: Harvest, found: Readings, assets: Iterable[Asset]) -> tuple[str, ...]:
    """The URIs to read in every hot pass, standing first. Pure."""
    offers = _offers(harvest, found)
    chosen: dict[str, None] = {}
    for asset in assets:
        standing = standing_uris(asset)
        chosen.update(dict.fromkeys(standing))
        mine = [reading for reading in found.readings if reading.asset == asset.key]
        shown = {key for uri in chosen for key in offers.get(uri, ())}
        for roles, most in (
            (frozenset({"leak"}), 64),
            (frozenset(WEIGHTS), max(2, BUDGET - len(standing))),
            (frozenset({"gpu_temperature"}), GPU_BUDGET),
        ):
            wanted = {r.uri for r in mine if r.role in roles} - shown
            for uri in _cover(offers, wanted, most=most):
                chosen[uri] = None
                shown.update(offers[uri])
    return tuple(chosen)


class _Fetched(msgspec.Struct, frozen=True):
    """What one URI gave: its resources (an expanded collection gives many), or why nothing.
    `bare` are the members that an expanded collection names without their values."""

    uri: str
    resources: tuple[tuple[str, Payload], ...] = ()
    bare: tuple[str, ...] = ()
    at: float = 0.0
    failure: Failure | None = None


def _members(answer: Answer, uri: str, repair: Repair) -> _Fetched:
    full: list[tuple[str, Payload]] = []
    bare: list[str] = []
    for member in items(answer.body.get("Members")):
        each = normal(member.get("@odata.id"))
        if "Reading" in member or "DetectorState" in member:
            full.append((each, repair(each, dict(member))))
        elif each:
            bare.append(each)
    return _Fetched(uri=uri, resources=tuple(full), bare=tuple(bare), at=answer.at)


async def _fetch(device: Reads, uri: str, repair: Repair) -> _Fetched:
    try:
        if "?" in uri:
            return await _fetch_expanded(device, uri, repair)
        answer = await device.get(uri)
    except FAILURES as failure:
        return _Fetched(uri=uri, failure=failure)
    path = normal(uri)
    return _Fetched(uri=uri, resources=((path, repair(path, answer.body)),), at=answer.at)


async def _fetch_expanded(device: Reads, uri: str, repair: Repair) -> _Fetched:
    """An expanded collection, over a few pages. Raises where the first cannot be read."""
    got = _members(answer := await device.get(uri), uri, repair)
    for _ in range(MAX_PAGES):
        following = answer.body.get("Members@odata.nextLink")
        if not isinstance(following, str) or not following.startswith("/"):
            break
        more = _members(answer := await device.get(following), uri, repair)
        got = _Fetched(
            uri=uri,
            resources=got.resources + more.resources,
            bare=got.bare + more.bare,
            at=more.at,
        )
    return got


async def _fetch_all(device: Reads, uris: Iterable[str], repair: Repair) -> list[_Fetched]:
    """One after the other, so that a device that is quick needs one connection; where it is slow,
    or one request hangs, by two readers."""
    wanted, found = tuple(uris), dict[str, _Fetched]()
    todo = iter(wanted)

    async def read() -> None:
        for uri in todo:
            found[uri] = await _fetch(device, uri, repair)

    readers = [asyncio.ensure_future(read())]
    try:
        await asyncio.wait(readers, timeout=QUICK_S)
        if not readers[0].done():
            readers.append(asyncio.ensure_future(read()))
        await asyncio.gather(*readers)
    finally:
        for reader in readers:
            reader.cancel()
    return [found[uri] for uri in wanted]


def _unshown(last: Report, fetched: Sequence[_Fetched]) -> list[str]:
    """Sensors that an expanded collection only named, or refused: to be read one by one."""
    bare = {uri for each in fetched for uri in each.bare}
    refused = tuple(
        f"{normal(each.uri)}/"
        for each in fetched
        if "?" in each.uri and isinstance(each.failure, DeviceRefused)
    )
    if not bare and not refused:
        return []
    wanted = [reading.uri for reading in last.readings if reading.role in WEIGHTS]
    found = [uri for uri in wanted if uri in bare or (refused and uri.startswith(refused))]
    return [uri for uri in dict.fromkeys(found) if "#" not in uri][:MAX_FALLBACK]


def _sightings(fetched: Iterable[_Fetched]) -> Iterator[tuple[Sighting, float]]:
    for each in fetched:
        for uri, payload in each.resources:
            for sighting in sight(uri, payload):
                yield sighting, each.at


def _renew(
    last: Report, index: _merge.Index, fetched: Sequence[_Fetched], dark: frozenset[str]
) -> dict[str, Reading]:
    """The readings of the last report that were seen again, by `uri`; the most modern counts."""
    known = {reading.uri: reading for reading in last.readings}
    fresh: dict[str, Reading] = {}
    for sighting, at in sorted(_sightings(fetched), key=lambda pair: pair[0].rank):
        key = index.resolve(sighting)
        if key not in known or key in fresh:
            key = _whole_of(sighting, known, fresh)
        if not key:
            continue
        held = known[key]
        reading = refresh(sighting, held, host_off=held.asset in dark, at=at)
        if not _is_echo(sighting, key) or (held.role in WEIGHTS and reading.value is not None):
            fresh[key] = reading
    return fresh


def _is_echo(sighting: Sighting, key: str) -> bool:
    """A legacy entry that stands for a Sensor by its name: good for a value, not for a gap."""
    return sighting.rank == LEGACY and sighting.key != key


def _whole_of(
    sighting: Sighting, known: Mapping[str, Reading], fresh: Mapping[str, Reading]
) -> str:
    """The legacy total power of a chassis whose Sensor carries that role."""
    if sighting.kind != "PowerControl" or not sighting.pointer.startswith("/PowerControl/0/"):
        return ""
    place = place_of(sighting.source)
    return next(
        (
            uri
            for uri, held in known.items()
            if held.role in WHOLE and place_of(uri) == place and uri not in fresh
        ),
        "",
    )


def _lost(
    last: Report, fetched: Sequence[_Fetched], fresh: Mapping[str, Reading], at: float
) -> Iterator[Reading]:
    """Readings of the hot roles whose resource failed and that nothing else showed."""
    failed = {place_of(normal(each.uri)): each.failure for each in fetched if each.failure}
    for reading in last.readings if failed else ():
        why = failed.get(place_of(reading.uri))
        if why is not None and reading.role in WEIGHTS and reading.uri not in fresh:
            yield msgspec.structs.replace(
                reading, value=None, reason=f"could not be read: {why.message}", at=at, status=None
            )


def _worst(facts: Sequence[HealthFact]) -> HealthFact:
    """The worst that is said; OK only where everything could be read."""
    known = [fact for fact in facts if isinstance(fact, Known)]
    unread = [f for f in facts if isinstance(f, Unknown) and f.reason.startswith("could not")]
    if not known:
        return facts[0]
    worst = max(known, key=lambda fact: list(Health).index(fact.value))
    return unread[0] if unread and worst.value is Health.OK else worst


def _facts(asset: Asset, got: Mapping[str, _Fetched], at: float) -> tuple[PowerFact, HealthFact]:
    powers: list[PowerFact] = []
    healths: list[HealthFact] = []
    for uri in standing_uris(asset):
        each = got.get(uri)
        if each is None or each.failure is not None or not each.resources:
            why = each.failure.message if each and each.failure else "no answer"
            unread = Unknown(reason=f"could not be read: {why}", at=at, source=uri)
            powers.append(unread)
            healths.append(unread)
        else:
            payload = each.resources[0][1]
            powers.append(power_fact(payload, at=each.at, source=uri))
            healths.append(health_fact(payload, at=each.at, source=uri))
    return _power(asset, powers), _worst(healths)


def _power(asset: Asset, facts: Sequence[PowerFact]) -> PowerFact:
    """The word of the resource that told it last time, else the first that tells."""
    source = asset.power_state.source if isinstance(asset.power_state, Known) else ""
    told = [fact for fact in facts if isinstance(fact, Known)]
    same = [f for f in facts if isinstance(f, Known | Unknown) and f.source == source]
    return next(iter((*same, *told, *facts)))


def _raise_if_blind(last: Report, got: Mapping[str, _Fetched]) -> None:
    """A device none of whose systems can be read is not followed but lost. Where they hang and
    something else answers, the device is there, and only what hangs is not known."""
    standing = [uri for asset in last.assets for uri in standing_uris(asset)[:1]]
    failures = [got[uri].failure for uri in standing if uri in got]
    if not failures or not all(failures):
        return
    answered = any(each.failure is None for each in got.values())
    for failure in failures:
        if failure is not None and not (answered and isinstance(failure, DeviceSilent)):
            raise failure


def _same(_: str, payload: Payload) -> Payload:
    return payload


async def read_these(
    device: Reads, last: Report, uris: Iterable[str], *, repair: Repair = _same
) -> tuple[Reading, ...]:
    """The readings of the last report that these resources show. Raises nothing of a device's:
    what cannot be read is not among them."""
    fetched = await _fetch_all(device, uris, repair)
    return tuple(_renew(last, _merge.index_of(last.readings), fetched, frozenset()).values())


async def read_hot(device: Reads, last: Report, *, repair: Repair = _same) -> HotUpdate:
    """One hot pass over what the last report calls hot. `repair` mends a payload by its URI.

    Raises `DeviceSilent`, `DeviceRefused` or `DeviceLied` where no asset's own resource could be
    read; any other failure is an unknown value with its reason.
    """
    standing = [uri for asset in last.assets for uri in standing_uris(asset)]
    fetched = await _fetch_all(device, dict.fromkeys((*standing, *last.hot)), repair)
    got = {each.uri: each for each in fetched}
    _raise_if_blind(last, got)
    owners = {uri: asset.key for asset in last.assets for uri in standing_uris(asset)}
    systems = [r for each in fetched for r in each.resources if type_of(r[1]) == "ComputerSystem"]
    dark = dark_assets(systems, lambda uri: owners.get(uri, ""))
    index = _merge.index_of(last.readings)
    fresh = _renew(last, index, fetched, dark)
    missing = _unshown(last, fetched)
    if missing:
        fetched += await _fetch_all(device, missing, repair)
        fresh = _renew(last, index, fetched, dark)
    at = max((each.at for each in fetched), default=0.0)
    facts = {asset.key: _facts(asset, got, at) for asset in last.assets}
    return HotUpdate(
        endpoint=last.endpoint,
        at=at,
        power_states={key: power for key, (power, _) in facts.items()},
        healths={key: health for key, (_, health) in facts.items()},
        readings=(*fresh.values(), *_lost(last, fetched, fresh, at)),
        unlike=unlike_assets(last, {u: p for each in fetched for u, p in each.resources}),
    )
