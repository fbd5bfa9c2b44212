"""What JetStream keeps for the trunk: logs, tables, queues.

A reader holds nothing at the server. It asks any replica for what follows the number that it has
(a direct get, in batches), so a server that dies takes no consumer with it, and a replica that is
behind only has nothing new yet. A table is a stream of which each subject keeps its newest message;
its revisions are the stream's numbers, and a write may demand one.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StorageType, StreamConfig

from iolaus.bus.port import BusAway, Entry
from iolaus.kernel.tasks import must_go_on

TIMEOUT_S: Final = 2.0
POLL_S: Final = 0.5
BATCH: Final = 256
BATCH_BYTES: Final = 4 * 1024 * 1024
KEPT_S: Final = 72 * 3600.0
NAME_S: Final = 120.0
WRONG_LAST: Final = (10071, 10164)
"""JetStream's error codes for a revision that is not the last."""
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]")
T = TypeVar("T")
Kept = tuple[int, str, bytes]
"""Number, subject and body."""


class Batch(NamedTuple):
    """`is_last`: whoever answered has no more for now."""

    entries: list[Kept]
    is_last: bool


def quoted(topic: str) -> str:
    """A topic or key as a subject: what NATS gives a meaning, or forbids, as "=hex="."""
    words = (_ODD.sub(lambda found: f"={ord(found[0]):x}=", word) for word in topic.split("."))
    return ".".join(word or "=" for word in words)


def unquoted(subject: str) -> str:
    return ".".join("" if word == "=" else _plain(word) for word in subject.split("."))


def _plain(word: str) -> str:
    return re.sub(r"=([0-9a-f]+)=", lambda found: chr(int(found[1], 16)), word)


class Streams:
    """The streams of one connection, made when they are first used."""

    def __init__(self, client: Client, *, replicas: int) -> None:
        self.client, self.replicas = client, replicas
        self._js: JetStreamContext | None = None
        self._made: set[str] = set()
        self._making = asyncio.Lock()

    @property
    def js(self) -> JetStreamContext:
        if self._js is None:
            self._js = self.client.jetstream(timeout=TIMEOUT_S)
        return self._js

    async def ensure(self, config: StreamConfig) -> None:
        """Raises `BusAway`."""
        name = config.name or ""
        if name in self._made:
            return
        async with self._making:
            if name not in self._made:
                await self.calling(lambda: self._make(config), "make stream", name)
                self._made.add(name)

    async def _make(self, config: StreamConfig) -> None:
        config.num_replicas = self.replicas
        try:
            await self.js.add_stream(config)
        except nats.js.errors.BadRequestError as error:
            if error.err_code != 10058:  # it is there with other settings
                raise
            await self.js.update_stream(config)

    async def calling(self, call: Callable[[], Any], operation: str, subject: str) -> Any:
        """Await a call of the client. What it raises becomes `BusAway`, but a wrong revision."""
        if not self.client.is_connected:
            raise BusAway("it cannot be reached", operation=operation, subject=subject)
        try:
            return await call()
        except nats.js.errors.APIError as error:
            if error.err_code in WRONG_LAST:
                raise
            why = error.description or str(error)
            raise BusAway(why, operation=operation, subject=subject) from None
        except (nats.errors.Error, OSError) as error:
            late = isinstance(error, nats.errors.TimeoutError)
            why = "no answer came in time" if late else str(error)
            raise BusAway(why, operation=operation, subject=subject) from None

    async def publish(self, subject: str, body: bytes, headers: dict[str, str]) -> int:
        """Durable; its number. Raises `BusAway`, and APIError for a wrong revision."""
        ack = await self.calling(
            lambda: self.js.publish(subject, body, headers=headers), "write", subject
        )
        return int(ack.seq)

    async def knock(self, stream: str) -> None:
        with suppress(nats.errors.Error):  # who waits looks by itself, too
            await self.client.publish(f"iolaus.knock.{stream}", b"")

    async def batch(self, stream: str, subject: str, after: int) -> Batch:
        """The next messages of a subject behind a number, as any replica has them (ADR-31 of
        NATS, direct get). Raises `BusAway`."""
        found: Batch = await self.calling(
            lambda: self._batch(stream, subject, after), "read", stream
        )
        return found

    async def _batch(self, stream: str, subject: str, after: int) -> Batch:
        inbox, found = self.client.new_inbox(), list[Kept]()
        asked = {
            "seq": after + 1, "next_by_subj": subject, "batch": BATCH, "max_bytes": BATCH_BYTES
        }  # fmt: skip
        heard = await self.client.subscribe(inbox)
        try:
            to = f"$JS.API.DIRECT.GET.{stream}"
            await self.client.publish(to, json.dumps(asked).encode(), reply=inbox)
            while True:
                message = await heard.next_msg(timeout=TIMEOUT_S)
                if (entry := _entry(message)) is None:
                    left = (message.headers or {}).get("Nats-Num-Pending")
                    return Batch(found, is_last=left == "0" or not found)
                found.append(entry)
        finally:
            with suppress(nats.errors.Error):
                await heard.unsubscribe()

    async def follow(
        self, config: StreamConfig, subject: str, after: int
    ) -> AsyncIterator[Kept | None]:
        """What a subject has behind a number, then each that comes; None whenever there is no
        more for now. Waits out a bus that is away."""
        name, rung = config.name or "", asyncio.Event()

        async def ring(_: Msg) -> None:
            rung.set()

        knocks = None
        try:
            while True:
                must_go_on()
                rung.clear()
                found: Batch | None = None
                with suppress(BusAway):
                    await self.ensure(config)
                    if knocks is None:
                        knocks = await self.client.subscribe(f"iolaus.knock.{name}", cb=ring)
                    found = await self.batch(name, subject, after)
                for entry in found.entries if found else ():
                    after = entry[0]
                    yield entry
                if found and found.is_last:
                    yield None
                if not found or found.is_last:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await rung.wait()
        finally:
            if knocks is not None:
                with suppress(nats.errors.Error):
                    await knocks.unsubscribe()


