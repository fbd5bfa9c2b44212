"""What components gave when they were asked to prove what they run, as it came.

An attester (RFC 9334) is a component with a root of trust; a management controller carries our
question to it and its answer back, and is believed in nothing beyond that. So what the controller
says of itself stands apart as `reported`, and what was signed is kept as bytes, with the question
that it answers: any verdict can be derived again from an exhibit, without the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

NONCE_SIZE = 32
ALL_MEASUREMENTS = 255


class Protocol(StrEnum):
    """How an attester signs (DSP0268, ComponentIntegrity, ComponentIntegrityType)."""

    SPDM = "SPDM"
    TPM = "TPM"
    OTHER = "other"
    """It is listed, and no signed measurements can be asked of it in a way that is known."""


class Attester(msgspec.Struct, frozen=True, kw_only=True):
    """A component that says it can attest. `uri` is its ComponentIntegrity resource, `name` that
    resource's Id, `asset` the key of the asset that it is part of. `component` is the resource
    that attests, `protects` what it vouches for. `action` is the advertised target of the
    question ("": none is), `certificates` where chains are shown, `logs` collections of log
    entries that may hold a measured boot's events. `nonce_size` is the most it takes.
    `reported` is what the controller says of it, which proves nothing."""

    name: str
    asset: str
    uri: str
    protocol: Protocol
    version: str = ""
    enabled: bool | None = None
    component: str = ""
    protects: tuple[str, ...] = ()
    action: str = ""
    certificates: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    secure_boot: str = ""
    nonce_size: int = NONCE_SIZE
    reported: Mapping[str, str] = {}


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What an attester is asked. `nonce` is ours and used once; `slot` and `indices` are SPDM's
    (DSP0274, GET_MEASUREMENTS; 255 means all blocks), `pcrs` registers of the bank `hashing`."""

    nonce: bytes
    slot: int = 0
    indices: tuple[int, ...] = (ALL_MEASUREMENTS,)
    pcrs: tuple[int, ...] = tuple(range(16))
    hashing: str = "sha256"


class Outcome(StrEnum):
    """What became of asking."""

    ANSWERED = "answered"
    NONE = "none"
    """Nothing signed is to be had: not offered, not enabled, refused, or not asked."""
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"
    """An answer came that holds no measurements as the schema has them."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a controller shows beside signed measurements, as bytes: `chain` is the PEM text that
    should certify the signer, `endorsement` that of a TPM's endorsement key, `log` the events of
    a measured boot, `secure_boot` a JSON document of keys by database. `missing` says of each
    that could not be read why."""

    chain: bytes = b""
    endorsement: bytes = b""
    log: bytes = b""
    secure_boot: bytes = b""
    missing: Mapping[str, str] = {}


class Exhibit(msgspec.Struct, frozen=True, kw_only=True):
    """One asking of one attester and all that came of it. `asset` is the asset's uid, times are
    ours (seconds since 1970); `why` is a sentence where nothing was answered. `measurements` are
    the bytes that were signed with their signature; `claimed` what the controller says beside
    them (Version, HashingAlgorithm, SigningAlgorithm); `versions` the firmware inventory as it
    was reported then (component -> version)."""

    endpoint: str
    asset: str
    attester: Attester
    asked_at: float
    answered_at: float | None
    outcome: Outcome
    why: str = ""
    question: Question | None = None
    measurements: bytes = b""
    claimed: Mapping[str, str] = {}
    shown: Shown = Shown()
    versions: Mapping[str, str] = {}
