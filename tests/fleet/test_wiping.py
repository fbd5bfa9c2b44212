"""What is believed of a retirement's steps after a crash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from iolaus.fleet.step_retire import SAID
from iolaus.fleet.wiping import Wiping
from iolaus.kernel.clock import WallClock
from iolaus.model.endpoint import Target

TARGET = Target(address="https://127.0.0.9")


def wiping(journal: Mapping[tuple[str, str], Mapping[str, Any]]) -> Wiping:
    """In a life that has sent nothing itself; nobody is asked."""

    async def receipts(uid: str, key: str) -> Mapping[str, Any] | None:
        return journal.get((uid, key))

    nobody = cast("Any", None)
    return Wiping(
        facts=nobody, vault=nobody, finder=nobody, clock=WallClock(), shows=nobody,
        open_device=nobody, let_in=nobody, receipts=receipts,
    )  # fmt: skip


async def test_an_order_of_which_no_receipt_is_known_was_not_carried_out() -> None:
    told = {"wiped": {"/d": "/Tasks/1 is Completed"}, "not_offered": []}
    hands = wiping({("one", "wiped-drives"): told})
    values: dict[str, Any] = {}
    await hands.look("one", TARGET, [f"{SAID}drives", f"{SAID}bios"], values)
    assert values == {f"{SAID}drives": told, f"{SAID}bios": None}
    await hands.look("two", TARGET, [f"{SAID}drives"], values)
    assert values[f"{SAID}drives"] is None
