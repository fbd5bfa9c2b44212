"""Which image is for which component: the judgement of a controller before anything is written.

A package says for which devices its images are, by descriptors; a controller knows those of its
components, and takes an image for every component that a record fits and whose identifier it
has. Archives of OpenBMC name a machine and a purpose instead. Nothing is changed here: what comes
out is a list of `Item`, or `Refusal` with the message that a task then shows.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha512
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from iolaus.sim.firmware import pldm
from iolaus.sim.firmware.pldm import Descriptor, Package
from iolaus.sim.personas.parts.flash import CONTROLLER, HOST, Flash, Part
from iolaus.sim.roots.firmware import Image

MOST_FILES: Final = 32
_PURPOSES: Final = {"BMC": CONTROLLER, "Host": HOST}


@dataclass(frozen=True, slots=True)
class Here:
    """A component of the device: its inventory entry, its kind, and what it says it runs."""

    path: str
    part: Part
    image: Image

    @property
    def identifier(self) -> int:
        return identifier_of(self.image.component)


@dataclass(frozen=True, slots=True)
class Item:
    """An image that is to be written to a component."""

    here: Here
    image: Image


class Refusal(Exception):
    """`name` is a message of the Update registry, `why` the device's own words."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name, self.why = name, why


def identifier_of(component: str) -> int:
    """PLDM's ComponentIdentifier of a component by its name."""
    return zlib.crc32(component.encode()) & 0xFFFF


def descriptors_of(flash: Flash, part: Part, component: str) -> list[Descriptor]:
    """What a component answers to a query for its device identifiers."""
    if part.pci:
        kinds = (pldm.PCI_VENDOR, pldm.PCI_DEVICE, pldm.PCI_SUBVENDOR, pldm.PCI_SUBSYSTEM)
        return [
            Descriptor(kind, struct.pack("<H", number))
            for kind, number in zip(kinds, part.pci, strict=True)
        ]
    own = uuid5(NAMESPACE_OID, f"{flash.iana}/{component}")
    return [
        Descriptor(pldm.IANA, struct.pack("<I", flash.iana)),
        Descriptor(pldm.DEVICE_UUID, own.bytes),
    ]


def image_from(component: str, version: str, data: bytes) -> Image:
    """The image of these bytes: the maker's own, or somebody's."""
    own = Image(component, version)
    return own if own.data == data else Image(component, version, "foreign", data)


def chosen(data: Any, flash: Flash, here: Sequence[Here], *, anything: bool = False) -> list[Item]:
    """What of this goes where. `anything`: a controller that does not look at what it gets.
    Raises Refusal."""
    if pldm.is_package(data):
        return _of_package(data, flash, here, anything)
    if flash.tarballs and len(data) > 262 and bytes(data[257:262]) == b"ustar":
        return _of_archive(bytes(data), here)
    raise Refusal("NoTargetsDetermined", "It is no package that this device knows.")


def _of_package(data: Any, flash: Flash, here: Sequence[Here], anything: bool) -> list[Item]:
    try:
        package = pldm.parse_package(data)
    except pldm.BadPackage as wrong:
        raise Refusal("VerificationFailed", f"The package is damaged: {wrong}.") from None
    items = [item for each in here for item in _for(each, package, data, flash)]
    if not items and anything:
        items = [Item(here[0], _image(package, data, 0, here[0].image.component))]
    if not items:
        raise Refusal("NoTargetsDetermined", "It is for other devices or components.")
    return items


def _for(each: Here, package: Package, data: Any, flash: Flash) -> Iterator[Item]:
    own = set(descriptors_of(flash, each.part, each.image.component))
    numbers = {
        number
        for record in package.records
        if set(record.descriptors) <= own
        for number in record.components
        if package.components[number].identifier == each.identifier
    }
    for number in sorted(numbers)[:1]:
        yield Item(each, _image(package, data, number, each.image.component))


def _image(package: Package, data: Any, number: int, component: str) -> Image:
    return image_from(component, package.components[number].version, package.image(data, number))


def signature_of(image: bytes) -> bytes:
    """What stands in for a signature beside an image of an archive."""
    return sha512(b"iolaus simulated signature\0" + image).digest()


def _of_archive(data: bytes, here: Sequence[Here]) -> list[Item]:
    files = _unpacked(data)
    said = dict(_lines(files.get("MANIFEST", b"")))
    wakes = _PURPOSES.get(said.get("purpose", "").rpartition(".")[2])
    fits = [each for each in here if each.part.wakes == wakes]
    if not said.get("version") or wakes is None:
        raise Refusal("VerificationFailed", "The archive has no MANIFEST that says what it is.")
    if not fits or said.get("MachineName") != str(fits[0].identifier):
        raise Refusal("NoTargetsDetermined", "It is for another machine.")
    name = next((name for name in files if name.startswith("image-")), "")
    image = files.get(name, b"")
    if not image or files.get(f"{name}.sig") != signature_of(image):
        raise Refusal("VerificationFailed", "The signature of the image is wrong.")
    return [Item(fits[0], image_from(fits[0].image.component, said["version"], image))]


def _unpacked(data: bytes) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or len(found) >= MOST_FILES:
                    raise Refusal("VerificationFailed", "The archive holds what does not belong.")
                found[member.name] = content.read()
    except (tarfile.TarError, ValueError, OSError, OverflowError, EOFError):
        raise Refusal("VerificationFailed", "The archive is damaged.") from None
    return found


def _lines(manifest: bytes) -> Iterator[tuple[str, str]]:
    for line in manifest.decode("ascii", "replace").splitlines():
        name, sign, value = line.partition("=")
        if sign:
            yield name.strip(), value.strip()
