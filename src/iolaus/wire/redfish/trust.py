"""Certificates: how one is judged, and what is said when it fails.

A BMC's certificate is mostly self-signed, often expired, sometimes not yet valid because its
clock is wrong. So the normal way to trust one is to pin its fingerprint: SHA-256 over the DER of
the leaf. A pin wins over authority, name and dates. A pinned connection is made without chain
verification and is used only after the leaf it showed matched.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import ssl
from functools import lru_cache
from urllib.parse import urlsplit

from iolaus.kernel.errors import DeviceLied, DeviceSilent, OperatorMust, Unverified
from iolaus.wire.redfish.port import Trust

_HEX64 = re.compile(r"[0-9a-f]{64}")


def fingerprint_of(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def parse_fingerprint(text: str) -> str:
    """64 lower-case hex digits from `sha256:AB:CD...`, `AB:CD...` or plain hex."""
    plain = text.strip().lower().removeprefix("sha256:").replace(":", "").replace(" ", "")
    if not _HEX64.fullmatch(plain):
        raise OperatorMust(
            "not a SHA-256 fingerprint",
            operation="read",
            subject=text[:100],
            code="BadFingerprint",
            next_step="give 64 hexadecimal digits, with or without colons",
        )
    return plain


@lru_cache(maxsize=64)
def verifying_context(ca_file: str | None) -> ssl.SSLContext:
    """Checks chain, name and dates against `ca_file` or the system's authorities."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise OperatorMust(
            f"cannot read the authorities: {error}",
            operation="open",
            subject=str(ca_file),
            code="BadAuthorities",
            next_step="give a readable PEM file of certificate authorities",
        ) from error


@lru_cache(maxsize=1)
def pinning_context() -> ssl.SSLContext:
    """Checks nothing: whoever uses it compares the leaf with the pin before the first byte.

    Old controllers offer only RSA-1024 keys or SHA-1 signatures; a pin does not need either.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def unverified(url: str, trust: Trust, shown: str | None, reason: str) -> Unverified:
    """The error for a certificate that did not verify; it carries what was shown."""
    address = url.split("/redfish", 1)[0].rstrip("/")
    seen = f"it shows sha256 {shown}" if shown else "its certificate could not be read"
    if trust.fingerprint:
        return Unverified(
            f"the certificate is not the pinned one: {seen}, pinned is {trust.fingerprint}",
            operation="connect",
            subject=address,
            code="PinMismatch",
            next_step="find out why it changed; if that is right, pin the new one:"
            f" iolaus discover {address} --trust first",
        )
    return Unverified(
        f"the certificate is not trusted ({reason}): {seen}",
        operation="connect",
        subject=address,
        code="UntrustedCertificate",
        next_step="compare the fingerprint with the device's; if it is right, pin it:"
        f" iolaus discover {address} --trust first",
    )


async def verifies(url: str, ca_file: str | None, *, timeout_s: float = 15.0) -> bool:
    """Whether what is shown at `url` is trusted by authority, name and dates. Sends nothing but a
    TLS handshake. Raises as `first_contact` does, but not for a certificate that is not trusted."""
    try:
        await first_contact(url, timeout_s=timeout_s, context=verifying_context(ca_file))
    except DeviceLied as error:
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            return False
        raise
    return True


async def first_contact(
    url: str, *, timeout_s: float = 15.0, context: ssl.SSLContext | None = None
) -> str:
    """The fingerprint of the certificate shown at `url`. Sends nothing but a TLS handshake, which
    checks nothing without a `context`. Raises `DeviceSilent`, `DeviceLied`, `OperatorMust`."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise OperatorMust(
            "only https shows a certificate", operation="pin", subject=url, code="NoCertificate"
        )
    try:
        async with asyncio.timeout(timeout_s):
            return await _handshake(parts.hostname, parts.port or 443, context or pinning_context())
    except TimeoutError as error:
        raise _no_handshake(url, f"no TLS handshake within {timeout_s:g} s") from error
    except ssl.SSLError as error:
        raise DeviceLied(
            f"it does not speak TLS: {error.reason or error}",
            operation="pin",
            subject=url,
            code="NotTls",
            next_step="check the port; for plain http give http://... and --allow-http",
        ) from error
    except OSError as error:
        raise _no_handshake(url, str(error) or type(error).__name__) from error


def _no_handshake(url: str, reason: str) -> DeviceSilent:
    return DeviceSilent(
        reason, operation="pin", subject=url, next_step="check the address and the network"
    )


async def _handshake(host: str, port: int, context: ssl.SSLContext) -> str:
    _, writer = await asyncio.open_connection(host, port, ssl=context, limit=4096)
    try:
        channel: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return fingerprint_of(channel.getpeercert(binary_form=True) or b"")
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
