"""Certificates of the controller: asked for, signed elsewhere, put in.

The key is made in the device and stays there; what leaves it is a request (PKCS#10), and it is
checked before anybody signs it, because a controller that answers with half a request would get a
certificate for nothing. Replacing is an action of the CertificateService; controllers without it
take a certificate by POST into the collection where it belongs (DSP0266, Certificate schema).
"""

from __future__ import annotations

import re
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from iolaus.drivers.ports import Receipt, SigningRequest, Subject, Writes
from iolaus.drivers.redfish._text import clean
from iolaus.drivers.redfish.harvest import ROOT, links_in, normal, type_of
from iolaus.drivers.redfish.write.actions import act, offered, require
from iolaus.drivers.redfish.write.exchange import not_offered, receipt_of
from iolaus.kernel.errors import DeviceLied, DeviceRefused, OperatorMust
from iolaus.wire.redfish.port import Answer

REQUEST, REPLACE = "CertificateService.GenerateCSR", "CertificateService.ReplaceCertificate"
MAX_PEM: Final = 64 * 1024
_CSR: Final = re.compile(
    r"-----BEGIN (NEW )?CERTIFICATE REQUEST-----"
    r"[A-Za-z0-9+/=\s]+-----END \1?CERTIFICATE REQUEST-----"
)


async def request_certificate(device: Writes, collection: str, subject: Subject) -> SigningRequest:
    service = await _service(device)
    if service is None:
        raise not_offered(device, collection, f"action {REQUEST}")
    offer = require(device, service, REQUEST)
    answer = await device.write("POST", offer.target, _asked(collection, subject))
    text = answer.body.get("CSRString")
    pem = _request_in(text if isinstance(text, str) else "")
    if pem is None:
        raise DeviceLied(
            "it made no signing request that can be read and verified",
            operation="POST",
            subject=f"{device.address}{offer.target}",
            code="NoSigningRequest",
            next_step="try again; report it to the maker if it stays so",
        )
    return SigningRequest(pem=pem, collection=collection)


def _asked(collection: str, subject: Subject) -> dict[str, Any]:
    body: dict[str, Any] = {
        "CommonName": subject.common_name,
        "Organization": subject.organization,
        "OrganizationalUnit": subject.unit,
        "City": subject.city,
        "State": subject.state,
        "Country": subject.country,
        "CertificateCollection": {"@odata.id": collection},
    }
    if subject.alternative_names:
        body["AlternativeNames"] = list(subject.alternative_names)
    if subject.key:
        body["KeyPairAlgorithm"] = subject.key
    if subject.curve:
        body["KeyCurveId"] = subject.curve
    return body


def _request_in(text: str) -> str | None:
    """The one request in a text, if its own signature is right."""
    found = _CSR.search(text[:MAX_PEM])
    if found is None:
        return None
    pem = found[0].replace(" NEW CERTIFICATE", " CERTIFICATE") + "\n"
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        return pem if request.is_signature_valid else None
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None


async def replace_certificate(device: Writes, uri: str, pem: str) -> Receipt:
    kind = _kind_of(device, pem)
    body: dict[str, Any] = {"CertificateString": pem, "CertificateType": kind}
    seen = await device.get(uri)
    if "Members" in seen.body or type_of(seen.body) == "CertificateCollection":
        return await _add(device, uri, body)
    service = await _service(device)
    offer = offered(service, REPLACE) if service else None
    if offer is None:
        return await _add(device, normal(uri).rpartition("/")[0], body)
    return await act(device, offer, {**body, "CertificateUri": {"@odata.id": uri}})


async def _add(device: Writes, collection: str, body: dict[str, Any]) -> Receipt:
    return receipt_of("POST", collection, await device.write("POST", collection, body))


async def _service(device: Writes) -> Answer | None:
    """The CertificateService; None where the device has none."""
    root = await device.get(ROOT, fresh_s=60.0)
    for uri in links_in(root.body.get("CertificateService")):
        try:
            return await device.get(uri)
        except DeviceRefused as refused:
            if refused.status not in (404, 410):
                raise
    return None


def _kind_of(device: Writes, pem: str) -> str:
    """CertificateType of a text: one certificate, or a chain."""
    try:
        count = len(x509.load_pem_x509_certificates(pem.encode()))
    except (ValueError, x509.InvalidVersion) as error:
        raise OperatorMust(
            f"no certificate can be read: {clean(str(error), 120)}",
            operation="replace certificate",
            subject=device.address,
            code="BadCertificate",
            next_step="give the certificate in PEM, the device's own first",
        ) from None
    return "PEM" if count == 1 else "PEMchain"
