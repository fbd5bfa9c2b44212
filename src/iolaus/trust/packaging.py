"""Packages as they are kept: versions, digests, and for whose devices they are.

The images themselves are not kept: they are large, and a digest says which they were. Whose a
device is follows from the numbers in a record's descriptors, as far as a table of ours knows them;
a number that is not in it is nobody's, which rules nobody out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from iolaus.model.package import Packaged, PackagedImage, Review
from iolaus.trust.reviews import Image
from iolaus.wire.pldm import Descriptor, Package
from iolaus.wire.pldm.package import DescriptorKind
from iolaus.wire.safe import Report
from iolaus.wire.tarball import Archive

PLDM, OPENBMC = "pldm", "openbmc"
_KINDS: Final[Mapping[str, str]] = {"BMC": "bmc", "Host": "bios", "PSU": "psu"}
"""The last word of an archive's `purpose` to our class of firmware."""
_TABLES: Final[Mapping[int, str]] = {
    DescriptorKind.PCI_VENDOR: "pci",
    DescriptorKind.IANA_ENTERPRISE: "iana",
}


def of_package(package: Package, images: Sequence[Image]) -> Packaged:
    """`images` are those of the package, in its order."""
    devices: dict[int, list[Descriptor]] = {}
    for record in package.records:
        for number in record.components:
            devices.setdefault(number, []).extend(record.descriptors)
    found = tuple(
        PackagedImage(
            name=image.name,
            version=each.version,
            size=each.size,
            digests=image.digests,
            identifier=each.identifier,
            classification=each.classification,
            makers=tuple(dict.fromkeys(makers_of(devices.get(each.index, ())))),
            descriptors=tuple(dict.fromkeys(str(d) for d in devices.get(each.index, ()))),
        )
        for each, image in zip(package.components, images, strict=True)
    )
    return Packaged(form=PLDM, images=found, version=package.version, released=package.released)


def of_archive(archive: Archive) -> Packaged:
    """Its images are all of the one version that MANIFEST names."""
    said = archive.manifest
    version = said.get("version", "")
    images = tuple(
        PackagedImage(name=each.name, version=version, size=each.size, digests=each.digests)
        for each in archive.images
    )
    named = (said.get("MachineName", ""), *said.get("CompatibleName", "").split(","))
    return Packaged(
        form=OPENBMC,
        images=images,
        version=version,
        kind=_KINDS.get(said.get("purpose", "").rpartition(".")[2], ""),
        machines=tuple(dict.fromkeys(each.strip() for each in named if each.strip())),
    )


def makers_of(descriptors: Iterable[Descriptor]) -> Iterator[str]:
    """The usual names of those whose devices bear these."""
    for each in descriptors:
        table = _TABLES.get(each.kind)
        if table is not None:
            yield from _makers()[table].get(int.from_bytes(each.data, "little"), ())


def reviews_of(reports: Iterable[Report]) -> tuple[Review, ...]:
    return tuple(
        Review(
            vendor=each.vendor,
            product=each.product,
            version=each.version,
            provider=each.provider,
            completed=each.completed,
            issues=len(each.issues),
            digests=each.digests,
        )
        for each in reports
    )


@cache
def _makers() -> Mapping[str, Mapping[int, tuple[str, ...]]]:
    text = files(__package__).joinpath("makers_of_descriptors.toml").read_text(encoding="utf-8")
    return {
        table: {int(number, 0): tuple(names) for number, names in held.items()}
        for table, held in tomllib.loads(text).items()
    }
