"""Steps of settings: what the host's next start applies together, then one by one what is at once.

BIOS attributes are written all at once and applied by one restart, which is when they are read
back. A device that dropped the write without a word shows it there: it is written again before it
is restarted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from iolaus.fleet.judge import say
from iolaus.fleet.step import (
    BOOTED,
    HAS_POWER,
    REACHABLE,
    TIMEOUTS_S,
    Draft,
    host_reset,
    ladder_of_host,
    step,
)
from iolaus.fleet.step_firmware import applied, only_staged, shares_a_start
from iolaus.fleet.work import APPLIED_AT_START, GRACEFUL, Change, Work
from iolaus.model.naming import slug
from iolaus.model.plan import Action, Expect, Op, Verb


def settings_drafts(work: Work) -> Iterator[Draft]:
    """`bios` that wait already are none of ours here if a restart for firmware applies them."""
    at_start = [c for c in work.manager if c.name in APPLIED_AT_START or c.staged]
    bios = () if shares_a_start(work) else work.bios
    yield from _at_start(bios, at_start, fresh=() if only_staged(work) else bios)
    yield from (_set_manager(c) for c in work.manager if c not in at_start)


def _at_start(
    bios: Sequence[Change], at_start: Sequence[Change], *, fresh: Sequence[Change]
) -> Iterator[Draft]:
    """`fresh` are the attributes to write; the others of `bios` are staged."""
    waiting = (*applied(bios), *_set(at_start))
    if not waiting:
        return
    if were := [*_were(fresh, "bios"), *_were([c for c in at_start if not c.staged], "bmc")]:
        yield _look_at_settings(were)
    if fresh:
        yield _set_bios(fresh)
    yield from (_set_manager(c) for c in at_start if not c.staged)
    again = (_write_bios(fresh, new=True),) if fresh else ()
    staged = [c.spot for c in at_start if c.staged]
    waits = [*(f"bios/{c.name}" for c in bios if not fresh), *(f"bmc/{name}" for name in staged)]
    yield _start(waiting, again, settings=bool(bios), staged=waits)


def _set(changes: Iterable[Change]) -> tuple[Expect, ...]:
    return tuple(Expect(subject=f"bmc/{c.spot}", op=Op.IS, value=c.new) for c in changes)


def _were(changes: Iterable[Change], room: str) -> Iterator[Expect]:
    for change in changes:
        if change.old is not None:
            yield Expect(subject=f"{room}/{change.spot}", op=Op.IS, value=change.old)


def _look_at_settings(were: Sequence[Expect]) -> Draft:
    return Draft(
        "look",
        step(
            Action(verb=Verb.WAIT_HEALTHY, subject="endpoint/reachable"),
            "See that it answers (on the way back: restart the host for the settings)",
            after=REACHABLE,
            timeout_s=TIMEOUTS_S[Verb.RESET],
            undo=host_reset(GRACEFUL),
            undo_after=(*BOOTED, *were),
        ),
    )


def _set_bios(changes: Sequence[Change]) -> Draft:
    """All attributes in one write, those that wait already among them: a new write may clear
    what is pending."""
    known = [c for c in changes if c.old is not None]
    told = ", ".join(f"{c.name} {say(c.new)} (was {_say_old(c)})" for c in changes[:3])
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return Draft(
        "set-bios",
        step(
            _write_bios(changes, new=True),
            f"Set in the BIOS {told}{more}",
            before=(*_were(changes, "bios"), *REACHABLE),
            after=REACHABLE,
            undo=_write_bios(known, new=False) if known else None,
            undo_after=REACHABLE if known else (),
        ),
    )


def _write_bios(changes: Sequence[Change], *, new: bool) -> Action:
    values = {c.name: c.new if new else c.old for c in changes}
    return Action(verb=Verb.SET_BIOS, subject="bios", arguments={"attributes": values})


def _say_old(change: Change) -> str:
    return "not known" if change.old is None else say(change.old)


def _start(
    waiting: tuple[Expect, ...],
    again: tuple[Action, ...],
    *,
    settings: bool,
    staged: Sequence[str],
) -> Draft:
    """A write that the device dropped without a word is written again before it is restarted
    again."""
    what = "the BIOS settings" if settings else "what waits for it"
    return Draft(
        "reset",
        step(
            host_reset(GRACEFUL, staged),
            f"Restart the host, which activates {what}",
            before=(*REACHABLE, HAS_POWER),
            after=(*BOOTED, HAS_POWER, *waiting),
            escalate=(*again, *ladder_of_host(GRACEFUL)),
        ),
    )


def _set_manager(change: Change) -> Draft:
    subject = f"bmc/{change.spot}"
    at_start = change.name in APPLIED_AT_START
    has_old = change.old is not None and change.name != "accounts"
    after = Expect(subject=subject, op=Op.IS, value=change.new)
    before = Expect(subject=subject, op=Op.IS, value=change.old)
    return Draft(
        f"set-{slug(change.name)}",
        step(
            _write(change, change.new),
            f"Set {change.spot} {say(change.new)} (was {_say_old(change)})",
            before=(*([before] if change.old is not None else []), *REACHABLE),
            after=REACHABLE if at_start else (after,),
            undo=_write(change, change.old) if has_old else None,
            undo_after=((REACHABLE if at_start else (before,)) if has_old else ()),
        ),
    )


def _write(change: Change, value: Any) -> Action:
    return Action(
        verb=Verb.SET_MANAGER,
        subject=f"bmc/{change.spot}",
        arguments={"name": change.name, "value": value, "uri": change.uri},
    )
