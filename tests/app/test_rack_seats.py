"""What stands in a rack: read here, told by another, waited for, or tried in vain."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from tests.store.made import report

from iolaus.app.rack_seats import RackSeats
from iolaus.energy.seats import Seat
from iolaus.model.asset import AssetKind
from iolaus.model.endpoint import Mode, Target

TARGET = Target(address="https://u1", name="u1", labels={"rack": "r1", "row": "a"})
SEAT = Seat(
    name="u1",
    address="https://u1",
    rack="r1",
    row="a",
    kind=AssetKind.NODE,
    managed=True,
    cap_uri="/cap",
    nameplate_w=1000.0,
)
REPORT = msgspec.structs.replace(report("https://u1"), driver="gb300")


def test_what_another_told_counts_until_it_is_read_here() -> None:
    seats = RackSeats()
    seats.wait_for(TARGET)
    assert seats.unread() == {"r1": ("u1",)}
    assert seats.expect(TARGET, SEAT, "gb300")
    assert seats.unread() == {}
    assert seats.known(TARGET.address) is None, "nobody here has read it"
    assert seats.seats() == [msgspec.structs.replace(SEAT, managed=False)], "as it is wanted here"
    seats.learn(TARGET, REPORT)
    assert not seats.expect(TARGET, SEAT, "gb300")
    (found,) = seats.seats()
    assert found.cap_uri is None, "what was read goes before what was told"


@pytest.mark.parametrize(
    "told",
    [
        msgspec.structs.replace(SEAT, address="https://u2"),
        msgspec.structs.replace(SEAT, name="u2"),
        msgspec.structs.replace(SEAT, rack="r2"),
        msgspec.structs.replace(SEAT, row="b"),
    ],
)
def test_what_was_told_of_another_place_is_not_taken(told: Seat) -> None:
    seats = RackSeats()
    seats.wait_for(TARGET)
    assert not seats.expect(TARGET, told, "gb300")
    assert seats.unread() == {"r1": ("u1",)}
    assert seats.seats() == []


def test_a_cap_that_a_reading_missed_is_still_there() -> None:
    seats = RackSeats()
    seats.expect(TARGET, SEAT, "gb300")
    seats.learn(TARGET, msgspec.structs.replace(REPORT, partial={"/cap": "it timed out"}))
    assert [each.cap_uri for each in seats.seats()] == ["/cap"]
    seats.learn(TARGET, REPORT)
    assert [each.cap_uri for each in seats.seats()] == [None], "read whole, it has none"


def test_it_is_waited_for_until_it_was_tried_and_again_when_it_answers() -> None:
    seats = RackSeats()
    seats.wait_for(TARGET)
    seats.tried(TARGET.address)
    assert seats.unread() == {}
    seats.wait_for(TARGET)
    assert seats.unread() == {"r1": ("u1",)}
    seats.learn(TARGET, REPORT)
    seats.wait_for(TARGET)
    assert seats.unread() == {}
    seats.forget(TARGET.address)
    assert seats.seats() == []


def test_the_version_grows_with_what_stands_there_and_with_nothing_else() -> None:
    seats, managed = RackSeats(), msgspec.structs.replace(TARGET, mode=Mode.MANAGED)
    seats.wait_for(TARGET)
    assert seats.version == 0
    versions = [0]
    steps: tuple[Callable[[], object], ...] = (
        lambda: seats.learn(TARGET, REPORT),
        lambda: seats.learn(TARGET, msgspec.structs.replace(REPORT, observed_at=2.0)),
        lambda: seats.learn(managed, REPORT),
        lambda: seats.forget(TARGET.address),
        lambda: seats.forget(TARGET.address),
    )
    for told in steps:
        told()
        versions.append(seats.version)
    assert versions == [0, 1, 1, 2, 3, 3]
