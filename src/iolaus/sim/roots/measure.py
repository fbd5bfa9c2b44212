"""What a root of trust measures: the blocks of DMTF's measurement specification (DSP0274).

Block 1 is the ROM; from 2 on comes the firmware that runs, an image each; then hardware and
firmware configuration. Security versions stand from 16 on, version strings from 32 on, the
manifest at 0xFD and the device mode at 0xFE, where DSP0274 1.2 puts them; responders of 1.1 in
the field already do the same. The order is ascending, as a requester sees it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from iolaus.sim.roots.algorithms import Hashing
from iolaus.sim.roots.firmware import Image

ROM, FIRMWARE, HARDWARE, CONFIGURATION, MANIFEST, MODE, VERSION, SVN = range(8)
SVNS_FROM: Final = 0x10
VERSIONS_FROM: Final = 0x20
MANIFEST_INDEX: Final = 0xFD
MODE_INDEX: Final = 0xFE
TYPES: Final = (
    "ImmutableROM", "MutableFirmware", "HardwareConfiguration", "FirmwareConfiguration",
    "MeasurementManifest", "DebugAndDeviceMode", "MutableFirmwareVersion",
    "MutableFirmwareSecurityVersionNumber",
)  # fmt: skip

# operational mode capabilities and state, device mode capabilities and state
NORMAL: Final = (0x3F, 0x04, 0x1F, 0x00)
DEBUGGED: Final = (0x3F, 0x04, 0x1F, 0x02 | 0x08 | 0x10)


@dataclass(frozen=True, slots=True)
class Block:
    """`raw`: the value is data, not a digest of it."""

    index: int
    type: int
    value: bytes
    raw: bool = False

    def encoded(self) -> bytes:
        kind = self.type | (0x80 if self.raw else 0)
        inner = struct.pack("<BH", kind, len(self.value)) + self.value
        return struct.pack("<BBH", self.index, 1, len(inner)) + inner


def measured(
    model: str,
    claimed: Sequence[Image],
    *,
    running: Sequence[Image] | None = None,
    hashing: Hashing,
    raw: bool = False,
    mode: Sequence[int] = NORMAL,
) -> list[Block]:
    """All blocks. Versions are told of the `claimed` images, digests taken of the `running`
    ones; on an honest device these are the same. `raw` gives configurations undigested."""
    running = claimed if running is None else running
    blocks = [Block(1, ROM, rom_of(model).digest(hashing))]
    blocks += [Block(n, FIRMWARE, image.digest(hashing)) for n, image in enumerate(running, 2)]
    after = len(blocks) + 1
    for n, kind in enumerate((HARDWARE, CONFIGURATION)):
        data = configuration(model, kind)
        blocks.append(Block(after + n, kind, data if raw else hashing.of(data), raw))
    blocks += [
        Block(SVNS_FROM + n, SVN, struct.pack("<Q", image.svn), raw=True)
        for n, image in enumerate(claimed)
    ]
    blocks += [
        Block(VERSIONS_FROM + n, VERSION, image.version.encode(), raw=True)
        for n, image in enumerate(claimed)
    ]
    lines = "".join(f"{image.component}={image.version}\n" for image in claimed)
    blocks.append(Block(MANIFEST_INDEX, MANIFEST, lines.encode(), raw=True))
    blocks.append(Block(MODE_INDEX, MODE, struct.pack("<4I", *mode), raw=True))
    return blocks


def rom_of(model: str) -> Image:
    return Image(f"{model} ROM", "A01")


def configuration(model: str, kind: int) -> bytes:
    """Fuses and straps, or the settings that the firmware boots with: the same for a model."""
    return f"{TYPES[kind]} of {model}: production, secure boot enforced\n".encode()


def record(blocks: Iterable[Block]) -> bytes:
    return b"".join(block.encoded() for block in blocks)


def summary(blocks: Iterable[Block], hashing: Hashing) -> bytes:
    """The measurement summary hash over all blocks in ascending order."""
    return hashing.of(record(sorted(blocks, key=lambda block: block.index)))
