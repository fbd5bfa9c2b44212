"""The bus port: publish, subscribe. Messages carry no state: they only wake the loop.

Topics are dotted words ("facts.report", "facts.hot", "facts.status", "events"). Delivery is
at-most-once to whoever listens; a slow subscriber loses the oldest messages, never blocks others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Bus(Protocol):
    def publish(self, topic: str, message: Any) -> None: ...

    def subscribe(self, *topics: str) -> AbstractAsyncContextManager[AsyncIterator[Any]]: ...
