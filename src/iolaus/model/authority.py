"""Who signs the certificates of controllers, as anybody may know it: never the key.

A local authority is ours, with its key in the vault; a command is somebody else's: it gets the
request on its standard input and gives the certificate back. Of both the authority's own
certificate is known, because what comes back is checked against it, and drift is judged by it.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What controllers want to be told for a request, besides the name: X.520 attributes."""

    organization: str = "Iolaus"
    unit: str = "Data hall"
    city: str = "-"
    state: str = "-"
    country: str = "ZZ"


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """`certificate` is its own in PEM, with those above it behind it; `subject` is its name
    (RFC 4514). `days` is how long what it signs is valid, where that is ours to say."""

    name: str
    kind: Literal["local", "command"]
    certificate: str
    subject: str
    fingerprint: str
    not_after: float
    days: int = 397
    words: Words = Words()
    command: tuple[str, ...] = ()
    timeout_s: float = 60.0
