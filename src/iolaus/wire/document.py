"""Documents that say what should run: how each of their readers refuses one.

A person brings them (a reference manifest, a review report, a firmware archive), so a bad one is
that person's to replace, unlike evidence, which a device sends.
"""

from __future__ import annotations

from typing import Final

from iolaus.kernel.errors import OperatorMust

MAX_DOCUMENT: Final = 8 << 20
"""Bytes of one manifest or report; the largest that are published have some hundred thousand."""
AGAIN: Final = "fetch it from its publisher again; it is damaged or of another format."


class DocumentMalformed(OperatorMust):
    """`reason` is a stable word in kebab case ("truncated", "profile-unknown", ...)."""

    def __init__(
        self, reason: str, message: str, *, subject: str = "document", next_step: str = AGAIN
    ) -> None:
        super().__init__(
            message,
            operation="read",
            subject=subject,
            code="DocumentMalformed",
            next_step=next_step,
        )
        self.reason = reason


def bounded(data: bytes, subject: str) -> bytes:
    """The same bytes. Raises `DocumentMalformed` where there are none, or too many."""
    if not data:
        raise DocumentMalformed("empty", "it is empty", subject=subject)
    if len(data) > MAX_DOCUMENT:
        told = f"{len(data)} bytes, more than {MAX_DOCUMENT >> 20} MiB"
        raise DocumentMalformed("too-large", told, subject=subject)
    return data
