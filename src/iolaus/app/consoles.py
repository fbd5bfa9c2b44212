"""The consoles of a house: opened when somebody comes, recorded from the first byte, shared by all.

A controller gives few console sessions, so each host's line is opened once, whoever watches. It is
closed a while after the last one left, unless it is kept: then it is recorded day and night. A line
that is lost is tried again, ever less often, and the gap is marked in the recording; one that a
person has to do something about (a login that is refused, a host key that is not known) is not
tried again until somebody comes anew, so that no account is ever locked from here.

Who opened, took over and shared a console is in the audit log. What is typed is written nowhere:
a recording holds what the host said, and a password that it does not echo is not in it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from iolaus.app.console_archive import OwnArchive
from iolaus.app.console_lines import Opened, OpensLines, Place, Wanted
from iolaus.app.console_sessions import OneSeat, Session
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, IolausError, OperatorMust
from iolaus.kernel.tasks import end
from iolaus.loop import Loop
from iolaus.model.audit import Record
from iolaus.model.console import Way
from iolaus.model.endpoint import Mode
from iolaus.north.consoles import ConsoleShare, ConsoleStanding, Findings, Guest, Sought
from iolaus.store.kept import KeptFile
from iolaus.store.recordings import Recording, Rotation

log = structlog.get_logger(__name__)
FOLDER: Final = "consoles"
SPOOL: Final = "console-spool"
NOT_NOW: Final = ("ConsoleBusy", "NoOwner", "Fenced")
"""Refusals that are over by themselves."""
MOST_OPEN: Final = 1024
LINGER_S: Final = 600.0
SYNC_S: Final = 2.0
SHARE: Final = "iolc"
SPOILT: Final = "Repair the file or move it away: then nothing of it is known."


class HostKey(msgspec.Struct, frozen=True, kw_only=True):
    """The SSH host key of an endpoint, as it was pinned."""

    address: str
    fingerprint: str
    pinned_at: float
    by: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A console that is recorded whether anybody watches or not."""

    uid: str
    node: str


class Archive(Protocol):
    """See `north.consoles.ConsoleRoom`."""

    async def find(self, sought: Sought) -> Findings: ...

    async def replay(self, sought: Sought) -> AsyncIterator[bytes] | None: ...

    async def tail(self, uid: str, most: int) -> bytes | None: ...


