"""Secure Boot of a host: whether it is enforced, and by which keys.

Four databases: the platform key (PK), the keys that may change the others (KEK), what may start
(db) and what may not (dbx). Certificates and signatures are added and removed at any time and
count from the next start on; then the mode is UserMode if there is a platform key, else SetupMode,
and it is enforced if it was enabled and the mode is UserMode. What a TPM measures of it
(`sim/roots`) is what stands here. Every host of a hall begins with the hall's own authority.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cryptography import x509

from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Quiet
from iolaus.sim.manners.certificates import said_of
from iolaus.sim.outcome import Outcome
from iolaus.sim.personas.sketch import CLOSE, OPEN
from iolaus.sim.replies import refused
from iolaus.sim.roots.boot import OWNER as OWNER_ID
from iolaus.sim.roots.keys import noise
from iolaus.sim.tree import Resource

Json = dict[str, Any]
NAMES: Final = ("PK", "KEK", "db", "dbx")
AT: Final = "/SecureBoot/SecureBootDatabases"
RESET, RESET_ONE = "SecureBoot.ResetKeys", "SecureBootDatabase.ResetKeys"
DEFAULT, NONE, NO_PK = "ResetAllKeysToDefault", "DeleteAllKeys", "DeletePK"
DIGEST: Final = "EFI_CERT_SHA256_GUID"
OWNER: Final = str(OWNER_ID)
AUTHORITY: Final = f"{OPEN}authority{CLOSE}"
"""The hall's own, which a device writes out when it is read."""
BARRED: Final = 4
MOST: Final = 32
MOST_TEXT: Final = 16 << 10
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")
_OWNER: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class SecureBoot(Quiet):
    """Nothing is kept here: all of it stands in the resources."""

    __slots__ = ()

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        if ask.method == "PATCH" and ask.path.endswith("/SecureBoot"):
            wrong = next(
                (n for n in ("SecureBootMode", "SecureBootCurrentBoot") if n in ask.body), ""
            )
            return refused(400, "PropertyNotWritable", wrong) if wrong else None
        if AT not in ask.path:
            return None
        if ask.method == "POST" and ask.path.endswith("/Certificates"):
            return _add_certificate(device, ask.path, ask.body)
        if ask.method == "POST" and ask.path.endswith("/Signatures"):
            return _add_signature(device, ask.path, ask.body)
        collection = ask.path.rpartition("/")[0]
        if ask.method == "DELETE" and collection.endswith(("/Certificates", "/Signatures")):
            _drop(device, ask.path)
            return Outcome()
        return None

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        kind = body.get("ResetKeysType")
        if action not in (RESET, RESET_ONE):
            return None
        if kind is None:
            return refused(400, "ActionParameterMissing", action, "ResetKeysType")
        databases = (
            [path] if action == RESET_ONE else [f"{path}/SecureBootDatabases/{n}" for n in NAMES]
        )
        for database in [f"{path}/SecureBootDatabases/PK"] if kind == NO_PK else databases:
            _reset(device, database, keep=kind == DEFAULT)
        return Outcome()

    def booted(self, device: Device, path: str) -> None:
        held = device.kept(f"{path}/SecureBoot")
        if held is None:
            return
        owned = _members(device, f"{path}{AT}/PK/Certificates")
        mode = "UserMode" if owned else "SetupMode"
        enforced = bool(owned) and held.get("SecureBootEnable") is True
        now = {
            "SecureBootMode": mode,
            "SecureBootCurrentBoot": "Enabled" if enforced else "Disabled",
        }
        if any(held.get(name) != value for name, value in now.items()):
            device.patch(f"{path}/SecureBoot", now)


def _add_certificate(device: Device, path: str, body: Resource) -> Outcome:
    text = body.get("CertificateString")
    if not isinstance(text, str) or body.get("CertificateType") is None:
        missing = "CertificateType" if isinstance(text, str) else "CertificateString"
        return refused(400, "PropertyMissing", missing)
    if body["CertificateType"] != "PEM":
        words = str(body["CertificateType"])[:80], "CertificateType"
        return refused(400, "PropertyValueNotInList", *words)
    try:
        certificate = x509.load_pem_x509_certificate(text[:MOST_TEXT].encode())
    except ValueError:
        return refused(400, "PropertyValueFormatError", "it", "CertificateString")
    most = 1 if "/PK/" in path else MOST
    found = {"CertificateString": text, **said_of(certificate)}
    return _added(device, path, _certificate("", "") | found, most=most)


