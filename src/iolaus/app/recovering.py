"""Recovery, put together: the judge over the picture of the hall, the ladder as plans of the one
conductor, and what a policy lets happen without a person.

`recovery.yaml` of the state directory holds the policy (docs/recovery.md). Every few seconds the
hall is judged anew from what is known; a finding that is new is an event, and what stands behind it
rings as an alarm by the node's condition `Reach`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from msgspec import UNSET

from iolaus.act.ports import Hands
from iolaus.app.last_images import Found, LastImages
from iolaus.drivers.lane import Lanes
from iolaus.drivers.ports import Priority
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.hands import FleetHands
from iolaus.fleet.judge import compile_selector
from iolaus.fleet.limits import resolve
from iolaus.fleet.recovery_files import load_policy
from iolaus.fleet.window import parse_duration
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.model.asset import Asset
from iolaus.model.desired import NodeSelector, Share
from iolaus.model.endpoint import Condition, Event, Mode, Target
from iolaus.model.naming import endpoint_name
from iolaus.model.plan import Action, Asked, Expect, Fate, NodePlan, Plan, Step, Verb
from iolaus.model.reach import Judgement, NodeSight, Verdict
from iolaus.model.recovery import ASKED, RungName, Tried
from iolaus.model.rollout import Decision, Entry, EntryKind, Progress, Sight
from iolaus.model.select import MISSING
from iolaus.model.trust import Summary
from iolaus.recovery.bundle import bundle
from iolaus.recovery.deciding import Scene, decide
from iolaus.recovery.evidence import Tail, adopt
from iolaus.recovery.hands import Device, Means, Ours, RecoveryHands
from iolaus.recovery.ladder import OPEN, Patient, crowded, plan_recovery
from iolaus.recovery.persons import Persons, rung_of
from iolaus.recovery.policy import Rules, rules_of
from iolaus.recovery.probe import wedged
from iolaus.recovery.reach import judge_all
from iolaus.recovery.reflashing import Images
from iolaus.recovery.rounds import Rounds, controllers
from iolaus.recovery.scrub import Scrub
from iolaus.recovery.sighting import Lens, outlets_of, sights, sights_by_endpoint
from iolaus.recovery.signals import Signals
from iolaus.recovery.spent import Spending, Use
from iolaus.recovery.tried import tried
from iolaus.store.held import Held
from iolaus.store.journal import StoredJournal
from iolaus.store.secrets import Secrets
from iolaus.store.state import State

if TYPE_CHECKING:
    from iolaus.app.house import House

log = structlog.get_logger(__name__)
POLICY_FILE: Final = "recovery.yaml"
BY_POLICY: Final = "policy/recovery"
MINE: Final = frozenset({Verb.GATHER, Verb.RECOVER})
PROBES: Final = 16
BREATH: Final = 25
"""So many endpoints are looked at before others have their turn."""
MOST_PLANS: Final = 200
TAIL_BYTES: Final = 64 << 10
_RESETS: Final = {
    RungName.RESTART: "power.restart.graceful",
    RungName.FORCE_RESTART: "power.restart.force",
    RungName.POWER_CYCLE: "power.reset",
    RungName.POWER_ON: "power.reset",
    RungName.NMI: "power.reset",
    RungName.MAINS: "power.reset",
    RungName.HOLD_OFF: "power.reset",
    RungName.RESET_MANAGER: "manager.reset",
    RungName.RESCUE: "boot.override",
}
_CALM: Final = frozenset({Verdict.WELL, Verdict.HOST_OFF, Verdict.UNKNOWN})


class Ask(Protocol):
    """Has a plan begin."""

    async def __call__(self, plan: str, what: str, *, by: str) -> None: ...


Every = Callable[[], Sequence[NodeFacts]]
Keep = Callable[[Plan], Awaitable[None]]
Rolls = tuple[Every, Keep, Ask]


def is_recovery(plan: Plan) -> bool:
    return plan.asked is not UNSET and plan.asked.kind == ASKED


class BothHands:
    """`act`'s hands: those of roll-outs, and those of recovery by what a step does."""

    def __init__(self, fleet: FleetHands, recovery: RecoveryHands) -> None:
        self._fleet, self._recovery = fleet, recovery

    async def look(
        self,
        node: NodePlan,
        step: Step,
        expects: tuple[Expect, ...],
        *,
        baseline: Mapping[str, Any],
    ) -> Sight:
        return await self._of(step.action).look(node, step, expects, baseline=baseline)

    async def do(
        self, node: NodePlan, step: Step, action: Action, *, effect: str
    ) -> Mapping[str, Any]:
        return await self._of(action).do(node, step, action, effect=effect)

    def _of(self, action: Action) -> Hands:
        return self._recovery if action.verb in MINE else self._fleet


