"""What a core says to the owner of a device, and what it hears back; sealed.

A letter is one request for a lane, an answer what the lane said: an answer of the device, or an
error by the name of its class. Both are sealed with the key of the logins, because a new password
may be in one, and nobody without the key can write one that is obeyed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog

from iolaus.app.console_archive import Span
from iolaus.drivers.lane import GivenUp, HeldBack
from iolaus.drivers.probe import ProbeResult
from iolaus.energy.holding import HeldCap
from iolaus.energy.ports import Latch
from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    IolausError,
    OperatorMust,
    PolicyRefused,
    Unverified,
    WeErred,
)
from iolaus.model.console import ConsoleWay, Way
from iolaus.model.endpoint import Target
from iolaus.model.surface import Surface
from iolaus.north.consoles import Sought
from iolaus.store.packing import pack, unpack
from iolaus.store.searching import Hit
from iolaus.wire.redfish.port import Answer, Credential

log = structlog.get_logger(__name__)
LABEL: Final = b"iolaus-letter-1\n"
MOST_BYTES: Final = 7 * 1024 * 1024
"""Sealed; the servers of the bus are set to take 8 MiB."""


class ConsoleAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a console of `uid`. `do`: open, read (from `offset` on, which is meant for
    the recording at `member`), type, leave. `tail`: so many bytes of before are wanted by who was
    never there."""

    do: str
    uid: str
    node: str
    systems: tuple[str, ...] = ()
    way: Way | None = None
    host_key: str | None = None
    first: bool = False
    kept: bool = False
    member: str = ""
    offset: int = 0
    tail: int = 0
    wait_s: float = 0.0
    data: bytes = b""

    def __repr__(self) -> str:
        return f"ConsoleAsk({self.do} {self.node})"


class ConsoleTold(msgspec.Struct, frozen=True, kw_only=True):
    """`offset` is where in the recording of `member` `data` begins, or what is to be read does."""

    member: str
    offset: int = 0
    data: bytes = b""
    way: ConsoleWay | None = None
    shown: str = ""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """`epoch` is the owner's, `term` the leader's. `until` (seconds since 1970) is when it is no
    longer worth an effect. `do`: read, write, fetch, part (of an image, at `offset`), push, login,
    anew, console, type. One that comes twice has the same `id`."""

    epoch: int
    term: int
    until: float
    do: str
    target: Target
    id: str = ""
    priority: int = 3
    method: str = "GET"
    uri: str = ""
    body: dict[str, Any] | None = None
    if_match: str | None = None
    fresh_s: float = 0.0
    deadline_s: float | None = None
    timeout_s: float | None = None
    image: str = ""
    offset: int = 0
    chunk: bytes = b""
    content_type: str = ""
    max_bytes: int = 0
    login: Credential | None = None
    beside: Credential | None = None
    console: ConsoleAsk | None = None

    def __repr__(self) -> str:
        return f"Letter({self.do} {self.method} {self.target.address}{self.uri})"


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """An error on its way; `kind` is the name of its class."""

    kind: str
    message: str
    operation: str
    subject: str
    code: str
    next_step: str
    status: int = 0
    retry_after_s: float | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """`data` is a file of the device; `let_in` answers a login that was tried."""

    answer: Answer | None = None
    trouble: Trouble | None = None
    data: bytes | None = None
    let_in: bool | None = None
    console: ConsoleTold | None = None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks of a rack, of its edge. `do`: release, hold, clear (with
    `restore`: what was before is put back), isolate, unisolate."""

    term: int
    until: float
    do: str
    rack: str
    subject: str
    by: str
    reason: str
    watts: float = 0.0
    for_s: float = 0.0
    restore: bool = True


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """`confirmed`: whether the building says that it is so."""

    trouble: Trouble | None = None
    latches: tuple[Latch, ...] = ()
    cap: HeldCap | None = None
    confirmed: bool = False


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What a core asks any edge of a site to look at. `do`: probe, shown, trusted, survey (as of
    `now`), all of `target`; search. And one edge: find, span, piece, of what it recorded."""

    term: int
    until: float
    do: str
    site: str
    target: Target | None = None
    now: float = 0.0
    sought: Sought | None = None


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """`trouble`: nobody could look. `said` is what a probe that was made ran into."""

    trouble: Trouble | None = None
    found: ProbeResult | None = None
    said: Trouble | None = None
    addresses: tuple[str, ...] = ()
    fingerprint: str = ""
    trusted: bool = False
    surface: Surface | None = None
    hits: dict[str, tuple[Hit, ...]] = {}
    span: Span | None = None
    offset: int = 0
    data: bytes = b""


