"""The room of power where racks are guarded by edges: shown and steered by the core that leads.

An edge says every other second how its racks stand. The core shows what it heard last and never as
younger than it is: a rack of which nobody speaks any more hangs, whatever it said before. What a
person asks of a rack goes to the edge that spoke of it last, sealed and with a deadline, and is
judged there as it would be in one process. Nothing here is needed for guarding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
import structlog

from iolaus.app.cluster.letters import Granted, Seals, Wish, error_of, opened, seal
from iolaus.app.powering import Powering
from iolaus.bus.port import BusAway, Trunk, Unheard
from iolaus.energy.decisions import Decision, DomainState, RackState
from iolaus.energy.holding import HeldCap
from iolaus.energy.keeping import judged_caps
from iolaus.energy.ports import Event, Latch
from iolaus.energy.standing import HUNG_S, EdgeStanding, judged
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceSilent, IolausError, WeErred
from iolaus.kernel.tasks import together
from iolaus.model.alarm import Alarm
from iolaus.model.alarming import Judged

log = structlog.get_logger(__name__)
STANDING: Final = "power.standing"
FEED: Final = "power.feed"
FORGOTTEN_S: Final = 86400.0
HEARD_S: Final = 5.0
"""By then every edge that lives said twice how its racks stand."""
WITHIN_S: Final = 90.0
"""A rack's nodes may have to be written and read back one after the other."""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """`racks` are all that the member guards, `standings` some of them."""

    member: str
    racks: tuple[str, ...]
    standings: tuple[EdgeStanding, ...]


class Heard(msgspec.Struct, frozen=True):
    """Of one rack. `at_s` is monotonic."""

    member: str
    standing: EdgeStanding
    at_s: float


class Feed(msgspec.Struct, frozen=True, array_like=True):
    """What a rack's shelf or the building said of a feed."""

    rack: str
    event: Event


_TOLD: Final = msgspec.msgpack.Decoder(Told)
_FEED: Final = msgspec.msgpack.Decoder(Feed)


def wish_topic(member: str) -> str:
    return f"power.{member}"


