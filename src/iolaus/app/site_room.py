"""The site as a server shows it: its slow loop, what became of every watt, and what would have.

What did happen at every limit is looked at every two seconds, in every mode, and kept once a
minute: a record of weeks is what an operator decides by whether to let the loop act, and a restart
must not end it. A kept file that is spoilt is told and begun anew, because nothing is held by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from iolaus.app.asking_less import AskedTargets
from iolaus.app.siting import Siting
from iolaus.energy.asked import AskedTarget
from iolaus.energy.centre import Centre
from iolaus.energy.decisions import ActuatorState, Decision
from iolaus.energy.efficiency import (
    COOLING_ROLES,
    IT_ROLES,
    STAGES,
    Efficiency,
    Job,
    Measure,
    efficiency,
)
from iolaus.energy.hindsight import Hindsight, Past
from iolaus.energy.signals import FACILITY, JOB, WATER, Signal, Signals
from iolaus.energy.site import SiteState
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.plant import Plant
from iolaus.store.facts import Facts
from iolaus.store.held import Held
from iolaus.store.kept import KeptFile

log = structlog.get_logger(__name__)
PAST_FILE: Final = "power-past.json"
LOOK_S: Final = 2.0
SAVE_S: Final = 60.0
BREATH: Final = 25
STALE_PERIODS: Final = 3.0
ROLES: Final = frozenset(
    {*IT_ROLES, *COOLING_ROLES, *(role for _, a, b in STAGES for role in (*a, *b))}
)


class SiteRoom:
    """Is `north.site.SeesSite`. `period_s` lies between two passes over the hot set: what was read
    longer ago than three of them is unknown."""

    def __init__(
        self,
        *,
        siting: Siting,
        asked: AskedTargets,
        running: Callable[[], Centre | None],
        plant: Callable[[], Plant],
        facts: Facts,
        directory: Path,
        clock: Clock,
        period_s: float,
    ) -> None:
        self._siting, self._running, self._plant = siting, running, plant
        self._asked = asked
        self._facts, self._clock, self._period_s = facts, clock, period_s
        self.signals = Signals()
        self.seen_actuators: Callable[[], Sequence[ActuatorState]] = tuple
        self._found = efficiency((), facility_w=None, water_l_s=None)
        self._kept = past_file(directory / PAST_FILE)
        self.hindsight = Hindsight(self._load())
        self._saved_s = clock.monotonic()

    # --- seen --------------------------------------------------------------------------------

    def site(self) -> SiteState:
        return self._siting.state()

    def decisions(self) -> Sequence[tuple[float, Decision]]:
        """Of the slow loop, newest first, with seconds since 1970."""
        shift = self._clock.now() - self._clock.monotonic()
        return [(each.at_s + shift, each) for each in reversed(self._siting.decisions)]

    def actuators(self) -> Sequence[ActuatorState]:
        return self.seen_actuators()

    def past(self) -> Mapping[str, Past]:
        return self.hindsight.past

    def efficiency(self) -> Efficiency:
        """As it was worked out last."""
        return self._found

    async def measure(self) -> None:
        """Work it out: a large hall has a million readings, so others have their turn."""
        now, measures = self._clock.now(), list[Measure]()
        for number, held in enumerate(list(self._facts.all_held())):
            measures += self._measures(held, now)
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
        nodes = {each.part: each.now_w for each in measures if each.role == "node_power"}
        self._found = efficiency(
            measures,
            facility_w=self.signals.value(FACILITY, now),
            water_l_s=self.signals.rate(WATER, now),
            jobs=tuple(self._jobs(nodes, now)),
        )

    def ask_less(
        self, name: str, limit_w: float, *, start: float, until: float, by: str, reason: str
    ) -> AskedTarget:
        """Raises `OperatorMust`."""
        self._siting.must_have_site()
        return self._asked.set(
            AskedTarget(
                name=name, limit_w=limit_w, start=start, until=until, by=by, reason=reason,
                at=self._clock.now(),
            )
        )  # fmt: skip

    def ask_no_more(self, name: str) -> AskedTarget:
        """Raises `OperatorMust` where there is none."""
        return self._asked.clear(name)

    def say(self, signal: Signal) -> None:
        """Raises `OperatorMust`."""
        self.signals.say(signal, now=self._clock.now())

    # --- over time ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        measured_s = float("-inf")
        try:
            while True:
                self.look()
                if self._clock.monotonic() - measured_s >= self._period_s:
                    measured_s = self._clock.monotonic()
                    await self.measure()
                await self._clock.sleep(LOOK_S)
        finally:
            self._save()

    def look(self) -> None:
        centre, now_s = self._running(), self._clock.monotonic()
        if centre is None:
            return
        racks = centre.racks(now_s)
        silent_s = max(centre.policy.silent_s, STALE_PERIODS * self._period_s)
        drawn = {
            each.rack: each.measured_w
            for each in racks
            if each.age_s is not None and each.age_s <= silent_s
        }
        given = {rack: sum(shares.values()) for rack, shares in centre.last_aimed().items()}
        self.hindsight.look(
            centre.plant, centre.policy, drawn, given, now_s=now_s, at=self._clock.now()
        )
        if now_s - self._saved_s >= SAVE_S:
            self._save()

    # --- inside ------------------------------------------------------------------------------

    def _measures(self, held: Held, now: float) -> Iterator[Measure]:
        """Every power that matters, by the piece of equipment that it is of. One that is read more
        seldom than the hot set is as old as it is."""
        since = now - STALE_PERIODS * self._period_s
        name = held.target.name or held.target.address
        for reading in held.readings.values():
            if reading.role in ROLES:
                fresh = reading.at >= min(since, now - STALE_PERIODS * reading.every_s)
                part = f"{name}/{reading.component}" if "psu" in reading.role else name
                yield Measure(
                    part=part,
                    role=reading.role,
                    watts=reading.value,
                    age_s=max(0.0, now - reading.at),
                    fresh=fresh,
                )

    def _jobs(self, nodes: Mapping[str, float | None], now: float) -> Iterator[Job]:
        placed: dict[str, list[str]] = {}
        for load in self._plant().loads:
            if load.job:
                placed.setdefault(load.job, []).append(load.name)
        for name in sorted({*placed, *self.signals.jobs()}):
            mine = placed.get(name, [])
            drawn = [nodes.get(node) for node in mine]
            known = [watts for watts in drawn if watts is not None]
            rate = self.signals.rate(JOB + name, now)
            watts = sum(known) if mine and len(known) == len(mine) else None
            yield Job(
                name=name,
                nodes=len(mine),
                unit=self.signals.unit(JOB + name),
                rate=rate,
                watts=watts,
                why=_why(mine, rate, watts),
            )

    def _load(self) -> dict[str, Past]:
        try:
            return {each.domain: each for each in self._kept.load()}
        except IolausError as error:
            log.warning("what did happen begins anew", error=str(error))
            return {}

    def _save(self) -> None:
        self._saved_s = self._clock.monotonic()
        try:
            self._kept.save(self.hindsight.past.values())
        except IolausError as error:
            log.warning("what did happen is not kept", error=str(error))


def _why(nodes: Sequence[str], rate: float | None, watts: float | None) -> str:
    if not nodes:
        return "no node of the plant is said to run it"
    if watts is None:
        return "not every node of it is measured"
    return "nobody reports its work" if rate is None else ""


def past_file(path: Path) -> KeptFile[Past]:
    return KeptFile(
        path, Past, word="past", code="PastUnreadable", next_step="remove the file: it begins anew."
    )
