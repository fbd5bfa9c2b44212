"""Who is who: a fleet that is shuffled, swapped, cloned and blanked keeps its uids straight."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.model.asset import Asset, AssetKind, Identity
from iolaus.model.endpoint import Reach
from iolaus.store.facts import Facts
from iolaus.store.identity import Likeness, clean, clean_mac, compare, tokens_of
from iolaus.store.registry import Registry
from tests.store.made import T0, ask_for, asset, report, status

A, B, C = "https://a", "https://b", "https://c"
UUID1, UUID2 = "4c4c4544-0030-3510-8053-b2c04f4d5632", "4c4c4544-0030-3510-8053-b2c04f4d5633"


@pytest.mark.parametrize(
    "blank",
    [
        *("", " ", "0", "00000000", "N/A", "None", "To be filled by O.E.M.", "Default string"),
        *("System Serial Number", "0123456789", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        *("00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009", "XXXX"),
    ],
)
def test_blanks_are_nothing(blank: str) -> None:
    assert clean(blank) is None


def test_macs_in_any_spelling_are_one_and_impossible_ones_none() -> None:
    assert clean_mac("3C-EC-EF-01-02-03") == clean_mac("3c:ec:ef:01:02:03") == "3cecef010203"
    assert clean_mac("00:00:00:00:00:00") is None
    assert clean_mac("ff:ff:ff:ff:ff:ff") is None
    assert clean_mac("01:00:5e:00:00:01") is None
    assert clean_mac("not yet known") is None


@pytest.mark.parametrize(
    ("before", "after", "in_place", "elsewhere"),
    [
        ({"serial": "S1"}, {"serial": "s1 "}, Likeness.SAME, Likeness.SAME),
        ({"serial": "S1"}, {"serial": "S2"}, Likeness.OTHER, Likeness.OTHER),
        ({"serial": "S1", "uuid": UUID1}, {"serial": "S2", "uuid": UUID1}, "same", "other"),
        ({"serial": "S1", "uuid": UUID1}, {"serial": "S1", "uuid": UUID2}, "same", "same"),
        ({"uuid": UUID1}, {"uuid": UUID2}, Likeness.OTHER, Likeness.OTHER),
        ({"serial": "S1"}, {"uuid": UUID1}, Likeness.UNCLEAR, Likeness.UNCLEAR),
        ({}, {"serial": "S1"}, Likeness.UNCLEAR, Likeness.UNCLEAR),
        ({"macs": ("3cecef010203",)}, {"macs": ("3cecef010203", "3cecef010204")}, "same", "same"),
        ({"macs": ("3cecef010203",)}, {"macs": ("3cecef010205",)}, "other", "other"),
    ],
)
def test_evidence_is_weighed(
    before: dict[str, str], after: dict[str, str], in_place: str, elsewhere: str
) -> None:
    was, now = Identity(**before), Identity(**after)  # type: ignore[arg-type]
    assert compare(was, now, in_place=True) is Likeness(in_place)
    assert compare(was, now, in_place=False) is Likeness(elsewhere)


def test_a_serial_counts_with_its_maker_and_type_and_a_blank_not_at_all() -> None:
    serial = Identity(serial="1", uuid="0", macs=("",))
    assert tokens_of(kind=AssetKind.NODE, vendor="M", model="1", identity=serial) == frozenset()
    one = tokens_of(kind=AssetKind.NODE, vendor="M", model="1", identity=Identity(serial="S1"))
    two = tokens_of(kind=AssetKind.NODE, vendor="M", model="2", identity=Identity(serial="S1"))
    assert not one & two


def kinds(facts: Facts, address: str) -> list[str]:
    return [event.kind for event in reversed(facts.events(endpoint=address))]


def test_a_device_at_a_new_address_keeps_its_uid_and_leaves_the_old_place(facts: Facts) -> None:
    ask_for(facts, A, B)
    me = asset(serial="S1")
    facts.record_report(report(A, [me]))
    facts.record_status(status(A, Reach.UNREACHABLE))
    facts.record_report(report(B, [me], at=T0 + 1))
    assert facts.uid(B, me.key) == "a1"
    old = facts.held(A)
    assert old
    assert (old.assets, old.uids, old.report and old.report.assets) == ({}, {}, ())
    assert kinds(facts, B) == ["AssetMoved"]
    found = facts.find_asset("a1")
    assert found
    assert found[0].target.address == B


def test_a_board_swap_is_another_asset_and_the_old_one_is_known_again(facts: Facts) -> None:
    ask_for(facts, A, B)
    facts.record_report(report(A, [asset(serial="S1")]))
    facts.record_report(report(A, [asset(serial="S2")], at=T0 + 1))
    assert kinds(facts, A) == ["Discovered", "IdentityChanged"]
    assert facts.uid(A, "Systems/1") == "a2"
    facts.record_report(report(B, [asset(serial="S1")], at=T0 + 2))
    assert facts.uid(B, "Systems/1") == "a1"


def test_two_that_claim_one_identity_are_a_conflict_and_never_merged(facts: Facts) -> None:
    ask_for(facts, A, B, C)
    for turn in range(3):
        for address in (A, B):
            facts.record_status(status(address))
            facts.record_report(report(address, [asset(uuid=UUID1)], at=T0 + turn))
    (conflict,) = facts.conflicts()
    assert (conflict.sort, conflict.value, conflict.confirmed) == ("uuid", UUID1, True)
    assert [member.endpoint for member in conflict.members] == [A, B]
    facts.record_status(status(A, Reach.UNREACHABLE, at=T0 + 9))
    facts.record_report(report(B, [asset(uuid=UUID1)], at=T0 + 9))
    facts.record_report(report(C, [asset(uuid=UUID1)], at=T0 + 9))
    uids = [facts.uid(address, "Systems/1") for address in (A, B, C)]
    assert len(set(uids)) == 3
    assert kinds(facts, B) == ["Discovered", "IdentityConflict"]


def test_a_conflict_ends_when_one_claim_does(facts: Facts) -> None:
    ask_for(facts, A, B)
    for turn in range(2):
        facts.record_report(report(A, [asset(serial="S1")], at=T0 + turn))
        facts.record_report(report(B, [asset(serial="S1")], at=T0 + turn))
    facts.record_report(report(B, [asset(serial="S2")], at=T0 + 5))
    assert facts.conflicts() == ()
    assert kinds(facts, B)[-1] == "IdentityConflictEnded"


def test_two_devices_that_exchange_their_addresses_exchange_their_places(facts: Facts) -> None:
    ask_for(facts, A, B)
    one, two = asset(serial="S1"), asset(serial="S2")
    for address, me in ((A, one), (B, two)):
        facts.record_status(status(address))
        facts.record_report(report(address, [me]))
    for turn in (1, 2):
        facts.record_report(report(A, [two], at=T0 + turn))
        facts.record_report(report(B, [one], at=T0 + turn))
    assert (facts.uid(A, one.key), facts.uid(B, one.key)) == ("a2", "a1")
    assert facts.conflicts() == ()


def test_blank_devices_are_told_apart_by_place_alone(facts: Facts) -> None:
    ask_for(facts, A, B)
    for turn in range(2):
        for address in (A, B):
            facts.record_report(report(address, [asset(serial="N/A")], at=T0 + turn))
    assert (facts.uid(A, "Systems/1"), facts.uid(B, "Systems/1")) == ("a1", "a2")
    assert facts.conflicts() == ()
    assert kinds(facts, A) == ["Discovered"]


def test_resources_with_new_names_are_the_same_assets(facts: Facts) -> None:
    ask_for(facts, A)
    facts.record_report(report(A, [asset("Systems/1", serial="S1"), asset("Systems/2")]))
    facts.record_report(
        report(A, [asset("Systems/Self"), asset("Systems/2", serial="S1")], at=T0 + 1)
    )
    held = facts.held(A)
    assert held
    assert held.uids == {"Systems/Self": "a2", "Systems/2": "a1"}
    assert kinds(facts, A) == ["Discovered", "Discovered"]


def test_two_kinds_of_assets_may_share_a_serial(facts: Facts) -> None:
    ask_for(facts, A, B)
    facts.record_report(report(A, [asset(serial="S1")]))
    facts.record_report(report(B, [asset(serial="S1", kind=AssetKind.CHASSIS)]))
    assert facts.conflicts() == ()


def test_one_asset_is_never_in_two_places_of_a_report(facts: Facts) -> None:
    ask_for(facts, A, B)
    facts.record_report(report(A, [asset(serial="S1")]))
    facts.record_report(report(B, [asset(serial="S1")], at=T0 + 1))
    facts.record_status(status(A, Reach.UNREACHABLE))
    twice = [asset("Systems/2", serial="S1"), asset(serial="S1")]
    facts.record_report(report(B, twice, at=T0 + 2))
    assert facts.uid(B, "Systems/1") != facts.uid(B, "Systems/2")


def uid_maker() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"a{next(numbers)}"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.permutations(range(5)), min_size=1, max_size=6))
def test_uids_follow_devices_through_any_exchange_of_addresses(
    rounds: list[list[int]],
) -> None:
    """All lose their addresses at once; each address is seen as its device comes up."""
    facts = Facts(new_uid=uid_maker())
    places = [f"https://n{n}" for n in range(5)]
    ask_for(facts, *places)
    devices = [asset(serial=f"S{n}", hostname=f"h{n}") for n in range(5)]
    uid_of: dict[int, str] = {}
    for turn, order in enumerate([list(range(5)), *rounds]):
        for place in places:
            facts.record_status(status(place, Reach.UNREACHABLE, at=T0 + turn))
        for _ in range(2):
            for place, device in zip(places, order, strict=True):
                facts.record_report(report(place, [devices[device]], at=T0 + turn))
                facts.record_status(status(place, at=T0 + turn))
        for place, device in zip(places, order, strict=True):
            uid = facts.uid(place, "Systems/1")
            assert uid == uid_of.setdefault(device, uid or "")
    assert len(set(uid_of.values())) == 5
    assert facts.conflicts() == ()


SERIALS = st.sampled_from([None, "0", "S1", "S2", "S3"])
UUIDS = st.sampled_from([None, UUID1, UUID2])
MACS = st.sampled_from([(), ("3cecef010203",), ("3cecef010204",), ("3cecef010203", "3cecef010204")])
DEVICE = st.builds(
    lambda key, serial, uuid, macs: asset(key, serial=serial, uuid=uuid, macs=macs),
    st.sampled_from(["Systems/1", "Systems/2"]),
    SERIALS,
    UUIDS,
    MACS,
)
STEP = st.tuples(
    st.sampled_from([A, B, C]),
    st.lists(DEVICE, max_size=2, unique_by=lambda a: a.key),
    st.sets(st.sampled_from([A, B, C])),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=12))
def test_whatever_is_reported_the_registry_stays_in_order(
    steps: list[tuple[str, list[Asset], set[str]]],
) -> None:
    registry = Registry(new_uid=uid_maker())
    for turn, (endpoint, devices, live) in enumerate(steps):
        sighted = registry.sight(
            endpoint=endpoint, at=T0 + turn, assets=devices, live=live.__contains__
        )
        assert [v.key for v in sighted.verdicts] == [device.key for device in devices]
        assert registry.present_at(endpoint) == {v.key: v.uid for v in sighted.verdicts}
        present = [u for e in (A, B, C) for u in registry.present_at(e).values()]
        assert len(present) == len(set(present))
        for uid in present:
            known = registry.get(uid)
            assert known
            assert known.present
            assert registry.present_at(known.endpoint)[known.key] == uid
        for conflict in registry.conflicts():
            assert len({member.endpoint for member in conflict.members}) > 1
        again = registry.sight(
            endpoint=endpoint, at=T0 + turn, assets=devices, live=live.__contains__
        )
        same = {v.uid for v in again.verdicts if v.merged is None}
        assert same <= {v.uid for v in sighted.verdicts}
        assert not any(v.new for v in again.verdicts)
