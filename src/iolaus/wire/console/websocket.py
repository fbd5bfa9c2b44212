"""A host's serial line over its controller's WebSocket (RFC 6455), within the pinned TLS.

The certificate is judged as for Redfish, and before the first byte of the request, which carries
the password. What comes as text and what comes as binary are the same bytes: controllers send
either. A half-open connection shows within a minute, by pings.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64encode
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from iolaus.kernel.errors import IolausError, PolicyRefused
from iolaus.wire.console import faults
from iolaus.wire.redfish import trust as certificates
from iolaus.wire.redfish.port import Trust

CONNECT_S: Final = 20.0
ALIVE_S: Final = 20.0
MOST_MESSAGE: Final = 1 << 20
LOGIN: Final = (401, 403)


class SocketPlace(msgspec.Struct, frozen=True, kw_only=True):
    """`address` is the endpoint's (https://host:port), `path` the console's."""

    address: str
    path: str
    user: str
    password: str
    trust: Trust = Trust()

    def __repr__(self) -> str:
        return f"SocketPlace({self.name!r}, user={self.user!r}, password=...)"

    @property
    def name(self) -> str:
        scheme = "wss" if self.address.startswith("https") else "ws"
        return f"{scheme}://{urlsplit(self.address).netloc}{self.path}"


class SocketLine:
    """An open line. Its trust is the certificate's: `shown` is empty."""

    shown = ""

    def __init__(self, socket: ClientConnection, name: str) -> None:
        self._socket, self._name = socket, name

    async def read(self) -> bytes:
        """What it says next; b"" at its end. Raises `DeviceSilent`."""
        try:
            while True:
                said = await self._socket.recv()
                data = said.encode() if isinstance(said, str) else said
                if data:
                    return data
        except ConnectionClosed as error:
            if error.rcvd is not None:
                return b""
            raise faults.silent(self._name, "the connection was cut") from error

    async def write(self, data: bytes) -> None:
        """Raises `DeviceSilent`."""
        try:
            await self._socket.send(data)
        except ConnectionClosed as error:
            raise faults.silent(self._name, "the connection was cut") from error

    async def aclose(self) -> None:
        self._socket.transport.abort()
        with contextlib.suppress(OSError, WebSocketException):
            await self._socket.wait_closed()


async def open_socket(place: SocketPlace) -> SocketLine:
    """Raises `DeviceSilent`, `DeviceRefused`, `DeviceLied`, `Unverified`, and `PolicyRefused` for
    plain HTTP that was not allowed."""
    tls = _context(place)
    pin = certificates.parse_fingerprint(place.trust.fingerprint) if place.trust.fingerprint else ""

    class Judged(ClientConnection):
        """Compares the leaf with the pin before it says a word."""

        async def handshake(self, *args: Any, **more: Any) -> None:
            if pin:
                leaf = self.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
                shown = certificates.fingerprint_of(leaf or b"")
                if shown != pin:
                    raise certificates.unverified(place.address, place.trust, shown, "")
            await super().handshake(*args, **more)

    try:
        socket = await connect(
            place.name,
            ssl=tls,
            create_connection=Judged,
            additional_headers={"Authorization": _basic(place)},
            compression=None,
            proxy=None,
            open_timeout=CONNECT_S,
            ping_interval=ALIVE_S,
            ping_timeout=2 * ALIVE_S,
            close_timeout=1,
            max_size=MOST_MESSAGE,
            max_queue=16,
        )
    except IolausError:
        raise
    except InvalidStatus as error:
        raise _status(place, error) from error
    except ssl.SSLCertVerificationError as error:
        why = str(error.verify_message)
        raise certificates.unverified(place.address, place.trust, None, why) from error
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise faults.silent(place.name, str(error)[:200] or type(error).__name__) from error
    except (WebSocketException, ValueError) as error:
        raise faults.lied(place.name, f"it opens no WebSocket: {str(error)[:200]}") from error
    return SocketLine(socket, place.name)


def _context(place: SocketPlace) -> ssl.SSLContext | None:
    if place.name.startswith("wss"):
        if place.trust.fingerprint:
            return certificates.pinning_context()
        return certificates.verifying_context(place.trust.ca_file)
    if place.trust.insecure_http:
        return None
    raise PolicyRefused(
        "plain http would show the password to everyone on the way",
        operation=faults.OPEN,
        subject=place.name,
        code="PlainHttp",
        next_step="use https, or allow it for this target with --allow-http",
    )


def _basic(place: SocketPlace) -> str:
    return "Basic " + b64encode(f"{place.user}:{place.password}".encode()).decode()


def _status(place: SocketPlace, error: InvalidStatus) -> IolausError:
    status = error.response.status_code
    if status in LOGIN:
        return faults.login_refused(place.name, place.user)
    if status in (409, 429, 503):
        return faults.busy(place.name, f"status {status}")
    return faults.lied(place.name, f"it opens no WebSocket: status {status}")
