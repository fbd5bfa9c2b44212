"""Roots of trust as Redfish shows them: the seam between a device and what vouches for it.

A device has one `RootsOfTrust`. The engine asks it for the resources that are made when they are
read (`paths`, `shown`), for its actions (`acted`), and tells it when a host was started
(`booted`) and what is lied about. What a persona declared is shared between its devices
(`Plan`); of its own a device has hardly anything until somebody asks.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from iolaus.sim.device import Device, Outcome
from iolaus.sim.personas.parts.trust import (
    SPDM_ACTION,
    TPM_ACTION,
    Root,
    Roots,
    SpdmRoot,
    TpmRoot,
)
from iolaus.sim.personas.persona import Persona
from iolaus.sim.personas.sketch import uri
from iolaus.sim.replies import refused
from iolaus.sim.roots.algorithms import HASHINGS, SHA384
from iolaus.sim.roots.asking import Refused, Setting
from iolaus.sim.roots.chain import Certified, Who
from iolaus.sim.roots.keys import noise
from iolaus.sim.roots.lies import SPDM, TPM, Lie, Lies
from iolaus.sim.roots.measure import TYPES, summary
from iolaus.sim.roots.platform import LONGEST_NONCE, Platform
from iolaus.sim.roots.questions import spdm_question, tpm_question
from iolaus.sim.roots.responder import Responder
from iolaus.sim.tree import Resource

LONGEST_ANSWER_S: Final = 2.0
INTEGRITY, LOG = "integrity", "log"


class Plan:
    """What the devices of a kind have: roots by URI, and what is shown where."""

    def __init__(self, roots: Roots) -> None:
        self.roots: dict[str, Root] = {uri(path): root for path, root in roots.items()}
        self.shows: dict[str, tuple[str, str]] = {}
        self.systems: dict[str, list[str]] = {}
        for path, root in self.roots.items():
            self.shows[path] = path, INTEGRITY
            if isinstance(root, SpdmRoot):
                for slot in root.slots:
                    self.shows[uri(root.certificate(slot))] = path, str(slot)
            else:
                self._platform(path, root)

    def _platform(self, path: str, root: TpmRoot) -> None:
        for key in ("ek", *root.keys):
            self.shows[uri(root.certificate(key))] = path, key
        self.shows[uri(f"{root.log}/Entries/1")] = path, LOG
        self.systems.setdefault(uri(root.system), []).append(path)


class RootsOfTrust:
    """The roots of one device, whose identities follow from the hall's seed and its name."""

    __slots__ = ("_found", "_name", "_plan", "_seed", "lies")

    def __init__(self, plan: Plan, *, seed: str, name: str) -> None:
        self._plan, self._seed, self._name = plan, seed, name
        self._found: dict[str, Responder | Platform] = {}
        self.lies = Lies()

    @property
    def paths(self) -> Container[str]:
        return self._plan.shows

    def tell(self, kind: str, path: str, names: Sequence[str]) -> None:
        self.lies.tell(Lie(kind, path, tuple(names)))

    def stop(self, kind: str, path: str, names: Sequence[str]) -> None:
        self.lies.stop(Lie(kind, path, tuple(names)))

    def truth(self, device: Device) -> Resource:
        """By root: who it is, who signs for it, what really runs, and what it lies about."""
        return {path: _truth(self.at(device, path)) for path in self._plan.roots}

    def at(self, device: Device, path: str) -> Responder | Platform:
        """The root behind a ComponentIntegrity URI, made when it is first asked for."""
        found = self._found.get(path)
        if found is None:
            root = self._plan.roots[path]
            found = self._found[path] = self._made(device, path, root)
        return found

    def _made(self, device: Device, path: str, root: Root) -> Responder | Platform:
        spdm = isinstance(root, SpdmRoot)
        signing = root.signing if isinstance(root, SpdmRoot) else ""
        who = Who(self._seed, self._name, path, root.maker, root.model, signing)
        setting = Setting(protocol=SPDM if spdm else TPM, who=who, path=path, host=device,
                          lies=self.lies)  # fmt: skip
        if isinstance(root, SpdmRoot):
            return Responder(root, setting)
        return Platform(root, setting, device.tree.get)

    # What the engine asks

    def shown(self, device: Device, path: str, resource: Resource) -> Resource:
        where, what = self._plan.shows[path]
        root = self.at(device, where)
        if what == INTEGRITY:
            return _measurements(root, resource)
        if isinstance(root, Responder):
            return _certificate(root.certified(int(what)), resource)
        return _log(root, resource) if what == LOG else _certificate(root.certified(what), resource)

    def booted(self, device: Device, path: str) -> None:
        """The host at this URI has just been started."""
        for where in self._plan.systems.get(path, ()):
            root = self.at(device, where)
            if isinstance(root, Platform):
                root.booted()

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        """Answer a question for signed measurements; None: not asked of a root of trust."""
        if path not in self._plan.roots or action not in (SPDM_ACTION, TPM_ACTION):
            return None
        root = self.at(device, path)
        try:
            if isinstance(root, Responder):
                make = _ask_responder(root, body)
            elif _is_off(device, root):
                return refused(409, "ResourceInStandby")
            else:
                make = _ask_platform(root, body)
            if not root.root.task:
                return Outcome(status=200, body=make())
        except Refused as wrong:
            args = (wrong.value, wrong.parameter, action)
            return refused(400, "ActionParameterValueError", *args)
        return self._later(device, f"{path}/Actions/{action}", make, body)

    def _later(
        self, device: Device, target: str, make: Callable[[], Resource], body: Resource
    ) -> Outcome:
        """A task. Its monitor gives the answer, and so does the place that its payload names, as
        the controllers of some makers have it."""
        data = f"{target}/data"

        def done() -> Resource:
            answer = make()
            device.computed[data] = lambda: answer
            return answer

        payload = {
            "HttpHeaders": ["Content-Type: application/json", f"Location: {data}"],
            "HttpOperation": "POST",
            "JsonBody": json.dumps(body),
            "TargetUri": target,
        }
        seconds = min(device.options.task_s, LONGEST_ANSWER_S)
        return device.tasks.start("Signed measurements", done, seconds=seconds, payload=payload)


