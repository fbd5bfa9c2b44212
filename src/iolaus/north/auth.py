"""Who may do what: bearer tokens with a role and a scope; in the demo, loopback alone.

A token is 256 random bits shown once; the file keeps only its SHA-256 (a slow hash would add
nothing to that much randomness). A role says what may be done, a scope (a selector) to what; what
is outside the scope does not exist for its holder. A browser on the same machine is not the
operator: in the demo the Host and Origin headers must be loopback too, so that no web page can
reach in through a rebound name.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

import msgspec

from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.model.select import EVERYTHING, Selector, parse_selector

PREFIX: Final = "iol"
COOKIE: Final = "iolaus_token"
SIGN_IN: Final = "/signin"
SIGN_OUT: Final = "/signout"


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    FIRMWARE_ADMIN = "firmware-admin"
    SECURITY = "security"
    FACILITY = "facility"
    APPROVER = "approver"
    AGENT = "agent"


class Deed(StrEnum):
    """What a request does."""

    READ = "read"
    DISCOVER = "discover"
    FORGET = "forget"
    REFRESH = "refresh"
    MANAGE = "manage"
    """Say that an endpoint may be changed."""
    APPLY = "apply"
    """Say what good looks like."""
    PLAN = "plan"
    APPROVE = "approve"
    ROLL = "roll"
    """Let a plan run, go on, or be undone."""
    STOP = "stop"
    """Pause or abort a roll-out: whoever may look after the hall may stop it."""
    DRAIN = "drain"
    """Have work taken away from nodes, give them back, and answer for drains by hand."""
    ANSWER = "answer"
    """Acknowledge, shelve and reset alarms."""
    POWER = "power"
    """Hold power down for a while, release what reflexes latched, have racks isolated."""
    WATCH = "watch"
    """See what hosts say on their consoles, and what they said."""
    TYPE = "type"
    """Write on consoles, share them, and say which are always recorded."""
    ADMIT = "admit"
    """Make and revoke tokens."""
    SECURE = "secure"
    """Say which advisories and which policy count."""
    AUDIT = "audit"
    """Read who did what."""


ALLOWED: Final[Mapping[Role, frozenset[Deed]]] = {
    **dict.fromkeys(Role, frozenset({Deed.READ})),
    Role.OPERATOR: frozenset(Deed),
    Role.FIRMWARE_ADMIN: frozenset(
        {Deed.READ, Deed.REFRESH, Deed.APPLY, Deed.PLAN, Deed.ROLL, Deed.STOP, Deed.DRAIN}
        | {Deed.ANSWER, Deed.WATCH, Deed.TYPE}
    ),
    Role.SECURITY: frozenset(
        {Deed.READ, Deed.ADMIT, Deed.SECURE, Deed.AUDIT, Deed.ANSWER, Deed.WATCH}
    ),
    Role.APPROVER: frozenset({Deed.READ, Deed.APPROVE, Deed.AUDIT}),
    Role.AGENT: frozenset({Deed.READ, Deed.PLAN, Deed.STOP}),
    Role.FACILITY: frozenset({Deed.READ, Deed.STOP, Deed.DRAIN, Deed.ANSWER, Deed.POWER}),
}


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. `scope` is what exists for them; `groups` those that they belong to."""

    name: str
    role: Role
    scope: Selector = EVERYTHING
    groups: tuple[str, ...] = ()

    def speaks_for(self, group: str) -> bool:
        return group in self.groups

    def must(self, deed: Deed) -> None:
        """Raises `PolicyRefused` unless the role allows it."""
        if deed not in ALLOWED[self.role]:
            may = ", ".join(role.value for role in Role if deed in ALLOWED[role])
            raise PolicyRefused(
                f"the role {self.role.value} may not do this",
                operation=deed.value,
                subject=self.name,
                code="RoleMayNot",
                next_step=f"use a token with the role {may}.",
            )


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a token. `digest` is the SHA-256 of its secret part, in hex; times are
    seconds since 1970."""

    id: str
    digest: str
    role: Role
    name: str
    scope: str = ""
    expires_at: float | None = None
    groups: tuple[str, ...] = ()
    made_at: float | None = None
    made_by: str = ""


class Tokens(Protocol):
    """Where tokens are kept."""

    def all(self) -> Sequence[Token]: ...

    def put(self, token: Token) -> None: ...

    def remove(self, ident: str) -> None:
        """Nothing where there is no such token."""
        ...


class TokenFile:
    """Tokens in a JSON file that only its owner may read; re-read when it changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_at: tuple[int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def all(self) -> Sequence[Token]:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return ()
        if (stamp := (stat.st_mtime_ns, stat.st_size)) != self._read_at:
            self._tokens, self._read_at = self._load(), stamp
        return self._tokens

    def put(self, token: Token) -> None:
        self._write([*(each for each in self.all() if each.id != token.id), token])

    def remove(self, ident: str) -> None:
        self._write([each for each in self.all() if each.id != ident])

    def _write(self, tokens: Sequence[Token]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".tokens-")
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(tokens)))
        Path(temporary).replace(self.path)

    def _load(self) -> tuple[Token, ...]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=tuple[Token, ...])
        except (OSError, msgspec.MsgspecError) as error:
            raise OperatorMust(
                f"cannot be read: {error}",
                operation="read tokens",
                subject=str(self.path),
                code="TokensUnreadable",
                next_step="repair or remove the file; then make new tokens.",
            ) from None


