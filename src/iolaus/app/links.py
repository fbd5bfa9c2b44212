"""Which component vouches for which firmware of a machine: two lists that no standard joins.

The inventory names firmware as its maker does, and an attester signs what it measures under the
names of its references. They are joined where what an attester was proved to measure is called
like the entry; or where the two are about one resource and the release that was proved is the one
that the entry reports. Of several that would do, the one at that resource is meant, else the one
of the same number. What is still not certain is not joined. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from iolaus.model.appraisal import Appraisal
from iolaus.model.asset import Firmware
from iolaus.model.evidence import Attester
from iolaus.model.proof import Release, Vouching
from iolaus.model.reference import KeptReference, ReferenceSet
from iolaus.model.version import same

_NUMBER: Final = re.compile(r"[_-]?(\d+)$")


def links_of(
    firmware: Iterable[Firmware],
    attesters: Iterable[Attester],
    appraisals: Iterable[Appraisal],
    references: Mapping[str, ReferenceSet],
) -> tuple[Vouching, ...]:
    """Of one asset: a link for each entry that somebody vouches for. `references` by name."""
    by_uri = {each.uri: each for each in attesters}
    held = [(by_uri.get(each.uri), each) for each in appraisals]
    found = (_link(entry, held, references) for entry in firmware if not entry.bank)
    return tuple(link for link in found if link is not None)


def vouches(entry: Firmware, attester: Attester | None, appraisal: Appraisal) -> bool:
    """Whether one attester by itself, whoever else is there, may be meant by an entry."""
    if not _part(entry, attester, appraisal, {}):
        return False
    numbers = {_number(entry.component), _number(appraisal.name)} - {""}
    return _is_about(entry, attester, appraisal) or len(numbers) < 2


def _link(
    entry: Firmware,
    held: Sequence[tuple[Attester | None, Appraisal]],
    references: Mapping[str, ReferenceSet],
) -> Vouching | None:
    able = [
        (attester, each, part)
        for attester, each in held
        if (part := _part(entry, attester, each, references))
    ]
    if len(able) > 1:
        at_it = [each for each in able if _is_about(entry, each[0], each[1])]
        number = _number(entry.component)
        able = at_it or [each for each in able if _number(each[1].name) == number]
    if len(able) != 1:
        return None
    _, appraisal, part = able[0]
    return Vouching(component=entry.component, attester=appraisal.name, part=part)


def _part(
    entry: Firmware,
    attester: Attester | None,
    appraisal: Appraisal,
    references: Mapping[str, ReferenceSet],
) -> str:
    """What an attester measures of it, as references name that; "": nothing."""
    called = _word(_NUMBER.sub("", entry.component))
    for part in appraisal.parts:
        if _word(part.rpartition(" ")[2].rpartition(":")[2]) == called:
            return part
    if _is_about(entry, attester, appraisal) and entry.version:
        for each in _met(appraisal, references):
            if each.version and same(entry.version, each.version, scheme=entry.scheme):
                return each.part
    return ""


def _met(appraisal: Appraisal, references: Mapping[str, ReferenceSet]) -> Iterator[ReferenceSet]:
    return (references[name] for name in appraisal.references if name in references)


def _is_about(entry: Firmware, attester: Attester | None, appraisal: Appraisal) -> bool:
    mine = {*appraisal.protects, appraisal.component, *(attester.protects if attester else ())}
    return not (mine - {""}).isdisjoint(entry.related)


def _number(name: str) -> str:
    found = _NUMBER.search(name)
    return found[1] if found else ""


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def releases_of(kept: Iterable[KeptReference], *, at: float) -> Mapping[str, tuple[Release, ...]]:
    """By part, the releases whose values count at a time: signed by somebody whom we trust, and in
    force."""
    found: dict[str, list[Release]] = {}
    for document in kept:
        for each in document.sets:
            if each.version and each.provenance.genuine and each.provenance.current(at):
                release = Release(
                    part=each.part,
                    version=each.version,
                    reference=each.name,
                    document=document.name,
                )
                found.setdefault(each.part, []).append(release)
    return {part: tuple(sorted(releases)) for part, releases in found.items()}
