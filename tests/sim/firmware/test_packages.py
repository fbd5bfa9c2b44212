"""Packages: what is written is read again, and what is broken is refused and nothing else."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.sim.effects import Push
from iolaus.sim.firmware.build import Part, pldm_package, tarball
from iolaus.sim.firmware.choose import Here, Refusal, chosen
from iolaus.sim.firmware.examples import example, example_tarball
from iolaus.sim.firmware.forms import BadForm, form_of
from iolaus.sim.firmware.pldm import (
    DEVICE_UUID,
    IANA,
    PCI_VENDOR,
    VENDOR_DEFINED,
    BadPackage,
    Descriptor,
    Record,
    parse_package,
)
from iolaus.sim.personas.parts.flash import NVIDIA
from iolaus.sim.roots.firmware import Image

PARTS = [
    Part(image=b"first" * 50, identifier=5, version="1.2", activation=4),
    Part(image=b"second" * 9, identifier=6, version="1.3", opaque=b"own"),
]
BOARD = [
    Descriptor(IANA, struct.pack("<I", 5703)),
    Descriptor(DEVICE_UUID, bytes(range(16))),
    Descriptor(VENDOR_DEFINED, b"\x01\x03SKUabc"),
]
BEHIND = Record(descriptors=[Descriptor(PCI_VENDOR, b"\xde\x10")], components=[1], flags=1,
                downstream=True)  # fmt: skip


def package(revision: int) -> bytes:
    board = Record(descriptors=BOARD, components=[0, 1], version="set 1", data=b"data",
                   manifest=b"manifest" if revision >= 4 else b"")  # fmt: skip
    records = [board, BEHIND] if revision >= 2 else [board]
    return pldm_package(PARTS, records, version="2026.05", revision=revision)


@pytest.mark.parametrize("revision", [1, 2, 3, 4])
def test_what_is_built_is_read(revision: int) -> None:
    data = package(revision)
    found = parse_package(data)
    assert (found.revision, found.version) == (revision, "2026.05")
    assert found.released is not None
    assert found.records[0].descriptors == BOARD
    assert found.records[0].components == [0, 1]
    assert found.records[0].data == b"data"
    assert len(found.records) == (2 if revision >= 2 else 1)
    assert [found.image(data, n) for n in (0, 1)] == [part.image for part in PARTS]
    assert found.components[0].activation == 4
    assert found.components[1].opaque == (b"own" if revision >= 3 else b"")


@pytest.mark.parametrize("revision", [1, 2, 3, 4])
def test_every_cut_and_every_changed_byte_of_the_header_is_seen(revision: int) -> None:
    data = package(revision)
    size = parse_package(data).header_size
    for at in range(size):
        for broken in (data[:at], data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]):
            with pytest.raises(BadPackage):
                parse_package(broken)


def test_the_fourth_revision_covers_its_payload() -> None:
    for revision, seen in ((3, False), (4, True)):
        broken = package(revision)[:-1] + b"!"
        if seen:
            with pytest.raises(BadPackage, match="payload"):
                parse_package(broken)
        else:
            parse_package(broken)


def resealed(data: bytes, at: int, value: bytes) -> bytes:
    """The package of revision 1 with other bytes at this place, and a right checksum."""
    size = parse_package(data).header_size
    head = data[:at] + value + data[at + len(value) : size - 4]
    return head + struct.pack("<I", zlib.crc32(head)) + data[size:]


def test_images_that_overlap_or_lie_outside() -> None:
    data = package(1)
    at = data.index(struct.pack("<II", parse_package(data).components[1].offset, 54))
    for offset, size in ((0, 54), (parse_package(data).components[0].offset, 54), (2**32 - 1, 54),
                         (parse_package(data).components[1].offset, 2**32 - 1)):  # fmt: skip
        with pytest.raises(BadPackage):
            parse_package(resealed(data, at, struct.pack("<II", offset, size)))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([1, 2, 3, 4]))
def test_hostile_bytes_are_a_bad_package_and_nothing_else(noise: bytes, revision: int) -> None:
    for data in (noise, package(revision)[:16] + noise, package(revision)[:60] + noise):
        with pytest.raises(BadPackage):
            parse_package(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 20000))
def test_hostile_archives_are_refused(noise: bytes, at: int) -> None:
    whole = example_tarball("gb300-tray", "FW_BMC_0", "1.2")
    at %= len(whole)
    here = [Here("x", NVIDIA.parts[5], Image("NVIDIA:FW_BMC", "1.1"))]
    broken = whole[:at] + noise + whole[at + len(noise) :]
    try:
        chosen(broken, NVIDIA, here)
    except Refusal:
        return
    assert broken[:1536] == whole[:1536] or b"MANIFEST" in broken


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["", "; boundary=b", '; boundary="b"']))
def test_hostile_forms_are_bad_and_nothing_else(noise: bytes, boundary: str) -> None:
    body = b"--b\r\nContent-Disposition: form-data; name=UpdateFile\r\n\r\n" + noise
    for data in (noise, body, body + b"\r\n--b--"):
        headers = {"content-type": f"multipart/form-data{boundary}"}
        try:
            found = form_of(Push(path="x", headers=headers, body=data))
        except BadForm:
            continue
        assert len(found.image)


def test_a_form_is_taken_apart() -> None:
    body = (
        b"preamble\r\n--b\r\nContent-Type: application/json\r\n"
        b'Content-Disposition: form-data; name="UpdateParameters"\r\n\r\n{"Targets": []}\r\n'
        b'--b\r\nContent-Disposition: form-data; name="UpdateFile"; filename="a b.pkg"\r\n\r\n'
        b"\x00\r\n\x01\r\n--b--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    found = form_of(Push(path="x", headers=headers, body=body))
    assert (found.image, found.name, found.parameters) == (b"\x00\r\n\x01", "a b.pkg",
                                                           {"Targets": []})  # fmt: skip


def test_an_archive_of_something_else_is_refused() -> None:
    here = [Here("x", NVIDIA.parts[5], Image("NVIDIA:FW_BMC", "1.1"))]
    for files, manifest in (({"image-bmc": b"x"}, {"purpose": "a.BMC", "version": "1"}),
                            ({}, {}), ({"image-bmc": b"x"}, {"purpose": "Host"})):  # fmt: skip
        with pytest.raises(Refusal):
            chosen(tarball(files, manifest), NVIDIA, here)


def test_examples_are_the_same_every_time() -> None:
    assert example("dl365-cpu", {"1": "2.0"}) == example("dl365-cpu", {"1": "2.0"})
