"""Steps of proof: what was flashed is done when the component itself measures it.

A version is what a controller says, and a controller can say a new one over old firmware. So where
a component can sign what it runs and references know the new image, the group of a flash ends with
a question to it, after everything was activated and before the node is given back: evidence that
was asked for after that must match the new release. Where that cannot be, the plan says so, before
anybody approves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.step import REACHABLE, Draft, step
from iolaus.fleet.work import Flash
from iolaus.model.asset import Firmware
from iolaus.model.desired import AttestWant, seconds_of
from iolaus.model.plan import Action, Expect, Json, Op, Verb
from iolaus.model.proof import Provers, Release, Vouching
from iolaus.model.version import Verdict, parse_constraint, same, satisfies

MEASURES: Final = "attestation/"
"""Whether an attester proved, since it was asked, that it runs the release that is wanted."""
ASKED: Final = "evidence/"
"""Whether an attester's evidence is as young as it must be."""
PROVED, FRESH = "proved", "fresh"


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """How one firmware is proved: by an attester that must match one of `references` (names of
    sets) of `part`; without an attester by its version only, and `why`."""

    attester: str = ""
    part: str = ""
    references: tuple[str, ...] = ()
    why: str = ""

    @property
    def sentence(self) -> str:
        if not self.attester:
            return f"by version only: {self.why}"
        return f"{self.attester} measures {' or '.join(self.references)}"


Proofs = Mapping[str, Proof]
"""By component."""


def proofs_of(
    facts: NodeFacts, flashes: Iterable[Flash], provers: Provers | None, want: AttestWant | None
) -> Proofs:
    """For everything that is flashed or activated; none where nothing is known of proving."""
    if provers is None:
        return {}
    links = {each.component: each for each in provers.links.get(facts.uid, ())}
    able = provers.attesters.get(facts.uid, 0)
    only = frozenset(want.reference_values) if want else frozenset[str]()
    return {
        entry.component: _proof(flash, entry, links.get(entry.component), provers, only, able)
        for flash in flashes
        for entry in flash.entries
    }


def _proof(
    flash: Flash,
    entry: Firmware,
    link: Vouching | None,
    provers: Provers,
    only: frozenset[str],
    able: int,
) -> Proof:
    if link is None:
        none = "nothing of the node can attest"
        return Proof(why="no component vouches for it" if able else none)
    known = [r for r in provers.releases.get(link.part, ()) if not only or r.document in only]
    met = tuple(each.reference for each in known if _is_wanted(each, flash, entry))
    if not met:
        version = (flash.image.version if flash.image else None) or flash.want.version
        where = f" in {', '.join(sorted(only))}" if only else ""
        return Proof(why=f"no reference values are known of {link.part} {version}{where}")
    return Proof(attester=link.attester, part=link.part, references=met)


def _is_wanted(release: Release, flash: Flash, entry: Firmware) -> bool:
    scheme = flash.want.scheme or entry.scheme
    if flash.image is not None and flash.image.version is not None:
        return same(release.version, flash.image.version, scheme=scheme)
    constraint = parse_constraint(flash.want.version)
    return satisfies(release.version, constraint, scheme=scheme) is Verdict.YES


def attest_first(proofs: Proofs, want: AttestWant | None) -> Iterable[Draft]:
    """Where a baseline says how old evidence may be, whoever will prove something is that fresh
    before anything is done."""
    names = sorted({each.attester for each in proofs.values() if each.attester})
    if want is None or not names:
        return
    arguments: dict[str, Json] = {"attesters": names, "max_age_s": seconds_of(want.max_age)}
    yield Draft(
        "attest-before",
        step(
            Action(verb=Verb.ATTEST, subject="attestation", arguments=arguments),
            f"See that evidence of {_several(names)} is at most {want.max_age} old",
            before=REACHABLE,
            after=tuple(Expect(subject=f"{ASKED}{n}", op=Op.IS, value=FRESH) for n in names),
            attempts=1,
        ),
    )


def attest_after(group: Iterable[Flash], proofs: Proofs) -> Iterable[Draft]:
    """What ends a group of flashes once all of it was activated."""
    mine = [proofs[part] for flash in group for part in flash.parts if part in proofs]
    mine = [each for each in mine if each.attester]
    names = sorted({each.attester for each in mine})
    if not names:
        return
    wanted: Json = [
        {"attester": e.attester, "part": e.part, "references": list(e.references)} for e in mine
    ]
    parts = sorted({each.references[0] for each in mine})
    yield Draft(
        "attest",
        step(
            Action(verb=Verb.ATTEST, subject="attestation", arguments={"wanted": wanted}),
            f"Have {_several(names)} prove by measurement: {_several(parts)}",
            before=REACHABLE,
            after=tuple(Expect(subject=f"{MEASURES}{n}", op=Op.IS, value=PROVED) for n in names),
            attempts=1,
        ),
    )


def _several(names: Sequence[str], most: int = 2) -> str:
    told = ", ".join(names[:most])
    return f"{told} and {len(names) - most} more" if len(names) > most else told
