"""The edge of one rack: it holds a leased budget by itself, and lets nothing wait for a server.

Rules, in the order in which they win. A latch or a loss takes watts away at once, from tables that
stand ready. A budget is a lease on this edge's own clock; when it runs out the rack goes to its
floors. The sum of what may be in force (`cap.Cap.ceiling`) never grows over the budget in force:
first the shrinking side has read back, then others grow into what is free. Nothing grows before
every node of the rack was read since the start, nor into room that somebody out of reach may be
using. A frame of an old epoch, an old number or another start of this edge is not taken.

It is told and it answers; it does no I/O and reads no clock. `tick` is cheap when nothing is due,
so it may be called as often as one likes, and right after any event. `next_s` says when it must be.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from iolaus.energy.capping import EPS_W, Capping, Wish
from iolaus.energy.estimate import PeakHold
from iolaus.energy.excess import Crest
from iolaus.energy.frames import Budget, Report
from iolaus.energy.latches import Latched
from iolaus.energy.ports import CapRead, CapWrite, Command, Event, Grade, Latch, Medium, Sense
from iolaus.energy.rack import RackView
from iolaus.energy.reflex import ANY, SUPPLY, Hold, Verdict
from iolaus.energy.rules import EdgeRules
from iolaus.energy.share import share

KEPT: Final = 64
SHARE_AGAIN_S: Final = 1.0
_COOLING: Final = frozenset({Sense.FLOW, Sense.COOLANT})


class Edge:
    """`boot` is a word that differs for every start. `latched` are the latches that outlived the
    last process. `caps` and `reflexes` may be looked at, `withheld` is what rules forbade lately,
    `counts` what was not taken and why, `asked` what people hold, by rack or node."""

    def __init__(
        self,
        rack: RackView,
        rules: EdgeRules | None = None,
        *,
        boot: str = "",
        latched: Sequence[Latch] = (),
    ) -> None:
        self.rack, self.rules, self.boot = rack, rules or EdgeRules(), boot
        self.names = [node.name for node in rack.nodes]
        self.counts: Counter[str] = Counter()
        self.withheld: deque[Command] = deque(maxlen=KEPT)
        self.reflexes = Latched(rack, self.rules.reflex, latched)
        self.verdict = Verdict((), (), (), math.inf)
        self.next_s = -math.inf
        self._capping = Capping(rack, self.rules)
        self.caps = self._capping.caps
        self._index = {name: i for i, name in enumerate(self.names)}
        self._plates = [node.nameplate_w for node in rack.nodes]
        self._floors = [min(node.floor_w, node.nameplate_w) for node in rack.nodes]
        self.floor_w = sum(self._floors)
        self._peaks = PeakHold(
            self._plates,
            hold_s=self.rules.hold_s,
            period_s=self.rules.period_s,
            near=self.rules.near_cap,
        )
        self._crest = Crest(len(self.names))
        self._frame: Budget | None = None
        self._named: frozenset[str] = frozenset()
        self._passed: set[str] = set()
        self._stirred_s = -math.inf
        self._lease_s, self._prepared_s = -math.inf, -math.inf
        self._partial_s = -math.inf
        self._since_s: float | None = None
        self._shares, self._needs = list(self._floors), list[float]()
        self._ready: dict[str, list[float]] = {}
        self._most_w, self._held_w = math.inf, [math.inf] * len(self.names)
        self.unread: tuple[str, ...] = ()
        self.asked: Mapping[str, float] = {}

    # --- what it is told ---------------------------------------------------------------------

    def budget(self, frame: Budget, now_s: float) -> bool:
        """Take a lease. False where it is not taken, and nothing has changed."""
        refused = self._refusal(frame)
        if refused:
            self.counts[refused] += 1
            return False
        self._note_lost(frame, now_s)
        if not (frame.partial and self._frame and self._frame.partial):
            self._partial_s = now_s if frame.partial else -math.inf
        self._frame = self._lower(frame, now_s) if frame.hold else frame
        self._lease_s = now_s + min(frame.expires_in_ms / 1000.0, self.rules.lease_most_s)
        self._prepare(now_s)
        self._wake(now_s)
        return True

    def _note_lost(self, frame: Budget, now_s: float) -> None:
        """What losses this budget was planned without. One that only lowers raises nobody, so what
        was let through before stays so; where it lowers by much, a limit has fallen."""
        last = self._frame
        if now_s >= self._lease_s:
            self._named, self._stirred_s = frozenset(), now_s
            self._passed.clear()
        if frame.hold:
            if last and frame.budget_w < last.budget_w * (1.0 - self.rules.dead_band):
                self._stirred_s = now_s
        else:
            if self._named != set(frame.lost):
                self._stirred_s = now_s
            self._named = frozenset(frame.lost)

    def _lower(self, frame: Budget, now_s: float) -> Budget:
        """A new centre's first word gives nothing: the lower of its budget and that in force."""
        last = self._frame if now_s < self._lease_s else None
        held_w, shares = self.floor_w, dict[str, float]()
        if last:
            held_w, shares = last.budget_w, last.shares
        elif self._starting(now_s):
            shares = {cap.node.name: cap.ceiling for cap in self.caps}
            held_w = sum(shares.values())
        if frame.budget_w < held_w:
            return frame
        return msgspec.structs.replace(frame, budget_w=held_w, shares=shares)

    def _starting(self, now_s: float) -> bool:
        """Whether it began a moment ago and waits for its first lease: the caps stay as found."""
        began = now_s if self._since_s is None else self._since_s
        return self._frame is None and now_s - began < self.rules.start_s

    def _refusal(self, frame: Budget) -> str:
        last = self._frame
        if frame.rack != self.rack.rack:
            return "another rack's"
        if frame.boot and frame.boot != self.boot:
            return "another start's"
        if last and frame.epoch < last.epoch:
            return "old epoch"
        if last and (frame.epoch, frame.seq) <= (last.epoch, last.seq):
            return "old number"
        values = (frame.budget_w, *frame.shares.values())
        if not all(math.isfinite(value) and value >= 0 for value in values):
            return "no numbers"
        if sum(frame.shares.values()) > frame.budget_w + EPS_W:
            return "shares above budget"
        return ""

    def hold(self, rack_w: float | None, nodes_w: Mapping[str, float], now_s: float) -> None:
        """What people allow the rack (None: all) and single nodes at most, from now on; floors
        stay."""
        floors = zip(self.names, self._floors, strict=True)
        self._most_w = math.inf if rack_w is None else max(rack_w, self.floor_w)
        self._held_w = [max(nodes_w.get(name, math.inf), floor) for name, floor in floors]
        self.asked = dict(nodes_w) | ({} if rack_w is None else {self.rack.rack: rack_w})
        self._wake(now_s)

    def wait_for(self, unread: Sequence[str], now_s: float) -> None:
        """These stand in the rack, and nobody has read them: what they may draw is not known, so
        nothing here grows until they were, or do not answer."""
        if self.unread != (names := tuple(unread)):
            self.unread = names
            self._wake(now_s)

    def inherit(self, old: Edge, now_s: float) -> None:
        """Take the place of an edge of the same rack in the same process: what that had heard is
        still so. Its lease is not taken over, and caps are read afresh where this one reads."""
        self.reflexes.inherit(old.reflexes)
        for cap in old.caps:
            if cap.known_w is not None:
                self.cap_seen(cap.node.name, cap.known_w, now_s)
        self._wake(now_s)

    def event(self, event: Event, now_s: float) -> None:
        """A sensor said something. Call `tick` right after."""
        if event.sense is Sense.RACK_POWER and event.value is not None:
            self._metered(event.subject, event.value, now_s)
        before = self.reflexes.grade(event.sense, event.subject)
        news = self.reflexes.hear(event, now_s)
        after = self.reflexes.grade(event.sense, event.subject)
        if after is Grade.GOOD and before is not Grade.GOOD and event.subject in self._named:
            self._passed.add(event.subject)
        elif before is Grade.GOOD and after is not Grade.GOOD:
            self._passed.discard(event.subject)
        if after is not before and event.sense in SUPPLY:
            self._stirred_s = now_s
        if news:
            self._wake(now_s)

    def reading(self, node: str, watts: float | None, quality: int, now_s: float) -> None:
        """What a node draws. `quality` 1 is good; anything else makes it unknown."""
        if node in self._index:
            index, good = self._index[node], quality == 1
            cap = self.caps[index]
            self._peaks.take(index, watts if good else None, now_s, cap_w=cap.level)
            if good and watts is not None and math.isfinite(watts):
                self._crest.reading(index, watts, cap.ceiling, now_s)
            else:
                self._crest.unread(index)

    def _metered(self, shelf: str, watts: float, now_s: float) -> None:
        if math.isfinite(watts) and watts >= 0:
            self._crest.meter(shelf, watts, now_s)

    def written(
        self, node: str, watts_read_back: float | None, now_s: float, *, ticket: int | None = None
    ) -> None:
        """The answer to a `CapWrite` or a `CapRead`: the cap as it was read back, or None. An
        answer without a ticket is taken as that to the last command for the node."""
        if node not in self._index:
            return
        cap = self.caps[self._index[node]]
        if watts_read_back is not None and not 0 <= watts_read_back < math.inf:
            watts_read_back = None
        mine = cap.ticket if ticket is None else ticket
        if not cap.answered(mine, watts_read_back, now_s, late_s=self.rules.late_s):
            self.counts["late answers"] += 1
        self._wake(now_s)

    def cap_seen(self, node: str, watts: float, now_s: float) -> None:
        """What somebody else read of a cap, for an edge that only watches and asks for nothing."""
        if node not in self._index or self.rules.reads or not 0 <= watts < math.inf:
            return
        cap = self.caps[self._index[node]]
        if cap.known_w != watts:
            cap.known_w = watts
            self._wake(now_s)

    def powered(self, node: str, on: bool | None, now_s: float) -> None:
        """Whether a node was read to be on; None is unknown."""
        if node in self._index and self.reflexes.powered(node, on):
            self._wake(now_s)

    def isolated(self, medium: Medium, done: bool, now_s: float) -> None:
        """The building's word on an `IsolationRequest`."""
        self.reflexes.isolated(medium, done)
        self._wake(now_s)

    def release(self, name: str, now_s: float) -> Latch:
        """A person ends a latch. It gives back room and nothing else: no node is switched on.
        `PolicyRefused` while its cause is still read, `OperatorMust` where there is none."""
        latch = self.reflexes.release(name)
        self._wake(now_s)
        return latch

    def _wake(self, now_s: float) -> None:
        self.next_s = min(self.next_s, now_s)

    # --- what it says ------------------------------------------------------------------------

    def tick(self, now_s: float) -> list[Command]:
        """What is to be done now, most urgent first. New latches stand in `reflexes.latches` when
        it returns: they are to be saved before its commands are carried out."""
        if self._since_s is None:
            self._since_s = now_s
        if now_s < self.next_s:
            return []
        for cap in self.caps:
            if cap.timed_out(now_s, answer_s=self.rules.answer_s, late_s=self.rules.late_s):
                self.counts["unanswered"] += 1
        self.verdict = self.reflexes.judge(now_s)
        struck = self.reflexes.commands(now_s)
        wish = self._wish(now_s)
        commands = self._gate([*struck, *self._capping.commands(wish, now_s)], now_s)
        self._crest.may(sum(cap.ceiling for cap in self.caps), now_s)
        due_s = min(self.verdict.due_s, self.reflexes.due_s(now_s), now_s + self.rules.look_s)
        self.next_s = min(due_s, self._lease_s) if now_s < self._lease_s else due_s
        return commands

    def budget_w(self, now_s: float) -> float:
        """What the sum of the caps may come to now."""
        return self._wish(now_s).budget_w

    def leased(self, now_s: float) -> bool:
        return now_s < self._lease_s

    def draws_w(self, now_s: float) -> list[float | None]:
        """By node; None where nothing fresh was read."""
        return self._peaks.newest(now_s)

    def report(self, now_s: float) -> Report:
        """What the centre is told. An unknown is charged at its highest."""
        last = self._frame
        ceilings = [cap.ceiling for cap in self.caps]
        known = [
            p if c.known_w is None else c.known_w
            for c, p in zip(self.caps, self._plates, strict=True)
        ]
        demand = self._demand(now_s)
        return Report(
            epoch=last.epoch if last else 0,
            seq=last.seq if last else 0,
            rack=self.rack.rack,
            applied_w=sum(known),
            granted_w=sum(ceilings),
            demand_w=dict(zip(self.names, demand, strict=True)),
            measured_w=self._peaks.measured(now_s),
            excess_w=self._crest.excess_w(now_s),
            unreachable=tuple(cap.node.name for cap in self.caps if cap.unreachable),
            latched=tuple(sorted(self.reflexes.held())),
            mono_s=now_s,
            boot=self.boot,
        )

    # --- inside ------------------------------------------------------------------------------

    def _demand(self, now_s: float) -> list[float]:
        """A node that a reflex holds can want no more than that leaves it; one out of reach has
        what it may have, whatever it wants."""
        rules = self.rules
        caps = np.array([cap.ceiling for cap in self.caps])
        free = self._peaks.demand(caps, now_s, margin=rules.margin)
        return [
            cap.ceiling if cap.unreachable else min(w, held, self.reflexes.limit_w(cap.node.name))
            for w, held, cap in zip(free.tolist(), self._held_w, self.caps, strict=True)
        ]

    def _prepare(self, now_s: float) -> None:
        """Work out the shares, and beforehand those after each loss that may come."""
        frame = self._frame
        if frame is None:
            return
        nodes, self._prepared_s = self.rack.nodes, now_s
        demand = self._needs = self._demand(now_s)
        proposed = [frame.shares.get(name) for name in self.names]
        if None not in proposed:
            self._shares = share(nodes, [each or 0.0 for each in proposed], frame.budget_w)
        else:
            self._shares = share(nodes, demand, frame.budget_w)
        self._ready = {
            subject: share(nodes, demand, min(watts, frame.budget_w))
            for subject, watts in self.rack.armed.items()
        }

    def _wish(self, now_s: float) -> Wish:
        """The cap that each node should have now, and what the rack may draw in sum."""
        frame = self._frame
        leased = frame is not None and now_s < self._lease_s
        if frame and leased and not frame.shares and now_s - self._prepared_s >= SHARE_AGAIN_S:
            self._prepare(now_s)
        budget_w = max(frame.budget_w, self.floor_w) if frame and leased else self.floor_w
        caps_w = list(self._shares) if leased else list(self._floors)
        if not leased and self._starting(now_s):
            budget_w, caps_w = math.inf, [cap.ceiling for cap in self.caps]
        hard = not leased
        for hold in self._holds(now_s):
            watts, table = self._held(hold)
            budget_w = min(budget_w, watts)
            caps_w = [min(pair) for pair in zip(caps_w, table, strict=True)]
            hard = True
        if budget_w > self._most_w:
            budget_w, table = self._most_w, share(self.rack.nodes, caps_w, self._most_w)
            caps_w = [min(pair) for pair in zip(caps_w, table, strict=True)]
        latched = [self.reflexes.limit_w(name) for name in self.names]
        counted = now_s - self._stirred_s >= self.rules.stirred_s
        waits = counted and now_s - self._partial_s < self.rules.partial_s
        settled = all(cap.settled for cap in self.caps) and not self.unread
        return Wish(
            caps_w=[min(each) for each in zip(caps_w, latched, self._held_w, strict=True)],
            budget_w=budget_w,
            latched_w=latched,
            held_w=self._held_w,
            hard=hard,
            because=self._because(now_s),
            grow=leased and not self._blind() and settled and not waits,
            counted=counted,
            needs_w=self._needs,
        )

    def _holds(self, now_s: float) -> list[Hold]:
        """The losses that the budget in force was not planned without. One that was, and is over,
        does not strike again while its return is waited out."""
        if self._frame is None or now_s >= self._lease_s:
            return list(self.verdict.holds)
        known = self._named | self._passed
        return [h for h in self.verdict.holds if h.fraction is not None or h.subject not in known]

    def _held(self, hold: Hold) -> tuple[float, list[float]]:
        """What a loss leaves to the rack and to each node: as worked out before, if it was."""
        if hold.fraction is not None:
            table = [
                max(f, hold.fraction * p) for f, p in zip(self._floors, self._plates, strict=True)
            ]
            return math.inf, table
        watts = max(self.floor_w, hold.watts if hold.watts is not None else 0.0)
        ready = self._ready.get(hold.subject) or self._ready.get(ANY)
        if ready is None or hold.subject not in self.rack.armed:
            ready = share(self.rack.nodes, self._floors, watts)
        return watts, ready

    def _because(self, now_s: float) -> str:
        holds = self._holds(now_s)
        if holds:
            return holds[0].because
        return "its share of the budget" if self.leased(now_s) else "no lease: the floor"

    def _blind(self) -> bool:
        """Whether what carries the heat away is unknown: then nothing grows."""
        return any(alarm.sense in _COOLING for alarm in self.verdict.alarms)

    def _gate(self, commands: list[Command], now_s: float) -> list[Command]:
        """What may be done; what may not is kept to be shown."""
        allowed: list[Command] = []
        for command in commands:
            if self._may(command):
                self._capping.sent(command, now_s)
                allowed.append(command)
            else:
                self.withheld.append(command)
        return allowed

    def _may(self, command: Command) -> bool:
        if isinstance(command, CapRead):
            return True
        if isinstance(command, CapWrite) and not command.reflex:
            return self.rules.acts
        return self.rules.reflexes_act
