"""What the composition root hands to north: ports only, no room by name but the store's.

North reads facts and writes intents. It starts work (a discovery) through a port and never knows
who does it; so the API is tested with a store and nothing behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from iolaus.bus.port import Bus
from iolaus.fleet.exposures import Exposures
from iolaus.fleet.ledger import Ledger
from iolaus.kernel.clock import Clock
from iolaus.model.advisory import Kept
from iolaus.model.appraisal import AttesterKey
from iolaus.model.authority import Authority, Words
from iolaus.model.desired import Share
from iolaus.model.endpoint import Condition, Target
from iolaus.model.matching import Mapped
from iolaus.model.plan import Asked, Plan
from iolaus.model.plant import Plant
from iolaus.model.point import Point
from iolaus.model.recovery import Tried
from iolaus.model.reference import KeptReference
from iolaus.model.rollout import Progress
from iolaus.model.select import Selector
from iolaus.model.surface import Surface
from iolaus.north.alarms import Alarms, AlarmShelf
from iolaus.north.attestations import Attestations, Attests
from iolaus.north.auth import Auth
from iolaus.north.bulletins import Bulletins
from iolaus.north.closed import Closed
from iolaus.north.consoles import ConsoleRoom
from iolaus.north.drains import DrainShelf
from iolaus.north.fleet import Fleet
from iolaus.north.kinds import Source
from iolaus.north.members import KnowsMembers, member_items
from iolaus.north.onboarding import OnboardingShelf, Onboards
from iolaus.north.planted import plant_items, point_items
from iolaus.north.power import PowerRoom, PowerShelf
from iolaus.north.referenced import reference_items
from iolaus.north.rolls import PlanShelf
from iolaus.north.routes import SendsAlarms
from iolaus.north.ruling import RulesPower, RulingShelf
from iolaus.north.shelves import Desired
from iolaus.north.site import SeesSite, SiteShelf
from iolaus.north.suppressions import SuppressionShelf
from iolaus.north.tasks import TaskBook
from iolaus.store.audit import AuditLog
from iolaus.store.baselines import Baselines
from iolaus.store.facts import Facts
from iolaus.store.secrets import Secrets
from iolaus.store.shelf import Shelf, advisory_shelf, surface_shelf
from iolaus.trust.checkpoints import Checkpoint


class DiscoveryOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants discovered. `targets` are words (host, URL, CIDR, host range),
    `hosts_file` the text of a hosts file. `site` is theirs unless they name their own. `password`
    is used and never kept or shown."""

    targets: tuple[str, ...] = ()
    hosts_file: str | None = None
    user: str | None = None
    password: str | None = None
    credential: str | None = None
    trust_first: bool = False
    allow_http: bool = False
    ssdp: bool = False
    site: str = ""

    def __repr__(self) -> str:
        return f"DiscoveryOrder(targets={self.targets!r}, user={self.user!r}, password=...)"


class ReferenceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A document to be imported. `anchors` are (name, content) of the certificates and public
    keys that its signer is held against."""

    source: str
    data: bytes
    anchors: tuple[tuple[str, bytes], ...] = ()
    accept_unverified: bool = False


class PackageOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A firmware package to be imported: its bytes are at `path`, and named `source`. `meant` says
    what it is for: a component's id (`*` and `?` allowed) or its class; "0x0010=" before that means
    one image of it."""

    source: str
    path: Path
    anchors: tuple[tuple[str, bytes], ...] = ()
    meant: tuple[str, ...] = ()
    accept_unverified: bool = False


class LearnOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Components to learn from: where they are, to the name of their node. `least` is how many of
    a kind there must be."""

    name: str
    named: Mapping[AttesterKey, str]
    least: int = 2


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one address. `outcome`: "new", "known", "refused", "silent", "failed".
    `fingerprint` is what an untrusted certificate shows."""

    address: str
    outcome: str
    name: str | None = None
    message: str = ""
    next_step: str = ""
    fingerprint: str | None = None


