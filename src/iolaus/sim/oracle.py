"""The oracle: what a test or benchmark may know of the devices behind their backs.

A second, plain HTTP door on loopback, guarded by a random token that only the ready line tells:
counters per device, the truth that lies hide, faults injected and cleared, devices killed and
revived, events pushed. Nothing a management client uses; docs/simulator.md lists the routes.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

import msgspec
from aiohttp import web

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.catalogue.entry import Asked
from iolaus.sim.catalogue.strike import Order, Striking
from iolaus.sim.catalogue.truth import device_truth, hall_truth
from iolaus.sim.roots.chain import anchors
from iolaus.sim.roots.references import as_corim, reference_values, signed
from iolaus.sim.rules import parse_rules
from iolaus.sim.server import Hall, Place

_HOW = ("refuse", "silence")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Oracle:
    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self.token = secrets.token_urlsafe(24)
        self.url = ""
        self.striking = Striking(hall)
        self._runner: web.AppRunner | None = None

    @property
    def beside(self) -> Mapping[str, Asked]:
        """What is served beside the devices, by name."""
        return self.striking.beside

    @beside.setter
    def beside(self, found: Mapping[str, Asked]) -> None:
        self.striking.beside = found

    async def start(self) -> None:
        app = web.Application(middlewares=[self._guard], client_max_size=4 << 20)
        name = "/devices/{name}"
        app.router.add_get("/devices", self._devices)
        app.router.add_get(name, self._device)
        app.router.add_get(f"{name}/truth", self._truth)
        app.router.add_get(f"{name}/roots", self._roots)
        app.router.add_post(f"{name}/{{verb}}", self._do)
        app.router.add_get("/trust", self._trust)
        app.router.add_post("/beside/{name}/{verb}", self._beside)
        app.router.add_get("/counters", self._counters)
        app.router.add_get("/faults", self._faults)
        app.router.add_post("/faults", self._inject)
        app.router.add_delete("/faults", self._clear)
        app.router.add_delete("/faults/{id}", self._clear)
        app.router.add_get("/truth", self._all_truth)
        app.router.add_get("/truth/{name}", self._one_truth)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.5
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        self.striking.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        word = request.headers.get("Authorization", "")
        if not secrets.compare_digest(word.encode(), f"Bearer {self.token}".encode()):
            return _json({"error": "the token of the ready line is needed"}, status=401)
        try:
            return await handler(request)
        except OperatorMust as error:
            words = ("message", "operation", "subject", "code", "next_step")
            told = {word: getattr(error, word) for word in words}
            return _json({"error": str(error), **told}, status=400)
        except (ValueError, TypeError, KeyError, msgspec.MsgspecError) as error:
            return _json({"error": f"not understood: {error!r}"}, status=400)

    async def _devices(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return _json({"devices": [_summary(place) for place in self._hall.places.values()]})

    async def _device(self, request: web.Request) -> web.Response:
        place = self._place(request)
        counters = place.device.counters
        more = {"by_path": counters.by_path, "order": counters.order}
        return _json({**_summary(place), **more})

    async def _truth(self, request: web.Request) -> web.Response:
        device, path = self._place(request).device, request.query.get("path")
        if path is not None:
            return _json({"path": path, "resource": device.get(path)})
        return _json({"changed": {path: device.get(path) for path in device.changed()}})

    async def _roots(self, request: web.Request) -> web.Response:
        device = self._place(request).device
        return _json({"roots": device.trust.truth(device) if device.trust is not None else {}})

    async def _trust(self, request: web.Request) -> web.Response:  # noqa: ARG002
        seeds = sorted({str(p.device.options.seed) for p in self._hall.places.values()})
        values = [asdict(value) for value in reference_values()]
        manifests = [signed(as_corim(reference_values()), seed=seed) for seed in seeds]
        return _json(
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
            return _json({"error": f"unknown verb; known are {sorted(_VERBS)}"}, status=404)
        _VERBS[verb](place, body)
        await place.settled()
        return _json(_summary(place))

    async def _beside(self, request: web.Request) -> web.Response:
        found = self.beside[request.match_info["name"]]
        body = msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any])
        return _json(await found.asked(request.match_info["verb"], body))

    async def _counters(self, request: web.Request) -> web.Response:  # noqa: ARG002
        counters = [place.device.counters for place in self._hall.places.values()]
        return _json(
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
        return _json({"faults": rules, "on": self.striking.on()})

    async def _inject(self, request: web.Request) -> web.Response:
        """A fault of the catalogue (`fault`), or plain rules."""
        data = msgspec.json.decode(await request.read())
        if isinstance(data, dict) and "fault" in data:
            struck = await self.striking.strike(msgspec.convert(data, Order))
            return _json(struck.told())
        rules = parse_rules(data if isinstance(data, list) else [data], source="oracle")
        concerned = self._hall.inject(*rules)
        for place in self._hall.places.values():
            await place.settled()
        return _json({"rules": len(rules), "devices": concerned})

    async def _clear(self, request: web.Request) -> web.Response:
        """Those of this id or name, or all, of the catalogue and of plain rules."""
        word = request.match_info.get("id") or request.query.get("id")
        mended = await self.striking.mend(word)
        self._hall.clear(word)
        for place in self._hall.places.values():
            await place.settled()
        gone = [struck.told() for struck in mended]
        return _json({"faults": len(self._hall.rules), "mended": gone})

    async def _all_truth(self, request: web.Request) -> web.Response:
        """Over all devices, and what those beside them say of themselves."""
        found = await hall_truth(self._hall.devices)
        for name, asked in self.beside.items():
            with contextlib.suppress(ValueError, KeyError):
                found[name] = await asked.asked("truth", dict(request.query))
        return _json(found)

    async def _one_truth(self, request: web.Request) -> web.Response:
        return _json(device_truth(self._place(request).device))

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


def _json(body: object, *, status: int = 200) -> web.Response:
    data = msgspec.json.encode(body)
    return web.Response(body=data, status=status, content_type="application/json")
