"""Discovery: what is taken on, what is refused, and that a pin is never replaced."""

from __future__ import annotations

import pytest

from iolaus.kernel.errors import DeviceLied, DeviceSilent, IolausError, Unverified
from iolaus.model.endpoint import Reach, Target
from iolaus.observe.discover import Discovery, Outcome

PIN, OTHER = "aa" * 32, "bb" * 32


class Said:
    def __init__(self, reach: Reach, shown: str | None, error: IolausError | None) -> None:
        self.reach, self.fingerprint, self.error = reach, shown, error


class World:
    """Addresses with the certificate that each shows; "" for nobody, "html" for a web page."""

    def __init__(self, shows: dict[str, str]) -> None:
        self.shows = {f"https://{host}": shown for host, shown in shows.items()}
        self.targets: dict[str, Target] = {}
        self.begun: list[str] = []
        self.found: dict[str, Outcome] = {}

    def target_of(self, address: str) -> Target | None:
        return self.targets.get(address)

    def put_target(self, target: Target) -> None:
        self.targets[target.address] = target

    async def probe(self, target: Target) -> Said:
        shown = self.shows.get(target.address, "")
        if not shown:
            return Said(Reach.UNREACHABLE, None, _error(DeviceSilent))
        if shown == "html":
            return Said(Reach.UNSUPPORTED, PIN, _error(DeviceLied))
        if target.fingerprint != shown:
            return Said(Reach.UNAUTHENTICATED, shown, _error(Unverified))
        return Said(Reach.REACHABLE, shown, None)

    async def discover(
        self, *named: Target, ranged: tuple[Target, ...] = (), trust_first: bool = False
    ) -> dict[str, str]:
        def note(outcome: Outcome) -> None:
            self.found[outcome.address] = outcome

        discovery = Discovery(picture=self, probe=self.probe, begin=self.begun.append)
        await discovery.run(named, ranged, note, trust_first=trust_first)
        return {address.removeprefix("https://"): o.outcome for address, o in self.found.items()}


def _error(kind: type[IolausError]) -> IolausError:
    return kind("said the fake", operation="probe", subject="x", next_step="look.")


def at(host: str, fingerprint: str | None = None) -> Target:
    return Target(address=f"https://{host}", fingerprint=fingerprint)


async def test_an_unknown_certificate_is_refused_with_its_fingerprint_and_the_way_to_pin_it() -> (
    None
):
    world = World({"a": PIN})
    assert await world.discover(at("a")) == {"a": "refused"}
    refused = world.found["https://a"]
    assert PIN in refused.message
    assert "--trust first" in refused.next_step
    assert world.targets == {}
    assert world.begun == []


async def test_first_contact_pins_and_the_pin_holds_afterwards() -> None:
    world = World({"a": PIN})
    assert await world.discover(at("a"), trust_first=True) == {"a": "new"}
    assert world.targets["https://a"].fingerprint == PIN
    assert await world.discover(at("a")) == {"a": "known"}
    world.shows["https://a"] = OTHER
    assert await world.discover(at("a"), trust_first=True) == {"a": "refused"}
    assert world.targets["https://a"].fingerprint == PIN
    assert "pinned" in world.found["https://a"].message


async def test_a_named_silent_address_is_taken_on_and_a_silent_range_is_not() -> None:
    world = World({"c": PIN, "d": "html"})
    ranged = (at("b"), at("c"), at("d"))
    found = await world.discover(at("a"), ranged=ranged, trust_first=True)
    assert found == {"a": "silent", "c": "new"}
    assert sorted(world.begun) == ["https://a", "https://c"]


async def test_a_web_page_is_not_redfish() -> None:
    world = World({"a": "html"})
    assert await world.discover(at("a"), trust_first=True) == {"a": "failed"}
    assert world.found["https://a"].next_step
    assert world.targets == {}


async def test_what_was_said_of_a_target_before_is_not_forgotten() -> None:
    world = World({"a": PIN})
    world.targets["https://a"] = Target(
        address="https://a", name="n1", labels={"rack": "r1"}, fingerprint=PIN, credential="c"
    )
    await world.discover(Target(address="https://a", labels={"u": "7"}))
    assert world.targets["https://a"] == Target(
        address="https://a",
        name="n1",
        labels={"rack": "r1", "u": "7"},
        fingerprint=PIN,
        credential="c",
    )


@pytest.mark.parametrize("count", [0, 300])
async def test_many_are_tried_and_each_is_told_once(count: int) -> None:
    world = World({f"h{i}": PIN for i in range(count)})
    found = await world.discover(*(at(f"h{i}") for i in range(count)), trust_first=True)
    assert len(found) == len(world.begun) == count
