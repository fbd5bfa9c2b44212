"""A node as those who install it want to be told of it: Metal3's objects, Ironic's requests. Pure.

Both log in at the controller themselves, so both are given the login; whoever gets these documents
holds it. They are made when they are asked for and kept nowhere. A certificate that our authority
did not sign is told to be unchecked, because neither of the two knows of pins.

Metal3: BareMetalHost metal3.io/v1alpha1 and the Secret that it names. Ironic: Bare Metal API,
`POST /v1/nodes` with the redfish driver, and `POST /v1/ports`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from iolaus.kernel.errors import OperatorMust

IRONIC_VERSION: Final = "1.81"
LABEL: Final = "iolaus.dev"
VIRTUAL_MEDIA: Final = "redfish-virtualmedia"
VIRTUAL_MEDIA_OF: Final = {"dell": "idrac-virtualmedia"}
"""What Metal3 calls the way by virtual media, and of which maker otherwise (its API document, BMC
addresses)."""
_NOT_DNS: Final = re.compile(r"[^a-z0-9.-]+")
_NOT_LABEL: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """A node that is to be handed over. `system` is the URI of its ComputerSystem, `checked`
    whether its certificate is signed by an authority of ours."""

    name: str
    uid: str
    address: str
    system: str
    user: str
    password: str
    serial: str = ""
    make: str = ""
    model: str = ""
    mac: str = ""
    macs: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    checked: bool = False

    def __repr__(self) -> str:
        return f"Handed(name={self.name!r}, address={self.address!r}, password=...)"


def metal3_objects(node: Handed, *, namespace: str) -> list[dict[str, Any]]:
    """The Secret and the BareMetalHost, in the order in which they are applied. It is not powered
    on by that. `boot_mac` is what Metal3 wants to know of the network that it installs over."""
    name, secret = _dns(node.name), f"{_dns(node.name)}-bmc"
    meta = {"namespace": namespace} if namespace else {}
    bmc: dict[str, Any] = {
        "address": f"{_virtual_media(node.make)}+{node.address}{node.system}",
        "credentialsName": secret,
    }
    if not node.checked:
        bmc["disableCertificateVerification"] = True
    spec: dict[str, Any] = {"online": False, "bootMode": "UEFI", "bmc": bmc}
    if mac := boot_mac(node):
        spec["bootMACAddress"] = mac
    labels = {f"{LABEL}/{_label(k)}": _label(v) for k, v in sorted(node.labels.items())}
    labels |= {f"{LABEL}/serial": _label(node.serial)} if node.serial else {}
    login = {"username": _b64(node.user), "password": _b64(node.password)}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret, **meta},
            "type": "Opaque",
            "data": login,
        },
        {
            "apiVersion": "metal3.io/v1alpha1",
            "kind": "BareMetalHost",
            "metadata": {"name": name, **meta, "labels": labels},
            "spec": spec,
        },
    ]


def ironic_node(node: Handed) -> dict[str, Any]:
    """The body of `POST /v1/nodes`. Its uuid is ours, so that the same node is never made twice."""
    return {
        "uuid": node.uid,
        "name": _dns(node.name),
        "driver": "redfish",
        "driver_info": {
            "redfish_address": node.address,
            "redfish_system_id": node.system,
            "redfish_username": node.user,
            "redfish_password": node.password,
            "redfish_verify_ca": node.checked,
        },
        "properties": {"vendor": node.make, "model": node.model, "serial": node.serial},
        "extra": {"iolaus": dict(sorted(node.labels.items()))},
    }


def ironic_ports(node: Handed) -> Sequence[dict[str, Any]]:
    """The bodies of `POST /v1/ports`."""
    return [{"node_uuid": node.uid, "address": mac} for mac in node.macs]


def ironic_change(node: Handed) -> list[dict[str, Any]]:
    """The body of `PATCH /v1/nodes/{uuid}` (RFC 6902): where and by which login it is reached
    now."""
    info = ironic_node(node)["driver_info"]
    return [
        {"op": "add", "path": f"/driver_info/{name}", "value": value}
        for name, value in info.items()
    ]


def boot_mac(node: Handed) -> str:
    """Of the network that it is installed over, where there is only one it could be."""
    return node.macs[0] if node.macs else ""


def check_address(address: str) -> None:
    """Raises `OperatorMust` for one that neither of the two can reach."""
    if urlsplit(address).scheme != "https":
        raise OperatorMust(
            "it is not reached by https",
            operation="hand over",
            subject=address,
            code="NotHttps",
            next_step="let it be reached by https first.",
        )


def _virtual_media(make: str) -> str:
    words = make.lower().split()
    return VIRTUAL_MEDIA_OF.get(words[0] if words else "", VIRTUAL_MEDIA)


def _dns(name: str) -> str:
    """RFC 1123."""
    return _NOT_DNS.sub("-", name.lower()).strip("-.")[:63] or "node"


def _label(text: str) -> str:
    return _NOT_LABEL.sub("-", text).strip("-._")[:63]


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
