"""The way back of a node as a plan: rungs from soft to hard, each with what must be so before.

Evidence comes first, because a reset destroys it. Then rung after rung is tried until what is read
afresh says that the node is back; a rung that may not be used now, or that nothing of the node
offers, is passed over with its reason. At the end stands a look: a node that is not back is a
person's, and the plan says what that person has to do. Nothing here asks a device: what a rung
needs is read again when its turn comes.

A rack in which many nodes are in trouble at once is one trouble, and none of its nodes is touched.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import (
    Action,
    Asked,
    Domain,
    Expect,
    Fate,
    NodePlan,
    OnFailure,
    Op,
    Plan,
    Step,
    Verb,
    Wave,
)
from iolaus.model.reach import Controller, Judgement, NodeSight, Verdict
from iolaus.model.recovery import ASKED, RungName
from iolaus.recovery import media
from iolaus.recovery.policy import Rules
from iolaus.recovery.reflash import Push, reflash_steps
from iolaus.recovery.rungs import LADDERS, PERSON, Rung
from iolaus.recovery.trying import trying

ALL: Final = "all"
BACK: Final = "recovery/back"
HELD: Final = "recovery/held-off"
MAY: Final = "recovery/may/"
HOST_STOPS: Final = "recovery/host-may-stop"
SAVED: Final = "recovery/evidence"
OUTLETS: Final = "recovery/outlets"
ISOLATED: Final = "recovery/isolated"
OPEN: Final = "recovery/open"
"""What of it is open, by name: in the journal before any of it is closed."""
REJOINED: Final = "recovery/rejoined"
ALONE: Final = "recovery/slot"
"""Whether its slot feeds it alone."""
OVERRIDE: Final = "recovery/boot-override"
MEDIA: Final = "recovery/media"
POWER: Final = "recovery/power"
ANSWERS: Final = "recovery/answers"
EVIDENCE_S: Final = 300.0
PROVE_S: Final = 60.0
SHORT_S: Final = 180.0
WATCH_S: Final = 60.0
GIVE_BACK: Final = 3
"""What was taken for a while is given back again and again, also by a life that did not take it."""
DRIVES: Final = ("Cd", "Usb")
GATHER, PROVE, WATCH = "evidence", "prove", "watch"
IS_BACK: Final = "See that it is back"
WORDS_OF: Final = {HELD: "See that it is held off", ISOLATED: "See that it is cut off"}
HOST_RUNGS: Final = frozenset(
    {RungName.NMI, RungName.RESTART, RungName.FORCE_RESTART, RungName.POWER_CYCLE,
     RungName.POWER_ON, RungName.MAINS, RungName.SWITCH_BANK, RungName.RESET_MANAGER,
     RungName.RESCUE, RungName.REFLASH}
)  # fmt: skip
"""Rungs that go through the controller, which must answer for them."""
CLASSES: Final = tuple(verdict.value for verdict in LADDERS)
"""What a person may say is the matter."""
NOTHING: Final = (Verdict.WELL,)
WORDS: Final = frozenset({"class", "only", "host_may_stop", "rescue", "image"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A node to be brought back. `managed`: its endpoint may be written to; `offers` are rungs
    that something of it offers, `pushes` images for what is broken of it, `closed` what was closed
    of it and not opened again, and `lacks` says what there is none of, and why."""

    sight: NodeSight
    judgement: Judgement
    endpoint: str
    managed: bool
    offers: frozenset[RungName] = frozenset()
    pushes: tuple[Push, ...] = ()
    closed: tuple[str, ...] = ()
    lacks: str = ""


# --- what is asked ----------------------------------------------------------------------------


def check(asked: Asked) -> None:
    """`class` is a word of `CLASSES` that overrules the judgement; `only` a rung that alone is
    used; `image` the file that is pushed to what is broken; `host_may_stop` True where the person
    takes that on. Raises `OperatorMust`."""
    words = asked.arguments
    if strange := sorted(words.keys() - WORDS):
        raise _wrong(f"recover takes no {strange[0]!r}", f"it takes {', '.join(sorted(WORDS))}.")
    given = words.get("class")
    if given and given not in CLASSES:
        raise _wrong(f"{given!r} is no class", f"give one of: {', '.join(CLASSES)}.")
    only = words.get("only")
    if only and only not in list(RungName):
        raise _wrong(f"{only!r} is no rung", f"give one of: {', '.join(RungName)}.")