def _add_signature(device: Device, path: str, body: Resource) -> Outcome:
    for name in ("SignatureTypeRegistry", "SignatureType", "SignatureString"):
        if not isinstance(body.get(name), str):
            return refused(400, "PropertyMissing", name)
    if body["SignatureTypeRegistry"] != "UEFI":
        words = body["SignatureTypeRegistry"][:80], "SignatureTypeRegistry"
        return refused(400, "PropertyValueNotInList", *words)
    if body["SignatureType"] != DIGEST:
        return refused(400, "PropertyValueNotInList", body["SignatureType"][:80], "SignatureType")
    owner = body.get("UefiSignatureOwner", OWNER)
    if not _HASH.fullmatch(body["SignatureString"]):
        return refused(400, "PropertyValueFormatError", "it", "SignatureString")
    if not isinstance(owner, str) or not _OWNER.fullmatch(owner):
        return refused(400, "PropertyValueFormatError", "it", "UefiSignatureOwner")
    found = _signature("", "", body["SignatureString"].lower()) | {"UefiSignatureOwner": owner}
    return _added(device, path, found, most=MOST)


def _added(device: Device, path: str, resource: Json, *, most: int) -> Outcome:
    members = _members(device, path)
    if device.kept(path) is None:
        return refused(404, "ResourceMissingAtURI", path)
    if len(members) >= most:
        return refused(400, "CreateLimitReachedForResource")
    number = max((int(member.rpartition("/")[2]) for member in members), default=0) + 1
    place = f"{path}/{number}"
    made = device.put(place, resource | {"@odata.id": place, "Id": str(number)})
    device.enlist(path, place)
    return Outcome(status=201, body=made, headers={"Location": place})


def _drop(device: Device, path: str) -> None:
    device.remove(path)
    device.delist(path.rpartition("/")[0], path)


def _reset(device: Device, database: str, *, keep: bool) -> None:
    """Empty a database, or bring back what it was made with."""
    for below in ("Certificates", "Signatures"):
        collection = f"{database}/{below}"
        for member in _members(device, collection):
            _drop(device, member)
        drawn = device.tree.get(collection) if keep else None
        for link in (drawn or {}).get("Members") or ():
            device.forget(str(link["@odata.id"]).rstrip("/"))
        if drawn:
            device.put(collection, drawn)


def _members(device: Device, collection: str) -> list[str]:
    links = (device.kept(collection) or {}).get("Members") or ()
    return [str(link["@odata.id"]).rstrip("/") for link in links]


def draw(found: Mapping[str, Json], added: dict[str, Json]) -> None:
    """The databases of every host that has Secure Boot. One in SetupMode has no platform key."""
    for path, body in found.items():
        if not str(body.get("@odata.type")).startswith("#SecureBoot."):
            continue
        place = f"{path}/SecureBootDatabases"
        body["SecureBootDatabases"] = {"@odata.id": place}
        kinds = [DEFAULT, NONE, NO_PK]
        body.setdefault("Actions", {})[f"#{RESET}"] = _offer(path, RESET, kinds)
        for name in NAMES:
            _database(
                f"{place}/{name}", name, added, is_owned=body["SecureBootMode"] != "SetupMode"
            )
        added[place] = _collection(
            "SecureBootDatabase", [f"{place}/{name}" for name in NAMES], place
        )


def _database(path: str, name: str, added: dict[str, Json], *, is_owned: bool) -> None:
    certificates, signatures = f"{path}/Certificates", f"{path}/Signatures"
    if name != "dbx" and (is_owned or name != "PK"):
        place = f"{certificates}/1"
        added[place] = _certificate(place, "1") | {"CertificateString": AUTHORITY}
    for n in range(BARRED if name == "dbx" else 0):
        place = f"{signatures}/{n + 1}"
        added[place] = _signature(place, str(n + 1), noise("dbx", str(n)).hex())
    added[path] = {
        "@odata.id": path,
        "@odata.type": "#SecureBootDatabase.v1_0_1.SecureBootDatabase",
        "Id": name,
        "Name": f"{name} Database",
        "DatabaseId": name,
        "Certificates": {"@odata.id": certificates},
        "Signatures": {"@odata.id": signatures},
        "Actions": {f"#{RESET_ONE}": _offer(path, RESET_ONE, [DEFAULT, NONE])},
    }
    for kind, place in (("Certificate", certificates), ("Signature", signatures)):
        below = [p for p in added if p.startswith(f"{place}/")]
        added[place] = _collection(kind, below, place)


def _certificate(path: str, key: str) -> Json:
    return {
        "@odata.id": path,
        "@odata.type": "#Certificate.v1_7_0.Certificate",
        "Id": key,
        "Name": "Secure Boot Certificate",
        "CertificateType": "PEM",
        "UefiSignatureOwner": OWNER,
    }


def _signature(path: str, key: str, digest: str) -> Json:
    return {
        "@odata.id": path,
        "@odata.type": "#Signature.v1_0_2.Signature",
        "Id": key,
        "Name": "Secure Boot Signature",
        "SignatureTypeRegistry": "UEFI",
        "SignatureType": DIGEST,
        "SignatureString": digest,
        "UefiSignatureOwner": OWNER,
    }


def _collection(kind: str, members: list[str], path: str) -> Json:
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": f"{kind} Collection",
        "Members": [{"@odata.id": member} for member in members],
        "Members@odata.count": len(members),
    }


def _offer(path: str, name: str, kinds: list[str]) -> Json:
    return {"target": f"{path}/Actions/{name}", "ResetKeysType@Redfish.AllowableValues": kinds}
