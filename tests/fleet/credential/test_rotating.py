"""A new password in two phases, cut at every write and with every answer lost: nobody is locked
out, and nothing is stranded."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import DeviceLied, IolausError, OperatorMust
from iolaus.model.credential import ACCEPTED, OLD, REFUSED, ROTATED, AccountPolicy
from iolaus.store.own import Login
from tests.fleet.credential.bmc import (
    ADDRESS,
    FACTORY,
    FIRST,
    POLICY,
    TARGET,
    Bmc,
    Disk,
    HandClock,
    Killed,
    Process,
)

MANNERS = ("good", "silent-after", "silent-before", "refused", "busy", "ignored", "late")


def born(policy: AccountPolicy = POLICY, *, disk: Disk | None = None) -> Process:
    clock = HandClock()
    return Process(Bmc(clock, policy), disk or Disk(), clock)


async def pursued(process: Process, *, number: int = 1, turns: int = 60) -> bool:
    """As a step is pursued: looked at, done, looked at, with pauses; True when it is so."""
    for _ in range(turns):
        try:
            seen = await process.rotation.look(TARGET)
            if seen[ROTATED] >= number and seen[OLD] != ACCEPTED:
                return True
            if seen[ROTATED] < number:
                await process.rotation.give(TARGET, number=number)
        except IolausError:
            pass
        process.clock.at += 45.0
    return False


def stands(process: Process) -> None:
    """No account is locked, and what the device takes is known to the store."""
    bmc = process.bmc
    assert not bmc.locked
    taken = [Login(user=user, password=word) for user, word in bmc.accounts.items()]
    taken += [Login(user=user, password=word) for _, user, word in bmc.late]
    assert all(login in process.known() for login in taken), (taken, process.known())


async def test_the_new_one_is_in_force_and_the_old_one_dead() -> None:
    process = born()
    told = await process.rotation.give(TARGET, number=1)
    assert told == {"user": "root", "number": 1, "old": REFUSED}
    own = process.disk.own[ADDRESS]
    assert process.bmc.accounts == {"root": own.login.password}
    assert own.login.password != FIRST.password
    assert (own.spare, own.candidate) == ((), None)
    assert own.since == pytest.approx(1e6, abs=1)
    assert process.bmc.most_failed == 1


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (AccountPolicy(), "it does not say when it locks an account"),
        (AccountPolicy(threshold=4), "it locks an account after 4 failures"),
    ],
)
async def test_the_old_one_is_not_tried_where_that_might_lock(
    policy: AccountPolicy, why: str
) -> None:
    process = born(policy)
    told = await process.rotation.give(TARGET, number=1)
    assert told["old"] == f"not tried: {why}"
    assert process.bmc.most_failed == 0
    assert process.disk.own[ADDRESS].spare == (FIRST,), "it is kept until the next proof"


async def test_a_threshold_that_leaves_no_room_is_refused_before_anything_is_sent() -> None:
    process = born(AccountPolicy(threshold=2))
    with pytest.raises(OperatorMust, match="after 2 failed logins"):
        await process.rotation.give(TARGET, number=1)
    assert process.bmc.accounts == {"root": FIRST.password}
    assert not process.disk.own


async def test_a_device_that_takes_it_and_does_nothing_is_told_and_asked_again() -> None:
    process = born()
    process.bmc.next.append("ignored")
    with pytest.raises(DeviceLied, match="does not let it in"):
        await process.rotation.give(TARGET, number=1)
    candidate = process.disk.own[ADDRESS].candidate
    assert await pursued(process)
    assert process.disk.own[ADDRESS].login == candidate, "one that was sent is sent again"
    stands(process)


async def test_a_password_that_is_refused_is_replaced_and_kept_in_case_it_lied() -> None:
    process = born()
    process.bmc.next.append("refused")
    with pytest.raises(IolausError):
        await process.rotation.give(TARGET, number=1)
    own = process.disk.own[ADDRESS]
    assert own.candidate is None
    assert len(own.spare) == 1
    assert await pursued(process)


async def test_an_account_that_a_flash_took_away_is_made_again() -> None:
    disk = Disk(recovers=("maker",))
    disk.named["maker"] = FACTORY
    process = born(disk=disk)
    process.bmc.factory(FACTORY)
    told = await process.rotation.give(TARGET, number=1)
    assert told["old"] == "not tried: it was of another account, admin"
    assert process.bmc.accounts["root"] == disk.own[ADDRESS].login.password
    assert not disk.own[ADDRESS].fallen


async def test_cut_at_every_write_it_goes_on_and_nothing_is_stranded() -> None:
    whole = Disk()
    assert await pursued(born(disk=whole))
    assert whole.writes >= 8
    for manner in ("good", "silent-after", "silent-before", "late"):
        for at in range(1, whole.writes + 6):
            clock, disk = HandClock(), Disk(at=at)
            bmc = Bmc(clock)
            bmc.next.append(manner)
            bmc.drops_sessions = bool(at % 2)
            process = Process(bmc, disk, clock)
            try:
                await pursued(process)
            except Killed:
                stands(process)
                process = Process(bmc, disk, clock)
                await process.poll()
            disk.at = 0
            assert await pursued(process), (manner, at)
            stands(process)
            assert bmc.accounts["root"] == disk.own[ADDRESS].login.password


@settings(max_examples=100, deadline=None)
@given(
    manners=st.lists(st.sampled_from(MANNERS), max_size=6),
    logins=st.lists(st.sampled_from(("good", "good", "silent", "unheard")), max_size=8),
    deaths=st.lists(st.integers(1, 12), max_size=3),
    flashed=st.lists(st.integers(0, 8), max_size=2),
    drops=st.booleans(),
    threshold=st.sampled_from((None, 3, 4, 5, 0)),
)
async def test_whatever_goes_wrong_no_account_is_locked_and_none_is_stranded(
    manners: Sequence[str],
    logins: Sequence[str],
    deaths: Sequence[int],
    flashed: Sequence[int],
    drops: bool,
    threshold: int | None,
) -> None:
    clock, disk = HandClock(), Disk()
    policy = AccountPolicy(threshold=threshold, window_s=600.0)
    bmc = Bmc(clock, policy, locks_at=threshold or 5)
    bmc.next.extend(manners)
    bmc.logins.extend(logins)
    bmc.drops_sessions = drops
    process, ends = Process(bmc, disk, clock), list(deaths)
    disk.at = disk.writes + ends.pop() if ends else 0
    for turn in range(40):
        if turn in flashed:
            bmc.factory()
        try:
            await process.poll()
            await pursued(process, turns=2)
        except Killed:
            process = Process(bmc, disk, clock)
            disk.at = disk.writes + ends.pop() if ends else 0
        stands(process)
        clock.at += 120.0
    disk.at = 0
    clock.at += 86_400.0
    for _ in range(12):
        await process.poll()
        if await pursued(process):
            break
        clock.at += 86_400.0
    stands(process)
    own = disk.own[ADDRESS]
    assert own.number >= 1
    assert own.candidate is None
