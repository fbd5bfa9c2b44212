"""What a target word means, and how a bad one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import IolausError, OperatorMust, PolicyRefused
from iolaus.model.endpoint import Mode, Target
from iolaus.observe.targets import load_hosts, normalise, parse_hosts, parse_target, unique


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.3.0.7", "https://10.3.0.7"),
        ("BMC-7.example", "https://bmc-7.example"),
        ("bmc:8443", "https://bmc:8443"),
        ("https://bmc:443/", "https://bmc"),
        ("https://[fe80::1]:8443", "https://[fe80::1]:8443"),
        ("fe80::1", "https://[fe80::1]"),
    ],
)
def test_one_endpoint_has_one_spelling(text: str, address: str) -> None:
    assert normalise(text) == address


def test_ranges_name_every_host_once() -> None:
    targets, named = parse_target("10.3.0.0/29")
    assert [t.address for t in targets] == [f"https://10.3.0.{i}" for i in range(1, 7)]
    assert not named
    targets, _ = parse_target("r[01-02]-u[8,10]")
    assert [t.address for t in targets] == [
        "https://r01-u8",
        "https://r01-u10",
        "https://r02-u8",
        "https://r02-u10",
    ]


def test_plain_http_needs_its_switch() -> None:
    with pytest.raises(PolicyRefused) as caught:
        parse_target("http://bmc")
    assert caught.value.exit_code == 3
    assert "--allow-http" in caught.value.next_step
    assert parse_target("http://bmc:80", allow_http=True)[0][0].address == "http://bmc"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://x",
        "https://",
        "https://user:secret@bmc",
        "bmc:99999",
        "10.0.0.0/8",
        "300.1.1.1",
        "r[1-",
        "r[5-2]",
        "a b",
        "https://bmc/redfish",
        "r[0-99999]",
        "../x",
        "x?y",
    ],
)
def test_a_bad_target_says_what_to_write_instead(text: str) -> None:
    with pytest.raises(OperatorMust) as caught:
        parse_target(text)
    assert caught.value.exit_code == 2
    assert caught.value.next_step
    assert "secret" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_target_or_a_clear_error(text: str) -> None:
    try:
        targets, _ = parse_target(text, allow_http=True)
    except IolausError as error:
        assert error.next_step
    else:
        assert all(normalise(t.address, allow_http=True) == t.address for t in targets)


def test_a_hosts_file_carries_names_labels_and_pins(tmp_path: Path) -> None:
    pin = "AB:" * 31 + "AB"
    path = tmp_path / "hosts.yaml"
    path.write_text(
        "hosts:\n"
        f"- {{address: 10.0.0.1, name: n1, labels: {{rack: r1, u: 7}}, fingerprint: '{pin}'}}\n"
        "- 10.0.0.2\n- {address: 'https://10.0.0.1', mode: managed}\n"
    )
    first, second = unique(load_hosts(path))
    assert first == Target(
        address="https://10.0.0.1",
        name="n1",
        labels={"rack": "r1", "u": "7"},
        fingerprint="ab" * 32,
        mode=Mode.MANAGED,
    )
    assert second.mode is Mode.READ_ONLY
    assert [t.address for t in parse_hosts("a\nb # second\n", subject="x")] == [
        "https://a",
        "https://b",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "hosts: 3",
        "- {name: x}",
        "- {address: a, colour: red}",
        "- {address: a, fingerprint: zz}",
        "- {address: a, labels: [1]}",
        "- {address: a, mode: root}",
        "- {address: 'http://a'}",
        "\x00",
    ],
)
def test_a_bad_hosts_file_names_the_entry(text: str) -> None:
    with pytest.raises(OperatorMust):
        parse_hosts(text, subject="hosts.yaml")


def test_a_missing_hosts_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(OperatorMust, match="cannot be read"):
        load_hosts(tmp_path / "none.yaml")
