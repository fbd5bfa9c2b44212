"""What was asked of a cluster while it was hurt, and the model that what is true at last must fit.

Pure: a run tells it what happened, in the order in which it happened, and asks for what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Write(NamedTuple):
    """One writer's, one after the other. Not acknowledged: perhaps it was done, perhaps not."""

    key: str
    value: str
    acknowledged: bool


class Hold(NamedTuple):
    """A lease was given, as its table tells them one after the other."""

    name: str
    holder: str
    epoch: int


def lost(writes: Sequence[Write], found: Mapping[str, str]) -> list[str]:
    """A key holds what was acknowledged last, or something that was asked for later."""
    wrong = []
    for key in dict.fromkeys(each.key for each in writes):
        mine = [each for each in writes if each.key == key]
        last = max((n for n, each in enumerate(mine) if each.acknowledged), default=None)
        if last is None:
            continue
        may_be = {each.value for each in mine[last:]}
        if found.get(key) not in may_be:
            wrong.append(f"{key}: {mine[last].value} was acknowledged, {found.get(key)} is there")
    return wrong


def doubled(effects: Mapping[str, int], asked: Mapping[str, int]) -> list[str]:
    """No device did more than was asked of it."""
    return [
        f"{name}: {count} effects, {asked.get(name, 0)} asked"
        for name, count in sorted(effects.items())
        if count > asked.get(name, 0)
    ]


def undone(effects: Mapping[str, int], done: Mapping[str, int]) -> list[str]:
    """What is called done was done."""
    return [
        f"{name}: {count} are called done, {effects.get(name, 0)} were"
        for name, count in sorted(done.items())
        if effects.get(name, 0) < count
    ]


def unfenced(holds: Iterable[Hold]) -> list[str]:
    """Whoever gets a lease that another had gets it under a greater epoch; no epoch is lower than
    one before."""
    wrong, last = [], dict[str, Hold]()
    for hold in holds:
        before = last.get(hold.name)
        if before is not None and (
            hold.epoch < before.epoch
            or (hold.epoch == before.epoch and hold.holder != before.holder)
        ):
            wrong.append(f"{hold.name}: {before} and then {hold}")
        last[hold.name] = hold
    return wrong
