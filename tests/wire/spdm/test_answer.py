"""The three forms of an answer in a file."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given

from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.spdm.answer import Answer, parse_answer
from tests.wire.hostile import hostile, measurements

RAW = measurements("1.1")
TEXT = base64.b64encode(RAW)
BODY = json.dumps(
    {"SignedMeasurements": TEXT.decode(), "Version": "1.1", "SigningAlgorithm": "X" * 99}
).encode()


def test_each_form_holds_the_same() -> None:
    assert parse_answer(RAW) == Answer(measurements=RAW)
    assert parse_answer(TEXT) == Answer(measurements=RAW)
    assert parse_answer(BODY) == Answer(measurements=RAW, version="1.1", signing="X" * 64)


@pytest.mark.parametrize("data", [b"{", b"{}", b"no", b'{"SignedMeasurements": 1}', b"[" * 9000])
def test_other_forms_are_malformed(data: bytes) -> None:
    with pytest.raises(EvidenceMalformed):
        parse_answer(data)


@given(hostile(RAW, TEXT, BODY))
def test_any_bytes_are_an_answer_or_malformed(data: bytes) -> None:
    try:
        parse_answer(data)
    except EvidenceMalformed:
        return
