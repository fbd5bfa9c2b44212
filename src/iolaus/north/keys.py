"""Idempotency keys: a request sent again because its answer was lost begins nothing twice.

Keys are kept in memory and belong to who sent them; what a process forgets by ending, it has
usually also not finished.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final

from iolaus.kernel.errors import OperatorMust

KEEP: Final = 500


class Keys:
    """The newest `KEEP` keys, each with the name of what it began."""

    def __init__(self) -> None:
        self._begun: OrderedDict[tuple[str, str], tuple[str, str]] = OrderedDict()

    def repeated(self, *, key: str | None, by: str, body: bytes) -> str | None:
        """The name of what this key began; `OperatorMust` if it asked for another thing."""
        known = self._begun.get((by, key)) if key else None
        if known is None:
            return None
        if known[1] != _digest(body):
            raise OperatorMust(
                "this Idempotency-Key was used for another request",
                operation="start",
                subject=str(key),
                code="IdempotencyKeyReused",
                next_step="send a new key with a new request.",
            )
        return known[0]

    def note(self, name: str, *, key: str | None, by: str, body: bytes) -> None:
        if key:
            self._begun[(by, key)] = (name, _digest(body))
        while len(self._begun) > KEEP:
            self._begun.popitem(last=False)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
