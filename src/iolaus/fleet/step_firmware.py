"""Steps of firmware: flash what may go together, then the resets that activate it.

Whoever undoes a node walks its steps backwards, and then the reset of the way there comes before
the flash that it should activate. So each group that ends in a reset begins with a look at the
device, whose undo is that reset: on the way there it only looks, on the way back it activates.

A controller that shows a second bank goes back by it: what a flash leaves alone is the very image
that ran before, so it is told to boot that, and its reset does. Nothing is pushed, and the version
is read back all the same.

A step proves what it can. Where a component runs its new version by itself, the flash is done when
that version is read; where a reset activates it, when the reset is, and the flash by itself proves
no more than that the device took it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from iolaus.fleet.images import Choice
from iolaus.fleet.step import (
    BANK,
    BOOTED,
    HAS_POWER,
    LIFT_MANAGER,
    MAINS,
    REACHABLE,
    RESET_WORDS,
    RESTARTS,
    STRENGTH,
    TIMEOUTS_S,
    Draft,
    host_reset,
    ladder_of_host,
    step,
)
from iolaus.fleet.step_attest import Proofs, attest_after
from iolaus.fleet.work import MANAGER, SELF, Change, Flash, Work
from iolaus.model.desired import ApplyTime
from iolaus.model.naming import slug
from iolaus.model.plan import Action, Expect, Json, Op, Verb

FORTH: Final[Mapping[ApplyTime, str]] = {
    ApplyTime.IMMEDIATE: "Immediate",
    ApplyTime.ON_RESET: "OnReset",
    ApplyTime.AT_WINDOW: "OnStartUpdateRequest",
    ApplyTime.IN_WINDOW_ON_RESET: "OnReset",
}
"""What the device is told (DSP0266 section 9.11): the window is ours, so it keeps none."""
BACK: Final = {**FORTH, ApplyTime.AT_WINDOW: "Immediate"}


def only_staged(work: Work) -> bool:
    """Nothing of the BIOS is to be written; what waits needs no more than a start."""
    return all(change.staged for change in work.bios)


def shares_a_start(work: Work) -> bool:
    """What waits in the BIOS is applied by the last restart that the firmware needs anyway."""
    groups = list(_groups(work.flashes))
    ends = bool(groups) and any(each.way not in (SELF, MANAGER) for each in groups[-1])
    return ends and only_staged(work)


def applied(changes: Iterable[Change]) -> tuple[Expect, ...]:
    return tuple(Expect(subject=f"bios/{c.name}", op=Op.IS, value=c.new) for c in changes)


def firmware_drafts(work: Work, *, drains: bool, proofs: Proofs | None = None) -> Iterator[Draft]:
    """Group after group, each proved at its end where it can be; what merely waits for a start in
    the BIOS shares the last one."""
    groups = list(_groups(work.flashes))
    for number, group in enumerate(groups):
        last = number == len(groups) - 1
        waiting = work.bios if last and only_staged(work) else ()
        yield from _group(group, waiting, drains=drains, proofs=proofs or {})
        yield from attest_after(group, proofs or {})


def _groups(flashes: Sequence[Flash]) -> Iterator[list[Flash]]:
    """Runs of components that may share their resets."""
    group: list[Flash] = []
    for flash in flashes:
        if any(_is_before(each, flash) for each in group):
            yield group
            group = []
        group.append(flash)
    if group:
        yield group


def _is_before(first: Flash, then: Flash) -> bool:
    called = {first.word, *first.word.split("+")}
    return first.number != then.number and not called.isdisjoint(then.want.after)


def _group(
    group: Sequence[Flash], waiting: Sequence[Change], *, drains: bool, proofs: Proofs
) -> Iterator[Draft]:
    by_manager = [each for each in group if each.way == MANAGER]
    by_host = [each for each in group if each.way not in (SELF, MANAGER)]
    if any(each.old for each in by_host):
        yield _look(by_host, host_reset(_strongest(by_host)))
    if back := [each for each in by_manager if each.old and not each.banks]:
        yield _look(back, _manager_reset())
    for manager in dict.fromkeys(each.banks for each in group if each.banks):
        back = [each for each in group if each.banks == manager]
        yield _look(back, _manager_reset(manager=manager))
    for flash in group:
        yield from _flash(flash, drains=drains, proofs=proofs)
    if by_manager:
        yield _reset_manager(by_manager, drains=drains)
    if by_host:
        yield _reset_host(by_host, applied(waiting))


def _flash(flash: Flash, *, drains: bool, proofs: Proofs) -> Iterator[Draft]:
    image = flash.image
    if image is None:
        return
    alone = flash.way == SELF
    after = _versions(flash) if alone and not _is_held(flash) else REACHABLE
    undo, undo_after = _back(flash, alone=alone)
    yield Draft(
        f"update-{slug(flash.word)}",
        step(
            _update(flash, image, was=flash.was, back=False, proofs=proofs),
            f"Flash {_parts(flash)} {image.version or flash.want.version}"
            f" (was {flash.was}) from {image.file or image.uri}",
            before=(*_old_versions([flash]), *REACHABLE),
            after=after,
            escalate=_ladder_of_flash(flash, drains=drains),
            undo=undo,
            undo_after=undo_after,
        ),
    )
    if _is_held(flash):
        yield _activate(flash)


def _back(flash: Flash, *, alone: bool) -> tuple[Action | None, tuple[Expect, ...]]:
    """The other bank, which holds what was there and needs no push; else the former image."""
    if flash.banks:
        part = flash.parts[0]
        given: dict[str, Json] = {"manager": flash.banks, "component": part, "version": flash.was}
        held = Expect(subject=f"{BANK}{part}", op=Op.IS, value=flash.was)
        switch = Action(verb=Verb.SWITCH_BANK, subject=_subject(flash), arguments=given)
        return switch, (held, *REACHABLE)
    if flash.old is None:
        return None, ()
    again = _update(flash, flash.old, was=(flash.image and flash.image.version) or "", back=True)
    return again, _old_versions([flash]) if alone else REACHABLE


def _is_held(flash: Flash) -> bool:
    """The device keeps it until it is told to begin, which we do within our own window."""
    return flash.want.apply_time is ApplyTime.AT_WINDOW


def _activate(flash: Flash) -> Draft:
    arguments = {"components": list(flash.parts)}
    return Draft(
        f"activate-{slug(flash.word)}",
        step(
            Action(verb=Verb.ACTIVATE, subject=_subject(flash), arguments=arguments),
            f"Let {_parts(flash)} begin its update",
            before=REACHABLE,
            after=_versions(flash) if flash.way == SELF else REACHABLE,
        ),
    )


def _update(
    flash: Flash, image: Choice, *, was: str, back: bool, proofs: Proofs | None = None
) -> Action:
    arguments: dict[str, Json] = {
        "components": list(flash.parts),
        "targets": [entry.uri for entry in flash.entries],
        "kind": flash.entries[0].kind,
        "sha256": image.sha256,
        "from": was,
        "version": image.version or flash.want.version,
        "apply_time": (BACK if back else FORTH)[flash.want.apply_time],
        "force": back or flash.force,
    }
    if told := [proofs[part].sentence for part in flash.parts if proofs and part in proofs]:
        arguments["proof"] = told
    arguments |= {"file": image.file, "size": image.size} if image.file else {"uri": image.uri}
    return Action(verb=Verb.UPDATE, subject=_subject(flash), arguments=arguments)


def _subject(flash: Flash) -> str:
    return f"firmware/{flash.parts[0]}"


def _ladder_of_flash(flash: Flash, *, drains: bool) -> tuple[Action, ...]:
    """For a controller that took the image and does not restart into it."""
    if flash.way != SELF or flash.entries[0].kind != "bmc" or flash.want.reset:
        return ()
    return _ladder_of_manager(drains=drains)


def _ladder_of_manager(*, drains: bool) -> tuple[Action, ...]:
    """Mains are cut only under a node that is drained."""
    return (LIFT_MANAGER, MAINS) if drains else (LIFT_MANAGER,)


def _look(group: Sequence[Flash], undo: Action) -> Draft:
    """The mirror of the reset that ends the group."""
    manager = undo.verb is Verb.RESET_MANAGER
    after = (*_old_versions([e for e in group if e.old or e.banks]), *REACHABLE)
    return Draft(
        "look",
        step(
            Action(verb=Verb.WAIT_HEALTHY, subject="endpoint/reachable"),
            f"See that it answers (on the way back: {RESTARTS[undo.verb]} for {_names(group)})",
            after=REACHABLE,
            timeout_s=TIMEOUTS_S[undo.verb],
            undo=undo,
            undo_after=after if manager else (BOOTED[0], *after),
        ),
    )


def _manager_reset(staged: Iterable[str] = (), *, manager: str = "") -> Action:
    """Of the node's own manager, or of the one whose bank was switched."""
    waits = list(staged)
    arguments: dict[str, Json] = {"staged": waits} if waits else {}
    arguments |= {"manager": manager} if manager else {}
    return Action(verb=Verb.RESET_MANAGER, subject="bmc", arguments=arguments)


