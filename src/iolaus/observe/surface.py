"""Looking at an endpoint from outside: a TLS handshake for each version, and GETs without a login.

Once a day, one after the other, and reading only: what anybody in the management network can see.
The paths are those that DSP0266 (section 13.3.1) wants protected; of those that it leaves open to
all (`/redfish`, the root, the metadata) nothing is asked. No credential is used, so nothing can
lock an account. The certificate is taken as it is shown; a request is sent only to whoever shows
the same one that the target pins, or, without a pin, the one just seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import warnings
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.endpoint import Reach, Target, protocol_of
from iolaus.model.surface import Shown, Surface
from iolaus.observe.collect import Job, Key
from iolaus.store.facts import Facts
from iolaus.store.shelf import Shelf
from iolaus.wire.redfish.port import Request, Transport, Trust
from iolaus.wire.redfish.transport import open_transport

ROOT: Final = "/redfish/v1/"
PATHS: Final = tuple(
    ROOT + name
    for name in ("Systems", "Chassis", "Managers", "AccountService/Accounts", "UpdateService",
                 "EventService", "SessionService/Sessions")
)  # fmt: skip
VERSIONS: Final[Mapping[str, ssl.TLSVersion]] = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
EVERY_S: Final = 86_400.0
AGAIN_S: Final = 3_600.0
SPREAD_S: Final = 600.0
FIRST_S: Final = 20.0
TIMEOUT_S: Final = 10.0
MAX_BYTES: Final = 256 * 1024
Look = Callable[[Target, float], Awaitable[Surface]]


async def look(target: Target, now: float, *, timeout_s: float = TIMEOUT_S) -> Surface:
    """Everything that is shown without a login. Never raises for what a device does."""
    parts = urlsplit(target.address)
    if parts.scheme != "https" or not parts.hostname:
        paths = await _paths(target.address, Trust(insecure_http=True), timeout_s)
        return Surface(address=target.address, at=now, paths=paths)
    host, port = parts.hostname, parts.port or 443
    versions: dict[str, bool | None] = {}
    der = b""
    for name, version in VERSIONS.items():
        versions[name], shown = await _handshake(host, port, version, timeout_s)
        der = shown or der
    if not der:
        why = "no TLS handshake succeeds"
        return Surface(address=target.address, at=now, versions=versions, error=why)
    pin = target.fingerprint or hashlib.sha256(der).hexdigest()
    paths = await _paths(target.address, Trust(fingerprint=pin), timeout_s)
    return Surface(
        address=target.address, at=now, certificate=read_shown(der), versions=versions, paths=paths
    )


class Surveyor:
    """Keeps `kept` (by address) current: an endpoint is looked at after its first inventory, and
    then once a day. `wake(key, after_s)` asks for a run of `reconcile`."""

    def __init__(
        self,
        *,
        facts: Facts,
        kept: Shelf[Surface],
        clock: Clock,
        wake: Callable[[Key, float], None],
        look: Look = look,
    ) -> None:
        self._facts, self._kept, self._clock = facts, kept, clock
        self._wake, self._look = wake, look
        self._begun: set[str] = set()
        facts.on_change(self._note)

    async def reconcile(self, key: Hashable) -> float | None:
        """One look; seconds to the next, None where the endpoint is no target any more."""
        assert isinstance(key, Key)
        address = key.address
        held = self._facts.held(address)
        if held is None:
            self._begun.discard(address)
            await self._kept.remove(address)
            return None
        if held.status is None or held.status.reach is Reach.UNREACHABLE:
            return AGAIN_S
        try:
            found = await self._look(held.target, self._clock.now())
        except IolausError:  # nobody could look: the one from before stands
            return AGAIN_S
        await self._kept.put({address: found})
        return AGAIN_S if found.error else EVERY_S

    def _note(self, topic: str, payload: object) -> None:
        if not isinstance(payload, str):
            return
        if topic == "facts.target" and payload in self._begun:
            self._wake(Key(payload, Job.SURVEY), 0.0)
        elif topic == "facts.report" and payload not in self._begun:
            if protocol_of(payload) != "redfish":
                return
            self._begun.add(payload)
            self._wake(Key(payload, Job.SURVEY), self._first_s(payload))

    def _first_s(self, address: str) -> float:
        """Spread out, so that a whole hall is not looked at in its first minute."""
        before = self._kept.get(address)
        if before is not None:
            return max(0.0, before.at + EVERY_S - self._clock.now())
        share = int.from_bytes(hashlib.sha256(address.encode()).digest()[:4], "big") / 2**32
        many = sum(1 for _ in self._facts.all_held()) > 100
        return FIRST_S + share * (SPREAD_S if many else FIRST_S)


_UNREADABLE: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.UnsupportedGeneralNameType),
)


def read_shown(der: bytes) -> Shown | None:
    """What a certificate says; None for bytes that are none. Pure."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd serial numbers are the device's business
            held = x509.load_der_x509_certificate(der)
            hashed = held.signature_hash_algorithm
            return Shown(
                fingerprint=hashlib.sha256(der).hexdigest(),
                subject=held.subject.rfc4514_string()[:512],
                issuer=held.issuer.rfc4514_string()[:512],
                not_before=held.not_valid_before_utc.timestamp(),
                not_after=held.not_valid_after_utc.timestamp(),
                key=_key(held),
                hashed=hashed.name if hashed else "",
                own=held.subject == held.issuer,
            )
    except _UNREADABLE:
        return None


def _key(held: x509.Certificate) -> str:
    public = held.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return f"rsa-{public.key_size}"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"ec-{public.key_size}"
    return "ed25519" if isinstance(public, ed25519.Ed25519PublicKey) else "other"


def _context(version: ssl.TLSVersion) -> ssl.SSLContext | None:
    """Takes anything, of this one version; None where this machine's TLS does not have it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the question
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
    except (ValueError, ssl.SSLError):
        return None
    return context


async def _handshake(
    host: str, port: int, version: ssl.TLSVersion, timeout_s: float
) -> tuple[bool | None, bytes]:
    """(whether it took this version, the certificate that it showed)."""
    context = _context(version)
    if context is None:
        return None, b""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port, ssl=context, limit=4096)
    except ssl.SSLError as error:
        ours = error.reason in ("NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE")
        return None if ours else False, b""
    except ConnectionResetError:
        return False, b""
    except (OSError, TimeoutError):
        return None, b""
    try:
        channel: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return True, channel.getpeercert(binary_form=True) or b""
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _paths(origin: str, trust: Trust, timeout_s: float) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    async with open_transport(trust) as transport:
        for path in PATHS:
            found[path] = await _status(transport, origin + path, timeout_s)
    return found


async def _status(transport: Transport, url: str, timeout_s: float) -> int | None:
    request = Request(
        method="GET",
        url=url,
        headers={"Accept": "application/json", "User-Agent": "iolaus"},
        timeout_s=timeout_s,
        max_bytes=MAX_BYTES,
    )
    try:
        return (await transport.send(request)).status
    except IolausError:
        return None
