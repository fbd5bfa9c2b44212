"""The file of a back-up: what was put in comes out, and what is not whole and ours is refused."""

from __future__ import annotations

import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust, Unverified
from iolaus.store.archive import Archive, writing
from iolaus.store.dump import Rows
from iolaus.store.secrets import Secrets

SOME = Rows(table="t", columns=("a", "b"), rows=((1, b"\x00"), (2, None)))


def made(folder: Path, *, name: str = "policy/x.yaml") -> tuple[Path, Secrets]:
    secrets, content = Secrets(folder / "secrets"), folder / "content"
    content.write_bytes(b"spec: {}\n")
    with writing(folder / "b.iolaus", secrets) as writer:
        writer.put_rows(SOME)
        writer.put_file(content, name)
        writer.put_file(folder / "gone", "gone")
        writer.finish(made_at=1.5, version="0", revision="r1")
    return folder / "b.iolaus", secrets


def test_what_was_put_in_comes_out(tmp_path: Path) -> None:
    path, secrets = made(tmp_path)
    archive = Archive(path, secrets)
    assert list(archive.rows()) == [SOME]
    archive.unpack(tmp_path / "out")
    assert (tmp_path / "out/policy/x.yaml").read_bytes() == b"spec: {}\n"
    assert archive.manifest.rows == {"t": 2}
    assert archive.manifest.files == ("policy/x.yaml",)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secrets._key not in path.read_bytes()


def assert_refused_or_whole(path: Path, secrets: Secrets) -> None:
    """A few bits of the packing, and the blanks behind the end, mean nothing."""
    try:
        archive = Archive(path, secrets)
    except Unverified:
        return
    assert list(archive.rows()) == [SOME]


def test_a_bit_that_turned_is_found(tmp_path: Path) -> None:
    path, secrets = made(tmp_path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        assert_refused_or_whole(path, secrets)


def test_one_that_was_cut_is_refused(tmp_path: Path) -> None:
    path, secrets = made(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert_refused_or_whole(path, secrets)
        if length < len(whole) // 2:
            with pytest.raises(Unverified):
                Archive(path, secrets)


@settings(max_examples=60)
@given(content=st.binary(max_size=2000))
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "b.iolaus"
        path.write_bytes(content)
        with pytest.raises(Unverified):
            Archive(path, Secrets(Path(name) / "secrets"))


def test_another_key_does_not_open_it(tmp_path: Path) -> None:
    path, _ = made(tmp_path)
    with pytest.raises(Unverified):
        Archive(path, Secrets(tmp_path / "other"))


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    path, secrets = made(tmp_path, name=name)
    with pytest.raises(Unverified):
        Archive(path, secrets)


def test_a_back_up_is_never_written_over(tmp_path: Path) -> None:
    path, secrets = made(tmp_path)
    before = path.read_bytes()
    with pytest.raises(OperatorMust) as caught, writing(path, secrets):
        pass
    assert caught.value.code == "FileExists"
    assert path.read_bytes() == before


def test_one_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    with suppress(RuntimeError), writing(tmp_path / "b", Secrets(tmp_path / "s")) as writer:
        writer.put_rows(SOME)
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["s.key"]


@pytest.mark.parametrize("name", ["", "none"])
def test_what_is_no_file_is_told_of(tmp_path: Path, name: str) -> None:
    with pytest.raises(OperatorMust) as caught:
        Archive(tmp_path / name, Secrets(tmp_path / "secrets"))
    assert caught.value.code == "BackupUnreadable"
