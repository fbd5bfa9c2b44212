"""Who can attest, and what becomes of asking: answered, a task, refused, nonsense."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.drivers.ports import Asked, Signed
from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.attest import ask_signed, decoded, read_shown, read_signed
from iolaus.drivers.redfish.attesters import read_attesters
from iolaus.drivers.redfish.harvest import ROOT
from iolaus.kernel.errors import DeviceLied, DeviceRefused, IolausError
from iolaus.model.evidence import Attester, Protocol, Question, Shown
from tests.drivers.redfish.build import HOST, harvest_of, link, one_asset, typed
from tests.drivers.redfish.write.fake import FakeWriter

PLACE = f"{ROOT}/ComponentIntegrity/GPU_0"
ACTION = f"{PLACE}/Actions/Ask"
CHAIN = f"{ROOT}/Chassis/RoT/Certificates/CertChain"
TASK, DATA = f"{ROOT}/TaskService/Tasks/7", f"{ACTION}/data"
PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
ANSWER = {"SignedMeasurements": base64.b64encode(b"signed").decode(), "Version": "1.1",
          "Certificate": link(CHAIN)}  # fmt: skip
QUESTION = Question(nonce=bytes(range(32)))


def integrity(protocol: str = "SPDM", **more: Any) -> dict[str, Any]:
    return {
        "Id": "GPU_0",
        "ComponentIntegrityType": protocol,
        "ComponentIntegrityTypeVersion": "1.1.0",
        "ComponentIntegrityEnabled": True,
        "TargetComponentURI": f"{ROOT}/Chassis/RoT",
        "Links": {"ComponentsProtected": [link(f"{HOST}/Processors/GPU_0")]},
        "Actions": {f"#ComponentIntegrity.{protocol}GetSignedMeasurements": {"target": ACTION}},
        protocol: {
            "IdentityAuthentication": {
                "ResponderAuthentication": {
                    "ComponentCertificate": link(CHAIN),
                    "VerificationStatus": "Success",
                }
            }
        },
        **more,
    }


def attesters(resources: dict[str, Any]) -> tuple[Attester, ...]:
    return read_attesters(harvest_of(resources), one_asset, one_asset)


def attester(**more: Any) -> Attester:
    (found,) = attesters({PLACE: typed("ComponentIntegrity", **integrity(**more))})
    return found


def test_what_can_attest_is_read_and_what_is_claimed_stands_apart() -> None:
    found = attester()
    assert found == Attester(
        name="GPU_0",
        asset="Systems/Host",
        uri=PLACE,
        protocol=Protocol.SPDM,
        version="1.1.0",
        enabled=True,
        component=f"{ROOT}/Chassis/RoT",
        protects=(f"{HOST}/Processors/GPU_0",),
        action=ACTION,
        certificates=(CHAIN,),
        reported={"verification": "Success"},
    )


def test_a_tpm_says_how_long_a_nonce_it_takes_and_where_its_boot_is_logged() -> None:
    log = f"{HOST}/LogServices/MeasuredBoot"
    body = integrity("TPM", TPM={"NonceSizeBytesMaximum": 20}, TargetComponentURI=HOST)
    found = attesters(
        {
            HOST: typed("ComputerSystem"),
            f"{HOST}/SecureBoot": typed("SecureBoot"),
            log: typed("LogService", Entries=link(f"{log}/Entries")),
            PLACE: typed("ComponentIntegrity", **body),
        }
    )[0]
    assert (found.nonce_size, found.logs) == (20, (f"{log}/Entries",))
    assert found.secure_boot == f"{HOST}/SecureBoot"


async def test_the_question_goes_where_it_is_advertised_with_our_nonce() -> None:
    device = FakeWriter({})
    device.answers["POST", ACTION] = 200, ANSWER, {}
    asked = await RedfishDriver().ask_signed(device, attester(), QUESTION)
    body = {"Nonce": QUESTION.nonce.hex(), "MeasurementIndices": [255], "SlotId": 0}
    assert device.written == [("POST", ACTION, body, None)]
    assert asked.signed is not None
    assert asked.signed.measurements == b"signed"
    assert asked.signed.claimed == {"Version": "1.1", "Certificate": CHAIN}


async def test_nothing_is_sent_where_nothing_is_advertised() -> None:
    device = FakeWriter({})
    with pytest.raises(DeviceRefused):
        await ask_signed(device, attester(Actions={}), QUESTION, chain=b"")
    assert device.written == []


def task(state: str, **more: Any) -> dict[str, Any]:
    return {"@odata.id": TASK, "@odata.type": "#Task.v1_4_0.Task", "TaskState": state, **more}


async def asked_as_task(device: FakeWriter) -> Asked:
    device.answers["POST", ACTION] = 202, task("New", TaskMonitor="/redfish/v1/M/7"), {}
    return await ask_signed(device, attester(), QUESTION, chain=b"")


async def test_a_task_is_looked_at_until_it_is_over_and_read_where_its_payload_says() -> None:
    device = FakeWriter({TASK: task("Running")})
    asked = await asked_as_task(device)
    assert await read_signed(device, asked) is None
    headers = ["Content-Type: application/json", f"Location: {DATA}"]
    device.tree[TASK] = task("Completed", Payload={"HttpHeaders": headers})
    device.tree[DATA] = ANSWER
    signed = await read_signed(device, asked)
    assert signed is not None
    assert signed.measurements == b"signed"


async def test_without_a_location_the_monitor_has_the_answer() -> None:
    device = FakeWriter({TASK: task("Completed"), f"{ROOT}/M/7": ANSWER})
    signed = await read_signed(device, await asked_as_task(device))
    assert signed is not None
    assert signed.measurements == b"signed"


@pytest.mark.parametrize(
    ("tree", "error"),
    [
        ({TASK: task("Exception", Messages=[{"Message": "no bus"}])}, DeviceRefused),
        ({}, DeviceRefused),
        ({TASK: task("Completed")}, DeviceLied),
        ({TASK: task("Completed", SignedMeasurements="not base64!")}, DeviceLied),
    ],
)
async def test_a_task_that_fails_or_vanishes_or_shows_nothing_is_no_evidence(
    tree: dict[str, Any], error: type[IolausError]
) -> None:
    device = FakeWriter(tree)
    with pytest.raises(error):
        await read_signed(device, await asked_as_task(device))


async def test_a_tpm_is_asked_in_its_own_structures() -> None:
    device = FakeWriter({})
    device.answers["POST", ACTION] = 200, ANSWER, {}
    tpm = attester(protocol="TPM")
    await ask_signed(device, tpm, Question(nonce=b"n", pcrs=(0, 7, 9)), chain=b"")
    body = device.written[0][2] or {}
    assert base64.b64decode(body["PCRSelection"]).hex() == "00000001000b03810200"
    assert base64.b64decode(body["Scheme"]).hex() == "0018000b"
    assert body["Certificate"] == link(CHAIN)


async def test_what_is_shown_beside_it_is_read_or_missing_with_a_reason() -> None:
    databases = f"{HOST}/SecureBoot/Databases"
    tpm = Attester(
        name="TPM", asset="a", uri=PLACE, protocol=Protocol.TPM, certificates=(CHAIN, "/c"),
        logs=("/log",), secure_boot=f"{HOST}/SecureBoot",
    )  # fmt: skip
    device = FakeWriter(
        {
            CHAIN: {"CertificateString": PEM},
            "/c": {"Members": [link(CHAIN), link("/c/EK")]},
            "/c/EK": {"CertificateString": PEM, "CertificateUsageTypes": ["EK"]},
            f"{HOST}/SecureBoot": {"SecureBootEnable": True, "SecureBootDatabases": link(databases),
                                   "SecureBootMode": "UserMode"},
            databases: {"Members": [link(f"{databases}/db"), link(f"{databases}/dbDefault")]},
            f"{databases}/db": {"DatabaseId": "db", "Certificates": link(f"{databases}/db/C")},
            f"{databases}/dbDefault": {"DatabaseId": "dbDefault"},
            f"{databases}/db/C": {"Members": [link("/one")]},
            "/one": {"CertificateString": PEM},
        }
    )  # fmt: skip
    shown = await read_shown(device, tpm)
    assert shown.chain == shown.endorsement == PEM.encode()
    assert shown.missing == {"log": "HTTP 404"}
    key = "sha256:" + hashlib.sha256(b"0").hexdigest()
    keys = {"SecureBootEnable": True, "SecureBootMode": "UserMode", "databases": {"db": [key]}}
    assert json.loads(shown.secure_boot) == keys


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(link(CHAIN)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
NAMES = ("Id", "ComponentIntegrityType", "TargetComponentURI", "Links", "Actions", "SPDM", "TPM")


@given(st.dictionaries(st.sampled_from(NAMES), json_values), st.sampled_from(["SPDM", "TPM", ""]))
def test_whatever_stands_in_the_resource_gives_an_attester(body: dict[str, Any], kind: str) -> None:
    payload = {**integrity(kind or "SPDM"), **body}
    (found,) = attesters({PLACE: typed("ComponentIntegrity", **payload)})
    assert found.uri == PLACE


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["TaskState", "Payload", "SignedMeasurements", "Messages", "Certificate"]),
        json_values,
    ),
    st.binary(max_size=64),
)
async def test_any_answer_is_measurements_or_one_error(body: dict[str, Any], chain: bytes) -> None:
    device = FakeWriter({TASK: body, CHAIN: {"CertificateString": chain.decode("latin-1")}})
    device.answers["POST", ACTION] = 200, body, {}
    assert isinstance(await read_shown(device, attester()), Shown)
    asked = Asked(at=0.0, task=TASK, monitor=CHAIN)
    try:
        tpm = await ask_signed(device, attester(protocol="TPM"), QUESTION, chain=chain)
        assert tpm.signed is not None
        assert tpm.signed.measurements
        assert isinstance(await read_signed(device, asked), Signed | None)
    except IolausError:
        pass


def test_base64_is_bounded() -> None:
    assert decoded(base64.b64encode(bytes(64)).decode(), 64) == bytes(64)
    assert decoded(base64.b64encode(bytes(65)).decode(), 64) == b""
    assert decoded("A" * 1000, 64) == b""
