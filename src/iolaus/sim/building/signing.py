"""Keys and signatures of the grid side: JWS (RFC 7515) with ES256, keys made per hall.

The grid's public key is published as a key set in a file; those whose messages the grid shall
believe put theirs into another. Only the two algorithms of the contract are believed, whatever a
header says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

ALGORITHMS: Final = ["ES256", "RS256"]


class Untrusted(Exception):
    """A signature that is not believed, and why in a word."""


class Signer:
    """A key pair named `kid`. `forge` signs with another key under the same name."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self._key = ECKey.generate_key("P-256", {"kid": kid}, auto_kid=False)
        self._forged = ECKey.generate_key("P-256", {"kid": kid}, auto_kid=False)

    def sign(self, payload: bytes, *, forge: bool = False) -> str:
        key = self._forged if forge else self._key
        return jws.serialize_compact({"alg": "ES256", "kid": self.kid}, payload, key)

    def public(self) -> dict[str, Any]:
        """As a JSON Web Key Set."""
        return {"keys": [{**self._key.as_dict(private=False), "alg": "ES256", "use": "sig"}]}


class Trusted:
    """The key set of a file, read again when a key is asked for that was not in it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._keys: dict[str, dict[str, Any]] = {}

    def verify(self, token: str) -> bytes:
        """The payload. Raises Untrusted."""
        kid = _kid(token)
        if kid not in self._keys:
            self._keys = dict(_read(self.file))
        if kid not in self._keys:
            raise Untrusted("unknown key")
        try:
            keys = KeySet.import_key_set({"keys": [self._keys[kid]]})
            return jws.deserialize_compact(token, keys, algorithms=ALGORITHMS).payload
        except (JoseError, ValueError) as error:
            raise Untrusted("wrong signature") from error


def _kid(token: str) -> str:
    try:
        kid = jws.extract_compact(token.encode()).headers().get("kid")
    except (JoseError, ValueError) as error:
        raise Untrusted("no JWS") from error
    return kid if isinstance(kid, str) else ""


def _read(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        keys = json.loads(file.read_text())["keys"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    for key in keys if isinstance(keys, list) else ():
        if isinstance(key, dict) and isinstance(key.get("kid"), str):
            yield key["kid"], key