class Discovers(Protocol):
    """Starts looking. `targets` reads an order without touching the network (raises
    `OperatorMust`, `PolicyRefused`); `run` looks, calls `on_found` for each address that
    answered or was named, and returns when all were tried."""

    def targets(self, order: DiscoveryOrder) -> Sequence[Target]: ...

    async def run(self, order: DiscoveryOrder, on_found: Callable[[Found], None]) -> None: ...


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A plan and how it fares. `progress` is None until it is applied; `text` is what a person
    reviews; `holds` says per node uid (or "" for all) why it waits now; `approvals` are (who,
    groups, when)."""

    plan: Plan
    text: str = ""
    progress: Progress | None = None
    holds: Mapping[str, str] = {}
    approvals: tuple[tuple[str, tuple[str, ...], float], ...] = ()

    @property
    def approved(self) -> Mapping[str, tuple[str, ...]]:
        """In the name of which groups, by who did."""
        return {by: groups for by, groups, _ in self.approvals}


class StandingDrain(msgspec.Struct, frozen=True, kw_only=True):
    """A node that is drained or on its way there. `by` is a person or "rollout/<plan>"; `mark` is
    the reason as the adapter keeps it; `phase` is draining, drained, refused or unknown; times are
    seconds since 1970."""

    uid: str
    node: str
    adapter: str
    reason: str
    mark: str
    by: str
    at: float
    phase: str
    detail: str = ""
    remaining: tuple[str, ...] = ()
    since: float = 0.0


class DrainsNodes(Protocol):
    """Has work taken away from nodes, and gives them back. Every method raises `OperatorMust` for
    what a person has to put right, and what the adapter of the drains raises."""

    async def all(self) -> Sequence[StandingDrain]:
        """Those of people and of roll-outs."""
        ...

    def of(self, uid: str) -> StandingDrain | None:
        """A node's drain as it was last seen; a person's before a roll-out's."""
        ...

    async def drain(self, uid: str, name: str, *, adapter: str, reason: str, by: str) -> None:
        """`adapter` "": the only one there is."""
        ...

    async def undrain(self, uid: str, name: str, *, by: str) -> None:
        """Only what `drain` did."""
        ...

    async def say(self, uid: str, name: str, *, word: str, note: str, by: str) -> None:
        """A person's word ("done" or "refused") on a drain by hand."""
        ...


class Rolls(Protocol):
    """Makes plans and lets them run. Every method raises `OperatorMust` for a plan that is not
    there, `PolicyRefused` for what may not be done now, each with the next step."""

    async def make_plan(self, baseline: str, *, selector: Selector, by: str, keep: bool) -> Plan:
        """What would be done to bring the nodes that the baseline (and the selector) selects to
        it. `keep` False: only looked at."""
        ...

    async def plan_asked(
        self, asked: Asked, *, selector: Selector, batch: Share | None, by: str, keep: bool
    ) -> Plan:
        """What would be done where a person asked for it and no baseline says it, at most `batch`
        at once. An empty selector selects nothing."""
        ...

    async def all(self) -> Sequence[Standing]:
        """Every plan that is kept, newest first."""
        ...

    async def standing(self, plan: str) -> Standing: ...

    async def approve(self, plan: str, *, by: str, groups: Sequence[str]) -> None:
        """Nobody approves what they made."""
        ...

    async def apply(self, plan: str, *, by: str) -> None:
        """Let it run. `PolicyRefused` (code WorldMoved) when the world is not what was planned
        for: `message` says what changed; (code NeedsApproval) when approvals are missing."""
        ...

    async def ask(self, plan: str, what: str, *, by: str) -> None:
        """`what` is "pause", "resume", "abort" or "undo"."""
        ...


class ReadsAdvisories(Protocol):
    """Reads a file of advisories: its bytes, where it came from, and who brings it. Raises
    `OperatorMust`."""

    def __call__(self, raw: bytes, source: str, by: str, /) -> Sequence[Kept]: ...


class KeepsAuthorities(Protocol):
    """Authorities that sign certificates; their keys never come back. All raise `OperatorMust`
    for what cannot be read or kept."""

    def all(self) -> Mapping[str, Authority]: ...

    def get(self, name: str) -> Authority | None: ...

    def put(
        self, name: str, *, certificate: str, key: str, days: int, words: Words | None = None
    ) -> Authority: ...

    def remove(self, name: str) -> bool:
        """False for one that is not kept here."""
        ...


class KeepsReferences(Protocol):
    """What says how components should measure, as it was imported."""

    def all(self) -> Mapping[str, KeptReference]:
        """By name."""
        ...

    async def take(self, order: ReferenceOrder, *, by: str, keep: bool) -> KeptReference:
        """Read a document and keep it (`keep`: False only looks). Raises `OperatorMust` for what
        is none, `Unverified` for what nobody vouches for and was not accepted as such."""
        ...

    async def take_package(self, order: PackageOrder, *, by: str, keep: bool) -> KeptReference:
        """Likewise what a firmware package holds."""
        ...

    async def learn(self, order: LearnOrder, *, by: str, keep: bool) -> KeptReference:
        """What components have in common, labelled as learned. Raises `OperatorMust` where they
        do not agree."""
        ...

    async def remove(self, name: str) -> KeptReference | None:
        """Forget it. None: there is none."""
        ...


