"""Reference manifests in XML: only what is signed is read, and only one form of signature."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConfiguration,
    SignatureMethod,
    XMLSigner,
    XMLVerifier,
    methods,
)

from iolaus.wire.document import DocumentMalformed
from iolaus.wire.rim.manifest import Manifest, parse_rim
from iolaus.wire.rim.signature import parse_enveloped
from tests.trust.made import Maker, maker

GOOD, OTHER = "ab" * 48, "cd" * 48


def swid(*resources: str, name: str = "BOARD", head: str = "") -> bytes:
    return f"""{head}<SoftwareIdentity xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
 xmlns:h="http://www.w3.org/2001/04/xmlenc#sha384" name="{name}" tagId="t">
 <Meta colloquialVersion="1.2" edition="GPU"/>
 <Payload>{"".join(resources)}</Payload>
</SoftwareIdentity>""".encode()


def resource(index: int = 0, *hashes: str, active: str = "True", count: int | None = None) -> str:
    named = " ".join(f'h:Hash{n}="{value}"' for n, value in enumerate(hashes or (GOOD,)))
    alternatives = len(hashes or (GOOD,)) if count is None else count
    return (
        f'<Resource type="Measurement" index="{index}" active="{active}" '
        f'alternatives="{alternatives}" {named} name="M{index}"/>'
    )


def signed(data: bytes, by: Maker, *, c14n: str = "1.1") -> bytes:
    signer = XMLSigner(
        method=methods.enveloped,
        signature_algorithm=SignatureMethod.ECDSA_SHA384,
        digest_algorithm=DigestAlgorithm.SHA384,
        c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_1
        if c14n == "1.1"
        else CanonicalizationMethod.CANONICAL_XML_1_0,
    )
    chain = "".join(each.decode() for each in by.pems)
    root = signer.sign(etree.fromstring(data), key=by.key, cert=chain)
    found: bytes = etree.tostring(root)
    return found


@pytest.fixture(scope="module")
def by() -> Maker:
    return maker(ec.SECP384R1())


@pytest.mark.parametrize("c14n", ["1.0", "1.1"])
def test_what_another_tool_signed_is_verified(by: Maker, c14n: str) -> None:
    found = parse_rim(signed(swid(resource(0), resource(1, GOOD, OTHER)), by, c14n=c14n))
    assert (found.name, found.version, found.edition) == ("BOARD", "1.2", "GPU")
    assert [each.hashes for each in found.resources] == [
        (bytes.fromhex(GOOD),),
        (bytes.fromhex(GOOD), bytes.fromhex(OTHER)),
    ]
    assert found.enveloped is not None
    assert found.enveloped.digest_right
    assert found.enveloped.algorithm == "ES384"
    assert hashlib.sha256(found.enveloped.certificates[0]).digest() == by.fingerprint


def test_a_change_after_signing_shows(by: Maker) -> None:
    raw = signed(swid(resource()), by).replace(GOOD.encode(), OTHER.encode())
    found = parse_rim(raw)
    assert found.enveloped is not None
    assert not found.enveloped.digest_right


def test_a_manifest_without_signature_says_so() -> None:
    assert parse_rim(swid(resource())).enveloped is None


def test_comments_are_not_signed_and_not_read(by: Maker) -> None:
    raw = signed(swid(resource(0)), by)
    hidden = raw.replace(b"<Payload>", b"<Payload><!-- " + resource(1).encode() + b" -->")
    found = parse_rim(hidden)
    assert found.enveloped is not None
    assert found.enveloped.digest_right
    assert len(found.resources) == 1


def test_a_wrapped_signature_is_refused(by: Maker) -> None:
    """What was signed is moved aside and another document put in its place."""
    right = signed(swid(resource(0)), by)
    wrapped = swid(resource(0, OTHER)).replace(
        b"</Payload>", b"</Payload><Extra>" + right + b"</Extra>"
    )
    with pytest.raises(DocumentMalformed) as caught:
        parse_rim(wrapped)
    assert caught.value.reason == "signature-form"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'URI=""', b'URI="#x"', "signature-form"),
        (b"enveloped-signature", b"base64", "signature-form"),
        (b"ecdsa-sha384", b"ecdsa-sha1", "algorithm-unknown"),
        (b"xmldsig-more#sha384", b"xmldsig-more#sha1", "algorithm-unknown"),
        (b"<ds:SignatureValue>", b"<ds:SignatureValue>*", "signature-form"),
        (b'tagId="t"', b'tagId="t" xml:base="x"', "signature-form"),
        (b"<Payload>", b"<?run it?><Payload>", "signature-form"),
    ],
)
def test_other_forms_of_signature_are_refused(
    by: Maker, old: bytes, new: bytes, reason: str
) -> None:
    raw = signed(swid(resource()), by)
    assert old in raw
    with pytest.raises(DocumentMalformed) as caught:
        parse_enveloped(raw.replace(old, new, 1))
    assert caught.value.reason == reason


def test_a_document_without_canonical_form_is_told() -> None:
    raw = swid(resource()).replace(b"<Payload>", b'<Payload xmlns:r="relative">')
    with pytest.raises(DocumentMalformed) as caught:
        parse_rim(raw)
    assert caught.value.reason == "not-canonical"


BOMB = """<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>"""
OUTSIDE = '<!DOCTYPE a SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize("head", [BOMB, OUTSIDE])
def test_no_document_with_a_dtd_is_read(head: str) -> None:
    with pytest.raises(DocumentMalformed) as caught:
        parse_rim(swid(resource(), head=head))
    assert caught.value.reason in ("has-dtd", "not-xml")


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        ((), "not-rim"),
        ((resource(0), resource(0)), "duplicate-index"),
        ((resource(0, GOOD, count=2),), "resource-malformed"),
        ((resource(0, active="yes"),), "resource-malformed"),
        ((resource(0, "ab"),), "digest-length"),
        ((resource(0, "zz" * 48),), "digest-length"),
        ((resource(-1),), "resource-malformed"),
    ],
)
def test_a_measurement_that_is_none_is_told(resources: tuple[str, ...], reason: str) -> None:
    with pytest.raises(DocumentMalformed) as caught:
        parse_rim(swid(*resources))
    assert caught.value.reason == reason


@pytest.mark.shared
def test_the_published_manifests(shared: Path) -> None:
    """Their signatures verify for another tool too, over the same document."""
    folder = shared / "trust" / "nvidia"
    files = sorted((folder / "rim").iterdir())
    assert len(files) == 4
    for file in files:
        raw = file.read_bytes()
        found = parse_rim(raw)
        assert found.enveloped is not None
        assert found.enveloped.digest_right
        leaf = etree.fromstring(raw).findtext(".//{*}X509Certificate").strip()
        pem = f"-----BEGIN CERTIFICATE-----\n{leaf}\n-----END CERTIFICATE-----"
        valid = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
        config = SignatureConfiguration(verification_time=valid)
        theirs = XMLVerifier().verify(raw, x509_cert=pem, expect_config=config)
        assert theirs.signed_data == found.enveloped.content
        indices = {
            int(each.get("index")) for each in etree.fromstring(raw).iterfind(".//{*}Resource")
        }
        assert {each.index for each in found.resources} == indices


def judged(data: bytes) -> None:
    try:
        assert isinstance(parse_rim(data), Manifest)
    except DocumentMalformed as wrong:
        assert wrong.reason


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"<a>{text}</a>".encode()))
def test_any_bytes_give_a_manifest_or_the_one_error(data: bytes) -> None:
    judged(data)


@given(st.data())
@settings(max_examples=150)
def test_damage_anywhere_gives_a_manifest_or_the_one_error(by: Maker, data: st.DataObject) -> None:
    raw = bytearray(signed(swid(resource()), by))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    judged(bytes(raw))
