"""What a roll-out sees of the hall when it decides. Values only; whoever fills them looked.

Missing is unknown, and unknown is never good: a node of which nothing is said counts as away, a
gate's number that is missing does not pass, a supply that nobody saw carries nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from iolaus.fleet.gate import Judgement
from iolaus.fleet.topology import PowerGroup
from iolaus.model.plan import Domain


class Standing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One asset as it was last seen, `at` seconds since 1970.

    `here`: it answers and its host is on; None: not known. `since` is when that became so.
    `out` is why it must be left alone although it is here (somebody's maintenance). `drained`:
    somebody had it drained through here and has not given it back; None: nobody looked.
    `well`: its health and telemetry are as they should be; `unwell_since` when they turned.
    `why` says what is wrong, in words for a person.
    """

    at: float
    here: bool | None = True
    since: float | None = None
    out: str = ""
    drained: bool | None = None
    well: bool | None = True
    unwell_since: float | None = None
    why: str = ""
    attested: bool | None = None

    @property
    def in_service(self) -> bool:
        return self.here is True and not self.out and self.drained is not True


UNSEEN: Final = Standing(at=0.0, here=None, well=None, why="nothing is known of it")


class World(msgspec.Struct, frozen=True, kw_only=True):
    """The hall now. `nodes` by uid: all that the plan names, and all supplies of `power`.

    `domains` are failure domains that are away or worked on by others, each with why. `values`
    are numbers for gates (`numbers.OF_HALL`), `hooks` what commands said, by the gate's name.
    """

    nodes: Mapping[str, Standing] = {}
    domains: Mapping[Domain, str] = {}
    power: Mapping[str, PowerGroup] = {}
    values: Mapping[str, float | None] = {}
    hooks: Mapping[str, Judgement] = {}

    def of(self, uid: str) -> Standing:
        return self.nodes.get(uid, UNSEEN)
