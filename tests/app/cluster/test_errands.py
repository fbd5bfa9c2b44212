"""A core without a way to the devices: an edge of the site looks, and what it brings is checked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.survival.stage import grounded, machine

from iolaus.app.cluster import letters
from iolaus.app.cluster.errands import FarSight, errand_topic
from iolaus.app.cluster.letters import Brought, Errand, error_of, opened, seal
from iolaus.app.cluster.lookout import Lookout
from iolaus.app.console_archive import OwnArchive
from iolaus.app.discovering import Discoverer
from iolaus.app.onboarding_moves import _target
from iolaus.app.sight import Handshakes, OwnSight
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.drivers.probe import ProbeResult
from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    IolausError,
    Unverified,
    WeErred,
)
from iolaus.model.candidate import Appearance, Way, appeared
from iolaus.model.endpoint import Reach, Target
from iolaus.model.shard import shard_of
from iolaus.model.surface import Surface
from iolaus.north.context import DiscoveryOrder, Found
from iolaus.observe.buses import Buses
from iolaus.store.facts import Facts
from iolaus.store.secrets import Secrets

PIN = "ab" * 32
THERE = Target(address="https://bmc1", labels={"site": "berlin"})


class Eyes:
    """A sight that says what it is told to, and notes who was looked at."""

    def __init__(self, name: str) -> None:
        self.name, self.looked = name, list[str]()
        self.found = ProbeResult(address=THERE.address, reach=Reach.REACHABLE, fingerprint=PIN)
        self.heard: tuple[str, ...] = ()
        self.error: IolausError | None = None

    def must_reach(self, site: str) -> None: ...

    async def probe(self, target: Target) -> ProbeResult:
        self.looked.append(target.address)
        return self.found

    async def search(self, site: str) -> tuple[str, ...]:
        if self.error is not None:
            raise self.error
        return self.heard

    async def shown(self, target: Target) -> str:
        if self.error is not None:
            raise self.error
        return self.found.fingerprint or ""

    async def trusted(self, target: Target) -> bool:
        return True

    async def survey(self, target: Target, now: float) -> Surface:
        return Surface(address=self.found.address, at=now, paths={"/redfish/v1/Systems": 401})


class Site:
    """A core, and edges of Berlin that look with these eyes."""

    def __init__(self, folder: Path, eyes: Mapping[str, Any]) -> None:
        self.clock, self.memory = WallClock(), Memory()
        self.seals, self.eyes = Secrets(folder / "secrets"), eyes
        self.serving, self.owner = list(eyes), dict[str, tuple[str, int]]()
        self.term, self.newest = 3, 3
        self.let_go = list[str]()
        self.far = FarSight(
            trunk=LocalTrunk(self.memory, self.clock),
            seals=lambda: self.seals,
            clock=self.clock,
            serving=lambda site: self.serving if site == "berlin" else [],
            owner_of=self.owner.get,
            term=lambda: self.term,
        )

    def lookout(self, name: str) -> Lookout:
        return Lookout(
            name=name,
            site="berlin",
            trunk=LocalTrunk(self.memory, self.clock),
            seals=lambda: self.seals,
            sight=self.eyes[name],
            archive=OwnArchive(lambda _: None),
            stale=lambda term, until: "a newer core leads" if term < self.newest else "",
            let_go=lambda target: self.let_go.append(target.address),
        )


@asynccontextmanager
async def site(folder: Path, **eyes: Any) -> AsyncIterator[Site]:
    made = Site(folder, eyes)
    trunk = LocalTrunk(made.memory, made.clock)
    async with AsyncExitStack() as stack:
        for name in eyes:
            answers = made.lookout(name).answer
            await stack.enter_async_context(trunk.answer(errand_topic(name), answers))
        yield made


async def test_a_hall_is_discovered_where_only_an_edge_reaches_it(tmp_path: Path) -> None:
    device = machine()
    async with grounded(tmp_path, device) as ground, AsyncExitStack() as stack:
        clock = WallClock()
        buses = Buses(clock=clock, tell=lambda _: None)
        stack.push_async_callback(buses.close)
        eyes = OwnSight(clock=clock, buses=buses, ca_file=None)
        at = await stack.enter_async_context(site(tmp_path, edge1=eyes))
        facts, begun = Facts(clock=clock), list[str]()
        core = Discoverer(
            facts=facts, secrets=at.seals, clock=clock, begin=begun.append, sight=at.far
        )

        async def discover(**words: Any) -> dict[str, Found]:
            found: dict[str, Found] = {}
            await core.run(DiscoveryOrder(**words), lambda e: found.update({e.address: e}))
            return found

        named = {"targets": (device.address,)}
        (refused,) = (await discover(**named, site="berlin")).values()
        assert (refused.outcome, refused.fingerprint) == ("refused", device.fingerprint)
        (new,) = (await discover(**named, site="berlin", trust_first=True)).values()
        target = facts.target_of(device.address)
        assert target is not None
        assert (new.outcome, begun) == ("new", [device.address])
        assert (target.fingerprint, target.labels) == (device.fingerprint, {"site": "berlin"})
        (known,) = (await discover(**named)).values()
        assert known.outcome == "known", "on which site it is was said before"
        assert at.let_go[-1] == device.address

        shows = Handshakes(at.far, facts.target_of)
        assert await shows.shown(device.address) == device.fingerprint
        assert not await shows.trusted(device.address)
        surface = await at.far.survey(target, 7.0)
        assert surface.certificate is not None
        assert surface.certificate.fingerprint == device.fingerprint
        assert (await at.far.probe(target)).vendor_hint
        assert ground.ca_file.exists()


async def test_where_nobody_looks_that_is_said_and_no_range_is_called_empty(
    tmp_path: Path,
) -> None:
    async with site(tmp_path, edge1=Eyes("edge1")) as at:
        facts, found = Facts(clock=at.clock), list[Found]()
        core = Discoverer(
            facts=facts, secrets=at.seals, clock=at.clock, begin=lambda _: None, sight=at.far
        )
        await core.run(DiscoveryOrder(targets=("https://127.9.9.9",), site="bonn"), found.append)
        assert [(each.outcome, "bonn" in each.message) for each in found] == [("silent", True)]
        for order in ({"targets": ("127.9.9.8/30",)}, {"ssdp": True}):
            with pytest.raises(DeviceSilent) as caught:
                await core.run(DiscoveryOrder(**order), found.append)
            assert caught.value.code == "NoEdge"


async def test_the_owner_looks_first_and_the_next_where_nobody_hears(tmp_path: Path) -> None:
    eyes = {name: Eyes(name) for name in ("edge1", "edge2", "edge3")}
    async with site(tmp_path, **eyes) as at:
        for _ in range(6):
            await at.far.probe(THERE)
        assert {len(each.looked) for each in eyes.values()} == {2}, "they look in turn"
        at.owner[shard_of(THERE)] = ("edge2", 9)
        for _ in range(3):
            await at.far.probe(THERE)
        assert [len(each.looked) for each in eyes.values()] == [2, 5, 2]
        at.owner[shard_of(THERE)] = ("gone", 10)
        at.serving.insert(0, "gone, too")
        assert (await at.far.probe(THERE)).reach is Reach.REACHABLE
        assert sum(len(each.looked) for each in eyes.values()) == 10


async def test_all_edges_of_a_site_search_and_some_may_fail(tmp_path: Path) -> None:
    eyes = {name: Eyes(name) for name in ("edge1", "edge2")}
    wild = (
        "http://10.0.0.1",
        "https://evil.example",
        "https://10.0.0.2/../",
        "10.0.0.3",
        "https://[",
    )
    async with site(tmp_path, **eyes) as at:
        eyes["edge1"].heard = ("https://10.0.0.9", "https://[fd00::1]:8443", *wild)
        eyes["edge2"].heard = ("https://10.0.0.9", "https://10.0.0.4")
        both = ["https://10.0.0.4", "https://10.0.0.9", "https://[fd00::1]:8443"]
        assert await at.far.search("berlin") == both
        eyes["edge1"].error = WeErred("no route", operation="search", subject="network")
        assert await at.far.search("berlin") == ["https://10.0.0.4", "https://10.0.0.9"]
        eyes["edge2"].error = eyes["edge1"].error
        with pytest.raises(WeErred, match="no route"):
            await at.far.search("berlin")


async def test_what_no_such_look_can_bring_is_not_believed(tmp_path: Path) -> None:
    eyes = Eyes("edge1")
    async with site(tmp_path, edge1=eyes) as at:
        for lie in ({"address": "https://other"}, {"fingerprint": "A" * 64}, {"fingerprint": ""}):
            true = ProbeResult(address=THERE.address, reach=Reach.REACHABLE, fingerprint=PIN)
            eyes.found = replace(true, **lie)
            found = await at.far.probe(THERE)
            assert (found.reach, found.fingerprint) == (Reach.UNREACHABLE, None)
            assert found.error is not None
            assert found.error.code == "ErrandUnreadable"
            if "address" in lie:
                with pytest.raises(WeErred):
                    await at.far.survey(THERE, 1.0)
            else:
                with pytest.raises(WeErred):
                    await at.far.shown(THERE)


async def test_what_stood_in_the_way_is_raised_as_it_was_there(tmp_path: Path) -> None:
    eyes = Eyes("edge1")
    async with site(tmp_path, edge1=eyes) as at:
        error = Unverified("it shows another", operation="o", subject="d", code="PinMismatch")
        eyes.found = ProbeResult(
            address=THERE.address, reach=Reach.UNAUTHENTICATED, fingerprint=PIN, error=error
        )
        found = await at.far.probe(THERE)
        assert isinstance(found.error, Unverified)
        assert (found.reach, found.fingerprint) == (Reach.UNAUTHENTICATED, PIN)
        silent = DeviceSilent("no route", operation="o", subject="d")
        eyes.found = ProbeResult(address=THERE.address, reach=Reach.UNREACHABLE, error=silent)
        told = (await at.far.probe(THERE)).error
        assert told is not None
        assert told.message == "no route, seen from edge1"
        eyes.error = silent
        with pytest.raises(DeviceSilent, match="no route"):
            await at.far.shown(THERE)
        eyes.error = ZeroDivisionError()  # type: ignore[assignment]
        with pytest.raises(WeErred, match="the edge erred"):
            await at.far.shown(THERE)


async def test_an_answer_that_is_too_large_for_the_bus_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eyes = Eyes("edge1")
    eyes.heard = tuple(sha256(bytes([number])).hexdigest() for number in range(200))
    async with site(tmp_path, edge1=eyes) as at:
        errand = seal(at.seals, Errand(term=3, until=9e9, do="search", site="berlin"))
        monkeypatch.setattr(letters, "MOST_BYTES", 2000)
        brought = opened(at.seals, await at.lookout("edge1").answer(errand), Brought)
        assert brought.trouble is not None
        assert isinstance(error_of(brought.trouble), DeviceLied)
        assert brought.trouble.code == "TooLarge"


async def test_nobody_looks_for_who_may_not_ask(tmp_path: Path) -> None:
    eyes = Eyes("edge1")
    async with site(tmp_path, edge1=eyes) as at:
        at.newest = 4
        found = await at.far.probe(THERE)
        assert isinstance(found.error, DeviceRefused)
        assert (found.error.code, found.error.status) == ("Fenced", 503)
        at.newest, lookout = 3, at.lookout("edge1")
        for wrong in (
            Errand(term=3, until=9e9, do="probe", site="bonn", target=THERE),
            Errand(term=3, until=9e9, do="reset", site="berlin", target=THERE),
            Errand(term=3, until=9e9, do="probe", site="berlin"),
        ):
            sealed = seal(at.seals, wrong)
            assert b"bmc1" not in sealed
            await lookout.answer(sealed)
        (tmp_path / "other").mkdir()
        good = Errand(term=3, until=9e9, do="probe", site="berlin", target=THERE)
        await lookout.answer(seal(Secrets(tmp_path / "other" / "secrets"), good))
        assert eyes.looked == []
        await lookout.answer(seal(at.seals, good))
        assert eyes.looked == [THERE.address]


def test_a_candidate_is_looked_for_on_its_site() -> None:
    lease = Appearance(address=THERE.address, way=Way.DHCP, at=1.0, mac="aa", site="bonn")
    seen = appeared(None, lease)
    again = appeared(seen, Appearance(address=THERE.address, way=Way.SSDP, at=2.0))
    assert _target(again, None, None, PIN).labels == {"site": "bonn"}
    assert _target(again, THERE, None, None).labels == {"site": "berlin"}
    other = appeared(again, Appearance(address=THERE.address, way=Way.DHCP, at=3.0, mac="bb"))
    assert _target(other, None, None, None).labels == {}


@settings(max_examples=60)
@given(body=st.binary(max_size=200), sealed=st.booleans())
def test_any_bytes_are_an_errand_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, sealed: bool
) -> None:
    seals = SEALS.setdefault("one", Secrets(tmp_path_factory.mktemp("seals") / "secrets"))
    raw = seals.seal(body, label=b"iolaus-letter-1\n") if sealed else body
    with pytest.raises((WeErred, Unverified)):
        opened(seals, raw, Errand)
    assert Brought().trouble is None


SEALS: dict[str, Secrets] = {}