class Checkpointing(Protocol):
    """Signs the newest entry of the audit log."""

    async def newest(self) -> Checkpoint:
        """Raises `OperatorMust` while the log is empty."""
        ...

    async def public_key(self) -> bytes:
        """PEM."""
        ...


class Recovers(Protocol):
    """Judges how nodes are reached, hears what is said of their hosts, and gives out what was
    saved of them."""

    def condition(self, uid: str) -> Condition | None:
        """ "Reach", with the evidence of each path; None where nothing is known."""
        ...

    def waits(self, uid: str) -> Condition | None:
        """ "Recovery": whether it waits for a person; None where it never did."""
        ...

    async def tried(self, plan: str) -> Mapping[str, Sequence[Tried]]:
        """What was tried in a recovery, by the node's uid, in order."""
        ...

    def say(self, uid: str, *, alive: bool, source: str, detail: str) -> None:
        """Somebody in band says that a host is alive, or silent."""
        ...

    async def bundle(self, uid: str, *, dumps: bool) -> bytes:
        """All that is kept of a node, as a zip without secrets. With `dumps` also what its
        controller packed itself, which nobody can look into. Raises `OperatorMust`."""
        ...


class Sample(Protocol):
    """One point of a series: seconds since 1970, and the value in the sensor's unit."""

    @property
    def at(self) -> float: ...

    @property
    def value(self) -> float: ...


class KeepsSeries(Protocol):
    """Past values of a reading, oldest first; `step_s` > 0 asks for one mean per step."""

    async def history(
        self, *, endpoint: str, reading: str, since: float, until: float, step_s: float, limit: int
    ) -> Sequence[Sample]: ...


