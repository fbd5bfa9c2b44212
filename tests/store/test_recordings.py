"""Recordings: every byte once, at its offset, whatever was cut off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import WeErred
from iolaus.store.recordings import Moment, Recording, Rotation
from iolaus.store.searching import find, lines, plain

SMALL = Rotation(piece_bytes=64, pieces=3)
CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=30)


def whole(recording: Recording) -> bytes:
    found, offset = b"", recording.start
    while True:
        began, data = recording.read(offset, 7)
        if not data:
            return found
        assert began == offset
        found, offset = found + data, began + len(data)


@given(CHUNKS, st.integers(1, 200))
def test_what_went_in_comes_out_also_after_a_restart(chunks: list[bytes], size: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rotation = Rotation(piece_bytes=size, pieces=10_000)
        for number, chunk in enumerate(chunks):
            recording = Recording(Path(folder) / "one", rotation)
            recording.append(chunk, float(number))
            recording.close()
        again = Recording(Path(folder) / "one", rotation)
        assert whole(again) == b"".join(chunks)
        assert (again.start, again.end) == (0, len(b"".join(chunks)))


@given(CHUNKS, st.sampled_from([8, 200, 1 << 20]))
def test_whoever_follows_reads_what_is_on_disk(chunks: list[bytes], size: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rotation = Rotation(piece_bytes=size, pieces=10_000)
        recording, followed = Recording(Path(folder) / "one", rotation), b""
        for chunk in [*chunks, b"x" * 5000, b"y", b"z" * 5000]:
            recording.append(chunk, 1.0)
            while len(followed) < recording.end:
                began, data = recording.read(len(followed), 3000)
                assert began == len(followed)
                followed += data
        assert whole(recording) == whole(Recording(Path(folder) / "one", rotation)) == followed
        recording.close()


def test_the_oldest_pieces_go_and_offsets_stay(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "one", SMALL)
    for number in range(10):
        recording.append(bytes([65 + number]) * 64, float(number))
    assert (recording.start, recording.end) == (7 * 64, 640)
    assert recording.read(0, 1000) == (7 * 64, b"H" * 64)
    assert sorted(p.suffix for p in (tmp_path / "one").iterdir()) == [".bytes"] * 3 + [".index"] * 3
    recording.close()


def test_a_line_of_the_index_that_was_cut_off_costs_nothing_else(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "one")
    recording.append(b"before", 1.0)
    recording.mark("lost", 2.0, "cut")
    recording.close()
    (index,) = (tmp_path / "one").glob("*.index")
    os.truncate(index, index.stat().st_size - 5)
    again = Recording(tmp_path / "one")
    again.append(b"after", 9.0)
    again.mark("back", 9.5)
    assert whole(again) == b"beforeafter"
    assert [m.mark for m in again.moments()] == ["", "", "back"]
    again.close()


def test_time_leads_to_offsets_and_back(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "one")
    for second in range(10):
        recording.append(b"%d\n" % second, 100.0 + second)
        recording.append(b"-", 100.2 + second)
    assert recording.offset_at(105.0) == 15
    assert recording.offset_at(0.0) == 0
    assert recording.offset_at(200.0) == recording.end == 30
    assert list(recording.moments(since=16)) == [
        Moment(at=105.0 + n, offset=15 + 3 * n) for n in range(5)
    ]
    recording.close()


def test_a_full_disk_is_told_and_nothing_is_counted(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "one")
    recording.append(b"x", 1.0)
    full = os.open("/dev/full", os.O_WRONLY)
    assert recording._file is not None
    os.dup2(full, recording._file)
    os.close(full)
    with pytest.raises(WeErred) as caught:
        recording.append(b"y", 2.0)
    assert (caught.value.code, recording.end) == ("DiskFull", 1)
    recording.close()


def test_words_are_found_through_colours_and_across_reads(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "one")
    recording.append(b"boot\r\n\x1b[31mKernel \x1b[0mPanic - not syn", 10.0)
    recording.append(b"cing\r\nlogin: ", 20.0)
    (hit,) = find(recording, ["panic", "KERNEL"])
    assert (hit.text, hit.at, hit.offset) == ("Kernel Panic - not syncing", 10.0, 6)
    assert find(recording, ["panic"], since=15.0) == []
    assert [each.text for each in find(recording, ["login"], until=25.0)] == ["login:"]
    assert find(recording, ["nowhere"]) == []
    recording.close()


def test_the_newest_lines_are_given(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "one", SMALL)
    for number in range(30):
        recording.append(b"line %d\n" % number, float(number))
    assert [hit.text for hit in find(recording, ["line"], most=2)] == ["line 28", "line 29"]
    recording.close()


@given(st.binary(max_size=400))
def test_whatever_a_host_says_is_printable_and_bounded(data: bytes) -> None:
    shown = plain(data)
    assert shown.isprintable()
    assert len(shown) <= 2000


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=12))
def test_lines_are_those_of_the_bytes(chunks: list[bytes]) -> None:
    import re
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(Path(folder), Rotation(piece_bytes=16, pieces=1000))
        for chunk in chunks:
            recording.append(chunk, 1.0)
        recording.close()
        data = b"".join(chunks)
        found = list(lines(recording, since=0))
        assert [line for _, line in found] == [x for x in re.split(rb"[\r\n]+", data) if x]
        assert all(data[at : at + len(line)] == line for at, line in found)
