"""Which nodes of the present wave may begin now, and why each of the others waits.

Units are looked at in the order of the wave; each is taken if it is whole, seen, within the window
to its end, and if there is room for it beside everybody who is away for whatever reason. A node
that is away when its turn comes is waited for, and in the end left for another plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Final
from zoneinfo import ZoneInfo

from iolaus.fleet.limits import say_domain
from iolaus.fleet.line import Held, Line
from iolaus.fleet.view import View
from iolaus.model.rollout import Decision, WaveProgress

AWAY_PATIENCE_S: Final = 1800.0
"""For so long a wave waits for nodes that are away when nothing else of it is left to do."""
WAKE_S: Final = 30.0
SOON_S: Final = 3.0
"""Who is not known is being looked at meanwhile, and what is seen grows old."""
_APART: Final = -1
"""The kind of those that are looked at each for itself."""


def begin(view: View, number: int) -> Decision:
    """For a wave of which some nodes wait."""
    choice = _Choice(view, number)
    mark = _begun(view, number) if view.closes_at is not None else ()
    return Decision(
        start=tuple(choice.start),
        skip=choice.skipped(),
        holds=choice.holds,
        waves=mark,
        wake_s=choice.wake_s,
    )


def shut(view: View) -> str:
    """Why nothing may begin outside the window; empty: it is open, or there is none."""
    if view.closes_at is not None or view.plan.window is None:
        return ""
    return f"the window opens {say_time(view.opens_at, view.plan.window.tz)}"


def say_time(at: float | None, tz: str) -> str:
    if at is None:
        return "never"
    return datetime.fromtimestamp(at, ZoneInfo(tz)).strftime("%a %d %b %Y %H:%M %Z")


def _begun(view: View, number: int) -> tuple[WaveProgress, ...]:
    wave = view.wave(number)
    if wave.state != "waiting":
        return ()
    return (WaveProgress(name=wave.name, state="began", since=view.now),)


class _Choice:
    """Goes once over the units of a wave."""

    def __init__(self, view: View, number: int) -> None:
        self._view, self._wave = view, view.plan.waves[number]
        self._began = view.wave(number).since
        self.start: list[str] = []
        self.holds: Mapping[str, str] = {}
        self._said: dict[str, str] = {}
        self._lost: dict[str, str] = {}
        self.wake_s = WAKE_S
        self._stuck = ""
        self._room = view.room(view.away | view.leaving)
        self._working = len(view.sheet.members[number] & view.busy)
        self._refused: dict[int, str] = {}
        why, line = shut(view), view.line(number)
        self._note_full()
        if why:
            self.wake_s = max(0.0, (view.opens_at or view.now + WAKE_S) - view.now)
        if line is not None:
            self.holds = self._held(line) if not why else Held(line, said={}, stuck=why)
        elif why:
            self.holds = dict.fromkeys(view.waiting_in(number), why)
        else:
            self._look_at_all(view.waiting_in(number))
            self.holds = self._said

    def _held(self, line: Line) -> Held:
        """Looks at the first of each kind that waits, and at those that are away or feed others,
        each for itself; until nothing fits any more."""
        view, kinds, reached = self._view, dict[int, str](), 0
        apart = (view.absent | view.supplies) & view.waiting
        left = [(line.place[uid], _APART) for uid in apart if uid in line.place]
        left += line.heads(apart) if not self._stuck else ()
        heapify(left)
        while left and not self._stuck:
            place, kind = heappop(left)
            began, reached = self._look_at((line.uids[place],)), place + 1
            if kind == _APART:
                continue
            if not began:
                kinds[kind] = self._said.pop(line.uids[place])
            elif (following := line.after(place, apart)) is not None:
                heappush(left, (following, kind))
        for place, kind in sorted(left):
            if kind == _APART and line.uids[place] in view.absent:
                self._look_at((line.uids[place],))
        begun, stuck = frozenset(self.start), self._stuck
        return Held(line, said=self._said, begun=begun, kinds=kinds, stuck=stuck, stuck_at=reached)

    def _look_at_all(self, waiting: Sequence[str]) -> None:
        """Once nothing fits any more, only those are looked at who could not go in any case."""
        absent = self._view.absent
        units = iter(self._view.sheet.units(waiting))
        for unit in units if not self._stuck else ():
            self._look_at(unit)
            if self._stuck:
                break
        held: list[str] = []
        for unit in units:
            if absent.isdisjoint(unit):
                held += unit
            else:
                self._look_at(unit)
        self._said |= dict.fromkeys(self._view.waiting & set(held), self._stuck)

    def _look_at(self, unit: tuple[str, ...]) -> bool:
        """Whether it begins; else why not is said."""
        members = [uid for uid in unit if uid in self._view.waiting]
        if gone := self._gone(members):
            self._lost |= gone
            self._said |= gone
        elif why := self._stuck or self._barred(members) or self._crowded(members):
            self._said |= dict.fromkeys(members, why)
        else:
            self.start += members
            self._working += len(members)
            self._room.take(members)
            self._note_full()
            return True
        return False

    def _gone(self, members: Sequence[str]) -> dict[str, str]:
        """Why a unit cannot begin for want of one of its own."""
        found = {uid: why for uid in members if (why := self._absence(uid))}
        if not found:
            return {}
        first = self._view.name(next(iter(found)))
        return {uid: found.get(uid) or f"it goes together with {first}" for uid in members}

    def _absence(self, uid: str) -> str:
        standing = self._view.world.of(uid)
        if standing.here is None:
            self.wake_s = min(self.wake_s, SOON_S)
            return f"whether it is there is not known: {standing.why or 'nothing is known of it'}"
        if not standing.here:
            return f"it is away: {standing.why or 'it does not answer'}"
        return f"it is out of service: {standing.out}" if standing.out else ""

    def _barred(self, members: Iterable[str]) -> str:
        view = self._view
        for uid in members:
            for domain in view.sheet.nodes[uid].domains if view.world.domains else ():
                if why := view.world.domains.get(domain):
                    return f"{say_domain(domain)} is away: {why}"
            if view.sheet.undrained(uid):
                return f"{view.name(uid)} is to be drained, and its steps do not begin with that"
            if why := self._late(uid):
                return why
        return ""

    def _late(self, uid: str) -> str:
        """Why it would not be over before the window is."""
        view, closes = self._view, self._view.closes_at
        if view.plan.window is None or closes is None:
            return ""
        takes_s = view.sheet.nodes[uid].estimate_s
        if takes_s is not None and view.now + takes_s <= closes:
            return ""
        self.wake_s = min(self.wake_s, max(0.0, closes - view.now))
        takes = "nobody knows how long" if takes_s is None else f"{takes_s / 60:.0f} min"
        return f"it takes {takes}, and the window closes in {(closes - view.now) / 60:.0f} min"

    def _note_full(self) -> None:
        """Once nothing at all fits, nothing behind it does."""
        batch = self._wave.batch
        self._stuck = self._room.full()
        if not self._stuck and batch is not None and self._working >= max(1, batch):
            self._stuck = f"{self._working} worked on, and {batch} may be in this wave"

    def _crowded(self, members: Sequence[str]) -> str:
        batch = self._wave.batch
        if batch is not None and self._working and self._working + len(members) > batch:
            return f"{self._working} worked on, and {batch} may be in this wave"
        return self._refuses(members)

    def _refuses(self, members: Sequence[str]) -> str:
        """Who stands in the same domains finds the same room, and that only grows less."""
        view, uid = self._view, members[0]
        alone = len(members) == 1 and uid not in view.supplies and uid not in view.away
        place = view.sheet.place_of[uid] if alone else -1
        if place in self._refused:
            return self._refused[place]
        why = self._room.refuses(members)
        if why and alone:
            self._refused[place] = why
        return why

    def skipped(self) -> dict[str, str]:
        """Who was waited for long enough: when nobody else of the wave is left, those who are
        away stay for another plan."""
        view = self._view
        if not self._lost or self.start or self._working or len(self._lost) < len(self.holds):
            return {}
        since = [view.world.of(uid).since or 0.0 for uid in self._lost]
        begun = view.now if self._began is None else self._began
        left_s = max([begun, view.progress.since, *since]) + AWAY_PATIENCE_S - view.now
        self.wake_s = min(self.wake_s, max(0.0, left_s))
        return dict(self._lost) if left_s <= 0 else {}