def _staged(group: Iterable[Flash]) -> list[str]:
    return [f"firmware/{part}" for each in group if each.image is None for part in each.parts]


def _strongest(group: Iterable[Flash]) -> str:
    return STRENGTH[max(STRENGTH.index(each.way) for each in group)]


def _reset_manager(group: Sequence[Flash], *, drains: bool) -> Draft:
    return Draft(
        "reset-manager",
        step(
            _manager_reset(_staged(group)),
            f"Restart the controller, which activates {_names(group)}",
            before=REACHABLE,
            after=(*BOOTED, *(e for each in group for e in _versions(each))),
            escalate=_ladder_of_manager(drains=drains),
        ),
    )


def _reset_host(group: Sequence[Flash], more: tuple[Expect, ...]) -> Draft:
    kind = _strongest(group)
    names = _names(group, "the BIOS settings" if more else "")
    return Draft(
        "reset",
        step(
            host_reset(kind, [*_staged(group), *(each.subject for each in more)]),
            f"{RESET_WORDS[kind]}, which activates {names}",
            before=(*REACHABLE, HAS_POWER),
            after=(*BOOTED, HAS_POWER, *(e for each in group for e in _versions(each)), *more),
            escalate=ladder_of_host(kind),
        ),
    )


def _versions(flash: Flash) -> tuple[Expect, ...]:
    wanted = flash.want
    return tuple(
        Expect(
            subject=f"firmware/{entry.component}",
            op=Op.SATISFIES,
            value=wanted.version,
            scheme=wanted.scheme or entry.scheme,
        )
        for entry in flash.entries
    )


def _old_versions(group: Iterable[Flash]) -> tuple[Expect, ...]:
    return tuple(
        Expect(subject=f"firmware/{part}", op=Op.IS, value=flash.was)
        for flash in group
        for part in flash.parts
    )


def _parts(flash: Flash) -> str:
    parts = flash.parts
    return parts[0] if len(parts) == 1 else f"{len(parts)} x {flash.word}"


def _names(group: Iterable[Flash], more: str = "") -> str:
    words = [*dict.fromkeys(each.word for each in group), *([more] if more else [])]
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[:-1] else words)
