"""Accounts and sessions of one device (DSP0266, 13.3).

Sessions are few and precious on a real controller, so a device has a limit and, when it is
reached, answers 503. A session is a resource like any other; the tokens stay here and are shown
nowhere. After `lockout_after` wrong passwords an account is locked for a while, right password
or not, which is how a careless client locks itself out.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iolaus.sim.clock import VirtualClock
from iolaus.sim.effects import attentive
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import ROOT, Resource, canonical, target_of

if TYPE_CHECKING:
    from iolaus.sim.device import Device


@dataclass(slots=True)
class Account:
    password: str
    role: str = "Administrator"
    enabled: bool = True
    failures: int = 0
    locked_until: float = 0.0
    must_change: bool = False


@dataclass(slots=True)
class Session:
    path: str
    user: str
    token: str
    used_at: float


class Gate:
    """Who may come in. `limit` and `leaks` can be changed by a fault."""

    def __init__(self, device: Device) -> None:
        self._device = device
        options = device.options
        self.accounts: dict[str, Account] = {}
        self.restore()
        self.limit, self.leaks = options.session_limit, False
        self.timeout_s = options.session_timeout_s
        self._by_token: dict[str, Session] = {}
        self._number = 0
        self._collection = ""

    @property
    def collection(self) -> str:
        """Where sessions are made: as the service root says, else at the usual place."""
        if not self._collection:
            root = self._device.kept(ROOT) or {}
            place = target_of(root, "Links", "Sessions")
            service = target_of(root, "SessionService")
            if not place and service:
                place = target_of(self._device.kept(service) or {}, "Sessions")
            self._collection = canonical(place or f"{ROOT}/SessionService/Sessions")
        return self._collection

    def sessions(self) -> tuple[Session, ...]:
        self._expire()
        return tuple(self._by_token.values())

    def admit(self, headers: Mapping[str, str]) -> str | Outcome:
        """The user who asks, or why not."""
        token = headers.get("x-auth-token")
        if token is not None:
            return self._by_session(token)
        basic = headers.get("authorization", "")
        if self._device.options.basic and basic[:6].lower() == "basic ":
            user, password = _basic(basic[6:])
            return self._verify(user, password)
        return refused(401, "NoValidSession")

    def restore(self) -> None:
        """The accounts of the beginning, and no others."""
        made = self._device.options.accounts.items()
        self.accounts = {user: Account(password) for user, password in made}
        self.lockout_after, self.lockout_s = 0, self._device.options.lockout_s

    def login(self, body: Resource) -> Outcome:
        user, password = body.get("UserName"), body.get("Password")
        if not isinstance(user, str) or not isinstance(password, str):
            missing = "UserName" if not isinstance(user, str) else "Password"
            return refused(400, "PropertyMissing", missing)
        verdict = self._verify(user, password)
        if isinstance(verdict, Outcome):
            return verdict
        if self.limit and len(self.sessions()) >= self.limit:
            return refused(503, "SessionLimitExceeded")
        return self._open(user)

    def logout(self, path: str) -> Outcome | None:
        """Close the session at `path`; None if there is none."""
        for token, session in self._by_token.items():
            if session.path == path:
                if not self.leaks:
                    self._drop(token)
                return Outcome()
        return None

    def drop_all(self) -> None:
        for token in list(self._by_token):
            self._drop(token)

    def set_password(self, user: str, password: str) -> None:
        self.accounts.setdefault(user, Account(password)).password = password

    def _open(self, user: str) -> Outcome:
        self._number += 1
        identity = f"{self._number}"
        path = f"{self.collection}/iolaus-{identity}"
        token = self._token()
        resource: Resource = {
            "@odata.id": path,
            "@odata.type": "#Session.v1_7_0.Session",
            "Id": path.rpartition("/")[2],
            "Name": "Session",
            "UserName": user,
        }
        self._by_token[token] = Session(path, user, token, self._device.clock.monotonic())
        counters = self._device.counters
        counters.max_sessions = max(counters.max_sessions, len(self._by_token))
        self._device.put(path, resource)
        self._device.enlist(self.collection, path)
        headers = {"X-Auth-Token": token, "Location": path}
        return Outcome(status=201, body=resource, headers=headers)

    def _token(self) -> str:
        """Where time is virtual the same run has the same ones, which no other account's owner
        can guess."""
        device = self._device
        if not isinstance(device.clock, VirtualClock):
            return secrets.token_hex(16)
        words = f"{device.options.seed}/{device.name}/{self._number}"
        keys = "/".join(account.password for account in self.accounts.values())
        return hmac.digest(keys.encode(), words.encode(), "sha256")[:16].hex()

    def _by_session(self, token: str) -> str | Outcome:
        session = self._by_token.get(token)
        now = self._device.clock.monotonic()
        if session is None or self._is_old(session, now):
            return refused(401, "NoValidSession")
        session.used_at = now
        return session.user

    def _verify(self, user: str, password: str) -> str | Outcome:
        account, now = self.accounts.get(user), self._device.clock.monotonic()
        if account is not None and account.locked_until > now:
            self._device.counters.auth_failures += 1
            return refused(401, "ResourceAtUriUnauthorized", self.collection, user)
        right = account is not None and secrets.compare_digest(
            account.password.encode(), password.encode()
        )
        if account is not None and account.enabled and right:
            account.failures = 0
            return user
        self._device.counters.auth_failures += 1
        if account is not None:
            self._count_failure(user, account, now)
        return refused(401, "NoValidSession")

    def _count_failure(self, user: str, account: Account, now: float) -> None:
        account.failures += 1
        options = self._device.options
        most = options.lockout_after or self.lockout_after
        locks = bool(most) and account.failures >= most
        if locks:
            wait_s = options.lockout_s if options.lockout_after else self.lockout_s
            account.locked_until, account.failures = now + wait_s, 0
        attentive(self._device.effects).turned_away(self._device, user, locked=locks)

    def _is_old(self, session: Session, now: float) -> bool:
        return bool(self.timeout_s) and now - session.used_at > self.timeout_s

    def _expire(self) -> None:
        now = self._device.clock.monotonic()
        for token in [t for t, s in self._by_token.items() if self._is_old(s, now)]:
            self._drop(token)

    def _drop(self, token: str) -> None:
        session = self._by_token.pop(token)
        self._device.remove(session.path)
        self._device.delist(self.collection, session.path)


def _basic(encoded: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
