"""Caps that a person set for a while, and the file in which they outlive the process.

What a person holds down is a limit like any other: the loop goes by it and does not fight it, and
where no loop writes (observe, advise) it is written once and taken back at its end. It can only
ever lower; the floors of a policy are not undercut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from iolaus.energy.edge import Edge
from iolaus.energy.rack import NodeView, RackView
from iolaus.energy.share import share
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.store.kept import KeptFile

Watts = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class HeldCap(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is a node or a rack; times are seconds since 1970. `before` is what nodes had
    where a write had to be taken back by us."""

    subject: str
    rack: str
    watts: Watts
    until: float
    by: str
    reason: str
    at: float
    before: dict[str, float] = {}


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What an edge sees of something that a person holds. `in_force_w` is the highest that may be;
    `drawn_w` None: not known. Of its nodes, `unread` are those whose cap was not read since the
    start, `silent` do not answer, `stubborn` keep a higher cap than they were told; of `unseen`
    nothing was ever read, and they count nowhere."""

    subject: str
    asked_w: float
    in_force_w: float
    floor_w: float
    drawn_w: float | None
    nodes: int
    unread: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    stubborn: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


def cap_file(path: Path) -> KeptFile[HeldCap]:
    return KeptFile(
        path,
        HeldCap,
        word="caps",
        code="CapsUnreadable",
        next_step="look at the caps of the nodes, then remove the file.",
    )


def held_nodes(view: RackView, subject: str) -> tuple[NodeView, ...]:
    """The nodes that a cap on a subject reaches; none where it is neither the rack nor in it."""
    if subject == view.rack:
        return view.nodes
    return tuple(node for node in view.nodes if node.name == subject)


def must_fit(nodes: Sequence[NodeView], watts: float, *, subject: str) -> None:
    """Raises `PolicyRefused` below the floors, `OperatorMust` above what can be drawn."""
    floor_w = sum(node.floor_w for node in nodes)
    plate_w = sum(node.nameplate_w for node in nodes)
    if watts < floor_w:
        raise PolicyRefused(
            f"its floor is {floor_w:.0f} W",
            operation="set cap",
            subject=subject,
            code="BelowFloor",
            next_step="give more watts, or lower its floor in the policy (docs/power.md).",
        )
    if watts > plate_w:
        raise OperatorMust(
            f"it can draw {plate_w:.0f} W at most, so this would hold nothing",
            operation="set cap",
            subject=subject,
            code="AboveNameplate",
            next_step="give fewer watts, or end a cap with: iolaus power cap clear.",
        )


def shares_of(nodes: Sequence[NodeView], watts: float) -> Mapping[str, float]:
    """By node, as an edge would share it out if every node wanted all it can draw."""
    given = share(nodes, [node.nameplate_w for node in nodes], watts)
    return {node.name: float(int(each)) for node, each in zip(nodes, given, strict=True)}


def sights(edge: Edge, now_s: float) -> tuple[Sight, ...]:
    """Of all that people hold in its rack; what is not there any more is left out. Pure."""
    if not edge.asked:
        return ()
    draws = dict(zip(edge.names, edge.draws_w(now_s), strict=True))
    reached = ((name, held_nodes(edge.rack, name), watts) for name, watts in edge.asked.items())
    return tuple(_sight(edge, name, nodes, watts, draws) for name, nodes, watts in reached if nodes)


def _sight(
    edge: Edge,
    subject: str,
    nodes: Sequence[NodeView],
    asked_w: float,
    draws: Mapping[str, float | None],
) -> Sight:
    names = {node.name for node in nodes}
    caps = [cap for cap in edge.caps if cap.node.name in names]
    drawn = [watts for name in names if (watts := draws[name]) is not None]
    return Sight(
        subject=subject,
        asked_w=asked_w,
        in_force_w=sum(cap.ceiling for cap in caps),
        floor_w=sum(min(node.floor_w, node.nameplate_w) for node in nodes),
        drawn_w=sum(drawn) if len(drawn) == len(names) else None,
        nodes=len(names),
        unread=tuple(cap.node.name for cap in caps if cap.known_w is None and not cap.unreachable),
        silent=tuple(cap.node.name for cap in caps if cap.unreachable),
        stubborn=tuple(cap.node.name for cap in caps if cap.stuck and not cap.unreachable),
        unseen=edge.unread if subject == edge.rack.rack else (),
    )
