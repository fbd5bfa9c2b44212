"""What was read against what a step expects: met, unmet, or not known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.fleet.expect import sight_of
from iolaus.model.plan import Expect, Op
from iolaus.model.rollout import Sight

BOOT = "boot/count-or-time"


def look(*expects: Expect, values: dict[str, Any], baseline: dict[str, Any] | None = None) -> Sight:
    return sight_of(expects, values=values, reasons={"a": "HTTP 500"}, baseline=baseline or {})


@pytest.mark.parametrize(
    ("expect", "value", "verdict"),
    [
        (Expect(subject="power/state", op=Op.IS, value="On"), "On", "met"),
        (Expect(subject="power/state", op=Op.IS, value="On"), "Off", "unmet"),
        (Expect(subject="health", op=Op.IS_NOT, value="Critical"), "Warning", "met"),
        (Expect(subject="bios/x", op=Op.IS, value=1), True, "unmet"),
        (Expect(subject="bios/x", op=Op.IS, value=5), 5, "met"),
        (Expect(subject="bmc/ntp.servers", op=Op.IS, value=["a", "b"]), ["b", "a"], "unmet"),
        (Expect(subject="bmc/accounts", op=Op.IS, value=["a", "b"]), ["b", "a"], "met"),
        (Expect(subject="firmware/B", op=Op.IS, value="25.08-9"), "GB200Nvl-25.08-9", "met"),
        (Expect(subject="firmware/B", op=Op.SATISFIES, value=">=1.7"), "1.8", "met"),
        (Expect(subject="firmware/B", op=Op.SATISFIES, value=">=1.7"), "1.6", "unmet"),
        (Expect(subject="firmware/B", op=Op.SATISFIES, value=">=0.1B"), "0.1C", "unknown"),
        (
            Expect(subject="firmware/B", op=Op.SATISFIES, value=">=0.1B", scheme="hex"),
            "0.1C",
            "met",
        ),
    ],
)
def test_one_expectation(expect: Expect, value: Any, verdict: str) -> None:
    sight = look(expect, values={expect.subject: value})
    assert sight.verdict == verdict
    assert bool(sight.detail) == (verdict != "met")


def test_what_was_not_read_is_unknown_with_its_reason() -> None:
    sight = look(Expect(subject="a", op=Op.IS, value=1), values={})
    assert (sight.verdict, sight.detail) == ("unknown", "a: HTTP 500")


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [("t1", "t2", "met"), ("t1", "t1", "unmet"), (None, None, "met"), (None, "t2", "met")],
)
def test_a_start_is_another_time_where_the_device_keeps_one(
    before: str | None, now: str | None, verdict: str
) -> None:
    expect = Expect(subject=BOOT, op=Op.CHANGED)
    assert look(expect, values={BOOT: now}, baseline={BOOT: before}).verdict == verdict


def test_unmet_beats_unknown_and_unknown_beats_met() -> None:
    met = Expect(subject="b", op=Op.IS, value=1)
    unmet, unknown = Expect(subject="b", op=Op.IS, value=2), Expect(subject="a", op=Op.IS, value=1)
    values = {"b": 1}
    assert look(met, unknown, values=values).verdict == "unknown"
    assert look(met, unknown, unmet, values=values).verdict == "unmet"


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.lists(st.text())


@given(st.sampled_from(Op), VALUES, VALUES, VALUES)
def test_any_values_have_a_verdict(op: Op, wanted: Any, value: Any, before: Any) -> None:
    wanted = wanted if op is not Op.SATISFIES else "1.2"
    expect = Expect(subject="s", op=op, value=wanted)
    sight = look(expect, values={"s": value}, baseline={"s": before})
    assert sight.verdict in ("met", "unmet", "unknown")
