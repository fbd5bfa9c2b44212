"""A made-up hall that hands act on: devices with moods, where every effect is counted.

An effect is what happens inside the device, once for each sending that took effect; what the
caller hears is another matter: nothing, a lie, a refusal, or an answer that comes late. Values
appear `lag_s` after the effect, reads may be stale, unknown or silent, and a bricked device
answers nobody any more.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from iolaus.act.ports import Sight
from iolaus.drivers.lane import HeldBack
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.model.plan import (
    Action,
    Expect,
    Fate,
    Limits,
    NodePlan,
    OnFailure,
    Op,
    Plan,
    Step,
    Verb,
    Wave,
)

Point = Callable[[str], Awaitable[None]]
BMC, BOOTS, DRAINED = "firmware/BMC", "boots", "drained"


class Mood(msgspec.Struct, kw_only=True):
    """Chances (0 to 1) of what a device does, and delays in seconds. The first that comes true
    counts. `sulks` bounds how many bad answers it gives in all, so that it is good in the end."""

    silent_before: float = 0.0
    silent_after: float = 0.0
    garbled_after: float = 0.0
    refuses: float = 0.0
    refusal: int = 503
    lies: float = 0.0
    unknown_look: float = 0.0
    silent_look: float = 0.0
    stale_look: float = 0.0
    latency_s: float = 0.5
    lag_s: float = 5.0
    hang_s: float = 0.0
    bricks_on: str = ""
    sulks: int = 1_000_000
    held_until_s: float = 0.0
    """Until then its login is held back by ourselves, in the clock's monotonic seconds."""


class Device:
    def __init__(self, uid: str, mood: Mood, *, random: random.Random) -> None:
        self.uid, self.mood, self.random = uid, mood, random
        self.facts: dict[str, Any] = {BMC: "1", BOOTS: 7, DRAINED: False, "power": "on"}
        self.later: list[tuple[float, str, Any]] = []
        self.effects: Counter[str] = Counter()
        self.sent: list[str] = []
        self.bricked = False

    def moody(self, chance: float) -> bool:
        if not chance or self.mood.sulks <= 0 or self.random.random() >= chance:
            return False
        self.mood.sulks -= 1
        return True

    def take_effect(self, action: Action, now: float) -> None:
        self.effects[action.verb.value] += 1
        if action.verb.value == self.mood.bricks_on:
            self.bricked = True
        due = now + self.mood.lag_s
        for subject, value in action.arguments.get("set", {}).items():
            self.later.append((due, subject, value))
        if bump := action.arguments.get("bump"):
            self.later.append((due, bump, None))

    def settle(self, now: float) -> None:
        for each in [each for each in self.later if each[0] <= now]:
            self.later.remove(each)
            _, subject, value = each
            self.facts[subject] = self.facts[subject] + 1 if value is None else value


class Hall:
    """Implements `act.ports.Hands`. `point` is awaited before and after each effect."""

    def __init__(self, clock: JumpClock, *, seed: int = 1) -> None:
        self.clock, self.random = clock, random.Random(seed)
        self.devices: dict[str, Device] = {}
        self.effects: list[tuple[str, str]] = []
        self.away: set[str] = set()
        self.most_at_once = self._at_once = 0

    def add(self, uid: str, mood: Mood | None = None) -> Device:
        own = random.Random(self.random.random())
        self.devices[uid] = Device(uid, mood or Mood(), random=own)
        return self.devices[uid]

    def hands(self, point: Point | None = None) -> Hands:
        return Hands(self, point or _nothing)

    def doubled(self) -> list[str]:
        """Effect ids that took effect more than once."""
        return [e for e, n in Counter(effect for _, effect in self.effects).items() if n > 1]


