"""What is seen of a candidate now, put together for the judge of `recovery.onboard`.

Everything comes from what others read and keep: the picture, the logins, the verdicts. Nothing is
asked of a device here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from iolaus.fleet.judge_certificate import judge_certificate
from iolaus.fleet.ledger import Ledger
from iolaus.model.asset import Asset, AssetKind, Report
from iolaus.model.authority import Authority
from iolaus.model.candidate import Candidate, Move, Way
from iolaus.model.credential import CredentialFact
from iolaus.model.desired import CertificateWant
from iolaus.model.drift import Outcome
from iolaus.model.endpoint import Mode, Target
from iolaus.model.expected import Expected
from iolaus.model.plan import Fate, Plan
from iolaus.model.rollout import NodeState, RolloutState
from iolaus.north.context import Standing
from iolaus.recovery.expected import Roll, Shown, laid_out
from iolaus.recovery.onboard import Rival, Run, Seen
from iolaus.store.facts import Facts
from iolaus.store.held import Held
from iolaus.store.identity import clean
from iolaus.store.state import State

AGAIN_S: Final = 60.0
"""A look that found nobody is repeated after this."""
HOSTS: Final = (AssetKind.NODE, AssetKind.DPU, AssetKind.SWITCH)


class Look(NamedTuple):
    """What a first look without a login said. `login`: whom it was put down as to be read."""

    reach: str
    error: str
    at: float


class Seeing:
    """`attested(uid)` is whether an asset proved what it runs, None where nobody knows."""

    def __init__(
        self,
        *,
        state: State,
        ledger: Ledger,
        credential_of: Callable[[Target], CredentialFact | None],
        authorities: Callable[[], Mapping[str, Authority]],
        attested: Callable[[str], bool | None],
    ) -> None:
        self._facts: Facts = state.facts
        self._candidates, self._expected = state.candidates, state.expected
        self._ledger, self._credential_of = ledger, credential_of
        self._authorities, self._attested = authorities, attested
        self._roll, self._roll_at = Roll(), -1
        self._signed: dict[str, tuple[Report, Authority | None, bool | None]] = {}
        self._uids: dict[str, Mapping[str, tuple[str, ...]]] = {}
        self.looks: dict[str, Look] = {}

    @property
    def roll(self) -> Roll:
        """All that is expected now."""
        if self._roll_at != self._expected.revision:
            self._roll_at = self._expected.revision
            lists = self._expected.all().values()
            self._roll = Roll(each for kept in lists for each in laid_out(kept.document))
        return self._roll

    def forget(self, address: str) -> None:
        """What a first look said."""
        self.looks.pop(address, None)
        self._signed.pop(address, None)

    def hinted(self, candidate: Candidate) -> Expected | None:
        """Whom a list says by address, MAC or UUID that it is."""
        return self.roll.hinted(mac=candidate.mac, address=candidate.address, uuid=candidate.uuid)

    def seen(
        self,
        candidate: Candidate,
        *,
        now: float,
        rivals: Mapping[str, tuple[Rival, ...]],
        standings: Mapping[str, Standing],
    ) -> Seen:
        held = self._facts.held(candidate.address)
        asset = host_in(held)
        shown = shown_of(asset)
        told = self.hinted(candidate)
        want = self._wanted(candidate, told, shown)
        managed = held is not None and held.target.mode is Mode.MANAGED
        going = candidate.claimed_at is not None and candidate.handed_at is None
        if not going:
            self._signed.pop(candidate.address, None)
        more = self._of_ours(held, asset, want) if going and held and asset and want else {}
        reach, error = self._reach(candidate, held, want, now)
        return Seen(
            candidate=candidate,
            expected=want,
            told=told is not None,
            list_approved=self._list_approved(want),
            reach=reach,
            error=error,
            shown=shown,
            rivals=rivals.get(candidate.address, ()),
            elsewhere=self._elsewhere(want, shown),
            managed=managed,
            runs=self._runs(candidate, held, asset, standings) if going else {},
            **more,
        )

    def rivals(self) -> dict[str, tuple[Rival, ...]]:
        """By address, who else shows the same serial or UUID: among candidates, and against all
        that is known."""
        found: dict[str, set[str]] = defaultdict(set)
        for candidate in self._candidates.all().values():
            shown = shown_of(host_in(self._facts.held(candidate.address)))
            if shown is not None and (serial := clean(shown.serial)):
                found[serial].add(candidate.address)
        groups = [each for each in found.values() if len(each) > 1]
        groups += [{m.endpoint for m in each.members} for each in self._facts.conflicts()]
        rivals: dict[str, dict[str, Rival]] = defaultdict(dict)
        for group in groups:
            for address in group:
                rivals[address] |= {o: self._rival(o) for o in group - {address}}
        return {address: tuple(each.values()) for address, each in rivals.items()}

    def _rival(self, address: str) -> Rival:
        candidate, target = self._candidates.get(address), self._facts.target_of(address)
        want = self.hinted(candidate) if candidate is not None else None
        shown = shown_of(host_in(self._facts.held(address)))
        told = want is not None and (shown is None or clean(shown.serial) == clean(want.serial))
        managed = target is not None and target.mode is Mode.MANAGED
        return Rival(address=address, told=told, claimed=managed)

    def _wanted(
        self, candidate: Candidate, told: Expected | None, shown: Shown | None
    ) -> Expected | None:
        if candidate.claimed_at is not None:
            return self.roll.named(candidate.entry)
        if told is not None:
            return told
        return self.roll.of_serial(shown.serial) if shown else self.roll.shared_login()

    def _elsewhere(self, want: Expected | None, shown: Shown | None) -> str:
        other = self.roll.of_serial(shown.serial) if shown else None
        if other is None or want is None or other.serial == want.serial:
            return ""
        place = f" at {other.address}" if other.address else ""
        return f"list {other.list} expects that one as {other.name}{place}"

    def _list_approved(self, want: Expected | None) -> bool:
        kept = self._expected.get(want.list) if want else None
        return kept is not None and kept.is_approved

    def _reach(
        self, candidate: Candidate, held: Held | None, want: Expected | None, now: float
    ) -> tuple[str | None, str]:
        if held is not None and (held.target.credential or candidate.claimed_at is not None):
            status = held.status
            if status is None:
                return "reachable", ""
            return status.reach.value, status.last_error
        look = self.looks.get(candidate.address)
        if look is None or now - look.at > AGAIN_S:
            return None, ""
        if look.reach == "reachable" and want is not None and want.credential:
            return None, ""
        return look.reach, look.error

    def _of_ours(self, held: Held, asset: Asset, want: Expected) -> dict[str, Any]:
        address = held.target.address
        login = self._credential_of(held.target)
        departures, missing = self._departures(address, asset, want)
        uid = held.uids.get(asset.key)
        return {
            "credentialed": login is not None
            and login.number > 0
            and not (login.fallen or login.pending),
            "certified": self._certified(held, asset, want),
            "departures": departures,
            "missing": missing,
            "attested": self._attested(uid) if uid else None,
        }

    def _runs(
        self,
        candidate: Candidate,
        held: Held | None,
        asset: Asset | None,
        standings: Mapping[str, Standing],
    ) -> dict[str, Run]:
        """By move. What a baseline's plan came to is seen when what was read since was judged."""
        report = held.report if held else None
        verdict = self._ledger.verdict_of(candidate.address, asset.key) if asset else None
        read_at = report.began_at if report else 0.0
        judged = verdict and report and verdict.drift.observed_at == report.observed_at
        judged_at = read_at if judged else 0.0
        return {
            move: run_of(
                self._worked_on(standings[plan].plan, candidate.address),
                standings[plan],
                read_at=judged_at if move == Move.BASELINE else read_at,
            )
            for move, plan in candidate.plans.items()
            if plan in standings
        }

    def _worked_on(self, plan: Plan, address: str) -> tuple[str, ...]:
        if plan.id not in self._uids:
            self._uids[plan.id] = worked_on(plan)
        return self._uids[plan.id].get(address, ())

    def _certified(self, held: Held, asset: Asset, want: Expected) -> bool | None:
        """Judged once for each inventory: it is all that tells."""
        address, report = held.target.address, held.report
        authority = self._authorities().get(want.authority)
        if not want.authority or report is None or not report.certificates:
            return None
        known = self._signed.get(address)
        if known is None or known[0] is not report or known[1] != authority:
            found = self._judged(address, asset, want)
            known = self._signed[address] = (report, authority, found)
        return known[2]

    def _judged(self, address: str, asset: Asset, want: Expected) -> bool | None:
        facts = next((f for f in self._ledger.node_facts(address) if f.key == asset.key), None)
        if facts is None or not facts.certificates:
            return None
        certificate = CertificateWant(authority=want.authority)
        wrong = judge_certificate(
            certificate, facts, self._authorities(), baseline="", now=facts.observed_at or 0.0
        )
        return wrong is None

    def _departures(self, address: str, asset: Asset, want: Expected) -> tuple[int | None, str]:
        verdict = self._ledger.verdict_of(address, asset.key)
        if not want.baseline:
            return 0, ""
        if verdict is None or want.baseline not in verdict.drift.baselines:
            why = f"baseline/{want.baseline} does not select it, or there is none of this name"
            return None, why
        items = verdict.drift.items
        if len(items) == 1 and items[0].subject == "*":
            return None, ""
        return sum(each.outcome is not Outcome.EXCUSED for each in items), ""


