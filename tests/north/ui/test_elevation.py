"""A rack's drawing: nothing overlaps, nothing leaves the rack, and nothing is guessed."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iolaus.north.dto.views import AssetView
from iolaus.north.ui.elevation import LEFT_PX, UNIT_PX, WIDTH_PX, Box, elevation

LABEL = st.one_of(st.none(), st.integers(-2, 70).map(str), st.sampled_from(["", "x", "٣", "1e9"]))


def view(name: str, *, u: str | None, height: str | None = None) -> AssetView:
    labels = {k: v for k, v in (("u", u), ("height", height)) if v is not None}
    empty: dict[str, Any] = dict.fromkeys(
        ("vendor", "model", "serial", "sku", "uuid", "hostname", "power_state", "health")
    )
    return AssetView(
        name=name,
        kind="node",
        labels=labels,
        counts={},
        memory_gib=None,
        endpoint="https://127.0.0.1",
        redfish_version=None,
        bmc_firmware=None,
        capabilities=(),
        conditions=(),
        firmware=(),
        deviations=0,
        observed_at=None,
        age_s=None,
        stale=False,
        **empty,
    )


def test_units_count_from_the_floor() -> None:
    found = elevation([view("low", u="1"), view("high", u="41", height="2")])
    assert found
    low, high = found.boxes
    assert (low.y, low.height) == (41 * UNIT_PX, UNIT_PX - 1)
    assert (high.y, high.height) == (0, 2 * UNIT_PX - 1)
    assert low.x == high.x == LEFT_PX
    assert [u for u, _ in found.marks] == list(range(1, 43))


def test_two_of_one_tray_stand_side_by_side() -> None:
    found = elevation([view("a", u="5"), view("b", u="5"), view("c", u="6")])
    assert found
    a, b, c = found.boxes
    assert a.x < b.x
    assert a.y == b.y > c.y
    assert c.width > a.width


def test_what_says_no_unit_is_not_drawn() -> None:
    assert elevation([view("a", u=None)]) is None
    found = elevation([view("a", u="3"), view("b", u="nine"), view("c", u="500")])
    assert found
    assert [box.view.name for box in found.boxes] == ["a"]
    assert found.unplaced == 2


@given(st.lists(st.tuples(LABEL, LABEL), max_size=12))
def test_nothing_leaves_the_rack(places: list[tuple[str | None, str | None]]) -> None:
    members = [view(f"n{i}", u=u, height=h) for i, (u, h) in enumerate(places)]
    found = elevation(members)
    if found is None:
        return
    assert len(found.boxes) + found.unplaced == len(members)
    for box in found.boxes:
        assert box.x >= LEFT_PX
        assert box.x + box.width <= WIDTH_PX + 1e-6
        assert box.y >= 0
        assert box.y + box.height <= found.height
        assert box.height > 0
        assert box.width > 0


@given(st.lists(st.integers(1, 42), min_size=1, max_size=20))
def test_things_of_one_height_never_overlap(units: list[int]) -> None:
    found = elevation([view(f"n{i}", u=str(u)) for i, u in enumerate(units)])
    assert found
    for one, other in itertools.combinations(found.boxes, 2):
        assert not _overlap(one, other)


def _overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )
