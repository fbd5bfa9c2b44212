"""What a firmware update package says, as values (DSP0267 section 7, "Firmware update package").

A package names devices by descriptors (what a device answers to QueryDeviceIdentifiers) and holds
component images; which image is for which device is a bit in that device's record. Checksums say
that it arrived whole, and nothing about who made it: that is the component's own to judge, by the
signature inside the image.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final
from uuid import UUID

import msgspec

from iolaus.kernel.errors import OperatorMust

FORCE_UPDATE: Final = 0x0001
USE_COMPARISON_STAMP: Final = 0x0002


class PackageMalformed(OperatorMust):
    """The bytes are no package, or a damaged one; `offset` is where that shows (from byte 0),
    `reason` a stable word in kebab case."""

    def __init__(
        self,
        message: str,
        *,
        offset: int,
        subject: str = "package",
        reason: str = "package-malformed",
    ) -> None:
        super().__init__(
            f"{message} (at byte {offset})",
            operation="read firmware package",
            subject=subject,
            code="PackageMalformed",
            next_step="fetch the package from its maker again; it is damaged or of another format",
        )
        self.offset, self.reason = offset, reason


class DescriptorKind(IntEnum):
    """Descriptor types (DSP0267, "Descriptor identifier table")."""

    PCI_VENDOR = 0x0000
    IANA_ENTERPRISE = 0x0001
    UUID = 0x0002
    PNP_VENDOR = 0x0003
    ACPI_VENDOR = 0x0004
    IEEE_COMPANY = 0x0005
    SCSI_VENDOR = 0x0006
    PCI_DEVICE = 0x0100
    PCI_SUBSYSTEM_VENDOR = 0x0101
    PCI_SUBSYSTEM = 0x0102
    PCI_REVISION = 0x0103
    PNP_PRODUCT = 0x0104
    ACPI_PRODUCT = 0x0105
    ASCII_MODEL_LONG = 0x0106
    ASCII_MODEL_SHORT = 0x0107
    SCSI_PRODUCT = 0x0108
    UBM_CONTROLLER = 0x0109
    VENDOR_DEFINED = 0xFFFF


class Activation(IntFlag):
    """RequestedComponentActivationMethod: what it takes before the image runs."""

    AUTOMATIC = 0x0001
    SELF_CONTAINED = 0x0002
    MEDIUM_SPECIFIC_RESET = 0x0004
    SYSTEM_REBOOT = 0x0008
    DC_POWER_CYCLE = 0x0010
    AC_POWER_CYCLE = 0x0020


class Descriptor(msgspec.Struct, frozen=True):
    """One fact about a device: its type, and its bytes as they stand in the package (numbers are
    little endian)."""

    kind: int
    data: bytes

    def __str__(self) -> str:
        try:
            word = DescriptorKind(self.kind).name.lower().replace("_", "-")
        except ValueError:
            word = f"{self.kind:#06x}"
        return f"{word}={self._shown()}"

    def _shown(self) -> str:
        if self.kind == DescriptorKind.UUID and len(self.data) == 16:
            return str(UUID(bytes=self.data))
        if self.kind in _NUMBERS:
            return f"{int.from_bytes(self.data, 'little'):#0{2 + 2 * len(self.data)}x}"
        return self.data.hex()

    @classmethod
    def iana(cls, number: int) -> Descriptor:
        return cls(DescriptorKind.IANA_ENTERPRISE, number.to_bytes(4, "little"))

    @classmethod
    def uuid(cls, value: UUID) -> Descriptor:
        return cls(DescriptorKind.UUID, value.bytes)

    @classmethod
    def pci(
        cls,
        vendor: int,
        device: int | None = None,
        subsystem_vendor: int | None = None,
        subsystem: int | None = None,
    ) -> tuple[Descriptor, ...]:
        """The descriptors of a PCI function by the ids of its configuration space; what is not
        known is left out."""
        ids = zip(_PCI, (vendor, device, subsystem_vendor, subsystem), strict=True)
        return tuple(cls(kind, n.to_bytes(2, "little")) for kind, n in ids if n is not None)

    @classmethod
    def vendor_defined(cls, title: str, data: bytes) -> Descriptor:
        """A maker's own descriptor with an ASCII title (at most 255 letters)."""
        raw = title.encode("ascii")
        return cls(DescriptorKind.VENDOR_DEFINED, bytes((1, len(raw))) + raw + data)


_PCI: Final = (
    DescriptorKind.PCI_VENDOR,
    DescriptorKind.PCI_DEVICE,
    DescriptorKind.PCI_SUBSYSTEM_VENDOR,
    DescriptorKind.PCI_SUBSYSTEM,
)
_NUMBERS: Final = frozenset({*_PCI, DescriptorKind.IANA_ENTERPRISE})


class DeviceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A device that the package is for: it has all these descriptors. `components` are indices
    into the package's images. `downstream`: it stands behind another device."""

    descriptors: tuple[Descriptor, ...]
    components: tuple[int, ...]
    version: str = ""
    flags: int = 0
    package_data: bytes = b""
    reference_manifest: bytes = b""
    downstream: bool = False


class ComponentImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image. `offset` and `size` are in bytes from byte 0 of the package; `sha256` (hex) is
    of exactly these bytes. `comparison_stamp` orders versions where `USE_COMPARISON_STAMP`
    stands in `options`."""

    index: int
    classification: int
    identifier: int
    version: str
    offset: int
    size: int
    sha256: str
    comparison_stamp: int | None = None
    options: int = 0
    activation: int = 0
    opaque: bytes = b""

    @property
    def forces_update(self) -> bool:
        return bool(self.options & FORCE_UPDATE)


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """`revision` is PackageHeaderFormatRevision (1 to 4 for DSP0267 1.0 to 1.3); `released` is
    ISO 8601, or None where the header's time is no time."""

    revision: int
    version: str
    released: str | None
    records: tuple[DeviceRecord, ...]
    components: tuple[ComponentImage, ...]
    header_size: int
    size: int
