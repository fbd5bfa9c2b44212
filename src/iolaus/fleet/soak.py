"""The soak of a wave: whether its nodes stay well, and whether the gates hold all the while.

What is not known has not passed. A soak in which something could not be told begins again when it
can, and so does one in which the roll-out was paused: a wave that passed was seen to be good from
the beginning of its soak to the end. What cannot be told for as long as the soak is long is a
matter for a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from iolaus.fleet.gate import Gate, Judgement, Verdict, judge_gate, parse_gate
from iolaus.fleet.numbers import GATE_NAMES, counted
from iolaus.fleet.view import View
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import GateRule, Wave
from iolaus.model.rollout import Decision, NodeState, RolloutState, WaveProgress

PATIENCE_S: Final = 600.0
"""What cannot be told is waited for so long at least, however short the soak."""
SETTLE_S: Final = 60.0
TRIES: Final = 4
"""A soak that has not come to its end after so many times as long is no longer begun again."""


def all_turned_bad(view: View) -> dict[str, str]:
    """Those of waves that have begun and not passed, each with why."""
    return {
        uid: why
        for uid in view.seen.ill
        if view.sheet.wave_of.get(uid) in view.soaking and (why := turned_bad(view, uid))
    }


def turned_bad(view: View, uid: str) -> str:
    """Why a node that is done is worse than before it was begun; empty: it is not, or nothing was
    seen of it since. What was so already while it was worked on counts when it is still so a
    while after: what is seen may lag behind."""
    node, standing = view.node(uid), view.world.of(uid)
    ended = node.ended_at or 0.0
    if node.state is not NodeState.DONE or standing.at <= ended:
        return ""
    settled = turned_at(view, uid) > ended or standing.at >= ended + SETTLE_S
    return _worse(view, uid) if settled else ""


def _worse(view: View, uid: str) -> str:
    node, standing = view.node(uid), view.world.of(uid)
    if standing.here is False:
        return f"it is away: {standing.why or 'it does not answer'}"
    before = standing.unwell_since is not None and standing.unwell_since <= (node.started_at or 0)
    if standing.well is False and not before:
        return standing.why or "it is not well"
    return ""


def turned_at(view: View, uid: str) -> float:
    """When it did, as far as that is known."""
    standing = view.world.of(uid)
    since = standing.since if standing.here is False else standing.unwell_since
    return standing.at if since is None else since


def soak(view: View, number: int) -> Decision:
    """What to do in a wave whose nodes are all over."""
    wave, progress = view.plan.waves[number], view.wave(number)
    judged = [*_wellness(view, wave), *_gates(view, wave)]
    for verdict in (Verdict.FAILED, Verdict.UNKNOWN):
        if found := next((each for each in judged if each.verdict is verdict), None):
            failed = verdict is Verdict.FAILED
            return _failed(view, number, found) if failed else _unclear(view, number, found)
    if progress.state != "soaking":
        return _mark(view, wave, "soaking" if wave.soak_s > 0 else "passed")
    left_s = wave.soak_s - (view.now - max(progress.since or 0.0, view.progress.since))
    if left_s <= 0:
        return _mark(view, wave, "passed")
    text = f"wave {wave.name} soaks for {max(1, round(left_s / 60))} more min"
    return Decision(holds={"": text}, wake_s=left_s)


def _mark(view: View, wave: Wave, state: str) -> Decision:
    return Decision(waves=(WaveProgress(name=wave.name, state=state, since=view.now),), wake_s=0.0)


def again(view: View, number: int) -> tuple[WaveProgress, ...]:
    """The mark by which a soak that was not good all through begins again; none outside one."""
    progress = view.wave(number)
    if progress.state != "soaking":
        return ()
    return (WaveProgress(name=progress.name, state="began", since=view.now),)


def _failed(view: View, number: int, found: Judgement) -> Decision:
    name = view.plan.waves[number].name
    reason = f"gate {found.gate} of wave {name}: {found.sentence} Mend it, then resume"
    return Decision(
        state=RolloutState.PAUSED,
        reason=f"{reason}; or abort.",
        waves=again(view, number),
        holds={"": found.sentence},
    )


def _unclear(view: View, number: int, found: Judgement) -> Decision:
    wave, progress = view.plan.waves[number], view.wave(number)
    ended = (view.node(uid).ended_at or 0.0 for uid in wave.nodes)
    tried_s = view.now - max(view.progress.since, *ended)
    patience_s = max(wave.soak_s, PATIENCE_S)
    if tried_s >= wave.soak_s + TRIES * patience_s:
        return _left(view, number, found, "could not be told again and again for", tried_s)
    if progress.state == "soaking":
        return Decision(waves=again(view, number), holds={"": found.sentence})
    untold_s = min(tried_s, view.now - (progress.since or 0.0))
    if untold_s < patience_s:
        return Decision(holds={"": found.sentence}, wake_s=patience_s - untold_s)
    return _left(view, number, found, "could not be told for", untold_s)


def _left(view: View, number: int, found: Judgement, how: str, for_s: float) -> Decision:
    """To a person."""
    name = view.plan.waves[number].name
    return Decision(
        state=RolloutState.PAUSED,
        reason=f"{found.gate} of wave {name} {how} {for_s / 60:.0f} min: {found.sentence} "
        "See why, then resume; or abort.",
        waves=again(view, number),
        holds={"": found.sentence},
    )


def _wellness(view: View, wave: Wave) -> Iterator[Judgement]:
    """Each node that is done has to be seen well since then."""
    unclear = {uid: why for uid in wave.nodes if (why := _unseen(view, uid))}
    if unclear:
        uid, why = next(iter(unclear.items()))
        more = f", and {len(unclear) - 1} more" if len(unclear) > 1 else ""
        sentence = f"{view.name(uid)}: {why}{more}."
        yield Judgement(gate="health", verdict=Verdict.UNKNOWN, sentence=sentence)


def _unseen(view: View, uid: str) -> str:
    node, standing = view.node(uid), view.world.of(uid)
    if node.state is not NodeState.DONE:
        return ""
    if turned_bad(view, uid):
        goes_back = view.plan.on_failure.node == "rollback" and not node.unwound
        return "it waits to be rolled back" if goes_back and standing.here is True else ""
    if standing.at <= (node.ended_at or 0.0):
        return "it was not seen since it was done"
    if worse := _worse(view, uid):
        return f"{worse}; it may not have settled yet"
    if standing.here is None or standing.well is None:
        return standing.why or "whether it is well is not known"
    return ""


def _gates(view: View, wave: Wave) -> Iterator[Judgement]:
    values = {**view.world.values, **_numbers(view, wave)}
    for rule in view.plan.gates:
        if rule.expr:
            yield _judged(rule, values)
        if rule.command:
            yield view.world.hooks.get(rule.name) or _unknown(rule.name, "it was not asked yet.")


def _numbers(view: View, wave: Wave) -> dict[str, float | None]:
    done = [view.world.of(uid) for uid in wave.nodes if view.state(uid) is NodeState.DONE]
    attested = [each.attested for each in done]
    wells = [each.well for each in done]
    return {
        **counted(view.counts()),
        "unattested": None if None in attested else attested.count(False),
        "unwell": None if None in wells else wells.count(False),
    }


def _judged(rule: GateRule, values: dict[str, float | None]) -> Judgement:
    try:
        gate = _gate(rule.name, rule.expr, GATE_NAMES.union(values))
    except OperatorMust as error:
        return _unknown(rule.name, f"{error.message}.")
    return judge_gate(gate, values)


def _unknown(gate: str, sentence: str) -> Judgement:
    return Judgement(gate=gate, verdict=Verdict.UNKNOWN, sentence=sentence)


@lru_cache(maxsize=64)
def _gate(name: str, expr: str, names: frozenset[str]) -> Gate:
    return parse_gate(name, expr, names=names)
