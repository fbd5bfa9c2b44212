"""How warm the coolant may be: asked of the building within guardrails, and never assumed.

Warmer coolant costs the building less, and costs the dies their margin. The set point is asked for
in small steps, upwards only while the hottest die is far from its limit and the last request was
confirmed, downwards sooner. What is not known is no reason to ask for anything. Whatever was asked,
everything else goes by what is read: a request is a wish until the building's own set point says
otherwise. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from typing import Final, NamedTuple

MAGNUS: Final = 17.625, 243.04
"""Of water over -40 to 50 C (Alduchov and Eskridge 1996, equation 21)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolantRules:
    """Degrees Celsius, kelvins and seconds. No request leaves `least_c` to `most_c` or comes nearer
    to the dew point than `dry_k`. With more than `ample_k` of margin it goes up, with less than
    `tight_k` down, by `step_k`, after `up_every_s` or `down_every_s`."""

    least_c: float = 20.0
    most_c: float = 40.0
    dry_k: float = 2.0
    ample_k: float = 20.0
    tight_k: float = 12.0
    step_k: float = 1.0
    up_every_s: float = 300.0
    down_every_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopState:
    """As read; None is unknown or old. `set_c` is the set point that the building confirms,
    `asked_c` what was asked last, at `asked_s`. `margin_k` is from the hottest die of the loop to
    its limit."""

    set_c: float | None
    margin_k: float | None
    dew_c: float | None
    asked_c: float | None = None
    asked_s: float = float("-inf")


class Die(NamedTuple):
    """How far a die is from its limit; None is unknown, with `name` of the machine."""

    name: str
    margin_k: float | None


def dew_point_c(air_c: float | None, humidity_pct: float | None) -> float | None:
    """Of air with this relative humidity; None where one of the two is unknown or cannot be."""
    if air_c is None or humidity_pct is None or not 0.0 < humidity_pct <= 100.0:
        return None
    if not -40.0 <= air_c <= 60.0:
        return None
    slope, base_c = MAGNUS
    wet = log(humidity_pct / 100.0) + slope * air_c / (base_c + air_c)
    return base_c * wet / (slope - wet)


def margin_of(dies: Iterable[Die], rules: CoolantRules) -> tuple[float | None, str]:
    """The margin of the hottest die of a loop, and why it is unknown. One that is too hot counts
    even where others are unknown: to ask for colder is safe, to ask for warmer is not."""
    rows = list(dies)
    known = [each.margin_k for each in rows if each.margin_k is not None]
    least = min(known, default=None)
    if least is not None and least < rules.tight_k:
        return least, ""
    blind = next((each.name for each in rows if each.margin_k is None), None)
    if blind is not None:
        return None, f"the dies of {blind} are not measured"
    return least, "" if rows else "no die of the loop is known"


def coolant_request(state: LoopState, rules: CoolantRules, now_s: float) -> float | None:
    """The supply temperature to ask for now; None asks nothing."""
    if state.set_c is None or state.margin_k is None or state.dew_c is None:
        return None
    least = max(rules.least_c, state.dew_c + rules.dry_k)
    wanted, every_s = state.set_c, rules.down_every_s
    if state.margin_k < rules.tight_k:
        wanted -= rules.step_k
    elif state.margin_k > rules.ample_k and state.asked_c in (None, state.set_c):
        wanted, every_s = wanted + rules.step_k, rules.up_every_s
    wanted = max(min(wanted, rules.most_c), least)
    if least > rules.most_c or wanted == state.set_c or now_s - state.asked_s < every_s:
        return None
    return wanted
