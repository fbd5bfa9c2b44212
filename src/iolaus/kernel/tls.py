"""Whom a client of a URL trusts where nobody says otherwise."""

from __future__ import annotations

import ssl


def trusted(url: str) -> ssl.SSLContext | bool:
    """The public authorities; for plain HTTP nobody, as to read all of them takes longer than most
    answers."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.lower().startswith("http:") else True
