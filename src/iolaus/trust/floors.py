"""Security versions against the least that an operator demands.

Old firmware that was signed by its maker verifies for ever, and matches its old reference; only
the number that makers raise with every flaw they mend says that it should run no more. It counts
as the component measured it, or as the reference says of the release that was met. Where neither
says it, the demand is not met: the lifecycle is then not known, which is never good. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from iolaus.model.reference import ReferenceSet
from iolaus.model.trust import Finding, Lifecycle, Measurement, Verdict

MOST_BYTES: Final = 8
"""A security version is a number of eight bytes, little-endian (DSP0274, MEASUREMENTS)."""
BETTER: Final = (None, Lifecycle.OK, Lifecycle.KNOWN_VULNERABLE)
"""What stands on the axis and is no worse than a version below its floor."""


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """With `part` it is about the release of that part that was met; else about what attesters
    called like `component` measure, at `index` or (None) wherever they measure one."""

    least: int
    part: str = ""
    component: str = "*"
    index: int | None = None


def floored(
    verdict: Verdict,
    measurements: Sequence[Measurement],
    met: Sequence[ReferenceSet],
    *,
    name: str,
    floors: Iterable[Floor],
) -> Verdict:
    """The verdict with these demands on its lifecycle. `measurements` are those under a valid
    signature, `met` the references that were; `name` is the attester's. It never improves."""
    state, told = verdict.lifecycle, list[Finding]()
    for floor in floors:
        found = list(_versions(floor, measurements, met, name))
        if any(svn is None for _, svn in found) and state is Lifecycle.OK:
            state = None
        told += [_unsaid(what, floor) for what, svn in found if svn is None]
        below = [(what, svn) for what, svn in found if svn is not None and svn < floor.least]
        if below and state in BETTER:
            state = Lifecycle.SVN_BELOW_FLOOR
        told += [_below(what, svn, floor) for what, svn in below]
    if not told:
        return verdict
    return msgspec.structs.replace(verdict, lifecycle=state, findings=(*verdict.findings, *told))


def _versions(
    floor: Floor, measurements: Sequence[Measurement], met: Sequence[ReferenceSet], name: str
) -> Iterator[tuple[str, int | None]]:
    """(what, its security version) of everything that a floor is about; None: nothing says it."""
    if not fnmatchcase(name, floor.component):
        return
    if floor.part:
        for each in met:
            if fnmatchcase(each.part, floor.part):
                said = [value.svn for value in each.values if value.svn is not None]
                yield each.name, min(said, default=None)
        return
    seen = [m for m in measurements if m.kind == "svn" and floor.index in (None, m.index)]
    for block in seen:
        number = int.from_bytes(block.value, "little") if block.raw else None
        yield f"measurement {block.index}", number if len(block.value) <= MOST_BYTES else None
    if not seen:
        yield name, None


def _below(what: str, svn: int, floor: Floor) -> Finding:
    return Finding(
        code="svn-below-floor",
        message=f"The security version of {what} is {svn}; policy demands {floor.least} or more.",
        detail={"of": what, "seen": svn, "least": floor.least},
    )


def _unsaid(what: str, floor: Floor) -> Finding:
    return Finding(
        code="svn-not-said",
        message=f"Policy demands a security version of {floor.least} or more, and nothing that "
        f"was signed says that of {what}.",
        detail={"of": what, "least": floor.least},
    )
