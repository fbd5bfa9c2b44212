"""How the processes of a hall stand, for people: who is alive, who owns what, what nobody owns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from iolaus.app.cluster.carrying import Taker
from iolaus.app.cluster.members import SILENT_S, Member, Members
from iolaus.bus.leases import TableLeases
from iolaus.model.shard import shard_of
from iolaus.north.dto.members import MemberView
from iolaus.north.dto.views import ConditionView
from iolaus.store.facts import Facts

WAITING: Final = 500
"""So many parcels that wait are worth telling."""
SKEW_S: Final = 5.0
FREE_BYTES: Final = 1 << 30


class Standings:
    """`north.members.KnowsMembers`, as the leading core sees it."""

    def __init__(
        self, *, members: Members, leases: TableLeases, taker: Taker, facts: Facts
    ) -> None:
        self._members, self._leases = members, leases
        self._taker, self._facts = taker, facts

    def views(self) -> Sequence[MemberView]:
        orphans = self.orphans()
        return [
            _view(member, silent_s, orphans, self._members.skew_s(member.name))
            for member, silent_s in self._members.all()
        ]

    def orphans(self) -> dict[str, int]:
        """Shards with endpoints that nobody owns now, and how many endpoints that are."""
        counts: dict[str, int] = {}
        for held in self._facts.all_held():
            shard = shard_of(held.target)
            if self._leases.holder(shard) is None:
                counts[shard] = counts.get(shard, 0) + 1
        return counts


def _view(member: Member, silent_s: float, orphans: dict[str, int], skew_s: float) -> MemberView:
    silent = silent_s >= SILENT_S
    return MemberView(
        name=member.name,
        kind="member",
        role=member.role,
        state="silent" if silent else _state(member),
        site=member.site,
        host=member.host,
        pid=member.pid or None,
        version=member.version,
        address=member.address,
        epoch=member.leads or None,
        shards=tuple(sorted(member.shards)),
        endpoints=member.endpoints,
        waiting=member.waiting,
        silent_s=round(silent_s, 1),
        started_at=datetime.fromtimestamp(member.since, UTC),
        conditions=tuple(_conditions(member, silent=silent, orphans=orphans, skew_s=skew_s)),
    )


def _state(member: Member) -> str:
    if member.role == "edge":
        return "serving"
    return "leading" if member.leads else "standing by"


def _conditions(
    member: Member, *, silent: bool, orphans: dict[str, int], skew_s: float
) -> Iterator[ConditionView]:
    if silent:
        yield ConditionView(
            type="Alive",
            status="False",
            reason="Silent",
            message="it is not heard: it ended, hangs, or is cut off from the bus",
            next_step=f"look at process {member.pid} on {member.host}.",
        )
    if member.trouble:
        yield ConditionView(
            type="Working", status="False", reason="Trouble", message=member.trouble
        )
    if abs(skew_s) > SKEW_S and not silent:
        yield ConditionView(
            type="ClockAgrees",
            status="False",
            reason="Skewed",
            message=f"its clock is {skew_s:+.0f} s from the leader's: what it reads looks so much "
            "younger or older than it is",
            next_step=f"set NTP on {member.host}.",
        )
    if 0 <= member.free_bytes < FREE_BYTES:
        yield ConditionView(
            type="HasRoom",
            status="False",
            reason="DiskNearlyFull",
            message=f"{member.free_bytes >> 20} MiB are free where its state is",
            next_step=f"free some space on {member.host}: at least 1 GiB.",
        )
    if member.waiting > WAITING:
        yield ConditionView(
            type="HandsOn",
            status="False",
            reason="Behind",
            message=f"{member.waiting} parcels or rows wait to be handed on",
            next_step="see whether bus and database answer: iolaus doctor",
        )
    if member.leads and orphans:
        yield ConditionView(
            type="AllOwned",
            status="False",
            reason="NoOwner",
            message=f"{sum(orphans.values())} endpoints in {len(orphans)} shards have no edge: "
            "what is shown of them is old",
            next_step="start an edge for the sites: "
            + ", ".join(sorted({shard.rpartition(".")[0] for shard in orphans})),
        )
