"""The trunk over NATS: messages and questions as they are, everything kept in JetStream.

The client reconnects by itself and for ever, to whichever server of the cluster answers. While it
has none, nothing is put into its buffers: what was given up here must not arrive later all the
same. Streams are made when they are first needed, with three replicas where three servers are
named. Subjects begin with one word for what they are for, so that a role's rights can be told from
a list of prefixes (docs/cluster.md).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from iolaus.bus.local import Subscription
from iolaus.bus.nats_streams import NatsLog, NatsQueue, NatsTable, Streams, quoted
from iolaus.bus.port import Answers, BusAway, Unheard
from iolaus.kernel.errors import OperatorMust
from iolaus.kernel.tasks import end

log = structlog.get_logger(__name__)
SAY: Final = "iolaus.say"
ASK: Final = "iolaus.ask"
MOST_WAITING: Final = 4096
"""Messages that wait to be sent; then the oldest is lost, as with any slow listener."""
UNSAID: Final = "Iolaus-Unsaid"
"""Heads an answer that says why there is none."""


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bus is, and how it is entered. `urls` are nats:// or tls://; the PEM files are
    the authority of the servers and our own certificate and key. `name` is shown by the server."""

    urls: tuple[str, ...]
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    name: str = "iolaus"

    def __repr__(self) -> str:
        return f"Servers(urls={self.urls!r}, user={self.user!r}, password=...)"


def parse_servers(text: str) -> tuple[str, ...]:
    """URLs with commas between them. Raises `OperatorMust`."""
    urls = tuple(each.strip() for each in text.split(",") if each.strip())
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("nats", "tls") or not parts.hostname:
            raise _bad(url, "it is no address of a NATS server")
        if parts.username or parts.password:
            raise _bad(parts.hostname, "an address carries no user or password")
    if not urls:
        raise _bad("", "no server is named")
    return urls


class NatsClient(Client):
    """One that closes what a try that failed has opened before it tries again, and whose flush is
    answered behind what was written before it: the stock client's overtakes what still waits for
    its writer, a subscription for one."""

    async def _connect_to_server(self, s: Any) -> None:
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)

    async def flush(self, timeout: int = 10) -> None:
        await self._flush_pending(force_flush=True)
        await super().flush(timeout)


