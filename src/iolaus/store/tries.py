"""Failed logins as the controllers count them: by device, for as long as they count.

`store.logins` remembers when the lane may try again and forgets it with another credential; a
controller forgets nothing then. So every failure stands here too, and a try is written down before
it is made: whoever is killed in the middle of one has failed it, as far as anybody can know. An
append-only file of one line each, not flushed: after a power cut one try more does no harm. Where
the disk cannot be written the count goes on in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import IolausError
from iolaus.model.credential import AccountPolicy
from iolaus.store.database import explain
from iolaus.store.files import PRIVATE_FILE, replace_file

log = structlog.get_logger(__name__)
KEPT_S: Final = 2 * 86_400.0
MOST_LINES: Final = 20_000
_line = msgspec.json.Decoder(tuple[str, float, bool])


class Tries:
    """Raises `OperatorMust` or `WeErred` if the file cannot be opened; damaged lines are
    skipped."""

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path, self._clock = path, clock or WallClock()
        self._failed: dict[str, list[float]] = {}
        self._load()
        self._descriptor = self._compact()

    def failures(self, address: str, *, within_s: float) -> tuple[float, ...]:
        """When logins failed there (seconds since 1970), those that still count: a controller
        starts its count anew so long after the last failure (DSP0268, AccountService,
        AccountLockoutCounterResetAfter), so each one makes those before it count for longer."""
        run: list[float] = []
        later = self._clock.now()
        for at in sorted(self._failed.get(address, ()), reverse=True):
            if later - at >= within_s:
                break
            run.append(at)
            later = at
        return tuple(reversed(run))

    def begin(self, address: str) -> float:
        """A login is about to be tried. It failed, unless `succeeded` takes that back; to be
        handed in there."""
        at = self._clock.now()
        self._failed.setdefault(address, []).append(at)
        self._append(address, at, failed=True)
        return at

    def succeeded(self, address: str, began: float) -> None:
        """The try that began then was let in, or was never judged."""
        mine = self._failed.get(address, [])
        if began in mine:
            mine.remove(began)
            self._append(address, began, failed=False)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, address: str, at: float, *, failed: bool) -> None:
        self._lines += 1
        try:
            if self._lines > MOST_LINES:
                old, self._descriptor = self._descriptor, self._compact()
                os.close(old)
            elif self._descriptor >= 0:
                line = msgspec.json.encode((address, at, failed)) + b"\n"
                os.write(self._descriptor, line)
        except (OSError, IolausError) as error:
            log.warning("tries_not_written", error=str(error))

    def _compact(self) -> int:
        """Only what may still count, written anew and opened for appending."""
        since = self._clock.now() - KEPT_S
        kept = {a: [t for t in times if t > since] for a, times in self._failed.items()}
        self._failed = {address: times for address, times in kept.items() if times}
        lines = [(a, t, True) for a, times in self._failed.items() for t in times]
        self._lines = len(lines)
        replace_file(self._path, b"".join(msgspec.json.encode(each) + b"\n" for each in lines))
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND, PRIVATE_FILE)
        except OSError as error:
            raise explain(error, operation="write tries", subject=str(self._path)) from error

    def _load(self) -> None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise explain(error, operation="read tries", subject=str(self._path)) from error
        for line in filter(None, content.split(b"\n")):
            try:
                address, at, failed = _line.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            mine = self._failed.setdefault(address, [])
            if failed:
                mine.append(at)
            elif at in mine:
                mine.remove(at)


class Memory(Protocol):
    """The lane's memory of refusals (`store.logins.Logins`)."""

    def recall(self, address: str) -> tuple[int, float]: ...

    def remember(self, address: str, *, failures: int, wait_s: float) -> None: ...

    def forget(self, address: str) -> None: ...


def held_s(failed: Sequence[float], policy: AccountPolicy, *, now: float) -> float:
    """Seconds until a login that may fail may be tried; 0 now. `failed` are the failures that
    still count, the last at the end."""
    if len(failed) < policy.may_fail:
        return 0.0
    if not failed:
        return policy.counts_s
    return min(max(0.0, failed[-1] + policy.counts_s - now), policy.counts_s)


class CountedLogins:
    """The lane's memory, of which every refusal counts among the tries, and every login that was
    sent and not answered; it lets the lane wait for as long as those count. `policy_of` is what is
    known of an endpoint's accounts."""

    def __init__(
        self,
        logins: Memory,
        tries: Tries,
        *,
        policy_of: Callable[[str], AccountPolicy],
        clock: Clock,
    ) -> None:
        self._logins, self._tries = logins, tries
        self._policy_of, self._clock = policy_of, clock

    def not_before_s(self, address: str) -> float:
        policy = self._policy_of(address)
        failed = self._tries.failures(address, within_s=policy.counts_s)
        return held_s(failed, policy, now=self._clock.now())

    def recall(self, address: str) -> tuple[int, float]:
        return self._logins.recall(address)

    def remember(self, address: str, *, failures: int, wait_s: float) -> None:
        self._tries.begin(address)
        self._logins.remember(address, failures=failures, wait_s=wait_s)

    def forget(self, address: str) -> None:
        self._logins.forget(address)

    def unanswered(self, address: str) -> float:
        return self._tries.begin(address)

    def answered(self, address: str, began: float) -> None:
        self._tries.succeeded(address, began)
