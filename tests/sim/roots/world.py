"""A machine small enough for a test: a few pages, and roots of trust that sit in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from cryptography import x509

from iolaus.sim.personas.parts.trust import SpdmRoot, TpmRoot
from iolaus.sim.roots.asking import Setting
from iolaus.sim.roots.chain import Who, anchors
from iolaus.sim.roots.firmware import Image
from iolaus.sim.roots.lies import Lie, Lies
from iolaus.sim.roots.platform import Platform
from iolaus.sim.roots.responder import Responder
from tests.sim.roots.spdm_verifier import Transcript, verify

SEED, NAME = "7", "h1-r01-u04"
ROOT = "/redfish/v1/ComponentIntegrity/R"
INVENTORY = "/redfish/v1/UpdateService/FirmwareInventory"
NONCE = bytes(range(32))
SPDM_ROOT = SpdmRoot(
    chassis="Chassis/R", protects="Systems/1", requester="Managers/1", maker="Maker",
    model="RoT-1", firmware=("UpdateService/FirmwareInventory/ROT",
                             "UpdateService/FirmwareInventory/GPU_3"),
)  # fmt: skip
TPM_ROOT = TpmRoot(
    chassis="Chassis/1", system="Systems/1", firmware="UpdateService/FirmwareInventory/BIOS",
    adapters=("UpdateService/FirmwareInventory/NIC_0",), banks=("SHA_1", "SHA_256", "SHA_384"),
)  # fmt: skip


@dataclass
class Machine:
    """What a root reads of its device."""

    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    t: float = 1_790_000_000.0
    running: dict[str, Image] = field(default_factory=dict)

    def kept(self, path: str) -> dict[str, Any] | None:
        return self.pages.get(path)

    def now(self) -> float:
        return self.t


def machine(**versions: str) -> Machine:
    said = {"ROT": "01.04.0031", "GPU_3": "97.10.3A.00.07", "BIOS": "2.4.1", "NIC_0": "40.46.1006"}
    pages: dict[str, dict[str, Any]] = {
        f"{INVENTORY}/{key}": {"SoftwareId": key, "Version": version}
        for key, version in (said | versions).items()
    }
    pages["/redfish/v1/Systems/1"] = {"PowerState": "On"}
    pages["/redfish/v1/Systems/1/Bios"] = {"Attributes": {"Sriov": "Enabled"}}
    pages["/redfish/v1/Systems/1/SecureBoot"] = {"SecureBootCurrentBoot": "Enabled"}
    return Machine(pages)


def setting(
    host: Machine, protocol: str, root: SpdmRoot | TpmRoot, *lies: Lie, name: str = NAME
) -> Setting:
    signing = root.signing if isinstance(root, SpdmRoot) else ""
    told = Lies()
    for lie in lies:
        told.tell(lie)
    who = Who(SEED, name, ROOT, root.maker, root.model, signing)
    return Setting(protocol=protocol, who=who, path=ROOT, host=host, lies=told)


def responder(
    *lies: Lie, host: Machine | None = None, name: str = NAME, **changes: Any
) -> Responder:
    root = replace(SPDM_ROOT, **changes)
    return Responder(root, setting(host or machine(), "spdm", root, *lies, name=name))


def platform(*lies: Lie, host: Machine | None = None, **changes: Any) -> Platform:
    root, found = replace(TPM_ROOT, **changes), host or machine()
    return Platform(root, setting(found, "tpm", root, *lies), machine().kept)


def trusted(slot: int = 0) -> list[x509.Certificate]:
    """The roots that a verifier of this hall trusts."""
    return x509.load_pem_x509_certificates(anchors(SEED, [slot]).encode())


def checked(root: Responder, data: bytes, *, nonce: bytes = NONCE, slot: int = 0) -> Transcript:
    """The verdict of the independent verifier on an answer of this root."""
    return verify(
        data,
        version=root.root.version,
        signing=root.root.signing,
        hashing=root.root.hashing,
        chain=list(root.certified(slot).chain),
        anchors=trusted(slot),
        nonce=nonce,
        slot=slot,
    )
