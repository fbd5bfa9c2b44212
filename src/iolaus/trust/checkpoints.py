"""Checkpoints of the audit log: what its newest entry was at a time, signed. Pure.

A chain cannot show that its end was cut off, or that whoever may write all of it wrote it anew.
Both show against a checkpoint that was kept where that person cannot write: its entry must still
stand in the log. The signature says that the house gave it, so that somebody else may keep it and
nobody can be accused by one that was made up.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from iolaus.kernel.errors import OperatorMust, Unverified
from iolaus.model.audit import Head, parse_head

DOMAIN: Final = b"iolaus audit checkpoint 1\n"
MOST_BYTES: Final = 16 << 20


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`head` is NUMBER:DIGEST of the newest entry at `at_ms` (milliseconds since 1970); `signer`
    is the Ed25519 public key and `signature` what it signed, both in hex."""

    head: str
    at_ms: int
    signer: str
    signature: str
    kind: str = "AuditCheckpoint"

    @property
    def line(self) -> bytes:
        """As it is kept: one line of JSON."""
        return msgspec.json.encode(self) + b"\n"


def signed_checkpoint(head: Head, *, at_ms: int, key: ed25519.Ed25519PrivateKey) -> Checkpoint:
    """The statement that `head` was the newest entry at that time."""
    return Checkpoint(
        head=str(head),
        at_ms=at_ms,
        signer=key.public_key().public_bytes_raw().hex(),
        signature=key.sign(_said(str(head), at_ms)).hex(),
    )


def read_checkpoints(data: bytes, *, subject: str) -> tuple[Checkpoint, ...]:
    """Lines of JSON, as they were written. Raises `OperatorMust`."""
    try:
        if len(data) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES >> 20} MiB")
        found = tuple(_parse(line) for line in data.splitlines() if line.strip())
    except ValueError as error:
        raise _unreadable(subject, str(error)) from None
    if not found:
        raise _unreadable(subject, "it is empty")
    return found


def read_signer(data: bytes, *, subject: str) -> str:
    """The public key of a PEM file, in hex. Raises `OperatorMust`."""
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise OperatorMust(
            "this is no public key that signs checkpoints (Ed25519, PEM)",
            operation="read option",
            subject=subject,
            code="BadOption",
            next_step="give the file that `iolaus audit key` wrote.",
        )
    return key.public_bytes_raw().hex()


def proved_heads(
    checkpoints: Iterable[Checkpoint], *, signer: str | None, subject: str
) -> list[Head]:
    """What must stand in the log. `signer` (hex) is whose word is taken, None for any that signed.
    Raises `Unverified` for one whose signature is not theirs."""
    return [_proved(each, signer, subject) for each in checkpoints]


def _proved(each: Checkpoint, signer: str | None, subject: str) -> Head:
    if signer is not None and each.signer != signer:
        raise _unsigned(subject, f"the checkpoint {each.head[:40]} was signed by another key")
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(each.signer))
        key.verify(bytes.fromhex(each.signature), _said(each.head, each.at_ms))
    except (InvalidSignature, ValueError):
        raise _unsigned(subject, f"the checkpoint {each.head[:40]} is not as signed") from None
    return parse_head(each.head)


def _said(head: str, at_ms: int) -> bytes:
    return DOMAIN + f"{head}\n{at_ms}\n".encode("utf-8", "surrogatepass")


def _parse(line: bytes) -> Checkpoint:
    found = msgspec.json.decode(line, type=Checkpoint)
    if found.kind != "AuditCheckpoint":
        raise ValueError(f"a line is of kind {found.kind[:40]}")
    return found


def _unreadable(subject: str, why: str) -> OperatorMust:
    return OperatorMust(
        f"no checkpoints of an audit log: {why}",
        operation="read",
        subject=subject,
        code="BadCheckpoint",
        next_step="name a file that `iolaus audit checkpoint` wrote.",
    )


def _unsigned(subject: str, why: str) -> Unverified:
    return Unverified(
        why,
        operation="verify",
        subject=subject,
        code="CheckpointInvalid",
        next_step="take it from where it was kept first; it was changed, or is another house's.",
    )
