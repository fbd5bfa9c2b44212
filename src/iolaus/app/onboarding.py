"""Onboarding, put together: what is expected, who appeared, what people answered, and the loop
that brings candidates from their first sign to their new owner.

The loop looks at everybody afresh, judges purely (`recovery.onboard`), and makes the moves that are
due. It remembers nothing, so it may be killed anywhere; and it does nothing in a hall that expects
nobody.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from iolaus.app.onboarding_moves import Moves
from iolaus.app.onboarding_seeing import Seeing, began_too_soon
from iolaus.app.retiring import Retiring
from iolaus.app.rolling import Rolling
from iolaus.bus.local import LocalBus
from iolaus.fleet.expected_files import wrong_with
from iolaus.fleet.ledger import Ledger
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, OperatorMust, PolicyRefused
from iolaus.model.candidate import Appearance, Candidate, Given, Move, Way, appeared
from iolaus.model.endpoint import Event, Mode
from iolaus.model.expected import Expected, ExpectedHardware, KeptExpected
from iolaus.model.retirement import Retirement
from iolaus.north.context import Standing
from iolaus.north.onboarding import Progressed
from iolaus.observe.targets import normalise
from iolaus.recovery.expected import laid_out
from iolaus.recovery.handover import Handed, ironic_node, ironic_ports, metal3_objects
from iolaus.recovery.onboard import Seen, State, judge, name_of
from iolaus.recovery.onboard import Standing as Judged
from iolaus.store.state import State as Kept

log = structlog.get_logger(__name__)
TOPIC: Final = "candidates"
EVERY_S: Final = 2.0
GATHER_S: Final = 4.0
"""Those that come to a stage within this share a plan."""
MANY: Final = 32
LOOKS: Final = 64
MOST: Final = 20_000
"""So many candidates are remembered; more that appear are told in the log and not kept."""
READY: Final = (State.AT_BASELINE, State.VERIFIED, State.HANDED_OVER)
PLANNED: Final = (Move.SECURE, Move.BASELINE, Move.HAND_OVER)


class Onboarding:
    """It is `north`'s port `Onboards`."""

    def __init__(
        self,
        *,
        state: Kept,
        bus: LocalBus,
        clock: Clock,
        rolling: Rolling,
        ledger: Ledger,
        seeing: Seeing,
        moves: Moves,
        begin: Callable[[str], None],
        handed: Callable[[str, Expected | None], Handed],
        retiring: Retiring,
        every_s: float = EVERY_S,
        gather_s: float = GATHER_S,
    ) -> None:
        self._state, self._bus, self._clock, self._rolling = state, bus, clock, rolling
        self._ledger, self._seeing, self._moves, self._begin = ledger, seeing, moves, begin
        self._every_s, self._gather_s, self._handed = every_s, gather_s, handed
        self._retiring = retiring
        self._judged: dict[str, tuple[Seen, Judged]] = {}
        self._ready: dict[Move, float] = {}
        self._too_soon: dict[str, float] = {}
        self._turning = asyncio.Lock()
        self._full = False

    # --- what is expected -----------------------------------------------------------------------

    def lists(self) -> Mapping[str, KeptExpected]:
        return self._state.expected.all()

    async def put_list(
        self, document: ExpectedHardware, *, by: str, source: str, keep: bool = True
    ) -> KeptExpected:
        """Keep a list; those of its nodes that say where they are, are looked for. Raises
        `OperatorMust` for one that contradicts itself or another."""
        self._check(document)
        before = self._state.expected.get(document.name)
        if before is not None and before.document == document:
            return before
        kept = KeptExpected(
            document=document,
            generation=before.generation + 1 if before else 1,
            at=self._clock.now(),
            by=by,
            source=source,
            approved=before.approved if before else (),
        )
        if keep:
            await self._state.expected.put({document.name: kept})
            await self.appear(self._listed(document))
        return kept

    async def remove_list(self, name: str) -> KeptExpected | None:
        """Whom it expected is expected no more; whoever was claimed stays so."""
        gone = await self._state.expected.remove(name)
        self._tell()
        return gone

    def _check(self, document: ExpectedHardware) -> None:
        wrong = [f"{message}. {step}" for _, message, step in wrong_with(document)]
        others = [kept for name, kept in self.lists().items() if name != document.name]
        taken = {e.name: e.list for kept in others for e in laid_out(kept.document)}
        for each in laid_out(document):
            if each.name in taken:
                wrong.append(f"{each.name} stands in list {taken[each.name]}, too.")
            if each.address:
                normalise(each.address)
        if wrong:
            raise OperatorMust(
                wrong[0],
                operation="apply",
                subject=f"expected/{document.name}",
                code="ListInvalid",
                next_step="correct the list; docs/onboarding.md has every key.",
            )

    def _listed(self, document: ExpectedHardware) -> list[Appearance]:
        """Nobody who is managed already appears."""
        now = self._clock.now()
        return [
            Appearance(
                address=each.address,
                way=Way.LIST,
                at=now,
                mac=each.mac,
                site=each.labels.get("site", ""),
            )
            for each in laid_out(document)
            if each.address
        ]

    # --- who is there ---------------------------------------------------------------------------

    async def appear(self, found: Iterable[Appearance]) -> int:
        """Take note of controllers that somebody saw; how many are new. Those that are managed
        and were never candidates are no news."""
        shelf, kept, fresh = self._state.candidates, dict[str, Candidate](), 0
        for each in found:
            address = normalise(each.address)
            before = kept.get(address) or shelf.get(address)
            target = self._state.facts.target_of(address)
            if before is None and target is not None and target.mode is Mode.MANAGED:
                continue
            if before is None and len(shelf.all()) + fresh >= MOST:
                self._say_full()
                continue
            fresh += before is None
            kept[address] = appeared(before, msgspec.structs.replace(each, address=address))
        if kept:
            await shelf.put(kept)
            self._tell()
        return fresh

    async def found(self, there: Sequence[Appearance]) -> int:
        """Controllers that somebody discovered: candidates where anything is expected at all, for
        a hall without lists has no use for them."""
        return await self.appear(there) if self.lists() else 0

    def _say_full(self) -> None:
        if not self._full:
            self._full = True
            log.warning("candidates_full", most=MOST, next_step="reject those that are none.")

    def progressed(self) -> Sequence[Progressed]:
        """Every candidate as it was judged last, and everybody expected who did not appear."""
        found = [self._progressed(seen, judged) for seen, judged in self._judged.values()]
        there = {p.expected.name for p in found if p.expected and not p.doubtful}
        return [*found, *(_missing(e) for e in self._seeing.roll.every if e.name not in there)]

    def _progressed(self, seen: Seen, judged: Judged) -> Progressed:
        return Progressed(
            name=name_of(seen),
            candidate=seen.candidate,
            expected=seen.expected if seen.shown or seen.told else None,
            shown=seen.shown,
            standing=judged,
            doubtful=judged.state in (State.CONFLICT, State.REJECTED),
        )

    # --- people's answers -----------------------------------------------------------------------

    async def approve(self, name: str, *, by: str, fingerprint: str = "") -> str:
        """What came of it, in words. With `fingerprint` a person vouches for a certificate."""
        seen, judged = await self._find(name)
        if fingerprint:
            return await self._vouch(seen.candidate, fingerprint)
        if judged.state is State.CONFLICT and judged.reason != "WrongAddress":
            raise PolicyRefused(
                f"it is not who was expected: {judged.message}",
                operation="approve",
                subject=f"candidate/{name}",
                code="NotAsExpected",
                next_step=judged.next_step,
            )
        if seen.shown is None:
            raise PolicyRefused(
                "nobody knows yet who it is",
                operation="approve",
                subject=f"candidate/{name}",
                code="NotIdentified",
                next_step=judged.next_step or "wait until it is identified.",
            )
        given = Given(by=by, at=self._clock.now())
        await self._keep(seen.candidate, approved=given, rejected=None)
        return f"candidate/{name} is approved"

    async def _vouch(self, candidate: Candidate, fingerprint: str) -> str:
        told = fingerprint.replace(":", "").lower()
        if told != candidate.shows:
            raise PolicyRefused(
                f"it shows {candidate.shows or 'none that needs a person'}",
                operation="approve",
                subject=candidate.address,
                code="OtherCertificate",
                next_step="compare again; a certificate that changed may be somebody else's.",
            )
        self._seeing.looks.pop(candidate.address, None)
        await self._keep(candidate, vouched=told)
        return f"the certificate of {candidate.address} is trusted"

    async def approve_list(self, name: str, *, by: str) -> str:
        """Everybody who is exactly as this list, as it is now, expects."""
        kept = self._state.expected.get(name)
        if kept is None:
            raise _no_list(name)
        approved = (*kept.approved, (by, self._clock.now(), kept.generation))
        await self._state.expected.put({name: msgspec.structs.replace(kept, approved=approved)})
        self._tell()
        return f"list {name} is approved as of generation {kept.generation}"

    async def reject(self, name: str, *, by: str, reason: str) -> None:
        """Nothing is done with it, and nobody logs in there any more. Who is claimed is retired
        instead."""
        seen, _ = await self._find(name)
        candidate = seen.candidate
        if candidate.claimed_at is not None:
            raise PolicyRefused(
                "it is ours already",
                operation="reject",
                subject=f"candidate/{name}",
                code="Claimed",
                next_step=f"retire it: iolaus retire {candidate.entry}",
            )
        given = Given(by=by, at=self._clock.now(), reason=reason)
        await self._keep(candidate, rejected=given, approved=None)
        self._state.facts.remove_target(candidate.address)

    async def retry(self, name: str, *, by: str) -> None:
        """Go on where it stands: what failed is tried again, a rejection is taken back."""
        seen, _ = await self._find(name)
        candidate = seen.candidate
        plans = {m: p for m, p in candidate.plans.items() if not _is_over(m, seen)}
        self._seeing.looks.pop(candidate.address, None)
        await self._keep(candidate, failed={}, plans=plans, rejected=None, shows="")
        if self._state.facts.target_of(candidate.address) is not None:
            self._begin(candidate.address)
        log.info("onboarding_retried", candidate=name, by=by)

    async def handed(self, name: str, *, to: str, by: str) -> None:
        """Somebody took it over."""
        seen, judged = await self._find(name)
        if judged.reason == "AwaitingExport":
            await self._moves.finish(seen.candidate, to)
            log.info("onboarding_handed", candidate=name, to=to, by=by)
            self._tell()

    async def documents(
        self, name: str, *, to: str, namespace: str, login: bool
    ) -> Sequence[Mapping[str, Any]]:
        """With `login` the login of its controller stands in them."""
        seen, judged = await self._find(name)
        if judged.state not in READY:
            raise PolicyRefused(
                f"it is {judged.state.value}: {judged.message}",
                operation="hand over",
                subject=f"candidate/{name}",
                code="NotReady",
                next_step=judged.next_step or "wait until it is at its baseline.",
            )
        node = self._handed(seen.candidate.address, seen.expected)
        if to == "metal3":
            return metal3_objects(node, namespace=namespace)[0 if login else 1 :]
        body = ironic_node(node)
        if not login:
            body["driver_info"] = {
                k: v for k, v in body["driver_info"].items() if k != "redfish_password"
            }
        return [body, *ironic_ports(node)]

    async def recommission(self, name: str, *, by: str) -> None:
        """Begin anew with a machine that was retired: of its way before nothing is remembered."""
        seen, judged = await self._find(name)
        before = seen.candidate
        if judged.state is not State.RETIRED:
            raise PolicyRefused(
                f"it is {judged.state.value} and not retired",
                operation="recommission",
                subject=f"candidate/{name}",
                code="NotRetired",
                next_step=f"retire it first: iolaus retire {name}",
            )
        now = self._clock.now()
        fresh = Candidate(
            address=before.address,
            appeared_at=now,
            seen_at=now,
            ways=before.ways,
            mac=before.mac,
            hostname=before.hostname,
        )
        self._seeing.looks.pop(before.address, None)
        await self._state.candidates.put({before.address: fresh})
        log.info("recommissioned", candidate=name, by=by)
        await self.judge_all()

    def retirements(self) -> Sequence[Retirement]:
        """The newest first."""
        found = self._state.retirements.all().values()
        return sorted(found, key=lambda each: -each.at)

    async def forget(self, name: str) -> None:
        """It is a candidate no more."""
        seen, _ = await self._find(name)
        await self._state.candidates.remove(seen.candidate.address)
        self._judged.pop(seen.candidate.address, None)

    async def _find(self, name: str) -> tuple[Seen, Judged]:
        """By name, serial or address. Raises `OperatorMust`."""
        await self.judge_all()
        wanted = name.removeprefix("candidate/")
        for seen, judged in self._judged.values():
            serial = seen.shown.serial if seen.shown else ""
            if wanted in (name_of(seen), seen.candidate.address, serial):
                return seen, judged
        raise OperatorMust(
            "there is no such candidate",
            operation="find",
            subject=f"candidate/{wanted}",
            code="NotFound",
            next_step="list them with: iolaus get candidates",
        )

    async def _keep(self, candidate: Candidate, **fields: Any) -> None:
        kept = msgspec.structs.replace(candidate, **fields)
        await self._state.candidates.put({kept.address: kept})
        await self.judge_all()

    # --- the loop -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        await self.appear(
            each for kept in self.lists().values() for each in self._listed(kept.document)
        )
        while True:
            try:
                await self.turn()
            except IolausError as error:
                log.warning("onboarding_waits", error=str(error), next_step=error.next_step)
            except Exception:  # supervised: the next turn looks at everybody afresh
                log.exception("onboarding_erred")
            await self._clock.sleep(self._every_s)

    async def turn(self) -> None:
        """Judge everybody, and make the moves that are due now."""
        await self._retiring.settle()
        if not self._state.candidates.all():
            return
        async with self._turning:
            due = await self.judge_all()
            await self._first_contacts(due[Move.LOOK])
            if due[Move.CLAIM]:
                await self._moves.claim(due[Move.CLAIM])
            for move in PLANNED:
                if self._gathered(move, due[move]):
                    await self._moves.by_plan(move, due[move])
            for candidate, seen in due[Move.REGISTER]:
                await self._moves.register(candidate, seen)
            for candidate, seen in due[Move.FINISH]:
                to = seen.expected.handover.to if seen.expected else "none"
                await self._moves.finish(candidate, to)

    async def _first_contacts(self, due: Sequence[tuple[Candidate, Seen]]) -> None:
        gate = asyncio.Semaphore(LOOKS)

        async def one(candidate: Candidate) -> None:
            async with gate:
                await self._moves.look(candidate)

        async with asyncio.TaskGroup() as group:
            for candidate, _ in due:
                group.create_task(one(candidate))

    def _gathered(self, move: Move, due: Sequence[tuple[Candidate, Seen]]) -> bool:
        """Whether to make a plan now, or to wait a moment for more."""
        if not due:
            self._ready.pop(move, None)
            return False
        since = self._ready.setdefault(move, self._clock.monotonic())
        if len(due) < MANY and self._clock.monotonic() - since < self._gather_s:
            return False
        self._ready.pop(move, None)
        return True

    async def judge_all(self) -> Mapping[Move, list[tuple[Candidate, Seen]]]:
        """How everybody stands now; by move, for whom it is due."""
        await self._ledger.settle()
        candidates = self._state.candidates.all()
        standings = await self._standings(candidates.values())
        rivals, now = self._seeing.rivals(), self._clock.now()
        due: dict[Move, list[tuple[Candidate, Seen]]] = defaultdict(list)
        for address in self._judged.keys() - candidates.keys():
            del self._judged[address]
            self._too_soon.pop(address, None)
        for number, (address, candidate) in enumerate(candidates.items()):
            if number % 100 == 99:
                await asyncio.sleep(0)
            seen = self._seeing.seen(candidate, now=now, rivals=rivals, standings=standings)
            judged = judge(seen)
            # self._have_read(address, seen)
            self._note(address, seen, judged)
            if judged.move is not None:
                due[judged.move].append((candidate, seen))
        return due

    async def _standings(self, candidates: Collection[Candidate]) -> Mapping[str, Standing]:
        """Of plans of those who are not handed over."""
        going = [each for each in candidates if each.handed_at is None]
        return await self._rolling.fares({p for each in going for p in each.plans.values()})

    def _have_read(self, address: str, seen: Seen) -> None:
        """A reading that began too soon, be it that it shared an answer, is followed by another."""
        report = self._state.facts.report_of(address)
        if report is None or not began_too_soon(report, seen.runs.values()):
            self._too_soon.pop(address, None)
        elif self._too_soon.get(address) != report.observed_at:
            self._too_soon[address] = report.observed_at
            self._begin(address)

    def _note(self, address: str, seen: Seen, judged: Judged) -> None:
        """What stands anew is an event."""
        before = self._judged.get(address)
        self._judged[address] = (seen, judged)
        was = (before[1].state, before[1].reason) if before else None
        if was == (judged.state, judged.reason):
            return
        self._bus.publish(TOPIC, address)
        if judged.stands and before is not None:
            self._state.facts.record_event(
                Event(
                    at=self._clock.now(),
                    kind="CandidateStands",
                    severity="Warning",
                    endpoint=address,
                    message=f"{name_of(seen)} stands at {judged.state}: {judged.reason}: "
                    f"{judged.message}. Next: {judged.next_step}"[:500],
                )
            )

    def _tell(self) -> None:
        self._bus.publish(TOPIC, "")


def _missing(want: Expected) -> Progressed:
    step = "see to its power, network and DHCP; or correct the list."
    return Progressed(
        name=want.name,
        expected=want,
        standing=Judged(
            state=State.EXPECTED,
            reason="NotSeen",
            message="nothing that answers could be it",
            next_step=step,
        ),
    )


def _is_over(move: str, seen: Seen) -> bool:
    """Nothing more will come of the plan that was made for it."""
    run = seen.runs.get(move)
    return move in seen.candidate.failed or (
        run is not None and (run.state == "failed" or (run.state == "done" and run.read))
    )


def _no_list(name: str) -> OperatorMust:
    return OperatorMust(
        "there is no list of this name",
        operation="find",
        subject=f"expected/{name}",
        code="NotFound",
        next_step="list them with: iolaus get expected",
    )
