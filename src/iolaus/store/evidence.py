"""Evidence as it came, what was made of it, and whose identity was enrolled.

Exhibits are raw bytes with the question that they answer; they are kept so that any verdict can be
derived again, by us under another policy or by somebody else. Of each attester the last ones are
kept and, up to a bound, every one that changed its verdict: those are the ones a person asks for
afterwards. Exhibits are on disk when `keep` returns; who keeps at the same time shares a
transaction, because a hall is asked by the thousand. Only numbers and appraisals live in memory.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, Select, delete, func, insert, select, update
from sqlalchemy.engine import Row

from iolaus.model.appraisal import Appraisal, AttesterKey, Pin
from iolaus.model.evidence import Exhibit
from iolaus.store import schema
from iolaus.store.database import Database
from iolaus.store.packing import pack, unpack

LAST: Final = 3
TURNS: Final = 16
MOST_WAITING: Final = 5_000
Heard = Callable[[Sequence["Kept"]], None]
Changed = Callable[[Sequence[AttesterKey]], None]
_EXHIBIT = msgspec.msgpack.Decoder(Exhibit)
_APPRAISAL = msgspec.msgpack.Decoder(Appraisal)
_PIN = msgspec.msgpack.Decoder(Pin)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An exhibit with its number; `digest` is the SHA-256 (hex) of the bytes that were signed.
    `turned`: it changed the verdict."""

    number: int
    exhibit: Exhibit
    digest: str
    turned: bool = False


class EvidenceStore:
    """`database` is open, or None for memory only (then the last exhibits are held)."""

    def __init__(self, database: Database | None = None) -> None:
        self._database = database
        self._next = 1
        self._appraisals: dict[AttesterKey, Appraisal] = {}
        self._pins: dict[tuple[str, str], Pin] = {}
        self._memory: dict[AttesterKey, list[Kept]] = {}
        self._waiting: list[Kept] = []
        self._said: dict[AttesterKey, Appraisal | None] = {}
        self._pinned: dict[tuple[str, str], Pin] = {}
        self._writing = asyncio.Lock()
        self._listeners: list[Heard] = []
        self._watchers: list[Changed] = []

    async def load(self) -> None:
        """Read what is kept, but for the exhibits. Raises `WeErred` when it cannot be read."""
        if self._database is None:
            return
        last, appraisals, pins = await asyncio.to_thread(self._database.read, _load)
        self._next = last + 1
        self._appraisals = {each.place: each for each in appraisals}
        self._pins = {(each.asset, each.name): each for each in pins}

    # Exhibits

    async def keep(self, exhibits: Sequence[Exhibit]) -> None:
        """Durable when it returns, then told to listeners. Raises `WeErred` when it cannot be
        written; it is tried again with the next."""
        kept = [self._numbered(exhibit) for exhibit in exhibits]
        self._waiting = [*self._waiting, *kept][-MOST_WAITING:]
        await self._write()
        for listener in self._listeners:
            listener(kept)

    async def of(self, place: AttesterKey) -> tuple[Kept, ...]:
        """All that is kept of one attester, newest first."""
        return await self._read(place, None)

    async def exhibit(self, place: AttesterKey, number: int) -> Kept | None:
        return next(iter(await self._read(place, number)), None)

    async def exhibits(self, numbers: Iterable[int]) -> tuple[Kept, ...]:
        """Those of these numbers that are still kept."""
        wanted = set(numbers)
        if self._database is None:
            return tuple(k for held in self._memory.values() for k in held if k.number in wanted)
        table = schema.evidence
        found: list[Kept] = []
        for some in _chunks(sorted(wanted)):
            query = select(table).where(table.c.number.in_(some))
            found += await asyncio.to_thread(self._database.read, _reading(query))
        return tuple(found)

    def on_kept(self, listener: Heard) -> None:
        self._listeners.append(listener)

    def on_appraised(self, watcher: Changed) -> None:
        """It is called with the places whose appraisal is another or gone, before that is on
        disk."""
        self._watchers.append(watcher)

    def _tell(self, places: Sequence[AttesterKey]) -> None:
        for watcher in self._watchers:
            watcher(places)

    # Appraisals and identities

    def appraisals(self) -> Mapping[AttesterKey, Appraisal]:
        return self._appraisals

    def pins(self) -> Mapping[tuple[str, str], Pin]:
        """By (asset's uid, attester's name)."""
        return self._pins

    async def appraise(self, found: Iterable[Appraisal], *, turned: Iterable[int] = ()) -> None:
        """These verdicts stand now; the exhibits of `turned` changed one."""
        places = []
        for each in found:
            self._appraisals[each.place] = self._said[each.place] = each
            places.append(each.place)
        self._tell(places)
        await self._write(turned=tuple(turned))

    async def pin(self, pins: Iterable[Pin]) -> None:
        for each in pins:
            self._pins[each.asset, each.name] = self._pinned[each.asset, each.name] = each
        await self._write()

    async def forget(self, places: Iterable[AttesterKey]) -> None:
        """Attesters of an endpoint that is no target any more; identities stay enrolled."""
        gone = list(places)
        for place in gone:
            self._appraisals.pop(place, None)
            self._memory.pop(place, None)
            self._said[place] = None
        self._tell(gone)
        await self._write()

    # Where it is done

    def _numbered(self, exhibit: Exhibit) -> Kept:
        number, self._next = self._next, self._next + 1
        digest = hashlib.sha256(exhibit.measurements).hexdigest() if exhibit.measurements else ""
        return Kept(number=number, exhibit=exhibit, digest=digest)

    async def _write(self, *, turned: tuple[int, ...] = ()) -> None:
        async with self._writing:
            kept, self._waiting = self._waiting, []
            said, self._said = self._said, {}
            pinned, self._pinned = self._pinned, {}
            if not (kept or said or pinned or turned):
                return
            if self._database is None:
                self._remember(kept, turned)
                return
            try:
                await asyncio.to_thread(
                    self._database.write, lambda c: _save(c, kept, said, pinned, turned)
                )
            except BaseException:
                self._waiting = [*kept, *self._waiting][-MOST_WAITING:]
                self._said, self._pinned = {**said, **self._said}, {**pinned, **self._pinned}
                raise

    def _remember(self, kept: Iterable[Kept], turned: tuple[int, ...]) -> None:
        for each in kept:
            self._memory.setdefault(_place(each.exhibit), []).append(each)
        for place, held in self._memory.items():
            marked = [
                msgspec.structs.replace(k, turned=True) if k.number in turned else k for k in held
            ]
            spared = set(_spared([(k.number, k.turned) for k in reversed(marked)]))
            self._memory[place] = [k for k in marked if k.number in spared]

    async def _read(self, place: AttesterKey, number: int | None) -> tuple[Kept, ...]:
        if self._database is None:
            held = reversed(self._memory.get(place, []))
            return tuple(k for k in held if number in (None, k.number))
        table = schema.evidence
        query = select(table).where(table.c.endpoint == place[0], table.c.attester == place[1])
        query = query.order_by(table.c.number.desc())
        if number is not None:
            query = query.where(table.c.number == number)
        return tuple(await asyncio.to_thread(self._database.read, _reading(query)))


