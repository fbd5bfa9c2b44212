"""Seating: sizes, names, determinism, and what the demo hall promises."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.hall import Seat, build_hall
from iolaus.sim.hall_sizes import default_site, homogeneous
from iolaus.sim.hall_wear import FLAWS
from iolaus.sim.personas import personas


def nodes(seats: list[Seat]) -> int:
    return sum(seat.persona.kind == "node" for seat in seats)


def test_the_default_hall_has_what_up_promises() -> None:
    seats = build_hall(default_site())
    assert 200 <= len(seats) <= 300
    assert len({seat.persona.make for seat in seats}) >= 6
    kinds = {seat.persona.kind for seat in seats}
    assert kinds == {"node", "dpu", "switch", "powershelf", "pdu", "cdu", "leak", "chassis"}


def test_every_persona_has_a_seat_in_the_default_hall() -> None:
    assert {seat.persona.name for seat in build_hall(default_site())} == set(personas())


@pytest.mark.parametrize("wanted", [1, 20, 100, 1000, 10_240])
def test_a_hall_of_any_size(wanted: int) -> None:
    seats = build_hall(default_site(wanted), wanted)
    assert nodes(seats) == wanted
    assert len({seat.name for seat in seats}) == len(seats)
    assert len({seat.address for seat in seats}) == len(seats)
    assert all(seat.address.startswith("127.") for seat in seats)


@pytest.mark.parametrize("wanted", [0, -3, 10_241])
def test_a_size_out_of_range_is_refused(wanted: int) -> None:
    with pytest.raises(OperatorMust, match="nodes are asked for"):
        default_site(wanted)


def test_a_smaller_hall_keeps_every_make() -> None:
    makes = {seat.persona.make for seat in build_hall(default_site())}
    assert {seat.persona.make for seat in build_hall(default_site(30), 30)} == makes


def test_a_thousand_nodes_cost_little_each() -> None:
    build_hall(homogeneous(1))
    tracemalloc.start()
    seats = build_hall(homogeneous(1000))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert nodes(seats) == len(seats) == 1000
    assert held / 1000 < 8_000


@pytest.mark.parametrize("persona", sorted(personas()))
def test_a_uniform_hall_of_any_persona(persona: str) -> None:
    seats = build_hall(homogeneous(50, persona))
    assert Counter(seat.persona.name for seat in seats) == {persona: 50}


def test_the_same_seed_gives_the_same_hall() -> None:
    def told(seed: int) -> list[object]:
        seats = build_hall(homogeneous(3, seed=seed))
        return [seat.tree.get("/redfish/v1/Systems/System.Embedded.1") for seat in seats]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_identities_are_unique_over_the_hall() -> None:
    seats = build_hall(default_site())
    roots = [seat.tree.get("/redfish/v1") or {} for seat in seats]
    assert len({root["UUID"] for root in roots}) == len(seats)
    trays = [seat for seat in seats if seat.persona.name == "gb300-tray"]
    serials = {
        (tray.tree.get("/redfish/v1/Systems/System_0") or {})["SerialNumber"] for tray in trays
    }
    assert len(serials) == len(trays) == 72


def test_every_flaw_is_somewhere_and_its_paths_exist() -> None:
    seats = build_hall(default_site())
    worn = [seat for seat in seats if seat.wear is not seats[0].wear and seat.wear != seats[0].wear]
    assert len(worn) == len(FLAWS)
    for seat in worn:
        for path in seat.wear.changes:
            assert seat.tree.get(path), (seat.name, path)


def test_flaws_can_be_switched_off() -> None:
    from dataclasses import replace

    seats = build_hall(replace(default_site(), imperfections=False))
    assert all(not seat.wear.changes and not seat.wear.off_hosts for seat in seats)
