"""The verdicts of the whole fleet, kept current: one answer re-judges one component.

New exhibits, other anchors, other references and other rules only mark what is due; `settle`
judges it, a batch at a time in a thread, and what became of it is kept, told and counted. A change
of anchors, references or rules judges the kept exhibits again: nobody is asked for that.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.model.appraisal import Appraisal, AttesterKey, Pin
from iolaus.model.evidence import Exhibit, Outcome
from iolaus.model.reference import ReferenceSet
from iolaus.model.trust import Evidence, Finding, Reference, Signature, Summary, Verdict
from iolaus.store.evidence import EvidenceStore, Kept
from iolaus.trust.appraise import Judged, Rules, appraise
from iolaus.trust.chains import Anchors, fingerprint
from iolaus.trust.current import Current
from iolaus.trust.standing import (
    FIRST_CONTACT,
    Identities,
    RolledUp,
    after,
    aged,
    claimed,
    enrols,
    exposed,
    identified,
    roll_up,
)

BATCH: Final = 64
HIDDEN: Final = "attester-hidden"


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What verdicts rest on besides evidence."""

    anchors: Anchors = Anchors()
    references: tuple[ReferenceSet, ...] = ()
    rules: Rules = Rules()

    @property
    def digest(self) -> str:
        """Another one is another ground."""
        sets = sorted((each.name, each.provenance.digest) for each in self.references)
        anchors = sorted(fingerprint(each) for each in self.anchors.certificates)
        text = repr((msgspec.structs.astuple(self.rules), sets, anchors))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict whose summary became another one; `before` None: it is the first."""

    before: Appraisal | None
    after: Appraisal

    @property
    def was(self) -> Summary | None:
        return self.before.verdict.summary if self.before else None


class TrustLedger:
    """`on_turn` is told of every summary that changed; `exposed_to` names the advisories that say
    of what an attester vouches for that it is vulnerable, `claimed_of` gives what is known of
    versions that are only reported."""

    def __init__(
        self,
        *,
        evidence: EvidenceStore,
        clock: Clock,
        on_turn: Callable[[Turn], None] = lambda _: None,
        ground: Ground | None = None,
        exposed_to: Callable[[Appraisal], Sequence[str]] = lambda _: (),
        claimed_of: Callable[[Appraisal], Sequence[Finding]] = lambda _: (),
    ) -> None:
        self._evidence, self._clock, self._on_turn = evidence, clock, on_turn
        self._exposed_to, self._claimed_of = exposed_to, claimed_of
        self.ground = ground or Ground()
        self._due: dict[AttesterKey, Kept] = {}
        self._settling = asyncio.Lock()
        self._changed = asyncio.Event()
        self._identities = Identities(evidence.pins())
        self._digest = self.ground.digest
        self._current = Current(
            evidence.appraisals, self._counting, lasts_s=self.ground.rules.max_age_s
        )
        evidence.on_kept(self._note)
        evidence.on_appraised(self._current.changed)

    # What is asked of it

    @property
    def revision(self) -> int:
        """Another one when anything that counts is another."""
        self._current.settle(self._clock.now())
        return self._current.revision

    def appraisals(self) -> tuple[Appraisal, ...]:
        """All that stand, as they count now, by endpoint and URI."""
        return self._current.all(self._clock.now())

    def of_asset(self, asset: str) -> list[Appraisal]:
        """Of an asset's attesters, by its uid."""
        return self._current.of_asset(asset, self._clock.now())

    def appraisal(self, place: AttesterKey) -> Appraisal | None:
        return self._current.get(place, self._clock.now())

    def advised(self, places: Iterable[AttesterKey]) -> None:
        """What advisories or packages say of these is another."""
        self._current.changed(places)

    def rolled_up(self, asset: str) -> RolledUp | None:
        """Of an asset's attesters (by uid); None where nobody can attest."""
        return roll_up(each.verdict for each in self.of_asset(asset))

    def attested(self, asset: str) -> bool | None:
        """True: all trusted; False: one is not; None: not known, or nobody can say."""
        found = self.rolled_up(asset)
        if found is None or found.summary in (Summary.UNKNOWN, Summary.VERIFIED):
            return None
        return found.summary is Summary.TRUSTED

    def enrolled(self, asset: str, name: str, identity: str) -> tuple[Pin | None, tuple[str, ...]]:
        """Who is enrolled as an attester, and where else this identity is."""
        others = self._identities.elsewhere(asset, name, identity)
        told = tuple(f"{other} of {place}" for place, other in others)
        return self._identities.pin(asset, name), told

    async def examined(self, kept: Kept) -> Judged:
        """An exhibit judged on today's ground, for a person to look at."""
        return await asyncio.to_thread(self._judge, kept.exhibit, ())

    # Keeping it current

    async def run(self) -> None:
        """Settle whatever becomes due, until cancelled."""
        while True:
            await self._changed.wait()
            await self.settle()

    async def settle(self) -> None:
        """Judge what is due."""
        async with self._settling:
            self._changed.clear()
            while self._due:
                places = list(self._due)[:BATCH]
                batch = [self._due.pop(place) for place in places]
                await self._settle(batch)

    async def stand_on(self, ground: Ground) -> None:
        """Other anchors, references or rules: what is kept is judged again."""
        self.ground, self._digest = ground, ground.digest
        self._current.begin_anew(lasts_s=ground.rules.max_age_s)
        held = self._evidence.appraisals().values()
        numbers = [each.exhibit for each in held if each.exhibit is not None]
        for kept in await self._evidence.exhibits(numbers):
            self._due.setdefault(_place(kept.exhibit), kept)
        self._changed.set()

    async def hide(self, address: str, shown: Iterable[str]) -> None:
        """Attesters of an endpoint that were enrolled and are shown no more (`shown`: URIs)."""
        seen, found = set(shown), self._evidence.appraisals()
        gone = [a for p, a in found.items() if p[0] == address and p[1] not in seen]
        hidden = [_hidden(each, self._clock.now()) for each in gone if not _is_hidden(each)]
        await self._take(hidden, {})

    async def forget(self, address: str) -> None:
        places = [place for place in self._evidence.appraisals() if place[0] == address]
        await self._evidence.forget(places)

    async def enrol(self, place: AttesterKey, *, by: str) -> bool:
        """Let whoever answered last with good evidence be the one from now on. False: nobody
        did."""
        held = self._evidence.appraisals().get(place)
        if held is None or not held.identity or held.verdict.signature is not Signature.VALID:
            return False
        pin = Pin(
            asset=held.asset, name=held.name, identity=held.identity, at=self._clock.now(), by=by
        )
        self._identities.enrol(pin)
        await self._evidence.pin([pin])
        if held.exhibit is not None:
            kept = await self._evidence.exhibits([held.exhibit])
            self._due |= {_place(each.exhibit): each for each in kept}
            self._changed.set()
        return True

    def _note(self, kept: Sequence[Kept]) -> None:
        self._due |= {_place(each.exhibit): each for each in kept}
        self._changed.set()

    async def _settle(self, batch: Sequence[Kept]) -> None:
        before = self._evidence.appraisals()
        parts = [p.parts if (p := before.get(_place(k.exhibit))) else () for k in batch]
        judged = await asyncio.to_thread(
            lambda: [self._judge(k.exhibit, p) for k, p in zip(batch, parts, strict=True)]
        )
        pins = self._enrolled(batch, judged)
        found = [self._appraised(k, j) for k, j in zip(batch, judged, strict=True)]
        also = self._shared(pins, {each.place for each in found})
        numbers = {_place(each.exhibit): each.number for each in batch}
        if pins:
            await self._evidence.pin(pins)
        await self._take([*found, *also], numbers)

    def _judge(self, exhibit: Exhibit, parts: Iterable[str]) -> Judged:
        ground = self.ground
        return appraise(
            exhibit,
            anchors=ground.anchors,
            references=ground.references,
            at=self._clock.now(),
            rules=ground.rules,
            parts=parts,
        )

    def _enrolled(self, batch: Sequence[Kept], judged: Sequence[Judged]) -> list[Pin]:
        """Identities that are met here for the first time."""
        pins = []
        for kept, found in zip(batch, judged, strict=True):
            asset, name = kept.exhibit.asset, kept.exhibit.attester.name
            if self._identities.pin(asset, name) or not enrols(found.verdict, found.identity):
                continue
            pin = Pin(
                asset=asset, name=name, identity=found.identity, at=self._clock.now(),
                by=FIRST_CONTACT,
            )  # fmt: skip
            self._identities.enrol(pin)
            pins.append(pin)
        return pins

    def _appraised(self, kept: Kept, found: Judged) -> Appraisal:
        exhibit, before = kept.exhibit, self._evidence.appraisals().get(_place(kept.exhibit))
        verdict = self._identified(exhibit.asset, exhibit.attester.name, found)
        stands = after(before.verdict if before else None, verdict)
        answered = exhibit.outcome is Outcome.ANSWERED or before is None
        held = before if before is not None and not answered else None
        now, matched = self._clock.now(), stands.reference is Reference.MATCH
        old = before.parts if before else ()
        return Appraisal(
            endpoint=exhibit.endpoint,
            uri=exhibit.attester.uri,
            name=exhibit.attester.name,
            asset=exhibit.asset,
            key=exhibit.attester.asset,
            protocol=exhibit.attester.protocol.value,
            component=exhibit.attester.component,
            protects=exhibit.attester.protects,
            verdict=stands,
            judged_at=now,
            since=before.since if before and before.verdict.summary is stands.summary else now,
            exhibit=held.exhibit if held else kept.number,
            asked_at=held.asked_at if held else exhibit.asked_at,
            tried_at=max(exhibit.asked_at, (before.tried_at or 0.0) if before else 0.0),
            identity=held.identity if held else found.identity,
            subject=held.subject if held else found.subject,
            references=held.references if held else found.references,
            parts=found.parts if matched and not held else old,
            policy=self._digest,
        )

    def _identified(self, asset: str, name: str, found: Judged) -> Verdict:
        identity = found.identity_under(self._identities.pin(asset, name))
        pin, told = self.enrolled(asset, name, identity)
        return identified(found.verdict, identity, pin=pin, elsewhere=told)

    def _shared(self, pins: Iterable[Pin], judged: set[AttesterKey]) -> list[Appraisal]:
        """Those that stood well until somebody else enrolled their identity."""
        found = []
        for pin in pins:
            for asset, name in self._identities.elsewhere(pin.asset, pin.name, pin.identity):
                for held in self._kept_of(asset):
                    if held.name == name and held.place not in judged:
                        verdict = identified(
                            held.verdict,
                            pin.identity,
                            pin=self._identities.pin(asset, name),
                            elsewhere=[f"{pin.name} of {pin.asset}"],
                        )
                        found.append(msgspec.structs.replace(held, verdict=verdict))
        return found

    def _kept_of(self, asset: str) -> list[Appraisal]:
        """As they are kept, without what time made of them."""
        kept = self._evidence.appraisals()
        return [kept[each.place] for each in self.of_asset(asset)]

    async def _take(self, found: Sequence[Appraisal], numbers: Mapping[AttesterKey, int]) -> None:
        kept = self._evidence.appraisals()
        before = {each.place: kept[each.place] for each in found if each.place in kept}
        turns = [
            Turn(before=before.get(each.place), after=each)
            for each in found
            if (held := before.get(each.place)) is None or held.verdict.axes != each.verdict.axes
        ]
        turned = [numbers[t.after.place] for t in turns if t.after.place in numbers]
        if not found:
            return
        await self._evidence.appraise(found, turned=turned)
        for turn in turns:
            self._on_turn(turn)

    def _counting(self, held: Appraisal, now: float) -> Appraisal:
        verdict = aged(
            held.verdict,
            asked_at=held.asked_at,
            now=now,
            max_age_s=self.ground.rules.max_age_s,
        )
        verdict = claimed(exposed(verdict, self._exposed_to(held)), self._claimed_of(held))
        return held if verdict is held.verdict else msgspec.structs.replace(held, verdict=verdict)


def _place(exhibit: Exhibit) -> AttesterKey:
    return (exhibit.endpoint, exhibit.attester.uri)


def _is_hidden(held: Appraisal) -> bool:
    return any(each.code == HIDDEN for each in held.verdict.findings)


def _hidden(held: Appraisal, now: float) -> Appraisal:
    told = Finding(
        code=HIDDEN,
        message="It attested before, and its controller does not show it any more.",
        detail={"component": held.name},
    )
    verdict = msgspec.structs.replace(
        held.verdict, evidence=Evidence.NONE, findings=(told, *held.verdict.findings)
    )
    since = held.since if verdict.summary is held.verdict.summary else now
    return msgspec.structs.replace(held, verdict=verdict, judged_at=now, tried_at=now, since=since)
