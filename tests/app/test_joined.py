"""A house joined to a building that a stock client plays: what it says reaches racks, plant and
readings, what it does not say is unknown, and what is asked of it is confirmed or told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from tests.app.bms import OURS, StockBms, document, stock_bms

from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.joined import Joined
from iolaus.energy.ports import Event, Grade, IsolationRequest, Medium, Sense
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.model.asset import Reading
from iolaus.model.building import BuildingDocument
from iolaus.model.endpoint import Target
from iolaus.observe.collect import Job, Key, Periods
from iolaus.store.secrets import Secrets
from iolaus.wire.dsx.flex import stamp

LEAK = "Rack/RackLeakDetect/site/h1-r01"
FAULT = "Rack/RackLeakSensorFault/site/h1-r01"
RACK = Target(address="https://127.9.9.9", name="h1-r01-u01", labels={"rack": "h1-r01", "row": "a"})


class Heard:
    """The edges, as far as this test goes: what they were told last, by rack and subject."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, Sense, str], Event] = {}

    def event(self, rack: str, event: Event) -> None:
        self.last[rack, event.sense, event.subject] = event

    def grade(self, sense: Sense, subject: str, rack: str = "h1-r01") -> Grade | None:
        found = self.last.get((rack, sense, subject))
        return found.grade if found else None


