"""One step of one node, forth or back: look, journal, do, journal, look until it is so.

Nothing is remembered here: every turn asks the account how far the step came, so a step that was
interrupted at any instant goes on by the same road. The rules:

- Nothing is sent before the journal on disk says that it will be, nor when the lease runs out.
- What came of it is noted, and on disk before the next thing is sent; at once where nothing but
  the journal could tell it after a crash.
- After a sending whose effect is not known (silence, a garbled answer, a crash) it is looked at
  first, for all the time that the step has; it is sent again only if the device itself answers
  that it is not so, or if the device had refused it.
- What does not come true is tried by the rungs of its ladder in order, as far as budgets go.
- A new password waits while logins are held back, so that no account is locked, and its time is
  not counted meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from iolaus.act.aim import Aim
from iolaus.act.book import Book
from iolaus.act.budget import Budgets
from iolaus.act.entries import Began, Ended, Said, Sent
from iolaus.act.faults import Fault, fault_of, held_s
from iolaus.act.fold import Pass, Phase, Way
from iolaus.act.looking import Looking, Pace, Until, Watched
from iolaus.act.ports import Hands, Sight
from iolaus.act.waiting import within
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.plan import Action, Json, NodePlan, Verb
from iolaus.model.rollout import Entry, EntryKind

REASON_CHARS: Final = 500
LONGEST_WISH_S: Final = 300.0
ONLY_TOLD: Final = frozenset({Verb.DRAIN, Verb.RENEW_CERTIFICATE})
"""Their receipts say what the device does not: whether it was us, and what was signed for it."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a pursuit ended: `done`, or failed for a `reason` (`silent`: nobody answered).
    `stopped`: nothing was begun, because nothing more is to begin."""

    done: bool = False
    stopped: bool = False
    silent: bool = False
    reason: str = ""


DONE: Final = Ending(done=True)
STOPPED: Final = Ending(stopped=True)


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's run needs besides its plan."""

    hands: Hands
    clock: Clock
    budgets: Budgets
    pace: Pace = Pace()