def say(asked: Asked) -> str:
    given, only = asked.arguments.get("class"), asked.arguments.get("only")
    told = f" from {given}" if given else ""
    return f"recover{told}" + (f" by {only} alone" if only else "")


def _wrong(message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message, operation="recover", subject="asked", code="BadRequest", next_step=next_step
    )


# --- the plan ---------------------------------------------------------------------------------


def plan_recovery(
    asked: Asked,
    patients: Iterable[Patient],
    hall: Mapping[str, Judgement],
    racks: Mapping[str, str],
    rules: Rules,
    *,
    now: float,
    made_by: str = "",
    batch: int | None = None,
) -> Plan:
    """The ladders of these nodes. `hall` is the judgement of every node and `racks` the rack of
    each, by uid: what befalls many of one rack at once is no node's trouble. Pure and
    deterministic. Raises `OperatorMust` for what cannot be asked."""
    check(asked)
    together = crowded(hall, racks, rules)
    nodes = [
        _node(patient, asked, together.get(patient.sight.rack, ""), rules, now)
        for patient in sorted(patients, key=lambda each: (each.sight.name, each.sight.uid))
    ]
    going = tuple(node.uid for node in nodes if node.fate is Fate.UPDATE)
    waves = (Wave(name=ALL, nodes=going, batch=batch),) if going else ()
    return Plan(
        baseline="",
        generation=0,
        nodes=tuple(nodes),
        waves=waves,
        on_failure=OnFailure(node="leave", wave="continue"),
        made_at=now,
        made_by=made_by,
        asked=msgspec.structs.replace(asked, kind=ASKED, at=now),
    )


_ILL: Final = frozenset(LADDERS) - {Verdict.HOST_OFF, Verdict.COMPROMISED}


def crowded(
    hall: Mapping[str, Judgement], racks: Mapping[str, str], rules: Rules
) -> dict[str, str]:
    """Racks with so many nodes in trouble at once that it is the rack's, with why."""
    of, ill = Counter[str](), Counter[str]()
    for uid, judgement in hall.items():
        rack = racks.get(uid, "")
        of[rack] += bool(rack)
        ill[rack] += bool(rack) and (judgement.verdict in _ILL or judgement.verdict.of_many)
    return {
        rack: f"{count} of {of[rack]} nodes of rack {rack} are in trouble at once: the rack is "
        "to be seen to, and none of its nodes is touched"
        for rack, count in ill.items()
        if count >= rules.together_least and count >= rules.together_share * of[rack]
    }


def _node(patient: Patient, asked: Asked, together: str, rules: Rules, now: float) -> NodePlan:
    sight, said = patient.sight, asked.arguments.get("class")
    verdict = Verdict(said) if said else patient.judgement.verdict
    fate, reason = _fate(patient, verdict, together, said=bool(said))
    if asked.arguments.get("only") == RungName.REJOIN:
        fate, reason = _rejoins(patient)
    steps: tuple[Step, ...] = ()
    if fate is Fate.UPDATE:
        steps = _numbered(sight.uid, _steps(patient, verdict, asked, rules), now)
    domains = (Domain(kind="rack", name=sight.rack),) if sight.rack else ()
    return NodePlan(
        uid=sight.uid,
        name=sight.name,
        endpoint=patient.endpoint,
        fate=fate,
        facts=_digest(patient, verdict),
        reason=reason,
        steps=steps,
        domains=domains,
        estimate_s=sum(each.timeout_s for each in steps) if steps else None,
    )


def _fate(patient: Patient, verdict: Verdict, together: str, *, said: bool) -> tuple[Fate, str]:
    judgement = patient.judgement
    if verdict in NOTHING:
        return Fate.NO_OP, judgement.why
    if verdict is not Verdict.COMPROMISED and (together or judgement.verdict.of_many):
        why = together or judgement.why
        return Fate.BLOCKED, f"{why}; a person is needed: {_rack_step(judgement)}"
    if verdict not in LADDERS:
        return Fate.BLOCKED, f"{judgement.why}; a person is needed: {PERSON[verdict]}"
    if not patient.managed:
        return Fate.BLOCKED, "its endpoint is read-only: nobody has said managed"
    lacks = f"; {patient.lacks}" if patient.lacks else ""
    return Fate.UPDATE, f"{'as somebody said' if said else judgement.why}{lacks}"