class TokenList:
    """Tokens in memory."""

    def __init__(self, *tokens: Token) -> None:
        self._tokens = list(tokens)

    def all(self) -> Sequence[Token]:
        return self._tokens

    def put(self, token: Token) -> None:
        self._tokens.append(token)

    def remove(self, ident: str) -> None:
        self._tokens = [each for each in self._tokens if each.id != ident]


def new_token(
    role: Role,
    *,
    name: str,
    scope: str = "",
    expires_at: float | None = None,
    groups: Sequence[str] = (),
    made_at: float | None = None,
    made_by: str = "",
) -> tuple[str, Token]:
    """A token's text, shown once, and what is kept of it. Raises `OperatorMust` for a bad scope."""
    parse_selector(scope)
    ident, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    token = Token(
        id=ident,
        digest=_digest(secret),
        role=role,
        name=name,
        scope=scope,
        expires_at=expires_at,
        groups=tuple(groups),
        made_at=made_at,
        made_by=made_by,
    )
    return f"{PREFIX}_{ident}_{secret}", token


class Auth:
    """`demo` allows loopback without a token, as an operator; otherwise every request carries
    one of `tokens`."""

    def __init__(self, *, demo: bool = False, tokens: Tokens | None = None) -> None:
        self.demo, self.tokens = demo, tokens or TokenList()

    def principal(self, *, text: str | None, client: str, now: float) -> Principal:
        """Who sends this token text (None: nobody said). Raises `PolicyRefused`."""
        if text:
            return self._of_token(text, now)
        if self.demo and is_loopback(client):
            return Principal(name="demo", role=Role.OPERATOR)
        raise _refused("TokenMissing", "a token is needed")

    def _of_token(self, text: str, now: float) -> Principal:
        prefix, _, rest = text.partition("_")
        ident, _, secret = rest.partition("_")
        known = {token.id: token for token in self.tokens.all()}.get(ident)
        digest = known.digest if known else _digest("")
        matches = hmac.compare_digest(_digest(secret), digest)
        if known is None or not matches or prefix != PREFIX:
            raise _refused("TokenInvalid", "the token is not known here")
        if known.expires_at is not None and now > known.expires_at:
            raise _refused("TokenExpired", "the token has expired")
        return Principal(
            name=known.name,
            role=known.role,
            scope=parse_selector(known.scope),
            groups=known.groups,
        )


def bearer(authorization: str | None) -> str | None:
    scheme, _, text = (authorization or "").partition(" ")
    return text.strip() or None if scheme.lower() == "bearer" else None


def is_loopback(host: str) -> bool:
    """Whether a host name or address (with or without port) is this machine itself."""
    name = host.strip()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    name = name.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _refused(code: str, message: str) -> PolicyRefused:
    return PolicyRefused(
        message,
        operation="authenticate",
        subject="request",
        code=code,
        next_step="set IOLAUS_TOKEN to a token that this server knows.",
    )
