"""Frames between the centre and the edges: whole, bounded, and never from hostile bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.energy.frames import (
    Budget,
    Report,
    budget_topic,
    encode,
    parse_budget,
    parse_report,
    report_topic,
)
from iolaus.kernel.errors import DeviceLied

BUDGET = Budget(
    epoch=3, seq=7, rack="h1-r07", budget_w=90_000.0, floor_w=30_000.0, expires_in_ms=3000,
    shares={"h1-r07-u1": 45_000.0, "h1-r07-u2": 45_000.0}, boot="b1",
)  # fmt: skip
REPORT = Report(
    epoch=3, seq=7, rack="h1-r07", applied_w=80_000.0, granted_w=90_000.0,
    demand_w={"h1-r07-u1": 40_000.0}, unreachable=("h1-r07-u2",), mono_s=12.5, boot="b1",
)  # fmt: skip


def test_frames_survive_the_bus() -> None:
    assert parse_budget(encode(BUDGET)) == BUDGET
    assert parse_report(encode(REPORT)) == REPORT
    assert parse_report(encode(REPORT)).measured_w is None


@pytest.mark.parametrize(
    "bent",
    [
        b"",
        b"null",
        b"{}",
        b"[" * 100_000,
        encode(BUDGET).replace(b"90000.0", b"-1"),
        encode(BUDGET).replace(b"90000.0", b"NaN"),
        encode(BUDGET).replace(b"90000.0", b'"90000"'),
        encode(BUDGET).replace(b'"seq":7', b'"seq":-7'),
        encode(BUDGET).replace(b'"seq":7', b'"seq":1e400'),
        b" " * (1024 * 1024 + 1),
    ],
)
def test_what_is_no_budget_is_refused(bent: bytes) -> None:
    with pytest.raises(DeviceLied):
        parse_budget(bent)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    for parse in (parse_budget, parse_report):
        try:
            parse(data)
        except DeviceLied as error:
            assert error.code == "FrameUnreadable"


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_bent_frame_never_carries_an_impossible_number(at: int, byte: int) -> None:
    for frame, parse in ((BUDGET, parse_budget), (REPORT, parse_report)):
        data = bytearray(encode(frame))
        data[at % len(data)] = byte
        try:
            found = parse(bytes(data))
        except DeviceLied:
            continue
        values = [
            getattr(found, name) for name in ("budget_w", "granted_w") if hasattr(found, name)
        ]
        assert all(0 <= value <= 1e12 for value in values)


def test_a_topic_names_one_rack() -> None:
    assert budget_topic("h1-r07") == "energy.budget.h1-r07"
    assert report_topic("h1.r07") == "energy.report.h1_r07"
