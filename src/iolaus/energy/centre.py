"""The centre of a hall: it shares out what the plant can carry, and never promises a watt twice.

Once a period it asks two questions. What should everybody have, given demand, priorities and every
limit? And what may be sent now, given that what was granted before may still be in force? A rack
that is to have less is told at once; one that is to have more gets it as far as there is room over
everybody's charge (`book.RackBook`), by priority, and the rest when the others have read back.
Where the charges together are more than a limit (a feed is lost, a rack is unknown), what is sent
below it is marked `hold`: it can lower a rack and never raise it, whatever became of what was sent
before.

A rack that is not heard is granted its floor, and is charged with what may be in force in it. A
centre that starts listens first; its first word to a rack (`hold`) takes the epoch and raises
nothing, and nobody is raised into room that a rack may use which has not answered it. When a report
names a newer epoch there is another centre, and this one says no more.

No I/O, no clock: reports and events go in with the time, budgets come out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Set
from copy import deepcopy
from typing import Final

from iolaus.energy.book import RackBook
from iolaus.energy.decisions import Decision, DomainState, RackState
from iolaus.energy.excess import Excess
from iolaus.energy.frames import Budget, Report
from iolaus.energy.needs import Needs
from iolaus.energy.planning import Aim, Stand, plan, raise_into_room
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.energy.rooms import Rooms
from iolaus.model.plant import Plant

KEPT: Final = 512
OBSERVED: Final = frozenset({Mode.OBSERVE})
PATIENCE_S: Final = 1.5
SLACK_W: Final = 1.0
TELL: Final = 0.01
"""A change of a rack's budget by less than this part of it is not worth a decision."""


