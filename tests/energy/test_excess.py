"""By how much a rack draws more than its caps: only what its caps cannot explain."""

from __future__ import annotations

import pytest

from iolaus.energy.excess import FRESH_S, HALVES_S, MOST_METERS, WINDOW_S, Crest, Excess
from iolaus.energy.network import compile_network
from iolaus.energy.policy import PowerPolicy
from iolaus.model.plant import Domain, DomainKind, Load, Plant


def crest(caps_w: float = 1000.0) -> Crest:
    made = Crest(2)
    made.may(caps_w, 0.0)
    return made


def test_nothing_measured_is_unknown() -> None:
    assert crest().excess_w(1.0) is None
    assert Crest(2).excess_w(0.0) is None


def test_a_meter_says_it_and_the_crest_is_told_for_a_while() -> None:
    made = crest()
    for at, watts in ((1.0, 900.0), (1.1, 1030.0), (1.2, 950.0)):
        made.meter("shelf", watts, at)
    assert made.excess_w(1.2) == 30.0
    assert made.excess_w(1.1 + WINDOW_S + 0.05) == -50.0
    assert made.excess_w(9.0) is None


def test_a_cap_that_was_lowered_a_moment_ago_still_explains_what_is_drawn() -> None:
    made = crest()
    made.may(600.0, 5.0)
    made.meter("shelf", 990.0, 5.2)
    assert made.excess_w(5.2) == -10.0
    made.meter("shelf", 610.0, 6.1)
    assert made.excess_w(5.2 + WINDOW_S + 0.1) == 10.0


def test_shelves_add_up_and_one_that_is_silent_says_nothing() -> None:
    made = crest()
    made.meter("left", 600.0, 1.0)
    made.meter("right", 500.0, 1.0)
    assert made.excess_w(1.0) == 100.0
    made.meter("left", 5000.0, 1.2 + FRESH_S)
    assert made.excess_w(1.2 + FRESH_S) == 100.0


def test_nodes_speak_where_no_meter_does_each_against_its_own_cap() -> None:
    made = crest(caps_w=800.0)
    made.reading(0, 500.0, 500.0, 1.0)
    assert made.excess_w(1.0) is None
    made.reading(1, 310.0, 300.0, 1.5)
    assert made.excess_w(1.5) == 10.0
    made.reading(0, 300.0, 200.0, 2.8)
    made.reading(1, 310.0, 300.0, 2.9)
    assert made.excess_w(3.2) == -190.0
    made.unread(1)
    made.reading(0, 900.0, 200.0, 3.5)
    assert made.excess_w(3.6) == -190.0


def test_names_of_meters_are_bounded() -> None:
    made = crest()
    for number in range(10 * MOST_METERS):
        made.meter(f"shelf-{number}", 1.0, 1.0)
    assert made.excess_w(1.0) == MOST_METERS - 1000.0


PLANT = Plant(
    domains=(
        Domain("site", DomainKind.SITE, None, 10_000.0),
        Domain("a", DomainKind.RACK, "site", 5000.0),
        Domain("b", DomainKind.RACK, "site", 5000.0),
    ),
    loads=(Load("n", "a", 500.0, 2000.0), Load("m", "b", 500.0, 4000.0)),
)
NETWORK = compile_network(PLANT, PowerPolicy())


def kept(excess: Excess, now_s: float, *, least: float = 0.0) -> dict[str, float]:
    watts = excess.kept_w(NETWORK, now_s, least=least)
    return dict(zip((limit.name for limit in NETWORK.limits), watts.tolist(), strict=True))


def test_what_one_rack_draws_too_much_another_may_draw_too_little() -> None:
    excess = Excess()
    excess.take("a", 50.0, 1000.0)
    excess.take("b", -30.0, 1000.0)
    excess.look(NETWORK, 0.0)
    assert kept(excess, 0.0) == {"site": 20.0, "a": 50.0, "b": 0.0}
    excess.take("a", None, 1000.0)
    excess.take("b", None, 1000.0)
    excess.look(NETWORK, 0.0)
    assert kept(excess, 0.0) == {"site": 50.0, "a": 50.0, "b": 0.0}
    assert kept(excess, HALVES_S)["site"] == pytest.approx(25.0)


def test_a_rack_keeps_something_back_before_anything_was_seen() -> None:
    assert kept(Excess(), 0.0, least=0.01) == {"site": 0.0, "a": 20.0, "b": 40.0}


def test_only_who_was_at_its_caps_has_been_measured() -> None:
    excess = Excess()
    excess.take("a", -400.0, 1000.0)
    assert not excess.measured("a")
    excess.take("a", -10.0, 1000.0)
    assert excess.measured("a")
