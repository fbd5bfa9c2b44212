"""The slow loop of a site in a server: load targets walked to, coolant asked for.

The grid's targets come signed and ahead of their time (`app.flexing`); those for the whole site are
taken here with their beginning and end, so that the limit is there when they begin and no ramp is
steeper than the policy allows, down or up. What comes of it is one number for the centre, which
lowers before it raises as for any limit. Targets for single feeds are limits of these.

It looks every ten seconds, and at the moment at which a target begins or ends. What it decides is
the same in every mode; what is done about it is the centre's, and so the policy's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from iolaus.energy.asked import AskedTarget
from iolaus.energy.centre import Centre
from iolaus.energy.decisions import Decision
from iolaus.energy.policy import PowerPolicy
from iolaus.energy.site import LoadTarget, SiteLoop, SiteRules, SiteState
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.kernel.tasks import end
from iolaus.model.plant import DomainKind, Plant
from iolaus.wire.dsx.flex import LoadTarget as Told

log = structlog.get_logger(__name__)
PERIOD_S: Final = 10.0
LEAD_S: Final = 4.0
SOONEST_S: Final = 0.1
CLOSE_W: Final = 1.0
KEPT: Final = 100


class TakesLimits(Protocol):
    """The centre of a house."""

    def target(self, limit_w: float | None) -> None: ...

    def derate(self, domain: str, limit_w: float | None) -> None: ...


class Siting:
    """Is `energy.ports.TakesTargets`. `told` gives the targets that are believed and allowed, times
    in seconds since 1970; `running` the centre that runs here, if any."""

    def __init__(
        self,
        *,
        clock: Clock,
        centre: TakesLimits,
        running: Callable[[], Centre | None],
        plant: Callable[[], Plant],
        policy: Callable[[], PowerPolicy],
        told: Callable[[], Sequence[Told]],
        asked: Callable[[], Sequence[AskedTarget]] = tuple,
    ) -> None:
        self._clock, self._centre, self._running = clock, centre, running
        self._plant, self._policy, self._told, self._asked = plant, policy, told, asked
        self.loop: SiteLoop | None = None
        self.decisions: deque[Decision] = deque(maxlen=KEPT)
        self.why = "it has not looked yet"
        self._late: tuple[str, ...] = ()
        self._rung = asyncio.Event()

    # --- told --------------------------------------------------------------------------------

    def target(self, limit_w: float | None) -> None:
        """A target of the whole site began or ended: it is looked at now. Raises `OperatorMust`
        where the plant has no site."""
        if limit_w is not None:
            self.must_have_site()
        self._rung.set()

    def ring(self) -> None:
        """Look at once."""
        self._rung.set()

    def must_have_site(self) -> None:
        """Raises `OperatorMust`."""
        if self._site() is None:
            raise OperatorMust(
                "the plant has no domain of kind site",
                operation="set target",
                subject="plant",
                code="NoSite",
                next_step="put a site above its feeds (docs/power.md).",
            )

    def derate(self, domain: str, limit_w: float | None) -> None:
        self._centre.derate(domain, limit_w)

    # --- seen --------------------------------------------------------------------------------

    def state(self) -> SiteState:
        loop, now_s, at = self.loop, self._clock.monotonic(), self._clock.now()
        centre = self._running()
        site = self._site()
        drawn = _drawn_w(centre, site) if centre and site else None
        return SiteState(
            site=site or "",
            why=self.why,
            limit_w=loop.limit_w if loop else None,
            ceiling_w=loop.ceiling_w if loop else None,
            charged_w=drawn,
            ramp_up_w_s=loop.rules.ramp_up_w_s if loop else None,
            ramp_down_w_s=loop.rules.ramp_down_w_s if loop else None,
            late=loop.late if loop else (),
            mode=self._policy().mode.value,
            people={f"person/{e.name}": f"{e.by}: {e.reason}" for e in self._asked()},
            targets=tuple(
                (each.name, each.limit_w, each.start_s - now_s + at, _at(each.until_s, at - now_s))
                for each in sorted(
                    loop.targets.values() if loop else (), key=lambda each: each.start_s
                )
            ),
        )

    # --- over time ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                self.look()
            except IolausError as error:
                if self.why != error.message:
                    log.warning("the site's loop stands still", error=str(error))
                self.why = error.message
            await self._rest()

    async def _rest(self) -> None:
        """Until the next period, the next beginning or end, or until something is told."""
        self._rung.clear()
        now_s = self._clock.monotonic()
        due_s = self.loop.next_s(now_s) if self.loop else float("inf")
        wait_s = min(PERIOD_S, max(SOONEST_S, due_s - now_s))
        waiting = asyncio.create_task(self._rung.wait())
        sleeping = asyncio.create_task(self._clock.sleep(wait_s))
        try:
            await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(waiting, sleeping)

    def look(self) -> None:
        """Once round. Raises `OperatorMust` for a target that is none."""
        centre, site, now_s = self._running(), self._site(), self._clock.monotonic()
        if site is None or centre is None:
            self.why = "the plant has no site" if site is None else "no centre runs here"
            return
        loop = self.loop = self.loop or SiteLoop(0.0)
        loop.ceiling_w, loop.rules = _ceiling_w(centre, site), self._rules()
        self._take(loop, now_s)
        if not loop.walks():
            loop.rested(now_s)
        before = loop.limit_w
        limit_w = loop.tick(now_s, _drawn_w(centre, site))
        if _differs(before, limit_w):
            self._centre.target(limit_w)
        self._tell(loop, site, before)
        self.why = ""

    def _rules(self) -> SiteRules:
        policy = self._policy()
        return SiteRules(
            ramp_up_w_s=policy.ramp_up_w_s, ramp_down_w_s=policy.ramp_down_w_s, lead_s=LEAD_S
        )

    def _take(self, loop: SiteLoop, now_s: float) -> None:
        """What the grid asks of the whole site now takes the place of what it asked before."""
        ahead_s = now_s - self._clock.now()
        wanted: dict[str, LoadTarget] = {}
        for number, each in enumerate(self._told()):
            if each.limit_w is None or each.feeds:
                continue
            name = f"{each.source.rpartition('/')[2]}/{each.event_id}/{number}"
            wanted[name] = LoadTarget(
                name=name,
                limit_w=each.limit_w,
                start_s=each.start_s + ahead_s,
                until_s=_at(each.end_s, ahead_s),
            )
        for asked in self._asked():
            name = f"person/{asked.name}"
            wanted[name] = LoadTarget(
                name=name,
                limit_w=asked.limit_w,
                start_s=asked.start + ahead_s,
                until_s=asked.until + ahead_s,
            )
        for gone in loop.targets.keys() - wanted.keys():
            loop.withdraw(gone)
        for target in wanted.values():
            if target.until_s is None or target.until_s > now_s:
                loop.ask(target)

    def _tell(self, loop: SiteLoop, site: str, before: float | None) -> None:
        for name in set(loop.late) - set(self._late):
            because = f"{name} was told too late for the ramp down"
            self.decide(site, "late", after_w=loop.limit_w, because=because)
        self._late = loop.late
        if (before is None) != (loop.limit_w is None):
            action = "begin" if before is None else "end"
            because = ", ".join(loop.targets) or "no target holds any more"
            self.decide(site, action, before_w=before, after_w=loop.limit_w, because=because)

    def decide(
        self, subject: str, action: str, *, before_w: float | None = None,
        after_w: float | None = None, because: str, advised: bool = False,
    ) -> None:  # fmt: skip
        """Is `energy.decisions.Decide`."""
        self.decisions.append(
            Decision(
                at_s=self._clock.monotonic(), subject=subject, action=action, before_w=before_w,
                after_w=after_w, because=because, advised=advised,
            )
        )  # fmt: skip

    def _site(self) -> str | None:
        return next(
            (d.name for d in self._plant().domains if d.kind is DomainKind.SITE and not d.feeders),
            None,
        )


def _at(when: float | None, shift_s: float) -> float | None:
    return None if when is None else when + shift_s


def _differs(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(before - after) > CLOSE_W or before > after


def _drawn_w(centre: Centre, site: str) -> float:
    """The most that the site may be drawing."""
    return next((each.charged_w for each in centre.domains() if each.name == site), 0.0)


def _ceiling_w(centre: Centre, site: str) -> float:
    """What the site may draw when nobody asks for less: its limit, or all that can be drawn."""
    told = centre.rooms.own_limit(site)
    if told is not None and told != float("inf"):
        return told
    plates = {
        rack: sum(load.nameplate_w for load in loads)
        for rack, loads in centre.plant.by_rack.items()
    }
    return centre.rooms.flows(plates).get(site, 0.0)
