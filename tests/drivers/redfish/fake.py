"""A device without a wire: `Reads` over a tree of resources held in memory, or over a capture.

It answers as a plain, honest service does: 404 for what it does not have, collections member by
member, a failure where one is planted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from iolaus.drivers.redfish.harvest import links_in, normal
from iolaus.kernel.errors import DeviceRefused, IolausError
from iolaus.wire.redfish.port import Answer

Tree = dict[str, Any]
ROOT = "/redfish/v1"


class FakeDevice:
    """`tree` maps URIs to payloads; `failures` maps URIs to what reading them raises."""

    address = "https://fake.test"

    def __init__(self, tree: Mapping[str, Any], failures: Mapping[str, IolausError] | None = None):
        self.tree, self.failures = dict(tree), dict(failures or {})
        self.asked: list[str] = []

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        self.asked.append(uri)
        if uri in self.failures:
            raise self.failures[uri]
        if uri not in self.tree:
            raise DeviceRefused("HTTP 404", operation="GET", subject=uri, status=404)
        body = self.tree[uri]
        return Answer(uri=uri, status=200, body=body, headers={}, at=1000.0, elapsed_s=0.01)

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, dict[str, Any]]]:
        answer = await self.get(uri)
        found: list[tuple[str, dict[str, Any]]] = []
        body = answer.body if isinstance(answer.body, dict) else {}
        for member in links_in(body.get("Members")):
            try:
                found.append((member, (await self.get(member)).body))
            except IolausError as error:
                inline = _inline(body.get("Members"), member)
                if inline:
                    found.append((member, inline))
                else:
                    on_gap(member, error.message)
        return found


def _inline(members: Any, uri: str) -> dict[str, Any] | None:
    for member in members if isinstance(members, list) else ():
        if isinstance(member, dict) and normal(member.get("@odata.id")) == uri and "Id" in member:
            return member
    return None


def load(folder: Path) -> Tree:
    """All resources of a capture in the DMTF layout. A capture whose root file is missing gets
    one that links to the collections it has."""
    tree = {
        "/" + str(path.parent.relative_to(folder)): json.loads(path.read_text("utf-8-sig"))
        for path in sorted((folder / "redfish").rglob("index.json"))
    }
    names = ("Systems", "Chassis", "Managers", "UpdateService", "EventService")
    links = {name: {"@odata.id": f"{ROOT}/{name}"} for name in names if f"{ROOT}/{name}" in tree}
    tree.setdefault(ROOT, {"@odata.id": ROOT, "@odata.type": "#ServiceRoot.ServiceRoot", **links})
    return tree
