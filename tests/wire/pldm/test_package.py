"""Packages: what they say, whom they fit, and that any other bytes end in one error."""

from __future__ import annotations

import hashlib
import mmap
import struct
import zlib
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iolaus.sim.firmware import pldm as simulated
from iolaus.sim.firmware.build import Part, pldm_package
from iolaus.sim.firmware.examples import example as example_of
from iolaus.wire.pldm import Descriptor, Package, PackageMalformed, match
from iolaus.wire.pldm.package import Activation
from iolaus.wire.pldm.parse import parse_package

BOARD = UUID("00112233-4455-6677-8899-aabbccddeeff")
IANA = simulated.Descriptor(simulated.IANA, struct.pack("<I", 5703))
OWN = simulated.Descriptor(simulated.DEVICE_UUID, BOARD.bytes)
TITLED = simulated.Descriptor(simulated.VENDOR_DEFINED, b"\x01\x03SKUabc")
PCI = [
    simulated.Descriptor(kind, struct.pack("<H", number))
    for kind, number in ((0x0000, 0x10DE), (0x0100, 0x2941), (0x0101, 0x10DE), (0x0102, 0x20B3))
]
REVISIONS = (1, 2, 3, 4)


def built(revision: int = 1) -> bytes:
    parts = [
        Part(image=b"bmc" * 50, identifier=7, version="1.2.3", activation=4, options=2, stamp=9),
        Part(image=b"gpu" * 90, identifier=8, version="97.0", activation=32, options=1),
        Part(image=b"nic", identifier=9, version="28.1", opaque=b"xyz"),
    ]
    records = [
        simulated.Record(descriptors=[IANA, OWN], components=[0], version="set-1"),
        simulated.Record(descriptors=[*PCI, TITLED], components=[1, 2], data=b"data"),
    ]
    if revision >= 2:
        behind = simulated.Record(descriptors=[IANA], components=[2], flags=1, downstream=True)
        records.append(behind)
    return pldm_package(parts, records, version="pack 7", revision=revision)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_package_says_whom_it_is_for_and_what_it_holds(revision: int) -> None:
    data = built(revision)
    found = parse_package(data)
    assert (found.revision, found.version, found.size) == (revision, "pack 7", len(data))
    assert found.released == "2026-05-04T12:00:00+00:00"
    assert [each.version for each in found.components] == ["1.2.3", "97.0", "28.1"]
    for each in found.components:
        image = data[each.offset : each.offset + each.size]
        assert each.sha256 == hashlib.sha256(image).hexdigest()
    bmc, gpu, nic = found.components
    assert (bmc.comparison_stamp, gpu.comparison_stamp) == (9, None)
    assert (bmc.forces_update, gpu.forces_update) == (False, True)
    assert Activation(gpu.activation) is Activation.AC_POWER_CYCLE
    assert nic.opaque == (b"xyz" if revision >= 3 else b"")
    assert [each.components for each in found.records][:2] == [(0,), (1, 2)]
    assert [each.downstream for each in found.records[2:]] == [True] * (revision >= 2)
    assert found.records[1].package_data == b"data"


def test_a_device_gets_the_images_of_every_record_that_it_fits_whole() -> None:
    package = parse_package(built())
    gpu = Descriptor.pci(0x10DE, 0x2941, 0x10DE, 0x20B3)
    sku = Descriptor.vendor_defined("SKU", b"abc")
    more = Descriptor.pci(0x10DE)[0]
    assert [each.identifier for each in match(package, (*gpu, sku, more))] == [8, 9]
    assert match(package, gpu) == ()
    assert match(package, (*Descriptor.pci(0x10DE, 0x2941, 0x10DE, 0x9999), sku)) == ()
    board = (Descriptor.uuid(BOARD), Descriptor.iana(5703))
    assert [each.identifier for each in match(package, board)] == [7]
    assert match(package, ()) == ()


def test_descriptors_read_well() -> None:
    words = [str(each) for each in Descriptor.pci(0x10DE, 0x2941)]
    assert words == ["pci-vendor=0x10de", "pci-device=0x2941"]
    assert str(Descriptor.iana(5703)) == "iana-enterprise=0x00001647"
    assert str(Descriptor.uuid(BOARD)) == f"uuid={BOARD}"
    assert str(Descriptor(0x8001, b"\x01")) == "0x8001=01"


def test_the_packages_that_machines_take_are_read_from_a_mapped_file(tmp_path: Path) -> None:
    file = tmp_path / "gpu.fwpkg"
    data = example_of("gb300-tray", {"HGX_FW_GPU_0": "97.20.01", "FW_BMC_0": "26.1"}, revision=4)
    file.write_bytes(data)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as held:
        found = parse_package(held)
        gpu = match(found, Descriptor.pci(0x10DE, 0x2941, 0x10DE, 0x20B3))
    assert [each.version for each in gpu] == ["97.20.01"]
    assert found == parse_package(data)


