"""What is told of devices, on its way from who read it to who keeps the picture.

A record is what was recorded, as it was recorded: whoever takes it draws the same conclusions. It
names the shard that its sender owned and the epoch under which it did, so that what a former owner
says can be told apart. Parcels of records are what is kept, sent and acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from iolaus.kernel.errors import WeErred
from iolaus.model.asset import HotUpdate, LogEntry, Report
from iolaus.model.audit import Record as AuditRecord
from iolaus.model.endpoint import EndpointStatus, Event
from iolaus.store.packing import pack, unpack


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """New entries of a device's own log, oldest first."""

    endpoint: str
    entries: tuple[LogEntry, ...]


class Shed(msgspec.Struct, frozen=True, kw_only=True):
    """So many parcels of states were given up for want of room, made between these times (seconds
    since 1970). Events and logs never are."""

    count: int
    since: float
    until: float


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What was done without being asked, for the audit log of the hall."""

    record: AuditRecord


Recorded = EndpointStatus | Report | HotUpdate | Event | Logs


class Record(msgspec.Struct, frozen=True, array_like=True):
    """`kind` says what `doc` is (MessagePack)."""

    shard: str
    epoch: int
    kind: str
    doc: msgspec.Raw


KINDS: Final[Mapping[str, type]] = {
    "status": EndpointStatus,
    "report": Report,
    "hot": HotUpdate,
    "event": Event,
    "logs": Logs,
    "shed": Shed,
    "deed": Deed,
}
STATES: Final = frozenset({"status", "report", "hot"})
"""What is true only until it is told again."""
_WORDS: Final = {kind: word for word, kind in KINDS.items()}
_DECODERS: Final[Mapping[str, msgspec.msgpack.Decoder[Any]]] = {
    word: msgspec.msgpack.Decoder(kind) for word, kind in KINDS.items()
}
_PARCEL: Final = msgspec.msgpack.Decoder(tuple[Record, ...])


def endpoint_of(told: Recorded) -> str:
    return told.address if isinstance(told, EndpointStatus) else told.endpoint


def make_record(shard: str, epoch: int, told: Recorded | Shed | Deed) -> Record:
    """Raises `ValueError` for what cannot be written (a device sent half a character)."""
    doc = msgspec.Raw(msgspec.msgpack.encode(told))
    return Record(shard, epoch, _WORDS[type(told)], doc)


def pack_parcel(records: Sequence[Record]) -> bytes:
    return pack(tuple(records))


def parse_parcel(body: bytes) -> tuple[Record, ...]:
    """Raises `WeErred` for bytes that are no parcel of ours."""
    try:
        return unpack(body, _PARCEL)
    except (ValueError, RecursionError) as error:
        raise WeErred(
            f"it is no parcel: {error}",
            operation="read log",
            subject="parcel",
            code="ParcelUnreadable",
            next_step="see what else writes to the log of the cluster.",
        ) from None


def told_of(records: Iterable[Record]) -> list[tuple[Record, Recorded | Shed | Deed]]:
    """With what each says; one that says nothing that is known costs only itself."""
    found: list[tuple[Record, Recorded | Shed | Deed]] = []
    for record in records:
        decoder = _DECODERS.get(record.kind)
        try:
            if decoder is not None:
                found.append((record, decoder.decode(record.doc)))
        except (msgspec.MsgspecError, RecursionError):
            continue
    return found
