"""A SWID tag that lists measurements: what an accelerator's maker says that it should measure.

Payload holds one Resource of type Measurement per index, with as many hashes as there are right
ones (`alternatives`); an index that is not active says nothing. Index 0 of the manifest is the
first block of an attester's measurements, which SPDM numbers from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from iolaus.wire.document import DocumentMalformed
from iolaus.wire.rim.signature import Enveloped, canonical, parse_enveloped, parse_xml

SWID: Final = "{http://standards.iso.org/iso/19770/-2/2015/schema.xsd}"
_RIM: Final = (
    "{https://trustedcomputinggroup.org/resource/"
    "tcg-reference-integrity-manifest-rim-information-model/}"
)
_HASH: Final = re.compile(
    r"\{http://www\.w3\.org/2001/04/(?:xmlenc|xmldsig-more)#(sha\d{3})\}Hash(\d{1,3})"
)
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_SIZES: Final = {"sha256": 32, "sha384": 48, "sha512": 64}
MAX_RESOURCES: Final = 1024
MAX_ALTERNATIVES: Final = 64


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement. `index` counts from 0, as the manifest does; any of `hashes` is right."""

    index: int
    active: bool
    algorithm: str
    hashes: tuple[bytes, ...]
    name: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the product, `version` the firmware's (colloquialVersion), `edition` what part of
    the product it is about. `enveloped` is None where the document is not signed."""

    name: str
    tag_id: str
    version: str
    edition: str
    maker: str
    resources: tuple[Resource, ...]
    enveloped: Enveloped | None = None


def parse_rim(data: bytes, *, subject: str = "manifest") -> Manifest:
    """Only what the signature covers is read; without one, all of it. Raises
    `DocumentMalformed`."""
    enveloped = parse_enveloped(data, subject=subject)
    content = enveloped.content if enveloped else canonical(parse_xml(data, subject=subject))
    root = parse_xml(content, subject=subject)
    if root.tag != f"{SWID}SoftwareIdentity":
        raise DocumentMalformed("not-rim", "no SWID tag (ISO 19770-2)", subject=subject)
    payloads = root.findall(f"{SWID}Payload")
    if len(payloads) != 1:
        told = f"{len(payloads)} payloads where one is taken"
        raise DocumentMalformed("not-rim", told, subject=subject)
    resources = tuple(_resources(payloads[0], subject))
    if not resources:
        raise DocumentMalformed("not-rim", "it lists no measurement", subject=subject)
    meta = root.find(f"{SWID}Meta")
    attributes = {} if meta is None else meta.attrib
    return Manifest(
        name=_plain(root.get("name", "")),
        tag_id=_plain(root.get("tagId", "")),
        version=_plain(attributes.get("colloquialVersion", "")),
        edition=_plain(attributes.get("edition", "")),
        maker=_plain(attributes.get(f"{_RIM}FirmwareManufacturer", "")),
        resources=resources,
        enveloped=enveloped,
    )


def _resources(payload: Any, subject: str) -> Iterator[Resource]:
    found = [r for r in payload.iter(f"{SWID}Resource") if r.get("type") == "Measurement"]
    if len(found) > MAX_RESOURCES:
        told = f"more than {MAX_RESOURCES} measurements"
        raise DocumentMalformed("too-large", told, subject=subject)
    seen: set[int] = set()
    for element in found:
        one = _resource(element, subject)
        if one.index in seen:
            told = f"the index {one.index} stands twice"
            raise DocumentMalformed("duplicate-index", told, subject=subject)
        seen.add(one.index)
        yield one


def _resource(element: Any, subject: str) -> Resource:
    index, active = _number(element, "index", subject), element.get("active")
    count = _number(element, "alternatives", subject)
    if active not in ("True", "False") or not 1 <= count <= MAX_ALTERNATIVES:
        told = f"index {index}: active={active!r:.20}, {count} alternatives"
        raise DocumentMalformed("resource-malformed", told, subject=subject)
    hashes: dict[int, tuple[str, bytes]] = {}
    for name, value in element.attrib.items():
        matched = _HASH.fullmatch(name)
        if matched:
            hashes[int(matched[2])] = (matched[1], _digest(value, matched[1], index, subject))
    algorithms = {algorithm for algorithm, _ in hashes.values()}
    if sorted(hashes) != list(range(count)) or len(algorithms) != 1:
        told = f"index {index} has not the {count} hashes of one algorithm that it says"
        raise DocumentMalformed("resource-malformed", told, subject=subject)
    return Resource(
        index=index,
        active=active == "True",
        algorithm=algorithms.pop(),
        hashes=tuple(hashes[n][1] for n in range(count)),
        name=_plain(element.get("name", "")),
    )


def _number(element: Any, name: str, subject: str) -> int:
    text = element.get(name, "")
    if not re.fullmatch(r"[0-9]{1,4}", text):
        told = f"{name}={text[:20]!r} is no number"
        raise DocumentMalformed("resource-malformed", told, subject=subject)
    return int(text)


def _digest(text: str, algorithm: str, index: int, subject: str) -> bytes:
    size = _SIZES.get(algorithm)
    if size is None or len(text) != 2 * size or not _HEX.fullmatch(text):
        told = f"index {index} has a hash that is no {algorithm}"
        raise DocumentMalformed("digest-length", told, subject=subject)
    return bytes.fromhex(text)


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:200])
