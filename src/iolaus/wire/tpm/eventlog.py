"""The log of a measured boot, and what the registers must be after it.

TCG "PC Client Platform Firmware Profile", 10.2: SHA-1 events; or a first event of that shape that
names the banks, and then events with a digest for each (crypto agile). The log is not signed: it
is worth what its replay gives when a quote agrees.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from iolaus.wire.octets import EvidenceMalformed, Octets
from iolaus.wire.tpm.algorithms import HASHES

NO_ACTION: Final = 0x00000003
SPEC_ID: Final = b"Spec ID Event03\0"
STARTUP_LOCALITY: Final = b"StartupLocality\0"
HCRTM_LOCALITY: Final = 4
MAX_EVENTS: Final = 20_000
_PCRS: Final = range(24)
_DYNAMIC: Final = range(17, 23)
_SHA1: Final = HASHES[0x0004]
_KINDS: Final = {
    0x00: "EV_PREBOOT_CERT",
    0x01: "EV_POST_CODE",
    0x03: "EV_NO_ACTION",
    0x04: "EV_SEPARATOR",
    0x05: "EV_ACTION",
    0x06: "EV_EVENT_TAG",
    0x07: "EV_S_CRTM_CONTENTS",
    0x08: "EV_S_CRTM_VERSION",
    0x09: "EV_CPU_MICROCODE",
    0x0A: "EV_PLATFORM_CONFIG_FLAGS",
    0x0B: "EV_TABLE_OF_DEVICES",
    0x0C: "EV_COMPACT_HASH",
    0x0D: "EV_IPL",
    0x0E: "EV_IPL_PARTITION_DATA",
    0x0F: "EV_NONHOST_CODE",
    0x10: "EV_NONHOST_CONFIG",
    0x11: "EV_NONHOST_INFO",
    0x12: "EV_OMIT_BOOT_DEVICE_EVENTS",
    0x80000001: "EV_EFI_VARIABLE_DRIVER_CONFIG",
    0x80000002: "EV_EFI_VARIABLE_BOOT",
    0x80000003: "EV_EFI_BOOT_SERVICES_APPLICATION",
    0x80000004: "EV_EFI_BOOT_SERVICES_DRIVER",
    0x80000005: "EV_EFI_RUNTIME_SERVICES_DRIVER",
    0x80000006: "EV_EFI_GPT_EVENT",
    0x80000007: "EV_EFI_ACTION",
    0x80000008: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
    0x80000009: "EV_EFI_HANDOFF_TABLES",
    0x8000000A: "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
    0x8000000B: "EV_EFI_HANDOFF_TABLES2",
    0x8000000C: "EV_EFI_VARIABLE_BOOT2",
    0x80000010: "EV_EFI_HCRTM_EVENT",
    0x800000E0: "EV_EFI_VARIABLE_AUTHORITY",
    0x800000E1: "EV_EFI_SPDM_FIRMWARE_BLOB",
    0x800000E2: "EV_EFI_SPDM_FIRMWARE_CONFIG",
}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`digests` by the name of the bank; `data` is what the log says beside them."""

    pcr: int
    kind: int
    digests: Mapping[str, bytes]
    data: bytes

    @property
    def name(self) -> str:
        """TCG's name of the type, or its number."""
        return _KINDS.get(self.kind, f"{self.kind:#010x}")


class EventLog(msgspec.Struct, frozen=True, kw_only=True):
    """All events in order, the first (specification) included. `banks` by name."""

    banks: tuple[str, ...]
    events: tuple[Event, ...]


def _digest(octets: Octets, sizes: Mapping[int, int]) -> tuple[str, bytes]:
    number = octets.number(2, "a digest's algorithm")
    if number not in sizes:
        raise octets.wrong("algorithm-unknown", f"a digest of {number:#06x}, no bank of this log")
    name = HASHES[number].name if number in HASHES else f"{number:#06x}"
    return name, octets.take(sizes[number], "a digest")


def _agile(octets: Octets, sizes: Mapping[int, int]) -> Event:
    """TCG_PCR_EVENT2."""
    pcr, kind = _place(octets), octets.number(4, "an event's type")
    count = octets.number(4, "the number of digests")
    if count > len(sizes):
        raise octets.wrong("count-impossible", f"{count} digests for {len(sizes)} banks")
    digests = dict(_digest(octets, sizes) for _ in range(count))
    return Event(pcr=pcr, kind=kind, digests=digests, data=octets.sized(4, "an event"))