class Consoles:
    """Conforms to `north.consoles.ConsoleRoom`. `record` writes into the audit log. With an
    `archive` recordings are others', and what is written here only feeds who watches. With
    `trust_first` the first host key of every endpoint is believed: for a simulated hall only."""

    def __init__(
        self,
        *,
        folder: Path,
        place_of: Callable[[str], Place],
        lines: OpensLines,
        record: Callable[[Record], Awaitable[object]],
        clock: Clock,
        archive: Archive | None = None,
        trust_first: bool = False,
        rotation: Rotation | None = None,
        linger_s: float = LINGER_S,
    ) -> None:
        self._folder = folder / (FOLDER if archive is None else SPOOL)
        self._place_of, self._lines = place_of, lines
        self._write_down, self._clock, self._trust_first = record, clock, trust_first
        self._spools = archive is not None
        self._archive: Archive = archive or OwnArchive(self.recording)
        if self._spools:  # what the last life left
            shutil.rmtree(self._folder, ignore_errors=True)
        self._rotation, self._linger_s = rotation or Rotation(), linger_s
        self._sessions: dict[str, Session] = {}
        self._waiting: set[str] = set()
        self.loop = Loop(clock=clock, reconcile=self._reconcile, workers=MOST_OPEN, name="consoles")
        self._keys = KeptFile(
            folder / "console.keys", HostKey, word="keys", code="KeysSpoilt", next_step=SPOILT
        )
        self._kept = KeptFile(
            folder / "console.kept", Kept, word="consoles", code="KeptSpoilt", next_step=SPOILT
        )
        self._shares = KeptFile(
            folder / "console.shares",
            ConsoleShare,
            word="shares",
            code="SharesSpoilt",
            next_step=SPOILT,
        )

    # --- what stands ----------------------------------------------------------------------------

    def all(self) -> Sequence[ConsoleStanding]:
        found = [session.standing for session in self._sessions.values()]
        return sorted(found, key=lambda each: each.node)

    def recording(self, uid: str) -> Recording | None:
        if uid in self._sessions:
            return self._sessions[uid].recording
        folder = self._folder / _safe(uid)
        return Recording(folder, self._rotation) if folder.is_dir() else None

    async def join(
        self, uid: str, guest: Guest, *, way: Way | None = None, trust_first: bool = False
    ) -> OneSeat:
        session = self._session(uid)
        did = "watch" if session.seats or session.line else "open"
        await self._tell(session, guest.name, did)
        if way is not None:
            session.wanted = way
        session.trust_first = session.trust_first or trust_first
        seat = session.sit(guest)
        if session.line is None:
            session.tries = 0
            session.turn("connecting")
            self.loop.wake(uid)
        return seat

    async def find(self, sought: Sought) -> Findings:
        return await self._archive.find(sought)

    async def replay(self, sought: Sought) -> AsyncIterator[bytes] | None:
        return await self._archive.replay(sought)

    async def tail(self, uid: str, most: int) -> bytes | None:
        """The last of what was recorded; None: nothing ever."""
        return await self._archive.tail(uid, most)

    def _session(self, uid: str) -> Session:
        if uid not in self._sessions:
            place, folder = self._place_of(uid), self._folder / _safe(uid)
            if self._spools:  # one that ends removes its own
                folder /= secrets.token_hex(4)
            self._sessions[uid] = Session(
                uid=uid,
                node=place.node,
                recording=Recording(folder, self._rotation),
                clock=self._clock,
                is_managed=lambda: self._is_managed(uid),
                told=self._tell,
            )
        return self._sessions[uid]

    def _is_managed(self, uid: str) -> bool:
        try:
            return self._place_of(uid).target.mode is Mode.MANAGED
        except OperatorMust:
            return False

    # --- the lines ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Does not return. What is kept is opened; what nobody needs is closed."""
        for each in self._kept.load():
            self._begin_kept(each)
        looping = asyncio.create_task(self.loop.run())
        try:
            while True:
                await self._clock.sleep(SYNC_S)
                await self._tidy()
        finally:
            await end(looping)
            for session in self._sessions.values():
                self._put_away(session)

    def _begin_kept(self, each: Kept) -> None:
        try:
            session = self._session(each.uid)
        except OperatorMust as error:  # its endpoint is not known yet: looked for again
            if each.uid not in self._waiting:
                self._waiting.add(each.uid)
                log.info("console_waits", node=each.node, why=error.message)
            return
        session.kept = True
        self.loop.wake(each.uid)

    async def _tidy(self) -> None:
        live = [each for each in self._sessions.values() if each.line is not None]
        for each in live:
            await asyncio.to_thread(each.recording.sync)
        now = self._clock.monotonic()
        kept = [each for each in self._kept.load() if each.uid not in self._sessions]
        for session in list(self._sessions.values()):
            if session.kept or session.seats or now - session.empty_since < self._linger_s:
                continue
            self.close(session.uid)
        for one in kept:
            self._begin_kept(one)

    def is_open(self, uid: str) -> bool:
        """Whether its line is."""
        return uid in self._sessions and self._sessions[uid].line is not None

    def keep_on(self, uid: str, *, kept: bool) -> None:
        """Whether its session, if there is one, goes on when nobody watches; until the end of this
        process, and told by whoever remembers it."""
        if (session := self._sessions.get(uid)) is not None:
            session.kept = kept

    def close(self, uid: str) -> None:
        """End its session, whoever has a seat; its line is closed."""
        if (session := self._sessions.pop(uid, None)) is None:
            return
        self.loop.forget(uid)
        if session.line is None:
            self._put_away(session)

    def _put_away(self, session: Session) -> None:
        session.recording.close()
        if self._spools:
            shutil.rmtree(session.recording.folder, ignore_errors=True)

    async def _reconcile(self, key: Hashable) -> float | None:
        """Open a line and record it until it ends."""
        session = self._sessions.get(str(key))
        if session is None or session.line is not None:
            return None
        try:
            opened = await self._open(session)
        except OperatorMust as error:
            session.turn("refused", error)
            return None
        except IolausError as error:
            is_final = isinstance(error, DeviceRefused) and error.code not in NOT_NOW
            stands = is_final or error.code == "ConsoleBusy"
            session.turn("refused" if stands else "lost", error)
            return None if is_final else session.pause_s()
        return await self._recorded(session, opened)

    async def _recorded(self, session: Session, opened: Opened) -> float:
        error: IolausError | None = None
        line, why = opened.line, "it was closed from here"
        try:
            session.opened(opened)
            await session.pump(line)
            why = "the controller ended it"
        except IolausError as raised:
            error = raised
        finally:
            await line.aclose()
            pause_s = session.closed(error, why)
            if self._sessions.get(session.uid) is not session:
                self._put_away(session)
        return pause_s

    async def _open(self, session: Session) -> Opened:
        place = self._place_of(session.uid)
        address = place.target.address
        known = {each.address: each.fingerprint for each in self._keys.load()}
        opened = await self._lines.open(
            Wanted(
                uid=session.uid,
                place=place,
                way=session.wanted,
                host_key=known.get(address),
                first=session.trust_first or self._trust_first,
                kept=lambda: session.kept,
            )
        )
        if opened.line.shown and address not in known:
            await self._pin(session, address, opened.line.shown)
        return opened

    # --- host keys, shares, what is kept --------------------------------------------------------

    async def _pin(self, session: Session, address: str, shown: str) -> None:
        key = HostKey(address=address, fingerprint=shown, pinned_at=self._clock.now())
        self._keys.save([*(k for k in self._keys.load() if k.address != address), key])
        await self._tell(session, "server", f"pin host key {shown}")

    def know_key(self, address: str, fingerprint: str | None) -> None:
        """What others pinned, or forgot."""
        known = self._keys.load()
        mine = next((each.fingerprint for each in known if each.address == address), None)
        if mine == fingerprint:
            return
        others = [each for each in known if each.address != address]
        now = self._clock.now()
        told = HostKey(address=address, fingerprint=fingerprint or "", pinned_at=now)
        self._keys.save([*others, told] if fingerprint else others)

    async def forget_key(self, uid: str, *, by: str) -> bool:
        place = self._place_of(uid)
        known = self._keys.load()
        left = [each for each in known if each.address != place.target.address]
        if len(left) == len(known):
            return False
        await self._record(by, "forget host key", place.node)
        self._keys.save(left)
        return True

    async def keep(self, uid: str, *, kept: bool, by: str) -> ConsoleStanding:
        session = self._session(uid)
        await self._tell(session, by, "record always" if kept else "record when watched")
        others = [each for each in self._kept.load() if each.uid != uid]
        mine = [Kept(uid=uid, node=session.node)] if kept else []
        self._kept.save([*others, *mine])
        session.kept, session.empty_since = kept, self._clock.monotonic()
        if kept and session.line is None:
            self.loop.wake(uid)
        return session.standing

    async def share(self, uid: str, *, by: str, for_s: float) -> tuple[str, ConsoleShare]:
        place, now = self._place_of(uid), self._clock.now()
        ident, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        share = ConsoleShare(
            id=ident,
            digest=_digest(secret),
            uid=uid,
            node=place.node,
            made_by=by,
            made_at=now,
            expires_at=now + for_s,
        )
        await self._record(by, f"share {ident} for {for_s:.0f} s", place.node)
        self._shares.save([*self.shares(), share])
        return f"{SHARE}_{ident}_{secret}", share

    async def unshare(self, ident: str, *, by: str) -> bool:
        found = next((each for each in self.shares() if each.id == ident), None)
        if found is None:
            return False
        await self._record(by, f"unshare {ident}", found.node)
        self._shares.save([each for each in self.shares() if each.id != ident])
        return True

    def shares(self) -> Sequence[ConsoleShare]:
        now = self._clock.now()
        return [each for each in self._shares.load() if each.expires_at > now]

    def shared(self, text: str) -> ConsoleShare | None:
        prefix, _, rest = text.partition("_")
        ident, _, secret = rest.partition("_")
        found = next((each for each in self.shares() if each.id == ident), None)
        digest = found.digest if found else _digest("")
        matches = hmac.compare_digest(_digest(secret), digest)
        return found if found and matches and prefix == SHARE else None

    async def note(self, who: str, did: str, node: str) -> None:
        await self._record(who, did, node)

    async def _tell(self, session: Session, who: str, did: str) -> None:
        await self._record(who, did, session.node)

    async def _record(self, who: str, did: str, node: str) -> None:
        detail = msgspec.json.encode({"did": did}).decode()
        record = Record(who=who, what="console", subject=f"node/{node}", detail=detail)
        await self._write_down(record)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _safe(uid: str) -> str:
    """A uid as the name of a folder: as it is, if it is one of ours."""
    plain = uid.replace("-", "")
    return uid if plain.isalnum() and plain.isascii() else _digest(uid)
