"""slurmrestd: failures in documents and in statuses, and a cut at every request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from iolaus.fleet.drain.port import DrainPhase, Drains, DrainTarget
from iolaus.fleet.drain.settings import SlurmrestdSettings, open_drains
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, IolausError, OperatorMust
from tests.fleet.drain.fake_scontrol import node
from tests.fleet.drain.fake_slurmrestd import FakeSlurmrestd, failure
from tests.fleet.drain.serve import served

WHY = "plan 7f3c01 wave canary"
NODE = "gpu-12"


class World:
    def __init__(self, daemon: FakeSlurmrestd, url: str, token: Path) -> None:
        self.daemon, self.token, self._url = daemon, token, url
        self._open: list[Drains] = []
        self.drains = self.restart()

    def restart(self) -> Drains:
        settings = SlurmrestdSettings(
            url=self._url, token_file=str(self.token), user="iolaus", allow_http=True
        )
        self.drains = open_drains(settings, name="slurm", clock=JumpClock())
        self._open.append(self.drains)
        return self.drains

    async def close(self) -> None:
        for drains in self._open:
            await drains.aclose()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    token = tmp_path / "token"
    token.write_text("jwt\n")
    daemon = FakeSlurmrestd(node(NODE, "MIXED", alloc_cpus=8))
    async with served(daemon.app()) as url:
        world = World(daemon, url, token)
        yield world
        await world.close()


async def test_a_drain_from_end_to_end(world: World, target: DrainTarget) -> None:
    seen = world.daemon.nodes[NODE]
    drained = await world.drains.begin(target, reason=WHY)
    assert seen["reason"] == f"iolaus: {WHY}"
    assert (await world.drains.state(target, drained)).phase is DrainPhase.DRAINING
    seen.update(state=["IDLE", "DRAIN"], alloc_cpus=0)
    assert (await world.drains.state(target, drained)).phase is DrainPhase.DRAINED
    await world.drains.undo(target, drained)
    assert (seen["state"], seen["reason"]) == (["IDLE"], "")
    assert world.daemon.counts == {"DRAIN": 1, "UNDRAIN": 1}
    assert world.daemon.users == {"iolaus"}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_struck_at_any_request(world: World, target: DrainTarget, when: str) -> None:
    at = 0
    while True:
        at += 1
        world.daemon.nodes[NODE] = node(NODE)
        world.daemon.counts = {"DRAIN": 0, "UNDRAIN": 0}
        world.daemon.accident.strike(at, when)
        for _ in range(2):
            try:
                drained = await world.drains.begin(target, reason=WHY)
                assert (await world.drains.state(target, drained)).phase is DrainPhase.DRAINED
                break
            except DeviceSilent:
                world.restart()
        try:
            await world.drains.undo(target, drained)
        except DeviceSilent:
            await world.restart().undo(target, drained)
        assert world.daemon.nodes[NODE] == node(NODE)
        assert world.daemon.counts == {"DRAIN": 1, "UNDRAIN": 1}
        if not world.daemon.accident.struck:
            break
    assert at >= 7


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (lambda: failure(500, "Invalid node name specified"), OperatorMust, "DrainNodeUnknown"),
        (lambda: failure(200, "Access/permission denied"), OperatorMust, "DrainNotAllowed"),
        (lambda: failure(500, "Unable to contact slurm controller"), DeviceSilent, None),
        (lambda: failure(500, ""), DeviceRefused, "DrainRefused"),
        (lambda: failure(200, "", 0), DeviceLied, None),
        (lambda: web.Response(status=500, text="oops"), DeviceRefused, "DrainRefused"),
        (lambda: web.Response(status=503), DeviceRefused, "DrainRefused"),
        (lambda: web.Response(text="<html>"), DeviceLied, None),
        (lambda: web.Response(text='{"nodes": 3, "errors": 7}'), DeviceLied, None),
        (lambda: web.Response(text='[{"errors": []}]'), DeviceLied, None),
        (lambda: web.Response(text='{"errors": [3, null, "x"]}'), DeviceLied, None),
    ],
)
async def test_hostile_answers(
    world: World,
    target: DrainTarget,
    answer: Callable[[], web.Response],
    kind: type[IolausError],
    code: str | None,
) -> None:
    drained = await world.drains.begin(target, reason=WHY)
    world.daemon.answer = answer()
    with pytest.raises(kind) as caught:
        await world.drains.state(target, drained)
    assert type(caught.value) is kind
    assert code is None or caught.value.code == code


async def test_a_token_that_is_no_longer_good(world: World, target: DrainTarget) -> None:
    world.token.write_text("h4sh")
    with pytest.raises(OperatorMust) as caught:
        await world.drains.begin(target, reason=WHY)
    assert caught.value.code == "DrainNotAllowed"
    assert "token" in caught.value.next_step
    assert "h4sh" not in str(caught.value)
