"""The cache: what may be kept, for how long, how much, and what a write makes untrue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.drivers.lane.cache import Cache, CacheRules, key_of, owner_of, touches
from iolaus.wire.redfish.port import Answer

V1 = "/redfish/v1"
SYSTEM = f"{V1}/Systems/1"


def answer(uri: str, *, size: int = 100, etag: str | None = None) -> Answer:
    headers = {"content-length": str(size)}
    return Answer(uri=uri, status=200, body={}, headers=headers, at=0.0, elapsed_s=0.0, etag=etag)


@pytest.mark.parametrize(
    ("written", "read", "touched"),
    [
        (SYSTEM, SYSTEM, True),
        (SYSTEM, f"{V1}/Systems", True),
        (SYSTEM, V1, True),
        (SYSTEM, f"{SYSTEM}/Bios", True),
        (SYSTEM, f"{SYSTEM}?$expand=.", True),
        (SYSTEM, f"{V1}/Systems/10", False),
        (SYSTEM, f"{V1}/Chassis/1", False),
        (f"{SYSTEM}/Actions/ComputerSystem.Reset", SYSTEM, True),
        (f"{SYSTEM}/Actions/ComputerSystem.Reset", f"{SYSTEM}/Processors/0", True),
        (f"{SYSTEM}/Bios/Settings", f"{SYSTEM}/Bios", True),
        (f"{SYSTEM}/Bios/Settings", f"{SYSTEM}/Memory", False),
        (f"{V1}/AccountService/Accounts", f"{V1}/AccountService/Accounts/3", True),
    ],
)
def test_what_a_write_touches(written: str, read: str, touched: bool) -> None:
    assert touches(written, read) is touched


def test_one_spelling_per_resource() -> None:
    assert key_of(f"{SYSTEM}/") == key_of(f"{SYSTEM}#/Status") == SYSTEM
    assert key_of(f"{SYSTEM}/?$top=1") == f"{SYSTEM}?$top=1"
    assert owner_of(f"{SYSTEM}/Bios/Settings/") == f"{SYSTEM}/Bios"


def test_kept_only_when_asked_for_and_only_as_long_as_asked_for() -> None:
    cache = Cache(CacheRules())
    cache.keep(SYSTEM, answer(SYSTEM), fresh_s=0.0, now=0.0)
    assert cache.fresh(SYSTEM, fresh_s=60.0, now=0.0) is None
    cache.keep(SYSTEM, answer(SYSTEM), fresh_s=10.0, now=0.0)
    assert cache.fresh(SYSTEM, fresh_s=10.0, now=10.0)
    assert cache.fresh(SYSTEM, fresh_s=5.0, now=6.0) is None, "this caller wants it younger"
    assert cache.fresh(SYSTEM, fresh_s=0.0, now=0.0) is None
    cache.expire(now=10.0)
    assert len(cache) == cache.size_bytes == 0


def test_an_etag_keeps_it_for_a_conditional_read() -> None:
    cache = Cache(CacheRules(revalidate_s=100.0))
    cache.keep(SYSTEM, answer(SYSTEM, etag='"1"'), fresh_s=10.0, now=0.0)
    cache.expire(now=50.0)
    kept = cache.revalidates(SYSTEM, now=50.0)
    assert kept is not None
    assert kept.etag == '"1"'
    cache.expire(now=111.0)
    assert cache.revalidates(SYSTEM, now=111.0) is None


def test_after_a_write_nothing_of_it_is_kept_or_revalidated_for_a_while() -> None:
    cache = Cache(CacheRules(hold_off_s=5.0))
    other = f"{V1}/Chassis/1"
    for uri in (SYSTEM, other):
        cache.keep(uri, answer(uri, etag='"1"'), fresh_s=60.0, now=0.0)
    cache.touch(f"{SYSTEM}/Actions/ComputerSystem.Reset", now=1.0)
    assert cache.revalidates(SYSTEM, now=1.0) is None
    cache.keep(SYSTEM, answer(SYSTEM), fresh_s=60.0, now=2.0)
    assert cache.fresh(SYSTEM, fresh_s=60.0, now=2.0) is None, "it may be stale: the device's"
    assert cache.fresh(other, fresh_s=60.0, now=2.0)
    cache.keep(SYSTEM, answer(SYSTEM), fresh_s=60.0, now=6.1)
    assert cache.fresh(SYSTEM, fresh_s=60.0, now=7.0)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9_000)), max_size=80))
def test_it_never_grows_over_its_bounds(kept: list[tuple[int, int]]) -> None:
    rules = CacheRules(max_entries=8, max_bytes=60_000)
    cache = Cache(rules)
    for at, (number, size) in enumerate(kept):
        uri = f"{V1}/Things/{number}"
        cache.keep(uri, answer(uri, size=size), fresh_s=10.0, now=float(at))
        assert len(cache) <= rules.max_entries
        assert 0 <= cache.size_bytes <= rules.max_bytes
    cache.clear()
    assert cache.size_bytes == 0


def test_the_hold_offs_are_bounded_too() -> None:
    cache = Cache(CacheRules())
    for number in range(1000):
        cache.touch(f"{V1}/Things/{number}", now=0.0)
    assert len(cache._holds) <= 64
