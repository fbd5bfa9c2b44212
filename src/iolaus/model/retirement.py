"""What was wiped of a node when it was retired, and what of that could be proved.

A record says three things apart: what was asked for, what was read back afterwards, and what nobody
can know. A controller that says "done" has proved nothing; what only it says stands among the
unproved.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

DOMAIN: Final = b"iolaus retirement 1\n"


class Wiped(msgspec.Struct, frozen=True, kw_only=True):
    """One thing: "accounts", "certificate", "settings", "bios", "logs/...", "drive/...". `outcome`:
    "proved" (read back), "said" (the device says so and nothing tells), "not-offered" (it has no
    way), "failed", or "not-asked"."""

    what: str
    outcome: Literal["proved", "said", "not-offered", "failed", "not-asked"]
    detail: str = ""


class Retirement(msgspec.Struct, frozen=True, kw_only=True):
    """Of one node, by one plan. `at` is when it was written, seconds since 1970; `signature` is
    Base64 over the record without it, `key` the SHA-256 (hex) of the public key that checks it."""

    plan: str
    node: str
    uid: str
    address: str
    serial: str
    make: str
    model: str
    at: float
    by: str
    items: tuple[Wiped, ...] = ()
    signature: str = ""
    key: str = ""

    @property
    def whole(self) -> bool:
        """Everything that was asked for is proved."""
        return all(each.outcome in ("proved", "not-asked") for each in self.items)

    def signed_bytes(self) -> bytes:
        """What the signature is over: `DOMAIN` and this record in sorted JSON, without signature
        and key."""
        bare = msgspec.structs.replace(self, signature="", key="")
        return DOMAIN + msgspec.json.encode(bare, order="sorted")