def _ask_responder(root: Responder, body: Resource) -> Callable[[], Resource]:
    setting = root.setting
    fresh = noise("requester", setting.who.serial, str(setting.asked))
    nonce, indices, slot = spdm_question(body, fresh)
    root.check(indices, slot)
    return lambda: {
        "SignedMeasurements": base64.b64encode(root.transcript(nonce, indices, slot)).decode(),
        "Version": root.suite.version,
        "HashingAlgorithm": root.suite.hashing.redfish,
        "SigningAlgorithm": root.suite.signing.redfish,
        "Certificate": {"@odata.id": uri(root.root.certificate(slot))},
    }


def _ask_platform(root: Platform, body: Resource) -> Callable[[], Resource]:
    setting = root.setting
    setting.asked += 1
    fresh = noise("requester", setting.who.serial, str(setting.asked))
    keys = {uri(root.root.certificate(key)): key for key in root.root.keys}
    asked = tpm_question(body, keys, fresh, LONGEST_NONCE)
    root.check(asked.selection)
    return lambda: {"SignedMeasurements": base64.b64encode(root.quote(asked)).decode()}


def _truth(root: Responder | Platform) -> Resource:
    setting = root.setting
    running = root.running() if isinstance(root, Responder) else [root.last_boot.firmware]
    signer = setting.signer()
    return {
        "serial": setting.who.serial,
        "signs": {"device": signer.device, "forged": signer.forged},
        "lies": setting.told(),
        "runs": [
            {"component": image.component, "version": image.version, "build": image.build,
             "sha384": image.digest(SHA384).hex()}
            for image in running
        ],
    }  # fmt: skip


def _is_off(device: Device, root: Platform) -> bool:
    state = (device.kept(uri(root.root.system)) or {}).get("PowerState")
    return state == "Off"


# Resources that are made when they are read


def _measurements(root: Responder | Platform, resource: Resource) -> Resource:
    key = "SPDM" if isinstance(root, Responder) else "TPM"
    found = _spdm_set(root) if isinstance(root, Responder) else _tpm_set(root)
    return {**resource, key: {**resource.get(key, {}), "MeasurementSet": found}}


def _spdm_set(root: Responder) -> Resource:
    hashing, blocks = HASHINGS[root.root.hashing], root.blocks()
    return {
        "MeasurementSpecification": "DMTF",
        "MeasurementSummary": base64.b64encode(summary(blocks, hashing)).decode(),
        "MeasurementSummaryHashAlgorithm": hashing.redfish,
        "MeasurementSummaryType": "All",
        "Measurements": [
            {
                "MeasurementIndex": block.index,
                "MeasurementType": TYPES[block.type],
                "MeasurementHashAlgorithm": hashing.redfish,
                "Measurement": base64.b64encode(
                    hashing.of(block.value) if block.raw else block.value
                ).decode(),
                "PartofSummaryHash": True,
            }
            for block in blocks
            if TYPES[block.type] != "DebugAndDeviceMode"  # the schema has it from 1.4 on
        ],
    }


def _tpm_set(root: Platform) -> Resource:
    bank = root.banks[0]
    return {
        "Measurements": [
            {
                "PCR": number,
                "MeasurementHashAlgorithm": bank.redfish,
                "Measurement": base64.b64encode(value).decode(),
            }
            for number, value in enumerate(root.registers()[bank.name][:16])
        ]
    }


def _log(root: Platform, resource: Resource) -> Resource:
    data, since = root.log(), root.last_boot.at_s
    return {
        **resource,
        "Created": datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "DiagnosticData": base64.b64encode(data).decode(),
        "DiagnosticDataType": "OEM",
        "OEMDiagnosticDataType": "TCG_CRYPTO_AGILE",
        "AdditionalDataSizeBytes": len(data),
    }


_PARTS: Mapping[x509.ObjectIdentifier, str] = {
    NameOID.COMMON_NAME: "CommonName",
    NameOID.ORGANIZATION_NAME: "Organization",
}


def _certificate(certified: Certified, resource: Resource) -> Resource:
    leaf = certified.leaf
    number = f"{leaf.serial_number:x}"
    number = number.zfill(len(number) + len(number) % 2)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    return {
        **resource,
        "CertificateString": certified.pem,
        "Subject": _named(leaf.subject),
        "Issuer": _named(leaf.issuer),
        "SerialNumber": ":".join(number[n : n + 2] for n in range(0, len(number), 2)),
        "Fingerprint": leaf.fingerprint(hashes.SHA256()).hex(":"),
        "FingerprintHashAlgorithm": "TPM_ALG_SHA256",
        "SignatureAlgorithm": "ecdsa-with-SHA384",
        "KeyUsage": ["DigitalSignature" if usage.digital_signature else "KeyAgreement"],
        "ValidNotBefore": leaf.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ValidNotAfter": leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _named(name: x509.Name) -> Resource:
    return {_PARTS[part.oid]: str(part.value) for part in name if part.oid in _PARTS}


@lru_cache(maxsize=64)
def plan_of(persona: Persona) -> Plan:
    return Plan(persona.roots)


def roots_of(persona: Persona, *, seed: str, name: str) -> RootsOfTrust | None:
    """The roots of trust of one device of this kind; None if the kind has none."""
    return RootsOfTrust(plan_of(persona), seed=seed, name=name) if persona.roots else None
