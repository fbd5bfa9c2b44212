"""The grid side: signed load targets by the contract, lies an agent must see through, and what
it believes of an agent. The agent here is hand-written with the JOSE library alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiomqtt
import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from iolaus.kernel.tasks import end
from iolaus.sim.building.broker import HOST, Account, Broker
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.grid import Grid, Target, stamp
from iolaus.sim.building.mqtt_link import MqttLink
from tests.sim.building.contract import Contract
from tests.sim.building.hand_clock import HandClock

AGENT = "iolaus-1"
STATE = f"grid/v1/dsx-flex-agent/{AGENT}/powerstate/status"
BREACH = f"grid/v1/dsx-flex-agent/{AGENT}/powerbreach"


class Agent:
    """A flex agent that signs with a key of its own and checks the grid's."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self._clock, self._folder = clock, folder
        self.key = ECKey.generate_key("P-256", {"kid": "agent-1"}, auto_kid=False)
        keys = {"keys": [self.key.as_dict(private=False)]}
        (folder / "agents.jwks.json").write_text(json.dumps(keys))

    def opened(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The data of the grid's event. Raises JoseError."""
        keys = KeySet.import_key_set(json.loads((self._folder / "grid.jwks.json").read_text()))
        found = jws.deserialize_compact(event["data"], keys, algorithms=["ES256"])
        return dict(json.loads(found.payload))

    def event(self, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
        subject = kind.split(".")[1]
        head = {"alg": "ES256", "kid": "agent-1"}
        return {
            "specversion": "1.0.2",
            "id": str(uuid4()),
            "source": f"//grid/v1/dsx-flex-agent/{AGENT}",
            "type": kind,
            "time": stamp(self._clock.now()),
            "datacontenttype": "application/json",
            "subject": subject,
            "traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
            "data": jws.serialize_compact(head, json.dumps(data).encode(), self.key),
        }

    def state(self, correlation: str, **changes: Any) -> dict[str, Any]:
        def kw(value: float) -> dict[str, Any]:
            return {"value": value, "unit": "kilowatt"}

        feed = {
            "metadata": {
                "power_minimum": kw(20), "power_maximum": kw(200), "default_constraint": kw(180)
            },
            "targets": [{
                "active": True, "load_constraint": kw(120), "interval": {},
                "strategy": {"best_effort": True}, "correlation_id": correlation,
            }],
            "calculated_load": kw(118), "in_flight": False, "event": "target_set",
            "compliant": True,
        }  # fmt: skip
        data = {"snapshot_time": stamp(self._clock.now()), "feeds": {"main-a": feed}}
        return self.event("grid.powerstate.status.v1", data) | changes


@pytest.fixture
def grid(tmp_path: Path, clock: HandClock, faults: Faults) -> Grid:
    return Grid("acme-energy", tmp_path, clock, faults, seed=7)


@pytest.fixture
def agent(tmp_path: Path, clock: HandClock) -> Agent:
    return Agent(tmp_path, clock)


@pytest.fixture(scope="module")
def contract(shared: Path) -> Contract:
    return Contract(shared / "dsx" / "dsx-flex.yaml")


def events(grid: Grid) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in grid.due()]


@pytest.mark.shared
def test_targets_keep_the_contract(
    grid: Grid, agent: Agent, contract: Contract, clock: HandClock, faults: Faults
) -> None:
    now = clock.now()
    correlation = grid.set_load(
        Target(limit_w=120_000.0, feeds=["main-a"], start_s=now + 60, end_s=now + 3660),
        Target(limit_w=None, best_effort=True),
    )
    for name in ("", "unsigned", "wrong-key", "tampered", "expired", "replayed"):
        if name:
            faults.disarm()
            faults.arm(name)
            grid.set_load(Target(limit_w=1000.0))
        for message in grid.due():
            event = json.loads(message.payload)
            contract.check(message.topic, event)
            assert message.qos == 1
            if name == "":
                data = agent.opened(event)
                assert event["correlationid"] == correlation
                assert not list(contract.schema("SetLoadTargetData").iter_errors(data))
                assert data["targets"][0]["load_constraint"] == {"value": 120.0, "unit": "kilowatt"}
                assert data["targets"][1]["load_constraint"] is None


def test_lies_differ_in_just_what_they_say(
    grid: Grid, agent: Agent, clock: HandClock, faults: Faults
) -> None:
    def sent(name: str) -> list[dict[str, Any]]:
        faults.disarm()
        faults.arm(name, thing="grid")
        grid.set_load(Target(limit_w=50_000.0))
        return events(grid)

    grid.set_load(Target(limit_w=50_000.0))
    (honest,) = events(grid)
    assert agent.opened(honest)["targets"][0]["load_constraint"]["value"] == 50.0
    for name in ("wrong-key", "tampered"):
        (event,) = sent(name)
        assert event["time"] == honest["time"]
        with pytest.raises(JoseError):
            agent.opened(event)
    (plain,) = sent("unsigned")
    assert plain["data"]["targets"][0]["load_constraint"]["value"] == 50.0
    (old,) = sent("expired")
    assert old["time"] == stamp(clock.now() - 3600)
    assert agent.opened(old)["targets"][0]["interval"]["end_time"] < honest["time"]
    first, again = sent("replayed")
    assert again == honest
    assert first["id"] != honest["id"]


def test_timetable(tmp_path: Path, clock: HandClock, faults: Faults, agent: Agent) -> None:
    table = [(60.0, Target(limit_w=1000.0)), (120.0, Target(limit_w=None))]
    grid = Grid("acme-energy", tmp_path, clock, faults, timetable=table)
    counts = []
    for _ in range(3):
        counts.append(len(events(grid)))
        clock._elapsed += 60.0
    assert counts == [0, 1, 1]


@pytest.mark.shared
def test_what_the_grid_believes(
    grid: Grid, agent: Agent, clock: HandClock, contract: Contract
) -> None:
    good = agent.state(str(uuid4()))
    contract.check(STATE, good)
    stranger = ECKey.generate_key("P-256", {"kid": "agent-1"}, auto_kid=False)
    head = {"alg": "ES256", "kid": "agent-1"}
    forged = jws.serialize_compact(head, b"{}", stranger)
    unknown = jws.serialize_compact({"alg": "ES256", "kid": "x"}, b"{}", stranger)
    cases: list[tuple[Any, str | None]] = [
        (good, None),
        (good, "replayed"),
        (agent.state("c", data=forged), "wrong signature"),
        (agent.state("c", data=unknown), "unknown key"),
        (agent.state("c", data={"feeds": {}}), "unsigned"),
        (agent.state("c", data="a.b.c"), "no JWS"),
        (agent.state("c", time=stamp(clock.now() - 301)), "not fresh"),
        (agent.state("c", time="soon"), "no time"),
        (agent.state("c", source="//grid/v1/dsx-flex-agent/other"), "wrong topic"),
        (agent.state("c", type="grid.other.v1"), "wrong topic"),
        ([], "not understood"),
    ]
    for event, why in cases:
        grid.heard(STATE, json.dumps(event).encode())
        assert grid.heard_of[-1].why == why
    assert grid.heard_of[0].data["feeds"]["main-a"]["compliant"] is True
    grid.heard(STATE, b"x" * (2 << 20))
    assert grid.heard_of[-1].why == "too large"


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    accounts = [
        Account(user="grid", publish=["grid/v1/isv/#"]),
        Account(user="IOLAUS", publish=["grid/v1/dsx-flex-agent/#", "grid/v1/infra/#"]),
    ]
    found = Broker(accounts)
    try:
        await found.start()
        yield found
    finally:
        await found.stop()


@contextlib.asynccontextmanager
async def linked(
    grid: Grid, broker: Broker, clock: HandClock, faults: Faults
) -> AsyncIterator[MqttLink]:
    link = MqttLink(grid, broker, clock=clock, faults=faults)
    task = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(90):
            await link.published.wait()
        yield link
    finally:
        await end(task)


async def test_targets_out_and_reports_in_through_the_broker(
    grid: Grid, agent: Agent, broker: Broker, clock: HandClock, faults: Faults
) -> None:
    password = broker.accounts["IOLAUS"].password
    async with (
        linked(grid, broker, clock, faults),
        aiomqtt.Client(HOST, broker.port, username="IOLAUS", password=password) as mqtt,
        asyncio.timeout(90),
    ):
        await mqtt.subscribe("grid/v1/isv/+/loadtarget/set", qos=1)
        correlation = grid.set_load(Target(limit_w=120_000.0))
        await clock.advance(1.0)
        message = await anext(mqtt.messages)
        assert isinstance(message.payload, bytes)
        event = json.loads(message.payload)
        assert agent.opened(event)["targets"][0]["load_constraint"]["value"] == 120.0
        await mqtt.publish(STATE, json.dumps(agent.state(correlation)).encode(), qos=1)
        breach = agent.event(
            "grid.powerbreach.alert.v1", {"feed_tag": "main-a", "status": "active"}
        )
        await mqtt.publish(BREACH, json.dumps(breach).encode(), qos=2)
        while len(grid.heard_of) < 2:
            await asyncio.sleep(0)
        assert [(heard.type, heard.why) for heard in grid.heard_of] == [
            ("grid.powerstate.status.v1", None),
            ("grid.powerbreach.alert.v1", None),
        ]