def test_two_records_may_share_one_image_place() -> None:
    data = bytearray(built())
    first = parse_package(bytes(data)).components[0]
    at = data.index(struct.pack("<II", first.offset, first.size))
    second = parse_package(bytes(data)).components[1]
    other = data.index(struct.pack("<II", second.offset, second.size))
    data[other : other + 8] = data[at : at + 8]
    shared = parse_package(resealed(data))
    assert shared.components[0].sha256 == shared.components[1].sha256


def resealed(data: bytearray) -> bytes:
    """The header checksum of a package of revision 1 made right again."""
    size = int.from_bytes(data[17:19], "little")
    data[size - 4 : size] = struct.pack("<I", zlib.crc32(data[: size - 4]))
    return bytes(data)


@pytest.mark.parametrize(
    ("at", "value", "said", "offset"),
    [
        (0, 0xFF, "does not begin", 0),
        (16, 9, "the header says 9", 16),
        (17, 18, "a header of", 17),
        (32, 7, "a component bitmap of 7", 32),
        (34, 6, "unknown string type", 36),
        (36, 0xFF, "cannot be decoded", 36),
    ],
)
def test_a_damaged_header_is_told_with_the_place(
    at: int, value: int, said: str, offset: int
) -> None:
    data = bytearray(built())
    if at == 17:
        data[17:19] = struct.pack("<H", value)
    else:
        data[at] = value
    with pytest.raises(PackageMalformed, match=said) as caught:
        parse_package(bytes(data), subject="bmc.fwpkg")
    assert (caught.value.offset, caught.value.subject) == (offset, "bmc.fwpkg")
    assert f"at byte {offset}" in str(caught.value)


def test_checksums_count() -> None:
    data = bytearray(built())
    data[36] ^= 0x01
    with pytest.raises(PackageMalformed, match="the header checksum"):
        parse_package(bytes(data))
    last = bytearray(built(4))
    last[-1] ^= 0x80
    with pytest.raises(PackageMalformed, match="the payload checksum"):
        parse_package(bytes(last))


@pytest.mark.parametrize("shift", [-1, 1, 1 << 20])
def test_images_stand_behind_the_header_within_the_file_and_apart(shift: int) -> None:
    data = bytearray(built())
    first = parse_package(bytes(data)).components[0]
    at = data.index(struct.pack("<II", first.offset, first.size))
    data[at : at + 4] = struct.pack("<I", first.offset + shift)
    with pytest.raises(PackageMalformed, match=r"an image from|overlap"):
        parse_package(resealed(data))


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_cut_package_is_malformed_wherever_it_is_cut(revision: int) -> None:
    data = built(revision)
    for end in range(len(data)):
        with pytest.raises(PackageMalformed):
            parse_package(data[:end])


def judged(data: bytes) -> Package | PackageMalformed:
    try:
        return parse_package(data)
    except PackageMalformed as wrong:
        assert 0 <= wrong.offset <= len(data)
        assert wrong.next_step
        return wrong


@given(st.binary(max_size=400))
@example(b"")
def test_any_bytes_give_a_package_or_the_one_error(data: bytes) -> None:
    assert isinstance(judged(data), PackageMalformed)


@given(st.sampled_from(REVISIONS), st.data())
@settings(max_examples=300)
def test_damage_anywhere_gives_a_package_or_the_one_error(
    revision: int, data: st.DataObject
) -> None:
    """The checksum is made right again, so that the reader goes on into the damage."""
    raw = bytearray(built(revision))
    size = int.from_bytes(raw[17:19], "little")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(16, size - 1))
        raw[at] = data.draw(st.integers(0, 255))
    tail = 8 if revision == 4 else 4
    raw[size - tail : size - tail + 4] = struct.pack("<I", zlib.crc32(raw[: size - tail]))
    found = judged(bytes(raw))
    if isinstance(found, Package):
        assert all(n < len(found.components) for r in found.records for n in r.components)
        assert all(each.offset + each.size <= len(raw) for each in found.components)


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(min_size=1, max_size=20)), max_size=6))
def test_more_descriptors_never_lose_an_image(own: list[tuple[int, bytes]]) -> None:
    package = parse_package(built())
    board = [Descriptor.uuid(BOARD), Descriptor.iana(5703)]
    extra = [Descriptor(kind, data) for kind, data in own]
    assert set(match(package, board)) <= set(match(package, [*board, *extra]))
