"""A support bundle: all that is kept of one node, in one file that may be handed to its maker.

It is made of what is kept and in the picture, and asks no device: whoever needs a bundle most
has a node that does not answer. Everything that is text goes through the scrub once more. What a
controller packed itself is opaque, may hold anything, and stays out unless somebody asks for it;
it is listed with its digest either way, so that nobody thinks it was not there.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from iolaus.kernel.errors import IolausError
from iolaus.recovery.evidence import safe
from iolaus.recovery.scrub import Scrub

MOST_BYTES: Final = 256 << 20
MOST_FILES: Final = 4_000
_TEXT: Final = (".json", ".txt")
_WHEN: Final = (1980, 1, 1, 0, 0, 0)


def bundle(
    documents: Mapping[str, Any],
    archives: Mapping[str, Callable[[], bytes]],
    *,
    scrub: Scrub,
    dumps: bool,
) -> bytes:
    """`documents` become JSON files by their names; `archives` are those of evidence, each read
    when it is its turn (blocking). One that cannot be read is named in `left-out.json`. Never
    raises for what is in them."""
    left: dict[str, str] = {}
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as out:
        for name in sorted(documents):
            clean = scrub.value(msgspec.to_builtins(documents[name]))
            text = msgspec.json.format(msgspec.json.encode(clean), indent=2)
            out.writestr(zipfile.ZipInfo(f"{safe(name)}.json", _WHEN), text)
        room = MOST_BYTES
        for archive, read in archives.items():
            for name, data in _members(archive, read, left):
                place = f"evidence/{safe(archive)}/{name}"
                if not name.endswith(_TEXT) and not dumps:
                    digest = hashlib.sha256(data).hexdigest()
                    left[place] = f"opaque, {len(data)} bytes, sha256 {digest}"
                elif len(data) > room:
                    left[place] = f"no room: {len(data)} bytes"
                else:
                    room -= len(data)
                    out.writestr(zipfile.ZipInfo(place, _WHEN), _cleaned(name, data, scrub))
        listed = msgspec.json.format(msgspec.json.encode(scrub.value(left)), indent=2)
        out.writestr(zipfile.ZipInfo("left-out.json", _WHEN), listed)
    return found.getvalue()


def _members(
    whole: str, read: Callable[[], bytes], left: dict[str, str]
) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(read())) as archive:
            for info in archive.infolist()[:MOST_FILES]:
                if info.file_size > MOST_BYTES:
                    left[f"{whole}/{info.filename}"] = "too large"
                    continue
                parts = [safe(part) for part in info.filename.split("/") if part not in ("", "..")]
                yield "/".join(parts) or "none", archive.read(info)
    except (IolausError, zipfile.BadZipFile, NotImplementedError) as error:
        left[whole] = f"it cannot be read: {error}"


def _cleaned(name: str, data: bytes, scrub: Scrub) -> bytes:
    if not name.endswith(_TEXT):
        return data
    if name.endswith(".json"):
        try:
            clean = scrub.value(msgspec.json.decode(data))
            return msgspec.json.format(msgspec.json.encode(clean), indent=2)
        except (msgspec.DecodeError, RecursionError):
            pass
    return scrub.text(data.decode("utf-8", "replace")).encode()
