"""The audit log's checkpoints, given and kept: on request, and every hour that something was added.

The key is made when it is first needed and lies sealed beside the credentials. The hourly ones go
into a file of the state directory and, which is worth more, into the server's own log: where that
is collected on another machine, a chain that is cut or written anew contradicts it. At the start
those of the file are held against the log; what does not stand is written down in it.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.model.audit import Head, Record
from iolaus.store.files import check_private, replace_file
from iolaus.store.state import State
from iolaus.trust.checkpoints import Checkpoint, proved_heads, read_checkpoints, signed_checkpoint

log = structlog.get_logger(__name__)
KEY_FILE: Final = "audit-signing"
KEPT_FILE: Final = "audit.checkpoints"
EVERY_S: Final = 3_600.0
MOST_KEPT: Final = 10_000
_LABEL: Final = b"iolaus-audit-key-1\n"


class Checkpoints:
    """North's port: the newest entry, signed, and by whom."""

    def __init__(self, *, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._file = state.directory / KEPT_FILE
        self._kept: Head | None = None
        self._one_at_a_time = asyncio.Lock()

    async def newest(self) -> Checkpoint:
        """Raises `OperatorMust` while the log is empty."""
        head = self._state.audit.head
        if head is None:
            raise _empty()
        async with self._one_at_a_time:
            key = await asyncio.to_thread(self._key)
        return signed_checkpoint(head, at_ms=int(self._clock.now() * 1000), key=key)

    async def sign(self, said: bytes) -> tuple[bytes, str]:
        """The signature of our key (Ed25519) over bytes that say what they are; the public key in
        hex."""
        async with self._one_at_a_time:
            key = await asyncio.to_thread(self._key)
        return key.sign(said), key.public_key().public_bytes_raw().hex()

    async def public_key(self) -> bytes:
        """PEM."""
        async with self._one_at_a_time:
            key = await asyncio.to_thread(self._key)
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    async def run(self) -> None:
        """Hold what is kept against the log, then keep one an hour, until cancelled."""
        await self.compare()
        while True:
            try:
                await self.keep()
            except IolausError as error:
                log.warning("audit_checkpoint_failed", error=str(error))
            await self._clock.sleep(EVERY_S)

    async def keep(self) -> None:
        """Write the newest down, if something was added since the last."""
        if self._state.audit.head in (None, self._kept):
            return
        found = await self.newest()
        await asyncio.to_thread(self._append, found)
        self._kept = self._state.audit.head
        log.info("audit_checkpoint", head=found.head, at_ms=found.at_ms, signature=found.signature)

    async def compare(self) -> None:
        """Tell, in the log and to whoever reads it, which of the kept ones do not stand in it."""
        try:
            heads = await asyncio.to_thread(self._read)
        except IolausError as error:
            await self._note({"checkpoints": str(error)})
            return
        for head in heads:
            entries = await self._state.audit.entries(after=head.number - 1, limit=1)
            if [(each.number, each.digest) for each in entries] != [(head.number, head.digest)]:
                await self._note({"checkpoint": str(head), "found": "another, or none"})
                return
        self._kept = heads[-1] if heads else None

    async def _note(self, told: dict[str, str]) -> None:
        log.error("audit_log_rewritten", **told)
        detail = msgspec.json.encode(told).decode()
        await self._state.audit.append(
            Record(who="iolaus", what="note", subject="audit", detail=detail)
        )

    def _read(self) -> list[Head]:
        """The heads of those that are kept, of which each must be ours."""
        if not self._file.exists():
            return []
        subject = str(self._file)
        kept = read_checkpoints(self._file.read_bytes(), subject=subject)
        signer = self._key().public_key().public_bytes_raw().hex()
        return proved_heads(kept, signer=signer, subject=subject)

    def _append(self, found: Checkpoint) -> None:
        held = self._file.read_bytes().splitlines(keepends=True) if self._file.exists() else []
        replace_file(self._file, b"".join([*held[-(MOST_KEPT - 1) :], found.line]))

    def _key(self) -> ed25519.Ed25519PrivateKey:
        path = self._state.directory / KEY_FILE
        if not path.exists():
            fresh = ed25519.Ed25519PrivateKey.generate()
            sealed = self._state.secrets.seal(fresh.private_bytes_raw(), label=_LABEL)
            replace_file(path, sealed)
            return fresh
        check_private(path, operation="sign a checkpoint")
        raw = self._state.secrets.unseal(path.read_bytes(), label=_LABEL, what=path)
        return ed25519.Ed25519PrivateKey.from_private_bytes(raw)


def _empty() -> OperatorMust:
    return OperatorMust(
        "the audit log is empty",
        operation="sign a checkpoint",
        subject="audit",
        code="NothingToSign",
        next_step="ask again when something was changed.",
    )
