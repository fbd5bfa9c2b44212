"""A device that can be written to, without a wire: dialects that no simulated machine has.

It keeps what is PATCHed, makes what is POSTed to a collection, and answers as told where `answers`
has a reply for a method and URI. Tags are as strange as `tag` makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from iolaus.kernel.errors import DeviceRefused, IolausError
from iolaus.wire.redfish.errors import refusal
from iolaus.wire.redfish.etag import for_if_match, read_etag
from iolaus.wire.redfish.port import Answer
from iolaus.wire.redfish.upload import Upload
from tests.drivers.redfish.fake import FakeDevice, Tree

Reply = tuple[int, dict[str, Any], dict[str, str]] | IolausError
"""(status, body, headers), or what is raised."""


class FakeWriter(FakeDevice):
    """`written` are (method, URI, body, If-Match). `etag(uri)` gives the headers of a GET;
    `matches(tag)` whether a precondition holds."""

    def __init__(self, tree: Tree, **answers: Reply) -> None:
        super().__init__(tree)
        self.answers: dict[tuple[str, str], Reply] = {}
        self.written: list[tuple[str, str, Mapping[str, Any] | None, str | None]] = []
        self._made = 0
        self.pushed: list[tuple[str, str, bytes]] = []
        self.etag: Callable[[str], dict[str, str]] = lambda _: {}
        self.matches: Callable[[str | None], int] = lambda _: 200

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        found = await super().get(uri, fresh_s=fresh_s)
        headers = self.etag(uri)
        return Answer(
            uri=uri,
            status=200,
            body=found.body,
            headers=headers,
            at=found.at,
            elapsed_s=0.0,
            etag=read_etag(headers, found.body),
        )

    async def write(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        if_match: str | None = None,
        deadline_s: float | None = None,
    ) -> Answer:
        """As the client does: every spelling of a tag until one is not refused by 412."""
        status = 412
        for spelling in for_if_match(if_match) if if_match else (None,):
            self.written.append((method, uri, body, spelling))
            status = self.matches(spelling)
            if status != 412:
                break
        if status >= 400:
            raise refused(status, uri)
        return self._reply(method, uri, body)

    async def push(self, uri: str, upload: Upload, *, deadline_s: float | None = None) -> Answer:
        pour, data = upload.open(), b""
        while piece := pour.read(65536):
            data += piece
        self.pushed.append((uri, upload.content_type, data))
        return self._reply("POST", uri, None)

    def _reply(self, method: str, uri: str, body: Mapping[str, Any] | None) -> Answer:
        told = self.answers.get((method, uri))
        if isinstance(told, IolausError):
            raise told
        if told is not None:
            return _answer(uri, *told)
        if method == "PATCH" and uri in self.tree:
            self.tree[uri] = merged(self.tree[uri], body or {})
        elif method == "DELETE" and uri in self.tree:
            del self.tree[uri]
            self._delist(uri)
        elif method == "POST" and isinstance(self.tree.get(uri, {}).get("Members"), list):
            return self._make(uri, body or {})
        elif uri not in self.tree:
            raise refused(404, uri)
        return _answer(uri, 204, {}, {})

    def _make(self, place: str, body: Mapping[str, Any]) -> Answer:
        members = self.tree[place]["Members"]
        self._made += 1
        uri = f"{place}/new-{self._made}"
        self.tree[uri] = {"@odata.id": uri, "Id": uri.rpartition("/")[2], **body}
        self.tree[place] = {**self.tree[place], "Members": [*members, {"@odata.id": uri}]}
        return _answer(uri, 201, {}, {"location": uri})

    def _delist(self, uri: str) -> None:
        place = uri.rpartition("/")[0]
        held = self.tree.get(place, {})
        if isinstance(held.get("Members"), list):
            kept = [each for each in held["Members"] if each != {"@odata.id": uri}]
            self.tree[place] = {**held, "Members": kept}


def merged(held: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(held)
    for name, value in changes.items():
        old = found.get(name)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        found[name] = merged(old or {}, value) if both else value
    return found


def refused(status: int, uri: str, raw: bytes = b"") -> DeviceRefused:
    return refusal(status, {}, raw, operation="PATCH", subject=uri, now=0.0)


def _answer(uri: str, status: int, body: dict[str, Any], headers: dict[str, str]) -> Answer:
    return Answer(uri=uri, status=status, body=body, headers=headers, at=2000.0, elapsed_s=0.0)
