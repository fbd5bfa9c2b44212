"""Asking a component for signed measurements, through a controller that only carries.

The question is a POST that changes nothing: the component signs what it runs together with our
nonce (DSP0268, ComponentIntegrity, SPDMGetSignedMeasurements and TPMGetSignedMeasurements). The
answer comes at once, or a Task is made whose answer is read where the Task's payload says, else
at its monitor. Whoever asked waits and looks again: nothing is polled here.

What came back is taken as bytes with a bound and judged nowhere in the driver. An answer that is
no answer raises `DeviceLied`; a Task that vanished or failed is a refusal.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from iolaus.drivers.ports import Asked, Payload, Reads, Signed, Writes
from iolaus.drivers.redfish._text import clean, mapping, tail
from iolaus.drivers.redfish.harvest import ROOT, links_in
from iolaus.drivers.redfish.write.exchange import not_offered
from iolaus.kernel.errors import DeviceLied, DeviceRefused
from iolaus.model.evidence import Attester, Protocol, Question, Shown
from iolaus.wire.redfish.address import path_of
from iolaus.wire.redfish.errors import Code
from iolaus.wire.redfish.port import Answer
from iolaus.wire.redfish.task import State, read_task, task_uri

MAX_MEASUREMENTS: Final = 512 * 1024
MAX_CHAIN: Final = 64 * 1024
MAX_LOG: Final = 1024 * 1024
MAX_HEADERS: Final = 32
MAX_DATABASES: Final = 16
MAX_KEYS: Final = 64
MAX_ENTRIES: Final = 4
CLAIMS: Final = ("Version", "HashingAlgorithm", "SigningAlgorithm", "PublicKey")
_ECDSA, _RSASSA = 0x0018, 0x0014
_BANKS: Final[Mapping[str, int]] = {"sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D}


# --- the question -------------------------------------------------------------------------------


async def ask_signed(
    device: Writes, attester: Attester, question: Question, *, chain: bytes
) -> Asked:
    """Send the question once. `chain` is what certifies a TPM's key, which says how it signs."""
    if not attester.action:
        raise not_offered(device, attester.uri, "signed measurements")
    body = _spdm(question) if attester.protocol is Protocol.SPDM else _tpm(
        attester, question, chain=chain
    )  # fmt: skip
    answer = await device.write("POST", attester.action, body)
    if answer.status != 202:
        return Asked(at=answer.at, signed=_signed(device, attester.action, answer))
    task = task_uri(answer)
    monitor = path_of(clean(answer.body.get("TaskMonitor"), 2048))
    monitor = monitor or path_of(answer.headers.get("location", ""))
    if not task:
        raise _lied(device, attester.action, "HTTP 202 without a task")
    return Asked(at=answer.at, task=task, monitor=monitor or task)


def _spdm(question: Question) -> dict[str, Any]:
    return {
        "Nonce": question.nonce.hex(),
        "MeasurementIndices": list(question.indices),
        "SlotId": question.slot,
    }


def _tpm(attester: Attester, question: Question, *, chain: bytes) -> dict[str, Any]:
    """Registers and scheme as the TPM's own structures in Base64 (TPML_PCR_SELECTION and
    TPMT_SIG_SCHEME, TPM 2.0 Library Part 2)."""
    bank, bits = _BANKS[question.hashing], sum(1 << number for number in question.pcrs)
    selection = struct.pack(">IHB", 1, bank, 3) + bits.to_bytes(3, "little")
    scheme = struct.pack(">HH", _RSASSA if _is_rsa(chain) else _ECDSA, _BANKS["sha256"])
    body: dict[str, Any] = {
        "Nonce": question.nonce.hex(),
        "PCRSelection": base64.b64encode(selection).decode(),
        "Scheme": base64.b64encode(scheme).decode(),
    }
    if attester.certificates:
        body["Certificate"] = {"@odata.id": attester.certificates[0]}
    return body


