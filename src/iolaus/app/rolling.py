"""Roll-outs, put together: the planner and its rules from `fleet`, execution from `act`, the
journal from `store`, and what people ask of them from `north`.

Beside the state database two things are kept in the state directory by the operator's own hand:
`images/` holds firmware, `drains.yaml` says who runs work on the nodes (docs/drains.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from iolaus.act.conduct import Conductor
from iolaus.act.fold import Account
from iolaus.act.term import Rules
from iolaus.act.unwind import unwind
from iolaus.app.attesting import Attesting
from iolaus.app.draining import Adapters
from iolaus.app.late_pins import LatePins
from iolaus.app.recovering import BothHands, Recovering, is_recovery
from iolaus.app.rollout_drains import RolloutDrains, WhoDrained
from iolaus.bus.local import LocalBus
from iolaus.fleet.asked import plan_asked, rules_for
from iolaus.fleet.changed import what_changed
from iolaus.fleet.durations import Span, durations_of
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.folder import ImageFolder
from iolaus.fleet.follow import Decider
from iolaus.fleet.gate import Judgement
from iolaus.fleet.hands import Device, FleetHands, Rotates
from iolaus.fleet.hook import run_hook
from iolaus.fleet.ledger import Ledger
from iolaus.fleet.plan import Durations, Judged, Surroundings, make_plan
from iolaus.fleet.plan_text import plan_text
from iolaus.fleet.proving import Proving
from iolaus.fleet.renewing import RECEIPT, Renewals, ShowsCertificates
from iolaus.fleet.rollout import missing_approvals
from iolaus.fleet.seen import Observer, changed_unread
from iolaus.fleet.signing import Signer
from iolaus.fleet.step_onboard import without_work
from iolaus.fleet.step_quarantine import KEEP, OFF, check_quarantine
from iolaus.fleet.topology import Topology, topology_of
from iolaus.fleet.undoing import allowed, returned
from iolaus.fleet.wiping import Receipts, Wiping
from iolaus.fleet.world import World
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, OperatorMust, PolicyRefused
from iolaus.kernel.tasks import end
from iolaus.model.desired import Kept, LimitsWant, RolloutWant, Share
from iolaus.model.endpoint import Target
from iolaus.model.plan import Asked, Fate, GateRule, Plan
from iolaus.model.recovery import ASKED as RECOVER
from iolaus.model.rollout import Decision, Entry, EntryKind, NodeState, Progress, RolloutState
from iolaus.model.select import Selector
from iolaus.north.context import Standing
from iolaus.store.baselines import Baselines
from iolaus.store.drains import StoredDrains
from iolaus.store.facts import Facts
from iolaus.store.journal import KeptPlan, StoredJournal
from iolaus.store.lease import StoredLeases
from iolaus.store.state import State

log = structlog.get_logger(__name__)
TOPIC: Final = "rollouts"
QUARANTINE: Final = "quarantine"
STARTING: Final = "it was applied, and begins as soon as the conductor comes to it"
HOOK_EVERY_S: Final = 30.0
TOPOLOGY_S: Final = 60.0
DRAINED_S: Final = 5.0
HISTORY: Final = 20
"""So many roll-outs that are over say how long steps take."""


class Rolling:
    """`north`'s port `Rolls`, and the conductor behind it. `ledger` says how nodes depart,
    `read_again(address)` asks for an inventory of what was changed, and `look_again(address)` for
    its hot set where a roll-out must know how it fares."""

    def __init__(
        self,
        *,
        state: State,
        images: ImageFolder,
        bus: LocalBus,
        clock: Clock,
        ledger: Ledger,
        open_device: Callable[[Target], Device],
        read_again: Callable[[str], None],
        look_again: Callable[[str], None],
        hot_s: float,
        rotation: Rotates,
        rules: Rules | None = None,
        shows: ShowsCertificates,
        attesting: Attesting | None = None,
        wiping: Callable[[ShowsCertificates, Receipts], Wiping] | None = None,
        recovering: Recovering | None = None,
    ) -> None:
        self._attesting, self._recovering = attesting, recovering
        self._facts: Facts = state.facts
        self._baselines: Baselines = state.baselines
        self._bus, self._clock, self._ledger = bus, clock, ledger
        self._read_again, self.images = read_again, images
        kept = StoredDrains(state.database)
        self.adapters = Adapters(state.directory / "drains.yaml", clock=clock, kept=kept)
        self.journal = StoredJournal(state.database, clock=clock)
        self.drains = RolloutDrains(self.journal)
        self._drained = WhoDrained(kept, self.drains)
        self._drained_at = -DRAINED_S
        renewals = self._renewals(state, shows)
        self._late = LatePins(state.facts, late=renewals.late, read_again=read_again)
        attested = attesting.ledger.attested if attesting else lambda _: None
        self._observer = self._observing(hot_s, attested, look_again)
        self._remember_nothing()
        hands = FleetHands(
            facts=state.facts,
            open_device=open_device,
            drains=self.adapters.called,
            images=self.images,
            begun=partial(self._receipt, key="drained"),
            renewals=renewals,
            rotation=rotation,
            proving=Proving(lambda: attesting, clock=clock) if attesting else None,
            wiping=wiping(shows, self._receipt) if wiping else None,
        )
        if recovering:
            recovering.rolls = (self._every, self._keep, self.ask)
        self.conductor = Conductor(
            journal=self.journal,
            leases=StoredLeases(state.database),
            hands=BothHands(hands, recovering.hands) if recovering else hands,
            clock=clock,
            decide=self._decide,
            world=self._world,
            unwind=self._unwind,
            holder=f"{socket.gethostname()}:{os.getpid()}",
            rules=rules,
            on_change=self._heard,
        )

    def _observing(
        self,
        hot_s: float,
        attested: Callable[[str], bool | None],
        look_again: Callable[[str], None],
    ) -> Observer:
        return Observer(
            facts=self._facts,
            clock=self._clock,
            interval_s=hot_s,
            slow_interval_s=self._ledger.slow_interval_s,
            attested=attested,
            drained=self._drained.of,
            look_again=look_again,
        )

    def _remember_nothing(self) -> None:
        """Everything here can be found again."""
        self._decider = Decider()
        self._hooks: dict[tuple[str, str], tuple[float, Judgement | None]] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._topology: tuple[float, Topology] = (-TOPOLOGY_S, Topology())
        self._plans: dict[str, Plan] = {}
        self._folds: dict[str, Progress] = {}
        self._spans: dict[str, tuple[Span, ...]] = {}

    def _renewals(self, state: State, shows: ShowsCertificates) -> Renewals:
        return Renewals(
            facts=state.facts,
            signer=Signer(state.authorities, clock=self._clock),
            shows=shows,
            begun=partial(self._receipt, key=RECEIPT),
        )

    async def run(self) -> None:
        """Until cancelled."""
        since = self._clock.now() - 2 * self._ledger.slow_interval_s
        with contextlib.suppress(IolausError):  # the database, which says so elsewhere
            for address in changed_unread(self._facts, await self.journal.moved(since)):
                self._read_again(address)
        await self.conductor.run()

    async def close(self) -> None:
        await end(*self._asking)
        await self._late.close()
        await self.adapters.close()

    # --- what people ask ----------------------------------------------------------------------

    async def make_plan(self, baseline: str, *, selector: Selector, by: str, keep: bool) -> Plan:
        """What would bring the nodes that the baseline and the selector select to it."""
        kept = self._baselines.get(baseline)
        if kept is None:
            raise OperatorMust(
                "there is no baseline of this name",
                operation="plan",
                subject=f"baseline/{baseline}",
                code="NotFound",
                next_step="list them with: iolaus get baselines",
            )
        judged = await self._judged(baseline, selector)
        known = await self.journal.plans()
        around = Surroundings(
            topology=self._seen_topology(),
            images=await self.images.images(),
            durations=await self._durations(known),
            provers=self._attesting.provers(judged) if self._attesting else None,
        )
        last = next((p for p in known if p.baseline == baseline), None)
        plan = await asyncio.to_thread(
            make_plan,
            kept,
            judged,
            around,
            now=self._clock.now(),
            made_by=by,
            parent=last.parent if last else None,
        )
        if last is not None and (plan.id != last.id or last.state):
            plan = msgspec.structs.replace(plan, parent=last.id)
        if keep:
            await self._keep(plan)
        return plan

    async def plan_asked(
        self, asked: Asked, *, selector: Selector, batch: Share | None, by: str, keep: bool
    ) -> Plan:
        """What was asked of the nodes that are selected, by the rules of their baselines."""
        await self._ledger.settle()
        every = [f for f in self._every() if selector and selector.matches(f.name, f.lookup())]
        if not every:
            raise OperatorMust(
                "no node is selected",
                operation="plan",
                subject="asked",
                code="NothingSelected",
                next_step="see what there is with: iolaus get nodes",
            )
        if asked.kind == RECOVER and self._recovering is not None:
            plan = await self._recovering.plan(asked, every, batch=batch, by=by)
            if keep:
                await self._keep(plan)
            return plan
        now, asked = self._clock.now(), self._quarantined(asked)
        rules, name, generation = rules_for(*self._rules_over(asked, every))
        plan = await asyncio.to_thread(
            plan_asked,
            msgspec.structs.replace(asked, rules=name, at=now),
            every,
            Surroundings(topology=self._seen_topology()),
            rules=rules,
            generation=generation,
            batch=batch,
            now=now,
            made_by=by,
        )
        if keep:
            await self._keep(plan)
        return plan

    async def plan_for(
        self, asked: Asked, uids: Collection[str], *, batch: Share | None, by: str
    ) -> Plan:
        """What was asked of just these nodes, of which nobody runs work on any: under nobody's
        rules. Kept, and not applied."""
        every = [facts for facts in self._every() if facts.uid in uids]
        plan = await asyncio.to_thread(
            plan_asked,
            msgspec.structs.replace(asked, at=self._clock.now()),
            every,
            Surroundings(topology=self._seen_topology()),
            rules=RolloutWant(limits=LimitsWant(bricks=len(every))),
            batch=batch,
            now=self._clock.now(),
            made_by=by,
        )
        await self._keep(plan)
        return plan

    async def plan_baseline_for(self, baseline: str, uids: Collection[str], *, by: str) -> Plan:
        """What brings just these nodes, of which nobody runs work on any, to a baseline: within
        its limits and gates, in one wave, without its drain, window and approvals. Kept, and not
        applied. Raises `OperatorMust` as `make_plan` does."""
        kept = self._baselines.get(baseline)
        judged = [pair for pair in await self._judged(baseline, Selector()) if pair[0].uid in uids]
        if kept is None or not judged:
            raise OperatorMust(
                "it selects none of them" if kept else "there is no baseline of this name",
                operation="plan",
                subject=f"baseline/{baseline}",
                code="NotFound",
                next_step="see what it selects with: iolaus describe baseline/" + baseline,
            )
        around = Surroundings(
            topology=self._seen_topology(),
            images=await self.images.images(),
            durations=await self._durations(await self.journal.plans()),
            provers=self._attesting.provers(judged) if self._attesting else None,
        )
        plan = await asyncio.to_thread(
            make_plan,
            without_work(kept),
            judged,
            around,
            now=self._clock.now(),
            made_by=by,
        )
        await self._keep(plan)
        return plan

    def _quarantined(self, asked: Asked) -> Asked:
        """What the operator's policy makes of a quarantine."""
        if asked.kind != QUARANTINE or self._attesting is None:
            return asked
        check_quarantine(asked)
        wants = [each.spec.quarantine for each in self._attesting.policies]
        power = OFF if any(each.power == OFF for each in wants) else KEEP
        if asked.arguments.get("power", power) != power:
            raise PolicyRefused(
                f"policy says of the power: {power}",
                operation="plan",
                subject="quarantine",
                code="PolicySays",
                next_step="leave it out, or change policy.yaml (docs/policy.md).",
            )
        rules = asked.rules or next((each.rules for each in wants if each.rules), "")
        arguments = {"power": power} if power == OFF else {}
        return msgspec.structs.replace(asked, arguments=arguments, rules=rules)

    def _rules_over(
        self, asked: Asked, every: Sequence[NodeFacts]
    ) -> tuple[Kept | None, list[Kept]]:
        """The baseline that was named, and those that select any of the nodes."""
        verdicts = (self._ledger.verdict_of(f.endpoint, f.key) for f in every)
        names = sorted({name for v in verdicts if v is not None for name in v.drift.baselines})
        found = [kept for name in names if (kept := self._baselines.get(name)) is not None]
        return self._baselines.get(asked.rules) if asked.rules else None, found

    async def _keep(self, plan: Plan) -> None:
        await self._facts.keep()  # a plan must not outlive the identities that it names
        await self.journal.put_plan(plan)
        self._plans[plan.id] = plan
        self._bus.publish(TOPIC, plan.id)

    async def _durations(self, known: Iterable[KeptPlan]) -> Durations:
        """What steps took in the last roll-outs that are over."""
        over = [kept for kept in known if kept.state and RolloutState(kept.state).over]
        for kept in over[:HISTORY]:
            if kept.id not in self._spans:
                found = await self.journal.spans(kept.id)
                self._spans[kept.id] = tuple(Span(*each) for each in found)
                await self.plan(kept.id)
        return durations_of((self._plans[k.id], self._spans[k.id]) for k in over[:HISTORY])

    async def all(self) -> Sequence[Standing]:
        """Every plan that is kept, newest first, without its text."""
        return [await self._standing(kept, text=False) for kept in await self.journal.plans()]

    async def fares(self, plans: Collection[str]) -> Mapping[str, Standing]:
        """Those of these plans that are kept, without their texts and approvals."""
        known = [kept for kept in await self.journal.plans() if kept.id in plans] if plans else []
        return {kept.id: await self._fares(kept) for kept in known}

    async def _fares(self, kept: KeptPlan) -> Standing:
        """What is over says nothing new."""
        done = self._folds.get(kept.id)
        if done is None or not done.state.over or done.state.value != kept.state:
            return await self._standing(kept, text=False)
        return Standing(plan=await self.plan(kept.id), progress=done)

    async def plan(self, id_: str) -> Plan:
        """Raises `OperatorMust` for one that is not kept."""
        if id_ not in self._plans:
            self._plans[id_] = await self.journal.plan(id_)
        return self._plans[id_]

    async def standing(self, plan: str) -> Standing:
        for kept in await self.journal.plans():
            if kept.id == plan:
                return await self._standing(kept, text=True)
        return await self._standing_of(await self.journal.plan(plan), applied=False, text=True)

    async def approve(self, plan: str, *, by: str, groups: Sequence[str]) -> None:
        """In the name of groups. Nobody approves what they made."""
        found = await self.journal.plan(plan)
        wanted = {each.group for each in found.approvals}
        if by == found.made_by:
            raise PolicyRefused(
                "nobody approves what they made",
                operation="approve",
                subject=f"plan/{plan}",
                code="OwnPlan",
                next_step="let somebody else look at it and approve it.",
            )
        if unknown := set(groups) - wanted:
            raise OperatorMust(
                f"this plan needs no approval of {', '.join(sorted(unknown))}",
                operation="approve",
                subject=f"plan/{plan}",
                code="NoSuchApproval",
                next_step=f"it needs: {', '.join(sorted(wanted)) or 'none at all'}.",
            )
        await self.journal.approve(plan, by, tuple(groups) or tuple(wanted), self._clock.now())
        self.conductor.wake()
        self._bus.publish(TOPIC, plan)

    async def apply(self, plan: str, *, by: str) -> None:
        """Let it run, if the world is the one that it was made for."""
        found = await self.journal.plan(plan)
        standing = await self.standing(plan)
        if standing.progress is not None:
            raise PolicyRefused(
                f"it was applied before and is {standing.progress.state.value}",
                operation="apply",
                subject=f"plan/{plan}",
                code="AlreadyApplied",
                next_step=f"look at it with: iolaus describe rollout/{plan}",
            )
        if missing := missing_approvals(found, standing.approved):
            raise PolicyRefused(
                f"it still needs {', '.join(missing)}",
                operation="apply",
                subject=f"plan/{plan}",
                code="NeedsApproval",
                next_step=f"let them approve it with: iolaus approve plan/{plan}",
            )
        await self._must_be_as_planned(found)
        await self.ask(plan, "apply", by=by)

    async def ask(self, plan: str, what: str, *, by: str) -> None:
        """A word for the conductor, kept until it is answered."""
        await self.journal.plan(plan)
        await self.journal.ask(plan, what, by, self._clock.now())
        self.conductor.wake()
        self._bus.publish(TOPIC, plan)

    async def _must_be_as_planned(self, plan: Plan) -> None:
        """Raises `PolicyRefused` (WorldMoved) that says what changed."""
        if is_recovery(plan):
            return  # each rung reads what it needs again
        await self._ledger.settle()
        planned = {node.uid for node in plan.nodes if node.fate is Fate.UPDATE}
        rules = plan.asked.rules if plan.asked else plan.baseline
        selected = self._every() if plan.asked else self._ledger.selected(plan.baseline)
        now = [facts for facts in selected if facts.uid in planned]
        kept = self._baselines.get(rules)
        touched = tuple(node for node in plan.nodes if node.fate is Fate.UPDATE)
        changed = what_changed(msgspec.structs.replace(plan, nodes=touched), now, kept=kept)
        if kept is None and rules:
            changed = [f"baseline/{rules} is gone", *changed]
        if changed:
            more = f" (and {len(changed) - 3} more)" if len(changed) > 3 else ""
            raise PolicyRefused(
                "; ".join(changed[:3]) + more,
                operation="apply",
                subject=f"plan/{plan.id}",
                code="WorldMoved",
                next_step="ask for it again."
                if plan.asked
                else f"make a new plan with: iolaus plan {plan.baseline}",
            )

    # --- what stands --------------------------------------------------------------------------

    async def _standing(self, kept: KeptPlan, *, text: bool) -> Standing:
        plan = await self.plan(kept.id)
        standing = await self._standing_of(plan, applied=bool(kept.state) or kept.asked, text=text)
        if kept.state or standing.progress is None:
            return standing
        progress = msgspec.structs.replace(standing.progress, reason=STARTING)
        return msgspec.structs.replace(standing, progress=progress)

    async def _standing_of(self, plan: Plan, *, applied: bool, text: bool) -> Standing:
        progress = None
        if applied:
            progress = await self.conductor.progress(plan.id) or await self._folded(plan)
        said = await self.journal.approvals(plan.id)
        return Standing(
            plan=plan,
            text=plan_text(plan) if text else "",
            progress=progress,
            holds=self.conductor.holds(plan.id),
            approvals=tuple((each.by, each.groups, each.at) for each in said),
        )

    async def _folded(self, plan: Plan) -> Progress:
        """From the journal; folded again only when something was added to it."""
        known = self._folds.get(plan.id)
        if known is None or await self.journal.entries(plan.id, after=known.last):
            account = Account(plan, await self.journal.entries(plan.id))
            known = self._folds[plan.id] = account.progress()
        return known

    async def _judged(self, baseline: str, selector: Selector) -> list[Judged]:
        await self._ledger.settle()
        found: list[Judged] = []
        for facts in self._ledger.selected(baseline):
            verdict = self._ledger.verdict_of(facts.endpoint, facts.key)
            if verdict is None or not (
                not selector or selector.matches(facts.name, facts.lookup())
            ):
                continue
            found.append((facts, verdict.drift))
        return found

    def _every(self) -> list[NodeFacts]:
        return [
            facts
            for held in self._facts.all_held()
            for facts in self._ledger.node_facts(held.target.address)
        ]

    # --- what the conductor is given ----------------------------------------------------------

    def _decide(self, plan: Plan, progress: Progress, world: object, now: float) -> Decision:
        if self._recovering is not None and is_recovery(plan):
            return self._recovering.decide(plan, progress, now)
        assert isinstance(world, World)
        return self._decider(plan, progress, world, now)

    def _unwind(self, plan: Plan, progress: Progress, now: float) -> Decision:
        """What goes back next, held to what holds for every change."""
        if is_recovery(plan):
            return unwind(plan, progress, now)
        world = self._world(plan)
        back = returned(plan, progress, world, now)
        return allowed(unwind(plan, progress, now, back=back), plan, progress, world, now)

    def _world(self, plan: Plan) -> World:
        self._look_at_drains()
        hooks = {gate.name: self._hook(plan, gate) for gate in plan.gates if gate.command}
        known = {name: said for name, said in hooks.items() if said is not None}
        return self._observer.world(plan, topology=self._seen_topology(), hooks=known)

    def _look_at_drains(self) -> None:
        """What people had drained is read in the background; what roll-outs drain is heard."""
        now = self._clock.monotonic()
        if now - self._drained_at >= DRAINED_S:
            self._drained_at = now
            self._in_background(self._ask_drains())

    async def _ask_drains(self) -> None:
        with contextlib.suppress(IolausError):  # the database, which says so elsewhere
            if await self._drained.look():
                self.conductor.wake()

    def _in_background(self, asking: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(asking)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def _seen_topology(self) -> Topology:
        at, known = self._topology
        now = self._clock.monotonic()
        if now - at >= TOPOLOGY_S:
            known = topology_of(self._every())
            self._topology = (now, known)
        return known

    def _hook(self, plan: Plan, gate: GateRule) -> Judgement | None:
        """What the command said last; asked again in the background when that is old."""
        key, now = (plan.id, gate.name), self._clock.monotonic()
        at, said = self._hooks.get(key, (-HOOK_EVERY_S, None))
        if now - at >= HOOK_EVERY_S:
            self._hooks[key] = (now, said)
            self._in_background(self._ask_hook(key, gate))
        return said

    async def _ask_hook(self, key: tuple[str, str], gate: GateRule) -> None:
        document = {"plan": key[0], "gate": gate.name, "values": dict(self._observer.values())}
        said = await run_hook(gate.name, gate.command, document, timeout_s=gate.timeout_s)
        self._hooks[key] = (self._clock.monotonic(), said)
        self.conductor.wake()

    async def _receipt(self, uid: str, key: str) -> Mapping[str, Any] | None:
        """What was noted last of a node under a key, by the journals of what is not over."""
        sent = [e for e in await self.journal.sent_to(uid) if key in e.doc.get("receipt", {})]
        last = max(sent, key=lambda each: each.at, default=None)
        return last.doc["receipt"][key] if last else None

    def _heard(self, plan: str, entries: tuple[Entry, ...]) -> None:
        """What was done to a node is read by the next inventory, and that is due now."""
        self.drains.hear(plan, entries)
        if self._recovering is not None:
            self._recovering.heard(plan, entries)
        for entry in entries:
            if entry.kind is not EntryKind.NODE_STATE or not NodeState(entry.doc["state"]).over:
                continue
            if (found := self._facts.find_asset(entry.node or "")) is not None:
                self._read_again(found[0].target.address)
        self._bus.publish(TOPIC, plan)
