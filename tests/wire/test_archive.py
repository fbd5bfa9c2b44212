"""Archives of which no byte is free, and everything that an archive may not be."""

from __future__ import annotations

import io
import warnings
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.wire.archive import parse_archive, write_archive
from iolaus.wire.octets import EvidenceMalformed

FILES = {"manifest.json": b"{}", "evidence/1/measurements.bin": b"signed", "empty": b""}
WRITTEN = write_archive(FILES)


def reason(data: bytes) -> str:
    with pytest.raises(EvidenceMalformed) as found:
        parse_archive(data)
    return found.value.reason


def zipped(*named: tuple[str, bytes], method: int = zipfile.ZIP_STORED, mode: int = 0) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in named:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, method
            archive.writestr(info, data)
    return out.getvalue()


def test_any_program_reads_what_is_written() -> None:
    with zipfile.ZipFile(io.BytesIO(WRITTEN)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
    assert parse_archive(WRITTEN) == FILES


def test_every_changed_byte_is_seen() -> None:
    for at in range(len(WRITTEN)):
        for flip in (0x01, 0x20, 0x80):
            changed = bytearray(WRITTEN)
            changed[at] ^= flip
            try:
                assert parse_archive(bytes(changed)) != FILES
            except EvidenceMalformed:
                continue


def test_what_is_cut_off_or_added_is_seen() -> None:
    for end in range(len(WRITTEN)):
        reason(WRITTEN[:end])
    assert reason(WRITTEN + b"\0") == "not-canonical"
    assert reason(b"\0" + WRITTEN) == "not-an-archive"
    assert reason(b"") == "not-an-archive"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/../b", "C:/x", "a\\b", ".hidden", "a//b", "A", "é", "a/"]
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    assert reason(zipped((name, b"x"))) in ("bad-name", "not-stored")
    with pytest.raises(ValueError, match="may not be the name"):
        write_archive({name: b"x"})


def test_bombs_links_and_names_that_are_there_twice_are_refused() -> None:
    assert reason(zipped(("a", bytes(1 << 20)), method=zipfile.ZIP_DEFLATED)) == "not-stored"
    assert reason(zipped(("a", b"/etc/passwd"), mode=0o120777)) == "not-canonical"
    assert reason(zipped(("a", b"1"), ("a", b"2"))) == "duplicate-name"


@given(st.binary(max_size=300))
def test_whatever_bytes_are_read_or_refused(data: bytes) -> None:
    for raw in (data, b"PK\x03\x04" + data, WRITTEN[:40] + data):
        try:
            assert write_archive(parse_archive(raw)) == raw
        except EvidenceMalformed:
            continue
