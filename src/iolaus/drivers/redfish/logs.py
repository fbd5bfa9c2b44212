"""The device's own logs: newest entries, or what came since an entry we hold.

A log is read for what was missed: when an event stream broke, or a controller was away. Devices
make that hard. Collections come oldest first or newest first, in pages or whole, with entries
inside or only linked; clocks jump back to 1970 and forth; and any text in it may come from whoever
could reach the console. So order is worked out, not believed: by the Ids, where they are numbers
that grow with the time stamps, else by the time stamps; and everything read is bounded.

`LogEntry.at` is our receive time, the device's word stays in `created`. Text is cleaned.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from iolaus.drivers.ports import Payload, Reads
from iolaus.drivers.redfish._text import clean, items, mapping, maybe, tail, texts
from iolaus.drivers.redfish.harvest import ROOT, Harvest, links_in, normal
from iolaus.kernel.errors import FAILURES, DeviceLied, DeviceRefused, DeviceSilent
from iolaus.model.asset import LogEntry

MAX_PAGES: Final = 8
MAX_ENTRIES: Final = 5_000
MAX_SERVICES: Final = 24
MAX_MESSAGE: Final = 2_048
STRUCTURE_FRESH_S: Final = 3_600.0
Repair = Callable[[str, Payload], Payload]
GONE: Final = frozenset({404, 410})
NOISE: Final = frozenset({"Journal", "PostCodes", "Dump", "Crashdump", "DebugTokenService"})
"""Services that hold a controller's own debugging and no events of the hardware."""

SEVERITIES: Final = MappingProxyType(
    {
        "ok": "OK",
        "info": "OK",
        "informational": "OK",
        "information": "OK",
        "normal": "OK",
        "notice": "OK",
        "debug": "OK",
        "cleared": "OK",
        "warning": "Warning",
        "caution": "Warning",
        "minor": "Warning",
        "repaired": "Warning",
        "degraded": "Warning",
        "critical": "Critical",
        "major": "Critical",
        "fatal": "Critical",
        "error": "Critical",
        "emergency": "Critical",
        "alert": "Critical",
    }
)


def severity_of(*words: object) -> str:
    """ "OK", "Warning" or "Critical" of the first word that is known; "Unknown" else."""
    for word in words:
        found = SEVERITIES.get(clean(word, 32).lower())
        if found:
            return found
    return "Unknown"


