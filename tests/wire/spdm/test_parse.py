"""Transcripts as bytes: what is read of honest ones, and why each kind of wrong one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings

from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.spdm.algorithms import SIGNINGS, algorithm_name
from iolaus.wire.spdm.parse import parse_transcript
from iolaus.wire.spdm.transcript import KINDS
from tests.sim.roots.spdm_verifier import parse as independent
from tests.sim.roots.world import NONCE, responder
from tests.wire.hostile import hostile, measurements

VERSIONS = pytest.mark.parametrize("version", ["1.1", "1.2", "1.3"])
P384 = 96
VCA = 148  # before the first pair of an answer by 1.2


def reason(data: bytes, size: int | None = P384) -> str:
    with pytest.raises(EvidenceMalformed) as wrong:
        parse_transcript(data, signature_size=size)
    return wrong.value.reason


@VERSIONS
def test_an_honest_answer_is_read_whole(version: str) -> None:
    data = measurements(version, opaque="tlv")
    found = parse_transcript(data, signature_size=P384)
    other = independent(data, version, "ECDSA_P384").pairs[0]
    assert (found.version, len(found.pairs)) == (version, 1)
    assert found.signed + found.signature == data
    assert len(found.signature) == P384
    assert (found.last.nonce, found.last.slot, found.last.answered) == (NONCE, 0, 0)
    assert found.last.opaque
    assert [(b.index, b.kind, b.raw, b.value) for b in found.blocks] == [
        (b.index, KINDS[b.kind], b.raw, b.value) for b in other.blocks
    ]


@VERSIONS
def test_one_pair_per_index_and_the_last_is_signed(version: str) -> None:
    found = parse_transcript(measurements(version, (1, 2, 0xFE)), signature_size=P384)
    assert [pair.operation for pair in found.pairs] == [1, 2, 0xFE]
    assert [pair.nonce for pair in found.pairs] == [None, None, NONCE]
    assert [block.index for block in found.blocks] == [1, 2, 0xFE]


def test_index_zero_counts() -> None:
    found = parse_transcript(measurements("1.2", (0,)))
    assert found.blocks == ()
    assert found.last.total == len(responder(version="1.2").blocks())


def test_the_negotiation_is_read_from_1_2_on() -> None:
    assert parse_transcript(measurements("1.1"), signature_size=P384).negotiated is None
    held = parse_transcript(measurements("1.2")).negotiated
    assert held is not None
    assert (held.hashing, held.signing, held.measurement_hashing) == (
        "sha384", "ecdsa-p384", "sha384",
    )  # fmt: skip
    assert "1.2" in held.offered


@VERSIONS
def test_every_cut_is_noticed(version: str) -> None:
    data = measurements(version)
    for end in range(len(data)):
        reason(data[:end])


@VERSIONS
@pytest.mark.parametrize("more", [b"\0", b"\x11\xe0\0\0", bytes(96)])
def test_nothing_may_follow_the_signature(version: str, more: bytes) -> None:
    assert reason(measurements(version) + more) == "trailing-bytes"


def changed(data: bytes, **at: bytes) -> bytes:
    """`p12=b".."` puts bytes at 12."""
    held = bytearray(data)
    for place, new in at.items():
        start = int(place.removeprefix("p"))
        held[start : start + len(new)] = new
    return bytes(held)


def pair_at(data: bytes) -> int:
    return data.index(b"\xe0\x01\xff" + NONCE) - 1


def test_stripped_negotiation_is_refused() -> None:
    data = measurements("1.2")
    assert reason(data[pair_at(data) :]) == "negotiation-missing"


def test_negotiation_before_1_2_is_refused() -> None:
    vca = measurements("1.2")[: pair_at(measurements("1.2"))]
    old = vca.replace(b"\x12\xe1", b"\x11\xe1").replace(b"\x12\x61", b"\x11\x61")
    assert reason(old + measurements("1.1")) == "negotiation-unexpected"


def test_one_version_throughout() -> None:
    data = measurements("1.2")
    assert reason(changed(data, **{f"p{pair_at(data)}": b"\x11"})) == "version-mixed"
    old = measurements("1.1")
    assert reason(changed(old, p37=b"\x10")) == "version-mixed"


def test_an_error_ends_a_transcript() -> None:
    old = measurements("1.1")
    assert reason(changed(old, p38=b"\x7f")) == "error-in-transcript"
    assert reason(changed(old, p1=b"\x81")) == "unexpected-message"


def test_one_algorithm_that_was_offered() -> None:
    data = measurements("1.2")
    answer = data.index(b"\x12\x63")
    assert reason(changed(data, **{f"p{answer + 12}": b"\x90"})) == "algorithm-unknown"
    asked = data.index(b"\x12\xe3")
    assert reason(changed(data, **{f"p{asked + 8}": b"\x10\0"})) == "algorithm-not-offered"
    assert reason(changed(data, **{f"p{answer + 12}": b"\0"})) == "algorithm-unknown"
    nothing = "nothing says how long the signature of 1.1 is"
    assert reason(measurements("1.1"), None) == "algorithm-unknown", nothing


def test_blocks_are_those_asked_for() -> None:
    old = measurements("1.1", (2,))
    assert reason(changed(old, p3=b"\x03")) == "not-asked"
    assert reason(changed(old, p3=b"\0")) == "not-asked"


def test_impossible_blocks() -> None:
    old = measurements("1.1")
    assert reason(changed(old, p45=b"\0")) == "index-impossible"
    assert reason(changed(old, p46=b"\x02")) == "specification-unknown"
    second = 45 + 4 + 3 + 48
    assert reason(changed(old, **{f"p{second}": b"\x01"})) == "index-duplicate"
    first = measurements("1.2").index(b"\x01\x01\x33\0\0\x30\0")
    short = changed(measurements("1.2"), **{f"p{first + 2}": b"\x32\0\0\x2f\0"})
    assert reason(short) in {"trailing-bytes", "digest-size", "truncated", "index-impossible"}


def test_the_context_of_1_3_is_echoed() -> None:
    data = measurements("1.3")
    assert data.count(b"IOLAUSIM") == 2
    last = data.rindex(b"IOLAUSIM")
    assert reason(changed(data, **{f"p{last}": b"J"})) == "context-differs"


@given(hostile(measurements("1.1", (1, 2)), measurements("1.2"), measurements("1.3", (1, 2))))
@settings(max_examples=200)
def test_any_bytes_are_a_transcript_or_malformed(data: bytes) -> None:
    try:
        found = parse_transcript(data, signature_size=P384)
    except EvidenceMalformed:
        return
    assert found.signed + found.signature == data


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("TPM_ALG_SHA_384", "sha384"), ("SHA3-256", "sha3-256"), ("sha_256", "sha256"),
        ("TPM_ALG_ECDSA_ECC_NIST_P384", "ecdsa-p384"), ("ECDSA_P521", "ecdsa-p521"),
        ("TPM_ALG_RSAPSS_3072", "rsapss-3072"), ("rsassa-2048", "rsassa-2048"),
        ("Oem", ""), ("", ""),
    ],
)  # fmt: skip
def test_names_of_algorithms(text: str, name: str) -> None:
    assert algorithm_name(text) == name


@pytest.mark.shared
def test_recorded_transcripts_are_read_as_their_maker_says(shared: Path) -> None:
    folders = sorted((shared / "trust" / "spdm").iterdir())
    assert len(folders) == 15
    for folder in folders:
        meta = json.loads((folder / "meta.json").read_text())
        size = SIGNINGS[algorithm_name(meta["base_asym"])]
        data = (folder / "redfish_signed_measurements.bin").read_bytes()
        found = parse_transcript(data, signature_size=size)
        summary = meta["summary"]
        assert found.version == meta["spdm_version"]
        assert len(found.pairs) == summary["npairs"]
        assert found.last.nonce == bytes.fromhex(summary["nonce"])
        assert (found.last.slot, len(found.last.opaque)) == (summary["slot"], summary["opaque"])
        assert [[b.index, b.kind, b.raw, len(b.value)] for b in found.blocks] == [
            [index, KINDS[kind], raw, size] for index, kind, raw, size in summary["blocks"]
        ]
        if found.negotiated:
            assert found.negotiated.signing == algorithm_name(meta["base_asym"])
            assert found.negotiated.hashing == algorithm_name(meta["base_hash"])
