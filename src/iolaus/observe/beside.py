"""What a second channel says of an asset, laid beside what its controller says.

A power shelf has a controller on the management network and registers on a serial line, and both
speak of the same rectifiers. An operator wants one shelf. So a target may name further addresses
of the same equipment (`also`), and what is read there becomes readings of the asset that the
target shows: more of them, and much more often. They keep the address they came from. Where both
channels say the same thing (a role), the controller's keeps the role, because sums over roles
must not count a watt twice; the other is shown beside it without one.

Most registers say for hours what they said before. What did not change is told again only as often
as it must be to count as fresh, so that a hall of shelves costs what moves in it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, Protocol

import structlog
from msgspec.structs import replace

from iolaus.drivers.modbus.driver import text
from iolaus.drivers.modbus.readings import Now, readings_of
from iolaus.drivers.modbus.things import Thing, things_of
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.asset import Asset, HotUpdate, Reading, Report
from iolaus.model.endpoint import Target
from iolaus.observe.buses import ModbusDevice
from iolaus.observe.collect import Key

log = structlog.get_logger(__name__)
FIRST_S: Final = 2.0
LOOK_S, MISSING_S = 900.0, 30.0
FRESH, AGAIN = 4.0, 0.9
"""So many of our own periods a value stands by itself; after this part of that it is told again."""
LOST: Final = "the second channel does not answer"


class Picture(Protocol):
    def target_of(self, address: str) -> Target | None: ...

    def report_of(self, address: str) -> Report | None: ...

    def record_hot(self, update: HotUpdate) -> object: ...


class Beside:
    """`open_bus(target, address)` gives the bus behind a further address."""

    def __init__(
        self,
        *,
        picture: Picture,
        open_bus: Callable[[Target, str], ModbusDevice],
        clock: Clock,
        period_s: float = 5.0,
    ) -> None:
        self._picture, self._open, self._clock = picture, open_bus, clock
        self.period_s = period_s
        self._looked: dict[str, float] = {}
        self._told: dict[str, dict[str, Reading]] = {}

    async def reconcile(self, key: Hashable) -> float | None:
        """One pass over a target's further addresses; None where it has none."""
        assert isinstance(key, Key)
        target, last = self._picture.target_of(key.address), self._picture.report_of(key.address)
        if target is None or not target.also:
            self._told.pop(key.address, None)
            return None
        if last is None:
            return FIRST_S
        for address in target.also:
            try:
                found = await self._read(target, address, last)
            except IolausError as error:
                log.debug("beside_unread", endpoint=key.address, also=address, error=str(error))
                continue
            news = self._news(key.address, found)
            if news:
                update = HotUpdate(endpoint=key.address, at=self._clock.now(), readings=news)
                self._picture.record_hot(update)
        return self.period_s

    def _news(self, address: str, found: Iterable[Reading]) -> tuple[Reading, ...]:
        """What says something else than last time, or was not told for its period."""
        told, news = self._told.setdefault(address, {}), []
        for each in found:
            last = told.get(each.uri)
            if last is None or not _same(last, each) or each.at - last.at >= AGAIN * each.every_s:
                told[each.uri] = each
                news.append(each)
        return tuple(news)

    async def _read(self, target: Target, address: str, last: Report) -> Iterable[Reading]:
        device = self._open(target, address)
        await self._look(device)
        now = Now(self._clock.monotonic(), self._clock.now())
        found: list[Reading] = []
        for thing, asset in match(things_of(device.bus.units.values()), last.assets):
            mine = [each for each in last.readings if each.asset == asset.key]
            taken = {each.role for each in mine if each.role and "://" not in each.uri}
            base = str(device.address).partition("?")[0]
            told = readings_of(device.bus, [thing], now, base=base)
            for each in told:
                role = "" if each.role in taken else each.role
                every_s = max(each.every_s, FRESH * self.period_s)
                laid = replace(each, asset=asset.key, role=role, every_s=every_s)
                found.append(_lost(laid) if device.bus.lost else laid)
        return found

    async def _look(self, device: ModbusDevice) -> None:
        """Who is on the bus: at first, again and again, and sooner while somebody is missing."""
        now, missing = self._clock.monotonic(), set(device.where.units) - device.bus.units.keys()
        rest_s = MISSING_S if missing or not device.bus.units else LOOK_S
        if now - self._looked.get(device.address, float("-inf")) >= rest_s:
            self._looked[device.address] = now
            await (await device.driver()).inventory()


def match(things: Iterable[Thing], assets: Iterable[Asset]) -> Sequence[tuple[Thing, Asset]]:
    """Which equipment of a bus is which asset: by serial, else the only one of its kind. Pure."""
    things, assets = list(things), list(assets)
    found: list[tuple[Thing, Asset]] = []
    for thing in things:
        kind = [asset for asset in assets if asset.kind is thing.kind]
        serial = text(thing.own, "serial") if thing.own is not None else None
        same = [asset for asset in kind if serial and asset.identity.serial == serial]
        rivals = [each for each in things if each.kind is thing.kind]
        if len(same) == 1:
            found.append((thing, same[0]))
        elif len(kind) == 1 and len(rivals) == 1 and not (serial and kind[0].identity.serial):
            found.append((thing, kind[0]))
    return found


def _lost(reading: Reading) -> Reading:
    return replace(reading, value=None, status=None, reason=LOST)


def _same(last: Reading, now: Reading) -> bool:
    return (last.value, last.status, last.asset, last.role) == (
        now.value,
        now.status,
        now.asset,
        now.role,
    )