class NatsTrunk:
    """`bus.port.Trunk`. Use `connected`."""

    def __init__(self, client: Client, servers: Servers) -> None:
        self._client = client
        self._streams = Streams(client, replicas=3 if len(servers.urls) >= 3 else 1)
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=MOST_WAITING)
        self._rung = asyncio.Event()
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def reached(self) -> bool:
        return self._client.is_connected

    def publish(self, topic: str, message: bytes) -> None:
        if self.reached:
            self._waiting.append((f"{SAY}.{quoted(topic)}", message))
            self._rung.set()

    @asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[Subscription]:
        subscription = Subscription(topics or ("*",), most=MOST_WAITING)

        async def hear(message: Msg) -> None:
            subscription.put(message.data)

        async with AsyncExitStack() as stack:
            stack.callback(subscription.close)
            for subject in _subjects(topics or ("*",)):
                await stack.enter_async_context(self._hearing(subject, hear))
            yield subscription

    async def ask(self, topic: str, body: bytes, *, timeout_s: float) -> bytes:
        if not self.reached:
            raise BusAway("it cannot be reached", operation="ask", subject=topic)
        try:
            subject = f"{ASK}.{quoted(topic)}"
            answer = await self._client.request(subject, body, timeout=timeout_s)
        except nats.errors.NoRespondersError:
            raise Unheard(topic) from None
        except nats.errors.Error as error:
            why = "no answer came in time" if _is_late(error) else str(error)
            raise BusAway(why, operation="ask", subject=topic) from None
        if (unsaid := (answer.headers or {}).get(UNSAID)) is not None:
            raise BusAway(unsaid, operation="ask", subject=topic)
        return answer.data

    @asynccontextmanager
    async def answer(self, topic: str, answers: Answers) -> AsyncIterator[None]:
        async def reply(message: Msg) -> None:
            body = await answers(message.data)
            with suppress(nats.errors.Error):  # whoever asked hears nothing, and knows nothing
                try:
                    await message.respond(body)
                except nats.errors.MaxPayloadError:
                    why = f"its answer has {len(body)} bytes, and max_payload of the bus is less"
                    await self._client.publish(message.reply, headers={UNSAID: why})

        async def hear(message: Msg) -> None:
            task = asyncio.create_task(reply(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

        async with self._hearing(f"{ASK}.{quoted(topic)}", hear):
            yield

    def log(self, name: str) -> NatsLog:
        return NatsLog(self._streams, name)

    def table(self, name: str) -> NatsTable:
        return NatsTable(self._streams, name)

    def queue(self, name: str, *, patience_s: float) -> NatsQueue:
        return NatsQueue(self._streams, name, patience_s)

    @asynccontextmanager
    async def _hearing(self, subject: str, hear: Any) -> AsyncIterator[None]:
        """Subscriptions outlive the loss of a server: the client makes them again."""
        heard = await self._client.subscribe(subject, cb=hear)
        if self.reached:
            with suppress(nats.errors.Error):  # the server has it before anybody is told
                await self._client.flush(timeout=2)
        try:
            yield
        finally:
            with suppress(nats.errors.Error):
                await heard.unsubscribe()
                await self._client.flush(timeout=2)

    async def send(self) -> None:
        """Until cancelled: what was published, in its order."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            while self._waiting:
                subject, body = self._waiting.popleft()
                with suppress(nats.errors.Error):  # at most once
                    await self._client.publish(subject, body)

    async def close(self) -> None:
        await end(*self._answering)
        with suppress(nats.errors.Error):
            await self._client.close()


@asynccontextmanager
async def connected(servers: Servers, *, wait_s: float | None = 10.0) -> AsyncIterator[NatsTrunk]:
    """A trunk that goes on through the loss of servers. Where none is there at first, `wait_s`
    None goes on trying in the background; else raises `BusAway`. Raises `OperatorMust` for files
    that are none."""
    client, context = NatsClient(), _tls(servers)
    trunk, refused = NatsTrunk(client, servers), asyncio.get_running_loop().create_future()
    connecting = asyncio.create_task(_connect(client, servers, context, refused))
    sending = asyncio.create_task(trunk.send())
    try:
        await asyncio.wait(
            {connecting, refused},
            timeout=FIRST_S if wait_s is None else wait_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if refused.done():
            raise _refused(servers)
        if connecting.done():
            connecting.result()
        elif wait_s is not None:
            where = ", ".join(servers.urls)
            raise BusAway("no server answers", operation="connect", subject=where)
        yield trunk
    finally:
        await end(connecting, sending)
        await trunk.close()


FIRST_S: Final = 2.0
PAYLOAD: Final = 8 * 1024**2
"""Bytes that a message may have; a server that is not told otherwise takes one eighth of it."""
LINE_S: Final = 4.0
"""What is written is acknowledged within so long, or the connection is over."""


async def _connect(
    client: Client,
    servers: Servers,
    context: ssl.SSLContext | None,
    refused: asyncio.Future[None],
) -> None:
    async def quiet(error: Exception) -> None:
        if "authorization" in str(error).lower() and not refused.done():
            refused.set_result(None)
            log.warning("bus_refused", user=servers.user)

    async def lost() -> None:
        if not client.is_closed:
            log.warning("bus_lost")

    async def back() -> None:
        _begun(client)
        log.info("bus_back", server=client.connected_url.netloc if client.connected_url else None)

    while True:
        try:
            await client.connect(
                list(servers.urls),
                name=servers.name,
                user=servers.user,
                password=servers.password,
                tls=context,
                error_cb=quiet,
                disconnected_cb=lost,
                reconnected_cb=back,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,  # type: ignore[arg-type]
                connect_timeout=2,
                ping_interval=1,
                max_outstanding_pings=3,
            )
        except (nats.errors.Error, OSError, TimeoutError):
            await asyncio.sleep(0.3)
        else:
            _begun(client)
            return


def _begun(client: Client) -> None:
    """Whatever a connection needs first."""
    _bound_line(client)
    if client.max_payload < PAYLOAD:
        log.warning(
            "bus_takes_only_short_messages",
            max_payload=client.max_payload,
            needed=PAYLOAD,
            next_step="set max_payload: 8MB at every server of the bus, and reload them.",
        )


def _bound_line(client: Client) -> None:
    """The client goes to another server when all that it wrote to the last one is gone; the kernel
    would try for a quarter of an hour to send that to one that is cut off."""
    writer = getattr(getattr(client, "_transport", None), "_io_writer", None)
    line = writer.get_extra_info("socket") if writer is not None else None
    if line is not None and hasattr(socket, "TCP_USER_TIMEOUT"):  # only Linux knows it
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * LINE_S))


def _tls(servers: Servers) -> ssl.SSLContext | None:
    if servers.ca_file is None and servers.certificate is None:
        return ssl.create_default_context() if _wants_tls(servers) else None
    try:
        context = ssl.create_default_context(cafile=servers.ca_file)
        if servers.certificate is not None:
            context.load_cert_chain(servers.certificate, servers.key, password="")
    except (OSError, ssl.SSLError) as error:
        where = str(servers.certificate or servers.ca_file)
        raise _bad(where, f"cannot be used: {error}") from None
    return context


def _wants_tls(servers: Servers) -> bool:
    return any(url.startswith("tls://") for url in servers.urls)


def _subjects(topics: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for topic in topics:
        stem = topic.removesuffix("*").removesuffix(".")
        found += [f"{SAY}.{quoted(stem)}", f"{SAY}.{quoted(stem)}.>"] if stem else [f"{SAY}.>"]
    return found


def _is_late(error: Exception) -> bool:
    return isinstance(error, nats.errors.TimeoutError)


def _refused(servers: Servers) -> OperatorMust:
    return OperatorMust(
        "the bus does not let us in",
        operation="connect",
        subject=servers.user or "bus",
        code="BusRefused",
        next_step="check user and password of this role (docs/cluster.md).",
    )


def _bad(subject: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read --bus",
        subject=subject,
        code="BadBus",
        next_step="give nats://host:4222, or tls://; several with commas (docs/cluster.md).",
    )
