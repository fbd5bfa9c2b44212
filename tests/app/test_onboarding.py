"""A delivery is taken on over the real wire, and each machine that is not as ordered stands."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.recovery.delivery import CA, Truck, receiving, standings, truck
from tests.sim.manners.stage import shelf
from tests.survival.stage import Stage, grounded

from iolaus.app.house_onboarding import Tempo
from iolaus.model.endpoint import Mode
from iolaus.model.plan import Asked
from iolaus.model.select import parse_selector
from iolaus.north.context import DiscoveryOrder
from iolaus.sim.catalogue.truth import device_truth

pytestmark = pytest.mark.slow

WRONG = {"n003": "serial", "n004": "model", "n006": "clone", "n008": "silent"}
DONE = ("HandedOver", "Done")


async def all_settled(on: Stage, lorry: Truck) -> None:
    async def check() -> bool:
        stood = standings(on)
        return all(stood.get(d.name) == DONE for d in lorry.right) and all(
            stood[name][0] == "Conflict" or stood[name][1] in ("Silent", "Failed")
            for name in lorry.wrong
        )

    await on.until(check, f"all are settled: {standings(on)}", patience_s=150.0)


async def test_a_delivery_of_three_makes_is_taken_on_and_the_wrong_ones_stand(
    tmp_path: Path,
) -> None:
    lorry = truck(10, WRONG)
    async with (
        grounded(tmp_path, *lorry.devices) as ground,
        receiving(tmp_path, ground, lorry) as on,
    ):
        silent = lorry.named("n008")

        async def begun() -> bool:
            return standings(on).get("n008", ("", ""))[0] not in ("", "Expected", "Appeared")

        await on.until(begun, "the one that falls silent is on its way")
        silent.down("silence")
        await all_settled(on, lorry)
        stood = standings(on)
        assert stood["n003"] == ("Conflict", "WrongSerial")
        assert stood["n004"] == ("Conflict", "WrongModel")
        assert stood["n006"] in (("Conflict", "DuplicateIdentity"), ("Conflict", "WrongSerial"))
        facts, secrets = on.house.state.facts, on.house.state.secrets
        authority = on.house.state.authorities.known()[CA]
        for device in lorry.right:
            target = facts.target_of(device.address)
            assert target is not None
            assert (target.mode, target.name) == (Mode.MANAGED, device.name)
            own = secrets.own(device.address, name=f"factory.{device.name}")
            assert own is not None
            assert own.login.password == device.gate.accounts["root"].password
            assert own.login.password != lorry.factory[device.name]
            report = facts.report_of(device.address)
            assert report is not None
            assert authority.subject in {each.issuer for each in report.certificates}
        for name in ("n003", "n004", "n006"):
            device = lorry.named(name)
            target = facts.target_of(device.address)
            assert target is None or target.mode is Mode.READ_ONLY
            assert device.gate.accounts["root"].password == lorry.factory[name]
        for password in lorry.factory.values():
            assert password not in str(on.logs)


async def test_a_machine_is_handed_over_by_a_start_over_http(tmp_path: Path) -> None:
    lorry = truck(1)
    (device,) = lorry.devices
    async with shelf(b"a loader") as url, grounded(tmp_path, device) as ground:
        to = {"to": "http-boot", "url": url}
        async with receiving(tmp_path, ground, lorry, handover=to) as on:
            await all_settled(on, lorry)
            truth, system = device_truth(device), lorry.system(device)
            assert truth["started_from"] == {system: "UefiHttp"}
            assert truth["loaded"][system]["uri"] == url
            boot = (device.get(system) or {})["Boot"]
            assert (boot["BootSourceOverrideEnabled"], boot["HttpBootUri"]) == ("Disabled", url)
            (stood,) = (each for each in on.house.onboarding.progressed() if each.candidate)
            assert stood.candidate is not None
            assert stood.candidate.handed_to == "http-boot"


async def test_what_is_discovered_and_on_no_list_stands_as_unexpected(tmp_path: Path) -> None:
    lorry = truck(1)
    (device,) = lorry.devices
    other = [{"serial": "Z9", "name": "other", "credential": "factory.n000"}]
    async with (
        grounded(tmp_path, device) as ground,
        receiving(tmp_path, ground, lorry, nodes=other) as on,
    ):
        order = DiscoveryOrder(targets=(device.address,), trust_first=True)
        await on.house.discoverer.run(order, lambda _: None)

        async def stands() -> bool:
            return standings(on).get(device.name) == ("Appeared", "Unexpected")

        await on.until(stands, "it stands, and nobody logged in there")
        assert device.gate.accounts["root"].password == lorry.factory[device.name]


@pytest.mark.soak
async def test_a_node_is_retired_without_a_trace_and_begins_anew(tmp_path: Path) -> None:
    lorry = truck(2)
    async with (
        grounded(tmp_path, *lorry.devices) as ground,
        receiving(tmp_path, ground, lorry) as on,
    ):
        await all_settled(on, lorry)
        device, other = lorry.devices
        ours = device.gate.accounts["root"].password
        certificate = device.fingerprint
        rolling, tries = on.house.rolling, on.house.state.tries
        for began in tries.failures(device.address, within_s=3600.0):  # long ago by now
            tries.succeeded(device.address, began)
        plan = await rolling.plan_asked(
            Asked(kind="retire", arguments={"erase": True}),
            selector=parse_selector(device.name), batch=None, by="ana", keep=True,
        )  # fmt: skip
        await rolling.apply(plan.id, by="ana")

        async def retired() -> bool:
            return bool(on.house.onboarding.retirements())

        await on.until(retired, "it is retired", patience_s=60.0)
        (record,) = on.house.onboarding.retirements()
        outcomes = {each.what.partition(" ")[0]: each.outcome for each in record.items}
        proved = ("bios", "logs", "login", "certificate", "accounts", "subscriptions", "servers")
        assert {each for each in outcomes if outcomes[each] == "proved"} == set(proved), record
        assert outcomes["drives"] == "said", record
        assert set(device_truth(device)["erased"].values()) == {1}
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(record.key))
        key.verify(base64.b64decode(record.signature), record.signed_bytes())
        assert device.gate.accounts["root"].password == lorry.factory[device.name]
        assert device.fingerprint != certificate
        assert ours not in str({path: device.get(path) for path in device.paths()})
        assert on.house.state.facts.target_of(device.address) is None
        assert on.house.state.secrets.fact_of(device.address) is None
        assert other.gate.accounts["root"].password != lorry.factory[other.name]
        changed = {p for p in device.changed() if "/Managers/" in p and "LogServices" not in p}
        assert not [p for p in changed if "10.0.0.1" in str(device.get(p))]

        async def told() -> bool:
            return standings(on)[device.name] == ("Retired", "Retired")

        await on.until(told, "it stands as retired")
        await on.house.onboarding.recommission(device.name, by="ana")
        await all_settled(on, lorry)
        assert device.gate.accounts["root"].password not in (ours, lorry.factory[device.name])


WAY = (
    "Appeared", "AwaitingApproval", "Identified", "Claimed", "Credentialed", "Certified",
    "AtBaseline", "HandedOver",
)  # fmt: skip
NO_REQUEST = {"effect": "status", "status": 503, "select": {"path": "*GenerateCSR"}}
BY_HAND = Tempo(every_s=3600.0, gather_s=0.0)


async def life(on: Stage, before: str) -> str:
    """Turns of its loop, each looked at before the next, until one found it further than `before`:
    there. A life begins with a turn of its own, where it knows of anybody."""

    async def moved() -> str:
        ((state, _),) = list(standings(on).values()) or [("", "")]
        if state in WAY and WAY.index(state) > (WAY.index(before) if before else -1):
            return state
        if state in WAY or not before:
            await on.house.onboarding.turn()
        return ""

    return str(await on.until(moved, f"it goes on from {before}: {standings(on)}"))


async def test_a_life_that_ends_at_each_state_is_gone_on_with(tmp_path: Path) -> None:
    """Every life makes one move. What was done is not done again: the machine is given one
    password, and is handed over."""
    lorry = truck(1)
    (device,) = lorry.devices
    reached = [""]
    async with grounded(tmp_path, device, faults=[NO_REQUEST]) as ground:
        while reached[-1] != WAY[-1]:
            async with receiving(tmp_path, ground, lorry, tempo=BY_HAND, approval="list") as on:
                if reached[-1] == "AwaitingApproval":
                    await on.house.onboarding.approve_list("delivery", by="ana")
                if reached[-1] == "Credentialed":
                    await on.clear()
                reached.append(await life(on, reached[-1]))
                own = on.house.state.secrets.own(device.address, name="factory.n000")
        assert tuple(reached[1:]) == WAY
        assert own is not None
        assert (own.number, own.login.password) == (1, device.gate.accounts["root"].password)
