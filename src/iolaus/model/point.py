"""A point of a building's system as it counts now: what it is about, and what it says."""

from __future__ import annotations

import msgspec


class Point(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`name` is its path with the building, `about` our name of the rack or object, which is its
    parent where it is an `associate`; `serves` are our names of what it feeds or cools. `value` is
    None with a `reason`; `state` is the building's word for it. `quality` is as it was last said
    (1 is good), `age_s` since when; both None before the first word. `ours`: its value is said by
    us. `rack` is where what it is about stands, if in one."""

    name: str
    building: str
    about: str
    object_type: str
    point_type: str
    unit: str = ""
    area: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    is_associate: bool = False
    value: float | None = None
    state: str = ""
    quality: int | None = None
    age_s: float | None = None
    reason: str = ""
    ours: bool = False
    rack: str = ""
