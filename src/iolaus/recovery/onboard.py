"""How far a candidate came, why it goes no further, and what is to be done next. Pure.

One table of stages, read from the first to the last: each either passes, or says why not and what
helps. Nothing is remembered between two judgements but people's answers and the plans that were
made, so a process that dies at any step goes on where the device is, and not where a note says.

Nobody is claimed who is not exactly who was expected, and a contradiction is never resolved here:
two that show one identity, or another serial at an expected place, stand until a person looks.
Whoever was claimed before a clone of it came stays claimed; the clone stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, Literal

import msgspec

from iolaus.kernel.errors import halves
from iolaus.model.candidate import Candidate, Move
from iolaus.model.endpoint import Target
from iolaus.model.expected import Expected
from iolaus.model.naming import endpoint_name
from iolaus.recovery.expected import Difference, Shown, differences


class State(StrEnum):
    """How far it came, in order; the last three are off the way."""

    EXPECTED = "Expected"
    APPEARED = "Appeared"
    AWAITING_APPROVAL = "AwaitingApproval"
    """Identified: exactly as expected, and nobody has said yes yet."""
    IDENTIFIED = "Identified"
    CLAIMED = "Claimed"
    CREDENTIALED = "Credentialed"
    CERTIFIED = "Certified"
    AT_BASELINE = "AtBaseline"
    VERIFIED = "Verified"
    HANDED_OVER = "HandedOver"
    CONFLICT = "Conflict"
    REJECTED = "Rejected"
    RETIRED = "Retired"


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """Another endpoint that shows the same identity. `told`: a list says by address or MAC that
    it is the right one."""

    address: str
    told: bool = False
    claimed: bool = False


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How a move's plan fares for this node: "planned", "waiting" (`reason`: for what),
    "running", "done" or "failed"."""

    state: Literal["planned", "waiting", "running", "done", "failed"]
    plan: str
    reason: str = ""
    ended_at: float = 0.0
    """Seconds since 1970, where it is done."""

    read: bool = False
    """It was read again since this was done."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All that counts, as it is now. `expected` is whom it is held against; `told`: by address or
    MAC, and not by its serial alone. `reach` None: nobody tried yet. `shown` None: nothing was
    read yet. `certified` None: not known; `departures` None: not judged yet. `missing` is why a
    baseline or authority that is asked for cannot be used."""

    candidate: Candidate
    expected: Expected | None = None
    told: bool = False
    list_approved: bool = False
    reach: str | None = None
    error: str = ""
    shown: Shown | None = None
    rivals: tuple[Rival, ...] = ()
    elsewhere: str = ""
    managed: bool = False
    credentialed: bool = False
    certified: bool | None = None
    departures: int | None = None
    attested: bool | None = None
    missing: str = ""
    runs: Mapping[str, Run] = {}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` is one CamelCase word, `message` a sentence. `stands`: nothing more is done until
    `next_step` is; else `move` is due, or it only takes time (None)."""

    state: State
    reason: str
    message: str = ""
    next_step: str = ""
    move: Move | None = None
    stands: bool = False
    differences: tuple[Difference, ...] = ()


Stage = Callable[[Seen], Standing | None]
"""None: this stage is passed."""
_WRONG: Final = {
    "serial": "WrongSerial",
    "make": "WrongMake",
    "model": "WrongModel",
    "uuid": "WrongUuid",
    "mac": "WrongMac",
}


def judge(seen: Seen) -> Standing:
    """Never raises. The first stage that is not passed is where it stands."""
    for stage in _STAGES:
        standing = stage(seen)
        if standing is not None:
            return standing
    return Standing(state=State.HANDED_OVER, reason="Done", message=_handed(seen))


# --- people's answers -------------------------------------------------------------------------


def _answered(seen: Seen) -> Standing | None:
    given = seen.candidate.rejected
    if given is not None:
        told = f"by {given.by}" + (f": {given.reason}" if given.reason else "")
        return Standing(
            state=State.REJECTED,
            reason="Rejected",
            message=told,
            next_step=f"take that back with: iolaus onboard retry {name_of(seen)}",
            stands=True,
        )
    if seen.candidate.retired:
        return Standing(
            state=State.RETIRED,
            reason="Retired",
            message=f"it was wiped by plan {seen.candidate.retired}",
            next_step=f"take it on again with: iolaus recommission {name_of(seen)}",
            stands=True,
        )
    if seen.candidate.handed_at is not None:
        return Standing(state=State.HANDED_OVER, reason="Done", message=_handed(seen))
    return None


# --- who it is --------------------------------------------------------------------------------


def _looked_at(seen: Seen) -> Standing | None:
    if seen.candidate.claimed_at is not None or seen.shown is not None:
        return None
    here = State.APPEARED
    if seen.candidate.shows and seen.candidate.vouched != seen.candidate.shows:
        return _stands(
            here,
            "CertificateUnknown",
            f"its certificate is signed by nobody we trust: it shows {seen.candidate.shows}",
            f"compare that, then: iolaus onboard approve {name_of(seen)} "
            f"--fingerprint {seen.candidate.shows}",
        )
    if seen.reach is None:
        told = "nobody has asked it yet"
        return Standing(state=here, reason="NotTried", message=told, move=Move.LOOK)
    if seen.expected is None:
        return _stands(
            here,
            "Unexpected",
            "no list names it by address or MAC, and the lists share no login to look with",
            "write it into a list (kind: ExpectedHardware) and apply that, or reject it.",
        )
    if not seen.expected.credential:
        return _stands(
            here,
            "NoFactoryLogin",
            f"list {seen.expected.list} names no factory login for it",
            "name one in the list (credential:), and keep it with: iolaus credential add",
        )
    return _answers(seen) or Standing(
        state=here, reason="Reading", message="it answers; who it is, is being read"
    )


def _answers(seen: Seen) -> Standing | None:
    here = State.APPEARED
    match seen.reach:
        case "unreachable":
            return _stands(here, "Silent", seen.error or "it does not answer", _WAKE)
        case "unauthenticated":
            return _stands(
                here,
                "FactoryLoginRefused",
                seen.error or "it refuses its factory login",
                "correct that login with: iolaus credential add, then: iolaus onboard retry "
                + name_of(seen),
            )
        case "unsupported":
            told = seen.error or "what answers there is not Redfish"
            return _stands(here, "NotRedfish", told, "see what stands at that address.")
    return None


def _identified(seen: Seen) -> Standing | None:
    shown, want = seen.shown, seen.expected
    if shown is None:
        return None
    if not shown.serial:
        return _conflict("NoSerial", "it shows no serial, so nobody can tell who it is", seen)
    if why := _doubled(seen):
        return _conflict("DuplicateIdentity", why, seen)
    if want is None:
        return _stands(
            State.APPEARED,
            "Unexpected",
            f"no list expects {shown.make} {shown.model} with serial {shown.serial}",
            "write it into a list (kind: ExpectedHardware) and apply that, or reject it.",
        )
    if wrong := differences(want, shown, mac=seen.candidate.mac):
        told = "; ".join(f"{d.field} is {d.seen or 'not told'}, not {d.expected}" for d in wrong)
        if seen.elsewhere and wrong[0].field == "serial":
            told += f"; {seen.elsewhere}"
        return _conflict(_WRONG[wrong[0].field], told, seen, tuple(wrong))
    if want.address and want.address != seen.candidate.address and not _agreed(seen):
        told = f"it stands at {seen.candidate.address}, and the list says {want.address}"
        moved = Difference("address", want.address, seen.candidate.address)
        return _conflict("WrongAddress", told, seen, (moved,))
    return None


def _agreed(seen: Seen) -> bool:
    """A person looked at just this one, or it is ours already."""
    return seen.candidate.approved is not None or seen.candidate.claimed_at is not None


def _doubled(seen: Seen) -> str:
    """Why it may be a copy of another; "" where the other is the copy."""
    if seen.candidate.claimed_at is not None:
        rivals = [each for each in seen.rivals if each.claimed]
    elif seen.told:
        rivals = [each for each in seen.rivals if each.told or each.claimed]
    else:
        rivals = list(seen.rivals)
    if not rivals:
        return ""
    return f"{', '.join(each.address for each in rivals)} shows the same identity"


def _approved(seen: Seen) -> Standing | None:
    want = seen.expected
    if want is None or seen.candidate.claimed_at is not None:
        return None
    if want.approval == "unattended" or _agreed(seen):
        return None
    if want.approval == "list" and seen.list_approved:
        return None
    once = f"iolaus onboard approve list/{want.list}" if want.approval == "list" else ""
    each = f"iolaus onboard approve {name_of(seen)}"
    return Standing(
        state=State.AWAITING_APPROVAL,
        reason="AwaitingApproval",
        message=f"it is exactly what list {want.list} expects",
        next_step=f"say yes with: {once or each}",
        stands=True,
    )


def _claimed(seen: Seen) -> Standing | None:
    if seen.candidate.claimed_at is not None and seen.managed:
        return None
    return Standing(
        state=State.IDENTIFIED,
        reason="Claiming",
        message="it is who was expected, and may be taken on",
        move=Move.CLAIM,
    )


# --- what is done with it ---------------------------------------------------------------------


def _secured(seen: Seen) -> Standing | None:
    wants = seen.expected is not None and bool(seen.expected.authority)
    certified = seen.certified is True or not wants
    if seen.credentialed and certified:
        return None
    here = State.CREDENTIALED if seen.credentialed else State.CLAIMED
    word = "Certifying" if seen.credentialed else "GivingPassword"
    told = "it is given a password of its own" + (" and a certificate" if wants else "")
    return _worked_on(seen, here, Move.SECURE, word, told)


def _based(seen: Seen) -> Standing | None:
    want = seen.expected
    if want is None or not want.baseline or seen.departures == 0:
        return None
    here = State.CERTIFIED if want.authority else State.CREDENTIALED
    if seen.departures is None:
        if seen.missing:
            return _stands(here, "NoBaseline", seen.missing, "apply it, or correct the list.")
        told = f"it is being compared with baseline/{want.baseline}"
        return Standing(state=here, reason="Comparing", message=told)
    told = f"{seen.departures} departures from baseline/{want.baseline} are mended"
    return _worked_on(seen, here, Move.BASELINE, "Mending", told)


def _verified(seen: Seen) -> Standing | None:
    want = seen.expected
    if want is None or not want.attest or seen.attested is True:
        return None
    if seen.attested is None:
        told = "nobody has vouched yet for what it runs"
        return Standing(state=State.AT_BASELINE, reason="AwaitingAttestation", message=told)
    return _stands(
        State.AT_BASELINE,
        "NotTrusted",
        "what it runs was proved to be something else",
        f"see why with: iolaus get attestations -l node={name_of(seen)}",
    )


def _handed_over(seen: Seen) -> Standing | None:
    want = seen.expected
    to = want.handover.to if want is not None else "none"
    here = State.VERIFIED if want is not None and want.attest else State.AT_BASELINE
    if to in ("http-boot", "pxe"):
        run = seen.runs.get(Move.HAND_OVER)
        if run is None or run.state != "done":
            told = "it is started once from the network"
            return _worked_on(seen, here, Move.HAND_OVER, "HandingOver", told)
    if to == "ironic" and Move.REGISTER not in seen.candidate.plans:
        if why := seen.candidate.failed.get(Move.REGISTER):
            return _failed(here, why, seen)
        return Standing(state=here, reason="Registering", move=Move.REGISTER)
    if to == "metal3":
        return _stands(
            here,
            "AwaitingExport",
            "it is ready, and waits to be handed to Metal3",
            f"iolaus handover {name_of(seen)} --to metal3 | kubectl apply -f -",
        )
    return Standing(state=here, reason="Finishing", move=Move.FINISH)


def _worked_on(seen: Seen, here: State, move: Move, word: str, told: str) -> Standing:
    """A stage that a plan brings about."""
    if why := seen.candidate.failed.get(move):
        return _failed(here, why, seen)
    run = seen.runs.get(move)
    if run is not None and run.state == "failed":
        return _failed(here, run.reason, seen)
    if seen.reach == "unreachable" and (run is None or run.state != "done"):
        return _stands(here, "Silent", seen.error or "it does not answer", _WAKE)
    if run is not None and run.state == "waiting":
        step = f"see what it waits for: iolaus describe rollout/{run.plan}"
        message = f"plan {run.plan} waits: {run.reason}"
        return Standing(state=here, reason="Waiting", message=message, next_step=step)
    if run is not None and run.state == "done" and run.read:
        return _failed(here, f"plan {run.plan} is done, and it is not so: {told}", seen)
    if run is not None and run.state in ("running", "done"):
        done = f"plan {run.plan} is done; it is being read again"
        return Standing(
            state=here,
            reason=word if run.state == "running" else "ReadingAgain",
            message=f"{told} (plan {run.plan})" if run.state == "running" else done,
        )
    return Standing(state=here, reason=word, message=told, move=move)


def name_of(seen: Seen) -> str:
    """As a person names it on the command line."""
    if seen.candidate.entry:
        return seen.candidate.entry
    return endpoint_name(Target(address=seen.candidate.address))


_WAKE: Final = "see to its power and network; it goes on by itself when it answers."


def _failed(here: State, why: str, seen: Seen) -> Standing:
    what, told = halves(why)
    step = f"{told.rstrip('. ') or 'see to it'}; then: iolaus onboard retry {name_of(seen)}"
    return _stands(here, "Failed", what, step)


def _conflict(
    reason: str, message: str, seen: Seen, found: tuple[Difference, ...] = ()
) -> Standing:
    step = f"look at the machine; correct the list, or: iolaus onboard reject {name_of(seen)}"
    return msgspec.structs.replace(
        _stands(State.CONFLICT, reason, message, step), differences=found
    )


def _stands(state: State, reason: str, message: str, next_step: str) -> Standing:
    return Standing(state=state, reason=reason, message=message, next_step=next_step, stands=True)


def _handed(seen: Seen) -> str:
    to = seen.candidate.handed_to
    return f"to {to}" if to and to != "none" else "to whoever runs work on it"


_STAGES: Final[tuple[Stage, ...]] = (
    _answered,
    _looked_at,
    _identified,
    _approved,
    _claimed,
    _secured,
    _based,
    _verified,
    _handed_over,
)
