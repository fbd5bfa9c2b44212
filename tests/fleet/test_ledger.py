"""The ledger: one change re-judges one node, and causes are few where nodes are many."""

from __future__ import annotations

from typing import Any

from iolaus.fleet.judge import expires_at
from iolaus.fleet.ledger import Ledger, causes
from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import Asset, AssetKind, Firmware, Identity, Report
from iolaus.model.endpoint import EndpointStatus, Reach, Target
from iolaus.model.fact import Health, Known, PowerState
from iolaus.store.baselines import Baselines
from iolaus.store.facts import Facts
from tests.fleet.build import baseline, firmware

SLOW_S = 900.0


class Hall:
    """A store with nodes of one firmware entry each, and its ledger."""

    def __init__(self) -> None:
        self.clock = JumpClock()
        self.facts = Facts(clock=self.clock)
        self.baselines = Baselines()
        self.ledger = Ledger(
            facts=self.facts, baselines=self.baselines, clock=self.clock, slow_interval_s=SLOW_S
        )

    def put(self, number: int, version: str = "1.8", reach: Reach = Reach.REACHABLE) -> None:
        address, now = f"https://10.0.0.{number}", self.clock.now()
        self.facts.put_target(Target(address=address, name=f"n{number}", labels={"rack": "r1"}))
        entry = firmware("BMC", version, kind="bmc")
        self.facts.record_report(_report(address, now, entry))
        self.reach(number, reach)

    def reach(self, number: int, reach: Reach) -> None:
        now = self.clock.now()
        address = f"https://10.0.0.{number}"
        self.facts.record_status(EndpointStatus(address=address, reach=reach, at=now, since=now))

    async def want(self, version: str) -> None:
        want = {"match": {"component": "bmc"}, "version": version}
        base = baseline(labels={"rack": "r1"}, firmware={"components": [want]})
        await self.baselines.put(base, at=0.0, by="ana", source="")

    async def states(self) -> dict[str, str]:
        await self.ledger.settle()
        return {v.drift.name: v.drift.state for v in self.ledger.verdicts()}


def _report(address: str, now: float, entry: Firmware) -> Report:
    asset = Asset(
        key="Systems/1",
        kind=AssetKind.NODE,
        resources=("/redfish/v1/Systems/1",),
        identity=Identity(serial=address),
        power_state=Known(value=PowerState.ON, at=now),
        health=Known(value=Health.OK, at=now),
        observed_at=now,
        model="m1",
    )
    values: dict[str, Any] = {"assets": (asset,), "firmware": (entry,)}
    return Report(endpoint=address, driver="x", redfish_version="1", observed_at=now, **values)


async def test_nothing_is_judged_without_a_baseline() -> None:
    hall = Hall()
    hall.put(1)
    assert await hall.states() == {}


async def test_a_new_reading_a_new_baseline_and_a_lost_endpoint_are_seen() -> None:
    hall = Hall()
    hall.put(1)
    hall.put(2, "1.7")
    await hall.want("1.8")
    assert await hall.states() == {"n1": "in-sync", "n2": "drifted"}
    hall.put(2, "1.8")
    assert await hall.states() == {"n1": "in-sync", "n2": "in-sync"}
    hall.reach(1, Reach.UNREACHABLE)
    assert (await hall.states())["n1"] == "unknown"
    hall.reach(1, Reach.REACHABLE)
    await hall.want("1.9")
    assert await hall.states() == {"n1": "drifted", "n2": "drifted"}
    await hall.baselines.remove("base")
    assert await hall.states() == {}


async def test_one_change_judges_one_node() -> None:
    hall = Hall()
    for number in range(1, 6):
        hall.put(number)
    await hall.want("1.8")
    await hall.states()
    before = {v.drift.uid: v for v in hall.ledger.verdicts()}
    hall.put(3, "1.7")
    await hall.states()
    changed = [v.drift.name for v in hall.ledger.verdicts() if before[v.drift.uid] is not v]
    assert changed == ["n3"]


async def test_what_grows_old_becomes_unknown_without_a_change() -> None:
    hall = Hall()
    hall.put(1)
    await hall.want("1.8")
    assert await hall.states() == {"n1": "in-sync"}
    hall.clock.advance(2 * SLOW_S + 1)
    hall.reach(1, Reach.REACHABLE)
    assert await hall.states() == {"n1": "unknown"}


async def test_an_exception_whose_last_day_is_over_excuses_no_more_without_a_change() -> None:
    hall = Hall()
    hall.put(1, "1.7")
    excused = {
        "selector": {"matchLabels": {"rack": "r1"}},
        "items": ["firmware/*"],
        "owner": "ana",
        "expires": "2023-11-15",
        "reason": "waits for fans",
    }
    want = {"match": {"component": "bmc"}, "version": "1.8"}
    base = baseline(labels={"rack": "r1"}, firmware={"components": [want]}, exceptions=[excused])
    await hall.baselines.put(base, at=0.0, by="ana", source="")
    assert await hall.states() == {"n1": "excused"}
    before = hall.ledger.revision
    assert await hall.states() == {"n1": "excused"}
    hall.clock.advance(SLOW_S)
    hall.put(1, "1.7")
    assert (await hall.states(), hall.ledger.revision) == ({"n1": "excused"}, before)
    end = expires_at("2023-11-15")
    hall.ledger.slow_interval_s = 10 * 86_400.0
    hall.clock.advance(end - hall.clock.now() + 1.0)
    assert await hall.states() == {"n1": "drifted"}
    assert hall.ledger.revision > before


async def test_a_forgotten_endpoint_has_no_drift() -> None:
    hall = Hall()
    hall.put(1)
    await hall.want("1.8")
    await hall.states()
    hall.facts.remove_target("https://10.0.0.1")
    assert await hall.states() == {}


async def test_causes_are_grouped_by_what_stands_there_and_the_largest_comes_first() -> None:
    hall = Hall()
    for number, version in enumerate(["1.7", "1.7", "1.6", "1.8", "1.7"], start=1):
        hall.put(number, version)
    hall.put(6, "1.8", Reach.UNREACHABLE)
    await hall.want("1.8")
    await hall.ledger.settle()
    found = causes((v.drift.name, v.drift) for v in hall.ledger.verdicts())
    assert [(c.applied, c.outcome.value, c.nodes) for c in found] == [
        ("1.7", "drifted", ("n1", "n2", "n5")),
        ("1.6", "drifted", ("n3",)),
        (None, "unknown", ("n6",)),
    ]
    assert len({cause.key for cause in found}) == 3


async def test_a_revision_is_a_change_of_what_is_said() -> None:
    hall = Hall()
    hall.put(1)
    await hall.want("1.8")
    await hall.states()
    before = hall.ledger.revision
    hall.put(1)
    await hall.states()
    assert hall.ledger.revision == before
    hall.put(1, "1.7")
    await hall.states()
    assert hall.ledger.revision == before + 1
