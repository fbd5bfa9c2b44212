"""A push as HTTP carries it: multipart/form-data with UpdateParameters, or the image alone.

DSP0266, 13.6: a part named UpdateParameters (JSON: Targets, ForceUpdate, apply time) and one named
UpdateFile. What comes may be anything; it gives a `Form` or raises `BadForm`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from iolaus.sim.effects import Push
from iolaus.sim.tree import Resource

MOST_PARTS: Final = 16
_BOUNDARY: Final = re.compile(r'boundary="?([^";,\s]{1,70})"?', re.IGNORECASE)
_NAME: Final = re.compile(rb'(?<![a-z])name="?([^";\r\n]+)"?', re.IGNORECASE)
_FILE: Final = re.compile(rb'filename="?([^";\r\n]+)"?', re.IGNORECASE)


class BadForm(Exception):
    """`word` is the message of the Base registry that says so, `about` what it speaks of."""

    def __init__(self, word: str, about: str = "") -> None:
        super().__init__(word)
        self.word, self.about = word, about


@dataclass(frozen=True, slots=True)
class Form:
    """`image` is a slice of what was pushed; `parameters` are empty where none came."""

    image: Any
    name: str = "image"
    parameters: Resource = field(default_factory=dict)


def form_of(push: Push) -> Form:
    """Raises BadForm."""
    kind = push.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        return _checked(Form(push.body))
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        raise BadForm("MalformedJSON")
    image, name, parameters = b"", "image", Resource()
    for head, start, end in _parts(push.body, b"--" + boundary[1].encode("latin-1", "replace")):
        found = _NAME.search(head)
        what = found[1].decode("latin-1") if found else ""
        if what == "UpdateParameters":
            parameters = _json(push.body[start:end])
        elif what == "UpdateFile":
            file = _FILE.search(head)
            name = file[1].decode("latin-1") if file else name
            image = push.body[start:end]
    return _checked(Form(image, name, parameters))


def _checked(form: Form) -> Form:
    if not len(form.image):
        raise BadForm("PropertyMissing", "UpdateFile")
    return form


def _parts(body: Any, mark: bytes) -> list[tuple[bytes, int, int]]:
    """Head, and where the content begins and ends, of each part."""
    found = list[tuple[bytes, int, int]]()
    at = body.find(mark)
    while at >= 0 and len(found) < MOST_PARTS:
        start = at + len(mark)
        following = body.find(b"\r\n" + mark, start)
        blank = body.find(b"\r\n\r\n", start)
        if following < 0 or not start <= blank < following:
            break
        found.append((bytes(body[start:blank]), blank + 4, following))
        at = following + 2
    return found


def _json(raw: bytes) -> Resource:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise BadForm("MalformedJSON") from None
    if not isinstance(found, dict):
        raise BadForm("MalformedJSON")
    return found
