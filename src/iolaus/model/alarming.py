"""From what is so to the alarms that stand: occurrences, causes, and what time alone does.

Judged is what was looked at: for each (uid, code) an occurrence, None for "it is not so", and no
entry for "not known". Many alarms with one cause are one alarm: a rack whose controllers are nearly
all silent rings once and suppresses its members (ISA-18.2, suppressed by design), and so does a
hall most of which is silent, because then it is rather we who are cut off. What is suppressed stays
in the list, with the name of its cause, and rings if it outlives it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from iolaus.model.alarm import (
    HIDDEN,
    Alarm,
    AlarmKind,
    AlarmState,
    AlarmStep,
    Occurrence,
    can,
    moved,
)

Key = tuple[str, str]
Judged = Mapping[Key, Occurrence | None]
Stands = Callable[[str], bool]
"""Whether an alarm of this code stands at the same endpoint, in the same rack or everywhere."""
Design = Callable[[Alarm, Stands], str]
"""What hides an alarm by design now; "" for nothing."""
SILENT: Final = "DeviceSilent"
RACK_SILENT: Final = "RackSilent"
HALL_SILENT: Final = "HallSilent"
RACK_LEAST, RACK_SHARE = 3, 0.8
HALL_LEAST, HALL_SHARE = 8, 0.6
HALL: Final = "hall"


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint: where it stands, and whether it is silent (None: not known)."""

    rack: str
    silent: bool | None


def causes(endpoints: Iterable[Placed]) -> dict[Key, Occurrence | None]:
    """Silences of racks and of the hall, judged from those of their endpoints."""
    racks: dict[str, list[bool | None]] = defaultdict(list)
    for each in endpoints:
        racks[each.rack].append(each.silent)
    every = [silent for held in racks.values() for silent in held]
    found: dict[Key, Occurrence | None] = {}
    for rack, held in racks.items():
        if rack:
            found[(f"rack/{rack}", RACK_SILENT)] = _rack(rack, held)
    mute = sum(silent is True for silent in every)
    is_we = len(every) >= HALL_LEAST and mute >= HALL_SHARE * len(every)
    found[(HALL, HALL_SILENT)] = (
        Occurrence(
            code=HALL_SILENT,
            uid=HALL,
            subject=HALL,
            message=f"{mute} of {len(every)} management controllers do not answer",
            next_step="look at the network between this server and the hall first.",
        )
        if is_we
        else None
    )
    return found


def _rack(rack: str, held: list[bool | None]) -> Occurrence | None:
    mute = sum(silent is True for silent in held)
    if mute < RACK_LEAST or mute < RACK_SHARE * len(held):
        return None
    return Occurrence(
        code=RACK_SILENT,
        uid=f"rack/{rack}",
        subject=rack,
        message=f"{mute} of {len(held)} management controllers of {rack} do not answer",
        next_step="check the rack's management switch and its power before any single node.",
        rack=rack,
        labels={"rack": rack},
    )


def settled(
    kept: Mapping[Key, Alarm],
    judged: Judged,
    kinds: Mapping[str, AlarmKind],
    *,
    pending: Mapping[Key, float],
    now: float,
    design: Design = lambda *_: "",
) -> tuple[dict[Key, Alarm], dict[Key, float]]:
    """(the alarms that changed, conditions that have not held for long enough with the time since
    when). An alarm that is normal again is among them in that state, to be let go. `design` says
    by what rule one that stands is hidden, where no other alarm explains it."""
    after, waiting = dict(kept), {k: at for k, at in pending.items() if k not in judged}
    due: list[tuple[Occurrence, float]] = []
    for key, occurrence in judged.items():
        kind = kinds[key[1]]
        before = after.get(key)
        if occurrence is None:
            if before is not None and before.active:
                after[key] = _gone(before, kind, now=now)
            continue
        if before is not None and before.active:
            after[key] = _still(before, occurrence)
            continue
        since = pending.get(key, now)
        since = since if occurrence.since is None else min(since, occurrence.since)
        if now - since < kind.delay_on_s:
            waiting[key] = since
        else:
            due.append((occurrence, since))
    coming = {(each.code, each.endpoint or each.rack) for k in waiting if (each := judged.get(k))}
    for occurrence, since in due:
        kind, key = kinds[occurrence.code], occurrence.key
        if _explained_soon(occurrence, kind.causes, coming):
            waiting[key] = since
        else:
            after[key] = _rung(after.get(key), occurrence, kind, since=since, now=now)
    _expire(after, kinds, now=now)
    _explain(after, kinds, design, now=now)
    changed = {key: alarm for key, alarm in after.items() if kept.get(key) != alarm}
    return changed, waiting


