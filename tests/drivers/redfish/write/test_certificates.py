"""Certificates: asked for at the device, signed by an authority of ours, put in, then served."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from iolaus.drivers.ports import Subject
from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import DeviceLied, DeviceRefused, OperatorMust
from iolaus.wire.redfish.errors import Code
from iolaus.wire.redfish.trust import first_contact
from tests.drivers.redfish.build import link, typed
from tests.drivers.redfish.fake import ROOT
from tests.drivers.redfish.write.fake import FakeWriter
from tests.drivers.redfish.write.stage import HOSTS, V1, on

SUBJECT = Subject(
    common_name="bmc-7.example",
    organization="Example",
    unit="Hall",
    city="Berlin",
    state="Berlin",
    country="DE",
)
KEY = ec.generate_private_key(ec.SECP256R1())
ISSUER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of ours")])
NOW = datetime.datetime.now(datetime.UTC)
PLACE = f"{V1}/Managers/1/NetworkProtocol/HTTPS/Certificates"
REQUEST, REPLACE = "CertificateService.GenerateCSR", "CertificateService.ReplaceCertificate"
PEM = serialization.Encoding.PEM


def signed(request: str) -> x509.Certificate:
    asked = x509.load_pem_x509_csr(request.encode())
    return (
        x509.CertificateBuilder(ISSUER, asked.subject, asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(days=90))
        .sign(KEY, hashes.SHA256())
    )


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(PEM).decode()


@pytest.mark.parametrize("persona", HOSTS)
async def test_a_certificate_is_renewed_and_then_served(persona: str) -> None:
    async with on(persona) as at:
        old = next(each for each in (await at.inventory()).certificates if "Web" in each.usage)
        collection = old.uri.rpartition("/")[0]
        request = await at.driver.request_certificate(at.writer, collection, SUBJECT)
        assert request.collection == collection
        asked = x509.load_pem_x509_csr(request.pem.encode())
        assert asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == (
            "bmc-7.example"
        )
        fresh = signed(request.pem)
        receipt = await at.driver.replace_certificate(at.writer, old.uri, pem_of(fresh))
        assert receipt.status == 200
        served = await first_contact(at.device.address, timeout_s=5.0)
        assert served == fresh.fingerprint(hashes.SHA256()).hex() != old.fingerprint


async def test_a_certificate_for_another_key_is_refused() -> None:
    async with on("dl365-cpu") as at:
        request = await at.driver.request_certificate(at.writer, PLACE, SUBJECT)
        other = ec.generate_private_key(ec.SECP384R1())
        stranger = (
            x509.CertificateBuilder(ISSUER, ISSUER, other.public_key(), 7)
            .not_valid_before(NOW)
            .not_valid_after(NOW + datetime.timedelta(days=1))
            .sign(other, hashes.SHA256())
        )
        with pytest.raises(DeviceRefused) as refused:
            await at.driver.replace_certificate(at.writer, f"{PLACE}/1", pem_of(stranger))
        assert refused.value.status == 400
        assert request.pem.startswith("-----BEGIN CERTIFICATE REQUEST-----")


async def test_what_is_no_certificate_is_not_sent() -> None:
    async with on("dl365-cpu") as at:
        with pytest.raises(OperatorMust, match="no certificate"):
            await at.driver.replace_certificate(at.writer, f"{PLACE}/1", "hello")
        assert at.device.counters.by_path.get(f"{V1}/CertificateService", 0) == 0


async def test_a_field_that_the_device_wants_and_does_not_get_is_refused() -> None:
    async with on("dl365-cpu") as at:
        with pytest.raises(DeviceRefused):
            await at.driver.request_certificate(
                at.writer, PLACE, Subject(**{**fields(), "city": ""})
            )


def fields() -> dict[str, Any]:
    return {name: getattr(SUBJECT, name) for name in SUBJECT.__struct_fields__}


# --- odd answers and dialects ---------------------------------------------------------------------


def service(*actions: str) -> FakeWriter:
    place = f"{V1}/CertificateService"
    offered = {f"#{name}": {"target": f"{place}/{name}"} for name in actions}
    return FakeWriter(
        {
            ROOT: typed("ServiceRoot", CertificateService=link(place)),
            place: typed("CertificateService", Actions=offered),
            PLACE: {"Members": [link(f"{PLACE}/1")]},
            f"{PLACE}/1": typed("Certificate"),
            f"{place}/{REQUEST}": {},
            f"{place}/{REPLACE}": {},
        }
    )


def some_request(*, spoiled: bool = False) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    text = builder.sign(key, hashes.SHA256()).public_bytes(PEM).decode()
    if spoiled:
        lines = text.splitlines()
        lines[2] = lines[2].swapcase()
        return "\n".join(lines)
    return text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"CSRString": None},
        {"CSRString": "a request will follow"},
        {"CSRString": some_request()[:120]},
        {"CSRString": some_request(spoiled=True)},
    ],
)
async def test_what_is_no_signing_request_is_a_lie(body: dict[str, Any]) -> None:
    device = service(REQUEST)
    device.answers["POST", f"{V1}/CertificateService/{REQUEST}"] = (200, body, {})
    with pytest.raises(DeviceLied) as lied:
        await RedfishDriver().request_certificate(device, PLACE, SUBJECT)
    assert lied.value.code == "NoSigningRequest"


async def test_the_old_heading_of_a_request_and_all_wishes_are_understood() -> None:
    device = service(REQUEST)
    text = some_request().replace(" CERTIFICATE ", " NEW CERTIFICATE ")
    device.answers["POST", f"{V1}/CertificateService/{REQUEST}"] = (200, {"CSRString": text}, {})
    more = {"alternative_names": ("bmc-7",), "key": "TPM_ALG_ECDSA", "curve": "TPM_ECC_NIST_P384"}
    wish = Subject(**{**fields(), **more})
    request = await RedfishDriver().request_certificate(device, PLACE, wish)
    assert request.pem.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert device.written[-1][2] == {
        "CommonName": "bmc-7.example",
        "Organization": "Example",
        "OrganizationalUnit": "Hall",
        "City": "Berlin",
        "State": "Berlin",
        "Country": "DE",
        "CertificateCollection": {"@odata.id": PLACE},
        "AlternativeNames": ["bmc-7"],
        "KeyPairAlgorithm": "TPM_ALG_ECDSA",
        "KeyCurveId": "TPM_ECC_NIST_P384",
    }


async def test_where_no_action_replaces_it_is_added_to_its_collection() -> None:
    pem = pem_of(signed(some_request()))
    device = service(REQUEST)
    receipt = await RedfishDriver().replace_certificate(device, f"{PLACE}/1", pem)
    assert (receipt.method, receipt.uri, receipt.status) == ("POST", PLACE, 201)
    body = {"CertificateString": pem, "CertificateType": "PEM"}
    assert device.written[-1][:3] == ("POST", PLACE, body)
    await RedfishDriver().replace_certificate(service(REPLACE), PLACE, pem)


async def test_a_chain_is_called_one() -> None:
    pem = pem_of(signed(some_request()))
    device = service(REPLACE)
    await RedfishDriver().replace_certificate(device, f"{PLACE}/1", pem + pem)
    body = device.written[-1][2]
    assert body is not None
    assert (body["CertificateType"], body["CertificateUri"]) == ("PEMchain", link(f"{PLACE}/1"))


async def test_a_device_without_a_certificate_service_makes_no_request() -> None:
    device = FakeWriter({ROOT: typed("ServiceRoot")})
    with pytest.raises(DeviceRefused) as refused:
        await RedfishDriver().request_certificate(device, PLACE, SUBJECT)
    assert refused.value.code == Code.NOT_SUPPORTED