def host_in(held: Held | None) -> Asset | None:
    """The machine of an endpoint; None where nothing was read of one."""
    if held is None or held.report is None:
        return None
    assets: Iterable[Asset] = held.report.assets
    return next((a for kind in HOSTS for a in assets if a.kind is kind), None)


def shown_of(asset: Asset | None) -> Shown | None:
    if asset is None:
        return None
    identity = asset.identity
    return Shown(
        serial=identity.serial or "",
        make=asset.vendor or "",
        model=asset.model or "",
        uuid=identity.uuid or "",
        macs=identity.macs,
    )


def worked_on(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """By endpoint, the uids of those that a plan does something to."""
    found: dict[str, tuple[str, ...]] = {}
    for node in plan.nodes:
        if node.fate is Fate.UPDATE:
            found[node.endpoint] = (*found.get(node.endpoint, ()), node.uid)
    return found


def run_of(uids: Iterable[str], standing: Standing, *, read_at: float) -> Run:
    """How a plan fares for these nodes; `read_at` is when the last reading of them began."""
    plan, progress = standing.plan, standing.progress
    if progress is None:
        return Run(state="planned", plan=plan.id)
    nodes = [progress.nodes[uid] for uid in uids if uid in progress.nodes]
    if bad := next((n for n in nodes if n.state.bad or n.state is NodeState.SKIPPED), None):
        return Run(state="failed", plan=plan.id, reason=bad.reason or bad.state.value)
    if nodes and all(n.state is NodeState.DONE for n in nodes):
        ended = max(n.ended_at or 0.0 for n in nodes)
        return Run(state="done", plan=plan.id, ended_at=ended, read=read_at > ended)
    if progress.state in (RolloutState.PAUSED, RolloutState.WAITING):
        told = standing.holds.get("") or progress.reason or progress.state.value
        return Run(state="waiting", plan=plan.id, reason=told)
    if progress.state.over:
        return Run(state="failed", plan=plan.id, reason=f"it is {progress.state.value}")
    return Run(state="running", plan=plan.id)


def began_too_soon(report: Report, runs: Iterable[Run]) -> bool:
    """Whether a reading that ended after one of these plans was begun before its end, so that it
    does not tell what came of it."""
    ended = (run.ended_at for run in runs if run.state == "done" and not run.read)
    return any(report.began_at <= at < report.observed_at for at in ended)


def came_by(candidate: Candidate) -> str:
    """How it came to be known, in words."""
    return ", ".join(way.value for way in candidate.ways) or Way.LIST.value
