"""Whether what people hold is kept: what they asked, beside what is in force and drawn.

Who caps a rack by hand relies on it: a breaker is being worked on, or a feed carries more than it
should. So whatever stands between that word and the machines is told: floors that rose above it,
nodes that do not answer, caps that were not read yet, a policy under which no loop writes. Not
known is neither kept nor not kept. That more is drawn than is in force is told only beyond what
machines overshoot their caps by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from iolaus.energy.holding import HeldCap, Sight
from iolaus.energy.policy import Mode
from iolaus.energy.standing import EdgeStanding
from iolaus.model.alarm import Occurrence
from iolaus.model.alarming import Key
from iolaus.model.hosts import fold

CODE: Final = "CapNotKept"
UID: Final = "powercap/"
ROUNDED_W: Final = 1.0
"""So much per node may a device round a cap up."""
OVER: Final = 0.05
"""A machine that draws so much more than its cap for a moment still keeps it."""
SETTLES_S: Final = 30.0
"""What was read of the draw before a cap was set says nothing of it; so long may it be shown."""
_ENDPOINTS: Final = "see whether they answer, and mend that: iolaus get endpoints"


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """`kept` None: not known. `reason` is one word, `message` says it to people; `sight` is what
    its edge sees of it, None where nobody tells."""

    cap: HeldCap
    kept: bool | None
    reason: str
    message: str = ""
    next_step: str = ""
    sight: Sight | None = None


def keeping(cap: HeldCap, edge: EdgeStanding | None, *, now: float) -> Keeping:
    """`edge` is how its rack stands; None: nobody says. `now` is seconds since 1970. Pure."""
    held = edge.held or () if edge else ()
    sight = next((each for each in held if each.subject == cap.subject), None)
    kept, reason, message, next_step = _judged(cap, edge, sight, now)
    return Keeping(
        cap=cap, kept=kept, reason=reason, message=message, next_step=next_step, sight=sight
    )


def keepings(
    caps: Iterable[HeldCap], edges: Iterable[EdgeStanding], *, now: float
) -> list[Keeping]:
    racks = {edge.rack: edge for edge in edges}
    return [keeping(cap, racks.get(cap.rack), now=now) for cap in caps]


def judged_caps(
    caps: Iterable[HeldCap], edges: Iterable[EdgeStanding], rang: Iterable[Key], *, now: float
) -> dict[Key, Occurrence | None]:
    """What rings, and of what rang (`rang`) what rings no more. Pure."""
    caps = tuple(caps)
    held = {f"{UID}{cap.subject}" for cap in caps}
    found: dict[Key, Occurrence | None] = {
        key: None for key in rang if key[1] == CODE and key[0] not in held
    }
    for each in keepings(caps, edges, now=now):
        if each.kept is not None:
            occurrence = _rings(each)
            found[occurrence.key] = None if each.kept else occurrence
    return found


_Words = tuple[bool | None, str, str, str]


def _judged(cap: HeldCap, edge: EdgeStanding | None, sight: Sight | None, now: float) -> _Words:
    rack = cap.rack
    if edge is None:
        why = f"nobody tells how {rack} stands: no edge of this hall has it"
        return None, "NoEdge", why, "see which racks have one: iolaus get edges"
    if edge.state == "hung":
        why = f"the edge of {rack} does not come round"
        return None, "EdgeSilent", why, f"see since when: iolaus describe edge/{rack}"
    if cap.until <= now:
        why = "its time is over, and what was in force before is not put back yet"
        return False, "NotTakenBack", why, f"{_ENDPOINTS}; or {_let_go(cap)}"
    if edge.held is None:
        why = f"the edge of {rack} is of an older version and does not tell"
        return None, "NotTold", why, "upgrade that edge."
    if sight is not None:
        found = _compared(cap, edge.mode, sight)
        young = found[1] in ("DrawsMore", "OnItsWay") and now - cap.at < SETTLES_S
        return (
            (None, "JustSet", "it was set a moment ago: wait for readings", "") if young else found
        )
    if cap.subject != rack and cap.subject not in edge.nodes:
        why = f"{cap.subject} is not among the nodes of {rack} that have a cap"
        return False, "NodeGone", why, _let_go(cap)
    why = f"the edge of {rack} has not heard of it yet"
    return False, "NotHeard", why, f"see whether it works: iolaus describe edge/{rack}"


def _compared(cap: HeldCap, mode: Mode, sight: Sight) -> _Words:
    if sight.in_force_w > cap.watts + ROUNDED_W * sight.nodes:
        return _above(cap, mode, sight)
    if sight.drawn_w is not None and sight.drawn_w > cap.watts * (1.0 + OVER):
        why = "its caps are in force, and more is drawn: a machine does not keep its own"
        return False, "DrawsMore", why, _who(cap)
    if sight.unseen:
        why = f"never read yet, so nobody knows what they draw: {fold(sight.unseen)}"
        return None, "NotRead", why, _ENDPOINTS
    if sight.drawn_w is not None:
        return True, "Kept", "", ""
    why = "what is drawn is not known"
    if mode is Mode.CONTROL:
        return True, "Kept", why, ""
    return None, "NotRead", f"{why}, and in mode {mode} no loop reads the caps again", _ENDPOINTS


def _above(cap: HeldCap, mode: Mode, sight: Sight) -> _Words:
    """Why more may be in force than was asked."""
    if mode is Mode.CONTROL and sight.floor_w > cap.watts:
        why = f"floors of {sight.floor_w:.0f} W are above it, and nothing is held below its floor"
        return False, "FloorsAbove", why, (
            "lower the floors in the policy (docs/power.md), or have work moved off and switch "
            "machines off: iolaus power off NODE"
        )  # fmt: skip
    if sight.silent:
        why = f"out of reach: {fold(sight.silent)}; the highest cap that may be there counts"
        return False, "NodesSilent", why, _ENDPOINTS
    if sight.unread:
        why = f"not read yet: {fold(sight.unread)}; until then all that can be drawn counts"
        return None, "NotRead", why, _ENDPOINTS
    if sight.stubborn:
        why = f"told, and kept a higher cap: {fold(sight.stubborn)}"
        return False, "CapNotTaken", why, f"look at it: iolaus describe node/{sight.stubborn[0]}"
    if mode is not Mode.CONTROL:
        why = f"in mode {mode} no loop writes to {cap.rack}, and a higher cap is in force now"
        return False, "NotHeld", why, (
            "set it again (iolaus power cap set), or have the loop hold it: mode control in the "
            "policy (docs/power.md)"
        )  # fmt: skip
    return False, "OnItsWay", "more may be in force still; it is on its way down", _who(cap)


def _let_go(cap: HeldCap) -> str:
    gone = " --as-it-is" if cap.before else ""
    return f"end it: iolaus power cap clear {cap.subject}{gone}"


def _who(cap: HeldCap) -> str:
    return f"see which: iolaus top nodes --sort power -l rack={cap.rack}"


def _rings(each: Keeping) -> Occurrence:
    cap = each.cap
    return Occurrence(
        code=CODE,
        uid=f"{UID}{cap.subject}",
        subject=cap.subject,
        message=f"{cap.by} holds it at {cap.watts:g} W: {each.message}",
        next_step=each.next_step,
        rack=cap.rack,
        labels={"rack": cap.rack},
    )


def by_rack(found: Iterable[Keeping]) -> Mapping[str, list[Keeping]]:
    racks: dict[str, list[Keeping]] = {}
    for each in found:
        racks.setdefault(each.cap.rack, []).append(each)
    return racks