def _entry(message: Msg) -> Kept | None:
    """None at the end of a batch, or where nothing is."""
    headers = message.headers or {}
    if "Nats-Sequence" not in headers:
        if headers.get("Status") in (None, "204", "404"):
            return None
        raise nats.errors.Error(f"{headers.get('Status')} {headers.get('Description', '')}")
    return int(headers["Nats-Sequence"]), headers["Nats-Subject"], message.data


class NatsLog:
    """`bus.port.Log`."""

    def __init__(self, streams: Streams, name: str) -> None:
        self._streams, self._prefix = streams, f"iolaus.log.{quoted(name)}."
        self._config = StreamConfig(
            name=f"IOLAUS_LOG_{name}",
            subjects=[f"{self._prefix}>"],
            storage=StorageType.FILE,
            max_age=KEPT_S,
            duplicate_window=NAME_S,
            allow_direct=True,
        )

    async def append(self, key: str, body: bytes, *, id_: str) -> int:
        await self._streams.ensure(self._config)
        subject, headers = self._prefix + quoted(key), {"Nats-Msg-Id": id_}
        number = await self._streams.publish(subject, body, headers)
        await self._streams.knock(self._config.name or "")
        return number

    async def read(self, *, after: int) -> AsyncIterator[Entry]:
        async for found in self._streams.follow(self._config, f"{self._prefix}>", after):
            if found is not None:
                number, subject, body = found
                key = unquoted(subject.removeprefix(self._prefix))
                yield Entry(number=number, key=key, body=body)

    async def last(self) -> int:
        await self._streams.ensure(self._config)
        name = self._config.name or ""
        info = await self._streams.calling(lambda: self._streams.js.stream_info(name), "read", name)
        return int(info.state.last_seq)


