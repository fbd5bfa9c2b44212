"""Bytes of an advisory to values: bounded first, then decoded once by its own format's types.

A file holds one CSAF document, one OSV entry or a list of OSV entries, all of them JSON in UTF-8.
What it is is told by its own marks (`document.csaf_version`; `id` and `modified`), never by its
file name. Other versions of CSAF are refused by name: 1.x is XML, and 2.1 means other things.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from iolaus.kernel.errors import OperatorMust
from iolaus.wire.advisory.csaf import MAX_BRANCH_DEPTH, Branch, Csaf
from iolaus.wire.advisory.osv import Osv

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_ENTRIES: Final = 10_000
_CSAF: Final = msgspec.json.Decoder(Csaf)
_OSV: Final = msgspec.json.Decoder(Osv)
_OSVS: Final = msgspec.json.Decoder(tuple[Osv, ...])


class _Mark(msgspec.Struct):
    csaf_version: Any = None


class _Head(msgspec.Struct):
    """The marks that tell formats apart."""

    document: _Mark | None = None
    id: Any = None
    modified: Any = None


_HEAD: Final = msgspec.json.Decoder(_Head)


class AdvisoryMalformed(OperatorMust):
    """The bytes are no advisory that is understood; the message says where and why."""


def parse_advisories(raw: bytes, *, source: str) -> Csaf | tuple[Osv, ...]:
    """What a file holds. `source` names it in errors. Raises `AdvisoryMalformed`."""
    if len(raw) > MAX_BYTES:
        raise _malformed(
            source, f"it is larger than {MAX_BYTES >> 20} MiB", "import a smaller file."
        )
    raw = raw.removeprefix(b"\xef\xbb\xbf").strip()
    if not raw:
        raise _malformed(source, "it is empty", "fetch it again.")
    if raw.startswith(b"<"):
        raise _malformed(source, "it is XML", "import CSAF 2.0 or OSV in JSON.")
    try:
        return _entries(raw, source) if raw.startswith(b"[") else _one(raw, source)
    except msgspec.MsgspecError as error:
        raise _malformed(
            source, _said(error), "fetch it again from its publisher, who can correct it."
        ) from None
    except (RecursionError, UnicodeDecodeError):
        raise _malformed(
            source, "it is nested too deeply, or no UTF-8", "fetch it again."
        ) from None


def _one(raw: bytes, source: str) -> Csaf | tuple[Osv, ...]:
    head = _HEAD.decode(raw)
    if head.document is not None:
        version = head.document.csaf_version
        if version != "2.0":
            raise _malformed(
                source, f"it is CSAF {str(version)[:20]!r}, not 2.0", "import CSAF 2.0 or OSV."
            )
        found = _CSAF.decode(raw)
        _check_depth(found.product_tree.branches, source)
        return found
    if head.id is not None and head.modified is not None:
        return (_OSV.decode(raw),)
    raise _malformed(source, "it is neither CSAF 2.0 nor OSV", "import one of these two.")


def _entries(raw: bytes, source: str) -> tuple[Osv, ...]:
    found = _OSVS.decode(raw)
    if len(found) > MAX_ENTRIES:
        raise _malformed(source, f"it holds more than {MAX_ENTRIES} entries", "import it in parts.")
    if not found:
        raise _malformed(source, "it is an empty list", "import a file with advisories.")
    return found


def _check_depth(branches: tuple[Branch, ...], source: str) -> None:
    level = branches
    for _ in range(MAX_BRANCH_DEPTH):
        level = tuple(below for each in level for below in each.branches)
        if not level:
            return
    raise _malformed(
        source, f"its product tree is deeper than {MAX_BRANCH_DEPTH}", "fetch it again."
    )


def _said(error: msgspec.MsgspecError) -> str:
    text = str(error).replace("`", "")[:300]
    return text[:1].lower() + text[1:]


def _malformed(source: str, message: str, next_step: str) -> AdvisoryMalformed:
    return AdvisoryMalformed(
        message,
        operation="read advisory",
        subject=source,
        code="AdvisoryMalformed",
        next_step=next_step,
    )
