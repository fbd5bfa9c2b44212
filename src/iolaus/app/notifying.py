"""Alarms go out: kept on disk first, sent until they are taken, to whom the routes say.

What changed in one look is one message for each receiver, so a flood is few messages. A message is
kept before the alarm itself is, so that a crash between the two sends it twice and never not at
all; who receives knows it by its id. A receiver that does not answer holds up no other: its
messages wait, in their order, and are tried again ever more rarely.

Alertmanager forgets an alert that is not repeated: to it all that rings is told again every minute,
which is also what it needs after it was away. `alarms.yaml` of the state directory says who is told
of what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from iolaus.app.alarm_file import KeptAlarmFile
from iolaus.fleet.notices import ALERTS, SIGNATURE, Turn, alert, body, post, signed
from iolaus.fleet.route_files import receivers_of
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, IolausError, OperatorMust
from iolaus.kernel.tasks import end
from iolaus.loop import Loop
from iolaus.model.alarm import Alarm, AlarmState, Priority
from iolaus.model.alarm_routes import ReceiverWant, RoutesSpec
from iolaus.north.routes import ReceiverStanding
from iolaus.store.outbox import Outbox

log = structlog.get_logger(__name__)
FOLDER: Final = "outbox"
REPEAT_S: Final = 60.0
FIRST_AGAIN_S, LAST_AGAIN_S = 2.0, 300.0
TEST: Final = "RouteTest"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it lies on disk."""

    at: float
    turns: tuple[Turn, ...]


