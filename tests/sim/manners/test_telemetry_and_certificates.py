"""Metric reports at their period, and a certificate that is really replaced, over the real wire."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.sim.manners.stage import MANAGER, V1, Bench, Json, bench, id_of, until

TELEMETRY = f"{V1}/TelemetryService"
DEFINITIONS, REPORT = f"{TELEMETRY}/MetricReportDefinitions", f"{TELEMETRY}/MetricReports/Mine"
SENSOR = f"{V1}/Chassis/System.Embedded.1/Sensors/SystemBoardPwrConsumption"
CERTIFICATE = f"{MANAGER}/NetworkProtocol/HTTPS/Certificates/1"
SERVICE = f"{V1}/CertificateService"


def definition(kind: str = "Periodic", span: str = "PT0.1S", **more: object) -> Json:
    return {"Id": "Mine", "MetricReportDefinitionType": kind,
            "Schedule": {"RecurrenceInterval": span},
            "ReportActions": ["LogToMetricReportsCollection", "RedfishEvent"],
            "Metrics": [{"MetricId": "W", "MetricProperties": [f"{SENSOR}#/Reading"]}],
            **more}  # fmt: skip


async def defined(on: Bench, body: Json) -> tuple[int, Json]:
    on.device.patch(TELEMETRY, {"MinCollectionInterval": "PT0.1S"})
    status, said, _ = await on.ask("POST", DEFINITIONS, json=body)
    return status, said


async def test_a_periodic_report_is_renewed_and_streamed() -> None:
    async with bench() as on:
        assert (await defined(on, definition()))[0] == 201
        url = on.device.address + f"{V1}/EventService/SSE"
        async with asyncio.timeout(60), on.http.get(url) as stream:
            async for line in stream.content:
                if b"#MetricReport." in line:
                    break

        async def renewed() -> bool:
            return int((await on.get(REPORT))["ReportSequence"]) > 2

        await until(renewed)
        (value,) = (await on.get(REPORT))["MetricValues"]
        assert float(value["MetricValue"]) > 100
        assert (await on.ask("DELETE", f"{DEFINITIONS}/Mine"))[0] == 204
        assert (await on.ask("GET", REPORT))[0] == 404


async def test_a_report_on_request_is_made_when_it_is_read() -> None:
    async with bench() as on:
        assert (await defined(on, definition("OnRequest")))[0] == 201
        one, two = await on.get(REPORT), await on.get(REPORT)
        assert int(two["ReportSequence"]) == int(one["ReportSequence"]) + 1


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (definition("Sometimes"), "PropertyValueNotInList"),
        (definition(span="PT0.01S"), "PropertyValueOutOfRange"),
        (definition(Metrics=[]), "PropertyMissing"),
        (definition(Metrics=[{"MetricProperties": ["/nowhere#/Reading"]}]), "ResourceMissingAtURI"),
        (definition(Id="PowerMetrics"), "ResourceAlreadyExists"),
    ],
)
async def test_a_bad_definition_is_refused(body: Json, word: str) -> None:
    async with bench() as on:
        status, said = await defined(on, body)
        assert (status, id_of(said)) == (400, word)


# certificates


def signed(csr: x509.CertificateSigningRequest, *, days: int = 30) -> bytes:
    """A certificate for the request, by an authority of this test's own."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(csr.subject)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


async def requested(on: Bench) -> x509.CertificateSigningRequest:
    status, said = await on.act(
        SERVICE, "CertificateService.GenerateCSR", CommonName="bmc", Organization="o",
        OrganizationalUnit="u", City="c", State="s", Country="US",
        CertificateCollection={"@odata.id": CERTIFICATE.rpartition("/")[0]},
    )  # fmt: skip
    assert status == 200, said
    return x509.load_pem_x509_csr(said["CSRString"].encode())


async def replaced(on: Bench, pem: bytes) -> int:
    status, _ = await on.act(
        SERVICE, "CertificateService.ReplaceCertificate", CertificateString=pem.decode(),
        CertificateType="PEM", CertificateUri={"@odata.id": CERTIFICATE},
    )  # fmt: skip
    return status


async def shown(on: Bench) -> bytes:
    """The certificate that a new connection is shown."""
    host, _, port = on.device.address.removeprefix("https://").partition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return bytes(der)


@pytest.mark.parametrize("days", [30, -3], ids=["valid", "expired"])
async def test_a_replaced_certificate_is_shown(days: int) -> None:
    async with bench() as on:
        pem = signed(await requested(on), days=days)
        assert await replaced(on, pem) == 200
        der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
        assert await shown(on) == der
        assert on.device.fingerprint == sha256(der).hexdigest()
        assert (await on.get(CERTIFICATE))["Subject"]["CommonName"] == "bmc"


async def test_a_certificate_for_another_key_is_refused() -> None:
    async with bench() as on:
        before = await shown(on)
        stranger = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        pem = signed(stranger.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()))
        assert await replaced(on, pem) == 400
        assert await shown(on) == before
