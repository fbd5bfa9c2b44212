"""Roots of trust over the real wire: asked by a plain client, and by one that others wrote."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
import warnings
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redfish
import redfish_utilities
from cryptography import x509

from iolaus.sim.device import Latency
from iolaus.sim.firmware.examples import example
from iolaus.sim.hall import Seat, Spot
from iolaus.sim.hall_wear import Wear
from iolaus.sim.oracle import Oracle
from iolaus.sim.personas import personas
from iolaus.sim.roots.chain import anchors
from iolaus.sim.roots.firmware import Image
from iolaus.sim.rules import parse_rules
from iolaus.sim.server import Hall, running
from tests.sim.roots.spdm_verifier import Rejected, Transcript, verify
from tests.sim.roots.tpm_verifier import secure_boot
from tests.sim.roots.tpm_verifier import verify as verify_quote

SEED, PASSWORD, NONCE = 11, "hall-secret", "5a" * 32
TRAY, CARD, SERVER = "gb300-tray", "bluefield-dpu", "sys-hgx-b200"
V1 = "/redfish/v1"
LABELS = {"site": "t", "hall": "h1", "row": "a", "rack": "h1-r01", "u": "3"}


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    devices = []
    for number, name in enumerate((TRAY, CARD, SERVER), start=1):
        spot = Spot(name, personas()[name], {**LABELS, "role": personas()[name].kind})
        seat = Seat(spot, address=f"127.33.0.{number}", seed=SEED, latency=Latency(), wear=Wear())
        device = seat.device(accounts={"root": PASSWORD})
        device.options = replace(
            device.options, task_s=0.2, power_on_s=0.05, power_off_s=0.05, bmc_reset_s=0.2
        )
        devices.append(device)
    async with running(devices) as served:
        yield served


class Client:
    """A plain client of one device."""

    def __init__(self, hall: Hall, name: str) -> None:
        self.base = hall[name].address
        word = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
        self.headers = {"Authorization": f"Basic {word}"}

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any, str]:
        async with aiohttp.ClientSession(headers=self.headers) as session:
            asked = session.request(method, self.base + path, json=body, ssl=False)
            async with asked as answer:
                data = await answer.json() if answer.content_length else None
                return answer.status, data, answer.headers.get("Location", "")

    async def get(self, path: str) -> Any:
        status, body, _ = await self.ask("GET", path)
        assert status == 200, path
        return body

    async def signed(self, path: str, **body: Any) -> Any:
        """The answer of the advertised action, waited for if it is a task."""
        (action,) = (await self.get(path))["Actions"].values()
        status, answer, monitor = await self.ask("POST", action["target"], body)
        while status == 202:
            await asyncio.sleep(0.05)
            status, answer, _ = await self.ask("GET", monitor)
        assert status == 200, answer
        return answer

    async def chain(self, link: dict[str, str]) -> list[x509.Certificate]:
        """Root first."""
        body = await self.get(link["@odata.id"])
        return x509.load_pem_x509_certificates(body["CertificateString"].encode())[::-1]

    async def evidence(self, path: str, slot: int = 0, **body: Any) -> Transcript:
        body = {"Nonce": NONCE, **({"SlotId": slot} if slot else {}), **body}
        answer = await self.signed(path, **body)
        return verify(
            base64.b64decode(answer["SignedMeasurements"]),
            version=answer["Version"],
            signing=answer["SigningAlgorithm"].replace("TPM_ALG_", "").replace("_ECC_NIST", ""),
            hashing=answer["HashingAlgorithm"].removeprefix("TPM_ALG_"),
            chain=await self.chain(answer["Certificate"]),
            anchors=x509.load_pem_x509_certificates(anchors(str(SEED), [slot]).encode()),
            nonce=bytes.fromhex(NONCE),
            slot=slot,
        )


async def test_every_spdm_root_of_every_machine_verifies(hall: Hall) -> None:
    versions = set()
    for name in (TRAY, CARD, SERVER):
        client = Client(hall, name)
        members = (await client.get(f"{V1}/ComponentIntegrity"))["Members"]
        for member in members:
            body = await client.get(member["@odata.id"])
            if body["ComponentIntegrityType"] == "SPDM":
                found = await client.evidence(member["@odata.id"])
                versions.add(found.minor)
                said = {m["MeasurementIndex"]: m["Measurement"]
                        for m in body["SPDM"]["MeasurementSet"]["Measurements"]}  # fmt: skip
                digests = {b.index: b.value for b in found.blocks if not b.raw}
                assert {n: base64.b64decode(said[n]) for n in digests} == digests
                assert (
                    summary_of(found, body) == body["SPDM"]["MeasurementSet"]["MeasurementSummary"]
                )
    assert versions == {1, 2, 3}


def summary_of(found: Transcript, body: Any) -> str:
    """The hash over all measurement blocks as they stood in the record."""
    record = b"".join(
        struct.pack("<BBHBH", b.index, 1, 3 + len(b.value), b.kind | b.raw << 7, len(b.value))
        + b.value
        for b in found.blocks
    )
    name = body["SPDM"]["MeasurementSet"]["MeasurementSummaryHashAlgorithm"]
    digest = hashlib.new(f"sha{name[-3:]}", record)
    return base64.b64encode(digest.digest()).decode()


async def test_slots_and_indices_are_honoured(hall: Hall) -> None:
    client, path = Client(hall, CARD), f"{V1}/ComponentIntegrity/Bluefield_DPU_IRoT"
    found = await client.evidence(path, slot=1, MeasurementIndices=[3, 2])
    assert [block.index for block in found.blocks] == [3, 2]
    for wrong in (
        {"SlotId": 5}, {"SlotId": "0"}, {"Nonce": "zz"}, {"Nonce": "00"},
        {"MeasurementIndices": [200]}, {"MeasurementIndices": [255, 1]}, {"Nonsense": 1},
    ):  # fmt: skip
        target = f"{path}/Actions/ComponentIntegrity.SPDMGetSignedMeasurements"
        assert (await client.ask("POST", target, wrong))[0] == 400, wrong


async def test_an_answer_that_takes_its_time_is_also_where_its_task_says(hall: Hall) -> None:
    client, path = Client(hall, TRAY), f"{V1}/ComponentIntegrity/HGX_ERoT_GPU_2"
    target = f"{path}/Actions/ComponentIntegrity.SPDMGetSignedMeasurements"
    status, task, monitor = await client.ask("POST", target, {"Nonce": NONCE})
    assert (status, task["TaskState"]) == (202, "Running")
    while task["TaskState"] == "Running":
        await asyncio.sleep(0.05)
        task = await client.get(task["@odata.id"])
    (place,) = [h for h in task["Payload"]["HttpHeaders"] if h.startswith("Location: ")]
    assert await client.get(place.removeprefix("Location: ")) == await client.get(monitor)


def with_utilities(address: str, name: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = redfish.redfish_client(base_url=address, username="root", password=PASSWORD)
        client.login(auth="session")
        answer, context = redfish_utilities.get_signed_measurements(client, name)
        answer = redfish_utilities.poll_task_monitor(client, answer, silent=True)
        found = redfish_utilities.parse_signed_measurements(answer, context)
        redfish_utilities.verify_signed_measurements(client, found)
        client.logout()
        assert isinstance(found, dict)
        return found


@pytest.mark.parametrize(
    ("device", "name"),
    [(TRAY, "HGX_ERoT_GPU_0"), (CARD, "Bluefield_ERoT"), (CARD, "Bluefield_DPU_IRoT")],
)
async def test_the_dmtfs_own_tool_accepts_it(hall: Hall, device: str, name: str) -> None:
    found = await asyncio.to_thread(with_utilities, hall[device].address, name)
    assert len(found["Measurements"]) >= 8


async def test_an_update_changes_the_measurement(hall: Hall, tmp_path: Path) -> None:
    client, path = Client(hall, TRAY), f"{V1}/ComponentIntegrity/HGX_ERoT_GPU_1"
    entry = f"{V1}/UpdateService/FirmwareInventory/HGX_FW_GPU_1"
    before = {block.index: block.value for block in (await client.evidence(path)).blocks}
    action = f"{V1}/UpdateService/Actions/UpdateService.SimpleUpdate"
    package = tmp_path / "gpu.fwpkg"
    package.write_bytes(example("gb300-tray", {"HGX_FW_GPU_1": "97.11.02"}))
    wanted = {"ImageURI": package.as_uri(), "Targets": [entry]}
    status, task, _ = await client.ask("POST", action, wanted)
    assert status == 202
    while (await client.get(task["@odata.id"]))["TaskState"] != "Completed":
        await asyncio.sleep(0.05)
    written = {block.index: block.value for block in (await client.evidence(path)).blocks}
    assert written == before, "it waits for mains"
    hall[TRAY].mains(False)
    hall[TRAY].mains(True)
    while hall.places[TRAY].state != "up" or hall[TRAY].running[entry].version != "97.11.02":
        await asyncio.sleep(0.05)
    await hall.places[TRAY].settled()
    after = {block.index: block.value for block in (await client.evidence(path)).blocks}
    assert {n for n in before if before[n] != after[n]} == {3, 0x11, 0x21, 0xFD}
    image = Image("NVIDIA:HGX_FW_GPU", "97.11.02")
    assert after[3] == hashlib.sha384(image.data).digest()


async def test_a_lie_is_switched_on_and_off_over_the_wire(hall: Hall) -> None:
    client, path = Client(hall, TRAY), f"{V1}/ComponentIntegrity/HGX_ERoT_BMC_0"
    await client.evidence(path)
    rules = parse_rules(
        [
            {"preset": "spdm-forged-root", "select": {"device": TRAY, "path": "*ERoT_BMC_0"}},
            {"preset": "spdm-replay", "select": {"device": CARD}},
        ],
        source="test",
    )
    assert hall.inject(*rules) == 2
    with pytest.raises(Rejected, match="unanchored"):
        await client.evidence(path)
    await client.evidence(f"{V1}/ComponentIntegrity/HGX_ERoT_CPU_0")
    with pytest.raises(Rejected, match="stale"):
        await Client(hall, CARD).evidence(f"{V1}/ComponentIntegrity/Bluefield_ERoT")
    hall.clear()
    await client.evidence(path)


async def quoted(client: Client, path: str, log: str) -> Any:
    body = await client.get(path)
    link = body["TPM"]["IdentityAuthentication"]["ComponentCertificate"]
    selection = base64.b64encode(bytes.fromhex("00000001 000b 03 ff0000")).decode()
    scheme = base64.b64encode(bytes.fromhex("0018 000b")).decode()
    answer = await client.signed(path, Nonce=NONCE, Certificate=link, PCRSelection=selection,
                                 Scheme=scheme)  # fmt: skip
    entry = await client.get(log)
    return verify_quote(
        base64.b64decode(answer["SignedMeasurements"]),
        chain=await client.chain(link),
        anchors=x509.load_pem_x509_certificates(anchors(str(SEED)).encode()),
        nonce=bytes.fromhex(NONCE),
        log=base64.b64decode(entry["DiagnosticData"]),
    )


async def test_a_host_is_quoted_and_the_quote_follows_its_boots(hall: Hall) -> None:
    client, path = Client(hall, SERVER), f"{V1}/ComponentIntegrity/TPM"
    log = f"{V1}/Systems/1/LogServices/MeasuredBoot/Entries/1"
    quote, events = await quoted(client, path, log)
    assert (quote.resets, secure_boot(events)) == (1, False)  # as its SecureBoot resource says
    status = (await client.ask("PATCH", f"{V1}/Systems/1/SecureBoot", {"SecureBootEnable": True}))[
        0
    ]
    assert status in (200, 204)
    assert not secure_boot((await quoted(client, path, log))[1])
    reset = f"{V1}/Systems/1/Actions/ComputerSystem.Reset"
    await client.ask("POST", reset, {"ResetType": "ForceOff"})
    while (await client.get(f"{V1}/Systems/1"))["PowerState"] != "Off":
        await asyncio.sleep(0.05)
    target = f"{path}/Actions/ComponentIntegrity.TPMGetSignedMeasurements"
    assert (await client.ask("POST", target, {}))[0] == 409
    await client.ask("POST", reset, {"ResetType": "On"})
    while (await client.get(f"{V1}/Systems/1"))["PowerState"] != "On":
        await asyncio.sleep(0.05)
    quote, events = await quoted(client, path, log)
    assert (quote.resets, secure_boot(events)) == (2, True)


async def test_the_tpms_question_is_read_strictly(hall: Hall) -> None:
    client, path = Client(hall, TRAY), f"{V1}/ComponentIntegrity/TPM_0"
    link = (await client.get(path))["TPM"]["IdentityAuthentication"]["ComponentCertificate"]
    good = {"Certificate": link, "PCRSelection": "AAAAAQALAwEAAA==", "Scheme": "ABA="}
    target = f"{path}/Actions/ComponentIntegrity.TPMGetSignedMeasurements"
    assert (await client.ask("POST", target, good))[0] == 200
    for wrong in (
        {"Certificate": {"@odata.id": f"{V1}/Nowhere"}}, {"PCRSelection": "AAAAAQ=="},
        {"PCRSelection": "AAAAAQAEAwEAAA=="}, {"Scheme": "ABQACw=="}, {"Nonce": "00" * 65},
        {"PCRSelection": 7}, {"Scheme": "??"},
    ):  # fmt: skip
        assert (await client.ask("POST", target, {**good, **wrong}))[0] == 400, wrong


async def test_the_oracle_tells_who_lies_and_what_really_runs(hall: Hall) -> None:
    hall.inject(*parse_rules([{"preset": "spdm-stale-firmware"}], source="test"))
    oracle = Oracle(hall)
    await oracle.start()
    try:
        headers = {"Authorization": f"Bearer {oracle.token}"}
        async with aiohttp.ClientSession(oracle.url, headers=headers) as session:
            async with session.get(f"/devices/{TRAY}/roots") as answer:
                roots = (await answer.json())["roots"]
            async with session.get("/trust") as answer:
                trust = await answer.json()
    finally:
        await oracle.stop()
    gpu, host = (roots[f"{V1}/ComponentIntegrity/{key}"] for key in ("HGX_ERoT_GPU_0", "TPM_0"))
    assert (gpu["lies"], host["lies"]) == (["spdm_stale_firmware"], [])
    assert gpu["runs"][1]["version"] == "97.10.3A.00.06"
    assert trust["anchors"] == anchors(str(SEED))
    known = {value["digests"]["sha384"] for value in trust["references"]}
    assert {image["sha384"] for image in gpu["runs"]} <= known
