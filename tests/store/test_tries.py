"""Failed logins as a controller counts them: over kills, damage and a disk that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from iolaus.kernel.clock import JumpClock
from iolaus.model.credential import AccountPolicy
from iolaus.store.logins import Logins
from iolaus.store.tries import KEPT_S, CountedLogins, Tries, held_s

A, B = "https://10.0.0.1", "https://10.0.0.2"
HOUR = 3600.0


def tries(folder: Path, clock: JumpClock) -> Tries:
    return Tries(folder / "tries", clock=clock)


def test_a_try_counts_before_it_is_made_and_over_a_kill(tmp_path: Path, clock: JumpClock) -> None:
    at = tries(tmp_path, clock).begin(A)
    again = tries(tmp_path, clock)
    assert again.failures(A, within_s=HOUR) == (at,)
    assert again.failures(B, within_s=HOUR) == ()


def test_one_that_was_let_in_is_taken_back_for_good(tmp_path: Path, clock: JumpClock) -> None:
    first = tries(tmp_path, clock)
    wrong = first.begin(A)
    clock.advance(1.0)
    first.succeeded(A, first.begin(A))
    first.succeeded(A, 12.0)
    first.succeeded(B, wrong)
    first.close()
    assert tries(tmp_path, clock).failures(A, within_s=HOUR) == (wrong,)


def test_each_failure_keeps_those_before_it_alive(tmp_path: Path, clock: JumpClock) -> None:
    kept = tries(tmp_path, clock)
    times = []
    for _ in range(3):
        times.append(kept.begin(A))
        clock.advance(250.0)
    assert kept.failures(A, within_s=300.0) == tuple(times)
    clock.advance(50.0)
    assert kept.failures(A, within_s=300.0) == ()


def test_damaged_lines_are_skipped(tmp_path: Path, clock: JumpClock) -> None:
    now = clock.now()
    lines = [
        b"garbage",
        b"\xff\xfe",
        f'["{A}",{now},true]'.encode(),
        b'["x"]',
        f'["{B}",{now},true'.encode(),
    ]
    (tmp_path / "tries").write_bytes(b"\n".join(lines))
    kept = tries(tmp_path, clock)
    assert kept.failures(A, within_s=HOUR) == (now,)
    assert kept.failures(B, within_s=HOUR) == ()


def test_a_disk_that_cannot_be_written_costs_only_the_memory(
    tmp_path: Path, clock: JumpClock
) -> None:
    kept = tries(tmp_path, clock)
    os.close(kept._descriptor)
    kept._descriptor = os.open(tmp_path / "tries", os.O_RDONLY)
    with capture_logs() as said:
        kept.begin(A)
    assert len(kept.failures(A, within_s=HOUR)) == 1
    assert [line["event"] for line in said] == ["tries_not_written"]
    kept.close()


def test_the_file_stays_small_and_private_and_forgets_what_is_old(
    tmp_path: Path, clock: JumpClock
) -> None:
    kept = tries(tmp_path, clock)
    kept.begin(B)
    clock.advance(KEPT_S + 1.0)
    for _ in range(15_000):
        kept.succeeded(A, kept.begin(A))
        clock.advance(0.001)
    assert (tmp_path / "tries").stat().st_size < 20_001 * 60
    assert (tmp_path / "tries").stat().st_mode & 0o077 == 0
    kept.close()
    assert A not in tries(tmp_path, clock)._failed
    assert B.encode() not in (tmp_path / "tries").read_bytes()


@pytest.mark.parametrize(
    ("failed", "policy", "wait_s"),
    [
        ((), AccountPolicy(threshold=5, window_s=300.0), 0.0),
        ((900.0,), AccountPolicy(threshold=5, window_s=300.0), 0.0),
        ((800.0, 900.0), AccountPolicy(threshold=5, window_s=300.0), 200.0),
        ((900.0,), AccountPolicy(threshold=3, window_s=300.0), 200.0),
        ((), AccountPolicy(threshold=2, window_s=300.0), 300.0),
        ((900.0, 950.0), AccountPolicy(), 3550.0),
        ((2000.0, 9000.0), AccountPolicy(threshold=5, window_s=300.0), 300.0),
    ],
)
def test_how_long_a_login_that_may_fail_waits(
    failed: Sequence[float], policy: AccountPolicy, wait_s: float
) -> None:
    """Also where a clock stepped back, never longer than a failure counts."""
    assert held_s(failed, policy, now=1000.0) == pytest.approx(wait_s)


@given(
    asked=st.lists(st.floats(0.0, 900.0), max_size=60),
    threshold=st.sampled_from((None, 3, 4, 5, 10)),
    window_s=st.sampled_from((60.0, 300.0, 3600.0)),
)
def test_no_run_of_failures_ever_comes_near_the_threshold(
    tmp_path_factory: pytest.TempPathFactory,
    asked: Sequence[float],
    threshold: int | None,
    window_s: float,
) -> None:
    """Whoever asks first fails every login that it may try; the controller counts."""
    clock = JumpClock()
    kept = tries(tmp_path_factory.mktemp("t"), clock)
    policy = AccountPolicy(threshold=threshold, window_s=window_s)
    count, last, most = 0, float("-inf"), 0
    for pause_s in asked:
        clock.advance(pause_s)
        failed = kept.failures(A, within_s=policy.counts_s)
        if held_s(failed, policy, now=clock.now()):
            continue
        kept.begin(A)
        count = 1 if clock.now() - last >= window_s else count + 1
        last, most = clock.now(), max(most, count)
    kept.close()
    assert most <= policy.may_fail < (threshold or 4) - 1


def test_the_lane_waits_for_what_failed_on_the_side_and_for_what_nobody_answered(
    tmp_path: Path, clock: JumpClock
) -> None:
    kept = tries(tmp_path, clock)
    policy = AccountPolicy(threshold=5, window_s=300.0)
    lane = CountedLogins(
        Logins(tmp_path / "logins", clock=clock), kept, policy_of=lambda _: policy, clock=clock
    )
    lane.remember(A, failures=1, wait_s=600.0)
    assert lane.recall(A) == (1, 600.0)
    assert lane.not_before_s(A) == 0.0
    clock.advance(10.0)
    began = lane.unanswered(A)
    assert lane.not_before_s(A) == 300.0
    lane.answered(A, began)
    assert lane.not_before_s(A) == 0.0
    lane.forget(A)
    assert len(kept.failures(A, within_s=300.0)) == 1, "the controller forgets nothing by that"
