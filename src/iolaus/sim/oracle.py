"""The oracle: what a test or benchmark may know of the devices behind their backs.

A second, plain HTTP door on loopback, guarded by a random token that only the ready line tells:
counters per device, the truth that lies hide, faults injected and cleared, devices killed and
revived, events pushed. Nothing a management client uses; docs/simulator.md lists the routes.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import msgspec
from aiohttp import web

from iolaus.sim.catalogue.entry import Asked
from iolaus.sim.catalogue.strike import Order, Striking
from iolaus.sim.catalogue.truth import device_truth, hall_truth
from iolaus.sim.oracle_door import Door, as_json
from iolaus.sim.roots.chain import anchors
from iolaus.sim.roots.references import as_corim, reference_values, signed
from iolaus.sim.rules import parse_rules
from iolaus.sim.server import Hall, Place

_HOW = ("refuse", "silence")


class Oracle:
    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self.striking = Striking(hall)
        name = "/devices/{name}"
        self._door = Door(
            [
                web.get("/devices", self._devices),
                web.get(name, self._device),
                web.get(f"{name}/truth", self._truth),
                web.get(f"{name}/roots", self._roots),
                web.post(f"{name}/{{verb}}", self._do),
                web.get("/trust", self._trust),
                web.post("/beside/{name}/{verb}", self._beside),
                web.get("/counters", self._counters),
                web.get("/faults", self._faults),
                web.post("/faults", self._inject),
                web.delete("/faults", self._clear),
                web.delete("/faults/{id}", self._clear),
                web.get("/truth", self._all_truth),
                web.get("/truth/{name}", self._one_truth),
            ]
        )

    @property
    def token(self) -> str:
        return self._door.token

    @property
    def url(self) -> str:
        return self._door.url

    @property
    def beside(self) -> Mapping[str, Asked]:
        """What is served beside the devices, by name."""
        return self.striking.beside

    @beside.setter
    def beside(self, found: Mapping[str, Asked]) -> None:
        self.striking.beside = found

    async def start(self) -> None:
        await self._door.start()

    async def stop(self) -> None:
        self.striking.stop()
        await self._door.stop()

    async def _devices(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return as_json({"devices": [_summary(place) for place in self._hall.places.values()]})

    async def _device(self, request: web.Request) -> web.Response:
        place = self._place(request)
        counters = place.device.counters
        more = {"by_path": counters.by_path, "order": counters.order}
        return as_json({**_summary(place), **more})

    async def _truth(self, request: web.Request) -> web.Response:
        device, path = self._place(request).device, request.query.get("path")
        if path is not None:
            return as_json({"path": path, "resource": device.get(path)})
        return as_json({"changed": {path: device.get(path) for path in device.changed()}})

    async def _roots(self, request: web.Request) -> web.Response:
        device = self._place(request).device
        return as_json({"roots": device.trust.truth(device) if device.trust is not None else {}})

    async def _trust(self, request: web.Request) -> web.Response:  # noqa: ARG002
        seeds = sorted({str(p.device.options.seed) for p in self._hall.places.values()})
        values = [asdict(value) for value in reference_values()]
        manifests = [signed(as_corim(reference_values()), seed=seed) for seed in seeds]
        return as_json(
            {
                "anchors": "".join(map(anchors, seeds)),
                "references": values,
                "signed": [base64.b64encode(each).decode() for each in manifests],
            }
        )

    async def _do(self, request: web.Request) -> web.Response:
        place, verb = self._place(request), request.match_info["verb"]
        body = msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any])
        if verb not in _VERBS:
            return as_json({"error": f"unknown verb; known are {sorted(_VERBS)}"}, status=404)
        _VERBS[verb](place, body)
        await place.settled()
        return as_json(_summary(place))

    async def _beside(self, request: web.Request) -> web.Response:
        found = self.beside[request.match_info["name"]]
        body = msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any])
        return as_json(await found.asked(request.match_info["verb"], body))

    async def _counters(self, request: web.Request) -> web.Response:  # noqa: ARG002
        counters = [place.device.counters for place in self._hall.places.values()]
        return as_json(
            {
                "devices": len(counters),
                "requests": sum(c.requests for c in counters),
                "connections": sum(c.connections for c in counters),
                "max_in_flight": max((c.max_in_flight for c in counters), default=0),
                "max_sessions": max((c.max_sessions for c in counters), default=0),
                "auth_failures": sum(c.auth_failures for c in counters),
            }
        )

    async def _faults(self, request: web.Request) -> web.Response:  # noqa: ARG002
        rules = [msgspec.to_builtins(rule) for rule in self._hall.rules]
        return as_json({"faults": rules, "on": self.striking.on()})

    async def _inject(self, request: web.Request) -> web.Response:
        """A fault of the catalogue (`fault`), or plain rules."""
        data = msgspec.json.decode(await request.read())
        if isinstance(data, dict) and "fault" in data:
            struck = await self.striking.strike(msgspec.convert(data, Order))
            return as_json(struck.told())
        rules = parse_rules(data if isinstance(data, list) else [data], source="oracle")
        concerned = self._hall.inject(*rules)
        for place in self._hall.places.values():
            await place.settled()
        return as_json({"rules": len(rules), "devices": concerned})

    async def _clear(self, request: web.Request) -> web.Response:
        """Those of this id or name, or all, of the catalogue and of plain rules."""
        word = request.match_info.get("id") or request.query.get("id")
        mended = await self.striking.mend(word)
        self._hall.clear(word)
        for place in self._hall.places.values():
            await place.settled()
        gone = [struck.told() for struck in mended]
        return as_json({"faults": len(self._hall.rules), "mended": gone})

    async def _all_truth(self, request: web.Request) -> web.Response:
        """Over all devices, and what those beside them say of themselves."""
        found = await hall_truth(self._hall.devices)
        for name, asked in self.beside.items():
            with contextlib.suppress(ValueError, KeyError):
                found[name] = await asked.asked("truth", dict(request.query))
        return as_json(found)

    async def _one_truth(self, request: web.Request) -> web.Response:
        return as_json(device_truth(self._place(request).device))

    def _place(self, request: web.Request) -> Place:
        name = request.match_info["name"]
        if name not in self._hall.places:
            raise ValueError(f"no device is named {name}")
        return self._hall.places[name]


def _summary(place: Place) -> dict[str, Any]:
    device, counters = place.device, place.device.counters
    return {
        "name": device.name,
        "address": device.address,
        "state": place.state,
        "requests": counters.requests,
        "by_method": counters.by_method,
        "by_status": counters.by_status,
        "connections": counters.connections,
        "open_connections": counters.open_connections,
        "in_flight": counters.in_flight,
        "max_in_flight": counters.max_in_flight,
        "sessions": [
            {"path": session.path, "user": session.user} for session in device.gate.sessions()
        ],
        "max_sessions": counters.max_sessions,
        "auth_failures": counters.auth_failures,
        "streams": device.events.streams,
        "faults": [armed.rule.id for armed in place.front.faults.armed],
    }


def _down(place: Place, body: dict[str, Any]) -> None:
    how, seconds = body.get("how", "refuse"), body.get("seconds")
    if how not in _HOW:
        raise ValueError(f"how is one of {_HOW}")
    place.device.down(how, None if seconds is None else float(seconds))


def _up(place: Place, body: dict[str, Any]) -> None:  # noqa: ARG001
    place.device.up()


def _restart(place: Place, body: dict[str, Any]) -> None:  # noqa: ARG001
    place.device.restart()


def _events(place: Place, body: dict[str, Any]) -> None:
    place.device.emit(*body.get("records", [{"Message": "An event."}]))


def _patch(place: Place, body: dict[str, Any]) -> None:
    place.device.patch(body["path"], body["changes"])


def _record(place: Place, body: dict[str, Any]) -> None:
    place.device.counters.order = [] if body.get("on", True) else None


def _reset(place: Place, body: dict[str, Any]) -> None:  # noqa: ARG001
    place.device.counters.restart()


_VERBS: dict[str, Callable[[Place, dict[str, Any]], None]] = {
    "down": _down,
    "up": _up,
    "restart": _restart,
    "events": _events,
    "patch": _patch,
    "record": _record,
    "reset-counters": _reset,
}
