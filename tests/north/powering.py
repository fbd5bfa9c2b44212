"""A room of power that behaves: two racks with real edges and a real centre, told what to see."""

from __future__ import annotations

from collections.abc import Sequence

from iolaus.energy.centre import Centre
from iolaus.energy.decisions import Decision, DomainState, RackState
from iolaus.energy.edge import Edge
from iolaus.energy.holding import HeldCap, held_nodes, must_fit
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.energy.ports import Grade, IsolationRequest, Latch, Sense
from iolaus.energy.run import Done, Doors, EdgeRun
from iolaus.energy.standing import EdgeStanding, standing_of
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.model.plant import Domain, DomainKind, Load, Loop, Plant
from tests.energy.racks import event, frame, rack

PLANT = Plant(
    domains=(
        Domain("site", DomainKind.SITE, None, 12_000.0),
        Domain("feed-a", DomainKind.FEED, "site", 6_000.0),
        Domain("feed-b", DomainKind.FEED, "site", None),
        Domain("r1", DomainKind.RACK, "feed-a", 5_000.0, ("feed-b",)),
        Domain("r2", DomainKind.RACK, "feed-a", 5_000.0),
    ),
    loads=tuple(Load(f"n{i}", "r1", 400.0, 1_000.0) for i in range(4)),
    loops=(Loop("loop-1", ("cdu-1",), ("r1",)),),
)


class Room:
    """Is `north.power.PowerRoom`, of one rack r1 with nodes n0 to n3."""

    def __init__(self, clock: JumpClock, *, mode: Mode = Mode.CONTROL) -> None:
        self.clock, self.mode = clock, mode
        self.deaf = ""
        self.run = EdgeRun(Edge(rack(limit_w=5_000.0), boot="b"), self._doors(), clock)
        self.centre = Centre(PLANT, PowerPolicy(mode=mode), 1)
        self.held: dict[str, HeldCap] = {}
        self.isolations: list[tuple[str, str]] = []
        self.gives_back = False
        now_s = clock.monotonic()
        for number in range(4):
            self.run.edge.reading(f"n{number}", 600.0, 1, now_s)
        self.run.edge.budget(frame(1, 3_600.0, lease_ms=3_000), now_s)
        self.run.edge.tick(now_s)
        self.run.drawn.extend((now_s + i, 2_000.0 + 300.0 * (i % 3)) for i in range(30))
        for milliseconds in (1.0, 2.0, 4.0, 400.0):
            self.run.latency.add(milliseconds / 1000.0)
        self.centre.take(self.run.edge.report(now_s), now_s)
        self.centre.tick(now_s)

    def wet(self, grade: Grade = Grade.CRITICAL, detector: str = "n1-wet") -> None:
        now_s = self.clock.monotonic()
        self.run.edge.event(event(Sense.LEAK, detector, grade), now_s)
        self.run.edge.tick(now_s)

    # --- the port ----------------------------------------------------------------------------

    def edges(self) -> Sequence[EdgeStanding]:
        now_s = self.clock.monotonic()
        return [standing_of(self.run, mode=self.mode, reflexes=self.mode, restarts=0, now_s=now_s)]

    def unheard(self) -> str:
        return self.deaf

    def domains(self) -> Sequence[DomainState]:
        return self.centre.domains()

    def racks(self) -> Sequence[RackState]:
        return self.centre.racks(self.clock.monotonic())

    def decisions(self) -> Sequence[tuple[float, Decision]]:
        return [(self.clock.now(), each) for each in self.centre.decisions]

    def caps(self) -> Sequence[HeldCap]:
        return list(self.held.values())

    async def release(self, subject: str, *, by: str, reason: str) -> Sequence[Latch]:
        del by, reason
        reflexes = self.run.edge.reflexes
        names = [n for n, each in reflexes.latches.items() if subject in ("r1", *each.nodes)]
        return [reflexes.release(name) for name in names]

    async def hold(
        self, subject: str, watts: float, *, for_s: float, by: str, reason: str
    ) -> HeldCap:
        must_fit(held_nodes(self.run.edge.rack, subject), watts, subject=subject)
        now = self.clock.now()
        self.held[subject] = HeldCap(
            subject=subject, rack="r1", watts=watts, until=now + for_s, by=by, reason=reason, at=now
        )
        self._tell_edge()
        return self.held[subject]

    async def clear(self, subject: str, *, restore: bool = True) -> HeldCap:
        self.restored = restore
        ended = self.held.pop(subject)
        self._tell_edge()
        return ended

    def _tell_edge(self) -> None:
        watts = {name: cap.watts for name, cap in self.held.items()}
        self.run.edge.hold(watts.get("r1"), watts, self.clock.monotonic())

    async def isolate(self, rack: str, *, by: str, reason: str) -> bool:
        if rack == "r1":
            raise OperatorMust("no building", operation="isolate", subject=rack, code="NoBuilding")
        self.isolations.append((rack, f"{by}: {reason}"))
        return True

    async def unisolate(self, rack: str, *, by: str, reason: str) -> bool:
        if self.run.edge.reflexes.latches:
            raise PolicyRefused("latched", operation="x", subject=rack, code="StillLatched")
        self.isolations.append((rack, f"{by}: {reason}"))
        return self.gives_back

    # --- doors that nothing goes through -----------------------------------------------------

    def _doors(self) -> Doors:
        return Doors(
            caps=self, power=self, building=_Deaf(), latches=self,
            tell=lambda _: None, record=self._record,
        )  # fmt: skip

    def _record(self, done: Done) -> None:
        del done

    async def read_cap(self, node: str) -> float | None:
        del node
        return 1000.0

    async def write_cap(self, node: str, watts: float, *, safety: bool) -> float | None:
        del node, safety
        return watts

    async def power_off(self, node: str) -> bool | None:
        del node
        return True

    def load(self) -> Sequence[Latch]:
        return ()

    def save(self, latches: Sequence[Latch]) -> None:
        del latches


class _Deaf:
    async def isolate(self, request: IsolationRequest) -> bool:
        del request
        return False
