"""Captures that want to harm whoever serves them."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.badinput.command import Shell

ROOT = b'{"@odata.id": "/redfish/v1", "@odata.type": "#ServiceRoot.v1_9_0.ServiceRoot"}'
Fill = Callable[[tarfile.TarFile], None]


class Packed(io.BytesIO):
    """What is written to it, packed each by itself, and what was written before not again."""

    def __init__(self) -> None:
        super().__init__()
        self._pack = cache(lambda data: lzma.compress(data, preset=0))

    def write(self, data: Any) -> int:
        super().write(self._pack(bytes(data)))
        return len(data)


def add(archive: tarfile.TarFile, name: str, data: bytes = b"{}") -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def large(archive: tarfile.TarFile) -> None:
    """Half a gigabyte of blanks in some kilobytes."""
    add(archive, "redfish/v1/index.json", ROOT)
    for number in range(64):
        add(archive, f"redfish/v1/Systems/{number}/index.json", b" " * (8 << 20))


def one_large(archive: tarfile.TarFile) -> None:
    add(archive, "redfish/v1/index.json", b" " * (80 << 20))


def devices(archive: tarfile.TarFile) -> None:
    entry = tarfile.TarInfo("redfish/v1/index.json")
    entry.type, entry.devmajor, entry.devminor = tarfile.CHRTYPE, 1, 5
    archive.addfile(entry)


def linked(archive: tarfile.TarFile) -> None:
    entry = tarfile.TarInfo("redfish/v1/index.json")
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    archive.addfile(entry)


def deep(archive: tarfile.TarFile) -> None:
    add(archive, "redfish/v1/index.json", b'{"a": ' + b"[" * 100_000)


def a_list(archive: tarfile.TarFile) -> None:
    add(archive, "redfish/v1/index.json", b"[1, 2]")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Fill], Path]:
    """An archive that is filled so, made once for all commands that must refuse it."""

    @cache
    def made(fill: Fill) -> Path:
        path, packed = tmp_path_factory.mktemp("filled") / "capture.tar.xz", Packed()
        with tarfile.TarFile(fileobj=packed, mode="w", copybufsize=8 << 20) as archive:
            fill(archive)
        path.write_bytes(packed.getvalue())
        return path

    return made


@pytest.mark.parametrize("fill", [large, one_large, devices, linked, deep, a_list])
@pytest.mark.parametrize("command", [("sim", "replay", "--port", "0"), ("sim", "from-capture")])
def test_harmful_archive_is_refused(
    shell: Shell,
    tmp_path: Path,
    filled: Callable[[Fill], Path],
    fill: Fill,
    command: tuple[str, ...],
) -> None:
    path = filled(fill)
    said = shell(*command, path, *(("-o", tmp_path / "out") if command[1] != "replay" else ()))
    assert said.code == 2, said
    assert str(path) in said.err
    assert not (tmp_path / "out").exists()


def test_names_that_climb_stay_inside(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "capture.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        add(archive, "redfish/v1/index.json", ROOT)
        add(archive, "../../outside/index.json")
        add(archive, "/etc/index.json")
        add(archive, "redfish/v1/../../../up/index.json")
    before = set(tmp_path.parent.iterdir())
    shell("sim", "from-capture", path, "-o", tmp_path / "out")
    assert set(tmp_path.parent.iterdir()) == before
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize("kind", ["xz", "gz"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_archive(shell: Shell, tmp_path: Path, kind: str, part: float) -> None:
    path = tmp_path / f"capture.tar.{kind}"
    with tarfile.open(path, f"w:{kind}") as archive:  # type: ignore[call-overload]
        add(archive, "redfish/v1/index.json", ROOT)
        for number in range(40):
            data = b'{"Name": "' + bytes(97 + (number * k * k) % 26 for k in range(900)) + b'"}'
            add(archive, f"redfish/v1/Systems/{number}/index.json", data)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    said = shell("sim", "replay", path, "--port", "0")
    assert said.code == 2, said
    assert str(path) in said.err
