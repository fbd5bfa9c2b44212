"""What becomes of a watt between feed and chip, and what it is worth: as far as it is measured.

A stage is counted where both of its sides are read at the same piece of equipment and at one time;
what has one side only says nothing of a loss. How much of its input arrives changes slowly, so a
pair that is read seldom counts for an hour, and its age is told; sums of watts are of now. The
ratios of a site need what the site draws in all and what water it takes, which only a meter knows:
somebody reports them, and without that they are unknown. So it is with the throughput of work,
which no controller sees. Pure.

PUE: ISO/IEC 30134-2, here of powers at one time and not of a year's energies. WUE: ISO/IEC 30134-9,
in litres per kilowatt-hour of the IT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

STAGES: Final[Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]]] = (
    ("shelf", ("shelf_input_power",), ("shelf_output_power",)),
    ("supply", ("psu_input_power",), ("psu_output_power",)),
    ("node to chip", ("node_power",), ("gpu_power", "cpu_power")),
)
IT_ROLES: Final = ("node_power", "switch_power", "dpu_power")
COOLING_ROLES: Final = ("cdu_power",)
KWH_J: Final = 3.6e6
PAIR_S: Final = 5.0
"""Two sides that were read further apart are of two times."""
OLD_S: Final = 3_600.0


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A power that is read: `part` is the piece of equipment, `role` what it is, None unknown; it
    was read `age_s` ago, and counts as of now while it is `fresh`."""

    part: str
    role: str
    watts: float | None
    age_s: float = 0.0
    fresh: bool = True

    @property
    def now_w(self) -> float | None:
        return self.watts if self.fresh else None


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Watts into and out of a stage where both are known, of `counted` of `of` pieces, of which
    the one read longest ago was read `oldest_s` ago."""

    name: str
    input_w: float
    output_w: float
    counted: int
    of: int
    oldest_s: float = 0.0

    @property
    def efficiency(self) -> float | None:
        return self.output_w / self.input_w if self.input_w > 0 else None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`rate` is units of work a second (None: unknown, `why`), `watts` what its nodes draw."""

    name: str
    nodes: int
    unit: str = ""
    rate: float | None = None
    watts: float | None = None
    why: str = ""

    @property
    def per_joule(self) -> float | None:
        return self.rate / self.watts if self.rate is not None and self.watts else None


class Efficiency(msgspec.Struct, frozen=True, kw_only=True):
    """`it_w` is what the IT draws as far as it is measured, `unmeasured` how many machines are not.
    A ratio that is None is unknown, and why stands beside it."""

    it_w: float
    unmeasured: int
    cooling_w: float | None
    facility_w: float | None
    pue: float | None
    pue_why: str
    wue_l_kwh: float | None
    wue_why: str
    stages: tuple[Stage, ...] = ()
    jobs: tuple[Job, ...] = ()


def efficiency(
    measures: Iterable[Measure],
    *,
    facility_w: float | None,
    water_l_s: float | None,
    jobs: Sequence[Job] = (),
) -> Efficiency:
    """`facility_w` is what a meter of the whole site says, `water_l_s` what it takes; None where
    nobody said so lately."""
    rows = list(measures)
    it = [each.now_w for each in rows if each.role in IT_ROLES]
    known = [watts for watts in it if watts is not None]
    it_w, blind = sum(known), len(it) - len(known)
    cooling = [each.now_w for each in rows if each.role in COOLING_ROLES]
    why = _why(it_w, blind)
    pue_why = why or ("nobody reports what the site draws" if facility_w is None else "")
    if not pue_why and facility_w is not None and facility_w < it_w:
        pue_why = "the site is said to draw less than its machines do"
    wue_why = why or ("nobody reports the water it takes" if water_l_s is None else "")
    return Efficiency(
        it_w=it_w,
        unmeasured=blind,
        cooling_w=_sum(cooling),
        facility_w=facility_w,
        pue=None if pue_why or facility_w is None else facility_w / it_w,
        pue_why=pue_why,
        wue_l_kwh=None if wue_why or water_l_s is None else water_l_s / it_w * KWH_J,
        wue_why=wue_why,
        stages=tuple(_stage(rows, *each) for each in STAGES),
        jobs=tuple(jobs),
    )


def _why(it_w: float, blind: int) -> str:
    if blind:
        return f"{blind} machines are not measured now"
    return "" if it_w > 0 else "no machine is measured"


def _stage(rows: Sequence[Measure], name: str, into: Sequence[str], out: Sequence[str]) -> Stage:
    before, after = _by_part(rows, into), _by_part(rows, out)
    both = [
        (side, other)
        for part, side in before.items()
        if (other := after.get(part)) is not None and side.fits(other)
    ]
    return Stage(
        name=name,
        input_w=sum(side.watts or 0.0 for side, _ in both),
        output_w=sum(other.watts or 0.0 for _, other in both),
        counted=len(both),
        of=len(before),
        oldest_s=max((max(a.oldest_s, b.oldest_s) for a, b in both), default=0.0),
    )


class Side(NamedTuple):
    """A part's powers of one side, added up; None where one of them is unknown."""

    watts: float | None
    newest_s: float
    oldest_s: float

    def fits(self, other: Side) -> bool:
        if self.watts is None or other.watts is None:
            return False
        oldest = max(self.oldest_s, other.oldest_s)
        return oldest <= OLD_S and oldest - min(self.newest_s, other.newest_s) <= PAIR_S


def _by_part(rows: Iterable[Measure], roles: Sequence[str]) -> Mapping[str, Side]:
    found: dict[str, Side] = {}
    for each in rows:
        if each.role in roles:
            before = found.get(each.part, Side(0.0, each.age_s, each.age_s))
            known = before.watts is not None and each.watts is not None
            found[each.part] = Side(
                (before.watts or 0.0) + (each.watts or 0.0) if known else None,
                min(before.newest_s, each.age_s),
                max(before.oldest_s, each.age_s),
            )
    return found


def _sum(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return sum(known) if known and len(known) == len(values) else None
