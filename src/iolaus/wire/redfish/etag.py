"""ETags as controllers really write them (RFC 9110 section 8.8.3, and everything beside it).

Seen: weak tags where strong ones are required back, tags without quotes, empty tags, a `-gzip`
suffix glued on by the web server in front (which then never matches), the tag only in the body.
A tag is kept as it was given; `for_if_match` lists the spellings worth trying, in order. Trying
several is safe: a 412 has changed nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLAUSIBLE = re.compile(r"[\x21\x23-\x7e\x80-\xff ]{1,512}")
ANY = "*"
"""Matches whatever is there (RFC 9110 section 13.1.1): for devices whose own tags never match."""
_EMPTY = frozenset({"", '""', 'W/""', "null", "None"})


def read_etag(headers: Mapping[str, str], body: Mapping[str, Any]) -> str | None:
    """The answer's tag: the header, else `@odata.etag` of the body; None if neither is usable."""
    for tag in (headers.get("etag"), body.get("@odata.etag")):
        if isinstance(tag, str) and usable(tag):
            return tag.strip()
    return None


def usable(tag: str) -> bool:
    bare = tag.strip()
    return bare not in _EMPTY and bool(_PLAUSIBLE.fullmatch(bare.replace('"', "")))


def for_if_match(tag: str) -> tuple[str, ...]:
    """Spellings of a tag for `If-Match`: as given, strong and quoted, without `-gzip`."""
    if tag.strip() == ANY:
        return (ANY,)
    opaque = tag.strip().removeprefix("W/").strip('"')
    plain = re.sub(r"[-;](?:gzip|br|deflate)$", "", opaque)
    wanted = (tag.strip(), f'"{opaque}"', f'"{plain}"', f'W/"{plain}"')
    return tuple(dict.fromkeys(wanted)) if usable(tag) else ()


def for_if_none_match(tag: str) -> str:
    """One header value that lists the spellings: any of them may answer 304."""
    opaque = tag.strip().removeprefix("W/").strip('"')
    return tag.strip() if tag.strip().endswith('"') else f'"{opaque}"'
