"""Who is asked when: everybody in turn, and who has what nobody likes at every turn."""

from __future__ import annotations

from collections import Counter

from iolaus.model.endpoint import EndpointStatus, Reach, Target
from iolaus.recovery.rounds import LEAST_S, Rounds, controllers
from iolaus.store.held import Held

HALL = {f"https://10.0.0.{number}": True for number in range(200)}
SICK = "https://10.0.0.7"


class Asked:
    def __init__(self) -> None:
        self.asked = Counter[str]()
        self.sick = {SICK}
        self.mute = False

    async def ask(self, address: str) -> str | None:
        self.asked[address] += 1
        if self.mute:
            return None
        return "BMC update at 99 %" if address in self.sick else ""


async def test_each_is_asked_once_a_round_and_who_is_wedged_at_every_turn() -> None:
    asked = Asked()
    rounds = Rounds(asked.ask, every_s=lambda: 600.0, turn_s=10.0)
    for turn in range(61):
        await rounds.turn(HALL, 10.0 * turn)
    assert rounds.of(SICK) == "BMC update at 99 %"
    assert {count for address, count in asked.asked.items() if address != SICK} == {1}
    assert len(asked.asked) == len(HALL)
    before = asked.asked[SICK]
    asked.sick.clear()
    asked.mute = True
    await rounds.turn(HALL, 602.0)
    assert rounds.of(SICK), "what cannot be told takes back nothing"
    asked.mute = False
    await rounds.turn(HALL, 605.0)
    assert asked.asked[SICK] == before + 2
    assert rounds.of(SICK) == ""


async def test_who_is_silent_or_gone_is_not_asked_and_nobody_too_often() -> None:
    asked = Asked()
    rounds = Rounds(asked.ask, every_s=lambda: 0.0, turn_s=0.1)
    few = dict.fromkeys(list(HALL)[:5], False)
    for turn in range(100):
        await rounds.turn(few, LEAST_S * turn)
    assert not asked.asked
    for turn in range(200):
        await rounds.turn(dict.fromkeys(few, True), 1000.0 + LEAST_S * turn / 50)
    assert max(asked.asked.values()) <= 5
    asked.sick = set(few)
    await rounds.turn(dict.fromkeys(few, True), 2000.0)
    assert all(rounds.of(address) for address in few)
    await rounds.turn({}, 2001.0)
    assert not any(rounds.of(address) for address in few)


def held(address: str, reach: Reach | None = Reach.REACHABLE) -> Held:
    status = EndpointStatus(address=address, reach=reach, at=1.0, since=1.0) if reach else None
    return Held(Target(address=address), status)


def test_only_what_has_tasks_is_asked_for_them() -> None:
    hall = (
        held("https://10.0.0.1"),
        held("10.0.0.2", Reach.UNREACHABLE),
        held("https://10.0.0.3", None),
        held("modbus+tcp://10.0.0.4"),
        held("dsx+mqtt://10.0.0.5:1883"),
    )
    assert controllers(hall) == {
        "https://10.0.0.1": True,
        "10.0.0.2": False,
        "https://10.0.0.3": False,
    }