def moment_of(value: object) -> float | None:
    """Seconds since 1970 of a Redfish time stamp; None for what is none (or year 0)."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        stamp = datetime.fromisoformat(value.strip())
        return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def message_of(payload: Mapping[str, Any]) -> str:
    """The message; without one, its id with its arguments."""
    text = clean(payload.get("Message"), MAX_MESSAGE)
    if text:
        return text
    arguments = ", ".join(texts(payload.get("MessageArgs")))
    named = clean(payload.get("MessageId")) or clean(payload.get("Name"))
    return clean(f"{named} ({arguments})" if arguments else named, MAX_MESSAGE)


def origin_of(payload: Mapping[str, Any]) -> str | None:
    links = mapping(payload.get("Links"))
    for value in (links.get("OriginOfCondition"), payload.get("OriginOfCondition")):
        for uri in links_in(value):
            return clean(uri, 512)
    return None


def parse_entry(uri: str, payload: Mapping[str, Any], at: float) -> LogEntry:
    """One entry, whatever is missing of it. Never raises."""
    return LogEntry(
        uri=uri,
        entry_id=clean(payload.get("Id"), 128) or tail(uri),
        severity=severity_of(payload.get("Severity"), payload.get("MessageSeverity")),
        message=message_of(payload),
        at=at,
        created=maybe(payload.get("Created"), 64) or maybe(payload.get("EventTimestamp"), 64),
        message_id=maybe(payload.get("MessageId"), 128),
        origin=origin_of(payload),
    )


_NUMBER: Final = re.compile(r"\d{1,18}")


def _number(entry: LogEntry) -> int | None:
    """The Id as a number; a trailing number counts ("SEL-205753")."""
    found = _NUMBER.findall(entry.entry_id)
    return int(found[-1]) if found and entry.entry_id.endswith(found[-1]) else None


def _grows(pairs: Sequence[tuple[float, float]]) -> int:
    """How the second follows the first, pair by pair: > 0 with it, < 0 against it."""
    return sum(
        (later[1] > earlier[1]) - (later[1] < earlier[1])
        for earlier, later in itertools.pairwise(pairs)
    )


def in_order(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """Oldest first. Numbers in Ids are trusted over clocks, which jump; where they run against
    most of the time stamps (some devices number the newest 1), they are taken backwards."""
    held = list(entries)
    numbers = [_number(entry) for entry in held]
    if None in numbers or len(set(numbers)) < len(held):
        return sorted(held, key=lambda entry: moment_of(entry.created) or 0.0)
    ranked = sorted(zip(numbers, held, strict=True), key=lambda pair: pair[0] or 0)
    stamps = [(float(n or 0), moment_of(entry.created)) for n, entry in ranked]
    against = _grows([(n, stamp) for n, stamp in stamps if stamp is not None]) < 0
    ordered = [entry for _, entry in ranked]
    return ordered[::-1] if against else ordered


def newer_than(
    entries: Sequence[LogEntry], since: str | None, *, then: float | None
) -> list[LogEntry]:
    """What follows the entry whose URI is `since` in an ordered log. In a log that does not
    hold it, what was created after `then` (all, where that is not known)."""
    for index, entry in enumerate(entries):
        if entry.uri == since:
            return list(entries[index + 1 :])
    if since is None or then is None:
        return list(entries)
    return [e for e in entries if (stamp := moment_of(e.created)) is not None and stamp > then]


def entries_of(harvest: Harvest) -> tuple[str, ...]:
    """The `Entries` collections of all log services that were read. Pure."""
    found: dict[str, None] = {}
    for _, payload in harvest.of_type("LogService"):
        found.update(dict.fromkeys(_entries_link(payload)))
    return tuple(found)[:MAX_SERVICES]


def _entries_link(payload: Mapping[str, Any]) -> Iterator[str]:
    if payload.get("ServiceEnabled") is not False and clean(payload.get("Id")) not in NOISE:
        yield from links_in(payload.get("Entries"))


class _Reader:
    """Reads logs of one device. What fails is left out, unless nothing can be read; what is not
    there (a dangling link) is no failure."""

    def __init__(self, device: Reads, repair: Repair) -> None:
        self._device, self._repair = device, repair
        self.failure: DeviceSilent | DeviceRefused | DeviceLied | None = None

    async def body(self, uri: str, *, fresh_s: float = 0.0) -> tuple[Mapping[str, Any], float]:
        try:
            answer = await self._device.get(uri, fresh_s=fresh_s)
        except FAILURES as failure:
            if not isinstance(failure, DeviceRefused) or failure.status not in GONE:
                self.failure = failure
            return {}, 0.0
        return self._repair(normal(uri), answer.body), answer.at

    async def _members(self, uri: str) -> list[str]:
        body, _ = await self.body(uri, fresh_s=STRUCTURE_FRESH_S)
        return list(links_in(body.get("Members")))[:MAX_SERVICES]

    async def find(self) -> list[str]:
        """The `Entries` collections: of systems and managers, else of the chassis."""
        root, _ = await self.body(ROOT, fresh_s=STRUCTURE_FRESH_S)
        found: dict[str, None] = {}
        for name in ("Systems", "Managers", "Chassis"):
            if name == "Chassis" and found:
                break
            for collection in links_in(root.get(name)):
                for holder in await self._members(collection):
                    found.update(dict.fromkeys(await self._services(holder)))
        return list(found)[:MAX_SERVICES]

    async def _services(self, holder: str) -> list[str]:
        body, _ = await self.body(holder, fresh_s=STRUCTURE_FRESH_S)
        found: list[str] = []
        for collection in links_in(body.get("LogServices")):
            for service in await self._members(collection):
                if tail(service) not in NOISE:
                    payload, _ = await self.body(service, fresh_s=STRUCTURE_FRESH_S)
                    found += _entries_link(payload)
        return found

    async def entries(self, uri: str, *, limit: int) -> list[LogEntry]:
        """The newest entries of one log, oldest first, over a bounded number of pages."""
        found: dict[str, LogEntry | None] = {}
        seen: set[str] = set()
        page: str | None = uri
        while page and page not in seen and len(seen) < MAX_PAGES and len(found) < MAX_ENTRIES:
            seen.add(page)
            body, at = await self.body(page)
            listed = [
                (each, None if entry is None else parse_entry(each, entry, at))
                for each, entry in _listed(body)
            ]
            found.update(listed)
            page = _next_page(body, listed, limit=limit)
        for each in _newest([uri for uri, entry in found.items() if entry is None], limit):
            payload, at = await self.body(each)
            if payload:
                found[each] = parse_entry(each, payload, at)
        return in_order(entry for entry in found.values() if entry is not None)


def _listed(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """(URI, entry) of a page; the entry is None where it is only linked."""
    for member in items(body.get("Members"), MAX_ENTRIES):
        uri = next(links_in(member), "")
        if uri:
            told = not member.keys().isdisjoint(("Message", "Created", "Severity", "MessageId"))
            yield uri, member if told else None


_SKIP: Final = re.compile(r"([?&]\$skip=)(\d{1,9})")


def _newest_first(listed: Sequence[tuple[str, LogEntry | None]]) -> bool:
    told = [entry for _, entry in listed if entry is not None]
    if len(told) > 1:
        return in_order(told)[0] is not told[0]
    return len(listed) > 1 and _tail_number(listed[0][0]) > _tail_number(listed[-1][0])


def _next_page(
    body: Mapping[str, Any], listed: Sequence[tuple[str, LogEntry | None]], *, limit: int
) -> str | None:
    """Where to read on. A page that begins with the newest and holds enough is the last one
    needed; one that begins with the oldest is followed, by a leap where its link skips by
    number."""
    link, total = body.get("Members@odata.nextLink"), body.get("Members@odata.count")
    if not isinstance(link, str) or not link.startswith("/"):
        return None
    if _newest_first(listed):
        return link if len(listed) < limit else None
    skip = _SKIP.search(link)
    if not skip or not isinstance(total, int) or total - limit <= int(skip[2]):
        return link
    return f"{link[: skip.start()]}{skip[1]}{total - limit}{link[skip.end() :]}"


def _newest(uris: Sequence[str], limit: int) -> list[str]:
    """Linked entries worth fetching: those with the highest numbers, else the last listed."""
    numbered = sorted(enumerate(uris), key=lambda pair: (_tail_number(pair[1]), pair[0]))
    return [uri for _, uri in numbered[-limit:]]


def _tail_number(uri: str) -> int:
    found = _NUMBER.findall(tail(uri))
    return int(found[-1]) if found else -1


def _same(_: str, payload: Payload) -> Payload:
    return payload


async def read_logs(
    device: Reads,
    *,
    since: str | None,
    limit: int,
    entries: Sequence[str] | None = None,
    repair: Repair = _same,
) -> tuple[LogEntry, ...]:
    """Entries of all logs, oldest first, at most `limit` of the newest; with `since` (an entry's
    URI) only what is newer. `entries` names the collections where they are known (`entries_of`).

    Raises what reading raised where no log at all could be read.
    """
    reader = _Reader(device, repair)
    collections = list(entries) if entries is not None else await reader.find()
    logs = [await reader.entries(uri, limit=limit) for uri in collections]
    if reader.failure is not None and not any(logs):
        raise reader.failure
    held = next((e for log in logs for e in log if e.uri == since), None)
    then = moment_of(held.created) if held else None
    fresh = [entry for log in logs for entry in newer_than(log[-limit:], since, then=then)]
    return tuple(_together(fresh)[-limit:]) if limit > 0 else ()


def _together(entries: Sequence[LogEntry]) -> list[LogEntry]:
    """Several ordered logs as one, by time stamp; an entry without one follows its neighbour."""
    keyed: list[tuple[float, int, LogEntry]] = []
    last = 0.0
    for order, entry in enumerate(entries):
        last = moment_of(entry.created) or last
        keyed.append((last, order, entry))
    return [entry for _, _, entry in sorted(keyed, key=lambda each: each[:2])]
