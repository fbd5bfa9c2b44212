"""What answers at an address, before anything is known about it.

First contact: no credential is used, so a wrong range costs nobody a lock-out, and no certificate
is trusted that the caller does not trust - an unknown one is told with its fingerprint. DSP0266
section 6 and 9.2 let anyone read `/redfish` (the versions) and `/redfish/v1/` (the root); nothing
else is asked. At most two requests, each bounded in time and bytes; whatever comes back, or does
not, is a result and never an exception. Which vendor it is stays a hint: drivers decide by reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    IolausError,
    OperatorMust,
    Unverified,
)
from iolaus.model.endpoint import Reach, Target
from iolaus.wire.redfish.address import origin_of, path_of
from iolaus.wire.redfish.decode import parse_object
from iolaus.wire.redfish.errors import refusal
from iolaus.wire.redfish.port import Request, Response, Transport, Trust
from iolaus.wire.redfish.transport import open_transport
from iolaus.wire.redfish.trust import first_contact

ROOT: Final = "/redfish/v1/"
VERSIONS: Final = "/redfish"
MAX_BYTES: Final = 1024 * 1024
MOST_REDIRECTS: Final = 2
SHORT_TEXT: Final = 128
_HEADERS: Final = {"Accept": "application/json", "OData-Version": "4.0", "User-Agent": "iolaus"}
_BLANK: Final = re.compile(r"\s")
_SHOWN: Final = re.compile(r"it shows sha256 ([0-9a-f]{64})")


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """`protocol` is "redfish", "https" (something else answers there) or None. `fingerprint` is
    the SHA-256 of the certificate that was shown; `error` is what stood in the way, if anything.
    Everything a device says of itself is None where it does not say it."""

    address: str
    reach: Reach
    protocol: str | None = None
    redfish_version: str | None = None
    vendor_hint: str | None = None
    product: str | None = None
    uuid: str | None = None
    fingerprint: str | None = None
    latency_ms: float | None = None
    error: IolausError | None = None


async def probe(
    address: str, transport: Transport, *, pinned: str | None = None, timeout_s: float = 10.0
) -> ProbeResult:
    """Look at `https://host[:port]` through a transport that judges its certificate; `pinned` is
    the fingerprint it insists on, if any. Over after three times `timeout_s` at the latest."""
    try:
        origin = origin_of("" if _BLANK.search(address) else address)
        async with asyncio.timeout(3 * timeout_s):
            return await _look(origin, transport, pinned, timeout_s)
    except ValueError:
        return _stopped(address, Reach.UNSUPPORTED, _no_address(address))
    except TimeoutError:
        return _stopped(address, Reach.UNREACHABLE, _endless(address, 3 * timeout_s))
    except Unverified as error:
        shown = _SHOWN.search(error.message)
        stopped = _stopped(address, Reach.UNAUTHENTICATED, error)
        return msgspec.structs.replace(
            stopped, protocol="https", fingerprint=shown.group(1) if shown else None
        )
    except DeviceSilent as error:
        return _stopped(address, Reach.UNREACHABLE, error)
    except IolausError as error:
        return _stopped(address, Reach.UNSUPPORTED, error)


def prober(
    *, ca_file: str | None = None, insecure_http: bool = False, timeout_s: float = 10.0
) -> Callable[[Target], Awaitable[ProbeResult]]:
    """Probes a target over a transport of its own, judged by its pin or the common authority."""

    async def look(target: Target) -> ProbeResult:
        pin = target.fingerprint
        try:
            opened = open_transport(
                Trust(fingerprint=pin, ca_file=ca_file, insecure_http=insecure_http)
            )
        except IolausError as error:
            return _stopped(target.address, Reach.UNSUPPORTED, error)
        async with opened as transport:
            return await probe(target.address, transport, pinned=pin, timeout_s=timeout_s)

    return look


def _stopped(address: str, reach: Reach, error: IolausError) -> ProbeResult:
    return ProbeResult(address=address, reach=reach, error=error)


async def _look(
    origin: str, transport: Transport, pinned: str | None, timeout_s: float
) -> ProbeResult:
    response = await _fetch(transport, origin, ROOT, timeout_s)
    found = await _read(transport, origin, response, timeout_s)
    return msgspec.structs.replace(
        found,
        fingerprint=pinned or await _shown(origin, timeout_s),
        latency_ms=response.elapsed_s * 1000.0,
    )


async def _fetch(transport: Transport, origin: str, path: str, timeout_s: float) -> Response:
    """A GET, and what it redirects to within the same origin."""
    for _ in range(MOST_REDIRECTS + 1):
        response = await transport.send(
            Request(
                method="GET",
                url=origin + path,
                headers=_HEADERS,
                timeout_s=timeout_s,
                max_bytes=MAX_BYTES,
            )
        )
        target = response.headers.get("location", "")
        if response.status not in (301, 302, 307, 308) or not target:
            return response
        path = _inside(origin, target)
    raise _not_redfish(origin, "it redirects without end")


async def _read(
    transport: Transport, origin: str, response: Response, timeout_s: float
) -> ProbeResult:
    if response.status in (401, 403):
        return await _closed(transport, origin, response, timeout_s)
    if response.status >= 300:
        error = _refused(origin, response)
        reach = Reach.REACHABLE if response.status in (429, 503) else Reach.UNSUPPORTED
        return ProbeResult(address=origin, reach=reach, protocol="https", error=error)
    root, _ = parse_object(response.body, uri=origin + ROOT)
    if not is_root(root):
        raise _not_redfish(origin, "the answer is no Redfish service root")
    return ProbeResult(
        address=origin,
        reach=Reach.REACHABLE,
        protocol="redfish",
        redfish_version=_text(root.get("RedfishVersion")),
        vendor_hint=vendor_hint(root),
        product=_text(root.get("Product")) or _text(root.get("Name")),
        uuid=_text(root.get("UUID")),
    )


async def _closed(
    transport: Transport, origin: str, response: Response, timeout_s: float
) -> ProbeResult:
    """The root wants a login, against the standard: the list of versions may still tell."""
    spoken: str | None = None
    with contextlib.suppress(DeviceLied, DeviceRefused):
        versions = await _fetch(transport, origin, VERSIONS, timeout_s)
        body, _ = parse_object(versions.body, uri=origin + VERSIONS)
        spoken = "redfish" if path_of(_text(body.get("v1")) or "") else None
    if spoken is None and "redfish" not in " ".join(response.headers.values()).lower():
        spoken = "https"
    return ProbeResult(
        address=origin,
        reach=Reach.UNAUTHENTICATED,
        protocol=spoken or "redfish",
        error=_refused(origin, response),
    )


def is_root(root: Mapping[str, Any]) -> bool:
    """Whether an object is a service root: by its type, its version, or its two main links."""
    kind = root.get("@odata.type")
    typed = isinstance(kind, str) and "ServiceRoot" in kind
    return typed or "RedfishVersion" in root or {"Systems", "Chassis", "Managers"} <= root.keys()


def vendor_hint(root: Mapping[str, Any]) -> str | None:
    """`Vendor`, else the first key of `Oem`, as the device writes it."""
    oem = root.get("Oem")
    keys = [key for key in oem if isinstance(key, str)] if isinstance(oem, dict) else []
    return _text(root.get("Vendor")) or _text(keys[0] if keys else None)


async def _shown(origin: str, timeout_s: float) -> str | None:
    with contextlib.suppress(IolausError):
        return await first_contact(origin, timeout_s=timeout_s)
    return None


def _text(value: Any) -> str | None:
    """A short printable string, or None."""
    if not isinstance(value, str):
        return None
    clean = "".join(letter for letter in value[:SHORT_TEXT] if letter.isprintable()).strip()
    return clean or None


def _inside(origin: str, target: str) -> str:
    path = path_of(target)
    try:
        elsewhere = "://" in target and origin_of(target) != origin
    except ValueError:
        elsewhere = True
    if elsewhere or not path:
        raise _not_redfish(origin, f"it redirects to {target[:SHORT_TEXT]!r}")
    return path


def _refused(origin: str, response: Response) -> DeviceRefused:
    return refusal(
        response.status,
        response.headers,
        response.body,
        operation="GET",
        subject=origin + ROOT,
        now=0.0,
    )


def _not_redfish(origin: str, why: str) -> DeviceLied:
    return DeviceLied(
        why,
        operation="probe",
        subject=origin,
        code="NotRedfish",
        next_step="check that the address is a management controller with Redfish",
    )


def _endless(address: str, after_s: float) -> DeviceSilent:
    return DeviceSilent(
        f"it kept us busy for {after_s:g} s without an answer",
        operation="probe",
        subject=address,
        next_step="check what listens at this address",
    )


def _no_address(address: str) -> OperatorMust:
    return OperatorMust(
        "not an address of a management controller",
        operation="probe",
        subject=address[:200],
        code="BadAddress",
        next_step="give it as https://host[:port]",
    )
