"""Who lives in which process: whatever a machine knows of is in its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.command import ServeOptions
from iolaus.sim.device import Device
from iolaus.sim.hall import Seat, build_hall, spots_of
from iolaus.sim.hall_command import HallOptions, serve_hall
from iolaus.sim.hall_shares import share_out
from iolaus.sim.hall_sizes import default_site, homogeneous
from iolaus.sim.personas import personas
from iolaus.sim.personas.persona import Persona
from iolaus.sim.processes import serve as apart


@dataclass(frozen=True)
class Spot:
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    persona: Persona = personas()["xe9680-h200"]


def known_to(seat: Seat) -> set[str]:
    """The lives that it reads."""
    cords = seat.labels.get("outlets", "").split(",")
    life = seat.life
    found = {id(each) for each in (*life.feeds, life.coolant) if each is not None}
    return {str(each) for each in found} | {cord.partition("/")[0] for cord in cords if cord}


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_what_hangs_together_stays_together(processes: int) -> None:
    nodes = 64
    site = default_site(nodes)
    shares = share_out(spots_of(site, nodes), processes)
    whole = build_hall(site, nodes)
    assert sorted(chain(*shares)) == list(range(len(whole)))
    for share in shares:
        here = {str(id(whole[n].life)) for n in share} | {whole[n].name for n in share}
        assert all(known_to(whole[n]) <= here for n in share)
        parted = build_hall(site, nodes, only=frozenset(share))
        for seat, same in zip(parted, (whole[n] for n in share), strict=True):
            assert (seat.name, seat.address, seat.labels) == (same.name, same.address, same.labels)
            assert len(seat.life.feeds) == len(same.life.feeds)
            assert seat.life.own_w(1e9) == same.life.own_w(1e9)


def test_shares_are_even_and_always_the_same() -> None:
    spots = spots_of(homogeneous(800))
    sizes = [len(share) for share in share_out(spots, 7)]
    assert max(sizes) - min(sizes) <= 4  # a rack
    assert share_out(spots, 7) == share_out(list(spots), 7)


def test_cords_and_bays_tie_machines_that_stand_apart() -> None:
    spots = [
        Spot("a", {"outlets": "strip/1, other/2"}),
        Spot("b"),
        Spot("strip"),
        Spot("c", {"slot": "boss/Bay1"}),
        Spot("other"),
        Spot("boss"),
    ]
    assert share_out(spots, 3) == [[0, 2, 4], [3, 5], [1]]
    assert share_out(spots, 9) == [[0, 2, 4], [3, 5], [1]]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "--physics needs all devices in one process Next: give --no-physics"),
        ({"physics": False, "building": True}, "--building needs all devices in one process"),
        ({"physics": False, "virtual": True}, "--virtual needs"),
        ({"physics": False, "speed": 9.0}, "--speed needs"),
    ],
)
def test_what_is_one_world_is_refused(
    asked: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve_hall(None, options=HallOptions(processes=2, **asked)) == 2
    assert said in capsys.readouterr().err


def test_too_few_open_files_are_told_before_anything_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = HallOptions(nodes=400, physics=False, processes=2)
    monkeypatch.setattr(apart, "most_files", lambda: 2200)
    with pytest.raises(OperatorMust, match="give --processes 3 or more") as told:
        apart.orders_of(None, options, ServeOptions(tls=False))
    assert told.value.code == "TooFewFiles"


def test_as_many_as_there_are_cpus_and_files_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    site = Path(__file__).with_name("absent.yaml")
    options = HallOptions(nodes=1000, physics=False, processes=0)
    _, orders = apart.orders_of(None, options, ServeOptions(tls=False))
    assert len(orders) == 2
    monkeypatch.setattr(apart, "most_files", lambda: 4096)
    _, orders = apart.orders_of(None, options, ServeOptions(tls=False))
    assert len(orders) == 3
    with pytest.raises(OperatorMust, match="absent"):
        apart.orders_of(site, options, ServeOptions(tls=False))


def test_a_hall_for_which_even_connections_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    from iolaus.sim import server

    with pytest.raises(OperatorMust, match="a process may have 5"):
        server._suffice(5, 6)
    server._suffice(6, 6)
    assert isinstance(build_hall(homogeneous(1))[0].device(), Device)
