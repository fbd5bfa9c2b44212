"""VCA: the six messages that settle version, capabilities and algorithms (DSP0274 1.2 to 1.4).

They stand before the measurements and are signed with them, so nobody between can have talked
either side down. Their lengths follow from the version and from counts within; what was selected
must be one bit, and one that was offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from iolaus.wire.octets import Octets
from iolaus.wire.spdm.algorithms import (
    BASE_ASYMMETRIC,
    BASE_HASH,
    MEASUREMENT_HASH,
    POST_QUANTUM,
    Algorithm,
)
from iolaus.wire.spdm.transcript import Negotiated

GET_VERSION, VERSION = 0x84, 0x04
GET_CAPABILITIES, CAPABILITIES = 0xE1, 0x61
NEGOTIATE, ALGORITHMS = 0xE3, 0x63
ERROR: Final = 0x7F
FIRST: Final = 0x10
VERSIONS: Final = (0x10, 0x11, 0x12, 0x13, 0x14)
_V12, _V13, _V14 = 0x12, 0x13, 0x14
_REQUEST_FIXED, _RESPONSE_FIXED = 32, 36
_SUPPORTED_ALGORITHMS: Final = 0x01
_MAX_VERSIONS: Final = 32


class Header(NamedTuple):
    version: int
    code: int
    param1: int
    param2: int


class _Offer(NamedTuple):
    asymmetric: int
    hashing: int
    post_quantum: int


def version_text(version: int) -> str:
    """ "1.2" of 0x12."""
    return f"{version >> 4}.{version & 0xF}"


def read_header(octets: Octets, code: int, what: str, *, version: int | None) -> Header:
    """The next message's header, which must have this code and this version (None: any known)."""
    wrong = octets.wrong
    header = Header(*octets.take(4, f"the header of {what}"))
    if header.code == ERROR:
        raise wrong("error-in-transcript", f"an ERROR instead of {what}, which ends a transcript")
    if header.code != code:
        raise wrong("unexpected-message", f"code {header.code:#04x} instead of {what}")
    if header.version not in VERSIONS:
        raise wrong("version-unsupported", f"{what} of version {header.version:#04x}")
    if version is not None and header.version != version:
        told = f"{version_text(header.version)} instead of {version_text(version)}"
        raise wrong("version-mixed", f"{what} speaks {told}")
    return header


def _offered(octets: Octets) -> tuple[str, ...]:
    read_header(octets, GET_VERSION, "GET_VERSION", version=FIRST)
    read_header(octets, VERSION, "VERSION", version=FIRST)
    octets.take(1, "VERSION")
    count = octets.number(1, "the number of versions")
    if not 1 <= count <= _MAX_VERSIONS:
        raise octets.wrong("count-impossible", f"{count} versions")
    return tuple(version_text(octets.number(2, "a version") >> 8) for _ in range(count))


def _capabilities(octets: Octets) -> int:
    """Returns the version that was chosen."""
    asked = read_header(octets, GET_CAPABILITIES, "GET_CAPABILITIES", version=None)
    if asked.version < _V12:
        told = f"negotiation of {version_text(asked.version)}, which is not signed"
        raise octets.wrong("negotiation-unexpected", told)
    octets.take(16, "GET_CAPABILITIES")
    got = read_header(octets, CAPABILITIES, "CAPABILITIES", version=asked.version)
    octets.take(16, "CAPABILITIES")
    if asked.version >= _V13 and got.param1 & _SUPPORTED_ALGORITHMS:
        if not asked.param1 & _SUPPORTED_ALGORITHMS:
            raise octets.wrong("not-asked", "CAPABILITIES with algorithms that were not asked for")
        octets.take(2, "the supported algorithms")
        size = octets.number(2, "the length of the supported algorithms")
        if size < 4:
            raise octets.wrong("length-wrong", f"{size} bytes of supported algorithms")
        octets.take(size - 4, "the supported algorithms")
    return asked.version


def _tables(body: Octets, count: int, what: str) -> None:
    """Algorithm structure tables: type u8, counts u8 (high half: fixed bytes, low: external)."""
    for _ in range(count):
        body.take(1, what)
        counts = body.number(1, what)
        body.take((counts >> 4) + 4 * (counts & 0xF), what)
    body.end(what)


def _body(octets: Octets, what: str, *, fixed: int) -> Octets:
    """What follows the length, as long as that says (it counts from the header on)."""
    size = octets.number(2, f"the length of {what}")
    if size < fixed:
        raise octets.wrong("length-wrong", f"{what} of {size} bytes")
    return octets.within(size - 6, what)


def _negotiate(octets: Octets, version: int) -> _Offer:
    what = "NEGOTIATE_ALGORITHMS"
    header = read_header(octets, NEGOTIATE, what, version=version)
    body = _body(octets, what, fixed=_REQUEST_FIXED)
    body.take(2, what)
    asymmetric, hashing = body.number(4, what), body.number(4, what)
    post_quantum = body.number(4, what)
    body.take(8, what)
    external = body.number(1, what) + body.number(1, what)
    body.take(2 + 4 * external, what)
    _tables(body, header.param1, what)
    return _Offer(asymmetric, hashing, post_quantum if version >= _V14 else 0)


def _one(
    octets: Octets, bits: int, known: Mapping[int, Algorithm], what: str, *, offered: int | None
) -> str:
    """The name of what was selected; "" for nothing."""
    if not bits:
        return ""
    if bits not in known:
        raise octets.wrong("algorithm-unknown", f"{what} {bits:#x} is not one known algorithm")
    if offered is not None and not bits & offered:
        raise octets.wrong("algorithm-not-offered", f"{what} {bits:#x} was not offered")
    return known[bits].name


def _selected(octets: Octets, version: int, offer: _Offer) -> Negotiated:
    what = "ALGORITHMS"
    header = read_header(octets, ALGORITHMS, what, version=version)
    body = _body(octets, what, fixed=_RESPONSE_FIXED)
    body.take(1, what)
    opaque = body.number(1, what) & 0xF
    measured, asymmetric, hashing = (body.number(4, what) for _ in range(3))
    post_quantum = body.number(4, what)
    if version < _V14:
        post_quantum = 0  # reserved
    body.take(8, what)
    external = body.number(1, what) + body.number(1, what)
    body.take(2 + 4 * external, what)
    _tables(body, header.param1, what)
    if asymmetric and post_quantum:
        raise body.wrong("algorithm-unknown", "two signature algorithms were selected")
    signing = _one(body, asymmetric, BASE_ASYMMETRIC, "signing", offered=offer.asymmetric)
    return Negotiated(
        offered=(),
        hashing=_one(body, hashing, BASE_HASH, "hashing", offered=offer.hashing),
        signing=signing
        or _one(body, post_quantum, POST_QUANTUM, "signing", offered=offer.post_quantum),
        measurement_hashing=_one(body, measured, MEASUREMENT_HASH, "measuring", offered=None),
        opaque_format=opaque,
    )


def read_negotiation(octets: Octets) -> tuple[int, Negotiated]:
    """VCA: the version chosen (0x12 ...) and what was negotiated. Raises `EvidenceMalformed`."""
    offered = _offered(octets)
    version = _capabilities(octets)
    if version_text(version) not in offered:
        told = f"version {version_text(version)} was not offered"
        raise octets.wrong("version-not-offered", told)
    negotiated = _selected(octets, version, _negotiate(octets, version))
    return version, Negotiated(
        offered=offered,
        hashing=negotiated.hashing,
        signing=negotiated.signing,
        measurement_hashing=negotiated.measurement_hashing,
        opaque_format=negotiated.opaque_format,
    )
