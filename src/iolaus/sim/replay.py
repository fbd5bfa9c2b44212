"""Captures as devices: a recorded Redfish tree, served as it was recorded.

The layout is the DMTF's: a folder per path with an `index.json` in it, plain or in a tar.xz. Where
`/redfish/v1` begins is found by looking for the service root, because recorders differ in how
many folders they put above it. What a capture says is served byte for byte; sessions, tasks and
changes come on top. Anything that is not a resource is passed over; a resource that cannot be
read makes the capture unusable, and the error names file and reason.
"""

from __future__ import annotations

import json
import lzma
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import msgspec

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.tree import ROOT, Page, Template, canonical, decode, page_of

MAX_FILE_BYTES = 64 << 20
MAX_FILES = 200_000
MAX_ALL_BYTES = 256 << 20
_KINDS = ("index.json", "headers.json", "index.xml")


class Capture(NamedTuple):
    """A capture's name, its resources, and what its service root says of itself."""

    name: str
    template: Template
    root: Mapping[str, Any]


def read_capture(path: Path) -> Capture:
    """A folder or tar archive. Raises `OperatorMust` naming the file and what is wrong with it."""
    if not path.exists():
        raise _unusable(path, "there is no such file or folder")
    try:
        files = dict(_from_folder(path) if path.is_dir() else _from_archive(path))
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise _unusable(path, f"not a readable tar archive: {error}") from None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror or error}") from None
    top = _top(files)
    if top is None:
        raise _unusable(path, "holds no Redfish service root (redfish/v1/index.json)")
    template = _template(path, files, top)
    name = path.name
    for tail in (".tar.xz", ".tar.gz", ".txz", ".tgz", ".tar"):
        name = name.removesuffix(tail)
    return Capture(name, template, json.loads(template.pages[ROOT].body))


def read_resources(path: Path) -> dict[str, dict[str, Any]]:
    """The resources of a capture by URI. Raises `OperatorMust`."""
    pages = read_capture(path).template.pages
    return {uri: decode(page.body) for uri, page in pages.items()}


def read_captures(paths: list[Path]) -> Iterator[Capture]:
    """Each path is a capture, or a folder whose entries are captures."""
    for path in paths:
        if path.is_dir() and not _is_capture(path):
            inner = [p for p in sorted(path.iterdir()) if _is_capture(p)]
            yield from (read_capture(p) for p in inner or [path])
        else:
            yield read_capture(path)


def _is_capture(path: Path) -> bool:
    if not path.is_dir():
        return path.suffixes[-2:] in ([".tar", ".xz"], [".tar", ".gz"]) or path.suffix == ".tar"
    roots = ("redfish/v1/*", "v1/index.json", "index.json")
    return any(next(path.glob(root), None) is not None for root in roots)


