"""What a capture holds, counted from its JSON alone: no product code, other words, other ways.

The counter reads the files, keeps what any link leads to, and counts resources by their type.
It knows the same facts about hardware as the product (an absent slot is empty, a legacy array and
a modern collection show the same supplies), and none of its code.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

V1 = "/redfish/v1"
EMPTY = ("Absent", "Disabled")
BY_TYPE = {
    "Memory": "memory",
    "Drive": "drive",
    "NetworkAdapter": "nic",
    "PowerSupply": "psu",
    "Fan": "fan",
    "SoftwareInventory": "firmware",
}
CLASSES = ("cpu", "gpu", "memory", "drive", "nic", "psu", "fan", "firmware")
HOST_MARKS = ("Bios", "SecureBoot", "HostName", "BootProgress")


class Who(NamedTuple):
    maker: str | None
    model: str | None
    serial: str | None


def read_tree(folder: Path) -> dict[str, Any]:
    """URI -> JSON object, members that a collection carries in full included."""
    tree: dict[str, Any] = {}
    for file in sorted((folder / "redfish").rglob("index.json")):
        place = "/" + file.parent.relative_to(folder).as_posix()
        body = json.loads(file.read_text(encoding="utf-8-sig"))
        if isinstance(body, dict):
            tree[place] = body
    for body in list(tree.values()):
        members = body.get("Members")
        for member in members if isinstance(members, list) else ():
            if isinstance(member, dict) and "@odata.type" in member:
                tree.setdefault(_clean(member.get("@odata.id")), member)
    return tree


def count(tree: dict[str, Any]) -> dict[str, int]:
    """How many of each class are there."""
    served = {uri: tree[uri] for uri in _served(tree) if not _is_pseudo(uri)}
    total: Counter[str] = Counter()
    for uri, body in served.items():
        if _kind(body) in BY_TYPE and (_kind(body) == "SoftwareInventory" or _filled(body)):
            total[BY_TYPE[_kind(body)]] += not (_kind(body) == "SoftwareInventory" and _stored(uri))
    total["cpu"] = len(_cpus(served))
    total["gpu"] = _gpus(served)
    total["psu"] += _legacy(served, "Power", "PowerSupplies", "PowerSupply")
    total["fan"] += _legacy(served, "Thermal", "Fans", "Fan")
    return {name: total[name] for name in CLASSES}


def _clean(uri: object) -> str:
    return uri.split("#")[0].split("?")[0].rstrip("/") if isinstance(uri, str) else ""


def _kind(body: Any) -> str:
    said = body.get("@odata.type") if isinstance(body, dict) else None
    return said.split(".")[0].strip("#") if isinstance(said, str) else ""


def _filled(body: dict[str, Any]) -> bool:
    status = body.get("Status")
    return not (isinstance(status, dict) and status.get("State") in EMPTY)


def _is_pseudo(uri: str) -> bool:
    return uri.endswith(("/Settings", "/Capabilities", "/SD"))


def _stored(uri: str) -> bool:
    """An image kept for later is not firmware that something runs."""
    return "/LocalImageStore/" in uri


def _served(tree: dict[str, Any]) -> Iterator[str]:
    """What some chain of links leads to from the root, or from the top level where the capture
    has no root."""
    start = [V1] if V1 in tree else [uri for uri in tree if uri.count("/") == 3]
    seen, todo = set(start), deque(start)
    while todo:
        uri = todo.popleft()
        yield uri
        for name, target in _links(tree[uri], ""):
            for each in (target, *_instead(tree, uri, name, target)):
                if each in tree and each not in seen:
                    seen.add(each)
                    todo.append(each)


def _links(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if "@odata.id" in value:
            yield name, _clean(value["@odata.id"])
        for key, inner in value.items():
            yield from _links(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _links(inner, name)


def _instead(tree: dict[str, Any], uri: str, name: str, target: str) -> Iterator[str]:
    """A subsystem link that leads to something else: the subsystem stands where it always does."""
    if name.endswith("Subsystem") and _kind(tree.get(target)) not in (name, ""):
        yield f"{uri}/{name}"


def _cpus(served: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for uri, body in served.items():
        is_cpu = _kind(body) == "Processor" and body.get("ProcessorType") in (None, "CPU")
        if is_cpu and _filled(body) and not _shown_by_the_host(served, uri, body):
            found.append(uri)
    return found


def _shown_by_the_host(served: dict[str, Any], uri: str, body: dict[str, Any]) -> bool:
    """A board without any mark of a host repeats the CPUs of the host beside it: same socket,
    same silicon, and no serial of its own."""
    system = uri.split("/Processors/")[0]
    board = served.get(system, {})
    if body.get("SerialNumber") or any(mark in board for mark in HOST_MARKS):
        return False
    return any(
        other.split("/Processors/")[0] != system
        and _kind(twin) == "Processor"
        and body.get("Socket") is not None
        and twin.get("Socket") == body.get("Socket")
        and twin.get("ProcessorId") == body.get("ProcessorId")
        and "Bios" in served.get(other.split("/Processors/")[0], {})
        for other, twin in served.items()
    )


def _gpus(served: dict[str, Any]) -> int:
    """Processors of that type; without any, the devices a maker lists in its own words."""
    standard = [
        body
        for body in served.values()
        if _kind(body) == "Processor" and body.get("ProcessorType") == "GPU" and _filled(body)
    ]
    own = [
        body
        for body in served.values()
        if _kind(body).endswith("ServerDevice") and body.get("DeviceType") == "GPU"
        if _filled(body) and body.get("SerialNumber") and "Slot" in body.get("Location", "")
    ]
    return len(standard) or len(own)


def _legacy(served: dict[str, Any], kind: str, array: str, modern: str) -> int:
    """Entries of the old arrays of those chassis that have no modern collection filled."""
    total = 0
    filled = [uri for uri, body in served.items() if _kind(body) == modern]
    for uri, body in served.items():
        chassis = uri.rsplit("/", 1)[0] + "/"
        if _kind(body) == kind and not any(each.startswith(chassis) for each in filled):
            entries = body.get(array)
            total += sum(
                isinstance(entry, dict) and len(entry) > 1 and _filled(entry)
                for entry in (entries if isinstance(entries, list) else ())
            )
    return total


def identity(tree: dict[str, Any], uris: list[str]) -> Who:
    """What the first of these resources that says anything says, field by field; the chassis that
    they link to after them."""
    near = [
        target
        for uri in uris
        for name, target in _links(tree.get(uri, {}).get("Links", {}), "")
        if name == "Chassis"
    ]
    said = [tree[uri] for uri in (*uris, *near) if uri in tree]
    return Who(*(_first(said, name) for name in ("Manufacturer", "Model", "SerialNumber")))


def _first(bodies: list[Any], name: str) -> str | None:
    for body in bodies:
        value = body.get(name)
        if isinstance(value, str) and value.strip() not in ("", "N/A", "None"):
            return " ".join(value.split())
    return None
