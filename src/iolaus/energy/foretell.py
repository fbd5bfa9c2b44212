"""A change of plant or policy as a person reviews it: what was written otherwise, and what it does.

First the documents, key by key; then the modes, the limits, and every rack that would have another
budget, those who would have less than they draw first. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from iolaus.energy.foresee import DomainForesight, Foresight, RackForesight
from iolaus.model.hosts import say_hosts
from iolaus.model.ruling import PolicyDocument, PowerDocuments

WIDTH: Final = 78
MOST_RACKS: Final = 200
KEYS: Final = ("name", "domain")


def change_text(before: PowerDocuments, after: PowerDocuments, foresight: Foresight) -> str:
    """Ends with a newline."""
    lines = list(_documents(before, after)) or ["Nothing is written otherwise."]
    lines += _modes(foresight.racks)
    lines += _limits(foresight.domains)
    lines += _racks(foresight)
    return "\n".join(lines) + "\n"


def document_dict(document: PolicyDocument) -> dict[str, Any]:
    """As a person would write it: without what was left out."""
    found: dict[str, Any] = msgspec.to_builtins(document)
    return found


# --- what was written -------------------------------------------------------------------------


def _documents(before: PowerDocuments, after: PowerDocuments) -> Iterator[str]:
    old = {_title(each): each for each in before}
    for each in after:
        title = _title(each)
        was = old.pop(title, None)
        if was is None:
            yield f"{title} {each.metadata.name}: new"
        told = list(_differences(_whole(was.spec) if was else {}, _whole(each.spec), ""))
        width = max((len(path) for path, _ in told), default=0)
        if told and was is not None:
            yield f"{title} {each.metadata.name}"
        yield from (f"  {path.ljust(width)}  {what}" for path, what in told)
    for title, gone in old.items():
        yield f"{title} {gone.metadata.name}: gone"


def _title(document: PolicyDocument) -> str:
    """One policy counts of each kind, whatever its name; plants are told apart."""
    return f"Plant {document.metadata.name}" if document.kind == "Plant" else document.kind


def _whole(value: Any) -> Any:
    """Plain values, with those that were not written."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        return {each.encode_name: _whole(getattr(value, each.name)) for each in fields}
    if isinstance(value, list | tuple):
        return [_whole(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _whole(each) for key, each in value.items()}
    return value


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(new, list) or isinstance(old, list):
        old, new = _keyed(old or []), _keyed(new or [])
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            name = key if key.startswith("[") else f".{key}"
            yield from _differences(old.get(key), new.get(key), f"{path}{name}".lstrip("."))
    elif isinstance(new, Mapping) and old is None:
        yield from _differences({}, new, path)
    elif isinstance(old, Mapping) and new is None:
        yield path, "taken out"
    elif old != new and new not in (None, "", {}, []):
        yield path, f"{_say(new)}" if old is None else f"{_say(old)} -> {_say(new)}"
    elif old != new and old not in (None, "", {}, []):
        yield path, f"{_say(old)} -> not written"


def _keyed(rows: Sequence[Any]) -> dict[str, Any]:
    """Rows by what tells them apart, else by their place."""
    for key in KEYS:
        names = [row.get(key) if isinstance(row, Mapping) else None for row in rows]
        if names and None not in names and len(set(names)) == len(names):
            rest = [{k: each for k, each in row.items() if k != key} for row in rows]
            return {f"[{name}]": row for name, row in zip(names, rest, strict=True)}
    return {f"[{place}]": row for place, row in enumerate(rows)}


def _say(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- what it does -----------------------------------------------------------------------------


def _modes(racks: Iterable[RackForesight]) -> Iterator[str]:
    turned: dict[tuple[str, str], list[str]] = {}
    for each in racks:
        if each.before != each.after:
            turned.setdefault((each.before, each.after), []).append(each.rack)
    if turned:
        yield "Modes"
    for (before, after), names in turned.items():
        yield f"  {before} -> {after}: {_names(names)}"


def _limits(domains: Iterable[DomainForesight]) -> Iterator[str]:
    rows = list(domains)
    if rows:
        yield "Limits"
    for each in rows:
        turn = f"{_watts(each.before_w)} -> {_watts(each.after_w)}"
        if each.before_w == each.after_w:
            turn = _watts(each.after_w)
        short = f"; what cannot be lowered is {_watts(each.short_w)} more" if each.short_w else ""
        yield f"  {each.name}  {turn}{short}"


def _racks(foresight: Foresight) -> Iterator[str]:
    if foresight.blind:
        yield f"Racks: not foreseen, {foresight.blind}"
        return
    changed = sorted(
        (each for each in foresight.racks if each.changes),
        key=lambda each: (not each.throttled, not each.falls, each.rack),
    )
    if changed:
        width = max(len("Racks") - 2, *(len(each.rack) for each in changed))
        yield f"{'Racks'.ljust(width + 2)}         now       then      draws"
    for each in changed[:MOST_RACKS]:
        then = "not held" if each.then_w is None else _watts(each.then_w)
        cells = "".join(f"  {w:>9}" for w in (_watts(each.now_w), then, _watts(each.drawn_w)))
        yield f"  {each.rack.ljust(width)}{cells}  {_fate(each)}".rstrip()
    if len(changed) > MOST_RACKS:
        yield f"  and {len(changed) - MOST_RACKS} more racks"
    less = [name for each in foresight.racks for name in each.less]
    if less:
        yield f"Less for {len(less)} {'node' if len(less) == 1 else 'nodes'}: {_names(less)}"
    same = len(foresight.racks) - len(changed)
    if same:
        yield f"Nothing changes for {same} {'rack' if same == 1 else 'racks'}."


def _fate(rack: RackForesight) -> str:
    if rack.after != "control":
        return "" if rack.then_w is None else "would be advised"
    if rack.throttled:
        return "less than it draws"
    return "less" if rack.falls else "more"


def _names(names: Sequence[str]) -> str:
    return ", ".join(say_hosts(sorted(names), width=WIDTH, most_lines=2))


def _watts(watts: float | None) -> str:
    if watts is None:
        return "unknown"
    if watts == float("inf"):
        return "none"
    return f"{watts / 1000:.1f} kW" if watts >= 1000 else f"{watts:.0f} W"
