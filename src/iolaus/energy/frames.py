"""What the centre and the edges say to each other: budgets down, reports up, as JSON on a bus.

A bus loses, repeats, delays and reorders, so nothing here relies on it. A budget is a lease on the
edge's own clock. An edge takes a budget only if (epoch, seq) is greater than that of the last one
it took and `boot`, where it is given, is its own; everything else is ignored. A report
acknowledges by naming the newest budget taken.

A budget with `hold` only ever lowers: the edge takes its epoch and number, renews its lease and
keeps the lower of its budget in force and `budget_w`. The first budgets of an epoch are such; after
one is acknowledged no frame of an older centre can count any more, and what the report says is what
is in force. So are all budgets while more may be in force than a limit carries.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec

from iolaus.kernel.errors import DeviceLied

MAX_BYTES: Final = 1024 * 1024
BUDGETS: Final = "energy.budget"
REPORTS: Final = "energy.report"

Watts = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Excess = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Boot = Annotated[str, msgspec.Meta(max_length=64)]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A lease of `budget_w` to a rack for `expires_in_ms` from its arrival; then `floor_w`.
    `shares` proposes how to divide it, watts by node, in sum at most `budget_w`. `boot` is that
    of the report which it answers (empty: of any). `lost` are the domains without which it was
    planned, once everybody is known to have made room for their loss: what an edge had armed for
    it binds no longer. `partial`: more is planned for it, and waits until others have less."""

    epoch: Count
    seq: Count
    rack: Name
    budget_w: Watts
    floor_w: Watts
    expires_in_ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)]
    shares: dict[Name, Watts] = {}
    boot: Boot = ""
    hold: bool = False
    lost: tuple[Name, ...] = ()
    partial: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A rack as its edge sees it. `epoch` and `seq` are those of the newest budget taken (0: none).
    `applied_w` is the sum of the caps read back, `granted_w` the highest sum that may be in force
    now: what was written and not read back counts at the higher value, an unreachable node at the
    cap last read back or its nameplate. `demand_w` is each node's peak-hold upper bound.
    `measured_w` is the rack's whole draw, `excess_w` the most by which it drew more than its caps
    in the last moments (below zero: less); None where it is unknown or old. `latched` are nodes
    (or the rack) that a reflex holds down. `mono_s` is the edge's monotonic clock, which orders
    the reports of one `boot` (a word that differs for every start of the edge)."""

    epoch: Count
    seq: Count
    rack: Name
    applied_w: Watts
    granted_w: Watts
    demand_w: dict[Name, Watts] = {}
    measured_w: Watts | None = None
    excess_w: Excess | None = None
    unreachable: tuple[Name, ...] = ()
    latched: tuple[Name, ...] = ()
    mono_s: float = 0.0
    boot: Boot = ""


T = TypeVar("T")
_BUDGET: Final = msgspec.json.Decoder(Budget)
_REPORT: Final = msgspec.json.Decoder(Report)
_ENCODER: Final = msgspec.json.Encoder()


def encode(frame: Budget | Report) -> bytes:
    """As JSON (RFC 8259)."""
    return _ENCODER.encode(frame)


def parse_budget(data: bytes) -> Budget:
    """Raises `DeviceLied` for anything that is no budget."""
    return _parsed(data, _BUDGET, "budget")


def parse_report(data: bytes) -> Report:
    """Raises `DeviceLied` for anything that is no report."""
    return _parsed(data, _REPORT, "report")


def budget_topic(rack: str) -> str:
    """A bus topic is dotted words, so a dot in a name is written as an underscore."""
    return f"{BUDGETS}.{rack.replace('.', '_')}"


def report_topic(rack: str) -> str:
    return f"{REPORTS}.{rack.replace('.', '_')}"


def _parsed(data: bytes, decoder: msgspec.json.Decoder[T], word: str) -> T:
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"it is longer than {MAX_BYTES} bytes")
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DeviceLied(
            f"it is no {word}: {error}",
            operation="read frame",
            subject=word,
            code="FrameUnreadable",
            next_step="see what else writes to this topic.",
        ) from None
