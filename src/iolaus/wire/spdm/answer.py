"""What came back of SPDMGetSignedMeasurements (DMTF DSP0266, ComponentIntegrity), in a file.

Three forms are met: the bytes themselves, their Base64, and the JSON object with what the
controller says beside them. A transcript's first byte is a version from 0x10 on, so none of them
can be taken for another.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

from iolaus.wire.octets import MAX_EVIDENCE, EvidenceMalformed

_SUBJECT: Final = "SPDM measurements"
_MAX_WORD: Final = 64


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`version`, `hashing` and `signing` are the controller's words; None where it has none."""

    measurements: bytes
    version: str | None = None
    hashing: str | None = None
    signing: str | None = None


class _Body(msgspec.Struct):
    signed: str = msgspec.field(name="SignedMeasurements")
    version: str | None = msgspec.field(name="Version", default=None)
    hashing: str | None = msgspec.field(name="HashingAlgorithm", default=None)
    signing: str | None = msgspec.field(name="SigningAlgorithm", default=None)


def _wrong(message: str) -> EvidenceMalformed:
    return EvidenceMalformed("answer-malformed", message, subject=_SUBJECT)


def _base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("neither measurements nor their Base64") from None


def _word(text: str | None) -> str | None:
    return None if text is None else text[:_MAX_WORD]


def parse_answer(data: bytes) -> Answer:
    """Read any of the three forms. Raises `EvidenceMalformed`."""
    if len(data) > MAX_EVIDENCE:
        raise _wrong(f"{len(data)} bytes, more than {MAX_EVIDENCE}")
    if not data or 0x10 <= data[0] <= 0x1F:
        return Answer(measurements=data)
    if not data.lstrip().startswith(b"{"):
        return Answer(measurements=_base64(data))
    try:
        body = msgspec.json.decode(data, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _wrong("no answer of SPDMGetSignedMeasurements") from None
    return Answer(
        measurements=_base64(body.signed.encode()),
        version=_word(body.version),
        hashing=_word(body.hashing),
        signing=_word(body.signing),
    )
