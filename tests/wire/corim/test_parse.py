"""CoRIMs: what they say, that what is not understood is named, and the published examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.sim.roots.references import as_corim, reference_values
from iolaus.wire.corim import Corim, Environment
from iolaus.wire.corim.parse import SAFE_PROFILES, oid, parse_corim
from iolaus.wire.cose import parse_cose
from iolaus.wire.document import DocumentMalformed

SHA384 = bytes(range(48))
MAKER = {0: {1: "ACME", 2: "Trap"}}


def corim(triples: dict[int, Any], **more: Any) -> bytes:
    comid = cbor2.CBORTag(506, cbor2.dumps({1: {0: "tag"}, 4: triples}))
    rest = {int(key[1:]): value for key, value in more.items()}
    return cbor2.dumps(cbor2.CBORTag(501, {0: "manifest", 1: [comid], **rest}))


def measured(**values: Any) -> bytes:
    return corim({0: [[MAKER, [{0: 2, 1: {int(key[1:]): v for key, v in values.items()}}]]]})


def test_a_value_is_read_whole() -> None:
    data = measured(
        _0={0: "1.2"}, _1=cbor2.CBORTag(553, 4), _2=[[7, SHA384]],
        _4=cbor2.CBORTag(563, [b"\x12\x00", b"\xff\x00"]), _11="boot",
    )  # fmt: skip
    found = parse_corim(data)
    (triple,) = found.triples
    assert triple.environment == Environment(vendor="ACME", model="Trap")
    (value,) = triple.measured
    assert (value.key, value.version, value.name) == (2, "1.2", "boot")
    assert (value.svn, value.svn_least) == (4, True)
    assert (value.digests, value.raw, value.mask) == ((("sha384", SHA384),), b"\x12\0", b"\xff\0")
    assert value.unsupported == ()


def test_what_is_not_understood_is_named() -> None:
    (triple,) = parse_corim(measured(_2=[[7, SHA384]], _3={3: False}, _99=1)).triples
    assert triple.measured[0].unsupported == ("flags", "the value 99")
    data = corim({0: [], 5: []}, _2=[])
    assert parse_corim(data).skipped == ("dependent manifests", "membership triples")


def test_times_bound_a_manifest() -> None:
    found = parse_corim(corim({0: []}, _4={0: cbor2.CBORTag(1, 5), 1: cbor2.CBORTag(1, 9.5)}))
    assert (found.not_before, found.not_after) == (5.0, 9.5)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (corim({0: []}, _3=cbor2.CBORTag(32, "http://example.com/own")), "profile-unknown"),
        (corim({0: []}, _9=1), "key-unknown"),
        (cbor2.dumps({0: 1}), "not-corim"),
        (measured(_2=[[7, b"short"]]), "digest-length"),
        (measured(_4=cbor2.CBORTag(560, b"ab"), _5=b"\xff"), "mask-length"),
        (measured(_2={}), "shape"),
        (corim({0: [[MAKER]]}), "shape"),
        (corim({0: []}, _4={0: cbor2.CBORTag(1, float("inf"))}), "shape"),
    ],
)
def test_what_it_may_not_say_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentMalformed) as caught:
        parse_corim(data)
    assert caught.value.reason == reason


def test_object_identifiers() -> None:
    assert oid(bytes.fromhex("6086480186F84D010F06")) == "2.16.840.1.113741.1.15.6"
    assert oid(bytes.fromhex("060A2B0601040182CC7F0101")) in SAFE_PROFILES
    assert oid(b"\xff") == "ff"


def test_the_simulated_makers_values_are_read() -> None:
    values = reference_values()
    found = parse_corim(as_corim(values))
    assert len(found.triples) == len(values)
    for triple, value in zip(found.triples, values, strict=True):
        assert (triple.environment.vendor, triple.environment.model) == (
            value.maker,
            value.component,
        )
        digests = {word: raw.hex() for word, raw in triple.measured[0].digests}
        assert digests == value.digests
        assert triple.measured[0].svn == value.svn


UNKNOWN_PROFILES = {
    "corim-design-cd", "corim-firmware-cd", "signed-corim-with-extensions",
    "signed-example-corim", "unsigned-corim-with-extensions", "unsigned-example-corim",
}  # fmt: skip


@pytest.mark.shared
def test_the_published_examples(shared: Path) -> None:
    """Against a general CBOR library: as many digests are found as it finds anywhere below the
    reference triples, and the profiles that nobody here knows are refused."""
    files = sorted((shared / "trust" / "corim").rglob("*.cbor"))
    assert len(files) == 31
    for file in files:
        data = file.read_bytes()
        if file.name.startswith("signed"):
            data = parse_cose(data).payload
        if file.stem in UNKNOWN_PROFILES:
            with pytest.raises(DocumentMalformed) as caught:
                parse_corim(data)
            assert caught.value.reason == "profile-unknown"
            continue
        found = parse_corim(data)
        ours = [d for t in found.triples if not t.endorsed for m in t.measured for d in m.digests]
        assert sorted(raw for _, raw in ours) == sorted(expected(cbor2.loads(data))), file.name


def expected(item: Any) -> list[bytes]:
    """The digests of the reference triples, by a walk that knows only where they stand."""
    if isinstance(item, cbor2.CBORTag) and item.tag == 501:
        tags = [cbor2.loads(tag.value) for tag in item.value[1]]
        return [digest for tag in tags for digest in expected(tag)]
    return [
        digest
        for _, measurements in item[4].get(0, [])
        for each in measurements
        for listed in (each[1].get(2, []), *each[1].get(14, {}).values())
        for _, digest in listed
    ]


@given(st.binary(max_size=100))
def test_any_bytes_give_a_corim_or_the_one_error(data: bytes) -> None:
    judged(data)


def judged(data: bytes) -> None:
    try:
        assert isinstance(parse_corim(data), Corim)
    except DocumentMalformed as wrong:
        assert wrong.reason


ANY = st.recursive(
    st.integers(-20, 600)
    | st.sampled_from([SHA384, b"", "ACME", None, True, 1.5, cbor2.CBORTag(552, 1)]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(-2, 15), inner, max_size=4)
        | st.builds(cbor2.CBORTag, st.sampled_from([1, 32, 37, 111, 552, 553, 560, 563]), inner)
    ),
    max_leaves=12,
)


@given(ANY, st.sampled_from(["triples", "manifest", "measurement"]))
@settings(max_examples=200)
def test_any_shape_gives_a_corim_or_the_one_error(item: Any, where: str) -> None:
    try:
        made = {
            "triples": lambda: corim({0: item, 10: item}, _3=SAFE_OID),
            "manifest": lambda: cbor2.dumps(cbor2.CBORTag(501, item)),
            "measurement": lambda: corim({0: [[MAKER, [{1: item}]]]}),
        }[where]()
    except (cbor2.CBOREncodeError, TypeError):
        return
    judged(made)


SAFE_OID = cbor2.CBORTag(111, bytes.fromhex("2B0601040182CC7F0101"))
