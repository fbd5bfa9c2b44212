"""Guardrails: whether the building does what it was asked to. Pure.

The building is the authority: a request is judged here against limits and against the state of
rack and loop, and every judgement is a `Response` that the building publishes, so that nobody has
to guess. Power is cut before coolant is; what was wet is not opened again while it may be wet;
machines get no power before they have coolant; a set point of a system that fell silent is given
up for the building's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite
from typing import Final

SILENT_S: Final = 30.0
LITTLE_W: Final = 500.0


class Response(IntEnum):
    NONE = 0
    ACCEPTED = 1
    OUT_OF_RANGE = 2
    TOO_FAR = 3
    BAD_QUALITY = 4
    STILL_POWERED = 5
    MAY_BE_WET = 6
    NO_COOLANT = 7
    INTEGRATION_SILENT = 8
    NOT_UNDERSTOOD = 9

    @classmethod
    def names(cls) -> Sequence[str]:
        return ["".join(word.capitalize() for word in item.name.split("_")) for item in cls]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of a supply temperature's set point: range, farthest step, and the building's own."""

    low_c: float = 25.0
    high_c: float = 45.0
    step_c: float = 5.0
    own_c: float = 36.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RackState:
    """None is not known, and is taken for the worse."""

    power_w: float | None
    dark: bool
    shut: bool
    leak: bool | None
    fault: bool | None


def judge_set_point(
    value: float | None, quality: int, *, now_c: float, silent_s: float, limits: Limits
) -> Response:
    """`value` None withdraws the request; `now_c` is the set point that holds."""
    if quality != 1:
        return Response.BAD_QUALITY
    if silent_s > SILENT_S:
        return Response.INTEGRATION_SILENT
    if value is None:
        return Response.ACCEPTED
    if not isfinite(value) or not limits.low_c <= value <= limits.high_c:
        return Response.OUT_OF_RANGE
    return Response.TOO_FAR if abs(value - now_c) > limits.step_c else Response.ACCEPTED


def judge_isolation(
    value: float | None, quality: int, *, liquid: bool, rack: RackState
) -> Response:
    """1 asks to isolate, 0 to open again, -1 says that the asker does not know (nothing is done
    then). A request to isolate needs no heartbeat: better once too often."""
    if quality != 1 or value is None:
        return Response.BAD_QUALITY
    if value not in (-1.0, 0.0, 1.0):
        return Response.NOT_UNDERSTOOD
    if value == 1.0 and liquid and not _unpowered(rack):
        return Response.STILL_POWERED
    if (
        value == 0.0
        and (rack.leak is not False or rack.fault is not False)
        and _isolated(rack, liquid)
    ):
        return Response.MAY_BE_WET
    if value == 0.0 and not liquid and rack.dark and rack.shut:
        return Response.NO_COOLANT
    return Response.NONE if value == -1.0 else Response.ACCEPTED


def _unpowered(rack: RackState) -> bool:
    return rack.dark or (rack.power_w is not None and rack.power_w < LITTLE_W)


def _isolated(rack: RackState, liquid: bool) -> bool:
    return rack.shut if liquid else rack.dark
