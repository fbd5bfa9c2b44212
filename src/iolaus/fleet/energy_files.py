"""Files of the plant and its policies: read as baselines are, every complaint with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Final

from iolaus.fleet.document import BadFile, Complaint, Document, parse_as, parse_documents
from iolaus.fleet.judge import compile_selector
from iolaus.fleet.window import parse_duration
from iolaus.kernel.errors import OperatorMust
from iolaus.model.building import BuildingDocument, BuildingSpec
from iolaus.model.desired import NodeSelector
from iolaus.model.energy import (
    DOCUMENTS,
    EnergyDocument,
    LeakPolicyDocument,
    LoadWant,
    ModeWant,
    PlantDocument,
    PowerPolicyDocument,
    PowerPolicySpec,
    watts,
)
from iolaus.model.select import parse_hosts

PAGE: Final = "docs/power.md"
BUILDING_PAGE: Final = "docs/building.md"
MOST_NAMES: Final = 200_000
_DURATIONS: Final = ("lease", "period", "silent")
_Path = tuple[str | int, ...]


def is_energy(document: Document) -> bool:
    value = document.value
    return isinstance(value, dict) and value.get("kind") in DOCUMENTS


def read_energy(text: str, *, source: str) -> list[EnergyDocument]:
    """All of a text, wholly checked. Raises `BadFile` with line and column."""
    return [parse_energy(each) for each in parse_documents(text, source=source)]


def parse_energy(document: Document) -> EnergyDocument:
    """A plant or a policy, wholly checked. Raises `BadFile` with every complaint."""
    kind = document.value.get("kind") if isinstance(document.value, dict) else None
    if kind not in DOCUMENTS:
        near = get_close_matches(str(kind), DOCUMENTS, n=1)
        step = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(DOCUMENTS)}."
        raise BadFile(document.source, [document.wrong(("kind",), "no such kind", step)])
    page = BUILDING_PAGE if kind == "Building" else PAGE
    found: EnergyDocument = parse_as(document, DOCUMENTS[kind], page=page)
    wrong = list(_wrong(document, found))
    if wrong:
        raise BadFile(document.source, sorted(wrong))
    return found


def _wrong(document: Document, found: EnergyDocument) -> Iterator[Complaint]:
    match found:
        case PlantDocument():
            yield from _wrong_plant(document, found)
        case PowerPolicyDocument():
            yield from _wrong_power(document, found.spec)
        case LeakPolicyDocument():
            yield from _wrong_durations(document, found.spec, ("warning_dwell",))
            yield from _wrong_modes(document, found.spec.modes)
        case BuildingDocument():
            yield from _wrong_building(document, found.spec)


def _wrong_plant(document: Document, found: PlantDocument) -> Iterator[Complaint]:
    named: Counter[str] = Counter()
    for number, domain in enumerate(found.spec.domains):
        yield from _counted(document, ("spec", "domains", number, "name"), domain.name, named)
    for number, domain in enumerate(found.spec.domains):
        here = ("spec", "domains", number)
        if domain.parent is not None:
            yield from _known(document, (*here, "parent"), domain.parent, named)
        for at, name in enumerate(domain.standby):
            yield from _known(document, (*here, "standby", at), name, named)
    for number, load in enumerate(found.spec.loads):
        yield from _wrong_load(document, ("spec", "loads", number), load)


def _counted(
    document: Document, path: _Path, text: str, named: Counter[str]
) -> Iterator[Complaint]:
    try:
        for name in expand(text):
            named[name] += 1
            if named[name] == 2:
                yield document.wrong(path, f"{name!r} stands here twice", "Keep one of them.")
    except OperatorMust as error:
        yield document.wrong(path, error.message, error.next_step)


def _known(document: Document, path: _Path, name: str, named: Iterable[str]) -> Iterator[Complaint]:
    every = list(named)
    if name not in every:
        near = get_close_matches(name, every, n=1)
        step = f"Did you mean {near[0]!r}?" if near else "Write it among the domains."
        yield document.wrong(path, f"there is no domain {name!r}", step)


def _wrong_load(document: Document, here: _Path, load: LoadWant) -> Iterator[Complaint]:
    chosen = bool(load.selector.match_labels or load.selector.expression)
    if chosen == (load.name is not None):
        yield document.wrong(here, "either a selector or a name", "Write one of them.")
    elif load.name is not None and load.rack is None:
        yield document.wrong(here, "a load by name needs its rack", "Write rack: there.")
    if load.name is not None:
        yield from _counted(document, (*here, "name"), load.name, Counter())
    yield from _wrong_selector(document, (*here, "selector"), load.selector)
    if load.floor and load.nameplate and watts(load.floor) > watts(load.nameplate):
        step = "Write a floor of at most the nameplate."
        yield document.wrong((*here, "floor"), "it is above the nameplate", step)


def _wrong_power(document: Document, spec: PowerPolicySpec) -> Iterator[Complaint]:
    for number, priority in enumerate(spec.priorities):
        here = ("spec", "priorities", number, "selector")
        yield from _wrong_selector(document, here, priority.selector, needed=True)
    for number, floor in enumerate(spec.floors):
        here = ("spec", "floors", number, "selector")
        yield from _wrong_selector(document, here, floor.selector, needed=True)
    yield from _wrong_modes(document, spec.modes)
    for number, limit in enumerate(spec.limits):
        yield from _counted(document, ("spec", "limits", number, "domain"), limit.domain, Counter())
    wrong = list(_wrong_durations(document, spec, _DURATIONS))
    yield from wrong
    if not wrong and parse_duration(spec.lease) < 2 * parse_duration(spec.period):
        step = "Write a lease of at least two periods: one budget may be lost."
        yield document.wrong(("spec", "lease"), "it ends before a lost budget is noticed", step)


def _wrong_modes(document: Document, rows: Iterable[ModeWant]) -> Iterator[Complaint]:
    for number, row in enumerate(rows):
        here = ("spec", "modes", number)
        if (row.racks is None) == (row.hall is None):
            yield document.wrong(here, "either racks or a hall", "Write one of them.")
        if row.racks is not None:
            yield from _counted(document, (*here, "racks"), row.racks, Counter())


def _wrong_building(document: Document, spec: BuildingSpec) -> Iterator[Complaint]:
    yield from _wrong_durations(document, spec, ("heartbeat", "acknowledge"))
    if spec.ca_file and spec.fingerprint:
        step = "Keep one of them: an authority, or the one certificate."
        yield document.wrong(("spec", "fingerprint"), "there is a caFile, too", step)
    if bool(spec.cert_file) != bool(spec.key_file):
        here = ("spec", "certFile" if spec.cert_file else "keyFile")
        yield document.wrong(here, "a certificate and its key go together", "Write both.")
    senders: Counter[str] = Counter()
    for number, sender in enumerate(spec.flex.senders):
        yield from _counted(
            document, ("spec", "flex", "senders", number, "name"), sender.name, senders
        )
    if "flex" in spec.allow and not spec.flex.senders:
        step = "Write flex: {senders: [{name: ..., keysFile: ...}]}."
        yield document.wrong(("spec", "allow"), "flex is allowed to nobody", step)


def _wrong_selector(
    document: Document, path: _Path, selector: NodeSelector, *, needed: bool = False
) -> Iterator[Complaint]:
    if needed and not selector.match_labels and not selector.expression:
        step = "Write matchLabels: or expression: there."
        yield document.wrong(path, "it selects no node", step)
    try:
        compile_selector(selector)
    except OperatorMust as error:
        yield document.wrong(path, error.message, error.next_step)


def _wrong_durations(document: Document, spec: Any, names: Iterable[str]) -> Iterator[Complaint]:
    for name in names:
        try:
            seconds = parse_duration(getattr(spec, name))
        except OperatorMust as error:
            yield document.wrong(("spec", _camel(name)), error.message, error.next_step)
            continue
        if not 0 < seconds <= 600:
            step = "Write a time of at most ten minutes."
            yield document.wrong(("spec", _camel(name)), "it is no such time", step)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def expand(text: str) -> list[str]:
    """The names of a host range. Raises `OperatorMust` for one that does not parse, or too many."""
    found = parse_hosts(text)
    if not found.choices:
        return [text]
    names: list[str] = []
    for name in found.names():
        names.append(name)
        if len(names) > MOST_NAMES:
            raise OperatorMust(
                f"{text!r} is more than {MOST_NAMES} names",
                operation="read plant",
                subject=text,
                code="TooMany",
                next_step="Write a smaller range.",
            )
    return names
