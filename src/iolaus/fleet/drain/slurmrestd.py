"""Slurm by its REST daemon: `/slurm/v0.0.NN/node/{name}`, with a token (JWT) from a file.

slurmrestd tells of failures in its documents as well as in its statuses, and which of the two
depends on the version, so both are read.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec

from iolaus.fleet.drain.peer import Answer, Peer
from iolaus.fleet.drain.slurm import SlurmNode, parse_nodes, slurm_error

VERSION: Final = "v0.0.40"
READABLE: Final = (200, 400, 404, 500)


class Slurmrestd:
    """One daemon; conforms to `iolaus.fleet.drain.slurm.Slurm`."""

    def __init__(self, peer: Peer, *, version: str = VERSION) -> None:
        self._peer, self._root = peer, f"/slurm/{version}"

    async def aclose(self) -> None:
        await self._peer.aclose()

    async def read(self, name: str) -> SlurmNode:
        answer = await self._ask("GET", name, "read drain")
        node = parse_nodes(answer.read(dict[str, Any]), name)
        if node is None:
            raise answer.lied("it shows something else than the node")
        return node

    async def jobs(self, _: str) -> tuple[str, ...] | None:
        """None: the daemon lists the jobs of the whole cluster or none."""
        return None

    async def update(self, name: str, *, state: str | None, reason: str | None) -> None:
        wanted: dict[str, Any] = {"state": [state]} if state else {}
        wanted |= {} if reason is None else {"reason": reason}
        await self._ask("POST", name, "drain" if state == "DRAIN" else "undrain", wanted)

    async def _ask(
        self, method: str, name: str, operation: str, wanted: dict[str, Any] | None = None
    ) -> Answer:
        answer = await self._peer.ask(
            method,
            f"{self._root}/node/{quote(name)}",
            operation=operation,
            subject=name,
            accept=READABLE,
            body=msgspec.json.encode(wanted) if wanted is not None else None,
            headers={"Content-Type": "application/json"} if wanted is not None else None,
        )
        said = _complaint(answer)
        if said:
            raise slurm_error(said, operation=operation, subject=name)
        if answer.status != 200:
            raise answer.refused(f"{self._peer.base} answers HTTP {answer.status}")
        return answer


def _complaint(answer: Answer) -> str:
    """The first error in the document; empty where there is none (or no document)."""
    if not answer.body and answer.status == 200:
        return ""
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    errors = document.get("errors") if isinstance(document, dict) else None
    for error in errors if isinstance(errors, list) else []:
        if not isinstance(error, dict) or error.get("error_number") == 0:
            continue
        words = (error.get("error"), error.get("description"))
        said = ", ".join(word for word in words if isinstance(word, str) and word)
        return (
            "".join(c if c.isprintable() else " " for c in said[:300]) or "an error without words"
        )
    return ""
