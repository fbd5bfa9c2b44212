"""Certificates: the thing itself wins over what is said of it."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iolaus.drivers.redfish.certificates import Certificates, read_certificates
from iolaus.drivers.redfish.harvest import ROOT
from tests.drivers.redfish.build import harvest_of, typed

URI = f"{ROOT}/Managers/BMC/NetworkProtocol/HTTPS/Certificates/1"


@pytest.fixture(scope="module")
def certificate() -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bmc.test")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2024, 1, 2, tzinfo=UTC))
        .not_valid_after(datetime(2034, 1, 2, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )


def read(**fields: Any) -> Certificates:
    return read_certificates(harvest_of({URI: typed("Certificate", **fields)}))


def test_the_certificate_itself_wins_over_the_fields(certificate: x509.Certificate) -> None:
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    told = read(
        CertificateString=pem,
        CertificateType="PEM",
        Subject={"CommonName": "another"},
        ValidNotAfter="1999-01-01T00:00:00Z",
        CertificateUsageTypes=["Device", "Web"],
    )
    (found,) = told.certificates
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert (found.subject, found.issuer) == ("CN=bmc.test", "CN=bmc.test")
    assert (found.not_before, found.not_after) == ("2024-01-02T00:00:00Z", "2034-01-02T00:00:00Z")
    assert found.fingerprint == hashlib.sha256(der).hexdigest()
    assert found.usage == ("Device", "Web")
    assert told.deviations == ()


def test_fields_alone() -> None:
    (found,) = read(
        Subject={"CommonName": "bmc", "Organization": "Example", "Email": None},
        Issuer={"CommonName": "ca"},
        ValidNotBefore="2024-01-02T00:00:00Z",
        Fingerprint=":".join(["AB"] * 32),
        FingerprintHashAlgorithm="TPM_ALG_SHA256",
    ).certificates
    assert (found.subject, found.issuer) == ("CN=bmc,O=Example", "CN=ca")
    assert (found.not_before, found.not_after) == ("2024-01-02T00:00:00Z", None)
    assert found.fingerprint == "ab" * 32
    assert found.usage == ("Web",)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN CERTIFICATE-----\nREDACTED!\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nQUJ\n-----END CERTIFICATE-----",
        "rubbish",
    ],
)
def test_an_unreadable_certificate_is_a_deviation_and_the_fields_stand(text: str) -> None:
    told = read(CertificateString=text, CertificateType="PEM", Subject={"CommonName": "bmc"})
    assert told.certificates[0].subject == "CN=bmc"
    assert told.certificates[0].fingerprint is None
    assert [each.rule for each in told.deviations] == ["certificate"]


def test_a_bundle_and_a_blank_are_told_by_their_fields() -> None:
    assert read(CertificateString="x", CertificateType="PKCS7").deviations == ()
    assert read(CertificateString=None, CertificateType="PEM").deviations == ()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_certificate_is_read_or_nothing(
    certificate: x509.Certificate, data: st.DataObject
) -> None:
    """The real one with bytes cut and changed, any bytes, and any text."""
    whole = bytearray(certificate.public_bytes(serialization.Encoding.DER))
    for _ in range(data.draw(st.integers(0, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    der = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    der = data.draw(st.one_of(st.just(der), st.just(bytes(whole)), st.binary(max_size=200)))
    text = base64.encodebytes(der).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
    read(CertificateString=data.draw(st.one_of(st.just(pem), st.text())), CertificateType="PEM")
