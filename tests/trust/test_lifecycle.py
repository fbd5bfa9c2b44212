"""Device mode to lifecycle: one bit at a time, and together."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.trust import Lifecycle, Measurement
from iolaus.trust.lifecycle import judge_lifecycle
from iolaus.wire.dice import TcbInfo

NORMAL = 0x04


def mode(operational: int = NORMAL, debug: int = 0) -> Measurement:
    value = struct.pack("<4I", 0x3F, operational, 0x1F, debug)
    return Measurement(index=0xFE, kind="device-mode", value=value, raw=True)


@pytest.mark.parametrize(
    ("block", "state", "code"),
    [
        (mode(), Lifecycle.OK, ""),
        (mode(0x01), Lifecycle.MANUFACTURING, "manufacturing-mode"),
        (mode(0x02), Lifecycle.MANUFACTURING, "validation-mode"),
        (mode(0x08), Lifecycle.OK, "recovery-mode"),
        (mode(0x10), Lifecycle.RMA, "rma-mode"),
        (mode(0x20), Lifecycle.RMA, "decommissioned"),
        (mode(debug=0x01), Lifecycle.OK, "debug-noninvasive"),
        (mode(debug=0x02), Lifecycle.DEBUG, "debug-active"),
        (mode(debug=0x04), Lifecycle.OK, "debug-noninvasive-since-reset"),
        (mode(debug=0x08), Lifecycle.DEBUG, "debug-since-reset"),
        (mode(debug=0x10), Lifecycle.OK, "debugged-before"),
    ],
)
def test_each_state(block: Measurement, state: Lifecycle, code: str) -> None:
    found, findings = judge_lifecycle([block])
    assert found is state
    assert [finding.code for finding in findings] == ([code] if code else [])


def test_nothing_said_is_nothing_known() -> None:
    assert judge_lifecycle([]) == (None, ())
    digest = Measurement(index=0xFE, kind="device-mode", value=bytes(48), algorithm="sha384")
    found, findings = judge_lifecycle([digest])
    assert found is None
    assert findings[0].code == "device-mode-unreadable"


def test_a_layer_certified_for_debugging() -> None:
    layer = TcbInfo(flags=(False, False, False, True))
    assert judge_lifecycle([mode()], [layer])[0] is Lifecycle.DEBUG


@given(st.integers(0, 0x3F), st.integers(0, 0x1F))
def test_more_bits_are_never_better(operational: int, debug: int) -> None:
    order = [Lifecycle.DEBUG, Lifecycle.RMA, Lifecycle.MANUFACTURING, Lifecycle.OK]
    found, _ = judge_lifecycle([mode(operational, debug)])
    assert found is not None
    for bit in range(6):
        worse, _ = judge_lifecycle([mode(operational | 1 << bit, debug)])
        assert worse is not None
        assert order.index(worse) <= order.index(found)
