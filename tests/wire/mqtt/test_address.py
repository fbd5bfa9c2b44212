"""Names of brokers, and what is not sent in the clear."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.wire.mqtt.address import parse_broker
from iolaus.wire.mqtt.link import read_password


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("mqtts://Bms.example", "dsx+mqtts://bms.example:8883"),
        ("dsx+mqtts://10.0.0.9:9000", "dsx+mqtts://10.0.0.9:9000"),
        ("mqtt://127.0.0.1", "dsx+mqtt://127.0.0.1:1883"),
        ("mqtt://[::1]:2000", "dsx+mqtt://[::1]:2000"),
    ],
)
def test_a_broker_has_one_name(text: str, normal: str) -> None:
    assert str(parse_broker(text)) == normal
    assert str(parse_broker(normal)) == normal


def test_the_clear_over_a_network_must_be_wanted() -> None:
    with pytest.raises(PolicyRefused):
        parse_broker("mqtt://10.0.0.9")
    assert str(parse_broker("mqtt://10.0.0.9", insecure=True)) == "dsx+mqtt://10.0.0.9:1883"


@pytest.mark.parametrize(
    "text",
    ["https://a", "mqtts://", "mqtts://u:secret@a", "mqtts://a/b", "mqtts://a:x", "mqtts://a b"],
)
def test_what_is_wrong_is_said(text: str) -> None:
    with pytest.raises(OperatorMust) as caught:
        parse_broker(text)
    assert "secret" not in str(caught.value)


def test_a_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("tiger7\nmore\n")
    assert read_password(file) == "tiger7"
    assert read_password(None) is None
    with pytest.raises(OperatorMust) as caught:
        read_password(tmp_path / "none")
    assert "tiger7" not in str(caught.value)


@given(st.text(max_size=40))
@settings(max_examples=40)
def test_any_text_is_a_broker_or_the_one_error(text: str) -> None:
    for word in (text, f"mqtts://{text}"):
        try:
            found = parse_broker(word)
        except OperatorMust:
            continue
        assert parse_broker(str(found)) == found