@dataclass(kw_only=True)
class Context:
    """`interval_s` is the poll of the hot set, `slow_interval_s` of the inventory. `ready` gives
    the reason why the hall is not discovered yet, or "". `stats` are own numbers for metrics
    (name -> value), by the composition root's choice. `read_again(address)` asks for an
    inventory now; `hand_on()` gives what operators keep to the other machines, before a change is
    acknowledged. `baselines` and the audit log default to none, in memory."""

    facts: Facts
    bus: Bus
    clock: Clock
    auth: Auth
    version: str
    discover: Discovers | None = None
    series: KeepsSeries | None = None
    site: str = ""
    interval_s: float = 10.0
    slow_interval_s: float = 900.0
    ready: Callable[[], str] = lambda: ""
    stats: Callable[[], Mapping[str, float]] = dict
    baselines: Baselines = field(default_factory=Baselines)
    rolls: Rolls | None = None
    authorities: KeepsAuthorities | None = None
    drains: DrainsNodes | None = None
    references: KeepsReferences | None = None
    read_again: Callable[[str], None] | None = None
    hand_on: Callable[[], Awaitable[None]] | None = None
    ledger: Ledger | None = None
    audit_log: AuditLog | None = None
    checkpoints: Checkpointing | None = None
    audit: AuditLog = field(init=False)
    fleet: Fleet = field(init=False)
    tasks: TaskBook = field(init=False)
    desired: Desired = field(init=False)
    plans: PlanShelf = field(init=False)
    advisories: Shelf[Kept] = field(default_factory=advisory_shelf)
    read_advisories: ReadsAdvisories | None = None
    mapped: Sequence[Mapped] = ()
    exposures: Exposures | None = None
    surfaces: Shelf[Surface] = field(default_factory=surface_shelf)
    secrets: Secrets | None = None
    bulletins: Bulletins = field(init=False)
    attests: Attests | None = None
    recovers: Recovers | None = None
    plant: Callable[[], Plant] = Plant
    points: Callable[[], Sequence[Point]] = tuple
    power: PowerRoom | None = None
    power_shelf: PowerShelf = field(init=False)
    rules: RulesPower | None = None
    ruling: RulingShelf = field(init=False)
    seen_site: SeesSite | None = None
    site_shelf: SiteShelf = field(init=False)
    attestations: Attestations = field(init=False)
    consoles: ConsoleRoom | None = None
    alarms: Alarms | None = None
    onboards: Onboards | None = None
    notifier: SendsAlarms | None = None
    alarm_shelf: AlarmShelf = field(init=False)
    members: KnowsMembers | None = None

    def __post_init__(self) -> None:
        self.fleet = Fleet(
            self.facts,
            self.clock,
            interval_s=self.interval_s,
            slow_interval_s=self.slow_interval_s,
        )
        self.tasks = TaskBook(self.clock)
        self.audit = self.audit_log or AuditLog(clock=self.clock)
        self.ledger = self.ledger or Ledger(
            facts=self.facts,
            baselines=self.baselines,
            clock=self.clock,
            slow_interval_s=self.slow_interval_s,
        )
        self.desired = Desired(
            baselines=self.baselines, ledger=self.ledger, fleet=self.fleet, clock=self.clock
        )
        self.fleet.shelves[Source.DRIFT] = self.desired.drift_items
        self.fleet.shelves[Source.BASELINE] = self.desired.baseline_items
        exposures = self.exposures or Exposures(
            facts=self.facts, ledger=self.ledger, kept=self.advisories, mapped=self.mapped
        )
        self.bulletins = Bulletins(
            kept=self.advisories, exposures=exposures, fleet=self.fleet, clock=self.clock
        )
        self.fleet.shelves[Source.ADVISORY] = self.bulletins.items
        closed = Closed(surfaces=self.surfaces, fleet=self.fleet, clock=self.clock)
        self.fleet.shelves[Source.HARDENING] = closed.items
        self.attestations = Attestations(lambda: self.attests, fleet=self.fleet, clock=self.clock)
        self.fleet.shelves[Source.ATTESTATION] = self.attestations.items
        self.fleet.choosing[Source.ATTESTATION] = self.attestations.chosen
        self.fleet.singles[Source.ATTESTATION] = self.attestations.item
        self.fleet.saying.append(self.attestations.condition)
        self.plans = PlanShelf(
            lambda: self.rolls, lambda: self.recovers, fleet=self.fleet, clock=self.clock
        )
        self._show_rolls()
        shelf = DrainShelf(lambda: self.drains, fleet=self.fleet, clock=self.clock)
        self.fleet.shelves[Source.DRAIN] = shelf.items
        self.fleet.saying.append(shelf.condition)
        self.fleet.shelves[Source.REFERENCE] = reference_items(
            lambda: self.references.all() if self.references else {}, self.clock
        )
        self.alarm_shelf = AlarmShelf(lambda: self.alarms, clock=self.clock)
        self.fleet.shelves[Source.ALARM] = self.alarm_shelf.items
        hidden = SuppressionShelf(lambda: self.alarms, clock=self.clock)
        self.fleet.shelves[Source.SUPPRESSION] = hidden.items
        onboarding = OnboardingShelf(lambda: self.onboards, clock=self.clock)
        self.fleet.shelves[Source.CANDIDATE] = onboarding.candidates
        self.fleet.shelves[Source.EXPECTED] = onboarding.lists
        self.fleet.shelves[Source.RETIREMENT] = onboarding.retirements
        self._put_power()
        self.fleet.shelves[Source.MEMBER] = member_items(lambda: self.members)

    def _put_power(self) -> None:
        self.power_shelf = PowerShelf(lambda: self.power, clock=self.clock)
        self.fleet.shelves[Source.EDGE] = self.power_shelf.edges
        self.fleet.shelves[Source.POWER_CAP] = self.power_shelf.caps
        self.ruling = RulingShelf(lambda: self.rules, clock=self.clock)
        self.fleet.shelves[Source.POWER_POLICY] = self.ruling.policies
        self.fleet.shelves[Source.POWER_CHANGE] = self.ruling.changes
        self.site_shelf = SiteShelf(lambda: self.seen_site)
        self.fleet.shelves[Source.SITE_POWER] = self.site_shelf.items
        self.fleet.shelves[Source.PLANT] = plant_items(lambda: self.plant(), self.site_shelf.past)
        self.fleet.shelves[Source.POINT] = point_items(lambda: self.points())

    def _show_rolls(self) -> None:
        """Plans, roll-outs and recoveries, and what the paths to a node tell."""
        shelves, singles, plans = self.fleet.shelves, self.fleet.singles, self.plans
        shelves[Source.PLAN], singles[Source.PLAN] = plans.plan_items, plans.plan
        shelves[Source.ROLLOUT], singles[Source.ROLLOUT] = plans.rollout_items, plans.rollout
        shelves[Source.RECOVERY], singles[Source.RECOVERY] = plans.recovery_items, plans.recovery
        self.fleet.saying += [self._reach, self._waits]

    def _reach(self, uid: str) -> Condition | None:
        return self.recovers.condition(uid) if self.recovers else None

    def _waits(self, uid: str) -> Condition | None:
        return self.recovers.waits(uid) if self.recovers else None
