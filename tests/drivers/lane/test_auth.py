"""The back-off: how many logins a controller sees, whatever we are asked to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.drivers.lane.auth import AuthBackOff, AuthRules, HeldBack


def tries(auth: AuthBackOff, asked_at: list[float]) -> list[float]:
    """When a login with a wrong password is really tried, out of all the times it is asked."""
    done = []
    for now in asked_at:
        try:
            auth.check(now=now, operation="log in to", address="https://x")
        except HeldBack:
            continue
        auth.failed(now=now)
        done.append(now)
    return done


@given(st.lists(st.floats(0.0, 86_400.0), max_size=400).map(sorted))
def test_never_enough_in_any_window_to_lock_an_account(asked_at: list[float]) -> None:
    done = tries(AuthBackOff(AuthRules()), asked_at)
    for first in done:
        assert sum(first <= at < first + 1800 for at in done) <= 2
        assert sum(first <= at < first + 3600 for at in done) <= 3


def test_ten_seconds_polls_for_an_hour_try_three_times() -> None:
    done = tries(AuthBackOff(AuthRules()), [10.0 * i for i in range(360)])
    assert done == [0.0, 600.0, 2400.0]


def test_the_error_says_when_and_what_to_do() -> None:
    auth = AuthBackOff(AuthRules())
    auth.failed(now=0.0)
    with pytest.raises(HeldBack) as caught:
        auth.check(now=100.0, operation="log in to", address="https://bmc1")
    error = caught.value
    assert (error.status, error.code, error.retry_after_s) == (401, "AuthenticationBackOff", 500.0)
    assert "500 s" in str(error)
    assert "https://bmc1" in str(error)
    assert error.next_step


def test_refusals_of_one_moment_count_once_and_another_credential_clears_it() -> None:
    auth = AuthBackOff(AuthRules())
    for _ in range(5):
        auth.failed(now=0.0)
    assert auth.failures == 1
    auth.clear()
    auth.check(now=0.0, operation="log in to", address="https://x")
    assert not auth.accepted


class Memory:
    """What outlives the process, in a dictionary."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[int, float]] = {}
        self.others_s = 0.0
        self.doubts: list[float] = []

    def recall(self, address: str) -> tuple[int, float]:
        return self.held.get(address, (0, 0.0))

    def remember(self, address: str, *, failures: int, wait_s: float) -> None:
        self.held[address] = (failures, wait_s)

    def forget(self, address: str) -> None:
        self.held.pop(address, None)

    def unanswered(self, address: str) -> float:
        self.doubts.append(len(self.doubts) + 1.0)
        return self.doubts[-1]

    def answered(self, address: str, began: float) -> None:
        self.doubts.remove(began)

    def not_before_s(self, address: str) -> float:
        return 300.0 if len(self.doubts) >= 2 else self.others_s


def remembered(memory: Memory, *, now: float) -> AuthBackOff:
    auth = AuthBackOff(AuthRules(), address="https://bmc1", memory=memory)
    auth.recall(now=now)
    return auth


def test_a_restart_goes_on_where_the_former_process_was_refused() -> None:
    memory = Memory()
    remembered(memory, now=0.0).failed(now=0.0)
    again = remembered(memory, now=5000.0)
    with pytest.raises(HeldBack):
        again.check(now=5599.0, operation="log in to", address="https://bmc1")
    again.check(now=5600.0, operation="log in to", address="https://bmc1")
    again.failed(now=5600.0)
    assert memory.held["https://bmc1"] == (2, 1800.0)


def test_failures_of_others_hold_back_whoever_was_not_let_in_yet() -> None:
    memory = Memory()
    memory.others_s = 900.0
    auth = remembered(memory, now=0.0)
    with pytest.raises(HeldBack) as caught:
        auth.check(now=0.0, operation="log in to", address="https://bmc1")
    assert caught.value.retry_after_s == 900.0
    auth.succeeded()
    auth.check(now=0.0, operation="log in to", address="https://bmc1")


def test_a_clock_that_stepped_never_holds_back_longer_than_the_longest_pause() -> None:
    memory = Memory()
    memory.held["https://bmc1"] = (1, 1e9)
    auth = remembered(memory, now=0.0)
    auth.check(now=AuthRules().pause_max_s, operation="log in to", address="https://bmc1")


def test_success_and_another_credential_are_forgotten_for_good() -> None:
    memory = Memory()
    first = remembered(memory, now=0.0)
    first.failed(now=0.0)
    second = first.another()
    first.failed(now=10_000.0)
    assert memory.held == {"https://bmc1": (1, 600.0)}, "the old one is heard no more"
    second.recall(now=700.0)
    second.succeeded()
    assert memory.held == {}


def test_a_login_that_nobody_answers_counts_until_the_same_credential_is_let_in() -> None:
    memory = Memory()
    auth = remembered(memory, now=0.0)
    auth.succeeded()
    auth.doubted()
    auth.check(now=0.0, operation="log in to", address="https://x")
    auth.doubted()
    with pytest.raises(HeldBack) as caught:
        auth.check(now=0.0, operation="log in to", address="https://x")
    assert caught.value.retry_after_s == 300.0
    auth.succeeded()
    assert memory.doubts == []


def test_another_credential_clears_no_doubt_of_the_one_before() -> None:
    memory = Memory()
    first = remembered(memory, now=0.0)
    first.doubted()
    second = first.another()
    second.succeeded()
    first.succeeded()
    assert memory.doubts == [1.0], "what was sent with the old one may count at the device"
