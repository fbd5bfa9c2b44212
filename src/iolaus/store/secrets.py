"""Credentials of management controllers, encrypted at rest.

One small file, sealed whole with AES-256-GCM: nobody who copies the state directory without the
key learns even which names exist, and a file that was touched does not open at all. The key is a
file of its own (0600, made on first use; `IOLAUS_STATE_KEY_FILE` puts it elsewhere, on a mounted
secret for instance). Passwords appear in no `repr`, log line or error.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from iolaus.kernel.errors import OperatorMust, Unverified
from iolaus.store.files import check_private, replace_file

KEY_VARIABLE = "IOLAUS_STATE_KEY_FILE"
_MAGIC = b"iolaus-secrets-1\n"
_NONCE_BYTES, _KEY_BYTES = 12, 32


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A BMC account, shaped like the transport's `Credential`."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, password=...)"


class _Content(msgspec.Struct, kw_only=True):
    logins: dict[str, Login] = {}
    assigned: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"_Content({len(self.logins)} logins)"


class Secrets:
    """Opens or creates the store at `path`. Raises `Unverified` for a wrong key or a file that
    was changed, `OperatorMust` where the key is missing or readable by others."""

    def __init__(self, path: Path, *, key_file: Path | None = None) -> None:
        self._path = path
        given = os.environ.get(KEY_VARIABLE)
        self._key_file = key_file or (Path(given) if given else path.with_suffix(".key"))
        self._key = self._load_key()
        self._content = self._load()

    def __repr__(self) -> str:
        return f"Secrets({str(self._path)!r}, {len(self._content.logins)} logins)"

    def put(self, name: str, *, user: str, password: str) -> None:
        """Add or replace a named login; on disk before it returns."""
        logins = {**self._content.logins, name: Login(user=user, password=password)}
        self._save(_Content(logins=logins, assigned=self._content.assigned))

    def remove(self, name: str) -> bool:
        """Forget a login and what it was assigned to; False if there is none."""
        if name not in self._content.logins:
            return False
        logins = {k: v for k, v in self._content.logins.items() if k != name}
        assigned = {k: v for k, v in self._content.assigned.items() if v != name}
        self._save(_Content(logins=logins, assigned=assigned))
        return True

    def get(self, name: str) -> Login | None:
        return self._content.logins.get(name)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._content.logins))

    def assign(self, pattern: str, name: str) -> None:
        """Use a login for endpoints: an exact address ("https://10.0.0.5"), a range
        ("10.0.0.0/16"), a pattern of host names ("*.bmc.example", "10.0.*") or "default"."""
        if name not in self._content.logins:
            raise self._error(
                f"there is no credential {name!r}",
                f"known are: {', '.join(self.names()) or 'none'}.",
            )
        assigned = {**self._content.assigned, pattern: name}
        self._save(_Content(logins=self._content.logins, assigned=assigned))

    def unassign(self, pattern: str) -> bool:
        if pattern not in self._content.assigned:
            return False
        assigned = {k: v for k, v in self._content.assigned.items() if k != pattern}
        self._save(_Content(logins=self._content.logins, assigned=assigned))
        return True

    def assignments(self) -> Mapping[str, str]:
        return dict(self._content.assigned)

    def login_for(self, address: str, *, name: str | None = None) -> Login | None:
        """The login for an endpoint: the one named, else the most specific assignment."""
        if name is not None:
            return self.get(name)
        ranked = ((rank(pattern, address), pattern) for pattern in self._content.assigned)
        best = max((found for found in ranked if found[0] is not None), default=None)
        return self.get(self._content.assigned[best[1]]) if best else None

    def seal(self, content: bytes, *, label: bytes) -> bytes:
        """For another file that is kept under the same key; `label` says which."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return label + nonce + AESGCM(self._key).encrypt(nonce, content, label)

    def unseal(self, sealed: bytes, *, label: bytes, what: Path) -> bytes:
        """Raises `Unverified` for another key, another label, or a file that was changed."""
        nonce, body = sealed[len(label) :][:_NONCE_BYTES], sealed[len(label) + _NONCE_BYTES :]
        try:
            if not sealed.startswith(label):
                raise InvalidTag
            return AESGCM(self._key).decrypt(nonce, body, label)
        except (InvalidTag, ValueError):
            raise Unverified(
                "it does not open with this key, or it was changed",
                operation="open",
                subject=str(what),
                code="SecretsSealed",
                next_step=f"use the key it was written with ({KEY_VARIABLE}), or move it away.",
            ) from None

    def _load_key(self) -> bytes:
        if not self._key_file.exists():
            if self._path.exists():
                raise self._error(
                    f"its key file {self._key_file} is missing",
                    f"put it back, or name it in {KEY_VARIABLE}; without it move the file away "
                    "and enter the credentials again.",
                )
            replace_file(self._key_file, secrets.token_bytes(_KEY_BYTES))
        check_private(self._key_file, operation="open credentials")
        key = self._key_file.read_bytes()
        if len(key) != _KEY_BYTES:
            raise self._error(
                f"{self._key_file} is not a key of {_KEY_BYTES} bytes", "put the right one there."
            )
        return key

    def _load(self) -> _Content:
        if not self._path.exists():
            return _Content()
        check_private(self._path, operation="open credentials")
        sealed = self._path.read_bytes()
        nonce, body = sealed[len(_MAGIC) :][:_NONCE_BYTES], sealed[len(_MAGIC) + _NONCE_BYTES :]
        if not sealed.startswith(_MAGIC) or len(body) < 16:
            raise self._error("it is not a credential store", "put back a copy, or move it away.")
        try:
            return msgspec.json.decode(
                AESGCM(self._key).decrypt(nonce, body, _MAGIC), type=_Content
            )
        except (InvalidTag, msgspec.DecodeError):
            raise Unverified(
                "it does not open with this key, or it was changed",
                operation="open credentials",
                subject=str(self._path),
                code="SecretsSealed",
                next_step=f"use the key it was written with ({KEY_VARIABLE}), or move it away and "
                "enter the credentials again.",
            ) from None

    def _save(self, content: _Content) -> None:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        body = AESGCM(self._key).encrypt(nonce, msgspec.json.encode(content), _MAGIC)
        replace_file(self._path, _MAGIC + nonce + body)
        self._content = content

    def _error(self, message: str, next_step: str) -> OperatorMust:
        return OperatorMust(
            message, operation="open credentials", subject=str(self._path), next_step=next_step
        )


def rank(pattern: str, address: str) -> tuple[int, int] | None:
    """How specifically an assignment names an endpoint (larger wins); None: it does not."""
    if pattern == address:
        return 3, 0
    if pattern == "default":
        return 0, 0
    host = urlsplit(address).hostname or address
    try:
        network = ip_network(pattern, strict=False)
    except ValueError:
        named = pattern == host or fnmatchcase(host, pattern) or fnmatchcase(address, pattern)
        return (1, len(pattern)) if named else None
    try:
        inside = ip_address(host) in network
    except ValueError:
        return None
    return (2, network.prefixlen) if inside else None
