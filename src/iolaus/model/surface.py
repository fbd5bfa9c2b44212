"""What an endpoint shows to whoever has no login: its certificate, TLS versions, open paths."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate of a TLS handshake. Times are seconds since 1970; `key` is the algorithm
    and its bits ("rsa-2048", "ec-384"); `hashed` the signature's hash ("sha256"; "": unknown).
    `own` says that it signed itself."""

    fingerprint: str
    subject: str
    issuer: str
    not_before: float
    not_after: float
    key: str
    hashed: str
    own: bool


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """`versions` are TLS versions and whether it took them (None: this machine could not try);
    `paths` the HTTP status that each gave without credentials (None: no answer). `error` says why
    nothing could be looked at."""

    address: str
    at: float
    certificate: Shown | None = None
    versions: Mapping[str, bool | None] = {}
    paths: Mapping[str, int | None] = {}
    error: str = ""
