"""Words a device uses for itself: cleaned, judged, and turned into what people say.

A serial of blanks, a model "To be filled by O.E.M." and an all-zero UUID identify nothing; taken
at their word they would merge a whole hall into one machine. So every identifying string passes
here, and comes out trimmed or as None. The maker's usual name is data (`makers.toml`), for
display only; nothing is decided on it.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from iolaus.drivers.redfish._text import REMEMBERED

MAX_TEXT: Final = 512
PLACEHOLDERS: Final = frozenset(
    {
        "",
        "-",
        "?",
        "na",
        "none",
        "null",
        "nil",
        "tbd",
        "unknown",
        "undefined",
        "empty",
        "notapplicable",
        "notavailable",
        "notspecified",
        "notset",
        "noasset",
        "noassettag",
        "default",
        "defaultstring",
        "tobefilledbyoem",
        "systemserialnumber",
        "systemproductname",
        "systemmanufacturer",
        "systemversion",
        "chassisserialnumber",
        "serialnumber",
        "assettag",
        "0123456789",
        "123456789",
        "1234567890",
    }
)
DEFAULT_UUIDS: Final = frozenset({"03000200-0400-0500-0006-000700080009"})
COMPANY_FORMS: Final = re.compile(
    r"[\s,]+(inc|incorporated|corp|corporation|co|company|ltd|limited|llc|gmbh|ag|plc"
    r"|technolog(y|ies)|electronics|systems|international|and subsidiaries)\b\.?",
    re.IGNORECASE,
)
TRADE_MARKS: Final = re.compile(r"\((r|tm|c)\)|[®™©]", re.IGNORECASE)


def text(value: object) -> str | None:
    """The value as trimmed, printable, bounded text; None where it says nothing (blank, or not a
    string)."""
    if not isinstance(value, str):
        return None
    return _printable(value[:MAX_TEXT])


@lru_cache(maxsize=REMEMBERED)
def _printable(value: str) -> str | None:
    if not value.isprintable():
        value = "".join(each if each.isprintable() else " " for each in value)
    return " ".join(value.split()) or None


def telling(value: object) -> str | None:
    """Like `text`, but None also for placeholders: words that stand for "nobody filled this in"."""
    found = text(value)
    if found is None:
        return None
    bare = _bare(found)
    if bare in PLACEHOLDERS or (len(set(bare)) <= 1 and (len(bare) > 1 or bare in {"0", "?", ""})):
        return None
    return found


@lru_cache(maxsize=REMEMBERED)
def _bare(said: str) -> str:
    return re.sub(r"[^a-z0-9?]", "", said.lower())


def uuid(value: object) -> str | None:
    """A UUID in lower case, or None for blank, zero and vendors' default values."""
    found = telling(value)
    return None if found is None or found.lower() in DEFAULT_UUIDS else found.lower()


def version(value: object) -> str | None:
    """A version as trimmed text; None for blanks, placeholders and `0.00`: nobody released it.
    One digit repeated is no placeholder here: there are releases 1.1 and 22."""
    found = text(value)
    if found is None or not found.strip("0. ") or not any(map(str.isalnum, found)):
        return None
    return None if _bare(found) in PLACEHOLDERS else found


@cache
def _makers() -> tuple[tuple[str, str], ...]:
    table = tomllib.loads((files(__package__) / "makers.toml").read_text(encoding="utf-8"))
    pairs = [(start, name) for name, starts in table.items() for start in starts]
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


@cache
def usual_name(raw: str) -> str:
    """The maker's usual name: "Dell" of "Dell Inc.". An unknown maker loses only its legal form."""
    bare = re.sub(r"[^a-z0-9]", "", TRADE_MARKS.sub("", raw).lower())
    for start, name in _makers():
        if bare == start or (len(start) > 3 and bare.startswith(start)):
            return name
        if bare.startswith(start) and not raw[len(start) : len(start) + 1].isalnum():
            return name
    return COMPANY_FORMS.sub("", TRADE_MARKS.sub("", raw)).strip(" ,.") or raw


def maker(value: object) -> str | None:
    """The maker's usual name, or None where the device does not say."""
    found = telling(value)
    return usual_name(found) if found else None
