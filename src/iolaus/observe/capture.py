"""Records an endpoint in the DMTF mockup layout, so that a machine can be shown and replayed.

A capture leaves the house: it goes into a bug report, a vendor's ticket, a test. So secrets are
taken out before a byte is written, by the name of the property and by the kind of the resource,
and what was taken out is said in the capture itself. Reading only; sessions, accounts' details and
keys are never followed. The layout is DSP2043's: one `index.json` in a folder named after the URI.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from iolaus.drivers.ports import Reads
from iolaus.kernel.errors import IolausError, OperatorMust, WeErred

ROOT: Final = "/redfish/v1"
REMOVED: Final = "(removed by iolaus capture)"
MAX_RESOURCES: Final = 20_000
AT_ONCE: Final = 4
_SECRET: Final = re.compile(
    r"pass(word|phrase)|secret|token|credential|private_?key|community|authentication_?key"
    r"|encryption_?key|^key$|keystring|license_?string|ssh_?key|cookie|otp|psk",
    re.IGNORECASE,
)
_HARMLESS: Final = re.compile(
    r"policy|length|enabled|expir|changerequired|required$|supported|type$|count|@odata|@redfish"
    r"|lockout|complexity|minimum|maximum|timeout",
    re.IGNORECASE,
)
_SKIP: Final = re.compile(
    r"/(SessionService/Sessions|Sessions)(/|$)|/JsonSchemas(/|$)|/Registries/.+/.+\.json$",
    re.IGNORECASE,
)


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """What a capture holds: resources written, secrets removed, and what could not be read."""

    endpoint: str
    resources: int
    secrets_removed: int
    gaps: dict[str, str]


async def capture(
    device: Reads, folder: Path, *, progress: Callable[[int], None] | None = None
) -> Captured:
    """Record every resource that links lead to from the service root.

    Raises `OperatorMust` where the folder is not empty or cannot be written, `WeErred` on a full
    disk, and what the device raises when the service root itself cannot be read.
    """
    _prepare(folder)
    gaps: dict[str, str] = {}
    removed = written = 0
    seen, wave = {ROOT}, [ROOT]
    while wave:
        found: list[str] = []
        for batch in _batches(wave, AT_ONCE):
            for uri, body in await _read(device, batch, gaps):
                clean, count = scrub(body)
                _write(folder, uri, clean)
                removed, written = removed + count, written + 1
                if progress:
                    progress(written)
                found += [link for link in links(body) if link not in seen]
                seen.update(found)
        wave = list(dict.fromkeys(found))[: MAX_RESOURCES - written]
    done = Captured(endpoint=device.address, resources=written, secrets_removed=removed, gaps=gaps)
    _put(folder / "capture.json", msgspec.json.format(msgspec.json.encode(_meta(done)), indent=2))
    return done


async def _read(
    device: Reads, uris: list[str], gaps: dict[str, str]
) -> list[tuple[str, dict[str, Any]]]:
    answers = await asyncio.gather(*(device.get(uri) for uri in uris), return_exceptions=True)
    read = []
    for uri, answer in zip(uris, answers, strict=True):
        if isinstance(answer, IolausError):
            if uri == ROOT:
                raise answer
            gaps[uri] = answer.message
        elif isinstance(answer, BaseException):
            raise answer
        else:
            read.append((uri, answer.body))
    return read


def scrub(value: Any, name: str = "") -> tuple[Any, int]:
    """The value without secrets, and how many were taken out. Pure."""
    if isinstance(value, dict):
        pairs = {key: scrub(each, str(key)) for key, each in value.items()}
        return {key: clean for key, (clean, _) in pairs.items()}, sum(n for _, n in pairs.values())
    if isinstance(value, list):
        items = [scrub(each, name) for each in value]
        return [clean for clean, _ in items], sum(n for _, n in items)
    if value not in (None, "") and isinstance(value, str) and _is_secret(name, value):
        return REMOVED, 1
    return value, 0


def _is_secret(name: str, value: str) -> bool:
    return (_SECRET.search(name) is not None and _HARMLESS.search(name) is None) or (
        "PRIVATE KEY-----" in value
    )


def links(value: Any) -> Iterator[str]:
    """URIs inside the service that a resource points at, sessions and schemas left out."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key in ("@odata.id", "@Redfish.ActionInfo", "Members@odata.nextLink", "Uri"):
                if isinstance(each, str) and (uri := _inside(each)):
                    yield uri
            else:
                yield from links(each)
    elif isinstance(value, list):
        for each in value:
            yield from links(each)


def _inside(text: str) -> str:
    uri = text.split("#", 1)[0].rstrip("/")
    if not uri.startswith(ROOT) or ".." in uri or _SKIP.search(uri) or len(uri) > 1024:
        return ""
    return uri


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise OperatorMust(
            f"cannot be written: {error.strerror or error}",
            operation="capture into",
            subject=str(folder),
            next_step="name a folder that you may write to.",
        ) from None
    if taken:
        raise OperatorMust(
            "is not empty",
            operation="capture into",
            subject=str(folder),
            next_step="name a new folder; a capture never mixes with older files.",
        )


def _write(folder: Path, uri: str, body: Any) -> None:
    path, _, query = uri.strip("/").partition("?")
    parts = [re.sub(r"[^A-Za-z0-9._@$()=,:+~-]", "_", part) for part in path.split("/")]
    if query:
        parts.append(re.sub(r"[^A-Za-z0-9._=-]", "_", query))
    place = folder.joinpath(*parts)
    _put(place / "index.json", json.dumps(body, indent=2, ensure_ascii=False).encode())


def _put(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise WeErred(
            f"cannot be written: {error.strerror or error}",
            operation="capture into",
            subject=str(path.parent),
            next_step="free space or choose another folder, then run the capture again.",
        ) from None


def _meta(done: Captured) -> dict[str, Any]:
    return {
        "kind": "Capture",
        "resources": done.resources,
        "secrets_removed": done.secrets_removed,
        "gaps": done.gaps,
    }


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