class Hands:
    """One process's hands in the hall."""

    def __init__(self, hall: Hall, point: Point) -> None:
        self.hall, self._point = hall, point
        self.looks = self.dos = 0

    async def look(
        self,
        node: NodePlan,
        step: Step,
        expects: tuple[Expect, ...],
        *,
        baseline: Mapping[str, Any],
    ) -> Sight:
        device, clock = self.hall.devices[node.uid], self.hall.clock
        self.looks += 1
        await clock.sleep(device.mood.latency_s)
        if device.bricked or device.moody(device.mood.silent_look):
            raise DeviceSilent("no answer", operation="read", subject=node.uid)
        if device.moody(device.mood.unknown_look):
            return Sight(verdict="unknown", detail="it is not listed")
        if not device.moody(device.mood.stale_look):
            device.settle(clock.now())
        seen = {each.subject: device.facts[each.subject] for each in expects}
        wrong = [each for each in expects if not _holds(each, seen[each.subject], baseline)]
        detail = ", ".join(f"{e.subject} {e.op} {e.value}: {seen[e.subject]}" for e in wrong)
        return Sight(verdict="unmet" if wrong else "met", seen=seen, detail=detail)

    async def do(
        self, node: NodePlan, step: Step, action: Action, *, effect: str
    ) -> Mapping[str, Any]:
        device, mood, clock = self.hall.devices[node.uid], self.hall.devices[node.uid].mood, None
        clock = self.hall.clock
        self.dos += 1
        device.sent.append(effect)
        await self._point("before the effect")
        await clock.sleep(mood.latency_s)
        silent = DeviceSilent("no answer", operation=action.verb.value, subject=node.uid)
        if device.bricked or device.moody(mood.silent_before):
            raise silent
        if (left_s := mood.held_until_s - clock.monotonic()) > 0:
            raise HeldBack(
                "held", operation="log in to", subject=node.uid, status=401, retry_after_s=left_s
            )
        if device.moody(mood.refuses):
            raise DeviceRefused(
                "not now", operation=action.verb.value, subject=node.uid, status=mood.refusal
            )
        if not device.moody(mood.lies):
            device.take_effect(action, clock.now())
            self.hall.effects.append((node.uid, effect))
        await self._point("after the effect")
        await clock.sleep(mood.hang_s)
        if device.moody(mood.silent_after):
            raise silent
        if device.moody(mood.garbled_after):
            raise DeviceLied("HTML", operation=action.verb.value, subject=node.uid)
        return {"task": f"/tasks/{len(device.sent)}"}


async def _nothing(_: str) -> None:
    """No crash here."""


def _holds(expect: Expect, value: Any, baseline: Mapping[str, Any]) -> bool:
    if expect.op is Op.CHANGED:
        return expect.subject in baseline and baseline[expect.subject] != value
    return (value == expect.value) is not (expect.op is Op.IS_NOT)


# Plans


def is_(subject: str, value: Any) -> Expect:
    return Expect(subject=subject, op=Op.IS, value=value)


def setting(verb: Verb, **facts: Any) -> Action:
    return Action(verb=verb, arguments={"set": {k.replace("_", "/"): v for k, v in facts.items()}})


def steps(uid: str, *, reset: bool = True, **options: Any) -> tuple[Step, ...]:
    """Drain, flash, reset, undrain: the reset is the one that must not be doubled."""
    flash = Step(
        id=f"{uid}-flash",
        action=setting(Verb.UPDATE, firmware_BMC="2"),
        text="flash the BMC to 2",
        before=(is_(BMC, "1"), is_(DRAINED, True)),
        after=(is_(BMC, "2"),),
        undo=setting(Verb.UPDATE, firmware_BMC="1"),
        undo_after=(is_(BMC, "1"),),
        **options,
    )
    boot = Step(
        id=f"{uid}-reset",
        action=Action(verb=Verb.RESET, arguments={"bump": BOOTS}),
        text="reset",
        before=(is_(DRAINED, True),),
        after=(Expect(subject=BOOTS, op=Op.CHANGED), is_("power", "on")),
        **options,
    )
    return (drain(uid), flash, *([boot] if reset else []), undrain(uid))


def drain(uid: str) -> Step:
    return Step(
        id=f"{uid}-drain",
        action=setting(Verb.DRAIN, drained=True),
        text="drain",
        before=(is_(DRAINED, False),),
        after=(is_(DRAINED, True),),
        undo=setting(Verb.UNDRAIN, drained=False),
        undo_after=(is_(DRAINED, False),),
    )


def undrain(uid: str) -> Step:
    return Step(
        id=f"{uid}-undrain",
        action=setting(Verb.UNDRAIN, drained=False),
        text="undrain",
        after=(is_(DRAINED, False),),
    )


def node_of(uid: str, steps: tuple[Step, ...]) -> NodePlan:
    return NodePlan(
        uid=uid, name=uid, endpoint=f"https://{uid}", fate=Fate.UPDATE, facts="f", steps=steps
    )


def plan_of(
    nodes: int | list[NodePlan],
    *,
    at_once: int | None = 5,
    bricks: int = 1,
    on_failure: OnFailure | None = None,
    waves: int = 2,
    **options: Any,
) -> Plan:
    made = nodes if isinstance(nodes, list) else [_node(n) for n in range(nodes)]
    uids = [each.uid for each in made]
    size = -(-len(uids) // waves)
    return Plan(
        baseline="b",
        generation=1,
        nodes=tuple(made),
        waves=tuple(
            Wave(name=f"w{n}", nodes=tuple(uids[n * size : (n + 1) * size])) for n in range(waves)
        ),
        limits=Limits(max_unavailable=at_once, bricks=bricks),
        on_failure=on_failure or OnFailure(),
        **options,
    )


def _node(number: int) -> NodePlan:
    uid = f"n{number:05d}"
    return node_of(uid, steps(uid))


async def never() -> None:
    await asyncio.get_running_loop().create_future()
