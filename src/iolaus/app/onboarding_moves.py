"""What is done with candidates: each move written down before it is made, and harmless twice.

Devices are changed by plans alone, which the conductor carries through; here plans are made for
those that come to the same stage together, noted with each of them, and applied. A process that
dies between two of these finds the plan that it noted, and applies that one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from iolaus.app.onboarding_seeing import Look, Seeing, host_in
from iolaus.app.rolling import Rolling
from iolaus.drivers.probe import ProbeResult
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, OperatorMust, PolicyRefused, Unverified
from iolaus.model.candidate import Candidate, Move
from iolaus.model.endpoint import Event, Mode, Target
from iolaus.model.expected import Expected
from iolaus.model.plan import Asked, Fate, Plan
from iolaus.recovery.onboard import Seen
from iolaus.store.facts import Facts
from iolaus.store.state import State

log = structlog.get_logger(__name__)
BY: Final = "onboarding"
AT_ONCE: Final = 64
"""So many nodes of one plan are given passwords and certificates together."""
BOOTS: Final[Mapping[str, str]] = {"http-boot": "UefiHttp", "pxe": "Pxe"}
Due = Sequence[tuple[Candidate, Seen]]


class Enrols(Protocol):
    """Has a node enrolled by whom it is handed to."""

    async def __call__(self, candidate: Candidate, want: Expected) -> None:
        """Harmless twice. Raises `IolausError`."""
        ...


class Moves:
    """`probe` looks at an address without a login, `begin` starts reading it now, and `keep` sees
    to it that it is read, as soon as that is due."""

    def __init__(
        self,
        *,
        state: State,
        seeing: Seeing,
        rolling: Rolling,
        clock: Clock,
        probe: Callable[[Target], Awaitable[ProbeResult]],
        begin: Callable[[str], None],
        keep: Callable[[str], None],
        enrol: Enrols,
    ) -> None:
        self._state, self._seeing, self._rolling, self._clock = state, seeing, rolling, clock
        self._probe, self._begin, self._read_on, self._enrol = probe, begin, keep, enrol
        self._facts: Facts = state.facts

    # --- before it is ours ----------------------------------------------------------------------

    async def look(self, candidate: Candidate) -> None:
        """Find out what answers, without a login; then have it read with its factory login."""
        want = self._seeing.hinted(candidate)
        found = await self._contact(candidate, want)
        if isinstance(found.error, Unverified):
            self._looked(candidate, "unauthenticated", found.error)
            if found.fingerprint and candidate.shows != found.fingerprint:
                await self._keep(candidate, shows=found.fingerprint)
            return
        self._looked(candidate, found.reach.value, found.error)
        if found.uuid and candidate.uuid != found.uuid:
            candidate = await self._keep(candidate, uuid=found.uuid)
            want = want or self._seeing.hinted(candidate)
        want = want or self._seeing.roll.shared_login()
        if found.error is None and want is not None and want.credential:
            self._read_with(candidate, want, found.fingerprint)

    async def _contact(self, candidate: Candidate, want: Expected | None) -> ProbeResult:
        """By the pin that somebody vouched for; else what a listed one shows first is taken where
        its list says so."""
        known = self._facts.target_of(candidate.address)
        pin = (known.fingerprint if known else None) or candidate.vouched
        pin = pin or (want.fingerprint if want else "")
        target = _target(candidate, known, want, pin or None)
        found = await self._probe(target)
        pins = not pin and (want or self._seeing.roll.shared_login())
        if isinstance(found.error, Unverified) and found.fingerprint and pins and pins.pins:
            found = await self._probe(
                msgspec.structs.replace(target, fingerprint=found.fingerprint)
            )
        return found

    def _read_with(self, candidate: Candidate, want: Expected, pin: str | None) -> None:
        known = self._facts.target_of(candidate.address)
        target = known or _target(candidate, known, want, None)
        if known is None or not known.credential:
            vouched = pin if self._needs_pin(candidate, want) else target.fingerprint
            self._facts.put_target(
                msgspec.structs.replace(target, credential=want.credential, fingerprint=vouched)
            )
        self._begin(candidate.address)

    def _needs_pin(self, candidate: Candidate, want: Expected) -> bool:
        return bool(candidate.vouched or want.fingerprint or want.pins)

    def _looked(self, candidate: Candidate, reach: str, error: IolausError | None) -> None:
        told = error.message if error else ""
        self._seeing.looks[candidate.address] = Look(reach, told, self._clock.now())

    async def claim(self, due: Due) -> None:
        """Written down with whom it is claimed as, and then managed."""
        now, taken = self._clock.now(), list[tuple[Candidate, Expected]]()
        for candidate, seen in due:
            if (want := seen.expected) is not None:
                claimed = candidate.claimed_at or now
                kept = msgspec.structs.replace(
                    candidate, entry=want.name, list=want.list, claimed_at=claimed, shows=""
                )
                taken.append((kept, want))
        await self._state.candidates.put({each.address: each for each, _ in taken})
        for candidate, want in taken:
            target = self._facts.target_of(candidate.address)
            if target is None:
                continue
            mine = msgspec.structs.replace(
                target, mode=Mode.MANAGED, name=want.name, labels={**target.labels, **want.labels}
            )
            self._facts.put_target(mine)
            self._tell(candidate, "CandidateClaimed", f"{want.name} of list {want.list} is ours")
        await self._facts.flush()
        for candidate, _ in taken:
            self._read_on(candidate.address)

    # --- by plans -------------------------------------------------------------------------------

    async def by_plan(self, move: Move, due: Due) -> None:
        """Apply what was planned before; plan the rest together."""
        noted: dict[str, list[Candidate]] = defaultdict(list)
        fresh = []
        for candidate, seen in due:
            if move in candidate.plans:
                noted[candidate.plans[move]].append(candidate)
            else:
                fresh.append((candidate, seen))
        for plan, members in noted.items():
            await self._apply(plan, move, members)
        for words, members in self._alike(move, fresh).items():
            await self._plan(move, words, members)

    def _alike(self, move: Move, due: Due) -> Mapping[str, list[Candidate]]:
        """Those that one plan does for: by authority, baseline, or what they start from."""
        found: dict[str, list[Candidate]] = defaultdict(list)
        for candidate, seen in due:
            want = seen.expected
            assert want is not None, "nobody is worked on who is not expected"
            words = {
                Move.SECURE: want.authority if seen.certified is not True else "",
                Move.BASELINE: want.baseline,
            }.get(move, f"{want.handover.to} {want.handover.url or ''}".strip())
            found[words].append(candidate)
        return found

    async def _plan(self, move: Move, words: str, members: Sequence[Candidate]) -> None:
        uids = {uid for each in members for uid in self._uids(each)}
        try:
            plan = await self._planned(move, words, uids)
        except OperatorMust as error:
            await self._fail(move, {each.address: str(error) for each in members})
            return
        going = {n.endpoint for n in plan.nodes if n.fate is Fate.UPDATE}
        stays = {
            n.endpoint: n.reason or n.fate.value
            for n in plan.nodes
            if n.fate is not Fate.UPDATE and n.endpoint not in going
        }
        await self._fail(move, stays)
        kept = [each for each in members if each.address in going]
        await self._state.candidates.put(
            {
                each.address: msgspec.structs.replace(each, plans={**each.plans, move: plan.id})
                for each in kept
            }
        )
        if kept:
            await self._apply(plan.id, move, kept)

    async def _planned(self, move: Move, words: str, uids: Collection[str]) -> Plan:
        if move is Move.BASELINE:
            return await self._rolling.plan_baseline_for(words, uids, by=BY)
        if move is Move.SECURE:
            asked = Asked(kind="secure", arguments={"authority": words} if words else {})
        else:
            to, _, url = words.partition(" ")
            override = {"target": BOOTS[to], "enabled": "Once", "mode": "UEFI"}
            override |= {"http_uri": url} if url else {}
            asked = Asked(kind="hand-over", arguments=override)
        return await self._rolling.plan_for(asked, uids, batch=AT_ONCE, by=BY)

    async def _apply(self, plan: str, move: Move, members: Sequence[Candidate]) -> None:
        """A world that moved meanwhile is planned for again."""
        try:
            await self._rolling.apply(plan, by=BY)
        except PolicyRefused as error:
            if error.code == "AlreadyApplied":
                return
            log.info("onboarding_plans_again", plan=plan, why=error.message)
            await self._forget_plan(move, members)
        except OperatorMust as error:
            await self._fail(move, {each.address: str(error) for each in members})

    async def _forget_plan(self, move: Move, members: Sequence[Candidate]) -> None:
        kept = {}
        for each in members:
            plans = {k: v for k, v in each.plans.items() if k != move}
            kept[each.address] = msgspec.structs.replace(each, plans=plans)
        await self._state.candidates.put(kept)

    def _uids(self, candidate: Candidate) -> list[str]:
        """Of the machine at the address."""
        held = self._facts.held(candidate.address)
        asset = host_in(held)
        uid = held.uids.get(asset.key) if held and asset else None
        return [uid] if uid else []

    # --- at the end -----------------------------------------------------------------------------

    async def register(self, candidate: Candidate, seen: Seen) -> None:
        assert seen.expected is not None, "nobody is handed over who is not expected"
        try:
            await self._enrol(candidate, seen.expected)
        except IolausError as error:
            await self._fail(Move.REGISTER, {candidate.address: str(error)})
            return
        plans = {**candidate.plans, Move.REGISTER: "ironic"}
        await self._keep(candidate, plans=plans)

    async def finish(self, candidate: Candidate, to: str) -> None:
        await self._keep(candidate, handed_at=self._clock.now(), handed_to=to)
        whom = to if to != "none" else "whoever runs work on it"
        self._tell(candidate, "CandidateHandedOver", f"it is handed over to {whom}")

    async def _fail(self, move: Move, reasons: Mapping[str, str]) -> None:
        kept = {}
        for address, why in reasons.items():
            if (each := self._state.candidates.get(address)) is not None:
                failed = {**each.failed, move: why}
                kept[address] = msgspec.structs.replace(each, failed=failed)
        await self._state.candidates.put(kept)

    async def _keep(self, candidate: Candidate, **fields: object) -> Candidate:
        kept = msgspec.structs.replace(candidate, **fields)
        await self._state.candidates.put({kept.address: kept})
        return kept

    def _tell(self, candidate: Candidate, kind: str, message: str) -> None:
        now = self._clock.now()
        told = Event(at=now, kind=kind, severity="OK", endpoint=candidate.address, message=message)
        self._facts.record_event(told)


def _target(
    candidate: Candidate, known: Target | None, want: Expected | None, pin: str | None
) -> Target:
    """Where it is looked for: on the site of which it is known, on which it appeared, or on which
    a list expects it."""
    said = known.labels.get("site", "") if known else ""
    site = said or candidate.site or (want.labels.get("site", "") if want else "")
    labels = {"site": site} if site else {}
    return Target(address=candidate.address, labels=labels, fingerprint=pin)