def _from_folder(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    for count, file in enumerate(sorted(path.rglob("*"))):
        if count > MAX_FILES:
            raise _unusable(path, f"holds more than {MAX_FILES} files")
        if file.name in _KINDS and file.is_file():
            if file.stat().st_size > MAX_FILE_BYTES:
                raise _unusable(file, f"is larger than {MAX_FILE_BYTES >> 20} MiB")
            yield PurePosixPath(file.relative_to(path).as_posix()), file.read_bytes()


def _from_archive(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    with tarfile.open(path) as archive:
        total = 0
        for count, member in enumerate(archive):
            name, total = PurePosixPath(member.name), total + member.size
            if total > MAX_ALL_BYTES:
                raise _unusable(path, f"unpacks to more than {MAX_ALL_BYTES >> 20} MiB")
            if count > MAX_FILES:
                raise _unusable(path, f"holds more than {MAX_FILES} files")
            if member.size > MAX_FILE_BYTES:
                raise _unusable(path, f"{name} is larger than {MAX_FILE_BYTES >> 20} MiB")
            if member.isfile() and name.name in _KINDS:
                file = archive.extractfile(member)
                if file is not None:
                    yield name, file.read()


def _top(files: Mapping[PurePosixPath, bytes]) -> PurePosixPath | None:
    """The folder that is /redfish/v1: the shallowest that ends so, else the one whose index is a
    service root, else the one that others lie in (a recorder that forgot the root)."""
    folders = sorted(
        (f.parent for f in files if f.name == "index.json"), key=lambda p: len(p.parts)
    )
    for folder in folders:
        if folder.parts[-2:] == ("redfish", "v1"):
            return folder
    for folder in folders:
        if b"#ServiceRoot." in files[folder / "index.json"]:
            return folder
    above = (above for folder in folders if (above := _version_above(folder)) is not None)
    return next(above, next((f for f in folders if f.name == "v1"), None))


def _version_above(folder: PurePosixPath) -> PurePosixPath | None:
    """The redfish/v1 this folder lies in, if it does."""
    for above in folder.parents:
        if above.parts[-2:] == ("redfish", "v1"):
            return above
    return None


def _template(path: Path, files: Mapping[PurePosixPath, bytes], top: PurePosixPath) -> Template:
    pages: dict[str, Page] = {}
    metadata = b""
    for file, data in files.items():
        if not file.is_relative_to(top):
            continue
        inner = file.parent.relative_to(top).as_posix()
        place = canonical(f"{ROOT}/{'' if inner == '.' else inner}")
        if file.name == "index.json":
            allow = _allow(files.get(file.parent / "headers.json"))
            page = _page(path, file, data, allow)
            if page is not None:
                pages[place] = page
        elif inner == "$metadata" and file.name == "index.xml":
            metadata = data
    if not pages:
        raise _unusable(path, "its index.json files hold no JSON object")
    if ROOT not in pages:
        pages[ROOT] = page_of(ROOT, _made_root(pages))
    version = files.get(top.parent / "index.json") if top.name == "v1" else None
    if version is not None and top.parent.name == "redfish":
        page = _page(path, top.parent / "index.json", version, None)
        pages |= {"/redfish": page} if page is not None else {}
    return Template(pages, metadata=metadata)


def _made_root(pages: Mapping[str, Page]) -> dict[str, Any]:
    """The root a recorder forgot, made of what lies directly below it."""
    below = {path.removeprefix(f"{ROOT}/") for path in pages}
    names = sorted(name for name in below if "/" not in name and name.isalnum())
    renamed = {"TaskService": "Tasks"}
    return {
        "@odata.type": "#ServiceRoot.v1_0_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": "1.0.0",
        **{renamed.get(name, name): {"@odata.id": f"{ROOT}/{name}"} for name in names},
        "Links": {"Sessions": {"@odata.id": f"{ROOT}/SessionService/Sessions"}},
    }


def _page(path: Path, file: PurePosixPath, data: bytes, allow: str | None) -> Page | None:
    """The resource of this file; None if it is JSON but no object."""
    body = data.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        found = _lenient(body)
        if found is None:
            where = path / file if path.is_dir() else f"{path}: {file}"
            raise _unusable(where, f"is not JSON: {error}") from None
    if not isinstance(found, dict):
        return None
    etag = found.get("@odata.etag")
    page = Page(body, etag=etag if isinstance(etag, str) and etag else None, allow=allow)
    page.worded = False
    return page


def _lenient(body: bytes) -> Any:
    """What Python's reader takes and the strict one does not: NaN, large numbers."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _allow(headers: bytes | None) -> str | None:
    """What the recorded answer to a GET said of the methods allowed."""
    try:
        recorded = json.loads(headers or b"{}")
    except ValueError:
        return None
    found = recorded.get("GET", recorded) if isinstance(recorded, dict) else {}
    value = found.get("Allow") if isinstance(found, dict) else None
    return value if isinstance(value, str) and value.isprintable() else None


def _unusable(subject: object, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="replay",
        subject=str(subject),
        code="UnreadableCapture",
        next_step="give a folder or tar.xz in the DMTF mock-up layout.",
    )
