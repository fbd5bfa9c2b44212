"""Captures served: hand-written ones in odd shapes here, the reference material where present."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.command import ReplayOptions, replayed
from iolaus.sim.replay import read_capture, read_captures
from tests.sim.engine.conftest import played
from tests.sim.engine.test_access import login
from tests.sim.engine.tree import RESOURCES, V1

SYSTEM = f"{V1}/Systems/1"


def written(folder: Path, top: str = "redfish/v1") -> Path:
    """The small tree as a capture, with `top` standing for /redfish/v1."""
    for path, resource in RESOURCES.items():
        file = folder / top / path.removeprefix(V1).lstrip("/") / "index.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"@odata.id": path, **resource}, indent=2))
    return folder


def packed(folder: Path, file: Path) -> Path:
    with tarfile.open(file, "w:xz") as archive:
        archive.add(folder, arcname=folder.name)
    return file


@pytest.mark.parametrize("top", ["redfish/v1", "a/b/redfish/v1", "v1", "."])
def test_the_root_is_found_at_any_depth(tmp_path: Path, top: str) -> None:
    capture = read_capture(written(tmp_path / "box", top))
    assert capture.name == "box"
    assert set(capture.template.pages) == set(RESOURCES)
    assert capture.root["RedfishVersion"] == "1.15.0"


def test_an_archive_and_a_folder_are_the_same(tmp_path: Path) -> None:
    folder = written(tmp_path / "box")
    (folder / "README.md").write_text("not a resource")
    (folder / "redfish/v1/odd.json").write_text("{not json")
    archive = packed(folder, tmp_path / "box.tar.xz")
    first, second = read_capture(folder), read_capture(archive)
    assert first.name == second.name == "box"
    pages = [{p: page.body for p, page in c.template.pages.items()} for c in (first, second)]
    assert pages[0] == pages[1]


async def test_what_was_recorded_is_served_to_the_byte(tmp_path: Path) -> None:
    folder = written(tmp_path / "box")
    odd = folder / "redfish/v1/Odd/index.json"
    odd.parent.mkdir()
    odd.write_bytes(
        b'\xef\xbb\xbf{ "a": 1.10, "b": 12345678901234567890, "c": "\\u00e9 ${word}" }\n'
    )
    (odd.parent / "headers.json").write_text('{"GET": {"Allow": "GET, PATCH"}}')
    async with played(replayed([folder], ReplayOptions())) as play:
        async with play.first.request("GET", f"{V1}/Odd") as response:
            body = await response.read()
            assert response.headers["Allow"] == "GET, PATCH"
        assert body == odd.read_bytes()[3:].strip()
        assert (await play.first.json(SYSTEM))["SerialNumber"] == "${serial}"


async def test_a_capture_without_services_still_has_sessions(tmp_path: Path) -> None:
    root = tmp_path / "box/redfish/v1"
    root.mkdir(parents=True)
    (root / "index.json").write_text('{"RedfishVersion": "1.0.2", "Systems": {}}')
    async with played(replayed([tmp_path / "box"], ReplayOptions())) as play:
        status, token, place = await login(play.first)
        assert status == 201
        play.first.headers = {"X-Auth-Token": token}
        assert (await play.first.json(V1)) == {"RedfishVersion": "1.0.2", "Systems": {}}
        assert await play.first.status("DELETE", place) == 204
    options = ReplayOptions(sessions=False)
    async with played(replayed([tmp_path / "box"], options)) as play:
        assert (await login(play.first))[0] != 201


async def test_a_capture_without_a_root_gets_one(tmp_path: Path) -> None:
    folder = written(tmp_path / "box")
    (folder / "redfish/v1/index.json").unlink()
    async with played(replayed([folder], ReplayOptions())) as play:
        root = await play.first.json(V1)
        assert root["Systems"] == {"@odata.id": f"{V1}/Systems"}
        assert root["Tasks"] == {"@odata.id": f"{V1}/TaskService"}
        assert (await play.first.json(SYSTEM))["Id"] == "1"


async def test_recorded_pages_of_a_collection_are_found(tmp_path: Path) -> None:
    folder = written(tmp_path / "box")
    path = f"{SYSTEM}/Processors?$skip=50"
    page = folder / "redfish/v1/Systems/1/Processors?$skip=50/index.json"
    page.parent.mkdir()
    page.write_text('{"Members": [{"@odata.id": "/redfish/v1/x"}]}')
    async with played(replayed([folder], ReplayOptions())) as play:
        assert await play.first.json(path) == json.loads(page.read_text())


def test_copies_and_names_do_not_collide(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a/box"), written(tmp_path / "b/box")
    names = [d.name for d in replayed([first, second], ReplayOptions(copies=2))]
    assert names == ["box", "box-2", "box.2", "box-2.2"]
    assert [c.name for c in read_captures([tmp_path / "a"])] == ["box"]


def broken(folder: Path) -> Iterator[tuple[Path, str]]:
    yield folder / "absent", "no such file"
    (folder / "empty").mkdir()
    yield folder / "empty", "no Redfish service root"
    text = folder / "text.tar.xz"
    text.write_text("not an archive")
    yield text, "not a readable tar archive"
    whole = packed(written(folder / "box"), folder / "box.tar.xz")
    cut = folder / "cut.tar.xz"
    cut.write_bytes(whole.read_bytes()[:-200])
    yield cut, "not a readable tar archive"
    bare = folder / "bare.tar.xz"
    with lzma.open(bare, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("README"), io.BytesIO())
    yield bare, "no Redfish service root"
    bad = written(folder / "bad")
    (bad / "redfish/v1/Systems/1/index.json").write_text('{"Id": ')
    yield bad, "Systems/1/index.json"
    (bad / "redfish/v1/Systems/1/index.json").write_text("[" * 200_000)
    yield bad, "Systems/1/index.json"


def test_what_cannot_be_read_is_named_with_its_reason(tmp_path: Path) -> None:
    for path, says in broken(tmp_path):
        with pytest.raises(OperatorMust) as caught:
            list(read_captures([path]))
        assert says in str(caught.value)
        assert caught.value.exit_code == 2
        assert caught.value.next_step


# the reference material


def _names(shared: Path) -> list[Path]:
    return sorted((shared / "captures").glob("*.tar.xz"))


@pytest.mark.shared
def test_every_capture_can_be_read(shared: Path) -> None:
    index = {e["name"]: e for e in json.loads((shared / "captures/INDEX.json").read_text())}
    read = {capture.name: capture for capture in read_captures(_names(shared))}
    assert set(read) == set(index)
    for name, capture in read.items():
        assert len(capture.template.pages) > 5, name


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    ["nvidia-gh200-openbmc", "hpe-xl675d-a100-ilo5", "dmtf-public-pdu", "liteon-orv3-powershelf"],
)
async def test_every_resource_of_a_capture_is_read_back_equal(shared: Path, name: str) -> None:
    file = shared / "captures" / f"{name}.tar.xz"
    recorded = dict(_recorded(file))
    assert recorded
    async with played(replayed([file], ReplayOptions())) as play:
        for path, resource in recorded.items():
            assert await play.first.json(path) == resource, path


def _recorded(file: Path) -> Iterator[tuple[str, Any]]:
    with tarfile.open(file) as archive:
        for member in archive:
            inner = member.name.partition("/redfish/v1")[2]
            content = archive.extractfile(member) if member.name.endswith("index.json") else None
            if content is not None and "/redfish/v1" in member.name:
                resource = json.load(content)
                if isinstance(resource, dict):
                    yield V1 + inner.removesuffix("/index.json"), resource
