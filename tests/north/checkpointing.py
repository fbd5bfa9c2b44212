"""Checkpoints of an audit log without a house: with a key that nobody keeps."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iolaus.kernel.errors import OperatorMust
from iolaus.store.audit import AuditLog
from iolaus.trust.checkpoints import Checkpoint, signed_checkpoint


class Signs:
    """North's port `Checkpointing`."""

    def __init__(self, audit: AuditLog) -> None:
        self.audit, self.key = audit, ed25519.Ed25519PrivateKey.generate()

    async def newest(self) -> Checkpoint:
        if self.audit.head is None:
            raise OperatorMust("the audit log is empty", operation="sign", subject="audit")
        return signed_checkpoint(self.audit.head, at_ms=1, key=self.key)

    async def public_key(self) -> bytes:
        key = self.key.public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
