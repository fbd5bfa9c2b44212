"""Counts of the whole hall: what the banner, the overview page and `iolaus get summary` show.

Nothing here is estimated. A sum says of how many things it is the sum, and what is unknown is
counted as unknown beside the rest; it is never folded into OK or into zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One asset as it may be believed now: None is not known. `leak` is "leak", "dry",
    "unknown", or None where nothing could detect one."""

    kind: str
    vendor: str | None = None
    health: str | None = None
    power_state: str | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    leak: str | None = None
    age_s: float | None = None
    is_stale: bool = False
    has_identity: bool = True


class Reached(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One endpoint: `reach` is a word of `Reach`, or None before the first attempt."""

    reach: str | None
    has_inventory: bool = False
    deviations: int = 0
    firmware: int = 0


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """`value` is the sum over `known` things of `of`; None when none is known."""

    value: float | None
    known: int
    of: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Maps go from a word to a count. `power_w` sums what nodes draw by their own measurement;
    shelves and outlets measure the same current again and are left out."""

    endpoints: Mapping[str, int]
    inventoried: int
    kinds: Mapping[str, int]
    vendors: Mapping[str, int]
    health: Mapping[str, int]
    power_state: Mapping[str, int]
    leaks: Mapping[str, int]
    power_w: Total
    power_limit_w: Total
    stale: int
    without_identity: int
    deviations: int
    firmware: int
    oldest_age_s: float | None


def summarize(assets: Iterable[Seen], endpoints: Iterable[Reached]) -> Summary:
    seen, reached = list(assets), list(endpoints)
    nodes = [each for each in seen if each.kind == "node"]
    return Summary(
        endpoints={"total": len(reached), **_count(each.reach or "untried" for each in reached)},
        inventoried=sum(each.has_inventory for each in reached),
        kinds=_count(each.kind for each in seen),
        vendors=_count(each.vendor or "unknown" for each in seen),
        health=_count(each.health or "Unknown" for each in seen),
        power_state=_count(each.power_state or "Unknown" for each in nodes),
        leaks=_count(each.leak for each in seen if each.leak is not None),
        power_w=_total([each.power_w for each in nodes]),
        power_limit_w=_total([each.power_limit_w for each in nodes]),
        stale=sum(each.is_stale for each in seen),
        without_identity=sum(not each.has_identity for each in seen),
        deviations=sum(each.deviations for each in reached),
        firmware=sum(each.firmware for each in reached),
        oldest_age_s=max((each.age_s for each in seen if each.age_s is not None), default=None),
    )


def _count(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _total(values: list[float | None]) -> Total:
    known = [value for value in values if value is not None]
    return Total(value=sum(known) if known else None, known=len(known), of=len(values))