class Recovering:
    """`disproved` says of a node's uid whether what it runs was disproved, `settle` has a login
    looked for, `every_s` is how often the hall is judged, and `tail` gives the last words of a
    console where somebody records it."""

    def __init__(
        self,
        *,
        state: State,
        clock: Clock,
        lanes: Lanes,
        open_device: Callable[[Target], Device],
        interval_s: float,
        slow_interval_s: float,
        settle: Callable[[str], None],
        disproved: Callable[[str], bool],
        images: LastImages,
        tail: Tail | None = None,
    ) -> None:
        self._state, self._facts, self._clock, self._lanes = state, state.facts, clock, lanes
        self._interval_s, self._slow_s = interval_s, slow_interval_s
        self._disproved, self._images = disproved, images
        spec = load_policy(state.directory / POLICY_FILE)
        self.rules: Rules = rules_of(spec, seconds=parse_duration) if spec else Rules()
        self.signals = Signals(now=clock.now, for_s=lambda: self.rules.signals_for_s)
        self._spending, self._persons = Spending(), Persons()
        self._open = open_device
        self._rounds = Rounds(
            self._wedged, every_s=lambda: self.rules.wedged_after_s / 2, turn_s=interval_s
        )
        self._found: dict[str, Judgement] = {}
        self._since: dict[str, float] = {}
        self._racks: dict[str, str] = {}
        self._looks = 0
        self.hands = RecoveryHands(
            Means(
                facts=state.facts,
                open_device=open_device,
                clock=clock,
                rules=lambda: self.rules,
                lens=self._lens,
                spending=self._spending,
                saved=state.saved,
                ours=self._ours,
                images=Images(checked=images.folder.checked, sent=images.sent),
                settle=settle,
                secrets=lambda: known_secrets(state.secrets, self._addresses()),
                tail=tail,
            )
        )
        self.rolls: Rolls | None = None
        """All nodes, what keeps a plan, and what asks for it to be applied."""

    # --- what is so ---------------------------------------------------------------------------

    def look(self) -> Mapping[str, Judgement]:
        """The hall judged from what is known, by uid; what turned is told as an event."""
        return self._judged(sights(self._facts.all_held(), self._lens()))

    async def _looked(self) -> Mapping[str, Judgement]:
        """As `look`, with others' turns between: a hall of ten thousand nodes takes its time. Who
        looked meanwhile saw what is newer."""
        seen, began = dict[str, NodeSight](), self._looks
        for number, some in enumerate(sights_by_endpoint(self._facts.all_held(), self._lens())):
            seen.update(some)
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
        return self._judged(seen) if self._looks == began else self._found

    def _judged(self, seen: Mapping[str, NodeSight]) -> Mapping[str, Judgement]:
        found = judge_all(seen.values())
        self._looks += 1
        self._racks = {uid: each.rack for uid, each in seen.items()}
        now = self._clock.now()
        for uid, judgement in found.items():
            before = self._found.get(uid)
            if before is None or before.verdict is not judgement.verdict:
                self._since[uid] = now
                self._tell(seen[uid], before, judgement, now)
        self._found = found
        return found

    def judgement(self, uid: str) -> Judgement | None:
        return self._found.get(uid)

    def condition(self, uid: str) -> Condition | None:
        """ "Reach" of a node by its uid, with the evidence of each path."""
        found = self._found.get(uid)
        if found is None:
            return None
        paths = "; ".join(f"{p.way.value} {p.subject}: {p.detail}" for p in found.evidence)
        status = {Verdict.UNKNOWN: "Unknown", Verdict.WELL: "True", Verdict.HOST_OFF: "True"}
        return Condition(
            type="Reach",
            status=status.get(found.verdict, "False"),
            reason="".join(word.capitalize() for word in found.verdict.value.split("-")),
            message=f"{found.why} [{paths}]",
            next_step=self._next(uid, found),
            since=self._since.get(uid),
        )

    def _next(self, uid: str, found: Judgement) -> str:
        """What was tried already is not named as what comes next."""
        ended = self._persons.condition(uid, found.verdict)
        done = ended is not None and ended.reason in ("NeedsPerson", "HeldOff")
        return "see the condition Recovery" if done else found.next_step

    def waits(self, uid: str) -> Condition | None:
        """ "Recovery" of a node by its uid: whether it waits for a person."""
        found = self._found.get(uid)
        return self._persons.condition(uid, found.verdict if found else None)

    async def tried(self, plan: str) -> Mapping[str, Sequence[Tried]]:
        """What was tried in a recovery, by the node's uid."""
        journal = StoredJournal(self._state.database, clock=self._clock)
        return tried(await journal.entries(plan))

    def _tell(
        self, seen: NodeSight, before: Judgement | None, after: Judgement, now: float
    ) -> None:
        """One event for a finding, whoever of the rack is the first to have it."""
        shared = after.verdict.of_many and any(
            each.finding == after.finding for uid, each in self._found.items() if uid != seen.uid
        )
        if (before is None and after.verdict in _CALM) or shared:
            return
        held = self._facts.find_asset(seen.uid)
        self._facts.record_event(
            Event(
                at=now,
                kind="ReachChanged",
                severity="OK" if after.verdict in _CALM else "Critical",
                endpoint=held[0].target.address if held else "",
                asset=seen.uid,
                message=f"{after.finding if after.verdict.of_many else seen.name}: {after.why}",
                before=before.verdict.value if before else None,
                after=after.verdict.value,
                dedup=f"reach:{after.finding}:{after.verdict}:{now}",
            )
        )

    async def run(self) -> None:
        """Does not return."""
        await self._remember()
        await self._adopt()
        await asyncio.gather(self._again(self._judge), self._again(self._ask_round))

    async def _again(self, once: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await once()
            except IolausError as error:
                log.warning("reach_not_judged", error=str(error))
            except Exception:  # supervised: the next look begins afresh
                log.exception("reach_erred")
            await self._clock.sleep(self._interval_s)

    async def _judge(self) -> None:
        await self._by_itself(await self._looked())

    async def _ask_round(self) -> None:
        await self._rounds.turn(controllers(self._facts.all_held()), self._clock.monotonic())

    async def _wedged(self, address: str) -> str | None:
        """The update that does not end at a controller, as it says now; None where it does not."""
        held = self._facts.held(address)
        if held is None:
            return ""
        skew_s = (held.report.clock_skew_s if held.report else None) or 0.0
        try:
            return await wedged(
                self._open(held.target).at(Priority.INVENTORY),
                now=self._clock.now() + skew_s,
                after_s=self.rules.wedged_after_s,
            )
        except OperatorMust:
            return None  # it has no login, no pin: whoever polls it says so

    def say(self, uid: str, *, alive: bool, source: str, detail: str) -> None:
        """Somebody in band says how a host is."""
        self.signals.say(uid, alive=alive, source=source, detail=detail)

    async def bundle(self, uid: str, *, dumps: bool) -> bytes:
        """All that is kept of a node, without secrets. Raises `OperatorMust`."""
        found = self._facts.find_asset(uid)
        if found is None:
            raise OperatorMust(
                "it is not known any more",
                operation="bundle",
                subject=uid,
                code="NotFound",
                next_step="see what there is with: iolaus get nodes",
            )
        held, asset = found
        documents: dict[str, Any] = {
            "node": asset,
            "target": held.target,
            "status": held.status,
            "reach": self._found.get(uid),
            "events": self._facts.events(limit=500, asset=uid),
            "device-log": await self._facts.logs(held.target.address, limit=500),
            "recoveries": await self._entries(uid),
            "readings": [each for each in held.readings.values() if each.asset == asset.key],
        }
        if held.report is not None:
            documents["firmware"] = [f for f in held.report.firmware if f.asset == asset.key]
            documents["components"] = [c for c in held.report.components if c.asset == asset.key]
        scrub = Scrub(known_secrets(self._state.secrets, self._addresses()))
        saved = self._state.saved
        archives = {each.name: partial(saved.read, each) for each in await saved.of(uid)}
        return await asyncio.to_thread(bundle, documents, archives, scrub=scrub, dumps=dumps)

    async def _entries(self, uid: str) -> list[Entry]:
        """What the journals of recoveries say of a node."""
        journal = StoredJournal(self._state.database, clock=self._clock)
        found: list[Entry] = []
        for kept in (await journal.plans())[:MOST_PLANS]:
            if not kept.baseline:
                entries = await journal.entries(kept.id)
                found += [entry for entry in entries if entry.node == uid]
        return found

    # --- by itself ----------------------------------------------------------------------------

    async def _by_itself(self, found: Mapping[str, Judgement]) -> None:
        """What a policy lets happen without a person, for whom it is so long enough."""
        wants, now = self.rules.automatic, self._clock.now()
        if not wants.verdicts or self.rolls is None:
            return
        for uid, judgement in found.items():
            stood = now - self._since.get(uid, now)
            if judgement.verdict not in wants.verdicts or stood < wants.after_s:
                continue
            held = self._facts.find_asset(uid)
            if held is None or held[0].target.mode is not Mode.MANAGED:
                continue
            self._since[uid] = now  # tried again only when it stood as long once more
            if self._selected(held[0], held[1], wants.selector):
                await self._begin(Asked(kind=ASKED, at=now), uid, *self.rolls)

    async def _begin(self, asked: Asked, uid: str, every: Every, keep: Keep, ask: Ask) -> None:
        """Planned, kept and applied, if there is anything to do."""
        nodes = [facts for facts in every() if facts.uid == uid]
        plan = await self.plan(asked, nodes, batch=None, by=BY_POLICY)
        if plan.waves:
            await keep(plan)
            await ask(plan.id, "apply", by=BY_POLICY)

    def _selected(self, held: Held, asset: Asset, selector: NodeSelector) -> bool:
        fields: dict[str, str | None] = {
            "name": endpoint_name(held.target),
            "kind": asset.kind.value,
            "vendor": asset.vendor,
            "model": asset.model,
            **held.target.labels,
        }
        return compile_selector(selector)(str(fields["name"]), lambda key: fields.get(key, MISSING))

    # --- plans --------------------------------------------------------------------------------

    async def plan(
        self, asked: Asked, every: Sequence[NodeFacts], *, batch: Share | None, by: str
    ) -> Plan:
        """The ladders of these nodes, each asked afresh first."""
        hall = dict(self.look())
        racks = dict(self._racks)
        slots = asyncio.Semaphore(PROBES)

        async def one(facts: NodeFacts) -> Patient | None:
            async with slots:
                return await self._patient(facts, asked)

        patients = [p for p in await asyncio.gather(*map(one, every)) if p is not None]
        hall |= {p.sight.uid: p.judgement for p in patients if not p.judgement.verdict.of_many}
        if by == BY_POLICY:
            patients = [self._narrowed(each) for each in patients]
        now = self._clock.now()
        most = None if batch is None else resolve(batch, len(every))
        return plan_recovery(
            asked, patients, hall, racks, self.rules, now=now, made_by=by, batch=most
        )

    async def _patient(self, facts: NodeFacts, asked: Asked) -> Patient | None:
        found = self._facts.find_asset(facts.uid)
        if found is None:
            return None
        held, asset = found
        seen = await self.hands.seen(held, asset)
        every = self._seen() | {facts.uid: seen}
        judgement = judge_all(every.values())[facts.uid]
        last = Found()
        if seen.broken:
            want = self.rules.reflash
            last = await self._images.of(facts, found, seen.broken, asked=asked, want=want)
        flashing = {RungName.REFLASH} if last.pushes else set()
        offers = frozenset(self._offers(held, asset)) | flashing
        slot = None if RungName.OUTLET in offers else await self.hands.slot(held)
        if slot is not None and not slot.why:
            offers |= {RungName.SLOT}
        lacks = [last.lacks, f"slot {slot.name}: {slot.why}" if slot and slot.why else ""]
        rejoins = asked.arguments.get("only") == RungName.REJOIN
        return Patient(
            sight=seen,
            judgement=judgement,
            endpoint=held.target.address,
            managed=held.target.mode is Mode.MANAGED,
            offers=offers,
            pushes=last.pushes,
            closed=closed_of(await self._entries(facts.uid)) if rejoins else (),
            lacks="; ".join(filter(None, lacks)),
        )

    def _narrowed(self, patient: Patient) -> Patient:
        """To what a policy lets happen without a person."""
        return replace(patient, offers=patient.offers & self.rules.automatic.rungs)

    def _offers(self, held: Held, asset: Asset) -> Iterator[RungName]:
        able = set(asset.capabilities)
        yield from (rung for rung, word in _RESETS.items() if word in able or not able)
        firmware = held.report.firmware if held.report else ()
        if any(each.bank == "backup" and each.booted_by for each in firmware):
            yield RungName.SWITCH_BANK
        strips = {endpoint_name(each.target): each for each in self._facts.all_held()}
        outlets = list(outlets_of(held, strips))
        if outlets and all(there is not None and each.uri for each, there in outlets):
            yield RungName.OUTLET

    def decide(self, plan: Plan, progress: Progress, now: float) -> Decision:
        going = {node.uid for node in plan.nodes if node.fate is Fate.UPDATE}
        others = {uid: each for uid, each in self._found.items() if uid not in going}
        return decide(plan, progress, Scene(crowded(others, self._racks, self.rules)), now)

    # --- the journal --------------------------------------------------------------------------

    def heard(self, plan: str, entries: Sequence[Entry]) -> None:
        """Rungs that were begun, and nodes that are a person's now, as the journal says so."""
        self._persons.hear(plan, entries)
        for entry in entries:
            if (use := self._use(entry)) is not None:
                self._spending.note(plan, use)

    def _use(self, entry: Entry) -> Use | None:
        if entry.kind is not EntryKind.STARTED or entry.doc.get("verb") != Verb.RECOVER.value:
            return None
        word = rung_of(str(entry.doc.get("subject", "")))
        if not word:
            return None
        found = self._facts.find_asset(entry.node or "")
        rack = found[0].target.labels.get("rack", "") if found else ""
        return Use(RungName(word), entry.node or "", rack, entry.at, entry.step or "")

    async def _remember(self) -> None:
        """What was used within the hour, and who waits for a person, from the journal."""
        journal = StoredJournal(self._state.database, clock=self._clock)
        try:
            for kept in (await journal.plans())[:MOST_PLANS]:
                if kept.baseline:
                    continue
                self.heard(kept.id, await journal.entries(kept.id))
        except IolausError as error:
            log.warning("recoveries_not_read", error=str(error))

    async def _adopt(self) -> None:
        folder = self._state.directory / "evidence"
        try:
            await adopt(folder, self._state.saved)
        except (IolausError, OSError) as error:
            log.warning("evidence_not_adopted", folder=str(folder), error=str(error))

    # --- what is known ------------------------------------------------------------------------

    def _seen(self) -> dict[str, NodeSight]:
        return sights(self._facts.all_held(), self._lens())

    def _lens(self) -> Lens:
        return Lens(
            now=self._clock.now(),
            interval_s=self._interval_s,
            slow_interval_s=self._slow_s,
            silent_for_s=self.rules.silent_for_s,
            host_of=self.signals.of,
            disproved=self._disproved,
            crowded=self._is_crowded,
            wedged=self._rounds.of,
        )

    def _is_crowded(self, address: str) -> bool:
        lane = self._lanes.find(address)
        return lane is not None and lane.stats().crowded

    def _ours(self, target: Target) -> Ours:
        login = self._state.secrets.login_for(target.address, name=target.credential)
        mine = self._state.sessions.ours(target.address)
        return Ours(user=login.user if login else "", sessions=frozenset(mine))

    def _addresses(self) -> list[str]:
        return [held.target.address for held in self._facts.all_held()]


def recovering_of(house: House) -> Recovering:
    """That of a house. Raises `OperatorMust` where the operator's file is wrong."""
    periods, trusted = house.options.periods, house.attesting.ledger

    def disproved(uid: str) -> bool:
        found = trusted.rolled_up(uid)
        return found is not None and found.summary is Summary.UNTRUSTED

    async def last_words(uid: str) -> bytes | None:
        """Of its console, where somebody had it recorded."""
        return await house.consoles.tail(uid, TAIL_BYTES)

    return Recovering(
        state=house.state,
        clock=house.clock,
        lanes=house.lanes,
        open_device=house.devices.open,
        interval_s=periods.hot_s,
        slow_interval_s=periods.inventory_s,
        settle=lambda address: house.keyring.loop.wake(address),
        disproved=disproved,
        images=LastImages(
            facts=house.state.facts,
            journal=StoredJournal(house.state.database, clock=house.clock),
            folder=house.images,
            anchors=house.attesting.anchors,
            provers=lambda facts: house.attesting.provers([(facts, None)]),
        ),
        tail=last_words,
    )


def closed_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """What recoveries closed of a node and did not open again, by its journal in any order."""
    closed: dict[str, None] = {}
    for entry in sorted(entries, key=lambda each: each.at):
        word = str(entry.step or "").rpartition("-")[2]
        if entry.kind is EntryKind.STARTED and word == RungName.ISOLATE:
            closed |= dict.fromkeys(entry.doc.get("seen", {}).get(OPEN, ()))
        if entry.kind is EntryKind.DONE and word == RungName.REJOIN:
            closed.clear()
    return tuple(closed)


def known_secrets(secrets: Secrets, addresses: Sequence[str]) -> list[str]:
    """Every password that is kept, in clear, for nothing but to be looked for."""
    found = [login.password for name in secrets.names() if (login := secrets.get(name))]
    for address in addresses:
        own = secrets.own(address)
        if own is not None:
            every = (own.login, own.candidate, *own.spare)
            found += [login.password for login in every if login is not None]
    return found
