"""Roots of trust as a persona declares and draws them: who can be asked for signed measurements.

A persona says what it has (`SpdmRoot`, `TpmRoot`) under the path of the ComponentIntegrity
resource; `spdm` and `tpm` draw the resources from the same statement. Certificates,
measurements and event logs are left out of the drawing: they are made when they are read, since
they follow from the hall's seed and from the firmware that runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iolaus.sim.personas.sketch import Json, Sketch, all_at, at, ok, own_serial, uri

COLLECTION = "ComponentIntegrity"
INVENTORY = "UpdateService/FirmwareInventory"
SPDM_ACTION = "ComponentIntegrity.SPDMGetSignedMeasurements"
TPM_ACTION = "ComponentIntegrity.TPMGetSignedMeasurements"
EROT = "MCHP-ECRoT-1736"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpdmRoot:
    """A component that speaks SPDM up to `version`. Paths are without "/redfish/v1/".

    `chassis` is its own piece, `protects` what it vouches for, `firmware` the inventory entries
    whose images it measures, in their order. `signing` and `hashing` are DSP0274's names,
    `slots` those with a certificate chain. `raw`: configurations undigested. `opaque`: "",
    "plain" or "tlv". `task`: it takes its time, so the answer is a Task.
    """

    chassis: str
    protects: str
    firmware: Sequence[str]
    requester: str
    maker: str = "NVIDIA"
    model: str = EROT
    version: str = "1.1"
    signing: str = "ECDSA_P384"
    hashing: str = "SHA_384"
    slots: Sequence[int] = (0,)
    raw: bool = False
    opaque: str = ""
    task: bool = False

    def certificate(self, slot: int) -> str:
        return f"{self.chassis}/Certificates/CertChain" + (f"_{slot}" if slot else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmRoot:
    """A TPM 2.0 that the host measures its boot into.

    `firmware` is the inventory entry of the host's firmware, `adapters` those whose option ROMs
    it runs. `keys` are the attestation keys it has, "ecc" and "rsa"; `banks` its PCR banks.
    `locality` is where the first measurement comes from: 3 for a CPU that measures its firmware,
    0 for firmware that measures itself.
    """

    chassis: str
    system: str
    firmware: str
    adapters: Sequence[str] = ()
    maker: str = "IFX"
    model: str = "SLB9672"
    version: str = "16.13"
    keys: Sequence[str] = ("ecc",)
    banks: Sequence[str] = ("SHA_256", "SHA_384")
    locality: int = 0
    task: bool = False

    @property
    def component(self) -> str:
        return f"{self.chassis}/TrustedComponents/TPM"

    @property
    def log(self) -> str:
        return f"{self.system}/LogServices/MeasuredBoot"

    def certificate(self, key: str) -> str:
        """Of the endorsement key ("ek"), or of an attestation key ("ecc", "rsa")."""
        return f"{self.component}/Certificates/{CERTIFICATE_IDS[key]}"


Root = SpdmRoot | TpmRoot
Roots = Mapping[str, Root]
CERTIFICATE_IDS: Mapping[str, str] = {"ek": "EK", "ecc": "AK", "rsa": "AK_RSA"}
USAGES: Mapping[str, str] = {"ek": "EK", "ecc": "IAK", "rsa": "IAK"}


def draw(s: Sketch, roots: Roots) -> None:
    """Everything that these roots of trust are seen by."""
    s.collect(COLLECTION, "ComponentIntegrity", "Component Integrity Collection")
    for path, root in roots.items():
        if isinstance(root, SpdmRoot):
            _spdm(s, path, root)
        else:
            _tpm(s, path, root)


def _spdm(s: Sketch, path: str, root: SpdmRoot) -> None:
    key = path.rpartition("/")[2]
    s.piece(root.chassis, root.maker, root.model, below="Certificates")
    s.collect(f"{root.chassis}/Certificates", "Certificate", "Certificates Collection")
    for slot in root.slots:
        _certificate(s, root.certificate(slot), f"{key} slot {slot}", SPDM={"SlotId": slot},
                     CertificateUsageTypes=["Device"])  # fmt: skip
    chain = {"ComponentCertificate": at(root.certificate(root.slots[0]))}
    s.put(
        path,
        "ComponentIntegrity",
        f"SPDM Integrity for {key}",
        ComponentIntegrityEnabled=True,
        ComponentIntegrityType="SPDM",
        ComponentIntegrityTypeVersion=f"{root.version}.0",
        TargetComponentURI=uri(root.chassis),
        Links={"ComponentsProtected": all_at([root.protects])},
        SPDM={
            "Requester": at(root.requester),
            "IdentityAuthentication": {
                "ResponderAuthentication": {**chain, "VerificationStatus": "Success"}
            },
        },
        Actions=_action(path, SPDM_ACTION),
        Status=ok(),
    )


def _tpm(s: Sketch, path: str, root: TpmRoot) -> None:
    component, keys = root.component, ("ek", *root.keys)
    s.collect(f"{root.chassis}/TrustedComponents", "TrustedComponent", "Trusted Components")
    s.field(root.chassis, "TrustedComponents", at(f"{root.chassis}/TrustedComponents"))
    s.put(component, "TrustedComponent", "Trusted Platform Module", below="Certificates",
          TrustedComponentType="Discrete", Manufacturer=root.maker, Model=root.model,
          FirmwareVersion=root.version, SerialNumber=own_serial("7############", "tpm"),
          Links={"ComponentIntegrity": all_at([path]),
                 "ComponentsProtected": all_at([root.system])},
          Status=ok())  # fmt: skip
    s.collect(f"{component}/Certificates", "Certificate", "TPM Certificates")
    for key in keys:
        _certificate(s, root.certificate(key), CERTIFICATE_IDS[key],
                     CertificateUsageTypes=[USAGES[key]])  # fmt: skip
    identity = {"ComponentCertificate": at(root.certificate(root.keys[0]))}
    s.put(
        path,
        "ComponentIntegrity",
        "TPM Integrity",
        ComponentIntegrityEnabled=True,
        ComponentIntegrityType="TPM",
        ComponentIntegrityTypeVersion="2.0",
        TargetComponentURI=uri(component),
        Links={"ComponentsProtected": all_at([root.system])},
        TPM={
            "NonceSizeBytesMaximum": 64,
            "IdentityAuthentication": {**identity, "VerificationStatus": "Success"},
        },
        Actions=_action(path, TPM_ACTION),
        Status=ok(),
    )
    _event_log(s, root)


def _event_log(s: Sketch, root: TpmRoot) -> None:
    s.collect(f"{root.system}/LogServices", "LogService", "Log Services")
    s.field(root.system, "LogServices", at(f"{root.system}/LogServices"))
    s.put(root.log, "LogService", "Measured Boot Log", ServiceEnabled=True, LogEntryType="OEM",
          OverWritePolicy="Unknown", MaxNumberOfRecords=1, Entries=at(f"{root.log}/Entries"),
          Status=ok())  # fmt: skip
    s.collect(f"{root.log}/Entries", "LogEntry", "Measured Boot Log Entries")
    s.put(f"{root.log}/Entries/1", "LogEntry", "Measured boot", EntryType="Oem", Severity="OK",
          OemRecordFormat="TCG PC Client crypto agile event log",
          Message="The events that were measured at the last boot.")  # fmt: skip


def _certificate(s: Sketch, path: str, name: str, **fields: object) -> None:
    s.put(path, "Certificate", f"{name} certificate", CertificateType="PEMchain", **fields)


def _action(path: str, action: str) -> Json:
    return {f"#{action}": {"target": uri(f"{path}/Actions/{action}")}}
