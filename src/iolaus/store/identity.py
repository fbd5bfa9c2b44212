"""Which asset is this? Matching what a report shows against every asset known so far.

An address is not an identity: DHCP moves devices, boards are swapped, and makers ship whole
batches with one UUID or with "To be filled by O.E.M.". So identity is composite evidence (serial
with vendor and model, UUID, MACs), a blank never matches anything, and two that claim to be one
are a conflict for a person to settle and never a merge. Pure; `registry` remembers and decides.

The rules, in order:
1. At the same place (endpoint and key), an asset stays itself unless the evidence contradicts.
2. Contradicted, it was replaced; whoever stood there keeps its uid and its history, elsewhere.
3. One identity at a new place is a move, if its old place is empty or no longer answers.
4. If the old place still answers, both claim one identity: a conflict. The newcomer's uid is
   provisional until it is seen whether both are there (then both stay) or it had moved after all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

import msgspec

from iolaus.model.asset import AssetKind, Identity

_PLACEHOLDER_WORDS = (
    "0 none null na n/a n.a. unknown undefined default empty blank notspecified notavailable "
    "notapplicable notpresent notset notprovided nodata tobefilledbyo.e.m. tobefilledbyoem "
    "tobedefined defaultstring systemserialnumber systemproductname chassisserialnumber "
    "serialnumber serial oem o.e.m. invalid unspecified xxxxxxxx 123456789 0123456789 1234567890 "
    "12345678 01234567 "
    "03000200-0400-0500-0006-000700080009 00020003-0004-0005-0006-000700080009 "
    "12345678-1234-5678-90ab-cddeefaabbcc"
)
_PLACEHOLDERS = frozenset(_PLACEHOLDER_WORDS.split())
_NOISE = re.compile(r"[\s_]+")


class Token(NamedTuple):
    """One piece of identity. `sort` is "serial", "uuid" or "mac"."""

    sort: str
    kind: AssetKind
    value: str


class KnownAsset(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that was seen, and its last place. Not `present`: the place was taken by another
    or given up. `placed_at` is when it was first seen there, `seen_at` when last."""

    uid: str
    kind: AssetKind
    identity: Identity
    endpoint: str
    key: str
    placed_at: float
    seen_at: float
    vendor: str | None = None
    model: str | None = None
    present: bool = True
    provisional: bool = False


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one asset of a report: it is `uid`. `new`: never seen before. `back`: its
    place had been given up. `moved_from` is where it stood, `displaced` who stood here until now,
    `merged` a provisional uid that turned out to be this asset."""

    key: str
    uid: str
    new: bool = False
    back: bool = False
    provisional: bool = False
    moved_from: KnownAsset | None = None
    displaced: KnownAsset | None = None
    merged: str | None = None


class IdentityConflict(msgspec.Struct, frozen=True, kw_only=True):
    """Assets at several endpoints claim one identity. `confirmed`: all were seen since all exist;
    until then it may still be a move under way."""

    sort: str
    value: str
    kind: AssetKind
    members: tuple[KnownAsset, ...]
    confirmed: bool


class Likeness(Enum):
    SAME = "same"
    OTHER = "other"
    UNCLEAR = "unclear"


def clean(text: str | None) -> str | None:
    """The text for matching; None for blanks, placeholders and one character repeated."""
    folded = _NOISE.sub("", text or "").casefold()
    bare = folded.replace("-", "").replace(":", "")
    if len(set(bare)) < 2 or folded in _PLACEHOLDERS:
        return None
    return folded


def clean_mac(text: str) -> str | None:
    digits = re.sub(r"[^0-9a-f]", "", text.casefold())
    if len(digits) != 12 or len(set(digits)) < 2 or int(digits[:2], 16) & 1:
        return None
    return digits


def tokens_of(
    *, kind: AssetKind, vendor: str | None, model: str | None, identity: Identity
) -> frozenset[Token]:
    found = set()
    if serial := clean(identity.serial):
        maker, type_ = (vendor or "").casefold().strip(), (model or "").casefold().strip()
        found.add(Token("serial", kind, f"{maker}|{type_}|{serial}"))
    if uuid := clean(identity.uuid):
        found.add(Token("uuid", kind, uuid))
    found.update(Token("mac", kind, mac) for text in identity.macs if (mac := clean_mac(text)))
    return frozenset(found)


def compare(before: Identity, after: Identity, *, in_place: bool) -> Likeness:
    """Serial first, then UUID, then MACs; what one side lacks says nothing.

    In place, one agreeing strong token is enough (a serial is rewritten in the field, a UUID
    renewed by a firmware); elsewhere a different serial is a different asset."""
    serial = _agree(clean(before.serial), clean(after.serial))
    uuid = _agree(clean(before.uuid), clean(after.uuid))
    if serial is True or (uuid is True and (in_place or serial is None)):
        return Likeness.SAME
    if serial is False or uuid is False:
        return Likeness.OTHER
    return _compare_macs(before.macs, after.macs)


def _compare_macs(before: Iterable[str], after: Iterable[str]) -> Likeness:
    mine, theirs = set(map(clean_mac, before)) - {None}, set(map(clean_mac, after)) - {None}
    if not mine or not theirs:
        return Likeness.UNCLEAR
    return Likeness.SAME if mine & theirs else Likeness.OTHER


def _agree(before: str | None, after: str | None) -> bool | None:
    return None if before is None or after is None else before == after


def tokens_of_known(asset: KnownAsset) -> frozenset[Token]:
    return tokens_of(
        kind=asset.kind, vendor=asset.vendor, model=asset.model, identity=asset.identity
    )


def learn(before: Identity | None, after: Identity) -> Identity:
    """What is now known: a blank does not erase what was read before."""
    if before is None:
        return after
    known = {f: getattr(after, f) or getattr(before, f) for f in Identity.__struct_fields__}
    return Identity(**known)


def conflict_of(token: Token, claims: Iterable[KnownAsset]) -> IdentityConflict | None:
    """The conflict that these claims to one token are; None if at most one endpoint claims it."""
    members = tuple(sorted((a for a in claims if a.present), key=lambda a: (a.placed_at, a.uid)))
    if token.sort == "mac" or len({member.endpoint for member in members}) < 2:
        return None
    return IdentityConflict(
        sort=token.sort,
        value=token.value,
        kind=token.kind,
        members=members,
        confirmed=min(m.seen_at for m in members) >= max(m.placed_at for m in members),
    )
