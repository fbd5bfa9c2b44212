"""The state a device says it is in: DSP0274's device mode block, and the flags of DICE layers.

Only states that undermine every other measurement decide the axis by themselves: a debugger that
can change what runs, now or since the last reset. What was debugged before, and watching without
changing, are findings that policy may weigh. A device that says nothing has no lifecycle, which
is not the same as a good one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from iolaus.model.trust import Finding, Lifecycle, Measurement
from iolaus.wire.dice import TcbInfo

_SIZE: Final = 16
_MANUFACTURING, _VALIDATION, _NORMAL, _RECOVERY, _RMA, _DECOMMISSIONED = (1 << n for n in range(6))
_MODES: Final = (
    (_MANUFACTURING, Lifecycle.MANUFACTURING, "manufacturing-mode", "is in manufacturing mode"),
    (_VALIDATION, Lifecycle.MANUFACTURING, "validation-mode", "is in validation mode"),
    (_RMA, Lifecycle.RMA, "rma-mode", "is in the mode for returned devices"),
    (_DECOMMISSIONED, Lifecycle.RMA, "decommissioned", "is decommissioned"),
    (_RECOVERY, Lifecycle.OK, "recovery-mode", "runs its recovery firmware"),
)
_DEBUG: Final = (
    (0x02, Lifecycle.DEBUG, "debug-active", "is open to a debugger that can change what runs"),
    (0x08, Lifecycle.DEBUG, "debug-since-reset", "was changed by a debugger since its last reset"),
    (0x01, Lifecycle.OK, "debug-noninvasive", "lets a debugger watch"),
    (0x04, Lifecycle.OK, "debug-noninvasive-since-reset", "let a debugger watch since its reset"),
    (0x10, Lifecycle.OK, "debugged-before", "was open to a debugger some time since it was made"),
)
_ORDER: Final = (Lifecycle.DEBUG, Lifecycle.RMA, Lifecycle.MANUFACTURING, Lifecycle.OK)

State = tuple[Lifecycle | None, Finding | None]


def _said(code: str, message: str) -> Finding:
    return Finding(code=code, message=f"The device {message}.")


def _mode(block: Measurement) -> Iterator[State]:
    """What one block says; that all is well, if it says nothing else."""
    if not block.raw or len(block.value) != _SIZE:
        told = "The device mode is given as a digest, or in a form that cannot be read."
        yield None, Finding(code="device-mode-unreadable", message=told)
        return
    _, operational, _, debug = struct.unpack("<4I", block.value)
    yield Lifecycle.OK, None
    for bits, table in ((operational, _MODES), (debug, _DEBUG)):
        for bit, state, code, message in table:
            if bits & bit:
                yield state, _said(code, message)


def _layers(tcb: Iterable[TcbInfo]) -> Iterator[State]:
    for info in tcb:
        if info.debug:
            found = _said("dice-debug", "has a layer that was certified in debug mode")
            yield Lifecycle.DEBUG, found


def judge_lifecycle(
    measurements: Sequence[Measurement], tcb: Iterable[TcbInfo] = ()
) -> tuple[Lifecycle | None, tuple[Finding, ...]]:
    """The worst of what is said, and all of it; None where nothing is. Pure."""
    modes = [block for block in measurements if block.kind == "device-mode"]
    states = [*(state for block in modes for state in _mode(block)), *_layers(tcb)]
    found = {state for state, _ in states}
    worst = next((each for each in _ORDER if each in found), None)
    return worst, tuple(finding for _, finding in states if finding is not None)
