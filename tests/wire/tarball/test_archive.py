"""Firmware archives: their files' digests, and what no archive may do to a reader."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.document import DocumentMalformed
from iolaus.wire.tarball.archive import MAX_KEPT, Archive, manifest_of, read_archive

MANIFEST = b"purpose=xyz.openbmc_project.Software.Version.VersionPurpose.BMC\nversion=2.18\n"
FILES = {"MANIFEST": MANIFEST, "MANIFEST.sig": b"s", "image-kernel": b"k" * 5000, "publickey": b"p"}


def tar(files: Mapping[str, bytes] = FILES, mode: str = "w:", **kinds: bytes) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as made:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.type = len(data), kinds.get("type", tarfile.REGTYPE)
            made.addfile(member, io.BytesIO(data))
    return held.getvalue()


def read(data: bytes) -> Archive:
    return read_archive(io.BytesIO(data))


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2"])
def test_an_archive_says_what_it_holds(mode: str) -> None:
    found = read(tar(mode=mode))
    assert found.manifest["version"] == "2.18"
    assert [each.name for each in found.images] == ["image-kernel"]
    kernel = found.files["image-kernel"]
    assert kernel.digests["sha512"] == hashlib.sha512(b"k" * 5000).digest()
    assert found.files["MANIFEST.sig"].content == b"s"


def test_a_compression_that_may_ask_for_any_memory_is_refused() -> None:
    with pytest.raises(DocumentMalformed) as caught:
        read(tar(mode="w:xz"))
    assert (caught.value.reason, "plain tar" in caught.value.next_step) == (
        "compression-refused",
        True,
    )


@pytest.mark.parametrize("end", range(2, 24))
def test_a_cut_header_of_gzip_is_told(end: int) -> None:
    data = bytearray(tar(mode="w:gz"))
    data[3] = 0x1C  # an extra field, a name and a comment should follow
    with pytest.raises(DocumentMalformed):
        read(bytes(data[:end]))


def test_what_is_large_is_not_kept() -> None:
    found = read(tar({**FILES, "image-rofs": bytes(MAX_KEPT + 1)}))
    assert found.files["image-rofs"].content is None
    assert (
        found.files["image-rofs"].digests["sha256"] == hashlib.sha256(bytes(MAX_KEPT + 1)).digest()
    )


@pytest.mark.parametrize("name", ["../MANIFEST", "/etc/passwd", "a/b", ".hidden", "a b"])
def test_paths_are_refused(name: str) -> None:
    with pytest.raises(DocumentMalformed) as caught:
        read(tar({**FILES, name: b"x"}))
    assert caught.value.reason == "member-refused"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_plain_files_are_taken(kind: bytes) -> None:
    with pytest.raises(DocumentMalformed) as caught:
        read(tar({"MANIFEST": b""}, type=kind))
    assert caught.value.reason == "member-refused"


def test_bounds_hold() -> None:
    with pytest.raises(DocumentMalformed) as caught:
        read(tar({f"f{n}": b"" for n in range(300)}))
    assert caught.value.reason == "too-large"
    member = tarfile.TarInfo("image-huge")
    member.size = 1 << 40
    with pytest.raises(DocumentMalformed) as caught:
        read(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))
    assert caught.value.reason == "too-large"
    header = tarfile.TarInfo("long")
    header.size, header.type = 1 << 30, tarfile.XHDTYPE
    with pytest.raises(DocumentMalformed, match="a header of"):
        read(header.tobuf() + bytes(1024))


def test_a_name_that_stands_twice_is_refused() -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:") as made:
        for name in ("MANIFEST", "image-kernel", "./image-kernel"):
            made.addfile(tarfile.TarInfo(name))
    with pytest.raises(DocumentMalformed) as caught:
        read(held.getvalue())
    assert caught.value.reason == "duplicate-member"


def test_a_manifest_is_needed_and_is_lines() -> None:
    with pytest.raises(DocumentMalformed, match="no MANIFEST"):
        read(tar({"image-kernel": b"k"}))
    assert manifest_of(b"CompatibleName=a\nCompatibleName=b\n", subject="m") == {
        "CompatibleName": "a,b"
    }
    with pytest.raises(DocumentMalformed, match="MANIFEST has the line"):
        manifest_of(b"no value\n", subject="m")


def test_a_cut_archive_is_told() -> None:
    for data, ends in ((tar(), (0, 10, 600, 2000)), (tar(mode="w:gz"), (0, 10, 60, 120))):
        for end in ends:
            with pytest.raises(DocumentMalformed):
                read(data[:end])


def judged(data: bytes) -> None:
    try:
        assert isinstance(read(data), Archive)
    except DocumentMalformed as wrong:
        assert wrong.reason


@given(st.binary(max_size=1200))
def test_any_bytes_give_an_archive_or_the_one_error(data: bytes) -> None:
    judged(data)


@given(st.data(), st.sampled_from(["w:", "w:gz", "w:xz", "w:bz2"]))
def test_damage_anywhere_gives_an_archive_or_the_one_error(data: st.DataObject, mode: str) -> None:
    raw = bytearray(tar(mode=mode))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, min(len(raw) - 1, 3000)))] = data.draw(st.integers(0, 255))
    judged(bytes(raw))
