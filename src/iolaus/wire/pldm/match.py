"""Which images of a package are for a device (DSP0267, "Firmware device identification area").

A record fits a device that has every one of the record's descriptors, whatever else the device
has. Nothing is guessed from fewer: a board of the same maker with another subsystem id is another
device, and an image for it would be a brick.
"""

from __future__ import annotations

from collections.abc import Iterable

from iolaus.wire.pldm.package import ComponentImage, Descriptor, DeviceRecord, Package


def match(package: Package, descriptors: Iterable[Descriptor]) -> tuple[ComponentImage, ...]:
    """The images for a device with these descriptors, in the package's order; () where none is."""
    own = frozenset(descriptors)
    wanted = {
        number for record in package.records if fits(record, own) for number in record.components
    }
    return tuple(package.components[number] for number in sorted(wanted))


def fits(record: DeviceRecord, own: frozenset[Descriptor]) -> bool:
    return own.issuperset(record.descriptors)