class Pursuit:
    """Of one aim. What was begun is brought to its end even when the roll-out is to stop."""

    def __init__(self, aim: Aim, node: NodePlan, *, book: Book, tools: Tools) -> None:
        self._aim, self._node, self._book = aim, node, book
        self._hands, self._clock, self._budgets = tools.hands, tools.clock, tools.budgets
        self._pace = tools.pace
        self._looking = Looking(node, hands=tools.hands, clock=tools.clock, pace=tools.pace)

    @property
    def _now(self) -> Pass:
        return self._book.account.passed(self._aim.step.id, self._aim.way)

    @property
    def _stopping(self) -> bool:
        return self._aim.way is Way.FORTH and not self._book.running

    async def run(self) -> Ending:
        """Raises `Interrupted`."""
        while True:
            now = self._now
            if now.phase is Phase.DONE:
                return DONE
            if now.phase is Phase.FAILED:
                return Ending(reason=now.reason, silent=now.silent)
            if now.phase is Phase.FRESH:
                if self._stopping:
                    return STOPPED
                await self._first(now)
            elif now.phase is Phase.REFUSED:
                await self._refused(now)
            else:
                await self._follow(now)

    # What comes next

    async def _first(self, now: Pass) -> None:
        there = await self._is_so(now, for_s=0.0) if self._aim.look_first else None
        if there is not None and there.settled:
            self._end(there.sight, already=True)
        else:
            await self._begin(now)

    async def _refused(self, now: Pass) -> None:
        """It took no effect: again after a pause, while the step's time and attempts last."""
        since = now.begun_at if now.refused_since is None else now.refused_since
        most_s = self._pace.longest_held_s if now.held else self._aim.step.timeout_s
        late = self._clock.now() - since > most_s
        if now.on_rung:
            await self._onward(now, await self._is_so(now, for_s=0.0))
        elif late or now.sends >= self._aim.step.attempts:
            await self._rung(now, now.reason, silent=False)
        else:
            pause = self._pace.refused_s * 2 ** min(now.refusals - 1, 10)
            pause = min(pause, self._pace.refused_slowest_s)
            await self._clock.sleep(max(pause, min(now.wait_s, LONGEST_WISH_S)))
            await self._begin(now)

    async def _follow(self, now: Pass) -> None:
        """It was sent, or may have been: look until it is so or its time is up."""
        if not self._aim.after:
            self._unseen(now)
            return
        whole_s = self._aim.step.timeout_s
        left_s = whole_s - max(0.0, self._clock.now() - now.begun_at)
        watched = await self._is_so(now, for_s=max(left_s, min(self._pace.grace_s, whole_s)))
        await self._onward(now, watched)

    def _unseen(self, now: Pass) -> None:
        """A step after which nothing can be read back."""
        if now.phase is Phase.SENT:
            self._end(Sight(verdict="met"))
        else:
            self._fail("whether it took effect is not known, and nothing tells", silent=False)

    async def _onward(self, now: Pass, watched: Watched) -> None:
        sight = watched.sight
        if watched.settled:
            self._end(sight)
        elif sight.verdict == "unmet" and sight.answered and now.sends < self._aim.step.attempts:
            await self._begin(now)
        else:
            text = sight.detail or f"{self._aim.step.text}: it did not come true"
            await self._rung(now, text, silent=watched.silent)

    async def _rung(self, now: Pass, why: str, *, silent: bool) -> None:
        """The next rung of the ladder; failed where there is none."""
        if now.escalated < len(self._aim.escalate):
            await self._send(self._aim.escalate[now.escalated], {}, rung=True, silent=silent)
        else:
            self._fail(why, silent=silent)

    # Beginning

    async def _begin(self, now: Pass) -> None:
        """Read the preconditions afresh, and send."""
        until, pause = Until(self._clock, self._aim.step.timeout_s, self._pace), self._pace.look_s
        while not (now.phase is Phase.FRESH and self._stopping):
            sight = await self._ready(now)
            if sight.verdict == "unmet":
                sight = await self._already(now, sight)
            elif sight.verdict == "met" and now.uncertain:
                sight = await self._still_not(now, sight)
            if self._now != now:
                return
            if sight.verdict == "met":
                await self._send(self._aim.action, sight.seen, rung=False)
            elif sight.verdict == "unmet":
                await self._refrain(now, f"not begun: {sight.detail}", sight)
            elif until.left_s(sight) <= 0:
                await self._refrain(now, f"not begun, it is not known: {sight.detail}", sight)
            if self._now != now:
                return
            await self._clock.sleep(pause)
            pause = min(pause * self._pace.growth, self._pace.slowest_s)

    async def _ready(self, now: Pass) -> Sight:
        """Whether it may be sent, with the baseline in `seen`; unmet only when looks agree."""
        step, before = self._aim.step, self._aim.before
        sight = await self._looking.look(step, before, now.baseline)
        if sight.verdict == "unmet":
            again = await self._looking.settle(
                step, before, baseline=now.baseline, for_s=0.0, verdict="unmet"
            )
            return again.sight if again.settled else _unclear(again.sight)
        if sight.verdict == "unknown" or now.attempt or not self._aim.changes:
            return sight
        there = await self._looking.look(step, self._aim.after, {})
        if missing := self._aim.changes - there.seen.keys():
            detail = there.detail or f"{', '.join(sorted(missing))} cannot be read"
            return Sight(verdict="unknown", detail=detail, answered=there.answered)
        return msgspec.structs.replace(sight, seen={**there.seen, **sight.seen})

    async def _already(self, now: Pass, unready: Sight) -> Sight:
        """It may not begin: perhaps it is so already (and it ends here); perhaps that is not
        known. Without a baseline nothing is known to have changed."""
        if not self._aim.after or (self._aim.changes and not now.attempt):
            return unready
        there = await self._is_so(now, for_s=0.0)
        if there.settled:
            self._end(there.sight, already=not now.attempt)
        return _unclear(there.sight) if there.settled or _is_unknown(there.sight) else unready

    async def _still_not(self, now: Pass, ready: Sight) -> Sight:
        """At the last moment before it is sent again: what was sent before may have come true."""
        there = await self._is_so(now, for_s=0.0)
        if there.settled:
            self._end(there.sight)
        elif there.sight.verdict == "unmet" and there.sight.answered:
            return ready
        return _unclear(there.sight)

    async def _refrain(self, now: Pass, text: str, sight: Sight) -> None:
        if now.attempt:
            await self._rung(now, text, silent=not sight.answered)
        else:
            self._fail(text, silent=not sight.answered)

    async def _is_so(self, now: Pass, *, for_s: float) -> Watched:
        aim = self._aim
        return await self._looking.settle(aim.step, aim.after, baseline=now.baseline, for_s=for_s)

    # Journal, do, journal

    async def _send(
        self, action: Action, seen: Mapping[str, Json], *, rung: bool, silent: bool = False
    ) -> None:
        if not self._budgets.draw(action.budget):
            self._fail(self._budgets.told(action.budget), silent=silent)
            return
        attempt = self._now.attempt + 1
        began = Began(
            attempt=attempt,
            effect=self._aim.effect(self._book.id, attempt),
            verb=action.verb.value,
            subject=action.subject,
            budget=action.budget,
            seen=seen,
        )
        announced = self._entry(EntryKind.ESCALATED if rung else self._aim.began, began)
        await self._book.write(announced)
        self._book.check()
        sent, final = await self._do(action, began)
        said = [self._entry(EntryKind.SENT, sent)]
        if final and not rung:
            said.append(self._entry(self._aim.failed, Ended(reason=sent.detail)))
        if action.verb in ONLY_TOLD or not self._aim.after:
            await self._book.write(*said)
        else:
            self._book.note(*said)

    async def _do(self, action: Action, began: Began) -> tuple[Sent, bool]:
        """What came of it, and whether that is final."""
        undo, step = self._aim.way is Way.BACK, self._aim.step
        try:
            async with within(self._clock, step.timeout_s):
                receipt = await self._hands.do(self._node, step, action, effect=began.effect)
        except (IolausError, TimeoutError) as error:
            fault = fault_of(error)
            sent = Sent(
                attempt=began.attempt,
                outcome="silent" if fault is Fault.UNKNOWN else "refused",
                undo=undo,
                passing=fault is Fault.PASSING,
                held=held_s(error, step) > 0,
                wait_s=getattr(error, "retry_after_s", None) or 0.0,
                detail=str(error)[:REASON_CHARS],
            )
            return sent, fault is Fault.FINAL
        return Sent(attempt=began.attempt, outcome="receipt", undo=undo, receipt=receipt), False

    def _end(self, sight: Sight, *, already: bool = False) -> None:
        self._book.note(self._entry(self._aim.done, Ended(seen=sight.seen, already=already)))

    def _fail(self, reason: str, *, silent: bool) -> None:
        said = Ended(reason=reason[:REASON_CHARS], silent=silent)
        self._book.note(self._entry(self._aim.failed, said))

    def _entry(self, kind: EntryKind, said: Said) -> Entry:
        return self._book.entry(kind, said, node=self._node.uid, step=self._aim.step.id)


def _unclear(sight: Sight) -> Sight:
    return msgspec.structs.replace(sight, verdict="unknown")


def _is_unknown(sight: Sight) -> bool:
    return sight.verdict == "unknown"
