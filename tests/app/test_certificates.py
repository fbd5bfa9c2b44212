"""A certificate of an authority of ours at the devices of two makes, over the real wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.test_rolling import applied, known, over, planned, want
from tests.sim.firmware.stage import machines
from tests.survival.stage import CALM, Ground, Stage, grounded, housed, staged

from iolaus.fleet.certify import make_authority
from iolaus.model.authority import Words
from iolaus.model.plan import Fate
from iolaus.model.rollout import NodeState, RolloutState
from iolaus.wire.redfish.trust import first_contact

WANTED = {"authority": "hall-ca", "renewBefore": "30d"}


def our_authority(on: Stage, name: str = "hall-ca", *, days: int = 397) -> None:
    made = make_authority(name, words=Words(), days=3650, now=on.house.clock.now())
    on.house.state.authorities.put(name, certificate=made.certificate, key=made.key, days=days)


def pins(on: Stage) -> dict[str, str | None]:
    return {h.target.address: h.target.fingerprint for h in on.house.state.facts.all_held()}


async def shown(on: Stage) -> dict[str, str]:
    return {address: await first_contact(address) for address in pins(on)}


async def test_they_are_signed_by_ours_and_the_pins_move(tmp_path: Path) -> None:
    async with staged(
        tmp_path, *machines("dl365-cpu", "gb300-tray"), managed=True, periods=CALM
    ) as on:
        await known(on)
        our_authority(on)
        await want(on, bmc={"certificate": WANTED})
        before = await shown(on)
        plan, progress = await applied(on)
        assert {node.fate for node in plan.nodes} == {Fate.UPDATE}, plan
        assert progress.state is RolloutState.DONE, progress
        assert {node.state for node in progress.nodes.values()} == {NodeState.DONE}
        after = await shown(on)
        assert pins(on) == after
        assert not set(before.values()) & set(after.values())
        await known(on)

        async def right() -> bool:
            return {node.fate for node in (await planned(on)).nodes} == {Fate.NO_OP}

        await on.until(right, "nothing departs any more")


async def test_who_was_trusted_by_authority_is_pinned_when_ours_is_not_among_them(
    tmp_path: Path,
) -> None:
    async with staged(
        tmp_path, *machines("dl365-cpu"), managed=True, pinned=False, periods=CALM
    ) as on:
        await known(on)
        our_authority(on)
        await want(on, bmc={"certificate": WANTED})
        assert set(pins(on).values()) == {None}
        _, progress = await applied(on)
        assert progress.state is RolloutState.DONE, progress
        assert pins(on) == await shown(on)


async def begun(folder: Path, ground: Ground, kind: str, step: str) -> tuple[str, dict[str, str]]:
    """A life that ends when the journal says this of a step; the plan, and what was served."""
    async with housed(folder, ground, managed=True, periods=CALM) as on:
        await known(on)
        our_authority(on)
        await want(on, bmc={"certificate": WANTED})
        before = await shown(on)
        plan = await planned(on)
        await on.house.rolling.apply(plan.id, by="ana")

        async def there() -> bool:
            entries = await on.house.rolling.journal.entries(plan.id)
            return any(e.kind == kind and (e.step or "").endswith(step) for e in entries)

        await on.until(there, f"{step} is {kind}")
        return plan.id, before


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        pytest.param("started", "request-certificate", marks=pytest.mark.soak),
        ("sent", "request-certificate"),
        ("started", "renew-certificate"),
        pytest.param("sent", "renew-certificate", marks=pytest.mark.soak),
    ],
)
async def test_a_life_that_ends_anywhere_leaves_an_endpoint_that_the_next_one_reaches(
    tmp_path: Path, kind: str, step: str
) -> None:
    async with grounded(tmp_path, *machines("dl365-cpu")) as ground:
        plan_id, before = await begun(tmp_path, ground, kind, step)
        async with housed(tmp_path, ground, managed=True, periods=CALM) as on:
            plan = await on.house.rolling.journal.plan(plan_id)
            progress = await over(on, plan)
            assert progress.state is RolloutState.DONE, progress
            after = await shown(on)
            assert pins(on) == after
            assert not set(before.values()) & set(after.values())
            await known(on)