async def until(true: Callable[[], object], *, seconds: float = 90.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def joined_house(
    tmp_path: Path, bms: StockBms, **more: object
) -> AsyncIterator[tuple[House, Joined, Heard]]:
    state = tmp_path / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    Secrets(state / "secrets").put(
        "building", user=OURS, password=bms.broker.accounts[OURS].password
    )
    (state / "power.yaml").write_text(json.dumps(document(bms.broker.port, **more)))
    options = HouseOptions(state_dir=state, periods=Periods(hot_s=0.3))
    async with open_house(options) as house:
        house.state.facts.put_target(RACK)
        heard = Heard()
        house.joining.tell(heard)
        joined = house.joining.joined
        assert joined is not None
        yield house, joined, heard


def reading(house: House, joined: Joined, path: str) -> Reading | None:
    held = house.state.facts.held(joined.device.address)
    found = [each for each in held.readings.values() if each.uri == f"/{path}"] if held else []
    return found[0] if found else None


async def test_a_leak_bad_quality_a_fault_and_a_heartbeat_that_stops(tmp_path: Path) -> None:
    async with stock_bms() as bms, joined_house(tmp_path, bms) as (house, joined, heard):
        await until(lambda: not joined.link.why_lost())
        await bms.say("Rack/RackPower/site/h1-r01", 50.0)
        await bms.rack("h1-r01")
        await until(lambda: heard.grade(Sense.LEAK, "h1-r01 building") is Grade.GOOD)
        await until(lambda: heard.grade(Sense.BUILDING, "bms", "*") is Grade.GOOD)

        house.wake(Key(joined.device.address, Job.INVENTORY), 0.0)
        await until(lambda: reading(house, joined, LEAK))
        assert reading(house, joined, "Rack/RackPower/site/h1-r01") is None
        assert list(joined.link.bms.aside) == ["Rack/RackPower/site/h1-r01"]

        points = {each.name: each for each in house.joining.points()}
        leak, asked = points[LEAK], points[LEAK.replace("LeakDetect", "LiquidIsolationRequest")]
        assert (leak.about, leak.rack, leak.value, leak.quality) == ("h1-r01", "h1-r01", 0.0, 1)
        assert leak.age_s is not None
        assert leak.age_s < 20
        assert (asked.ours, asked.value, asked.quality) == (True, None, None)

        await bms.say(LEAK, 0, quality=0)
        await until(lambda: heard.grade(Sense.LEAK, "h1-r01 building") is Grade.UNKNOWN)
        await until(lambda: (r := reading(house, joined, LEAK)) and "quality" in r.reason)
        bad = next(each for each in house.joining.points() if each.name == LEAK)
        assert (bad.value, bad.quality) == (None, 0)
        assert "quality" in bad.reason
        await bms.say(FAULT, 1)
        await bms.say(LEAK, 1)
        await asyncio.sleep(0.2)
        assert heard.grade(Sense.LEAK, "h1-r01 building") is Grade.UNKNOWN
        await bms.say(FAULT, 0)
        await until(lambda: heard.grade(Sense.LEAK, "h1-r01 building") is Grade.CRITICAL)

        bms.beats = False
        await until(lambda: heard.grade(Sense.BUILDING, "bms", "*") is Grade.CRITICAL)
        await until(lambda: house.state.facts.events(kind="BuildingLinkLost"))
        await until(lambda: heard.grade(Sense.LEAK, "h1-r01 building") is Grade.UNKNOWN)
        bms.beats = True
        await until(lambda: heard.grade(Sense.BUILDING, "bms", "*") is Grade.GOOD)
        await until(lambda: house.state.facts.events(kind="BuildingLinkBack"))


async def test_a_rack_is_isolated_when_the_building_says_so_and_not_before(
    tmp_path: Path,
) -> None:
    def ask(medium: Medium) -> IsolationRequest:
        return IsolationRequest(rack="h1-r01", medium=medium, because="test")

    async with stock_bms() as bms, joined_house(tmp_path, bms) as (house, joined, _):
        await bms.rack("h1-r01")
        await until(lambda: not joined.link.why_lost() and len(joined.link.bms.metadata) >= 7)
        assert await joined.isolate(ask(Medium.ELECTRICAL))
        bms.obeys = False
        assert not await joined.isolate(ask(Medium.LIQUID))
        assert not await joined.isolate(ask(Medium.LIQUID))
        kinds = [each.kind for each in house.state.facts.events()]
        assert kinds.count("IsolationNotConfirmed") == 1
        assert kinds.count("RackIsolated") == 1
        asked = [topic for topic in bms.heard if "IsolationRequest" in topic]
        assert [topic.split("/")[5] for topic in asked] == [
            "RackElectricalIsolationRequest",
            "RackLiquidIsolationRequest",
        ]
        unknown = IsolationRequest(rack="h9-r09", medium=Medium.LIQUID, because="test")
        assert not await joined.isolate(unknown)
    async with stock_bms() as bms, joined_house(tmp_path, bms, allow=[]) as (house, joined, _):
        await bms.rack("h1-r01")
        assert not await joined.isolate(ask(Medium.ELECTRICAL))
        assert not [topic for topic in bms.heard if "IsolationRequest" in topic]


async def test_a_rack_is_given_back_at_a_persons_word_liquid_first(tmp_path: Path) -> None:
    def ask(medium: Medium) -> IsolationRequest:
        return IsolationRequest(rack="h1-r01", medium=medium, because="test")

    async with stock_bms() as bms, joined_house(tmp_path, bms) as (house, joined, _):
        await bms.rack("h1-r01")
        await until(lambda: not joined.link.why_lost() and len(joined.link.bms.metadata) >= 7)
        for medium in Medium:
            assert await joined.isolate(ask(medium))
        bms.obeys = False
        give_back = joined.isolating.release
        assert await give_back("h1-r01", because="ana: dry") is False
        assert bms.heard[bms.request("h1-r01", "Electrical")]["value"] == 1
        bms.obeys = True
        assert await give_back("h1-r01", because="ana: dry") is True
        for word in ("Electrical", "Liquid"):
            assert bms.heard[bms.request("h1-r01", word)]["value"] == 0
        kinds = [each.kind for each in house.state.facts.events()]
        assert (kinds.count("IsolationNotReleased"), kinds.count("IsolationReleased")) == (1, 1)
        with pytest.raises(OperatorMust, match="takes no request"):
            await give_back("h9-r09", because="ana")
        joined.spec.allow.remove("isolation")
        with pytest.raises(PolicyRefused, match="may not be asked"):
            await give_back("h1-r01", because="ana")


async def test_meters_tell_the_plant_who_feeds_whom_and_conflicts_are_shown(
    tmp_path: Path,
) -> None:
    async with stock_bms() as bms, joined_house(tmp_path, bms) as (house, _, _):
        house.state.facts.put_target(
            Target(
                address="https://127.9.9.8",
                name="h1-r01-ps1",
                labels={"rack": "h1-r01", "row": "a", "feed": "h1-b"},
            )
        )
        for meter, serves in (("h1-a", ["h1-r01-ps1"]), ("h1", ["h1-a"])):
            await bms.describe(
                f"PowerMeter/ActivePower/site/{meter}",
                objectName=meter, objectId=meter, servesId=serves,
            )  # fmt: skip
        await until(lambda: len(house.power.planted.claims) >= 4)
        claims = {(each.subject, each.field, each.value) for each in house.power.planted.claims}
        assert ("domain/h1-a", "parent", "h1") in claims
        assert ("domain/h1-r01", "parent", "h1-a") in claims
        assert {each.source for each in house.power.planted.claims} == {"building/bms"}


class Centre:
    def __init__(self) -> None:
        self.limits: dict[str, float | None] = {}

    def target(self, limit_w: float | None) -> None:
        self.limits["site"] = limit_w

    def derate(self, domain: str, limit_w: float | None) -> None:
        self.limits[domain] = limit_w


def a_key() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": "acme-1"}, auto_kid=False)


async def send(
    bms: StockBms,
    signer: ECKey,
    feeds: list[str],
    kilowatts: float,
    *,
    name: str = "",
    old_s: float = 0.0,
    until_s: float | None = None,
) -> None:
    """A load target that holds from now on, or `until_s` from now; sent `old_s` ago."""
    now = time.time() - old_s
    end = {} if until_s is None else {"end_time": stamp(now + until_s)}
    wish = {
        "interval": {"start_time": stamp(now - 1), **end},
        "feed_tags": feeds,
        "load_constraint": {"value": kilowatts, "unit": "kilowatt"},
    }
    head = {"alg": "ES256", "kid": "acme-1"}
    data = jws.serialize_compact(head, json.dumps({"targets": [wish]}).encode(), signer)
    event = {
        "specversion": "1.0.2", "id": name or str(uuid4()), "source": "//grid/v1/isv/acme",
        "type": "grid.loadtarget.set.v1", "time": stamp(now), "data": data,
    }  # fmt: skip
    await bms.client.publish("grid/v1/isv/acme/loadtarget/set", json.dumps(event), 1)


async def test_a_signed_target_is_held_and_everything_else_is_refused_and_audited(
    tmp_path: Path,
) -> None:
    key, keys = a_key(), tmp_path / "acme.jwks.json"
    keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    flex = {"senders": [{"name": "acme", "keysFile": str(keys)}], "feeds": {"main-a": "h1-a"}}
    async with (
        stock_bms() as bms,
        joined_house(tmp_path, bms, allow=["flex"], flex=flex) as (house, joined, _),
    ):
        centre = house.joining.centre = Centre()
        flexing = house.joining.flexing
        assert flexing is not None
        await until(lambda: not joined.link.why_lost())
        await send(bms, a_key(), [], 1.0)
        await send(bms, key, ["main-z"], 1.0, name="the-same-id")
        await send(bms, key, ["main-a"], 1.0, name="the-same-id")
        await send(bms, key, [], 1.0, old_s=3600.0)
        await send(bms, key, [], 1.0, until_s=-0.5)
        lies = ["Forged", "OtherSite", "Replayed", "NotFresh", "Expired"]
        await until(lambda: flexing.refused == lies)
        assert centre.limits == {}
        await send(bms, key, [], 900.0)
        await send(bms, key, ["main-a"], 400.0)
        await until(lambda: centre.limits == {"site": 900e3, "h1-a": 400e3})
        await asyncio.gather(*flexing._writing)
        entries = await house.state.audit.entries()
        told = [(each.what, each.detail) for each in entries if each.who == "grid"]
        assert [what for what, _ in told].count("ask") == 2
        refused = [detail for what, detail in told if what == "refuse"]
        assert len(refused) == len(lies)
        assert all(any(word in detail for detail in refused) for word in lies)
    kept = json.loads((tmp_path / "state" / "load-targets.json").read_text())
    assert [each["limit_w"] for each in kept["targets"]] == [900e3, 400e3]


async def test_a_broker_that_is_not_joined_any_more_is_no_endpoint(tmp_path: Path) -> None:
    async with stock_bms() as bms, joined_house(tmp_path, bms) as (house, joined, _):
        address = joined.device.address
        assert house.state.facts.target_of(address)
    (tmp_path / "state" / "power.yaml").unlink()
    async with open_house(HouseOptions(state_dir=tmp_path / "state")) as house:
        assert house.state.facts.target_of(address) is None
        assert house.joining.joined is None


@pytest.mark.parametrize("broker", ["mqtt://10.0.0.1", "ftp://x", "mqtts://a/b"])
async def test_a_broker_that_is_none_stops_the_start(tmp_path: Path, broker: str) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    told = document(1, broker=broker)
    (state / "power.yaml").write_text(json.dumps(told))
    with pytest.raises(Exception, match=r"unencrypted|broker is"):
        async with open_house(HouseOptions(state_dir=state)):
            pass


async def test_a_building_is_joined_and_left_while_the_server_runs(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    async with stock_bms() as bms, open_house(HouseOptions(state_dir=state)) as house:
        assert house.joining.joined is None
        house.state.secrets.put("building", user=OURS, password=bms.broker.accounts[OURS].password)
        wanted = msgspec.convert(document(bms.broker.port), BuildingDocument)
        bad = msgspec.structs.replace(
            wanted, spec=msgspec.structs.replace(wanted.spec, broker="http://b")
        )
        with pytest.raises(OperatorMust):
            await house.joining.exchange(bad)
        await house.joining.exchange(wanted)
        joined = house.joining.joined
        assert joined is not None
        await until(lambda: not joined.link.why_lost())
        assert house.state.facts.target_of(joined.device.address) is not None
        await house.joining.exchange(None)
        assert house.joining.joined is None
        assert house.state.facts.target_of(joined.device.address) is None
