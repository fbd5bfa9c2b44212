"""Alarms that go out: taken once, kept until then, signed, and to whom the routes say."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.fleet.test_route_files import alarm

from iolaus.app.notifying import Notifier
from iolaus.fleet.notices import Turn
from iolaus.kernel.clock import JumpClock, WallClock
from iolaus.kernel.errors import DeviceRefused, OperatorMust
from iolaus.model.alarm import Alarm

PATIENCE_S = 90.0
ROUTES = """
apiVersion: iolaus.dev/v1
kind: AlarmRoutes
metadata: {name: routes}
spec:
  receivers:
    - name: prometheus
      alertmanager: {url: "%(url)s"}
    - name: on-call
      webhook: {url: "%(url)s/hook", secretFile: %(secret)s}
  routes:
    - to: [prometheus]
    - to: [on-call]
      priorities: [critical]
"""


class Peer:
    """An Alertmanager (its API v2: an array of alerts with labels, times that parse) and a
    webhook's program; `status` is what both answer."""

    def __init__(self) -> None:
        self.status, self.url = 200, ""
        self.alerts: list[dict[str, Any]] = []
        self.hooks: list[dict[str, Any]] = []
        self.asked = 0

    async def take_alerts(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.status != 200:
            return web.Response(status=self.status, text="not now")
        rows = await request.json()
        good = isinstance(rows, list) and all(row["labels"]["alertname"] for row in rows)
        if good:
            self.alerts += rows
        return web.Response(status=200 if good else 400)

    async def take_hook(self, request: web.Request) -> web.Response:
        self.asked += 1
        data = await request.read()
        good = "sha256=" + hmac.new(b"a secret", data, hashlib.sha256).hexdigest()
        if request.headers["Iolaus-Signature"] != good:
            return web.Response(status=401)
        if self.status != 200:
            return web.Response(status=self.status)
        self.hooks.append(await request.json())
        return web.Response(status=204)


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    made, app = Peer(), web.Application()
    app.router.add_post("/api/v2/alerts", made.take_alerts)
    app.router.add_post("/hook", made.take_hook)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def notifying(
    folder: Path, to: Peer, *, alarms: tuple[Alarm, ...] = (), clock: Any = None
) -> AsyncIterator[Notifier]:
    secret = folder / "secret"
    secret.write_text("a secret\n")
    (folder / "alarms.yaml").write_text(ROUTES % {"url": to.url, "secret": secret})
    made = Notifier(folder=folder, alarms=lambda: alarms, clock=clock or WallClock())
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(found: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not found():
            await asyncio.sleep(0.01)


async def test_a_turn_reaches_whom_the_routes_say(tmp_path: Path) -> None:
    async with peer() as to, notifying(tmp_path, to) as made:
        made.keep([Turn(alarm=alarm())])
        await until(lambda: to.alerts and to.hooks)
        assert to.alerts[0]["labels"]["severity"] == "critical"
        (told,) = to.hooks[0]["alarms"]
        assert (told["name"], told["state"]) == ("h1-r07-u12:LeakDetected", "unacknowledged")
        await until(lambda: all(each.waiting == 0 for each in made.receivers()))
        assert all(each.sent_at for each in made.receivers())


async def test_what_was_not_taken_is_sent_in_order_after_a_restart(tmp_path: Path) -> None:
    async with peer() as to:
        to.status = 503
        async with notifying(tmp_path, to) as made:
            for message in ("one", "two", "three"):
                made.keep([Turn(alarm=alarm(note=message))])
            await until(lambda: to.asked >= 2)
            assert [each.waiting for each in made.receivers()] == [3, 3]
            await until(lambda: all("503" in each.error for each in made.receivers()))
        to.status = 200
        async with notifying(tmp_path, to) as made:
            await until(lambda: len(to.hooks) == 3)
            notes = [told["note"] for hook in to.hooks for told in hook["alarms"]]
            assert notes == ["one", "two", "three"]
            assert len({hook["id"] for hook in to.hooks}) == 3


async def test_a_receiver_that_is_away_is_tried_again(tmp_path: Path) -> None:
    async with peer() as to, notifying(tmp_path, to, clock=JumpClock()) as made:
        to.status = 503
        made.keep([Turn(alarm=alarm())])
        await until(lambda: to.asked > 3)
        to.status = 200
        await until(lambda: to.hooks)


async def test_what_will_never_be_taken_is_set_aside_and_told(tmp_path: Path) -> None:
    async with peer() as to, notifying(tmp_path, to) as made:
        to.status = 400
        made.keep([Turn(alarm=alarm())])
        await until(lambda: len(list((tmp_path / "outbox" / "refused").glob("*"))) == 2)
        to.status = 200
        made.keep([Turn(alarm=alarm(note="next"))])
        await until(lambda: to.hooks)
        assert to.hooks[0]["alarms"][0]["note"] == "next"


async def test_alertmanager_is_told_again_of_all_that_rings(tmp_path: Path) -> None:
    async with peer() as to:
        async with notifying(tmp_path, to, alarms=(alarm(),), clock=JumpClock()):
            await until(lambda: len(to.alerts) >= 2)
        assert to.hooks == []


async def test_a_receiver_is_tested(tmp_path: Path) -> None:
    async with peer() as to, notifying(tmp_path, to) as made:
        for name in ("on-call", "prometheus"):
            await made.test(name)
        assert to.hooks[0]["alarms"][0]["code"] == to.alerts[0]["labels"]["alertname"]
        with pytest.raises(OperatorMust, match="no such receiver"):
            await made.test("nobody")
        (tmp_path / "secret").write_text("another")
        with pytest.raises(DeviceRefused, match="401"):
            await made.test("on-call")


async def test_a_wrong_file_is_told_and_the_last_good_one_counts(tmp_path: Path) -> None:
    async with peer() as to, notifying(tmp_path, to) as made:
        assert made.receivers_of(alarm()) == ["prometheus", "on-call"]
        (tmp_path / "alarms.yaml").write_text("kind: AlarmRoutes\nspec: {routs: []}\n")
        assert made.receivers_of(alarm()) == ["prometheus", "on-call"]
        with pytest.raises(OperatorMust):
            made.receivers()