def _rejoins(patient: Patient) -> tuple[Fate, str]:
    if not patient.closed:
        return Fate.NO_OP, "nothing of it is closed, as far as the journal says"
    if not patient.managed:
        return Fate.BLOCKED, "its endpoint is read-only: nobody has said managed"
    return Fate.UPDATE, f"{len(patient.closed)} ports and interfaces were closed by a recovery"


def _rack_step(judgement: Judgement) -> str:
    of_many = judgement.verdict if judgement.verdict.of_many else Verdict.RACK_SILENT
    return PERSON[of_many]


def _digest(patient: Patient, verdict: Verdict) -> str:
    told = f"{patient.sight.uid} {verdict.value} {patient.endpoint}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _numbered(uid: str, steps: Iterable[Step], now: float) -> tuple[Step, ...]:
    """Named by when they were planned, too: what was used and saved by the plan before is not
    this one's."""
    when = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    return tuple(
        msgspec.structs.replace(each, id=f"{uid}/{when}-{number:02}-{each.action.subject}")
        for number, each in enumerate(steps, start=1)
    )


# --- the steps --------------------------------------------------------------------------------


def _steps(patient: Patient, verdict: Verdict, asked: Asked, rules: Rules) -> Iterator[Step]:
    rejoins = asked.arguments.get("only") == RungName.REJOIN
    if not rejoins:
        yield _gather(verdict)
    for rung in _rungs(patient, verdict, asked, rules):
        yield from _rung_steps(rung, patient, verdict, asked, rules)
    if not rejoins:
        yield _prove(verdict, held=ISOLATED if _keeps_power(asked, rules) else HELD)


def _keeps_power(asked: Asked, rules: Rules) -> bool:
    """Of a compromised host: it is cut off from its networks, and that is all."""
    only = asked.arguments.get("only")
    return only == RungName.ISOLATE or (not only and rules.isolate.use and not rules.isolate.power)


def _rungs(patient: Patient, verdict: Verdict, asked: Asked, rules: Rules) -> Iterator[Rung]:
    only = asked.arguments.get("only")
    names = (RungName(only),) if only else LADDERS[verdict]
    for name in names:
        rung = rules.rungs.get(name)
        offered = name in patient.offers or not _needs_offer(name)
        asked_for = name is not RungName.RESCUE or only or asked.arguments.get("rescue")
        if not only and name is RungName.ISOLATE:
            asked_for = rules.isolate.use
        if not only and name is RungName.HOLD_OFF:
            asked_for = not _keeps_power(asked, rules)
        if rung is not None and offered and asked_for:
            yield rung


_ALWAYS: Final = frozenset(
    {RungName.WAIT, RungName.SETTLE_LOGIN, RungName.CLOSE_SESSIONS, RungName.ISOLATE,
     RungName.REJOIN}
)  # fmt: skip
"""What every controller is asked for, whatever it shows."""


def _needs_offer(name: RungName) -> bool:
    return name not in _ALWAYS


def _rung_steps(
    rung: Rung, patient: Patient, verdict: Verdict, asked: Asked, rules: Rules
) -> Iterator[Step]:
    before = _before(rung, patient, verdict, asked, rules)
    match rung.name:
        case RungName.OUTLET:
            yield from _outlet(rung, before, verdict)
        case RungName.ISOLATE:
            yield _isolate(rung, verdict)
        case RungName.REJOIN:
            yield _rejoin(rung, patient, verdict)
        case RungName.SLOT:
            yield _slot(rung, before, verdict)
        case RungName.REFLASH:
            yield from _reflash(rung, patient, verdict, asked, rules)
        case RungName.RESCUE:
            yield from _rescue(rung, before, verdict, rules)
        case RungName.HOLD_OFF:
            yield from _hold_off(rung, outlets=RungName.OUTLET in patient.offers)
        case RungName.NMI:
            yield trying(rung, before=before, after=back(), verdict=verdict)
            yield _gather(verdict)
        case RungName.POWER_ON:
            off = Expect(subject=POWER, op=Op.IS, value="Off")
            yield trying(rung, before=(*before, off), after=back(), verdict=verdict)
        case _:
            yield trying(rung, before=before, after=back(), verdict=verdict)