def _explained_soon(
    occurrence: Occurrence, causes: Sequence[str], coming: Collection[tuple[str, str]]
) -> bool:
    """What explains it holds, only not for long enough yet: that is waited for, so that a flood
    does not run ahead of its cause."""
    places = ("", occurrence.rack, occurrence.endpoint)
    return any((code, place) in coming for code in causes for place in places)


def _rung(
    before: Alarm | None, occurrence: Occurrence, kind: AlarmKind, *, since: float, now: float
) -> Alarm:
    if before is None:
        return _with(
            Alarm(
                code=kind.code,
                uid=occurrence.uid,
                subject=occurrence.subject,
                state=AlarmState.UNACKNOWLEDGED,
                active=True,
                priority=kind.priority,
                message="",
                since=since,
                changed_at=now,
            ),
            occurrence,
        )
    after = moved(before, AlarmStep.OCCUR, kind, now=now)
    after = msgspec.structs.replace(after, since=since, times=before.times + 1)
    return _with(after, occurrence)


def _still(before: Alarm, occurrence: Occurrence) -> Alarm:
    after = (
        before if before.clear_since is None else msgspec.structs.replace(before, clear_since=None)
    )
    return _with(after, occurrence)


def _with(alarm: Alarm, occurrence: Occurrence) -> Alarm:
    """With the words of now."""
    return msgspec.structs.replace(
        alarm,
        subject=occurrence.subject,
        message=occurrence.message,
        next_step=occurrence.next_step,
        endpoint=occurrence.endpoint,
        rack=occurrence.rack,
        labels=occurrence.labels,
    )


def _gone(before: Alarm, kind: AlarmKind, *, now: float) -> Alarm:
    since = before.clear_since if before.clear_since is not None else now
    if now - since < kind.delay_off_s:
        return msgspec.structs.replace(before, clear_since=since)
    after = moved(before, AlarmStep.RETURN, kind, now=now)
    return msgspec.structs.replace(after, returned_at=since, clear_since=None)


def _expire(alarms: dict[Key, Alarm], kinds: Mapping[str, AlarmKind], *, now: float) -> None:
    for key, alarm in alarms.items():
        ends = alarm.shelved_until
        if alarm.state is AlarmState.SHELVED and ends is not None and ends <= now:
            alarms[key] = moved(alarm, AlarmStep.UNSHELVE, kinds[alarm.code], now=now)


def _explain(
    alarms: dict[Key, Alarm], kinds: Mapping[str, AlarmKind], design: Design, *, now: float
) -> None:
    """Suppress what another alarm or a rule explains, and let go what none explains any more."""
    standing = {(each.code, _place(each)): each for each in _causing(alarms.values())}
    for key, alarm in alarms.items():
        if not alarm.active and alarm.state is not AlarmState.SUPPRESSED:
            continue
        kind = kinds[alarm.code]
        cause = _cause_of(alarm, kind.causes, standing) if alarm.active else None
        by = cause.name if cause is not None else ""
        if alarm.active and not by:
            by = design(alarm, partial(_stands, standing, alarm))
        if by and can(alarm, AlarmStep.SUPPRESS):
            hidden = moved(alarm, AlarmStep.SUPPRESS, kind, now=now)
            alarms[key] = msgspec.structs.replace(hidden, hidden_by=by)
        elif alarm.state is AlarmState.SUPPRESSED and not by:
            alarms[key] = moved(alarm, AlarmStep.UNSUPPRESS, kind, now=now)
        elif alarm.state is AlarmState.SUPPRESSED and by != alarm.hidden_by:
            alarms[key] = msgspec.structs.replace(alarm, hidden_by=by)


def _stands(standing: Mapping[tuple[str, str], Alarm], alarm: Alarm, code: str) -> bool:
    return _cause_of(alarm, (code,), standing) is not None


def _causing(alarms: Iterable[Alarm]) -> Iterator[Alarm]:
    """Shelving a cause hides what it explains, too; out of service it explains nothing."""
    for alarm in alarms:
        if alarm.active and alarm.state is not AlarmState.OUT_OF_SERVICE:
            yield alarm


def _place(alarm: Alarm) -> str:
    """Where an alarm explains others: at its endpoint, in its rack, or everywhere."""
    return alarm.endpoint or alarm.rack


def _cause_of(
    alarm: Alarm, causes: Sequence[str], standing: Mapping[tuple[str, str], Alarm]
) -> Alarm | None:
    """The one that explains most, which stands last."""
    for code in reversed(causes):
        for place in ("", alarm.rack, alarm.endpoint):
            each = standing.get((code, place))
            if each is not None and each.key != alarm.key:
                return each
    return None


def in_sight(alarms: Iterable[Alarm]) -> Iterator[Alarm]:
    """Those that ask for something of a person now."""
    return (a for a in alarms if a.state not in HIDDEN and a.state is not AlarmState.NORMAL)
