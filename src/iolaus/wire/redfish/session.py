"""How to be let in: what a controller's answers to a login mean. No I/O.

One session per device, found from the service root; Basic where sessions are absent, disabled or
used up. A wrong password is asked once per call, never in a loop: whoever calls backs off.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from iolaus.wire.redfish.address import path_of
from iolaus.wire.redfish.errors import Code
from iolaus.wire.redfish.port import Credential

SESSIONS = "/redfish/v1/SessionService/Sessions"
BASIC_WHEN_FULL_S = 60.0
"""How long Basic serves before a session is tried again on a device whose slots were used up."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """`uri` is None where the device did not say which resource the session is."""

    token: str
    uri: str | None

    def __repr__(self) -> str:
        return f"Session(uri={self.uri!r}, token=...)"


def sessions_uri(root: Mapping[str, Any]) -> str:
    """Where sessions are created: `Links.Sessions`, else below `SessionService`."""
    links = root.get("Links")
    direct = _link(links.get("Sessions")) if isinstance(links, dict) else ""
    service = _link(root.get("SessionService")).rstrip("/")
    return direct or (f"{service}/Sessions" if service else SESSIONS)


def _link(value: Any) -> str:
    target = value.get("@odata.id") if isinstance(value, dict) else None
    return path_of(target) if isinstance(target, str) else ""


def read_session(
    headers: Mapping[str, str], body: Mapping[str, Any], *, created_in: str
) -> Session | None:
    """The session a 2xx created; None if there is no usable token."""
    token = headers.get("x-auth-token", "").strip()
    if not token or not token.isascii() or not token.isprintable():
        return None
    named = [headers.get("location"), body.get("@odata.id")]
    uri = next((path_of(link) for link in named if isinstance(link, str) and path_of(link)), "")
    member = body.get("Id")
    if uri.rstrip("/") in ("", created_in.rstrip("/")) and isinstance(member, str) and member:
        uri = path_of(f"{created_in.rstrip('/')}/{member}")
    if uri.rstrip("/") == created_in.rstrip("/"):
        uri = ""
    return Session(token=token, uri=uri or None)


def basic(credential: Credential) -> str:
    pair = f"{credential.user}:{credential.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def basic_instead_s(status: int, code: str) -> float | None:
    """How long Basic shall stand in after a login was answered so; None: it shall not.

    Absent or disabled sessions (404, 405, 501) stay absent; used-up slots come free again.
    """
    if code in (Code.NOT_FOUND, Code.NOT_SUPPORTED):
        return float("inf")
    if code in (Code.NO_SESSION_SLOTS, Code.BUSY, Code.TRANSIENT) or status >= 500:
        return BASIC_WHEN_FULL_S
    return None
