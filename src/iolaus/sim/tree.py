"""What a device is made of: paths and resources, shared between thousands of devices.

A hall has thousands of devices and a dozen kinds. So the resources of a kind stand once in
memory, as the bytes that go on the wire (`Template`); a device holds only its own words (serial
numbers, names: `words`) and the resources that differ. A word stands in a template as `${word}`
inside a JSON string, and is put in when the resource is read. What changes while a device lives
is not kept here but in the device's overlay.

Paths are canonical: they start with "/redfish", have no trailing slash, and are case-sensitive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

Resource = dict[str, Any]

ROOT = "/redfish/v1"
_WORD = re.compile(rb"\$\{([A-Za-z0-9_.-]+)\}")


def canonical(path: str) -> str:
    return path.rstrip("/") or "/"


def fingerprint(body: bytes) -> str:
    """A strong ETag of these bytes."""
    return f'"{blake2b(body, digest_size=8).hexdigest()}"'


class Page:
    """One resource as bytes; `etag` is what the resource itself claims, or made of its bytes."""

    __slots__ = ("allow", "body", "claims", "etag", "worded")

    def __init__(self, body: bytes, *, etag: str | None = None, allow: str | None = None) -> None:
        self.body = body
        self.worded = _WORD.search(body) is not None
        self.claims = etag
        self.etag = etag or fingerprint(body)
        self.allow = allow


class Tree(Protocol):
    """The resources a device starts with. `get` returns a new dict each time, free to change."""

    def get(self, path: str) -> Resource | None: ...

    def paths(self) -> Iterable[str]: ...

    def page(self, path: str) -> Page | None:
        """The same as bytes, ready to send."""
        ...

    @property
    def metadata(self) -> bytes:
        """The $metadata document; empty if the device has none of its own."""
        ...


class Template:
    """The resources of one kind of device, immutable and shared."""

    def __init__(self, pages: Mapping[str, Page], *, metadata: bytes = b"") -> None:
        self.pages, self.metadata = dict(pages), metadata
        self._aliases = {_unquoted(path): path for path in self.pages if "%" in path}

    @classmethod
    def of(cls, resources: Mapping[str, Resource]) -> Template:
        """From plain dicts; a missing "@odata.id" is filled in with the path."""
        return cls({canonical(path): page_of(path, body) for path, body in resources.items()})

    def find(self, path: str) -> Page | None:
        found = self.pages.get(path)
        if found is None and self._aliases:
            found = self.pages.get(self._aliases.get(_unquoted(path), ""))
        return found


class TemplateTree:
    """A template with one device's own words, and resources of its own in `own`.

    `own` replaces the template's resource at that path; None withholds it.
    """

    def __init__(
        self,
        template: Template,
        words: Mapping[str, str] | None = None,
        own: Mapping[str, Resource | None] | None = None,
    ) -> None:
        self._template = template
        self._words = {word.encode(): _escaped(value) for word, value in (words or {}).items()}
        self._own = {
            canonical(path): None if body is None else page_of(path, body)
            for path, body in (own or {}).items()
        }

    def page(self, path: str) -> Page | None:
        found = self._own[path] if path in self._own else self._template.find(path)
        return self._filled(found) if found is not None and found.worded else found

    def get(self, path: str) -> Resource | None:
        found = self.page(path)
        return None if found is None else decode(found.body)

    @property
    def metadata(self) -> bytes:
        return self._template.metadata

    def paths(self) -> Iterable[str]:
        yield from (path for path in self._template.pages if path not in self._own)
        yield from (path for path, page in self._own.items() if page is not None)

    def _filled(self, page: Page) -> Page:
        words = self._words
        body = _WORD.sub(lambda match: words.get(match[1], match[0]), page.body)
        return Page(body, etag=page.claims, allow=page.allow)


def page_of(path: str, resource: Resource) -> Page:
    if "@odata.id" not in resource:
        resource = {"@odata.id": canonical(path), **resource}
    claimed = resource.get("@odata.etag")
    return Page(msgspec.json.encode(resource), etag=claimed if isinstance(claimed, str) else None)


def decode(body: bytes) -> Resource:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        found = json.loads(body)
    return found if isinstance(found, dict) else {}


def target_of(resource: Resource, *names: str) -> str:
    """The URI of the link under these names; "" if there is none."""
    found: object = resource
    for name in (*names, "@odata.id"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def links(resource: Resource, name: str) -> Iterator[str]:
    """The URIs of a list of links."""
    value = resource.get(name)
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict) and isinstance(item.get("@odata.id"), str):
            yield item["@odata.id"]


def _escaped(value: str) -> bytes:
    return json.dumps(value)[1:-1].encode()


def _unquoted(path: str) -> str:
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), path)
