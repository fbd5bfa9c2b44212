"""The oracle of a hall that is shared out: the same routes, each asked of whom it concerns.

One device is asked of the part that serves it. What concerns many is asked of all parts and put
together: names in the order of the hall, counts added up. A fault is struck everywhere by one id,
on those of each part that are meant; where one part refuses, it is taken back everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
import msgspec
from aiohttp import web

from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.sim.catalogue.strike import Order
from iolaus.sim.oracle_door import WORDS, Door, as_json
from iolaus.sim.rules import parse_rules

PATIENCE_S: Final = 300.0
MOST: Final = ("max_in_flight", "max_sessions")
"""Counters of which the highest counts."""


class Struck(msgspec.Struct, frozen=True, kw_only=True):
    """A striking that is on."""

    key: str
    on: tuple[str, ...]


class PartOracle(msgspec.Struct, frozen=True):
    """One part's own oracle, and whom that part serves."""

    url: str
    token: str
    names: Sequence[str]


class JoinedOracle:
    """`order` are the devices' names as the hall has them. It strikes for scripts, too."""

    def __init__(self, parts: Sequence[PartOracle], order: Sequence[str]) -> None:
        self._parts, self._place = parts, {name: number for number, name in enumerate(order)}
        self._part = {name: part for part in parts for name in part.names}
        self._number, self._clock = count(1), WallClock()
        one = "/devices/{name}"
        self._door = Door(
            [
                web.get("/devices", self._devices),
                web.get(one, self._one),
                web.get(f"{one}/{{of}}", self._one),
                web.post(f"{one}/{{verb}}", self._one),
                web.get("/truth/{name}", self._one),
                web.get("/trust", self._first),
                web.post("/beside/{name}/{verb}", self._first),
                web.get("/counters", self._counters),
                web.get("/faults", self._faults),
                web.post("/faults", self._inject),
                web.delete("/faults", self._clear),
                web.delete("/faults/{id}", self._clear),
                web.get("/truth", self._truth),
            ]
        )

    async def __aenter__(self) -> Self:
        patience = aiohttp.ClientTimeout(total=PATIENCE_S)
        self._http = aiohttp.ClientSession(timeout=patience, trust_env=False)
        await self._door.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._door.stop()
        await self._http.close()

    @property
    def url(self) -> str:
        return self._door.url

    @property
    def token(self) -> str:
        return self._door.token

    @property
    def clock(self) -> Clock:
        return self._clock

    async def strike(self, order: Order) -> Struck:
        """Raises OperatorMust where any part refuses."""
        told = await self._strike(order)
        return Struck(key=told["id"], on=tuple(told["on"]))

    async def mend(self, word: str | None = None) -> Sequence[Struck]:
        found = await self._mend(word)
        return [Struck(key=each["id"], on=tuple(each["on"])) for each in found["mended"]]

    def stop(self) -> None:
        """Parts forget their timers as they end."""

    # --- one device ----------------------------------------------------------------------------

    async def _one(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._part:
            raise ValueError(f"no device is named {name}")
        return await self._passed_on(self._part[name], request)

    async def _first(self, request: web.Request) -> web.Response:
        """What all parts say alike."""
        return await self._passed_on(self._parts[0], request)

    async def _passed_on(self, part: PartOracle, request: web.Request) -> web.Response:
        status, data = await self._tell(
            part, request.method, request.path_qs, await request.read() or None
        )
        return web.Response(body=data, status=status, content_type="application/json")

    # --- all of them ---------------------------------------------------------------------------

    async def _devices(self, request: web.Request) -> web.Response:
        found = await self._all("GET", request.path_qs)
        devices = [each for part in found for each in part["devices"]]
        return as_json({"devices": sorted(devices, key=lambda each: self._place[each["name"]])})

    async def _counters(self, request: web.Request) -> web.Response:
        found = await self._all("GET", request.path_qs)
        return as_json(
            {
                word: (max if word in MOST else sum)(part[word] for part in found)
                for word in found[0]
            }
        )

    async def _truth(self, request: web.Request) -> web.Response:
        found = await self._all("GET", request.path_qs)
        names = {
            word: self._in_order(name for part in found for name in part[word])
            for word in ("off", "leaking", "over_limit")
        }
        return as_json({"devices": sum(part["devices"] for part in found), **names})

    async def _faults(self, request: web.Request) -> web.Response:
        found = await self._all("GET", request.path_qs)
        on = self._together(each for part in found for each in part["on"])
        return as_json({"faults": found[0]["faults"], "on": on})

    async def _inject(self, request: web.Request) -> web.Response:
        data = msgspec.json.decode(await request.read())
        if isinstance(data, dict) and "fault" in data:
            return as_json(await self._strike(msgspec.convert(data, Order)))
        parse_rules(data if isinstance(data, list) else [data], source="oracle")
        found = await self._all("POST", "/faults", data)
        concerned = sum(part["devices"] for part in found)
        return as_json({"rules": found[0]["rules"], "devices": concerned})

    async def _clear(self, request: web.Request) -> web.Response:
        return as_json(await self._mend(request.match_info.get("id") or request.query.get("id")))

    async def _strike(self, order: Order) -> dict[str, Any]:
        key = order.id or f"{order.fault}-{next(self._number)}"
        body = msgspec.to_builtins(msgspec.structs.replace(order, id=key))
        answers = await self._asked_all("POST", "/faults", body)
        refusals = [found for status, found in answers if status != 200]
        if not refusals:
            return self._together(found for _, found in answers)[0]
        if len(refusals) < len(answers):
            await self._mend(key)
        raise _error(refusals[0])

    async def _mend(self, word: str | None) -> dict[str, Any]:
        path = f"/faults/{quote(word, safe='')}" if word else "/faults"
        found = await self._all("DELETE", path)
        mended = self._together(each for part in found for each in part["mended"])
        return {"faults": found[0]["faults"], "mended": mended}

    def _together(self, told: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Of every striking what the parts say, as one."""
        found: dict[str, dict[str, Any]] = {}
        for each in told:
            one = found.setdefault(each["id"], {**each, "on": []})
            one["on"] = self._in_order([*one["on"], *each["on"]])
        return list(found.values())

    def _in_order(self, names: Iterable[str]) -> list[str]:
        return sorted(names, key=self._place.__getitem__)

    # --- asking --------------------------------------------------------------------------------

    async def _all(self, method: str, path: str, body: Any = None) -> list[Any]:
        """What all parts answer. Raises what one refuses."""
        answers = await self._asked_all(method, path, body)
        for status, found in answers:
            if status != 200:
                raise _error(found)
        return [found for _, found in answers]

    async def _asked_all(self, method: str, path: str, body: Any) -> list[tuple[int, Any]]:
        data = None if body is None else msgspec.json.encode(body)
        answers = await asyncio.gather(
            *(self._tell(part, method, path, data) for part in self._parts)
        )
        return [(status, msgspec.json.decode(found)) for status, found in answers]

    async def _tell(
        self, part: PartOracle, method: str, path: str, data: bytes | None
    ) -> tuple[int, bytes]:
        bearer = {"Authorization": f"Bearer {part.token}"}
        url = f"{part.url}{path}"
        try:
            async with self._http.request(method, url, data=data, headers=bearer) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise WeErred(
                f"a part does not answer: {type(error).__name__}",
                operation="ask",
                subject="simulated hall",
                next_step="see whether it still runs; start it again.",
            ) from None


def _error(found: Mapping[str, Any]) -> OperatorMust | ValueError:
    """What a part refused, raised once more."""
    if all(word in found for word in WORDS):
        message, operation, subject, code, next_step = (str(found[word]) for word in WORDS)
        return OperatorMust(
            message, operation=operation, subject=subject, code=code, next_step=next_step
        )
    return ValueError(str(found.get("error", found)))