class NatsTable:
    """`bus.port.Table`."""

    def __init__(self, streams: Streams, name: str) -> None:
        self._streams, self._prefix = streams, f"iolaus.table.{quoted(name)}."
        self._config = StreamConfig(
            name=f"IOLAUS_TABLE_{name}",
            subjects=[f"{self._prefix}>"],
            storage=StorageType.FILE,
            max_msgs_per_subject=1,
            allow_direct=True,
        )

    async def get(self, key: str) -> Entry | None:
        await self._streams.ensure(self._config)
        name, subject = self._config.name or "", self._prefix + quoted(key)
        found: Entry | None = await self._streams.calling(
            lambda: self._get(name, subject, key), "read", key
        )
        return found

    async def _get(self, name: str, subject: str, key: str) -> Entry | None:
        """From the stream's leader, so that it is the newest."""
        try:
            raw = await self._streams.js.get_msg(name, subject=subject)
        except nats.js.errors.NotFoundError:
            return None
        return Entry(number=raw.seq or 0, key=key, body=raw.data or b"")

    async def put(self, key: str, body: bytes, *, revision: int | None = None) -> int | None:
        await self._streams.ensure(self._config)
        headers = {} if revision is None else {_EXPECTED: str(revision)}
        try:
            number = await self._streams.publish(self._prefix + quoted(key), body, headers)
        except nats.js.errors.APIError:
            return None
        await self._streams.knock(self._config.name or "")
        return number

    async def rows(self, prefix: str = "") -> dict[str, Entry]:
        await self._streams.ensure(self._config)
        found, after = dict[str, Entry](), 0
        whole = prefix.rpartition(".")[0]  # its words: what is cut off is judged here
        subject = self._prefix + (f"{quoted(whole)}.>" if whole else ">")
        more = True
        while more:
            batch = await self._streams.batch(self._config.name or "", subject, after)
            after = batch.entries[-1][0] if batch.entries else after
            entries = (self._entry(each) for each in batch.entries)
            found |= {each.key: each for each in entries if each.key.startswith(prefix)}
            more = not batch.is_last
        return {key: entry for key, entry in found.items() if entry.body}

    async def watch(self, prefix: str = "") -> AsyncIterator[Entry | None]:
        told = False
        async for found in self._streams.follow(self._config, f"{self._prefix}>", 0):
            if found is None:
                if not told:
                    told = True
                    yield None
            elif (entry := self._entry(found)).key.startswith(prefix):
                yield entry

    def _entry(self, found: Kept) -> Entry:
        number, subject, body = found
        return Entry(number=number, key=unquoted(subject.removeprefix(self._prefix)), body=body)


_EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"


class NatsWork:
    """`bus.port.Work`."""

    def __init__(self, message: Msg, streams: Streams) -> None:
        self._message, self._streams = message, streams
        self.body, self.tries = message.data, message.metadata.num_delivered or 1

    async def done(self) -> None:
        await self._streams.calling(
            lambda: self._message.ack_sync(timeout=TIMEOUT_S), "finish", "work"
        )

    async def again(self) -> None:
        await self._streams.calling(self._message.nak, "give back", "work")


class NatsQueue:
    """`bus.port.Queue`."""

    def __init__(self, streams: Streams, name: str, patience_s: float) -> None:
        self._streams, self._subject = streams, f"iolaus.work.{quoted(name)}"
        self._patience_s, self._taking = patience_s, None
        self._config = StreamConfig(
            name=f"IOLAUS_WORK_{name}",
            subjects=[self._subject],
            storage=StorageType.FILE,
            retention=RetentionPolicy.WORK_QUEUE,
            duplicate_window=NAME_S,
        )

    _taking: JetStreamContext.PullSubscription | None

    async def put(self, body: bytes, *, id_: str) -> None:
        await self._streams.ensure(self._config)
        await self._streams.publish(self._subject, body, {"Nats-Msg-Id": id_})

    async def take(self, *, wait_s: float) -> NatsWork | None:
        await self._streams.ensure(self._config)
        name = self._config.name or ""
        found = await self._streams.calling(lambda: self._fetch(wait_s), "take", name)
        return NatsWork(found, self._streams) if found is not None else None

    async def _fetch(self, wait_s: float) -> Msg | None:
        if self._taking is None:
            config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=self._patience_s)
            self._taking = await self._streams.js.pull_subscribe(
                self._subject, durable="takers", stream=self._config.name, config=config
            )
        try:
            (message,) = await self._taking.fetch(1, timeout=wait_s)
        except nats.errors.TimeoutError:
            return None
        return message
