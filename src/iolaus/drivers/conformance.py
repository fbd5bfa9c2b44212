"""Does a driver keep the contract of its ports? A check that any driver can be put to.

A driver is trusted by every room above it: a reading without a unit, an asset key that nothing
owns, an exception where a reason belongs, and a hall map lies. The contract stands in words in
`ports.py` and `model/asset.py`; here it is run, against any device (a fake, the simulator, a
capture, a real controller): nothing is written, so it is safe anywhere. What it finds is data, a
list of breaches; tests ask for it to be empty, and a vendor folder's tests need no more than that.

    breaches = await check(driver, device)
    assert not breaches, report(breaches)
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from iolaus.drivers.ports import (
    Identifies,
    Payload,
    Reads,
    ReadsHot,
    ReadsInventory,
    ReadsLogs,
)
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, IolausError
from iolaus.model.asset import Asset, HotUpdate, LogEntry, Reading, Report
from iolaus.model.fact import Conflict, Unknown
from iolaus.wire.redfish.port import Answer

ROOT: Final = "/redfish/v1"
MAX_HOT_REQUESTS: Final = 24
"""For one asset; typical machines need six."""
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """`port` is the method, `rule` a stable word, `detail` what was seen."""

    port: str
    rule: str
    detail: str


class Wobbly:
    """A device some of whose answers fail: `fails(uri)` gives the error to raise, or None."""

    def __init__(self, device: Reads, fails: Callable[[str], IolausError | None]) -> None:
        self._device, self._fails = device, fails
        self.requests = 0

    @property
    def address(self) -> str:
        return self._device.address

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        self.requests += 1
        if (failure := self._fails(uri)) is not None:
            raise failure
        return await self._device.get(uri, fresh_s=fresh_s)

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]:
        self.requests += 1
        if (failure := self._fails(uri)) is not None:
            raise failure
        found = await self._device.members(uri, on_gap=on_gap, fresh_s=fresh_s)
        kept: list[tuple[str, Payload]] = []
        for member, payload in found:
            failure = self._fails(member)
            if failure is None:
                kept.append((member, payload))
            else:
                on_gap(member, failure.message)
        return kept


def silent(uri: str) -> IolausError:
    return DeviceSilent("no answer in time", operation="read", subject=uri)


def refused(uri: str) -> IolausError:
    return DeviceRefused("HTTP 500", operation="read", subject=uri, status=500)


def report(breaches: Iterable[Breach]) -> str:
    return "\n".join(f"{each.port}: {each.rule}: {each.detail}" for each in breaches)


async def check(driver: object, device: Reads) -> list[Breach]:
    """All breaches of the ports that the driver has. Reads only. The device must answer."""
    found: list[Breach] = []
    if isinstance(driver, Identifies):
        found += [each async for each in _identifies(driver, device)]
    if isinstance(driver, ReadsInventory):
        last = await driver.inventory(device)
        found += check_report(last, device.address)
        found += [each async for each in _survives(driver, device)]
        if isinstance(driver, ReadsHot):
            found += [each async for each in _hot(driver, device, last)]
    if isinstance(driver, ReadsLogs):
        found += [each async for each in _logs(driver, device)]
    return found


async def _identifies(driver: Identifies, device: Reads) -> AsyncIterator[Breach]:
    told = await driver.identify(device)
    for name, value in told.items():
        if not isinstance(name, str) or not isinstance(value, str):
            yield Breach(port="identify", rule="words", detail=f"{name!r}: {value!r}")


# --- what a report must be --------------------------------------------------------------------


def check_report(told: Report, address: str) -> list[Breach]:
    """The rules that every report keeps, whatever the device."""
    keys = {asset.key for asset in told.assets}
    rules: tuple[Iterator[tuple[str, str]], ...] = (
        _whole(told, address),
        _assets(told.assets),
        _owned(told, keys),
        _unique(told),
        _readings(told.readings),
        _proved(told),
        _clean(told),
    )
    return [Breach(port="inventory", rule=r, detail=d) for each in rules for r, d in each]


def _whole(told: Report, address: str) -> Iterator[tuple[str, str]]:
    if told.endpoint != address:
        yield "endpoint", f"{told.endpoint} for {address}"
    if not told.driver:
        yield "driver", "a report names its driver"
    if told.assets and not told.hot:
        yield "hot", "there are assets and nothing to follow them by"
    for uri, reason in told.partial.items():
        if not reason:
            yield "partial", f"{uri} without a reason"


def _assets(assets: Sequence[Asset]) -> Iterator[tuple[str, str]]:
    for key, times in Counter(asset.key for asset in assets).items():
        if times > 1:
            yield "asset-key", f"{key} {times} times"
    for asset in assets:
        if not asset.key or not asset.resources:
            yield "asset-resources", f"{asset.key!r} has none"
        for fact in (asset.power_state, asset.health):
            if isinstance(fact, Unknown) and not fact.reason:
                yield "reason", f"{asset.key}: unknown without a reason"
            if isinstance(fact, Conflict) and len(fact.values) < 2:
                yield "conflict", f"{asset.key}: a conflict of one"
        for name, number in asset.counts.items():
            if number is None and f"counts.{name}" not in asset.gaps and name not in asset.gaps:
                yield "gap", f"{asset.key}: count of {name} is not known and nothing says why"


_PARTS: Final = ("components", "readings", "firmware", "power_limits", "capabilities", "settings")


def _owned(told: Report, keys: set[str]) -> Iterator[tuple[str, str]]:
    """A part belongs to an asset of the report, or ("") to the endpoint as a whole."""
    for name in _PARTS:
        strays = {part.asset for part in getattr(told, name)} - keys - {""}
        for key in sorted(strays):
            yield "owner", f"{name} of {key!r}, which is no asset"


def _unique(told: Report) -> Iterator[tuple[str, str]]:
    for name, keys in (
        ("readings", [(each.name, each.uri) for each in told.readings]),
        ("readings", [("", each.uri) for each in told.readings]),
        ("components", [(each.asset, each.uri) for each in told.components]),
        ("firmware", [("", each.uri) for each in told.firmware]),
        ("capabilities", [(each.asset, each.name) for each in told.capabilities]),
        ("certificates", [("", each.uri) for each in told.certificates]),
    ):
        for key, times in Counter(keys).items():
            if times > 1:
                yield "unique", f"{name}: {key} {times} times"


def _readings(readings: Iterable[Reading]) -> Iterator[tuple[str, str]]:
    for each in readings:
        numbers = [*([] if each.value is None else [each.value]), *each.limits.values()]
        if not all(math.isfinite(number) for number in numbers):
            yield "finite", f"{each.uri}: {numbers}"
        if not each.unit or not each.quantity:
            yield "unit", f"{each.uri}: {each.quantity!r} in {each.unit!r}"
        if (each.value is None) == (each.reason == ""):
            yield "value-or-reason", f"{each.uri}: {each.value} {each.reason!r}"
        if each.status not in (None, "OK", "Warning", "Critical"):
            yield "status", f"{each.uri}: {each.status!r}"


def _proved(told: Report) -> Iterator[tuple[str, str]]:
    for cell in told.capabilities:
        if not cell.uri or not cell.proof:
            yield "proof", f"{cell.name} of {cell.asset!r}"
    for deviation in told.deviations:
        if not deviation.rule:
            yield "deviation", f"{deviation.uri} without a rule"


def _clean(told: Report) -> Iterator[tuple[str, str]]:
    """Device text goes to terminals: no control characters anywhere."""
    dirty = _CONTROL.search(_all_text(msgspec.to_builtins(told)))
    if dirty:
        yield "text", f"control character {dirty[0]!r} in the report"


def _all_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\t".join(_all_text(each) for each in (*value.keys(), *value.values()))
    if isinstance(value, list | tuple):
        return "\t".join(_all_text(each) for each in value)
    return ""


# --- what a failing device must not do ----------------------------------------------------------


def _every(nth: int, fault: Callable[[str], IolausError]) -> Callable[[str], IolausError | None]:
    """Every nth URI fails, always the same ones; the root never."""

    def fails(uri: str) -> IolausError | None:
        path = uri.rstrip("/")
        return fault(uri) if path != ROOT and sum(path.encode()) % nth == 0 else None

    return fails


async def _survives(driver: ReadsInventory, device: Reads) -> AsyncIterator[Breach]:
    """A part that fails is told as missing; only the root may raise."""
    for nth, fault in ((3, silent), (2, refused), (1, refused)):
        wobbly = Wobbly(device, _every(nth, fault))
        try:
            told = await driver.inventory(wobbly)
        except IolausError as error:
            yield Breach(port="inventory", rule="raises", detail=f"1 of {nth} fails: {error}")
            continue
        for breach in check_report(told, device.address):
            yield msgspec.structs.replace(breach, detail=f"1 of {nth} fails: {breach.detail}")
    try:
        await driver.inventory(Wobbly(device, silent))
    except DeviceSilent:
        return
    yield Breach(port="inventory", rule="silence", detail="a silent device was not reported")


# --- the hot pass ------------------------------------------------------------------------------


async def _hot(driver: ReadsHot, device: Reads, last: Report) -> AsyncIterator[Breach]:
    counted = Wobbly(device, lambda _: None)
    update = await driver.hot(counted, last)
    most = MAX_HOT_REQUESTS * max(1, len(last.assets))
    if counted.requests > most:
        yield Breach(port="hot", rule="polite", detail=f"{counted.requests} requests, over {most}")
    for rule, detail in _of_last(update, last):
        yield Breach(port="hot", rule=rule, detail=detail)
    wobbly = await _hot_or_error(driver, Wobbly(device, _every(2, refused)), last)
    if isinstance(wobbly, HotUpdate):
        for rule, detail in _of_last(wobbly, last):
            yield Breach(port="hot", rule=rule, detail=f"half fails: {detail}")
    if last.assets and not isinstance(
        await _hot_or_error(driver, Wobbly(device, silent), last), DeviceSilent
    ):
        yield Breach(port="hot", rule="silence", detail="a silent device was not reported")


async def _hot_or_error(driver: ReadsHot, device: Reads, last: Report) -> HotUpdate | IolausError:
    try:
        return await driver.hot(device, last)
    except IolausError as error:
        return error


def _of_last(update: HotUpdate, last: Report) -> Iterator[tuple[str, str]]:
    """A hot update speaks of what the report knows, by the same keys."""
    keys = {asset.key for asset in last.assets}
    known = {(each.name, each.uri): each for each in last.readings}
    if update.endpoint != last.endpoint:
        yield "endpoint", update.endpoint
    for key in (update.power_states.keys() | update.healths.keys()) - keys:
        yield "owner", f"{key!r} is no asset"
    for each in update.readings:
        held = known.get((each.name, each.uri))
        if held is None:
            yield "known", f"{each.uri} is not in the report"
        elif (each.unit, each.quantity, each.asset) != (held.unit, held.quantity, held.asset):
            yield "same", f"{each.uri} changed what it is"
    yield from _readings(update.readings)


# --- logs --------------------------------------------------------------------------------------


async def _logs(driver: ReadsLogs, device: Reads) -> AsyncIterator[Breach]:
    try:
        entries = await driver.logs(device, since=None, limit=20)
    except IolausError:
        return
    for rule, detail in _entries(entries):
        yield Breach(port="logs", rule=rule, detail=detail)
    if entries:
        again = await driver.logs(device, since=entries[-1].uri, limit=20)
        if any(each.uri == entries[-1].uri for each in again):
            yield Breach(port="logs", rule="since", detail="the entry itself came again")


def _entries(entries: Sequence[LogEntry]) -> Iterator[tuple[str, str]]:
    if len(entries) > 20:
        yield "limit", f"{len(entries)} entries where 20 were asked for"
    for each in entries:
        if _CONTROL.search(each.message + each.entry_id):
            yield "text", f"control character in {each.uri}"
        if each.severity not in ("OK", "Warning", "Critical", "Unknown"):
            yield "severity", f"{each.uri}: {each.severity!r}"