class Centre:
    """`epoch` is greater than that of every centre before it (a lease of the store gives it).
    `decisions` are the last ones, oldest first; `advice` is what would be sent, to every rack
    that is not only observed; `ignored` counts reports that changed nothing; `deposed` is set by a
    newer epoch."""

    def __init__(self, plant: Plant, policy: PowerPolicy, epoch: int) -> None:
        self.epoch, self.deposed, self.ignored = epoch, False, 0
        self.policy, self.plant = policy, plant
        self.decisions: deque[Decision] = deque(maxlen=KEPT)
        self.advice: list[Budget] = []
        self.rooms = Rooms(plant, policy)
        self.needs = Needs(plant)
        self.excess = Excess()
        self._seq = 0
        self._since_s: float | None = None
        self._last_s: float | None = None
        self._aims: dict[Mode, Aim] = {}
        self._short_w: dict[bool, Mapping[str, float]] = {}
        self._settled: frozenset[str] = frozenset()
        self._books = {
            rack: RackBook(
                rack,
                epoch=epoch,
                most_w=sum(max(load.nameplate_w, load.floor_w) for load in loads),
                constant_w=plant.by_name[rack].overhead_w,
            )
            for rack, loads in plant.by_rack.items()
        }

    # --- what it is told ---------------------------------------------------------------------

    def take(self, report: Report, now_s: float) -> bool:
        """Count a report. False: it is of no rack of this plant, or older than one counted."""
        book = self._books.get(report.rack)
        if report.epoch > self.epoch or (report.epoch == self.epoch and report.seq > self._seq):
            self._depose(report, now_s)
            return False
        if book is None or not book.take(report, now_s):
            self.ignored += 1
            return False
        self.needs.take(report)
        excess_w = report.excess_w
        above_w = None if excess_w is None else excess_w - book.constant_w
        self.excess.take(report.rack, above_w, report.granted_w)
        return True

    def _depose(self, report: Report, now_s: float) -> None:
        if not self.deposed:
            because = f"{report.rack} took budget {report.seq} of epoch {report.epoch}"
            self._decide(now_s, "centre", "deposed", because=because)
        self.deposed = True

    def lost(self, domain: str, now_s: float) -> None:
        """It carries nothing any more. Tick at once. Raises `OperatorMust` for an unknown one."""
        if self.rooms.lose(domain):
            self._decide(now_s, domain, "lost", because="it was told to be out of service")

    def restored(self, domain: str, now_s: float) -> None:
        """It carries again what it could. Raises `OperatorMust` for an unknown one."""
        if self.rooms.restore(domain):
            self._decide(now_s, domain, "restored", because="it was told to be in service")

    def derate(self, domain: str, limit_w: float | None, now_s: float) -> None:
        """It carries no more than this until told otherwise (a lost supply); None lifts it."""
        if self.rooms.derated.get(domain) != limit_w:
            self.rooms.derate(domain, limit_w)
            self._decide(now_s, domain, "derate", after_w=limit_w, because="it was told so")

    def target(self, limit_w: float | None, now_s: float) -> None:
        """The site may draw no more than this (a load target); None lifts it."""
        if self.rooms.goal_w != limit_w:
            drawn = sum(book.charge_w for book in self._books.values())
            before = self.rooms.goal_w
            self.rooms.aim(limit_w, drawn_w=drawn)
            subject = self.rooms.site or "site"
            because = "the target was lifted" if limit_w is None else "a load target was set"
            self._decide(
                now_s, subject, "target", before_w=before, after_w=limit_w, because=because
            )

    def hold(self, racks: Mapping[str, float], nodes: Mapping[str, float], now_s: float) -> None:
        """What people let racks and nodes draw at most, in watts of their caps: nothing is given
        them beyond it. It takes the place of what was held before; floors stay."""
        before = self.rooms.held
        self.rooms.held = {rack: racks[rack] for rack in racks if rack in self._books}
        self.needs.hold(nodes)
        for rack in sorted(before.keys() | self.rooms.held.keys()):
            was_w, is_w = before.get(rack), self.rooms.held.get(rack)
            if was_w != is_w:
                because = "a person's cap ended" if is_w is None else "a person set a cap"
                self._decide(now_s, rack, "cap", before_w=was_w, after_w=is_w, because=because)

    def reserve(self, watts: Mapping[str, float]) -> None:
        """By domain, what is kept free of caps from the next tick on, for batteries that charge. It
        takes the place of what was reserved before; what the plant does not know is left out."""
        self.rooms.reserved = {name: watts[name] for name in watts if name in self.plant.by_name}

    def follow(self, policy: PowerPolicy, now_s: float) -> None:
        """Go by another policy from the next tick on; what is in force stays counted. A rack that
        is held from now on is not at fault for what it drew before."""
        for rack, book in self._books.items():
            if self.policy.mode_of(rack) is not policy.mode_of(rack):
                book.over_since_s = None
        old, self.policy = self.rooms, policy
        self.rooms = Rooms(self.plant, policy)
        self.rooms.derated, self.rooms.goal_w = old.derated, old.goal_w
        self.rooms.target_w, self.rooms.held = old.target_w, old.held
        self.rooms.reserved = old.reserved
        for domain in old.lost:
            self.rooms.lose(domain)
        self._decide(now_s, "centre", "policy", because=f"{policy.name}, {policy.mode.value}")

    # --- what it says ------------------------------------------------------------------------

    def tick(self, now_s: float) -> list[Budget]:
        """The budgets to send now: one for every rack that is heard and that the policy holds, a
        lease each. Call it every period, and right after any event."""
        if self._since_s is None:
            self._since_s = now_s
        elapsed_s = 0.0 if self._last_s is None else max(0.0, now_s - self._last_s)
        self._last_s = now_s
        self.advice, self._aims = [], {}
        if self.deposed:
            return []
        modes = {rack: self.policy.mode_of(rack) for rack in self._books}
        self.rooms.walk(elapsed_s)
        self.excess.look(self.rooms.network, now_s)
        for mode in (Mode.CONTROL, Mode.ADVISE):
            if mode in modes.values():
                self._aims[mode] = self._plan(mode, modes, elapsed_s, now_s)
        self.advice = [
            frame
            for rack, mode in modes.items()
            if mode in self._aims
            for frame in self._frame(rack, mode)
        ]
        for frame in self.advice:
            self._tell(frame, modes[frame.rack], now_s)
            self._books[frame.rack].sent(frame.seq, frame.budget_w)
        return [each for each in self.advice if modes[each.rack] is Mode.CONTROL]

    def _plan(self, mode: Mode, modes: Mapping[str, Mode], elapsed_s: float, now_s: float) -> Aim:
        """What the racks of this mode should have, and how far they may go now."""
        advising = mode is Mode.ADVISE
        stand = self._stand_of(mode, modes, now_s)
        if not advising or Mode.CONTROL not in self._aims:
            self._settle(stand)
        aim = self._planned(stand, now_s)
        if not advising:
            aim = raise_into_room(aim, self.policy, stand, elapsed_s)
        self._tell_short(aim, now_s, advised=advising)
        return aim

    def _stand(self, now_s: float, *, advising: bool, free: Set[str]) -> Stand:
        policy, since = self.policy, self._since_s or 0.0
        stand = Stand(reading=now_s - since < policy.read_s, free=set(free))
        for rack, book in self._books.items():
            silent = book.silent(now_s, policy.silent_s)
            stand.charge_w[rack] = 0.0 if advising and not silent else book.charge_w
            if rack in free:
                stand.charge_w[rack] = book.most_w
            measured = self.excess.measured(rack)
            stand.error[rack] = 0.0 if measured else book.error(policy.cap_error, now_s)
            if book.heard_s is None:
                stand.unheard.add(rack)
            elif silent:
                stand.silent.add(rack)
            plain = silent or advising or rack in free
            stand.stuck_w[rack] = 0.0 if plain else book.stuck_w(now_s, PATIENCE_S)
        return stand

    def _settle(self, stand: Stand) -> None:
        """A loss may be named in budgets when all that may be in force fits without it. Until then
        edges stand by what they armed, for one may grow before another has heard of its cut."""
        gone = frozenset(self.rooms.lost) | frozenset(self.rooms.derated)
        self._settled &= gone
        if gone == self._settled:
            return
        charged = {
            rack: watts * (1.0 + stand.error[rack]) for rack, watts in stand.charge_w.items()
        }
        flows, usable = self.rooms.flows(charged), self.rooms.usable()
        if all(watts <= (usable[name] or 0.0) + SLACK_W for name, watts in flows.items()):
            self._settled = gone

    def _frame(self, rack: str, mode: Mode) -> Iterator[Budget]:
        book, aim = self._books[rack], self._aims[mode]
        floor_w = aim.floor_w[rack]
        report = book.report
        if report is None and aim.stand.reading:
            return
        shares = aim.shares(rack)
        if report is None or rack in aim.stand.silent:
            shares = aim.floors(rack)
        budget_w, hold = sum(shares.values()), rack in aim.lowering
        if report and not book.fenced and mode is Mode.CONTROL:
            hold, shares = True, {}
            budget_w = max(floor_w, min(report.granted_w, budget_w))
        self._seq += 1
        yield Budget(
            epoch=self.epoch,
            seq=self._seq,
            rack=rack,
            budget_w=budget_w,
            floor_w=floor_w,
            expires_in_ms=round(self.policy.lease_s * 1000),
            shares=shares,
            boot=report.boot if report else "",
            hold=hold,
            lost=() if hold else tuple(sorted(self._settled)),
            partial=not hold and rack in aim.waiting,
        )

    # --- what if -----------------------------------------------------------------------------

    def aimed(self, now_s: float) -> dict[str, dict[str, float]]:
        """What the racks that are not only observed come to, by node, when all have followed. It
        changes nothing."""
        modes = {rack: self.policy.mode_of(rack) for rack in self._books}
        aims = {mode: self._aim(mode, modes, now_s) for mode in set(modes.values()) - OBSERVED}
        return {rack: aims[mode].shares(rack) for rack, mode in modes.items() if mode in aims}

    def last_aimed(self) -> dict[str, dict[str, float]]:
        """What was aimed at last for the racks that are not only observed, by node."""
        modes = {rack: self.policy.mode_of(rack) for rack in self._books}
        return {
            rack: self._aims[mode].shares(rack)
            for rack, mode in modes.items()
            if mode in self._aims
        }

    def short_w(self, now_s: float) -> dict[str, float]:
        """By how much floors, and what cannot be lowered, overrun domains. It changes nothing."""
        modes = {rack: self.policy.mode_of(rack) for rack in self._books}
        aims = [self._aim(mode, modes, now_s) for mode in set(modes.values()) - OBSERVED]
        return {name: watts for aim in aims for name, watts in aim.short_w.items()}

    def allowed_w(self, rack: str) -> float | None:
        """What the caps of a rack let it have by its last report; None while it was not heard."""
        book = self._books.get(rack)
        return book.report.granted_w if book and book.report else None

    def _aim(self, mode: Mode, modes: Mapping[str, Mode], now_s: float) -> Aim:
        return self._planned(self._stand_of(mode, modes, now_s), now_s)

    def _planned(self, stand: Stand, now_s: float) -> Aim:
        kept_w = self.excess.kept_w(self.rooms.network, now_s, least=self.policy.cap_error)
        return plan(self.rooms, self.needs, self.policy, stand, kept_w)

    def _stand_of(self, mode: Mode, modes: Mapping[str, Mode], now_s: float) -> Stand:
        """In control the racks of other modes count with all that they can draw, for nobody holds
        them; in advice all racks are shared out, as if all were held."""
        advising = mode is Mode.ADVISE
        free = set() if advising else {rack for rack, each in modes.items() if each is not mode}
        return self._stand(now_s, advising=advising, free=free)

    def as_if(self, plant: Plant, policy: PowerPolicy) -> Centre:
        """A centre of another plant or policy that has heard what this one has; it is for looking
        at, and speaks to nobody."""
        other = Centre(plant, policy, self.epoch + 1)
        for rack, book in self._books.items():
            if rack in other._books and book.report and book.heard_s is not None:
                other.take(book.report, book.heard_s)
        for domain in self.rooms.lost & plant.by_name.keys():
            other.rooms.lose(domain)
        other.rooms.derated = {
            name: watts for name, watts in self.rooms.derated.items() if name in plant.by_name
        }
        other.rooms.goal_w = other.rooms.target_w = self.rooms.target_w
        other.rooms.held, other.rooms.reserved = dict(self.rooms.held), dict(self.rooms.reserved)
        other.excess = deepcopy(self.excess)
        other.needs.hold(self.needs.bounds)
        other._since_s = float("-inf")
        return other

    # --- why ---------------------------------------------------------------------------------

    def _tell(self, frame: Budget, mode: Mode, now_s: float) -> None:
        aim = self._aims[mode]
        before = self._books[frame.rack].last_w
        if before is not None and abs(frame.budget_w - before) <= TELL * max(before, 1.0):
            return
        action = "raise" if before is None or frame.budget_w > before else "lower"
        if not self._books[frame.rack].fenced and frame.hold:
            action = "hold"
        elif frame.rack in aim.stand.silent | aim.stand.unheard:
            action = "floor"
        self._decide(
            now_s, frame.rack, action, before_w=before, after_w=frame.budget_w,
            because=self._because(frame.rack, action, aim, now_s), advised=mode is Mode.ADVISE,
        )  # fmt: skip

    def _because(self, rack: str, action: str, aim: Aim, now_s: float) -> str:
        book = self._books[rack]
        if action == "hold":
            return "a new centre takes over and raises nothing yet"
        if action == "floor":
            ago = "never" if book.heard_s is None else f"{now_s - book.heard_s:.1f} s ago"
            return f"its edge was last heard {ago}"
        if rack in aim.waiting:
            return "the rest waits until others have read back less"
        full = aim.full.get(rack)
        if full and aim.unmet(rack):
            known = self.rooms.limits().get(full) is not None
            return f"{full} is full" if known else f"nobody says how much {full} can carry"
        return "its demand is met"

    def _tell_short(self, aim: Aim, now_s: float, *, advised: bool) -> None:
        before = self._short_w.get(advised, {})
        self._short_w[advised] = aim.short_w
        for name, watts in aim.short_w.items():
            if abs(watts - before.get(name, 0.0)) > 1.0:
                because = "the floors and what cannot be lowered are more than it can carry"
                self._decide(now_s, name, "short", after_w=watts, because=because, advised=advised)

    def _decide(
        self, now_s: float, subject: str, action: str, *, before_w: float | None = None,
        after_w: float | None = None, because: str, advised: bool = False,
    ) -> None:  # fmt: skip
        said = Decision(
            at_s=now_s, subject=subject, action=action, before_w=before_w, after_w=after_w,
            because=because, advised=advised,
        )  # fmt: skip
        self.decisions.append(said)

    # --- how it stands -----------------------------------------------------------------------

    def racks(self, now_s: float) -> list[RackState]:
        """Every rack with loads, as it stood at the last tick."""
        return [self._rack(rack, now_s) for rack in self._books]

    def _rack(self, rack: str, now_s: float) -> RackState:
        book, aim = self._books[rack], self._aims.get(self.policy.mode_of(rack))
        report = book.report
        state = self._state(rack, now_s)
        wants = aim if state in ("limited", "waiting") else None
        return RackState(
            rack=rack,
            state=state,
            budget_w=book.last_w,
            planned_w=aim.planned_w(rack) if aim else 0.0,
            charged_w=book.charge_w,
            demand_w=self.needs.demand_w(rack),
            floor_w=self.needs.floor_w(rack),
            measured_w=report.measured_w if report else None,
            age_s=None if book.heard_s is None else max(0.0, now_s - book.heard_s),
            unreachable=report.unreachable if report else (),
            latched=report.latched if report else (),
            because=self._because(rack, "", wants, now_s) if wants else "",
        )

    def _state(self, rack: str, now_s: float) -> str:
        mode = self.policy.mode_of(rack)
        book, aim = self._books[rack], self._aims.get(mode)
        if book.heard_s is None:
            return "unheard"
        if book.silent(now_s, self.policy.silent_s):
            return "silent"
        if mode is Mode.CONTROL and not book.fenced:
            return "fencing"
        if book.report and book.report.latched:
            return "held"
        if aim and rack in aim.waiting:
            return "waiting"
        return "limited" if aim and aim.unmet(rack) else "met"

    def _planned_w(self, rack: str) -> float:
        aim = self._aims.get(self.policy.mode_of(rack))
        return aim.planned_w(rack) if aim else 0.0

    def domains(self) -> list[DomainState]:
        """Every domain, with what may flow in it now."""
        limits, usable = self.rooms.limits(), self.rooms.usable()
        charged = self.rooms.flows({rack: book.charge_w for rack, book in self._books.items()})
        planned = self.rooms.flows({rack: self._planned_w(rack) for rack in self._books})
        short = {name: w for aim in self._aims.values() for name, w in aim.short_w.items()}
        return [
            DomainState(
                name=domain.name,
                kind=domain.kind.value,
                parent=domain.parent,
                limit_w=limits[domain.name],
                usable_w=usable[domain.name],
                charged_w=charged.get(domain.name, 0.0),
                planned_w=planned.get(domain.name, 0.0),
                short_w=short.get(domain.name, 0.0),
                lost=domain.name in self.rooms.lost,
            )
            for domain in self.plant.domains
        ]
