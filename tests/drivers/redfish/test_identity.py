"""Words that devices use for themselves, and what is made of them."""

from __future__ import annotations

import pytest

from iolaus.drivers.redfish import names
from iolaus.drivers.redfish.identity import place


@pytest.mark.parametrize(
    "word",
    ["", "   ", "N/A", "None", "To be filled by O.E.M.", "To Be Filled By O.E.M", "Default string",
     "0000000", "0", "........", "00000000-0000-0000-0000-000000000000", "FFFFFFFF", None, 7, {}],
)  # fmt: skip
def test_placeholders_tell_nothing(word: object) -> None:
    assert names.telling(word) is None


@pytest.mark.parametrize("word", ["A", "7", "CNIVC0014M0388", "REDACTED", "1.2", "00A1"])
def test_what_tells_something_is_kept(word: str) -> None:
    assert names.telling(f" {word}  ") == word


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Dell Inc.", "Dell"),
        ("DELL", "Dell"),
        ("Hewlett Packard Enterprise", "HPE"),
        ("HPE-PRM", "HPE"),
        ("NVIDIA Corporation", "NVIDIA"),
        ("Advanced Micro Devices, Inc.", "AMD"),
        ("Intel(R) Corporation", "Intel"),
        ("Super Micro Computer, Inc.", "Supermicro"),
        ("SK Hynix", "Hynix"),
        ("LITE-ON TECHNOLOGY CORP.", "Lite-On"),
        ("Broadcom Inc. and subsidiaries", "Broadcom"),
        ("Contoso Systems Inc.", "Contoso"),
        ("Amiga", "Amiga"),
        ("Co.", "Co"),
    ],
)
def test_the_makers_usual_name(raw: str, name: str) -> None:
    assert names.maker(raw) == name


@pytest.mark.parametrize(("raw", "version"), [("0.00", None), ("00.00.00", None), ("1.2 ", "1.2")])
def test_a_version_that_nobody_released_is_none(raw: str, version: str | None) -> None:
    assert names.version(raw) == version


def test_the_first_that_tells_its_place_is_believed() -> None:
    standing = {"Placement": {"Row": "North", "Rack": "42", "RackOffset": 7}}
    mute = ("/a", {"Location": {"PartLocation": {"ServiceLabel": "N/A"}}})
    found = place([mute, ("/b", {"Location": standing})])
    assert (found.row, found.rack, found.u) == ("North", "42", 7)
