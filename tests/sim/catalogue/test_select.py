"""The simulator's selectors mean what the product's mean, on labels and names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.model.select import lookup_in, parse_selector
from iolaus.sim.catalogue.select import Selector, words_of
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import parse_site
from tests.sim.catalogue.stage import SITE

DEVICES = hall_devices(parse_site(SITE, source="test"), HallOptions())
TEXTS = [
    "", "rack=h1-r01", "rack=H1-R01,role!=node", "rack in (h1-r01, h1-r02)", "role notin (node)",
    "h1-r[01-02]-u[04-08]", "h1-r[1-2]-u04", "h1-*", "*-ps1", "h1-r02-u04", "u>=8", "u<5", "rack",
    "!rack", "rack=h1-*", "rack=h1-r[01,03]", "nothing=here", "row", "row=a,!u", "u>4,u<=8",
]  # fmt: skip


def ours(text: str) -> set[str]:
    selector = Selector(text)
    return {device.name for device in DEVICES if selector.concerns(device)}


def theirs(text: str) -> set[str]:
    selector = parse_selector(text)
    return {
        device.name
        for device in DEVICES
        if selector.matches(device.name, lookup_in(labels=words_of(device), fields={}))
    }


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_devices_as_by_the_product(text: str) -> None:
    assert ours(text) == theirs(text)


@pytest.mark.parametrize(
    "text", ["rack=", "u>high", "a,,b", "h1-r[02-01]", "x in ()", "a b", "(", "rack=~x", "a" * 9000]
)
def test_what_is_none_is_told(text: str) -> None:
    if text == "rack=":
        assert ours(text) == set()
        return
    with pytest.raises(OperatorMust) as told:
        Selector(text)
    assert told.value.next_step


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        selector = Selector(text)
    except OperatorMust:
        return
    assert isinstance(selector.concerns(DEVICES[0]), bool)
