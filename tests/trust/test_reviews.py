"""Review reports judged: whose they are, and which images they are about."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from joserfc import jws as jose
from joserfc.jwk import ECKey

from iolaus.model.trust import Identity, Reference, Signature, Summary
from iolaus.trust.reviews import Image, ProviderKey, Reviewed, candidates, judge_report
from iolaus.trust.signing import read_key
from iolaus.wire.safe import parse_report
from tests.wire.safe.test_report import body, cose, jws, part, reviewed

KEY = ec.generate_private_key(ec.SECP521R1())
IMAGE = b"firmware" * 100
MINE = ProviderKey("reviewers.pem", ("reviewers", "Reviewers_Ltd"), KEY.public_key())


def signed(key: ec.EllipticCurvePrivateKey = KEY, **device: Any) -> bytes:
    hashed = {
        "fw_hash_sha2_384": hashlib.sha384(IMAGE).hexdigest(),
        "fw_hash_sha2_512": hashlib.sha512(IMAGE).hexdigest(),
    }
    data = jws(body(**{**hashed, **device})).rpartition(b".")[0]
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA512())))
    return data + b"." + part(r.to_bytes(66, "big") + s.to_bytes(66, "big"))


def image(data: bytes = IMAGE) -> Image:
    digests = {word: hashlib.new(word, data).digest() for word in ("sha256", "sha384", "sha512")}
    return Image(name="trap.bin", digests=digests)


def judged(data: bytes, *keys: ProviderKey, images: list[Image] | None = None) -> Reviewed:
    return judge_report(parse_report(data), keys, images)


def codes(found: Reviewed) -> list[str]:
    return [each.code for each in found.verdict.findings]


def test_a_report_is_its_providers_and_joins_to_its_image() -> None:
    found = judged(signed(), MINE, images=[image()])
    assert found.verdict.summary is Summary.VERIFIED
    assert (found.signer, found.joined) == ("reviewers.pem", ((0, "trap.bin"),))
    assert codes(found) == ["image-reviewed", "open-issue"]


def test_the_same_report_is_good_for_another_library() -> None:
    held = jose.deserialize_compact(signed(), ECKey.import_key(KEY.public_key()), ["ES512"])
    assert held.payload == parse_report(signed()).payload


def test_a_version_is_no_image() -> None:
    found = judged(signed(), MINE, images=[image(b"other bytes")])
    assert (found.verdict.reference, found.joined) == (Reference.MISMATCH, ())
    assert found.verdict.findings[0].code == "image-differs"
    half = judged(signed(fw_hash_sha2_384="00" * 47 + "01"), MINE, images=[image()])
    assert half.verdict.reference is Reference.MISMATCH


def test_another_key_is_invalid_and_no_key_is_unverified() -> None:
    forged = judged(signed(ec.generate_private_key(ec.SECP521R1())), MINE)
    assert forged.verdict.signature is Signature.INVALID
    assert forged.verdict.summary is Summary.UNTRUSTED
    stranger = MINE._replace(names=("somebody",))
    unknown = judged(signed(), stranger)
    assert unknown.verdict.signature is Signature.UNVERIFIED
    assert unknown.verdict.identity is Identity.UNANCHORED
    assert codes(unknown)[0] == "key-unknown"


def test_a_change_of_the_report_is_found() -> None:
    head, payload, last = signed().split(b".")
    swapped = b".".join((head, jws(body(product="Other")).split(b".")[1], last))
    assert payload not in swapped
    assert judged(swapped, MINE).verdict.signature is Signature.INVALID


def test_a_report_of_another_provider_than_it_says_is_told() -> None:
    other = MINE._replace(names=("Reviewers and Acme",))
    assert "provider-differs" not in codes(judged(signed(), other))
    data = signed()
    report = parse_report(data)
    assert report.reports[0].provider == "Reviewers"
    kidless = MINE._replace(names=("acme-reviews",))
    assert candidates(b"Acme", [kidless, MINE]) == [kidless]
    assert candidates(b"", [kidless, MINE]) == [kidless, MINE]
    assert candidates(b"--", [kidless, MINE]) == []


def test_an_algorithm_that_nobody_signed_is_the_keys() -> None:
    found = judged(cose(reviewed(), 98), MINE._replace(names=("k",)))
    assert "algorithm-not-signed" in codes(found)
    assert found.verdict.signature is Signature.INVALID


@pytest.mark.shared
def test_the_published_reports_verify_under_their_providers_key(shared: Path) -> None:
    """And under no other's. Another library is of one mind on each."""
    folder = shared / "trust" / "safe"
    keys = []
    for file in (folder / "SRP_certificates").rglob("*.p[eu]*"):
        key = read_key(file.read_bytes())
        assert key is not None
        keys.append(ProviderKey(file.name, (file.stem, file.parent.name), key))
    others = [each for each in keys if "NCC_Group" not in each.names]
    (ncc,) = (each for each in keys if "NCC_Group" in each.names)
    assert len(others) == 7
    theirs = ECKey.import_key(ncc.key)  # type: ignore[arg-type]
    files = sorted((folder / "reports").rglob("*.jws"))
    for file in files:
        data = file.read_bytes().strip()
        found = judged(data, *keys)
        assert found.verdict.signature is Signature.VALID, file
        assert found.signer == ncc.file
        assert "provider-differs" not in codes(found)
        assert jose.deserialize_compact(data, theirs, ["ES512"]).payload
        disguised = [each._replace(names=ncc.names) for each in others]
        assert judged(data, *disguised).verdict.signature is Signature.INVALID