def _place(octets: Octets) -> int:
    pcr = octets.number(4, "an event's register")
    if pcr not in _PCRS and pcr != 0xFFFFFFFF:
        raise octets.wrong("index-impossible", f"register {pcr}")
    return pcr


def _plain(octets: Octets) -> Event:
    """TCG_PCClientPCREvent."""
    pcr, kind = _place(octets), octets.number(4, "an event's type")
    digest = octets.take(_SHA1.size, "a digest")
    data = octets.sized(4, "an event")
    return Event(pcr=pcr, kind=kind, digests={_SHA1.name: digest}, data=data)


def _banks(event: Event) -> dict[int, int]:
    """Algorithm -> size of digest, as TCG_EfiSpecIdEvent declares them."""
    octets = Octets(event.data, subject="event log")
    octets.take(len(SPEC_ID) + 8, "the specification")
    count = octets.number(4, "the number of banks")
    if not 1 <= count <= len(HASHES):
        raise octets.wrong("count-impossible", f"{count} banks")
    sizes = {}
    for _ in range(count):
        number, size = octets.number(2, "a bank"), octets.number(2, "a bank")
        if not 1 <= size <= 128 or (number in HASHES and HASHES[number].size != size):
            raise octets.wrong("digest-size", f"bank {number:#06x} of {size} bytes")
        sizes[number] = size
    octets.sized(1, "the vendor's information")
    octets.end("the specification")
    return sizes


def parse_event_log(data: bytes, *, subject: str = "event log") -> EventLog:
    """Read a log whole, of either shape. Raises `EvidenceMalformed`, nothing else."""
    octets = Octets(data, subject=subject)
    first = _plain(octets)
    agile = first.kind == NO_ACTION and first.data.startswith(SPEC_ID)
    sizes = _banks(first) if agile else {0x0004: _SHA1.size}
    events = [first]
    while octets.left:
        if len(events) == MAX_EVENTS:
            raise octets.wrong("too-large", f"more than {MAX_EVENTS} events")
        events.append(_agile(octets, sizes) if agile else _plain(octets))
    banks = tuple(HASHES[number].name for number in sizes if number in HASHES)
    return EventLog(banks=banks, events=tuple(events))


def _start(log: EventLog, size: int) -> dict[int, bytes]:
    """The registers before anything was measured; register 0 tells where measuring began."""
    held = {pcr: b"\xff" * size if pcr in _DYNAMIC else bytes(size) for pcr in _PCRS}
    for event in log.events:
        if event.kind == NO_ACTION and event.data.startswith(STARTUP_LOCALITY):
            held[0] = bytes(size - 1) + event.data[len(STARTUP_LOCALITY) :][:1].rjust(1, b"\0")
    return held


def replay(log: EventLog, hashing: str) -> dict[int, bytes]:
    """Every register of this bank after the log. Raises `EvidenceMalformed` where the log has no
    such bank, or an event no digest for it."""
    if hashing not in log.banks or hashing.startswith("sm3"):
        raise EvidenceMalformed("bank-missing", f"no {hashing} bank", subject="event log")
    word = hashing.replace("sha3-", "sha3_")
    held = _start(log, hashlib.new(word).digest_size)
    for number, event in enumerate(log.events):
        if event.kind == NO_ACTION or event.pcr not in held:
            continue
        digest = event.digests.get(hashing)
        if digest is None:
            told = f"event {number} has no {hashing} digest"
            raise EvidenceMalformed("bank-missing", told, offset=number, subject="event log")
        held[event.pcr] = hashlib.new(word, held[event.pcr] + digest).digest()
    return held


def efi_variable(event: Event) -> tuple[str, bytes] | None:
    """Name and value of a UEFI variable that an event measured (UEFI_VARIABLE_DATA); None where
    it is none."""
    octets = Octets(event.data, subject="UEFI variable")
    try:
        octets.take(16, "the variable's space")
        letters, size = octets.number(8, "the name"), octets.number(8, "the value")
        name = octets.take(2 * letters, "the name").decode("utf-16-le", "replace")
        value = octets.take(size, "the value")
        octets.end("the value")
    except EvidenceMalformed:
        return None
    return name, value
