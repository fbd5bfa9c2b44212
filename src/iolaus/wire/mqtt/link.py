"""A link to a broker: connected, or trying again with patience.

Whoever speaks over it is a `Party`: it says what it wants to hear, takes each message at once, and
is told when the link is there and when it is not. Nothing is queued while the link is down: a
value or a request that is late is wrong, so `publish` says that it was not sent, and the party
says it anew when it is asked what to say at the next connection. A password comes from a file
whenever a connection is made, so that it can be changed without a restart, and is nowhere else.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import aiomqtt
import structlog

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceSilent, OperatorMust
from iolaus.kernel.tasks import end
from iolaus.wire.mqtt.address import BrokerAddress
from iolaus.wire.mqtt.client import Connection

log = structlog.get_logger(__name__)
logging.getLogger(__name__).setLevel(logging.ERROR)
FIRST_S, MOST_S = 1.0, 30.0
TURN_S: Final = 1.0
KEEPALIVE_S: Final = 10
CONFIRM_S, PUBLISH_S = 20.0, 5.0
MOST_BYTES: Final = 1 << 20
MOST_PASSWORD: Final = 1024
UNTRIED, LOST = "not tried yet", "the connection was lost"


class Message(NamedTuple):
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


class Party(Protocol):
    """`first` is said at each new connection and `due` every second after it; `heard` takes a
    message and may answer at once. None of them waits or raises."""

    @property
    def filters(self) -> Sequence[tuple[str, int]]:
        """Topic filters with the quality of service that is wanted."""
        ...

    def first(self) -> Iterable[Message]: ...

    def due(self) -> Iterable[Message]: ...

    def heard(self, topic: str, payload: bytes, *, retained: bool) -> Iterable[Message]: ...


class Access(NamedTuple):
    """What a broker wants to know of us. Files are read, and `login` (user, password) is asked, at
    each connection. `fingerprint` (SHA-256, hex) is the one certificate that is accepted."""

    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    login: Callable[[], tuple[str, str] | None] | None = None
    fingerprint: str | None = None


class Link:
    """`connected` is whether the broker hears us now; `trouble` why not, or why it last did not."""

    def __init__(
        self, address: BrokerAddress, access: Access, party: Party, clock: Clock, *, name: str
    ) -> None:
        self.address, self.connected, self.trouble = address, False, UNTRIED
        self.messages = self.connections = self.too_large = 0
        self._access, self._party, self._clock, self._name = access, party, clock, name
        self._client: Connection | None = None
        self._closed = False

    async def run(self) -> None:
        """Until cancelled or closed. Tries again after 1, 2, 4 ... 30 seconds."""
        pause_s = FIRST_S
        while not self._closed:
            before = self.connections
            try:
                await self._connected()
            except (aiomqtt.MqttError, OSError, OperatorMust) as error:
                self._lost(error)
            pause_s = FIRST_S if self.connections > before else min(2 * pause_s, MOST_S)
            await self._clock.sleep(pause_s)

    def close(self) -> None:
        self._closed = True

    async def publish(self, *messages: Message) -> None:
        """Raises `DeviceSilent` where the broker did not take it."""
        if self._client is None:
            raise self._silent(self.trouble)
        try:
            async with asyncio.timeout(PUBLISH_S):
                await self._say(self._client, messages)
        except (aiomqtt.MqttError, TimeoutError) as error:
            raise self._silent(str(error) or "it did not confirm") from None

    async def _connected(self) -> None:
        access = self._access
        login = access.login() if access.login is not None else None
        user, password = login or (access.user, read_password(access.password_file))
        context = _tls(access) if self.address.tls else None
        if context is not None and access.fingerprint is not None:
            await trust_only(context, self.address, access.fingerprint)
        async with Connection(
            self.address.host,
            self.address.port,
            username=user,
            password=password,
            identifier=self._name,
            tls_context=context,
            keepalive=KEEPALIVE_S,
            timeout=CONFIRM_S,
            max_concurrent_outgoing_calls=100,
            logger=logging.getLogger(__name__),
        ) as client:
            self._client, self.connected, self.trouble = client, True, ""
            self.connections += 1
            (log.debug if self.connections == 1 else log.info)(
                "mqtt_connected", broker=str(self.address)
            )
            try:
                await client.subscribe(list(self._party.filters))
                await self._say(client, self._party.first())
                await self._converse(client)
            finally:
                self._client, self.connected, self.trouble = None, False, LOST

    async def _converse(self, client: Connection) -> None:
        """Until either ends: a broker that dies is not waited for to confirm what was said."""
        both = [asyncio.create_task(each) for each in (self._talk(client), self._listen(client))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for each in both:
                if each.done():
                    each.result()
        finally:
            await end(*both)

    async def _talk(self, client: Connection) -> None:
        while not self._closed:
            await self._say(client, self._party.due())
            await self._clock.sleep(TURN_S)

    async def _listen(self, client: Connection) -> None:
        async for messages in client.batches():
            for message in messages:
                await self._say(client, self._heard(message))

    def _heard(self, message: aiomqtt.Message) -> Iterable[Message]:
        payload = message.payload
        self.messages += 1
        if not isinstance(payload, bytes) or len(payload) > MOST_BYTES:
            self.too_large += 1
            return ()
        return self._party.heard(str(message.topic), payload, retained=bool(message.retain))

    async def _say(self, client: Connection, messages: Iterable[Message]) -> None:
        for each in messages:
            await client.publish(each.topic, each.payload, qos=each.qos, retain=each.retain)

    def _lost(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        if why != self.trouble:
            log.warning("mqtt_lost", broker=str(self.address), error=why)
        self.trouble = why

    def _silent(self, why: str) -> DeviceSilent:
        return DeviceSilent(
            f"the building's broker does not hear us: {why}",
            operation="publish",
            subject=str(self.address),
            code="BrokerSilent",
            next_step="see the building link: iolaus describe endpoint; docs/building.md.",
        )


def read_password(file: Path | None) -> str | None:
    """The first line of a file. Raises `OperatorMust` where it cannot be read."""
    if file is None:
        return None
    try:
        with file.open(encoding="utf-8") as handle:
            return handle.readline(MOST_PASSWORD).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_file(file, f"cannot be read: {type(error).__name__}") from None


def _tls(access: Access) -> ssl.SSLContext:
    """Raises `OperatorMust` for files that are no certificates."""
    try:
        context = ssl.create_default_context(
            cafile=str(access.ca_file) if access.ca_file is not None else None
        )
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if access.cert_file is not None:
            context.load_cert_chain(access.cert_file, access.key_file, password="")
    except (OSError, ssl.SSLError) as error:
        raise _bad_file(access.ca_file or access.cert_file, type(error).__name__) from None
    return context


async def trust_only(context: ssl.SSLContext, address: BrokerAddress, fingerprint: str) -> None:
    """Make the certificate of this fingerprint the context's only anchor, whatever its names.
    Nothing but a handshake is sent to find it. Raises `OperatorMust` where another is shown, and
    `OSError` where nobody answers."""
    look = ssl.create_default_context()
    look.check_hostname, look.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(PUBLISH_S):
        _, writer = await asyncio.open_connection(address.host, address.port, ssl=look)
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
    finally:
        writer.close()
    shown = hashlib.sha256(der).hexdigest()
    if shown != fingerprint.lower().replace(":", ""):
        raise OperatorMust(
            f"it shows another certificate than the one that is pinned: {shown}",
            operation="connect to the building's broker",
            subject=str(address),
            code="BrokerCertificate",
            next_step="find out why; if it was renewed on purpose, pin the new one.",
        )
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=der)


def _bad_file(file: Path | None, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read the building's credentials",
        subject=str(file),
        code="BuildingCredentials",
        next_step="check the files that the building's document names; see docs/building.md.",
    )