class Seals(Protocol):
    def seal(self, content: bytes, *, label: bytes) -> bytes: ...

    def unseal(self, sealed: bytes, *, label: bytes, what: Path) -> bytes: ...


Carried = TypeVar("Carried", Letter, Reply, Wish, Granted, Errand, Brought)
_DECODERS: Final[dict[type, msgspec.msgpack.Decoder[Any]]] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in (Letter, Reply, Wish, Granted, Errand, Brought)
}
_KINDS: Final[dict[str, Callable[..., IolausError]]] = {
    kind.__name__: kind
    for kind in (
        DeviceSilent,
        GivenUp,
        DeviceRefused,
        HeldBack,
        DeviceLied,
        OperatorMust,
        PolicyRefused,
        Unverified,
        WeErred,
    )
}


def seal(seals: Seals, content: Carried) -> bytes:
    """Raises `DeviceLied` where it is too large for the bus."""
    sealed = seals.seal(pack(content), label=LABEL)
    if len(sealed) > MOST_BYTES:
        raise DeviceLied(
            f"{len(sealed)} bytes are too many for the bus",
            operation="carry",
            subject="letter",
            code="TooLarge",
            next_step="look at the device itself; what it says there is unusually long.",
        )
    return sealed


def opened(seals: Seals, sealed: bytes, kind: type[Carried]) -> Carried:
    """Raises `Unverified` for what was not sealed with our key, `WeErred` for what is none."""
    content = seals.unseal(sealed, label=LABEL, what=Path("letter"))
    try:
        found: Carried = unpack(content, _DECODERS[kind])
    except (ValueError, RecursionError) as error:
        raise WeErred(
            f"it is no letter: {error}",
            operation="read letter",
            subject="bus",
            code="LetterUnreadable",
            next_step="run one version on all machines.",
        ) from None
    return found


async def answered(
    seals: Seals,
    said: Awaitable[Carried],
    failed: Callable[..., Carried],
    *,
    who: str,
    operation: str,
    subject: str,
) -> bytes:
    """What is answered, sealed. Whatever fails on the way, its size too, is an answer."""
    try:
        return seal(seals, await said)
    except Exception as error:  # noqa: BLE001 - supervised: one message's bug is that message's
        met = trouble_met(error, who=who, operation=operation, subject=subject)
        return seal(seals, failed(trouble=met))


def trouble_met(error: Exception, *, who: str, operation: str, subject: str) -> Trouble:
    """What is answered where something failed. What nobody foresaw is written down, and is the
    trouble of that one message."""
    if not isinstance(error, IolausError):
        log.error("message_erred", operation=operation, exc_info=error)
        error = WeErred(f"the {who} erred", operation=operation, subject=subject)
    return trouble_of(error)


def trouble_of(error: IolausError) -> Trouble:
    kinds = (kind.__name__ for kind in type(error).__mro__)
    return Trouble(
        kind=next(name for name in kinds if name in _KINDS or name == "IolausError"),
        message=error.message,
        operation=error.operation,
        subject=error.subject,
        code=error.code,
        next_step=error.next_step,
        status=getattr(error, "status", 0),
        retry_after_s=getattr(error, "retry_after_s", None),
    )


def error_of(trouble: Trouble) -> IolausError:
    """As it was raised where it was."""
    kind = _KINDS.get(trouble.kind, WeErred)
    words: dict[str, Any] = {
        "operation": trouble.operation,
        "subject": trouble.subject,
        "code": trouble.code,
        "next_step": trouble.next_step,
    }
    if kind in (DeviceRefused, HeldBack):
        words |= {"status": trouble.status, "retry_after_s": trouble.retry_after_s}
    return kind(trouble.message, **words)
