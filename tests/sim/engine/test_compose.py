"""Several rooms' reactions on one device."""

from __future__ import annotations

from iolaus.sim.actions import set_power
from iolaus.sim.device import Device, Outcome
from iolaus.sim.effects import Push, Quiet, attentive, compose
from iolaus.sim.tree import Resource
from tests.sim.engine.tree import V1, device

SYSTEM = f"{V1}/Systems/1"


class Diary(Quiet):
    def __init__(self, answer: Outcome | None = None) -> None:
        self.seen: list[str] = []
        self.answer = answer

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        self.seen.append(f"written {path}")

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        self.seen.append(action)
        return self.answer

    def pushed(self, device: Device, push: Push) -> Outcome | None:
        self.seen.append("pushed")
        return self.answer

    def booted(self, device: Device, path: str) -> None:
        self.seen.append("booted")

    def restarted(self, device: Device) -> None:
        self.seen.append("restarted")

    def mains(self, device: Device, on: bool) -> None:
        self.seen.append(f"mains {on}")

    def truth(self, device: Device) -> Resource:
        return {f"of {id(self)}": len(self.seen)}


class Deaf:
    """Knows of writes and actions only."""

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        return

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        return None


async def test_everyone_is_told_of_every_moment() -> None:
    first, second = Diary(), Diary()
    found = device(effects=compose(first, Deaf(), None, compose(second)))
    found.patch(SYSTEM, {"PowerState": "Off"})
    set_power(found, SYSTEM, "On")
    found.restart()
    found.mains(False)
    found.mains(True)
    assert first.seen == second.seen
    assert [word for word in first.seen if not word.startswith("written")] == [
        "booted", "restarted", "mains False", "mains True", "restarted",
    ]  # fmt: skip
    assert len(attentive(found.effects).truth(found)) == 2


def test_the_first_that_has_an_answer_gives_it() -> None:
    silent, one, other = Diary(), Diary(Outcome(status=200)), Diary(Outcome(status=500))
    effects, found = compose(silent, one, other), device()
    answer = effects.acted(found, SYSTEM, "ComputerSystem.Reset", {})
    assert answer == Outcome(status=200)
    push = Push(path="x", headers={}, body=b"")
    assert effects.pushed(found, push) == Outcome(status=200)
    assert (silent.seen, other.seen) == (["ComputerSystem.Reset", "pushed"], [])


def test_whoever_knows_no_moments_is_left_in_peace() -> None:
    assert attentive(Deaf()).truth(device()) == {}
    assert attentive(None).pushed(device(), Push(path="x", headers={}, body=b"")) is None