class Notifier:
    """`alarms()` are all that stand now; `web` is where its pages are, unless the file says."""

    def __init__(
        self, *, folder: Path, alarms: Callable[[], Iterable[Alarm]], clock: Clock, web: str = ""
    ) -> None:
        self.file, self._alarms, self._clock, self._web = KeptAlarmFile(folder), alarms, clock, web
        self._outbox = Outbox(folder / FOLDER)
        self._tries: dict[str, int] = {}
        self._standing: dict[str, ReceiverStanding] = {}
        self.loop = Loop(clock=clock, reconcile=self._send, workers=8, name="notices")

    def receivers(self) -> Sequence[ReceiverStanding]:
        spec = self._routes()
        if self.file.wrong is not None:
            raise self.file.wrong
        return [self._stands(each) for each in spec.receivers]

    def receivers_of(self, alarm: Alarm) -> Sequence[str]:
        return receivers_of(alarm, self._routes())

    def keep(self, turns: Sequence[Turn]) -> None:
        """Before the alarms are kept. Raises `WeErred` for a full disk."""
        spec, now = self._routes(), self._clock.now()
        for receiver in spec.receivers:
            mine = tuple(t for t in turns if receiver.name in receivers_of(t.alarm, spec))
            if mine:
                self._outbox.put(receiver.name, msgspec.json.encode(Kept(at=now, turns=mine)))
                self.loop.wake(receiver.name)

    async def test(self, receiver: str) -> None:
        found = next((r for r in self._routes().receivers if r.name == receiver), None)
        if self.file.wrong is not None:
            raise self.file.wrong
        if found is None:
            raise OperatorMust(
                "there is no such receiver",
                operation="test route",
                subject=receiver,
                code="NotFound",
                next_step="see which there are with: iolaus alarm route list",
            )
        now = self._clock.now()
        alarm = Alarm(
            code=TEST,
            uid=f"test-{now:.0f}",
            subject="iolaus",
            state=AlarmState.NORMAL,
            active=False,
            priority=Priority.LOW,
            message="This is a test of where alarms go; nothing is wrong.",
            since=now,
            changed_at=now,
        )
        await self._post(found, (Turn(alarm=alarm),), at=now, ident=f"test-{now:.3f}")
        self._went(found, None)

    async def run(self) -> None:
        """Does not return. Begins with what was left when the last one ended."""
        looping = asyncio.create_task(self.loop.run())
        try:
            while True:
                for receiver in self._routes().receivers:
                    self.loop.wake(receiver.name)
                    if receiver.alertmanager is not None:
                        await self._repeat(receiver)
                await self._clock.sleep(REPEAT_S)
        finally:
            await end(looping)

    async def _repeat(self, receiver: ReceiverWant) -> None:
        """Tell it again of all that rings: nothing of that is kept, it comes again in a minute."""
        spec = self._routes()
        mine = [a for a in self._alarms() if receiver.name in receivers_of(a, spec) and a.active]
        if not mine or self._outbox.waiting(receiver.name):
            return
        turns = tuple(Turn(alarm=alarm) for alarm in mine)
        try:
            await self._post(receiver, turns, at=self._clock.now(), ident="repeat")
            self._went(receiver, None)
        except IolausError as error:
            self._went(receiver, error)

    async def _send(self, key: Hashable) -> float | None:
        """The oldest message of a receiver; seconds until it wants to be asked again."""
        receiver = next((r for r in self._routes().receivers if r.name == key), None)
        waiting = self._outbox.waiting(str(key))
        if receiver is None or not waiting:
            return None
        ident = waiting[0]
        try:
            kept = msgspec.json.decode(self._outbox.read(ident), type=Kept)
            await self._post(receiver, kept.turns, at=kept.at, ident=ident.removesuffix(".json"))
        except msgspec.MsgspecError:
            self._outbox.set_aside(ident)
            return 0.0
        except DeviceRefused as error:
            self._outbox.set_aside(ident)
            self._went(receiver, error)
            return 0.0
        except IolausError as error:
            self._went(receiver, error)
            return self._pause_s(receiver.name)
        self._outbox.done(ident)
        self._went(receiver, None)
        return 0.0

    async def _post(
        self, receiver: ReceiverWant, turns: Sequence[Turn], *, at: float, ident: str
    ) -> None:
        if (manager := receiver.alertmanager) is not None:
            now, web = self._clock.now(), self._links()
            rows = [alert(turn.alarm, now=now, web=web) for turn in turns]
            token = {"Authorization": f"Bearer {_secret(manager.token_file)}"}
            await post(
                manager.url.rstrip("/") + ALERTS,
                msgspec.json.encode(rows),
                headers=token if manager.token_file else {},
                ca_file=manager.ca_file,
                subject=receiver.name,
            )
        elif (hook := receiver.webhook) is not None:
            data = body(turns, at=at, ident=ident, web=self._links())
            proof = {SIGNATURE: signed(_secret(hook.secret_file), data), "Idempotency-Key": ident}
            await post(hook.url, data, headers=proof, ca_file=hook.ca_file, subject=receiver.name)

    def _pause_s(self, name: str) -> float:
        tries = self._tries[name] = self._tries.get(name, 0) + 1
        return min(FIRST_AGAIN_S * float(2 ** min(tries - 1, 10)), LAST_AGAIN_S)

    def _went(self, receiver: ReceiverWant, error: IolausError | None) -> None:
        """How the last try ended; one line in the log when it goes, one when it is back."""
        before = self._stands(receiver)
        if error is None:
            self._tries.pop(receiver.name, None)
            if before.error:
                log.info("receiver_back", receiver=receiver.name)
        elif not before.error:
            log.warning("receiver_lost", receiver=receiver.name, why=error.message)
        self._standing[receiver.name] = msgspec.structs.replace(
            before,
            sent_at=before.sent_at if error else self._clock.now(),
            error=error.message if error else "",
            next_step=error.next_step if error else "",
        )

    def _stands(self, receiver: ReceiverWant) -> ReceiverStanding:
        want = receiver.alertmanager or receiver.webhook
        known = self._standing.get(receiver.name) or ReceiverStanding(
            name=receiver.name,
            kind="alertmanager" if receiver.alertmanager else "webhook",
            url=want.url if want else "",
        )
        return msgspec.structs.replace(known, waiting=len(self._outbox.waiting(receiver.name)))

    def _links(self) -> str:
        """What the addresses of pages begin with."""
        return (self._routes().web or self._web).rstrip("/")

    def _routes(self) -> RoutesSpec:
        return self.file.read().routes


def _secret(path: str | None) -> str:
    """What a file holds, read anew each time. Raises `OperatorMust`."""
    try:
        return Path(path).read_text(encoding="utf-8").strip() if path else ""
    except (OSError, ValueError) as error:
        raise OperatorMust(
            f"cannot be read: {error}",
            operation="send alarms",
            subject=str(path),
            code="SecretUnreadable",
            next_step="make the file readable for the server, or name another.",
        ) from None