def _before(
    rung: Rung, patient: Patient, verdict: Verdict, asked: Asked, rules: Rules
) -> tuple[Expect, ...]:
    found = [
        Expect(subject=BACK, op=Op.IS, value=False),
        Expect(subject=f"{MAY}{rung.name.value}", op=Op.IS, value=True),
    ]
    willing = rules.host_may_stop or asked.arguments.get("host_may_stop") is True
    if rung.stops_host and verdict is not Verdict.HOST_HUNG and not willing:
        found.append(Expect(subject=HOST_STOPS, op=Op.IS, value=True))
    if rung.name in HOST_RUNGS:
        found.append(Expect(subject=ANSWERS, op=Op.IS, value=True))
    del patient
    return tuple(found)


def back() -> tuple[Expect, ...]:
    return (Expect(subject=BACK, op=Op.IS, value=True),)


def _outlet(rung: Rung, before: tuple[Expect, ...], verdict: Verdict) -> Iterator[Step]:
    off = Expect(subject=OUTLETS, op=Op.IS, value="Off")
    on = Expect(subject=OUTLETS, op=Op.IS, value="On")
    yield trying(
        rung,
        before=before,
        after=(off,),
        verdict=verdict,
        timeout_s=SHORT_S,
        subject="outlet-off",
        text="Take the mains away at its outlets",
    )
    not_on = Expect(subject=OUTLETS, op=Op.IS_NOT, value="On")
    yield trying(
        rung,
        before=(not_on,),
        after=(on,),
        verdict=verdict,
        timeout_s=SHORT_S,
        subject="outlet-on",
        text="Give the mains back at its outlets",
        attempts=GIVE_BACK,
    )
    yield trying(
        rung,
        before=(Expect(subject=BACK, op=Op.IS, value=False),),
        after=(Expect(subject=ANSWERS, op=Op.IS, value=True),),
        verdict=verdict,
        subject="look",
        text="Wait until its controller answers",
    )


_SILENT: Final = frozenset({Verdict.CONTROLLER_DEAD, Verdict.NODE_SILENT})


def _slot(rung: Rung, before: tuple[Expect, ...], verdict: Verdict) -> Step:
    """A silent controller is to answer again; whether its host starts by itself is another rung."""
    alone = Expect(subject=ALONE, op=Op.IS, value=True)
    answers = Expect(subject=ANSWERS, op=Op.IS, value=True)
    after = (answers,) if verdict in _SILENT else back()
    return trying(rung, before=(*before, alone), after=after, verdict=verdict)


def _reflash(
    rung: Rung, patient: Patient, verdict: Verdict, asked: Asked, rules: Rules
) -> Iterator[Step]:
    """Each broken component once; its first push alone asks whether it may be, and is counted."""
    answering = (Expect(subject=ANSWERS, op=Op.IS, value=True),)
    for number, push in enumerate(patient.pushes):
        stops = rung._replace(stops_host=push.stops_host)
        before = _before(stops, patient, verdict, asked, rules)
        if number:
            before = tuple(each for each in before if not each.subject.startswith(MAY))
        yield from reflash_steps(rung, push, verdict=verdict, before=before, answers=answering)


def _rescue(
    rung: Rung, before: tuple[Expect, ...], verdict: Verdict, rules: Rules
) -> Iterator[Step]:
    """One start from the image; drive and override are taken back whatever comes of it. Its first
    step alone asks whether it may be: it is what the budget counts, and the others rest on it."""
    want = rules.rescue
    if want is None:
        return
    drive = want.image if want.boot in DRIVES else ""
    fetched: dict[str, Any] = {"image": want.image} if want.image and not drive else {}
    begun = tuple(each for each in before if not each.subject.startswith(MAY))
    first = before
    once = Expect(subject=OVERRIDE, op=Op.IS, value=media.said(want.boot, "Once", want.image))
    let = f"Let it start from {want.boot}, once"
    if drive:
        given = Expect(subject=MEDIA, op=Op.IS, value=drive)
        first = (*begun, given)
        yield trying(rung, before=before, after=(given,), verdict=verdict, timeout_s=SHORT_S * 2,
                   subject="insert-media", text="Put the rescue image into its drive",
                   image=drive)  # fmt: skip
    yield trying(rung, before=first, after=(once,), verdict=verdict, timeout_s=SHORT_S,
               subject="boot-once", text=let, boot=want.boot, **fetched)  # fmt: skip
    yield trying(rung, before=(*begun, once), after=back(), verdict=verdict, subject="rescue-start",
               text="Restart it, so that it starts from there")  # fmt: skip
    clear = Expect(subject=OVERRIDE, op=Op.IS, value="Disabled")
    yield trying(rung, before=(_not(clear),), after=(clear,), verdict=verdict, timeout_s=SHORT_S,
               subject="boot-clear", text="Take the override back", attempts=GIVE_BACK,
               **fetched)  # fmt: skip
    if drive:
        empty = Expect(subject=MEDIA, op=Op.IS, value="")
        yield trying(rung, before=(_not(empty),), after=(empty,), verdict=verdict,
                   timeout_s=SHORT_S, subject="eject-media", text="Take the image out",
                   attempts=GIVE_BACK)  # fmt: skip


