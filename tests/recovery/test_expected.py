"""Who of the expected an appearance may be, and what contradicts it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from iolaus.model.expected import Expected, ExpectedHardware
from iolaus.recovery.expected import Roll, Shown, differences, laid_out


def hardware(*nodes: Mapping[str, object], **spec: object) -> ExpectedHardware:
    return msgspec.convert(
        {
            "apiVersion": "iolaus.dev/v1",
            "kind": "ExpectedHardware",
            "metadata": {"name": "hall-1"},
            "spec": {"nodes": list(nodes), **spec},
        },
        ExpectedHardware,
    )


def test_what_the_list_says_for_all_is_laid_under_each() -> None:
    first, second = laid_out(
        hardware(
            {"serial": "A1", "name": "n1", "rack": "r1", "unit": 4, "mac": "3C-EC-EF-00-11-22"},
            {"serial": "A2", "model": "Special", "labels": {"pool": "dev"}},
            make="Dell",
            model="PowerEdge *",
            role="train",
            labels={"pool": "train"},
            credential="factory",
        )
    )
    assert (first.make, first.model, first.mac) == ("Dell", "PowerEdge *", "3cecef001122")
    assert first.labels == {"pool": "train", "role": "train", "rack": "r1", "u": "4"}
    assert (second.name, second.model, second.labels["pool"]) == ("A2", "Special", "dev")
    assert second.credential == "factory"


def test_the_surest_sign_is_taken_first_and_an_ambiguous_one_not_at_all() -> None:
    roll = Roll(
        laid_out(
            hardware(
                {"serial": "A1", "mac": "3c:ec:ef:00:11:22", "address": "https://10.0.0.1"},
                {"serial": "A2", "address": "https://10.0.0.2", "uuid": "u-2"},
                {"serial": "A3", "uuid": "u-3"},
            )
        )
    )
    hinted = roll.hinted(mac="3c:ec:ef:00:11:22", address="https://10.0.0.2")
    assert hinted is not None
    assert hinted.serial == "A1"
    assert roll.hinted(address="https://10.0.0.2") == roll.of_serial(" a2 ")
    assert roll.hinted(uuid="U-3") == roll.named("A3")
    assert roll.hinted(address="https://10.0.0.9") is None
    twice = Roll([*roll.every, *roll.every])
    assert twice.of_serial("A1") is None


def test_one_login_for_all_lets_us_look_at_anybody() -> None:
    shared = Roll(laid_out(hardware({"serial": "A1"}, {"serial": "A2"}, credential="factory")))
    assert shared.shared_login() is not None
    own = {"serial": "A3", "credential": "factory.A3"}
    assert Roll(laid_out(hardware(own, {"serial": "A4"}))).shared_login() is None
    assert Roll().shared_login() is None


@pytest.mark.parametrize(
    ("shown", "wrong"),
    [
        (Shown("A1", "Dell Inc.", "PowerEdge XE9680"), []),
        (Shown("a1 ", "DELL inc", "poweredge-xe9680"), []),
        (Shown("B1", "Dell Inc.", "PowerEdge XE9680"), ["serial"]),
        (Shown("", "Dell Inc.", "PowerEdge XE9680"), ["serial"]),
        (Shown("A1", "Dell Inc.", "PowerEdge XE9640"), ["model"]),
        (Shown("A1", "HPE", ""), ["make", "model"]),
        (Shown("A1", "Dell Inc.", "PowerEdge XE9680", uuid="other-1"), ["uuid"]),
    ],
)
def test_what_contradicts_the_list_is_told_by_its_field(shown: Shown, wrong: list[str]) -> None:
    want = Expected(
        list="l", name="n", serial="A1", make="Dell*", model="PowerEdge XE9680", uuid="u-1x"
    )
    assert [each.field for each in differences(want, shown)] == wrong


def test_a_lease_of_another_mac_contradicts_too() -> None:
    want = Expected(list="l", name="n", serial="A1", mac="3cecef001122")
    assert differences(want, Shown("A1"), mac="3c:ec:ef:00:11:22") == []
    (found,) = differences(want, Shown("A1"), mac="3c:ec:ef:00:11:23")
    assert found.field == "mac"
