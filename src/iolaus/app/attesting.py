"""Attestation, put together: who is asked and when, where evidence is kept, and who judges it.

Components are asked when they are first seen, on a period, after every change of firmware that was
seen at their endpoint, and when an operator orders it.

Whom we trust is the operator's to say. Certificates of makers lie in `anchors/` of the state
directory and what is demanded in `policy.yaml`, put there by hand (docs/attestation.md,
docs/policy.md); reference values are imported (docs/references.md). A change of any judges again
what was answered, and a policy that does not read is told and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from iolaus.app.claiming import Claiming
from iolaus.app.links import links_of, releases_of
from iolaus.app.packing import Packing
from iolaus.app.vulnerable import Vulnerable
from iolaus.bus.local import LocalBus
from iolaus.fleet.exposures import Exposures
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.policies import load_policies
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.appraisal import Appraisal, AttesterKey, Examined, Link
from iolaus.model.decision import Named
from iolaus.model.endpoint import Event, Target
from iolaus.model.policy import Policy
from iolaus.model.proof import Provers, Vouching
from iolaus.model.trust import Summary
from iolaus.observe.attest import Attestor, AttestRules, Device
from iolaus.observe.collect import Job, Key
from iolaus.store.evidence import Kept
from iolaus.store.state import State
from iolaus.trust.appraise import Judged, Rules
from iolaus.trust.chains import Anchors, fingerprint, name_of
from iolaus.trust.demands import rules_of
from iolaus.trust.learning import Witness
from iolaus.trust.ledger import Ground, TrustLedger, Turn
from iolaus.trust.signing import read_anchors

log = structlog.get_logger(__name__)
TOPIC: Final = "attestation"
ANCHORS: Final = "anchors"
POLICY: Final = "policy.yaml"
FIRMWARE: Final = frozenset({"FirmwareChanged"})
LOOK_S: Final = 10.0
MOST_BYTES: Final = 16 * 1024 * 1024
SEVERITY: Final = {Summary.UNTRUSTED: "Critical", Summary.UNKNOWN: "Warning"}
Seen = tuple[tuple[str, int, int], ...]


class Attesting:
    """`wake` is the loops'. It is `north`'s port `Attests`."""

    def __init__(
        self,
        *,
        state: State,
        bus: LocalBus,
        clock: Clock,
        open_device: Callable[[Target], Device],
        wake: Callable[[Key, float], None],
        rules: AttestRules,
        policy: Rules | None = None,
        exposures: Exposures | None = None,
    ) -> None:
        self._state, self._bus, self._clock, self._wake = state, bus, clock, wake
        self.attestor = Attestor(
            picture=state.facts,
            open_device=open_device,
            keeps=state.evidence,
            clock=clock,
            wake=wake,
            rules=rules,
        )
        self._policy = policy or Rules(max_age_s=3 * rules.period_s)
        self.anchors = state.directory / ANCHORS
        self._policy_file = state.directory / POLICY
        self.policies: Sequence[Policy] = load_policies(self._policy_file)
        self._read = 0
        self._seen: tuple[Seen, int] | None = None
        self._vulnerable = Vulnerable(facts=state.facts, exposures=exposures)
        self._claiming = Claiming(
            facts=state.facts,
            references=state.references.all,
            revision=lambda: state.references.revision,
        )
        self.ledger = TrustLedger(
            evidence=state.evidence,
            clock=clock,
            on_turn=self._turned,
            ground=Ground(rules=rules_of(self.policies, self._policy)),
            exposed_to=self._vulnerable.of,
            claimed_of=self._claiming.of,
        )
        self._packing = Packing(state=state, ledger=self.ledger, clock=clock)
        self._begun: dict[str, frozenset[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        state.facts.on_change(self._note)
        state.references.on_change(lambda _: self._later(self.refresh()))

    # --- what people ask ----------------------------------------------------------------------

    def order(self, address: str) -> None:
        """Ask all of an endpoint's attesters now."""
        self.attestor.order(Key(address, Job.ATTEST))

    async def evidence(self, place: AttesterKey) -> tuple[Kept, ...]:
        """What is kept of an attester, newest first."""
        return await self._state.evidence.of(place)

    async def examined(self, kept: Kept) -> Examined:
        return examined(await self.ledger.examined(kept))

    @property
    def revision(self) -> int:
        return self.ledger.revision + self._read

    def appraisals(self) -> Sequence[Appraisal]:
        return self.ledger.appraisals()

    def of_asset(self, asset: str) -> Sequence[Appraisal]:
        return self.ledger.of_asset(asset)

    async def witnesses(self, named: Mapping[AttesterKey, str]) -> Sequence[Witness]:
        """What attesters of these places (to the name of their node) proved last."""
        held = [each for each in self.ledger.appraisals() if each.place in named]
        numbers = [each.exhibit for each in held if each.exhibit is not None]
        kept = {each.number: each for each in await self._state.evidence.exhibits(numbers)}
        return [
            Witness(
                label=f"{named[each.place]}:{each.name}",
                standing=each.verdict,
                judged=await self.ledger.examined(found),
            )
            for each in held
            if each.exhibit is not None and (found := kept.get(each.exhibit)) is not None
        ]

    async def enrol(self, place: AttesterKey, *, by: str) -> bool:
        return await self.ledger.enrol(place, by=by)

    async def pack(self, named: Mapping[AttesterKey, Named]) -> bytes:
        """All that the verdicts of these attesters (to their nodes) rest on, signed."""
        return await self._packing.pack(named, self.policies)

    async def pack_key(self) -> bytes:
        """The public half (PEM) of the key that signs packs."""
        return await self._packing.public_key()

    def provers(self, nodes: Iterable[tuple[NodeFacts, object]]) -> Provers:
        """Who vouches for what at these nodes, and the releases that references know."""
        sets = {each.name: each for each in self.ledger.ground.references}
        links: dict[str, tuple[Vouching, ...]] = {}
        attesters: dict[str, int] = {}
        for facts, _ in nodes:
            report = self._state.facts.report_of(facts.endpoint)
            held = self.ledger.of_asset(facts.uid)
            shown = report.attesters if report else ()
            links[facts.uid] = links_of(facts.firmware, shown, held, sets)
            attesters[facts.uid] = len(held)
        releases = releases_of(self._state.references.all().values(), at=self._clock.now())
        return Provers(links=links, attesters=attesters, releases=releases)

    # --- keeping it current -------------------------------------------------------------------

    async def run(self) -> None:
        """Judge what is answered, and look now and then whether whom we trust has changed."""
        judging = asyncio.create_task(self.ledger.run())
        try:
            while True:
                await self.refresh()
                await self._clock.sleep(LOOK_S)
        finally:
            judging.cancel()
            await asyncio.gather(judging, *self._tasks, return_exceptions=True)

    async def refresh(self) -> None:
        """Read anchors, references and policies again if any of them changed."""
        self.ledger.advised(await self._vulnerable.settle(self.ledger.appraisals))
        files = await asyncio.to_thread(_looked, self.anchors, self._policy_file)
        seen = (files, self._state.references.revision)
        if seen == self._seen:
            return
        first, self._seen = self._seen is None, seen
        try:
            policies = await asyncio.to_thread(load_policies, self._policy_file)
            ground = await asyncio.to_thread(self._read_ground, policies)
        except OperatorMust as error:
            log.warning("trust_unread", error=str(error))
            return
        if list(policies) != list(self.policies):
            self.policies, self._read = policies, self._read + 1
        if first or ground != self.ledger.ground:
            await self.ledger.stand_on(ground)
        else:
            self.ledger.advised(each.place for each in self.ledger.appraisals())

    def _read_ground(self, policies: Sequence[Policy]) -> Ground:
        anchors = read_anchors((p.name, p.read_bytes()) for p in _files(self.anchors))
        sets = (each for kept in self._state.references.all().values() for each in kept.sets)
        return Ground(
            anchors=Anchors(anchors.certificates),
            references=tuple(sets),
            rules=rules_of(policies, self._policy),
        )

    def _note(self, topic: str, payload: Any) -> None:
        if topic == "facts.report" and isinstance(payload, str):
            self._met(payload)
            if self._claiming.is_other(payload):
                self.ledger.advised(self._places(payload))
        elif topic == "facts.target" and isinstance(payload, str):
            if self._state.facts.target_of(payload) is None:
                self._begun.pop(payload, None)
                self._later(self.ledger.forget(payload))
        elif topic == "events" and isinstance(payload, Event) and payload.kind in FIRMWARE:
            self._wake(Key(payload.endpoint, Job.ATTEST), self.attestor.rules.settle_s)

    def _met(self, address: str) -> None:
        """Attesters that were not there before are asked as soon as their turn comes; those that
        are no longer shown are missed, if the reading could have shown them."""
        report = self._state.facts.report_of(address)
        if report is None:
            return
        found = frozenset(each.uri for each in report.attesters)
        if found - self._begun.get(address, frozenset()):
            self._begun[address] = found
            self._wake(Key(address, Job.ATTEST), 0.0)
        unread = any("ComponentIntegrity" in uri for uri in report.partial)
        if not unread:
            self._later(self.ledger.hide(address, found))

    def _places(self, address: str) -> list[AttesterKey]:
        report = self._state.facts.report_of(address)
        return [(address, each.uri) for each in report.attesters] if report else []

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _turned(self, turn: Turn) -> None:
        """An event for every summary that changed; the first is news only if it is bad."""
        held, word = turn.after, turn.after.verdict.summary
        if turn.was is not word and (turn.before is not None or word is Summary.UNTRUSTED):
            self._state.facts.record_event(
                Event(
                    at=self._clock.now(),
                    kind="AttestationChanged",
                    severity=SEVERITY.get(word, "OK"),
                    endpoint=held.endpoint,
                    asset=held.asset,
                    component=held.name,
                    origin=held.uri,
                    message=f"{held.name} is {word}{_why(turn)}",
                    before=turn.was.value if turn.was else None,
                    after=word.value,
                    dedup=f"attestation:{held.uri}:{held.exhibit}:{held.judged_at}:{word}",
                )
            )
        self._bus.publish(TOPIC, held.endpoint)