class FarRacks:
    """Is `north.power.PowerRoom`. `inner` is this core's own room: its centre, and what people
    hold. `term` is the epoch under which this core leads."""

    def __init__(
        self,
        *,
        inner: Powering,
        trunk: Trunk,
        seals: Callable[[], Seals],
        clock: Clock,
        term: Callable[[], int],
    ) -> None:
        self._inner, self._trunk, self._seals = inner, trunk, seals
        self._clock, self._term = clock, term
        self._began_s = clock.monotonic()
        self._heard: dict[str, Heard] = {}

    # --- heard -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        await together(self._hear(STANDING, self.take), self._hear(FEED, self._feed))

    async def _hear(self, topic: str, take: Callable[[bytes], None]) -> None:
        async with self._trunk.subscribe(topic) as heard:
            async for body in heard:
                try:
                    take(body)
                except (msgspec.MsgspecError, RecursionError) as error:
                    log.warning("unreadable", topic=topic, error=str(error))

    def take(self, body: bytes) -> None:
        """What one member says. Raises `msgspec.MsgspecError` for what none says."""
        told, now_s = _TOLD.decode(body), self._clock.monotonic()
        for standing in told.standings:
            self._heard[standing.rack] = Heard(told.member, standing, now_s)
        mine = set(told.racks)
        for rack, each in list(self._heard.items()):
            given_up = each.member == told.member and rack not in mine
            if given_up or now_s - each.at_s > FORGOTTEN_S:
                del self._heard[rack]

    def _feed(self, body: bytes) -> None:
        said = _FEED.decode(body)
        self._inner.event(said.rack, said.event)

    # --- seen --------------------------------------------------------------------------------

    def edges(self) -> Sequence[EdgeStanding]:
        now_s = self._clock.monotonic()
        return [_aged(each, now_s) for _, each in sorted(self._heard.items())]

    def unheard(self) -> str:
        led_s = self._clock.monotonic() - self._began_s
        return "this core has just begun to lead and hears of racks" if led_s < HEARD_S else ""

    def judged(self, alarms: Iterable[Alarm]) -> Judged:
        """Of a rack that nobody spoke of yet nothing is known: what rang of it goes on ringing."""
        rang, edges, now = tuple(alarms), self.edges(), self._clock.now()
        known = (each.key for each in rang if each.labels.get("rack") in self._heard)
        caps = judged_caps(self.caps(), edges, (each.key for each in rang), now=now)
        return {**judged(edges, known), **caps}

    def domains(self) -> Sequence[DomainState]:
        return self._inner.domains()

    def racks(self) -> Sequence[RackState]:
        return self._inner.racks()

    def decisions(self) -> Sequence[tuple[float, Decision]]:
        return self._inner.decisions()

    def caps(self) -> Sequence[HeldCap]:
        return self._inner.caps()

    # --- asked -------------------------------------------------------------------------------

    async def release(self, subject: str, *, by: str, reason: str) -> Sequence[Latch]:
        found = [
            rack
            for rack, each in sorted(self._heard.items())
            if any(subject == rack or one.nodes == (subject,) for one in each.standing.latches)
        ]
        if not found:
            return await self._inner.release(subject, by=by, reason=reason)
        ended: list[Latch] = []
        for rack in found:
            ended += (await self._ask(rack, "release", subject, by, reason)).latches
        return ended

    async def hold(
        self, subject: str, watts: float, *, for_s: float, by: str, reason: str
    ) -> HeldCap:
        if (rack := self._rack_of(subject)) is None:
            return await self._inner.hold(subject, watts, for_s=for_s, by=by, reason=reason)
        cap = _cap(await self._ask(rack, "hold", subject, by, reason, watts=watts, for_s=for_s))
        self._inner.take(cap.subject, cap)  # whoever asks next need not wait for its row
        return cap

    async def clear(self, subject: str, *, restore: bool = True) -> HeldCap:
        cap = next((each for each in self.caps() if each.subject == subject), None)
        if cap is None or cap.rack not in self._heard:
            return await self._inner.clear(subject, restore=restore)
        ended = _cap(await self._ask(cap.rack, "clear", subject, "", "", restore=restore))
        self._inner.take(subject, None)
        return ended

    async def isolate(self, rack: str, *, by: str, reason: str) -> bool:
        if rack not in self._heard:
            return await self._inner.isolate(rack, by=by, reason=reason)
        return (await self._ask(rack, "isolate", rack, by, reason)).confirmed

    async def unisolate(self, rack: str, *, by: str, reason: str) -> bool:
        if rack not in self._heard:
            return await self._inner.unisolate(rack, by=by, reason=reason)
        return (await self._ask(rack, "unisolate", rack, by, reason)).confirmed

    def _rack_of(self, subject: str) -> str | None:
        for rack, each in self._heard.items():
            if subject == rack or subject in each.standing.nodes:
                return rack
        return None

    async def _ask(
        self,
        rack: str,
        do: str,
        subject: str,
        by: str,
        reason: str,
        *,
        watts: float = 0.0,
        for_s: float = 0.0,
        restore: bool = True,
    ) -> Granted:
        """Raises what the edge's own room raised; `DeviceSilent` where it did not answer."""
        member = self._heard[rack].member
        wish = Wish(
            term=self._term(),
            until=self._clock.now() + WITHIN_S,
            do=do,
            rack=rack,
            subject=subject,
            by=by,
            reason=reason,
            watts=watts,
            for_s=for_s,
            restore=restore,
        )
        try:
            sealed = await self._trunk.ask(
                wish_topic(member), seal(self._seals(), wish), timeout_s=WITHIN_S
            )
        except (BusAway, Unheard) as error:
            raise _silent(rack, member, do, error) from None
        granted = opened(self._seals(), sealed, Granted)
        if granted.trouble is not None:
            raise error_of(granted.trouble)
        return granted


def _aged(heard: Heard, now_s: float) -> EdgeStanding:
    """As old as it is: nobody who listens sees an edge that fell silent as well."""
    standing, silent_s = heard.standing, now_s - heard.at_s
    age_s = standing.beat_age_s + silent_s
    state = "hung" if age_s > HUNG_S else standing.state
    return msgspec.structs.replace(standing, beat_age_s=age_s, state=state)


def _cap(granted: Granted) -> HeldCap:
    if granted.cap is None:
        raise WeErred("the edge answered without a cap", operation="set cap", subject="edge")
    return granted.cap


def _silent(rack: str, member: str, do: str, error: IolausError) -> DeviceSilent:
    return DeviceSilent(
        f"its edge {member} did not answer: {error.message}",
        operation=do,
        subject=rack,
        code="EdgeSilent",
        next_step=f"see whether it lives (iolaus get members) and what is so: "
        f"iolaus describe edge/{rack}",
    )
