"""Nodes drained by the word of a person, and the adapters that drains go through.

What `iolaus drain` asks for is written down before the adapter is asked, and stays written until
the node is given back, so a death between the two loses nothing: `run` begins it again, which the
adapters make harmless, and keeps asking how it stands, because for some it is the asking that
pushes (docs/drains.md). Undoing goes through the adapter's own receipt and mark, so it undoes what
we did and no more. A drain that a person has to do by hand goes on when somebody with a name says
so, whether a person or a roll-out asked for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog
import yaml

from iolaus.bus.local import LocalBus
from iolaus.fleet.drain.manual import ManualMark, ManualWord
from iolaus.fleet.drain.port import Drained, DrainPhase, Drains, DrainTarget
from iolaus.fleet.drain.settings import DrainSettings, ManualSettings, open_drains, read_drains
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, DeviceSilent, IolausError, OperatorMust, PolicyRefused
from iolaus.north.context import StandingDrain
from iolaus.store.drains import KeptDrain, KeptMark, StoredDrains
from iolaus.store.facts import Facts

log = structlog.get_logger(__name__)
TOPIC: Final = "rollouts"
EVERY_S: Final = 15.0
PASSING: Final = (DeviceSilent, DeviceLied)
"""After these it is not known whether the adapter did what it was asked."""
Going = Callable[[], Awaitable[Iterable[StandingDrain]]]
"""The drains that roll-outs began and have not given back."""


class Adapters:
    """The drains of `drains.yaml` by name, each opened when it is first called."""

    def __init__(self, path: Path, *, clock: Clock, kept: StoredDrains) -> None:
        self._path, self._clock, self._kept = path, clock, kept
        self._open: dict[str, Drains] = {}

    def settings(self) -> dict[str, DrainSettings]:
        return read_settings(self._path)

    def called(self, name: str) -> Drains:
        """Raises `OperatorMust` for a name that is not described."""
        if name not in self._open:
            settings = self.settings()
            if name not in settings:
                raise self._no_such(f"no drains are called {name!r}", settings)
            self._open[name] = open_drains(
                settings[name], name=name, clock=self._clock, marks=self._marks
            )
        return self._open[name]

    def only(self) -> str:
        """The name where there is one alone. Raises `OperatorMust` where one must be chosen."""
        settings = self.settings()
        if len(settings) != 1:
            why = "which drains is not said" if settings else "no drains are described"
            raise self._no_such(why, settings)
        return next(iter(settings))

    def is_manual(self, name: str) -> bool:
        return isinstance(self.settings().get(name), ManualSettings)

    async def close(self) -> None:
        for drains in self._open.values():
            await drains.aclose()

    async def _marks(self, uid: str, reason: str) -> ManualMark | None:
        if (mark := await self._kept.said(uid, reason)) is None:
            return None
        return ManualMark(word=ManualWord(mark.word), by=mark.by, note=mark.note)

    def _no_such(self, why: str, settings: Iterable[str]) -> OperatorMust:
        known = ", ".join(sorted(settings))
        describe = f"describe them in {self._path} (docs/drains.md)."
        return OperatorMust(
            why,
            operation="drain",
            subject=self._path.name,
            code="NoSuchDrains",
            next_step=f"use one of {known}, or {describe}" if known else describe,
        )


class Draining:
    """`north`'s port `DrainsNodes`, and the loop behind it. `going` are the drains of roll-outs,
    `wake` tells them that a person said something, and `acting` whether this process is the one
    that does what is written down."""

    def __init__(
        self,
        *,
        facts: Facts,
        kept: StoredDrains,
        adapters: Adapters,
        bus: LocalBus,
        clock: Clock,
        going: Going,
        wake: Callable[[], None],
        acting: Callable[[], bool],
    ) -> None:
        self._facts, self._kept, self._adapters = facts, kept, adapters
        self._bus, self._clock = bus, clock
        self._going, self._wake, self._acting = going, wake, acting
        self._seen: dict[str, StandingDrain] = {}

    async def all(self) -> Sequence[StandingDrain]:
        """Of people and of roll-outs."""
        mine = [_standing(kept) for kept in await self._kept.all()]
        found = [*mine, *[await self._heard(each) for each in await self._going()]]
        self._seen = {each.uid: each for each in reversed(found)}
        return found

    def of(self, uid: str) -> StandingDrain | None:
        """A node's drain as it was last seen, not long ago."""
        return self._seen.get(uid)

    def is_drained(self, uid: str) -> bool:
        """As it was last seen; what is not known is not drained."""
        seen = self.of(uid)
        return seen is not None and seen.phase == DrainPhase.DRAINED.value

    async def _heard(self, drain: StandingDrain) -> StandingDrain:
        """With what a person said of it, which the roll-out hears at its next look."""
        mark = await self._kept.said(drain.uid, drain.mark)
        if mark is None or drain.phase != DrainPhase.DRAINING.value:
            return drain
        phase = DrainPhase.DRAINED if mark.word == ManualWord.DONE else DrainPhase.REFUSED
        detail = f"{mark.by} says {mark.word}" + (f": {mark.note}" if mark.note else "")
        return msgspec.structs.replace(drain, phase=phase.value, detail=detail, since=mark.at)

    async def drain(self, uid: str, name: str, *, adapter: str, reason: str, by: str) -> None:
        """Written down, then begun. A silent adapter is asked again by itself; what it refuses is
        not kept. Raises `PolicyRefused` (code AlreadyDrained), and what the adapter raises."""
        adapter = adapter or self._adapters.only()
        self._adapters.called(adapter)
        if (before := await self._kept.get(uid)) is not None:
            raise PolicyRefused(
                f"{before.by} had it drained: {before.reason}",
                operation="drain",
                subject=name,
                code="AlreadyDrained",
                next_step=f"see it with: iolaus describe drain/{name}",
            )
        now = self._clock.now()
        kept = KeptDrain(
            uid=uid, name=name, adapter=adapter, reason=reason, by=by, at=now, since=now
        )
        await self._kept.put(kept)
        try:
            await self._look(kept)
        except IolausError as error:
            begun = await self._kept.get(uid)
            if not isinstance(error, PASSING) and (begun is None or begun.receipt is None):
                await self._kept.remove(kept)
                raise
            await self._note(kept, DrainPhase.UNKNOWN.value, error.message, ())
        await self._changed(name)

    async def undrain(self, uid: str, name: str, *, by: str) -> None:
        """Give back what `drain` took. Raises `OperatorMust` (code NotDrained), and what the
        adapter raises: then it stays written, to be asked again."""
        kept = await self._kept.get(uid)
        if kept is None:
            raise OperatorMust(
                "nobody had it drained through here",
                operation="undrain",
                subject=name,
                code="NotDrained",
                next_step="what others drained is theirs to give back, a roll-out's is its own.",
            )
        kept = await self._begun(kept)
        assert kept.receipt is not None
        drained = msgspec.convert(kept.receipt, Drained)
        await self._adapters.called(kept.adapter).undo(self._target(kept), drained)
        await self._kept.remove(kept)
        log.info("undrained", node=name, by=by)
        await self._changed(name)

    async def say(self, uid: str, name: str, *, word: str, note: str, by: str) -> None:
        """What a person says of drains that wait for one. Raises `OperatorMust` where none does."""
        open_ = [each for each in await self.all() if each.uid == uid]
        mine = [each for each in open_ if self._adapters.is_manual(each.adapter)]
        if not mine:
            asked = f"its drain is asked of {open_[0].adapter}" if open_ else "it has no drain"
            raise OperatorMust(
                f"{asked}, and no person is waited for",
                operation=f"say {word}",
                subject=name,
                code="NobodyWaits",
                next_step="see which drains there are with: iolaus get drains",
            )
        mark = KeptMark(word=word, by=by, note=note, at=self._clock.now())
        for each in mine:
            await self._kept.say(uid, each.mark, mark)
        if (kept := await self._kept.get(uid)) is not None:
            await self._look(kept)
        self._wake()
        await self._changed(name)

    async def run(self) -> None:
        """Does not return."""
        while True:
            with contextlib.suppress(IolausError):  # the database, which says so elsewhere
                if self._acting():
                    await self.look_again()
                await self.all()
            await self._clock.sleep(EVERY_S)

    async def look_again(self) -> None:
        """How each stands now. What one adapter raises is its drain's own state."""
        for kept in await self._kept.all():
            try:
                await self._look(kept)
            except IolausError as error:
                await self._note(kept, DrainPhase.UNKNOWN.value, error.message, ())

    async def _look(self, kept: KeptDrain) -> None:
        """How it stands now; begun first where that is not known to have been."""
        kept = await self._begun(kept)
        assert kept.receipt is not None
        drained = msgspec.convert(kept.receipt, Drained)
        state = await self._adapters.called(kept.adapter).state(self._target(kept), drained)
        await self._note(kept, state.phase.value, state.detail, state.remaining)

    async def _begun(self, kept: KeptDrain) -> KeptDrain:
        if kept.receipt is not None:
            return kept
        drains = self._adapters.called(kept.adapter)
        drained = await drains.begin(self._target(kept), reason=kept.mark)
        begun = msgspec.structs.replace(kept, receipt=msgspec.to_builtins(drained))
        await self._kept.put(begun)
        return begun

    async def _note(
        self, kept: KeptDrain, phase: str, detail: str, remaining: tuple[str, ...]
    ) -> None:
        if (kept.phase, kept.detail, kept.remaining) == (phase, detail, remaining):
            return
        now = await self._kept.get(kept.uid)
        if now is None:
            return  # given back meanwhile
        since = kept.since if phase == kept.phase else self._clock.now()
        noted = msgspec.structs.replace(
            now, phase=phase, detail=detail, remaining=remaining, since=since
        )
        await self._kept.put(noted)
        await self._changed(kept.name)

    async def _changed(self, name: str) -> None:
        await self.all()
        self._bus.publish(TOPIC, name)

    def _target(self, kept: KeptDrain) -> DrainTarget:
        found = self._facts.find_asset(kept.uid)
        if found is None:
            return DrainTarget(uid=kept.uid, name=kept.name)
        held, asset = found
        return DrainTarget(
            uid=kept.uid, name=kept.name, hostname=asset.hostname, labels=held.target.labels
        )


def _standing(kept: KeptDrain) -> StandingDrain:
    return StandingDrain(
        uid=kept.uid,
        node=kept.name,
        adapter=kept.adapter,
        reason=kept.reason,
        mark=kept.mark,
        by=kept.by,
        at=kept.at,
        phase=kept.phase,
        detail=kept.detail,
        remaining=kept.remaining,
        since=kept.since,
    )


def read_settings(path: Path) -> dict[str, DrainSettings]:
    """The drains of a file; none where there is no file. Raises `OperatorMust`."""
    if not path.is_file():
        return {}
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OperatorMust(
            f"it cannot be read: {error}",
            operation="read",
            subject=str(path),
            code="DrainSettingsInvalid",
            next_step="correct it; docs/drains.md shows how it is written.",
        ) from None
    return read_drains(told, source=str(path))