def _why(turn: Turn) -> str:
    """The first finding, which is the reason for most."""
    findings = turn.after.verdict.findings
    if turn.after.verdict.summary in (Summary.TRUSTED, Summary.VERIFIED) or not findings:
        return ""
    return f": {findings[0].message}"


def examined(found: Judged) -> Examined:
    """What a person wants to see of it."""
    chain = found.chain
    links = tuple(
        Link(
            subject=name_of(each.subject),
            issuer=name_of(each.issuer),
            sha256=fingerprint(each),
            not_before=each.not_valid_before_utc.timestamp(),
            not_after=each.not_valid_after_utc.timestamp(),
            holds=each in chain.linked,
            anchor=each == chain.anchor,
        )
        for each in (chain.certificates if chain else ())
        if chain is not None
    )
    return Examined(
        verdict=found.verdict,
        identity=found.identity,
        subject=found.subject,
        measurements=found.measurements,
        references=found.references,
        chain=links,
    )


def _files(folder: Path) -> Iterator[Path]:
    """Plain files of a folder, by name; none where there is no folder."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in found:
        if path.is_file() and not path.name.startswith(".") and path.stat().st_size <= MOST_BYTES:
            yield path


def _looked(folder: Path, policy: Path) -> Seen:
    policies = [policy] if policy.is_file() else []
    stats = ((path, path.stat()) for path in (*_files(folder), *policies))
    return tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats)