def _is_rsa(chain: bytes) -> bool:
    """Of the certificate of a PEM text that certifies nobody else, the signer's own."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd serial numbers are judged elsewhere
            found = x509.load_pem_x509_certificates(chain[:MAX_CHAIN])
            issuers = {each.issuer for each in found if each.issuer != each.subject}
            own = next((each for each in found if each.subject not in issuers), found[0])
            return isinstance(own.public_key(), RSAPublicKey)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return False


# --- the answer ---------------------------------------------------------------------------------


async def read_signed(device: Reads, asked: Asked) -> Signed | None:
    """The answer of what was asked; None while its task runs."""
    if asked.signed is not None or asked.task is None:
        return asked.signed
    answer = await device.get(asked.task)
    progress = read_task(asked.task, answer.body, status=answer.status)
    if progress.state is State.RUNNING:
        return None
    if progress.state is not State.SUCCEEDED:
        said = "; ".join(progress.messages) or progress.raw_state or progress.state.value
        raise _refused(device, asked.task, f"its task ended as {said}"[:300])
    return await _of_task(device, asked, answer.body)


async def _of_task(device: Reads, asked: Asked, task: Payload) -> Signed:
    """Where the payload's Location says; else the monitor's, else the task's own."""
    if "SignedMeasurements" in task:
        return _parsed(device, asked.task or "", task)
    places = dict.fromkeys((*_locations(task), asked.monitor or ""))
    for place in filter(None, places):
        answer = await _got(device, place)
        if answer is not None and "SignedMeasurements" in answer.body:
            return _signed(device, place, answer)
    raise _lied(device, asked.task or "", "its task is over and shows no measurements")


async def _got(device: Reads, uri: str) -> Answer | None:
    try:
        return await device.get(uri)
    except DeviceRefused as refused:
        if refused.status in (404, 405, 410):
            return None
        raise


def _locations(task: Payload) -> Iterator[str]:
    held = mapping(task.get("Payload")).get("HttpHeaders")
    headers = held if isinstance(held, Sequence) and not isinstance(held, str) else ()
    for header in headers[:MAX_HEADERS]:
        name, _, value = clean(header, 4096).partition(":")
        path = path_of(value) if name.strip().lower() == "location" else ""
        if path.startswith(f"{ROOT}/"):
            yield path


def _signed(device: Reads, uri: str, answer: Answer) -> Signed:
    return _parsed(device, uri, answer.body, at=answer.at)


def _parsed(device: Reads, uri: str, body: Payload, *, at: float | None = None) -> Signed:
    data = decoded(body.get("SignedMeasurements"), MAX_MEASUREMENTS)
    if not data:
        raise _lied(device, uri, "it shows no measurements that can be read")
    claimed = {name: word for name in CLAIMS if (word := clean(body.get(name), 4096))}
    certificate = next(links_in(body.get("Certificate")), "")
    if certificate:
        claimed["Certificate"] = certificate
    return Signed(measurements=data, claimed=claimed, at=at)


def decoded(value: object, most: int) -> bytes:
    """Base64 of at most `most` bytes; b"" for what is none."""
    if not isinstance(value, str) or len(value) > most * 3 // 2:
        return b""
    try:
        found = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if len(found) <= most else b""


# --- what is shown beside it --------------------------------------------------------------------


async def read_shown(device: Reads, attester: Attester) -> Shown:
    """Chains, a boot's events and Secure Boot's keys. A part that cannot be read is missing, with
    the reason; only silence is raised."""
    missing: dict[str, str] = {}
    chain, endorsement = await _chains(device, attester, missing)
    log = b""
    if attester.protocol is Protocol.TPM:
        log = await _log(device, attester, missing)
    keys = await _secure_boot(device, attester.secure_boot, missing)
    return Shown(
        chain=chain,
        endorsement=endorsement,
        log=log,
        secure_boot=keys,
        missing=missing,
    )


async def _chains(
    device: Reads, attester: Attester, missing: dict[str, str]
) -> tuple[bytes, bytes]:
    """(what certifies the signer, a TPM's endorsement), each a PEM text."""
    signer, endorsement = b"", b""
    for uri, payload in await _certificates(device, attester, missing):
        pem = _pem(payload)
        usage = payload.get("CertificateUsageTypes")
        if isinstance(usage, list) and "EK" in usage:
            endorsement = endorsement or pem
        elif not signer and _is_slot(uri, payload, attester):
            signer = pem
    if not signer and "chain" not in missing:
        missing["chain"] = "no certificate is linked" if not attester.certificates else (
            "no certificate can be read"
        )  # fmt: skip
    return signer, endorsement


def _is_slot(uri: str, payload: Payload, attester: Attester) -> bool:
    """The one that is linked as the component's, or of slot 0."""
    return uri == attester.certificates[0] or mapping(payload.get("SPDM")).get("SlotId") == 0