def _place(exhibit: Exhibit) -> AttesterKey:
    return (exhibit.endpoint, exhibit.attester.uri)


def _spared(newest_first: Sequence[tuple[int, bool]]) -> list[int]:
    """Numbers to keep: the last ones, and those that changed the verdict."""
    last = [number for number, _ in newest_first[:LAST]]
    return last + [number for number, turned in newest_first if turned][:TURNS]


def _chunks(numbers: Sequence[int], size: int = 500) -> Iterable[Sequence[int]]:
    return (numbers[at : at + size] for at in range(0, len(numbers), size))


def _load(connection: Connection) -> tuple[int, list[Appraisal], list[Pin]]:
    last = connection.scalar(select(func.max(schema.evidence.c.number))) or 0
    said = connection.execute(select(schema.appraisals.c.doc)).scalars()
    pins = connection.execute(select(schema.identities.c.doc)).scalars()
    return (
        last,
        [unpack(bytes(doc), _APPRAISAL) for doc in said],
        [unpack(bytes(doc), _PIN) for doc in pins],
    )


def _reading(query: Select[tuple[object, ...]]) -> Callable[[Connection], list[Kept]]:
    return lambda connection: [_kept(row) for row in connection.execute(query)]


def _kept(row: Row[tuple[object, ...]]) -> Kept:
    found = row._mapping
    return Kept(
        number=found["number"],
        exhibit=unpack(bytes(found["doc"]), _EXHIBIT),
        digest=found["digest"],
        turned=found["turned"],
    )


def _save(
    connection: Connection,
    kept: Sequence[Kept],
    said: Mapping[AttesterKey, Appraisal | None],
    pinned: Mapping[tuple[str, str], Pin],
    turned: tuple[int, ...],
) -> None:
    table = schema.evidence
    if kept:
        again = [each.number for each in kept]
        connection.execute(delete(table).where(table.c.number.in_(again)))
        connection.execute(insert(table), [_row(each) for each in kept])
    for some in _chunks(turned):
        connection.execute(update(table).where(table.c.number.in_(some)).values(turned=True))
    for place in {_place(each.exhibit) for each in kept}:
        _prune(connection, place)
    for place, appraisal in said.items():
        _say(connection, place, appraisal)
    for (asset, name), pin in pinned.items():
        held = schema.identities
        connection.execute(delete(held).where(held.c.asset == asset, held.c.attester == name))
        connection.execute(insert(held).values(asset=asset, attester=name, doc=pack(pin)))


def _row(kept: Kept) -> dict[str, object]:
    return {
        "number": kept.number,
        "endpoint": kept.exhibit.endpoint,
        "attester": kept.exhibit.attester.uri,
        "asked_at": kept.exhibit.asked_at,
        "turned": kept.turned,
        "digest": kept.digest,
        "doc": pack(kept.exhibit),
    }


def _prune(connection: Connection, place: AttesterKey) -> None:
    table = schema.evidence
    mine = (table.c.endpoint == place[0], table.c.attester == place[1])
    rows = connection.execute(
        select(table.c.number, table.c.turned).where(*mine).order_by(table.c.number.desc())
    ).all()
    gone = {number for number, _ in rows} - set(_spared([(n, t) for n, t in rows]))
    if gone:
        connection.execute(delete(table).where(table.c.number.in_(gone)))


def _say(connection: Connection, place: AttesterKey, appraisal: Appraisal | None) -> None:
    table, held = schema.appraisals, schema.evidence
    connection.execute(
        delete(table).where(table.c.endpoint == place[0], table.c.attester == place[1])
    )
    if appraisal is None:
        connection.execute(
            delete(held).where(held.c.endpoint == place[0], held.c.attester == place[1])
        )
        return
    connection.execute(
        insert(table).values(endpoint=place[0], attester=place[1], doc=pack(appraisal))
    )
