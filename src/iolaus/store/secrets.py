"""Credentials of management controllers, encrypted at rest.

One small file, sealed whole with AES-256-GCM: nobody who copies the state directory without the
key learns even which names exist, and a file that was touched does not open at all. The key is a
file of its own (0600, made on first use; `IOLAUS_STATE_KEY_FILE` puts it elsewhere, on a mounted
secret for instance). Passwords appear in no `repr`, log line or error.

An endpoint whose password Iolaus gave has a login of its own (`store.own`), which stands for the
named one until the endpoint is given another name. The file is replaced as a whole and durably at
every change, so a killed process leaves the old content or the new.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from iolaus.kernel.errors import OperatorMust, Unverified
from iolaus.model.credential import AccountPolicy, CredentialFact
from iolaus.store.files import check_private, replace_file
from iolaus.store.own import Chance, Login, Own

KEY_VARIABLE = "IOLAUS_STATE_KEY_FILE"
_MAGIC = b"iolaus-secrets-1\n"
_NONCE_BYTES, _KEY_BYTES = 12, 32


class _Content(msgspec.Struct, kw_only=True):
    logins: dict[str, Login] = {}
    assigned: dict[str, str] = {}
    recovers: dict[str, str] = {}
    own: dict[str, Own] = {}

    def __repr__(self) -> str:
        return f"_Content({len(self.logins)} logins)"


class Secrets:
    """Opens or creates the store at `path`. Thread-safe. Raises `Unverified` for a wrong key or a
    file that was changed, `OperatorMust` where the key is missing or readable by others."""

    def __init__(self, path: Path, *, key_file: Path | None = None) -> None:
        self._path, self._lock = path, threading.Lock()
        self._listeners: list[Callable[[str], None]] = []
        given = os.environ.get(KEY_VARIABLE)
        self._key_file = key_file or (Path(given) if given else path.with_suffix(".key"))
        self._key = self._load_key()
        self._content = self._load()

    def __repr__(self) -> str:
        return f"Secrets({str(self._path)!r}, {len(self._content.logins)} logins)"

    @property
    def sealed(self) -> bytes:
        """The file as it is, for others who have the key; empty where nothing is kept."""
        return self._path.read_bytes() if self._path.exists() else b""

    def take_sealed(self, sealed: bytes) -> None:
        """Put another's file in the place of this one; on disk before it returns. Raises
        `Unverified` for one that does not open with our key."""
        with self._lock:
            if sealed != self.sealed:
                content = self._opened(sealed)
                replace_file(self._path, sealed)
                self._content = content

    def put(self, name: str, *, user: str, password: str) -> None:
        """Add or replace a named login; on disk before it returns."""
        with self._lock:
            logins = {**self._content.logins, name: Login(user=user, password=password)}
            self._save(_with(self._content, logins=logins))

    def put_all(self, logins: Mapping[str, tuple[str, str]]) -> None:
        """Add or replace named logins (user, password), all or none."""
        fresh = {name: Login(user=user, password=word) for name, (user, word) in logins.items()}
        with self._lock:
            self._save(_with(self._content, logins={**self._content.logins, **fresh}))

    def remove(self, name: str) -> bool:
        """Forget a login and what it was assigned to; False if there is none."""
        with self._lock:
            content = self._content
            if name not in content.logins:
                return False
            logins = {k: v for k, v in content.logins.items() if k != name}
            assigned = {k: v for k, v in content.assigned.items() if v != name}
            recovers = {k: v for k, v in content.recovers.items() if v != name}
            self._save(_with(content, logins=logins, assigned=assigned, recovers=recovers))
        return True

    def get(self, name: str) -> Login | None:
        return self._content.logins.get(name)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._content.logins))

    def assign(self, pattern: str, name: str) -> None:
        """Use a login for endpoints: an exact address ("https://10.0.0.5"), a range
        ("10.0.0.0/16"), a pattern of host names ("*.bmc.example", "10.0.*") or "default"."""
        self._must_know(name)
        with self._lock:
            assigned = {**self._content.assigned, pattern: name}
            self._save(_with(self._content, assigned=assigned))

    def unassign(self, pattern: str) -> bool:
        with self._lock:
            if pattern not in self._content.assigned:
                return False
            assigned = {k: v for k, v in self._content.assigned.items() if k != pattern}
            self._save(_with(self._content, assigned=assigned))
        return True

    def recover_with(self, pattern: str, name: str) -> None:
        """A login that endpoints may fall back to, such as their maker's; patterns as in
        `assign`. It is tried where nothing else is taken, and given to nobody."""
        self._must_know(name)
        with self._lock:
            recovers = {**self._content.recovers, pattern: name}
            self._save(_with(self._content, recovers=recovers))

    def recoveries(self) -> Mapping[str, str]:
        return dict(self._content.recovers)

    def assignments(self) -> Mapping[str, str]:
        return dict(self._content.assigned)

    def login_for(self, address: str, *, name: str | None = None) -> Login | None:
        """The login for an endpoint: its own, else the one named, else the most specific
        assignment. Its own stands for one name only: where another is given, that holds."""
        reference = self.reference_of(address, name=name)
        own = self._content.own.get(address)
        if own is not None and own.stands_for == reference:
            return own.login
        return self.get(reference) if reference else None

    def reference_of(self, address: str, *, name: str | None = None) -> str:
        """The name of the login that is shared by all who use it; "" for none."""
        if name is not None:
            return name
        found = _ranked(self._content.assigned, address)
        return self._content.assigned[found[0]] if found else ""

    def fact_of(self, address: str, *, name: str | None = None) -> CredentialFact | None:
        """What may be said of the endpoint's login; None where it has none."""
        reference = self.reference_of(address, name=name)
        own = self._content.own.get(address)
        if own is not None and own.stands_for == reference:
            return own.fact()
        login = self.get(reference) if reference else None
        return CredentialFact(user=login.user) if login else None

    # --- logins of one endpoint -----------------------------------------------------------------

    def own(self, address: str, *, name: str | None = None) -> Own | None:
        """The endpoint's own login, made from the one that it shares where it has none yet; None
        where no login is known. What it had under another name is spare."""
        reference = self.reference_of(address, name=name)
        own, shared = self._content.own.get(address), self.get(reference)
        if own is not None and (own.stands_for == reference or shared is None):
            return own
        if shared is None:
            return None
        fresh = Own(login=shared, user=shared.user, stands_for=reference)
        if own is None:
            return fresh
        former = (*filter(None, (own.candidate, own.login)), *own.spare)
        return msgspec.structs.replace(fresh, spare=former, policy=own.policy)

    def policy_of(self, address: str) -> AccountPolicy:
        """What the endpoint said of its accounts when it was last given a password."""
        own = self._content.own.get(address)
        return own.policy if own else AccountPolicy()

    def pending(self) -> tuple[str, ...]:
        """Addresses of endpoints to which a new password was sent, or was to be, by somebody who
        did not live to see what came of it."""
        return tuple(a for a, own in self._content.own.items() if own.candidate is not None)

    async def keep_own(self, address: str, own: Own) -> None:
        """On disk before it returns, also where its caller is cancelled meanwhile."""
        await asyncio.shield(asyncio.to_thread(self.keep_own_here, address, own))
        for heard in self._listeners:
            heard(address)

    def keep_own_here(self, address: str, own: Own) -> None:
        """`keep_own` in this thread."""
        with self._lock:
            self._save(_with(self._content, own={**self._content.own, address: own}))

    def drop_own(self, address: str) -> bool:
        """Forget an endpoint's own login; False if it has none."""
        with self._lock:
            if address not in self._content.own:
                return False
            own = {k: v for k, v in self._content.own.items() if k != address}
            self._save(_with(self._content, own=own))
        return True

    def others(self, address: str, *, name: str | None = None) -> tuple[Chance, ...]:
        """What an endpoint may have fallen back to: the login that it shared, then those that
        recover it, the most specific first."""
        reference = self.reference_of(address, name=name)
        names = [reference] if reference else []
        names += [self._content.recovers[p] for p in _ranked(self._content.recovers, address)]
        kept = {each: self.get(each) for each in names}
        return tuple(Chance(login, each) for each, login in kept.items() if login is not None)

    def on_change(self, heard: Callable[[str], None]) -> None:
        """`heard(address)` after an endpoint's own login changed."""
        self._listeners.append(heard)

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
        return self._opened(self._path.read_bytes())

    def _opened(self, sealed: bytes) -> _Content:
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

    def _must_know(self, name: str) -> None:
        if name not in self._content.logins:
            raise self._error(
                f"there is no credential {name!r}",
                f"known are: {', '.join(self.names()) or 'none'}.",
            )

    def _error(self, message: str, next_step: str) -> OperatorMust:
        return OperatorMust(
            message, operation="open credentials", subject=str(self._path), next_step=next_step
        )


def _with(content: _Content, **fields: object) -> _Content:
    return msgspec.structs.replace(content, **fields)


def _ranked(patterns: Mapping[str, str], address: str) -> list[str]:
    """The patterns that name an endpoint, the most specific first."""
    ranked = [(place, p) for p in patterns if (place := rank(p, address)) is not None]
    return [pattern for _, pattern in sorted(ranked, reverse=True)]


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
