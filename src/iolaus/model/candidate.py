"""A controller that appeared and is not ours yet, as it is remembered.

Little is: who said that it is there, what people answered, and which plans were made for it. All
else (who it is, how far it came) is seen afresh each time, so that what is remembered can never
contradict what is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Way(StrEnum):
    """How a controller came to be known."""

    DHCP = "dhcp"
    SSDP = "ssdp"
    SCAN = "scan"
    LIST = "list"


class Move(StrEnum):
    """What is to be done next with a candidate. Each may be done twice without harm."""

    LOOK = "look"
    """Log in with the factory login, and read."""
    CLAIM = "claim"
    """Say that it is ours: it is managed from now on."""
    SECURE = "secure"
    """Give it a password of its own, and a certificate."""
    BASELINE = "baseline"
    """Bring firmware and settings to its baseline."""
    HAND_OVER = "hand-over"
    """Let it start from where its new owner wants it."""
    REGISTER = "register"
    """Have it enrolled at Ironic."""
    FINISH = "finish"
    """Nothing is left to be done."""


class Appearance(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody said that a controller is at an address (normalised as a target's). `mac` and
    `hostname` are as the lease had them, `at` is our receive time, `site` where it is ("": not
    said)."""

    address: str
    way: Way
    at: float
    mac: str = ""
    hostname: str = ""
    site: str = ""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A person's answer."""

    by: str
    at: float
    reason: str = ""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one address. `entry` is the expected one that it was claimed as;
    `plans` and `failed` say by move which plan was made, and why it did not come true; times are
    seconds since 1970."""

    address: str
    appeared_at: float
    seen_at: float
    ways: tuple[Way, ...] = ()
    mac: str = ""
    hostname: str = ""
    site: str = ""
    uuid: str = ""
    shows: str = ""
    """The fingerprint of a certificate that nobody trusts yet."""
    vouched: str = ""
    """The fingerprint of the certificate that a person compared."""
    approved: Given | None = None
    rejected: Given | None = None
    entry: str = ""
    list: str = ""
    claimed_at: float | None = None
    plans: Mapping[str, str] = {}
    failed: Mapping[str, str] = {}
    handed_at: float | None = None
    handed_to: str = ""
    retired: str = ""
    """The plan by which it was retired."""


def appeared(before: Candidate | None, now: Appearance) -> Candidate:
    """What is remembered once it appeared (again). What a lease does not say, an earlier one did;
    whom a MAC says that it is anew is another machine, of which nothing is remembered."""
    if before is None or (now.mac and before.mac and now.mac != before.mac):
        return Candidate(
            address=now.address,
            appeared_at=now.at,
            seen_at=now.at,
            ways=(now.way,),
            mac=now.mac,
            hostname=now.hostname,
            site=now.site,
        )
    ways = before.ways if now.way in before.ways else (*before.ways, now.way)
    return msgspec.structs.replace(
        before,
        seen_at=now.at,
        ways=ways,
        mac=now.mac or before.mac,
        hostname=now.hostname or before.hostname,
        site=now.site or before.site,
    )
