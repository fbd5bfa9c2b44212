"""The measured boot's event log: TCG's PC Client crypto agile format, and the registers it fills.

The first record is of the old form and names the banks; each later one carries a digest per
bank. What is measured is not always what is logged (a file's content against its name), so an
event is made of both. `Bank` extends as a TPM does; EV_NO_ACTION extends nothing.

TCG PC Client Platform Firmware Profile 1.05, 10 and 3.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from iolaus.sim.roots.algorithms import Hashing

NO_ACTION, SEPARATOR, ACTION, CRTM_VERSION, PLATFORM_FLAGS, IPL = 0x3, 0x4, 0x5, 0x8, 0xA, 0xD
VARIABLE_CONFIG, VARIABLE_BOOT, APPLICATION, DRIVER = 0x80000001, 0x80000002, 0x80000003, 0x80000004
GPT, EFI_ACTION, FIRMWARE_BLOB2, AUTHORITY = 0x80000006, 0x80000007, 0x8000000A, 0x800000E0
REGISTERS: Final = 24
GLOBAL: Final = UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
IMAGE_SECURITY: Final = UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
CERTIFICATE_LIST: Final = UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
DIGEST_LIST: Final = UUID("c1c41626-504c-4092-aca9-41f936934328")


@dataclass(frozen=True, slots=True)
class Event:
    """`logged` stands in the log; `measured` is what was hashed, if it is something else."""

    register: int
    kind: int
    logged: bytes
    measured: bytes | None = None

    @property
    def hashed(self) -> bytes:
        return self.logged if self.measured is None else self.measured


def encoded(events: Iterable[Event], banks: Sequence[Hashing]) -> bytes:
    return _spec_id(banks) + b"".join(_record(event, banks) for event in events)


def _spec_id(banks: Sequence[Hashing]) -> bytes:
    body = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 0, 0, 2, 105, 2, len(banks))
    body += b"".join(struct.pack("<HH", bank.tpm, bank.size) for bank in banks) + b"\0"
    return struct.pack("<II20sI", 0, NO_ACTION, bytes(20), len(body)) + body


def _record(event: Event, banks: Sequence[Hashing]) -> bytes:
    head = struct.pack("<III", event.register, event.kind, len(banks))
    idle = event.kind == NO_ACTION
    digests = b"".join(
        struct.pack("<H", bank.tpm) + (bytes(bank.size) if idle else bank.of(event.hashed))
        for bank in banks
    )
    return head + digests + struct.pack("<I", len(event.logged)) + event.logged


def registers(events: Iterable[Event], bank: Hashing) -> list[bytes]:
    """The bank after these events; the ones for debugging and dynamic launch start as ones."""
    held = [bytes(bank.size)] * 17 + [b"\xff" * bank.size] * 6 + [bytes(bank.size)]
    for event in events:
        if event.kind != NO_ACTION:
            held[event.register] = bank.of(held[event.register] + bank.of(event.hashed))
        elif event.logged.startswith(b"StartupLocality\0"):
            held[0] = bytes(bank.size - 1) + event.logged[-1:]
    return held


def startup(locality: int) -> list[Event]:
    """Where measuring began, which the log must tell unless it was at locality 0."""
    text = b"StartupLocality\0" + bytes([locality])
    return [Event(0, NO_ACTION, text)] if locality else []


def wide(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


def variable(guid: UUID, name: str, data: bytes) -> bytes:
    """UEFI_VARIABLE_DATA."""
    letters = name.encode("utf-16-le")
    return guid.bytes_le + struct.pack("<QQ", len(name), len(data)) + letters + data


def signature_list(kind: UUID, owner: UUID, entries: Sequence[bytes]) -> bytes:
    """EFI_SIGNATURE_LIST of entries of one size."""
    size = 16 + len(entries[0])
    body = b"".join(owner.bytes_le + entry for entry in entries)
    return kind.bytes_le + struct.pack("<III", 28 + len(body), 0, size) + body


def image_load(path: str, data: bytes) -> bytes:
    """UEFI_IMAGE_LOAD_EVENT with a device path that is a file path and an end."""
    letters = wide(path)
    device_path = struct.pack("<BBH", 4, 4, 4 + len(letters)) + letters + b"\x7f\xff\x04\x00"
    return struct.pack("<QQQQ", 0x7D000000, len(data), 0, len(device_path)) + device_path


def firmware_blob(description: str, data: bytes) -> bytes:
    """UEFI_PLATFORM_FIRMWARE_BLOB2."""
    text = description.encode()
    return bytes([len(text)]) + text + struct.pack("<QQ", 0xFF000000, len(data))
