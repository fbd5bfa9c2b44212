"""Images are what their bytes are, now."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from iolaus.fleet.folder import ImageFolder
from iolaus.kernel.errors import OperatorMust


async def test_images_and_what_stands_beside_them(tmp_path: Path) -> None:
    (tmp_path / "bmc.fwpkg").write_bytes(b"one")
    (tmp_path / "bmc.fwpkg.yaml").write_text("versions: {bmc: 25.10-1}\nmodels: [GB300 NVL]\n")
    (tmp_path / "bios.bin").write_bytes(b"two")
    (tmp_path / ".hidden").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    found = await ImageFolder(tmp_path).images()
    assert list(found) == ["bios.bin", "bmc.fwpkg"]
    bmc = found["bmc.fwpkg"]
    assert (bmc.size, bmc.sha256) == (3, hashlib.sha256(b"one").hexdigest())
    assert (dict(bmc.versions), bmc.models) == ({"bmc": "25.10-1"}, ("GB300 NVL",))


async def test_no_folder_is_no_image(tmp_path: Path) -> None:
    assert await ImageFolder(tmp_path / "nowhere").images() == {}


async def test_an_image_that_is_another_now_is_refused(tmp_path: Path) -> None:
    folder, path = ImageFolder(tmp_path), tmp_path / "bmc.fwpkg"
    path.write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    assert await folder.checked("bmc.fwpkg", digest.upper()) == path
    path.write_bytes(b"other")
    with pytest.raises(OperatorMust, match="was planned"):
        await folder.checked("bmc.fwpkg", digest)
    path.unlink()
    with pytest.raises(OperatorMust, match="it is not there"):
        await folder.checked("bmc.fwpkg", digest)


@pytest.mark.parametrize("note", ["versions: [", "version: {bmc: 1}", "x" * 70_000, "\xff"])
async def test_a_note_that_does_not_read_is_told(tmp_path: Path, note: str) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    (tmp_path / "a.bin.yaml").write_bytes(note.encode("latin-1"))
    with pytest.raises(OperatorMust) as caught:
        await ImageFolder(tmp_path).images()
    assert caught.value.code == "ImageNoteInvalid"
