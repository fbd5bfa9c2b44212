"""What a host measures on its way up: firmware, settings, secure boot, boot order, loader, kernel.

A boot is a value: what was installed and configured when the host started. Firmware flashed and
settings changed since then are in the next boot's log, not in this one's, as it is with hardware.
PCR 0 holds the firmware, 1 its settings and the boot order, 2 option ROMs, 4 loader and kernel,
5 the partition table, 7 the secure boot policy, 8 and 9 what the loader was told and read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding

from iolaus.sim.roots import eventlog as log
from iolaus.sim.roots.chain import root_authority
from iolaus.sim.roots.eventlog import Event
from iolaus.sim.roots.firmware import Image
from iolaus.sim.roots.keys import noise

OWNER: Final = UUID("77fa9abd-0359-4d32-bd60-28f4e78f784b")
LOADER: Final = Image("shimx64", "15.8")
SECOND: Final = Image("grubx64", "2.12")
KERNEL: Final = Image("vmlinuz", "6.8.0-60")
INITRD: Final = Image("initrd", "6.8.0-60")
COMMAND_LINE: Final = "root=LABEL=system ro iommu=pt console=ttyS0,115200"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """`count` boots since the first; `claimed` is the version that the firmware says it is;
    `variables` are the databases of secure boot (None: the hall's own)."""

    firmware: Image
    claimed: str
    adapters: Sequence[Image] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    secure: bool = True
    variables: Mapping[str, bytes] | None = None
    locality: int = 0
    count: int = 1
    at_s: float = 0.0


def events(boot: Boot, seed: str) -> list[Event]:
    """All that is measured from reset to the kernel, in order."""
    return [
        *log.startup(boot.locality),
        *_firmware(boot),
        *_policy(boot, seed),
        *_settings(boot),
        *_options(boot),
        Event(4, log.EFI_ACTION, b"Calling EFI Application from Boot Option"),
        *(Event(n, log.SEPARATOR, bytes(4)) for n in range(7)),
        *_loader(boot, seed),
        *_kernel(),
    ]


def _firmware(boot: Boot) -> list[Event]:
    data = boot.firmware.data
    return [
        Event(0, log.CRTM_VERSION, log.wide(boot.claimed)),
        Event(0, log.FIRMWARE_BLOB2, log.firmware_blob("PEI and DXE volume", data), data),
    ]


def _policy(boot: Boot, seed: str) -> list[Event]:
    """The variables of secure boot. A platform that does not enforce it has no platform key."""
    enforced = b"\x01" if boot.secure else b"\0"
    found = [_config(log.GLOBAL, "SecureBoot", enforced)]
    for name, data in (boot.variables or secure_variables(seed)).items():
        space = log.IMAGE_SECURITY if name in ("db", "dbx") else log.GLOBAL
        is_lost = name == "PK" and not boot.secure and boot.variables is None
        found.append(_config(space, name, b"" if is_lost else data))
    return [*found, Event(7, log.SEPARATOR, bytes(4))]


def _config(space: UUID, name: str, data: bytes) -> Event:
    return Event(7, log.VARIABLE_CONFIG, log.variable(space, name, data))


@lru_cache(maxsize=16)
def secure_variables(seed: str) -> dict[str, bytes]:
    """PK, KEK, db and dbx of all machines of a hall."""
    der = root_authority(seed).leaf.public_bytes(Encoding.DER)
    listed = log.signature_list(log.CERTIFICATE_LIST, OWNER, [der])
    banned = [noise("dbx", str(n)) for n in range(4)]
    barred = log.signature_list(log.DIGEST_LIST, OWNER, banned)
    return {"PK": listed, "KEK": listed, "db": listed, "dbx": barred}


def variables_of(certificates: Mapping[str, list[bytes]], barred: list[bytes]) -> dict[str, bytes]:
    """The variables that hold these certificates (DER) by name, and these digests in dbx."""
    found = {
        each: b"".join(log.signature_list(log.CERTIFICATE_LIST, OWNER, [der]) for der in held)
        for each, held in certificates.items()
    }
    return found | {"dbx": log.signature_list(log.DIGEST_LIST, OWNER, barred) if barred else b""}


def _settings(boot: Boot) -> list[Event]:
    text = json.dumps(dict(boot.settings), sort_keys=True, separators=(",", ":")).encode()
    option = struct.pack("<IH", 1, 4) + log.wide("Linux") + b"\x7f\xff\x04\x00"
    order = struct.pack("<H", 0)
    return [
        Event(1, log.PLATFORM_FLAGS, text),
        Event(1, log.VARIABLE_BOOT, log.variable(log.GLOBAL, "BootOrder", order), order),
        Event(1, log.VARIABLE_BOOT, log.variable(log.GLOBAL, "Boot0000", option), option),
    ]


def _options(boot: Boot) -> list[Event]:
    return [_loaded(2, log.DRIVER, f"OptionRom({image.component})", image)
            for image in boot.adapters]  # fmt: skip


def _loaded(register: int, kind: int, path: str, image: Image) -> Event:
    return Event(register, kind, log.image_load(path, image.data), image.data)


def _loader(boot: Boot, seed: str) -> list[Event]:
    table = b"EFI PART" + struct.pack("<II", 0x10000, 92) + noise("gpt", size=76) + bytes(8)
    found = [
        Event(5, log.GPT, table),
        _loaded(4, log.APPLICATION, r"\EFI\BOOT\BOOTX64.EFI", LOADER),
        _loaded(4, log.APPLICATION, r"\EFI\BOOT\grubx64.efi", SECOND),
    ]
    if boot.secure:
        used = secure_variables(seed)["db"][28:]
        authority = log.variable(log.IMAGE_SECURITY, "db", used)
        found.insert(1, Event(7, log.AUTHORITY, authority))
    return found


def _kernel() -> list[Event]:
    return [
        _said(f"grub_cmd: linux /boot/vmlinuz {COMMAND_LINE}"),
        Event(9, log.IPL, b"/boot/vmlinuz\0", KERNEL.data),
        _loaded(4, log.APPLICATION, r"\boot\vmlinuz", KERNEL),
        Event(9, log.IPL, b"/boot/initrd.img\0", INITRD.data),
        _said(f"kernel_cmdline: /boot/vmlinuz {COMMAND_LINE}"),
        Event(5, log.EFI_ACTION, b"Exit Boot Services Invocation"),
        Event(5, log.EFI_ACTION, b"Exit Boot Services Returned with Success"),
    ]


def _said(text: str) -> Event:
    """What the loader did, measured without its heading."""
    return Event(8, log.IPL, text.encode() + b"\0", text.partition(": ")[2].encode())