def _not(expect: Expect) -> Expect:
    return msgspec.structs.replace(expect, op=Op.IS_NOT)


def _isolate(rung: Rung, verdict: Verdict) -> Step:
    before = (Expect(subject=f"{MAY}{rung.name.value}", op=Op.IS, value=True),
              Expect(subject=OPEN, op=Op.IS_NOT, value=[]))  # fmt: skip
    isolated = Expect(subject=ISOLATED, op=Op.IS, value=True)
    return trying(rung, before=before, after=(isolated,), verdict=verdict)


def _rejoin(rung: Rung, patient: Patient, verdict: Verdict) -> Step:
    """No rung of a ladder: a person's own wish, and it fails where it is not fulfilled."""
    before = (Expect(subject=f"{MAY}{rung.name.value}", op=Op.IS, value=True),)
    again = Expect(subject=REJOINED, op=Op.IS, value=True)
    step = trying(rung, before=before, after=(again,), verdict=verdict, attempts=GIVE_BACK,
                  links=list(patient.closed))  # fmt: skip
    return msgspec.structs.replace(step, rung=msgspec.UNSET)


def _hold_off(rung: Rung, *, outlets: bool) -> Iterator[Step]:
    """First that it does not start by itself, then that it does not run; at last its mains, where
    all its `outlets` are known."""
    verdict = Verdict.COMPROMISED
    yield trying(rung, after=(), verdict=verdict, timeout_s=SHORT_S, subject="never-by-itself",
               text="Let it stay off when power comes back")  # fmt: skip
    running = Expect(subject=POWER, op=Op.IS_NOT, value="Off")
    off = Expect(subject=POWER, op=Op.IS, value="Off")
    yield trying(rung, before=(running,), after=(off,), verdict=verdict, timeout_s=SHORT_S,
               subject="cut-off", text="Cut its host off")  # fmt: skip
    yield trying(rung, after=(), verdict=verdict, subject=WATCH, timeout_s=2 * WATCH_S,
               text="Watch whether somebody starts it again",
               for_s=min(WATCH_S, rung.timeout_s / 2))  # fmt: skip
    if not outlets:
        return
    held = Expect(subject=HELD, op=Op.IS, value=True)
    yield trying(rung, before=(_not(held),), after=(held,), verdict=verdict, timeout_s=SHORT_S,
               subject="outlet-off", text="Take its mains away, too")  # fmt: skip


def _gather(verdict: Verdict) -> Step:
    """Reading does no harm twice, and a rung that follows must not find nothing saved."""
    return Step(
        id="",
        action=Action(verb=Verb.GATHER, subject=GATHER, arguments={"class": verdict.value}),
        text="Save what it can still tell",
        after=(Expect(subject=SAVED, op=Op.IS, value=True),),
        timeout_s=EVIDENCE_S,
        reads=1,
        attempts=3,
        rung=GATHER,
    )


def _prove(verdict: Verdict, *, held: str) -> Step:
    """Only looked at: what is not back now is a person's."""
    compromised = verdict is Verdict.COMPROMISED
    return Step(
        id="",
        action=Action(verb=Verb.RECOVER, subject=PROVE, arguments={"class": verdict.value}),
        text=WORDS_OF[held] if compromised else IS_BACK,
        after=(Expect(subject=held, op=Op.IS, value=True),) if compromised else back(),
        timeout_s=PROVE_S,
        attempts=1,
    )


def answers(sight: NodeSight) -> bool:
    return sight.controller in (Controller.ANSWERS, Controller.HALF, Controller.CROWDED)


def rungs_named(plan: Plan) -> Sequence[str]:
    """The rungs of a plan, in order."""
    names = (str(s.rung) for n in plan.nodes for s in n.steps if s.rung is not msgspec.UNSET)
    return list(dict.fromkeys(names))
