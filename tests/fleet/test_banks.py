"""The way back by the other bank: planned, sent and seen through the ports of a driver."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from iolaus.drivers.ports import Receipt
from iolaus.fleet.hands import FleetHands
from iolaus.model.endpoint import Mode, Target
from iolaus.model.plan import Expect, NodePlan, Op, Step, Verb
from tests.fleet.build import firmware
from tests.fleet.planned import ABLE, base_of, image, planned, tray, want

MANAGER, OTHER = "/redfish/v1/Managers/1", "/redfish/v1/Managers/Board"


class Controller:
    """Two banks; it implements the driver, its device and its lane as far as they are asked."""

    def __init__(self) -> None:
        self.banks, self.boots = {"a": "1.7", "b": "1.8"}, "b"
        self.resets: list[str] = []

    async def driver(self) -> Controller:
        return self

    def at(self, *_: object, **__: object) -> Controller:
        return self

    writer = at

    async def next_version(self, _: object, manager: str) -> str | None:
        return self.banks[self.boots] if manager == MANAGER else None

    async def switch_bank(self, _: object, manager: str, version: str) -> Receipt:
        assert manager == MANAGER
        self.boots = next(bank for bank, held in self.banks.items() if held == version)
        return Receipt(method="PATCH", uri=manager, status=200, at=0.0)

    async def reset_manager(self, _: object, uri: str) -> Receipt:
        self.resets.append(uri)
        return Receipt(method="POST", uri=uri, status=204, at=0.0)

    async def get(self, uri: str) -> Any:
        return SimpleNamespace(uri=uri, body={})

    async def spots(self, _: object, *more: Any) -> Any:
        values = {subject: True for subject in more[-1] if subject == "endpoint/reachable"}
        return SimpleNamespace(values=values, reasons={})


def hands_of(controller: Controller) -> FleetHands:
    held = SimpleNamespace(target=Target(address="https://b", mode=Mode.MANAGED), report=object())
    asset = SimpleNamespace(resources=(OTHER, MANAGER), key="Systems/1")
    unused: Any = None
    facts: Any = SimpleNamespace(find_asset=lambda _: (held, asset))
    opened: Any = controller
    return FleetHands(
        facts=facts,
        open_device=lambda _: opened,
        drains=unused,
        images=unused,
        begun=unused,
        rotation=unused,
    )


def node_with_banks() -> NodePlan:
    parts = (
        firmware("BMC", "1.7", kind="bmc", booted_by=MANAGER),
        firmware("Backup", "1.6", kind="bmc", bank="backup", booted_by=MANAGER),
    )
    able = ABLE | {"manager.reset"}
    base = base_of(firmware={"components": [want("bmc", "1.8")]})
    plan = planned(
        [tray("n1", firmware=parts, capabilities=able)], base, image("bmc-1.8.fwpkg", bmc="1.8")
    )
    return plan.nodes[0]


def steps_of(node: NodePlan) -> tuple[Step, Step]:
    look, flash, *_ = node.steps
    return look, flash


def test_the_flash_goes_back_by_the_bank_and_the_look_before_it_by_a_reset() -> None:
    look, flash = steps_of(node_with_banks())
    assert flash.undo is not None
    assert flash.undo.verb is Verb.SWITCH_BANK
    assert flash.undo.arguments == {"manager": MANAGER, "component": "BMC", "version": "1.7"}
    assert flash.undo_after[0] == Expect(subject="bank/BMC", op=Op.IS, value="1.7")
    assert look.undo is not None
    assert (look.undo.verb, look.undo.arguments) == (Verb.RESET_MANAGER, {"manager": MANAGER})
    assert look.undo_after[0] == Expect(subject="firmware/BMC", op=Op.IS, value="1.7")


async def test_the_bank_is_switched_and_seen_and_its_own_manager_is_reset() -> None:
    controller, node = Controller(), node_with_banks()
    hands, (look, flash) = hands_of(controller), steps_of(node)
    assert flash.undo is not None
    assert look.undo is not None
    before = await hands.look(node, flash, flash.undo_after, baseline={})
    assert (before.verdict, before.seen["bank/BMC"]) == ("unmet", "1.8")
    await hands.do(node, flash, flash.undo, effect="p/1")
    after = await hands.look(node, flash, flash.undo_after, baseline={})
    assert (controller.boots, after.verdict) == ("a", "met")
    await hands.do(node, look, look.undo, effect="p/2")
    assert controller.resets == [MANAGER]
