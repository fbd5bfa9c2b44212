"""The reflexes of one rack at work: what was heard, what has struck, and what is still to be done.

`reflex.judge` says what follows from the signals of a moment; here it is held on to. A latch grows
and never shrinks by itself. What it asks for is asked again until it was read to be so: a node that
is on while a latch wants it off is switched off again, whoever switched it on.

Isolation keeps an order. The electrical request comes first; the liquid one when that is confirmed,
or every node was read to be off, or the building has had its time to answer. Where the leak is
wider than a rack, every edge of the loop is told the same, so there a rack is isolated only after
its own nodes are off: no loop loses all its racks under power.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from iolaus.energy.ports import (
    Command,
    Event,
    Grade,
    IsolationRequest,
    Latch,
    Medium,
    PowerOff,
    Sense,
)
from iolaus.energy.rack import RackView
from iolaus.energy.reflex import Heard, Key, ReflexRules, Verdict, hear, judge, silenced, zone_of
from iolaus.kernel.errors import OperatorMust, PolicyRefused

AGAIN_S: Final = 2.0
MOST_SIGNALS: Final = 4096
_WET: Final = frozenset({Grade.WARNING, Grade.CRITICAL})


class Latched:
    """`latches` by name; `changed` counts how often they have."""

    def __init__(self, rack: RackView, rules: ReflexRules, latched: Sequence[Latch]) -> None:
        self._rack, self._rules = rack, rules
        self.signals: dict[Key, Heard] = {}
        self.latches = {latch.name: latch for latch in latched}
        self.changed = 0
        self._on: dict[str, bool | None] = {}
        self._asked: dict[tuple[str, str], float] = {}
        self._isolated: set[Medium] = set()
        self._nodes = {node.name: node for node in rack.nodes}

    def hear(self, event: Event, now_s: float) -> bool:
        """Whether it may change what is judged: good that was good before is no news. Subjects
        beyond the bound are not taken: a hall has fewer, a liar may not."""
        key = (event.sense, event.subject)
        last = self.signals.get(key)
        if last is None and len(self.signals) >= MOST_SIGNALS:
            return False
        heard = hear(last, event, self._rules, now_s, limit_w=self._rack.limit_w)
        self.signals[key] = heard
        return last is None or not heard.grade is last.grade is Grade.GOOD

    def inherit(self, old: Latched) -> None:
        """What was heard by one that stood for the same rack before."""
        self.signals.update(old.signals)
        self._on.update((name, on) for name, on in old._on.items() if name in self._nodes)
        self._isolated, self._asked = set(old._isolated), dict(old._asked)

    def grade(self, sense: Sense, subject: str) -> Grade | None:
        """The last word on a subject; None where there was none."""
        heard = self.signals.get((sense, subject))
        return None if heard is None else heard.grade

    def judge(self, now_s: float) -> Verdict:
        for event in silenced(self.signals, self._rules, now_s):
            self.hear(event, now_s)
        verdict = judge(self.signals, self._rack, self._rules, now_s)
        for latch in verdict.latches:
            held = self.latches.get(latch.name)
            grown = latch if held is None else _grown(held, latch)
            if grown != held:
                self.latches[latch.name] = grown
                self.changed += 1
        return verdict

    def powered(self, node: str, on: bool | None) -> bool:
        """Whether that is news."""
        is_news = node not in self._on or self._on[node] is not on
        self._on[node] = on
        return is_news

    def isolated(self, medium: Medium, done: bool) -> None:
        if done:
            self._isolated.add(medium)
        else:
            self._isolated.discard(medium)

    def off(self) -> set[str]:
        """The nodes that are to be without power."""
        return {node for latch in self.latches.values() if latch.off for node in latch.nodes}

    def held(self) -> set[str]:
        """The nodes that a reflex holds down."""
        return {node for latch in self.latches.values() for node in latch.nodes}

    def drained(self) -> set[str]:
        return {node for latch in self.latches.values() if latch.drain for node in latch.nodes}

    def limit_w(self, node: str) -> float:
        """The highest cap that the latches leave to a node; infinite where none holds it."""
        view, most = self._nodes[node], math.inf
        for latch in self.latches.values():
            if node in latch.nodes:
                part = latch.cap_fraction
                own = view.floor_w if part is None else part * view.nameplate_w
                own = min(own, view.floor_w) if latch.off else own
                most = min(most, max(own, view.least_w))
        return most

    # --- what is to be done ------------------------------------------------------------------

    def commands(self, now_s: float) -> list[Command]:
        found: list[Command] = [
            PowerOff(node=node, because=latch.because)
            for latch in self.latches.values()
            if latch.off
            for node in latch.nodes
            if self._on.get(node) is not False and self._again("off", node, now_s)
        ]
        found += self._isolation(now_s)
        return list({_of(each): each for each in found}.values())

    def _isolation(self, now_s: float) -> Iterator[IsolationRequest]:
        asked = [latch for latch in self.latches.values() if latch.isolate]
        if not asked:
            return
        at_once = any(not latch.after_off for latch in asked)
        if not at_once and not self._all_off():
            return
        because = asked[0].because
        for medium in (Medium.ELECTRICAL, Medium.LIQUID):
            if medium in self._isolated:
                continue
            if medium is Medium.LIQUID and not self._may_dry(now_s):
                return
            if self._again("isolate", medium, now_s):
                yield IsolationRequest(rack=self._rack.rack, medium=medium, because=because)

    def _may_dry(self, now_s: float) -> bool:
        first = self._asked.get(("first", Medium.ELECTRICAL))
        waited = first is not None and now_s - first >= self._rules.liquid_after_s - 1e-9
        return Medium.ELECTRICAL in self._isolated or self._all_off() or waited

    def _all_off(self) -> bool:
        return all(self._on.get(node) is False for node in self._nodes)

    def _again(self, what: str, subject: str, now_s: float) -> bool:
        """Whether it is time to ask (again)."""
        if now_s - self._asked.get((what, subject), -math.inf) < AGAIN_S - 1e-9:
            return False
        self._asked[(what, subject)] = now_s
        self._asked.setdefault(("first", subject), now_s)
        return True

    def due_s(self, now_s: float) -> float:
        """When there is something to ask again; never earlier than now."""
        if not any(latch.off or latch.isolate for latch in self.latches.values()):
            return math.inf
        dues = [at + AGAIN_S for (what, _), at in self._asked.items() if what != "first"]
        first = self._asked.get(("first", Medium.ELECTRICAL))
        if first is not None and Medium.LIQUID not in self._isolated:
            dues.append(first + self._rules.liquid_after_s)
        return min((due for due in dues if due > now_s), default=math.inf)

    # --- a person's word ---------------------------------------------------------------------

    def must_release(self, name: str) -> Latch:
        """What could be released now. Raises as `release` does."""
        latch = self.latches.get(name)
        if latch is None:
            raise _none(name, self._rack.rack)
        for key in self._causes(latch):
            if self.signals[key].grade in _WET:
                raise _still(latch, key[1])
        return latch

    def release(self, name: str) -> Latch:
        latch = self.must_release(name)
        for key in self._causes(latch):  # what is unknown now was looked at by whoever releases
            self.signals[key] = self.signals[key]._replace(wet=None)
        del self.latches[name]
        self.changed += 1
        if not any(each.isolate for each in self.latches.values()):
            self._isolated.clear()
            self._asked.clear()
        return latch

    def _causes(self, latch: Latch) -> list[Key]:
        return [
            (sense, subject)
            for sense, subject in self.signals
            if sense is latch.sense
            and latch.subject
            == (zone_of(self._rack, subject).name if sense is Sense.LEAK else subject)
        ]


def _grown(held: Latch, new: Latch) -> Latch:
    """Both, at the harsher of each; the words of the new one where it is harsher."""
    fractions = [each for each in (held.cap_fraction, new.cap_fraction) if each is not None]
    grown = msgspec.structs.replace(
        held,
        nodes=tuple(dict.fromkeys((*held.nodes, *new.nodes))),
        cap_fraction=min(fractions) if len(fractions) == 2 else None,
        off=held.off or new.off,
        isolate=held.isolate or new.isolate,
        after_off=held.after_off and new.after_off,
        drain=held.drain or new.drain,
    )
    if (grown.off, grown.isolate) == (held.off, held.isolate):
        return grown
    return msgspec.structs.replace(grown, grade=new.grade, because=new.because)


def _of(command: Command) -> tuple[str, str]:
    if isinstance(command, IsolationRequest):
        return "isolate", command.medium
    return "node", command.node


def _none(name: str, rack: str) -> OperatorMust:
    return OperatorMust(
        f"there is no latch {name!r}",
        operation="release latch",
        subject=rack,
        code="NoSuchLatch",
        next_step="list what is latched: iolaus get edges",
    )


def _still(latch: Latch, subject: str) -> PolicyRefused:
    return PolicyRefused(
        f"{subject} still reads so: {latch.because}",
        operation="release latch",
        subject=latch.name,
        code="StillTripped",
        next_step="end the cause first; a latch is released when its sensor reads good or is out",
    )
