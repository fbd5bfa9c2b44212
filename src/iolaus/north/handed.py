"""What may be lost with one machine is not acknowledged: a change is handed on before its answer.

Between the audit log and the routes. Where several cores answer for a hall, what an operator keeps
in files is handed to the bus, and only then is the change said to be done. Where that fails the
answer is the error: the change stands on this machine and is handed on as soon as that is possible.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from iolaus.kernel.errors import IolausError
from iolaus.north.context import Context
from iolaus.north.guard import SAFE, refuse

Message = MutableMapping[str, Any]


class Handed:
    """An ASGI app around another."""

    def __init__(self, inner: Any, *, context: Context) -> None:
        self.inner, self._context = inner, context

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        hand_on = self._context.hand_on
        if hand_on is None or scope["type"] != "http" or scope["method"] in SAFE:
            await self.inner(scope, receive, send)
            return
        failed = False

        async def held(message: Message) -> None:
            nonlocal failed
            if message["type"] == "http.response.start" and message["status"] < 400:
                try:
                    await hand_on()
                except IolausError as error:
                    failed = True
                    await refuse(error, scope, receive, send)
            if not failed:
                await send(message)

        await self.inner(scope, receive, held)
