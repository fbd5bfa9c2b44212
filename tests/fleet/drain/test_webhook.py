"""The webhook: signed questions, four possible answers, and a cut at every request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from iolaus.fleet.drain.port import DrainPhase, Drains, DrainTarget
from iolaus.fleet.drain.settings import WebhookSettings, open_drains
from iolaus.fleet.drain.webhook import drain_id
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, IolausError, OperatorMust
from tests.fleet.drain.fake_webhook import FakeWebhook
from tests.fleet.drain.serve import served
from tests.peers.certificate import Identity

WHY = "plan 7f3c01 wave canary"


class World:
    def __init__(self, program: FakeWebhook, settings: WebhookSettings) -> None:
        self.program, self._settings = program, settings
        self._open: list[Drains] = []
        self.drains = self.restart()

    def restart(self) -> Drains:
        self.drains = open_drains(self._settings, name="ours", clock=JumpClock())
        self._open.append(self.drains)
        return self.drains

    async def close(self) -> None:
        for drains in self._open:
            await drains.aclose()


@pytest.fixture
async def world(tls: Identity, tmp_path: Path) -> AsyncIterator[World]:
    secret = tmp_path / "secret"
    secret.write_text("k3y\n")
    program = FakeWebhook()
    async with served(program.app(), context=tls.server) as url:
        settings = WebhookSettings(
            url=f"{url}/drain",
            poll_url=f"{url}/poll",
            secret_file=str(secret),
            ca_file=str(tls.certificate),
        )
        world = World(program, settings)
        yield world
        await world.close()


async def test_a_drain_from_end_to_end(world: World, target: DrainTarget) -> None:
    drained = await world.drains.begin(target, reason=WHY)
    state = await world.drains.state(target, drained)
    assert (state.phase, state.detail, state.remaining) == (DrainPhase.DRAINING, "2 jobs", ("7",))
    world.program.state = {"state": "drained", "extra": 1}
    assert (await world.drains.state(target, drained)).phase is DrainPhase.DRAINED
    (question,) = world.program.drains.values()
    assert question["node"]["hostname"] == "gpu-12.hall.example"
    assert question["reason"] == WHY
    await world.drains.undo(target, drained)
    await world.drains.undo(target, drained)
    assert world.program.effects == {"begin": 1, "undo": 1}
    assert world.program.asked[:2] == [("/drain", "begin"), ("/poll", "state")]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
async def test_struck_at_any_request(world: World, target: DrainTarget, at: int, when: str) -> None:
    world.program.accident.strike(at, when)
    for _ in range(2):
        try:
            drained = await world.drains.begin(target, reason=WHY)
            await world.drains.state(target, drained)
            break
        except DeviceSilent:
            world.restart()
    try:
        await world.drains.undo(target, drained)
    except DeviceSilent:
        await world.restart().undo(target, drained)
    assert world.program.effects == {"begin": 1, "undo": 1}
    assert world.program.drains == {}


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ({"state": "refused", "detail": "a run\nof 3 weeks"}, DrainPhase.REFUSED),
        ({"state": "DRAINED"}, DrainPhase.UNKNOWN),
        ({"state": "unknown"}, DrainPhase.UNKNOWN),
        ({"state": ""}, DrainPhase.UNKNOWN),
        ({"state": "drained\x1b[2J"}, DrainPhase.UNKNOWN),
    ],
)
async def test_what_it_says(
    world: World, target: DrainTarget, said: dict[str, str], phase: DrainPhase
) -> None:
    drained = await world.drains.begin(target, reason=WHY)
    world.program.state = said
    state = await world.drains.state(target, drained)
    assert state.phase is phase
    assert state.detail.isprintable()
    with pytest.raises(DeviceRefused if phase is DrainPhase.REFUSED else DeviceLied):
        await world.drains.begin(target, reason=WHY)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda: web.Response(text="drained"), DeviceLied),
        (lambda: web.Response(text='"drained"'), DeviceLied),
        (lambda: web.Response(text='{"state": true}'), DeviceLied),
        (lambda: web.Response(text='{"state": "drained", "remaining": [1]}'), DeviceLied),
        (lambda: web.Response(status=204), DeviceRefused),
        (lambda: web.json_response({"state": "drained"}, status=500), DeviceRefused),
        (lambda: web.json_response({"state": "drained"}, status=403), OperatorMust),
        (lambda: web.Response(status=302, headers={"Location": "/drain"}), DeviceLied),
    ],
)
async def test_hostile_answers(
    world: World,
    target: DrainTarget,
    answer: Callable[[], web.Response],
    kind: type[IolausError],
) -> None:
    drained = await world.drains.begin(target, reason=WHY)
    world.program.answer = answer()
    with pytest.raises(kind):
        await world.drains.state(target, drained)


async def test_another_secret_is_the_operators_matter(world: World, target: DrainTarget) -> None:
    world.program.secret = "other"
    with pytest.raises(OperatorMust) as caught:
        await world.drains.begin(target, reason=WHY)
    assert "secret" in caught.value.next_step
    assert "k3y" not in repr(caught.value)


@given(st.text(), st.text(), st.text(), st.text())
def test_each_drain_has_an_id_of_its_own(a: str, b: str, c: str, d: str) -> None:
    if "\0" not in a + b + c + d and "?" not in a + b + c + d:
        assert (drain_id(a, b) == drain_id(c, d)) == ((a, b) == (c, d))