async def _certificates(
    device: Reads, attester: Attester, missing: dict[str, str]
) -> list[tuple[str, Payload]]:
    found: list[tuple[str, Payload]] = []
    for uri in attester.certificates:
        try:
            answer = await device.get(uri)
            if "Members" not in answer.body:
                found.append((uri, answer.body))
                continue
            members = list(links_in(answer.body["Members"]))[:MAX_KEYS]
            new = [each for each in members if each not in dict(found)]
            found += [(each, (await device.get(each)).body) for each in new]
        except (DeviceRefused, DeviceLied) as error:
            missing["chain"] = error.message
    return found


def _pem(payload: Payload) -> bytes:
    text = payload.get("CertificateString")
    if not isinstance(text, str) or len(text) > MAX_CHAIN or "BEGIN CERTIFICATE" not in text:
        return b""
    return text.encode("ascii", "ignore")


async def _log(device: Reads, attester: Attester, missing: dict[str, str]) -> bytes:
    for uri in attester.logs:
        try:
            entries = await device.members(uri, on_gap=lambda *_: None)
        except (DeviceRefused, DeviceLied) as error:
            missing["log"] = error.message
            continue
        for _, payload in list(entries)[:MAX_ENTRIES]:
            if data := decoded(payload.get("DiagnosticData"), MAX_LOG):
                missing.pop("log", None)
                return data
    missing.setdefault("log", "no log of a measured boot is shown")
    return b""


async def _secure_boot(device: Reads, uri: str, missing: dict[str, str]) -> bytes:
    """What is reported of Secure Boot: its state, and by database the SHA-256 of its keys."""
    if not uri:
        return b""
    try:
        state = (await device.get(uri)).body
        databases = await _databases(device, state)
    except (DeviceRefused, DeviceLied) as error:
        missing["secure_boot"] = error.message
        return b""
    names = ("SecureBootEnable", "SecureBootCurrentBoot", "SecureBootMode")
    shown = {name: state.get(name) for name in names if name in state}
    return msgspec.json.encode({**shown, "databases": databases}, order="deterministic")


async def _databases(device: Reads, state: Payload) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for uri in links_in(state.get("SecureBootDatabases")):
        members = await device.members(uri, on_gap=lambda *_: None)
        for place, payload in list(members)[:MAX_DATABASES]:
            name = clean(payload.get("DatabaseId") or payload.get("Id"), 64) or tail(place)
            if not name.endswith("Default"):
                found[name] = [each async for each in _keys(device, payload)]
    return found


async def _keys(device: Reads, database: Payload) -> Any:
    """Certificates as "sha256:...", signatures as "TYPE:..."."""
    for name in ("Certificates", "Signatures"):
        for uri in links_in(database.get(name)):
            for _, payload in list(await device.members(uri, on_gap=lambda *_: None))[:MAX_KEYS]:
                if key := _key(payload):
                    yield key


def _key(payload: Payload) -> str:
    if pem := _pem(payload):
        body = b"".join(_lines(pem))
        try:
            return "sha256:" + hashlib.sha256(base64.b64decode(body, validate=True)).hexdigest()
        except (binascii.Error, ValueError):
            return ""
    kind, value = clean(payload.get("SignatureType"), 64), clean(payload.get("SignatureString"))
    return f"{kind}:{value}" if value else ""


def _lines(pem: bytes) -> Iterable[bytes]:
    """The Base64 of the first certificate."""
    inside = pem.partition(b"-----BEGIN CERTIFICATE-----")[2]
    return inside.partition(b"-----END CERTIFICATE-----")[0].split()


# --- errors -------------------------------------------------------------------------------------


def _lied(device: Reads, uri: str, message: str) -> DeviceLied:
    return DeviceLied(
        message,
        operation="ask for signed measurements",
        subject=f"{device.address}{uri}",
        code="NoMeasurements",
        next_step="ask again; update the controller if it stays so",
    )


def _refused(device: Reads, uri: str, message: str) -> DeviceRefused:
    return DeviceRefused(
        message,
        operation="ask for signed measurements",
        subject=f"{device.address}{uri}",
        code=Code.NOT_SUPPORTED,
        next_step="ask again; restart the component if it stays so",
    )
