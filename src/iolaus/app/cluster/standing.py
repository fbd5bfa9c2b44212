"""How the processes of a hall stand, for people: who is alive, who owns what, what nobody owns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from iolaus.app.cluster.carrying import Taker
from iolaus.app.cluster.members import SILENT_S, Member, Members
from iolaus.app.round import KEEPS_UP, Round, lateness
from iolaus.bus.leases import TableLeases
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.shard import shard_of, site_in
from iolaus.north.dto.members import MemberView
from iolaus.north.dto.views import ConditionView
from iolaus.north.members import Plane, ShardView, Work
from iolaus.store.facts import Facts
from iolaus.store.records import Shed

WAITING: Final = 500
"""So many parcels that wait are worth telling."""
SKEW_S: Final = 5.0
FREE_BYTES: Final = 1 << 30


class Standings:
    """`north.members.KnowsMembers`, as the leading core sees it. `reached` says whether the bus
    is, `trouble` what is wrong with our lease of the database, `hung` which racks nobody guards."""

    def __init__(
        self,
        *,
        members: Members,
        leases: TableLeases,
        taker: Taker,
        facts: Facts,
        clock: Clock,
        reached: Callable[[], bool],
        trouble: Callable[[], IolausError | None],
        hung: Callable[[], Sequence[str]],
    ) -> None:
        self._members, self._leases = members, leases
        self._taker, self._facts, self._clock = taker, facts, clock
        self._reached, self._trouble, self._hung = reached, trouble, hung

    def plane(self) -> Plane:
        return judge_plane(
            self.views(),
            shards=self._shards(),
            bus=self._reached(),
            database=str(self._trouble() or self._facts.trouble or ""),
            rows=self._facts.waiting,
            unread=self._taker.unread,
            shed=self._taker.shed,
            hung=self._hung(),
        )

    def _shards(self) -> list[ShardView]:
        counts, now_s = self._counts(), self._clock.monotonic()
        found = []
        for shard, count in sorted(counts.items()):
            holder, heard_s = self._leases.holder(shard), self._taker.heard.get(shard)
            view = ShardView(
                name=shard,
                owner=holder[0] if holder else "",
                epoch=holder[1] if holder else None,
                endpoints=count,
                renewed_s=self._leases.renewed_s(shard),
                told_s=None if heard_s is None else now_s - heard_s,
            )
            found.append(view)
        return found

    def _counts(self) -> Counter[str]:
        return Counter(shard_of(held.target) for held in self._facts.all_held())

    def views(self) -> Sequence[MemberView]:
        orphans, told = self.orphans(), self._told()
        return [
            _view(member, silent_s, orphans, self._members.skew_s(member.name), told)
            for member, silent_s in self._members.all()
        ]

    def _told(self) -> Round:
        """How often the core that leads thinks that hot sets are read."""
        leader = self._members.leader()
        return leader.round if leader else Round()

    def orphans(self) -> dict[str, int]:
        """Shards with endpoints that nobody owns now, and how many endpoints that are."""
        counts = self._counts().items()
        return {shard: count for shard, count in counts if self._leases.holder(shard) is None}


def judge_plane(
    members: Sequence[MemberView],
    *,
    shards: Sequence[ShardView],
    bus: bool,
    database: str,
    rows: int,
    unread: int,
    shed: Sequence[Shed],
    hung: Sequence[str],
) -> Plane:
    """What still works, and what is no longer known. Pure."""
    free, late = [each for each in shards if not each.owner], _late(members)
    count = sum(each.endpoints for each in free)
    total = sum(each.endpoints for each in shards)
    nobody = f"{count} of {total} endpoints have no edge" if free else ""
    partly = "yes" if not free else "no" if count == total else "partly"
    away = "" if bus else "the bus is not reached"
    stopped = "; ".join(filter(None, (away, database and "nothing is begun without the database")))
    unguarded = f"nobody speaks of {len(hung)} racks" if hung else nobody
    return Plane(
        works=(
            Work(
                name="Reading",
                works="no" if not bus else "partly" if late and not free else partly,
                why=away or "; ".join(filter(None, (nobody, late))),
            ),
            Work(
                name="Reflexes and caps",
                works="yes" if bus and not unguarded else "partly",
                why=f"edges guard by themselves; from here it is not seen: {away}"
                if away
                else unguarded,
            ),
            Work(name="Changes", works="no" if stopped else partly, why=stopped or nobody),
            Work(name="Writing down", works="no" if database else "yes", why=database),
            _spare_core(members),
            *_spare_edges(members, shards),
        ),
        parts=(
            Work(name="Bus", works="yes" if bus else "no", why=away),
            Work(
                name="State database",
                works="no" if database else "yes",
                why="; ".join(filter(None, (database, f"{rows} rows wait to be written"))),
            ),
        ),
        shards=tuple(shards),
        unknown=tuple(_unknown(members, free, unread=unread, shed=shed, hung=hung)),
    )


def _late(members: Sequence[MemberView]) -> str:
    late = [
        each.name
        for each in members
        if each.state != "silent" and any(one.type == KEEPS_UP for one in each.conditions)
    ]
    return f"slower than the period: {', '.join(late)}" if late else ""


def _spare_core(members: Sequence[MemberView]) -> Work:
    spare = [each for each in members if each.state == "standing by"]
    known = max((each.endpoints for each in members if each.state == "leading"), default=0)
    unread = [each.name for each in spare if known and not each.endpoints]
    why = f"{', '.join(each.name for each in spare)} would lead"
    if unread:
        why += f"; {', '.join(unread)} would have to read the hall first"
    return Work(
        name="Take-over of the core",
        works="yes" if spare else "no",
        why=why if spare else "no other core stands by",
    )


def _spare_edges(members: Sequence[MemberView], shards: Sequence[ShardView]) -> Iterator[Work]:
    for site in sorted({site_in(each.name) for each in shards}):
        serving = [each for each in members if each.role == "edge" and each.site == site]
        count = sum(each.state == "serving" for each in serving)
        yield Work(
            name=f"Take-over of edges of {site}",
            works="yes" if count > 1 else "no",
            why=f"{count} serve" if count != 1 else "one serves, and nobody would take its place",
        )


def _unknown(
    members: Sequence[MemberView],
    free: Sequence[ShardView],
    *,
    unread: int,
    shed: Sequence[Shed],
    hung: Sequence[str],
) -> Iterator[str]:
    for each in free:
        since = "" if each.told_s is None else f", last told {each.told_s:.0f} s ago"
        yield f"{each.endpoints} endpoints of {each.name}: nobody reads them{since}"
    for member in members:
        if member.state == "silent":
            where = f"{member.name} (process {member.pid} on {member.host})"
            yield f"{where}: not heard for {member.silent_s:.0f} s"
    if hung:
        yield f"whether these racks are guarded: {', '.join(hung[:10])}" + (
            f" and {len(hung) - 10} more" if len(hung) > 10 else ""
        )
    for lost in shed:
        since, until = (
            f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}" for at in (lost.since, lost.until)
        )
        yield f"{lost.count} parcels of readings from {since} to {until}: an edge had no room"
    if unread:
        yield f"{unread} parcels that could not be read"


def _view(
    member: Member, silent_s: float, orphans: dict[str, int], skew_s: float, told: Round
) -> MemberView:
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
        conditions=tuple(
            _conditions(member, silent=silent, orphans=orphans, skew_s=skew_s, told=told)
        ),
    )


def _state(member: Member) -> str:
    if member.role == "edge":
        return "serving"
    return "leading" if member.leads else "standing by"


def _conditions(
    member: Member, *, silent: bool, orphans: dict[str, int], skew_s: float, told: Round
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
    if not silent:
        yield from _pace(member, told)
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
            + ", ".join(sorted({site_in(shard) for shard in orphans})),
        )


def _pace(member: Member, told: Round) -> Iterator[ConditionView]:
    if (late := lateness(member.round)) is not None:
        yield late
    every_s = member.round.every_s
    if told.every_s and every_s and every_s != told.every_s:
        yield ConditionView(
            type="PeriodAgrees",
            status="False",
            reason="OtherPeriod",
            message=f"it polls every {every_s:g} s, and the core that leads every "
            f"{told.every_s:g} s: what it reads is taken for old too early, or too late",
            next_step="start all with the same --poll-every.",
        )
