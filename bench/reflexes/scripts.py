"""What is done to the hall, one thing after the other, and what must come of it.

Each script strikes the twin through its oracle, waits until the oracle shows what was to come, and
says how long that took and what else was touched. A time counts from when the cause is there to be
read (a detector says critical, water stands in a rack's pan, a flow falls short, mains are gone),
to when the command reaches the device or the request the building.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from bench.energy.stays import NEVER
from bench.energy.table import goal
from bench.reflexes.stand import Stand
from iolaus.energy.reflex import CEASED

RESET: Final = "ComputerSystem.Reset"
WITHIN_S: Final = 45.0
GROWN_S: Final = 180.0
QUIET_S: Final = 6.0
NEAR_W: Final = 5.0
RECTIFIERS: Final = 6
WARM_S: Final = 180.0
"""A loop holds so much water that it warms by a degree in a quarter of a minute."""


class Script(NamedTuple):
    name: str
    play: Callable[[Stand], AsyncIterator[str]]


# --- who is where ---------------------------------------------------------------------------------


def nodes(on: Stand, *racks: str) -> list[str]:
    running = on.house.edges.edges.running
    return [node.name for rack in racks for node in running[rack].view.nodes]


def gear(on: Stand, word: str, **labels: str) -> list[str]:
    """Names of what is no node, by a part of the name and labels."""
    every = [held.target for held in on.house.state.facts.all_held()]
    return [
        each.name
        for each in every
        if each.name
        and word in each.name
        and all(each.labels.get(k) == v for k, v in labels.items())
    ]


async def detector_of(on: Stand, node: str) -> str:
    """The one that gets wet first is the last one, the lowest."""
    seat = on.house.edges.edges.hands.seats[node]
    known = on.house.edges.edges.known(seat.address)
    assert known is not None
    return [each.uri for each in known[1].readings if each.role == "leak"][-1]


# --- what is asked of all -------------------------------------------------------------------------


async def since(
    on: Stand, is_so: Callable[[], Awaitable[bool]], *, within_s: float = WITHIN_S
) -> float:
    """When it was first so, on the monotonic clock; NEVER where it never was."""
    on.played_s = began = time.monotonic()
    took_s = await on.when(is_so, patience_s=within_s)
    return NEVER if took_s is None else began + took_s


async def resets(on: Stand, after_s: float) -> dict[str, float]:
    """When each device was first told to switch a host, since then."""
    found: dict[str, float] = {}
    for each in await on.commands(RESET):
        if each.at_s >= after_s:
            found.setdefault(each.device, each.at_s)
    return found


async def isolations(on: Stand, after: float) -> list[dict[str, Any]]:
    """What the building was asked, by its own record (wall clock)."""
    judged = await on.ask("judged")
    return [each for each in judged if "Isolation" in each["point"] and each["at_s"] >= after]


def untouched(what: str, names: Sequence[str]) -> str:
    told = f"{what}: others switched or isolated"
    return goal(
        "6", f"{told} ({', '.join(sorted(set(names))) or 'none'})", len(set(names)), 0.0, ""
    )


def took(so_s: float, at_s: float) -> float:
    """From a cause to what came of it; NEVER where either did not come."""
    return NEVER if NEVER in (so_s, at_s) else so_s - at_s


async def none_but(on: Stand, allowed: Sequence[str], began_s: float, what: str) -> str:
    on.struck.update(allowed)
    others = [name for name in await resets(on, began_s) if name not in on.struck]
    wall = time.time() - (time.monotonic() - began_s)
    racks = {each["thing"] for each in await isolations(on, wall)} - on.struck
    return untouched(what, [*others, *racks])


async def capped(on: Stand, names: Sequence[str], most_w: Callable[[str], float]) -> bool:
    for name in names:
        if await on.cap_w(name) > most_w(name) + NEAR_W:
            return False
    return True


async def grown(on: Stand, names: Sequence[str], most_w: Callable[[str], float]) -> None:
    """Until what is to fall stands well above. Raises `TimeoutError`."""

    async def stands_above() -> bool:
        return all([await on.cap_w(name) > 1.2 * most_w(name) for name in names])

    if await since(on, stands_above, within_s=GROWN_S) == NEVER:
        raise TimeoutError(f"{', '.join(names)} did not grow: {on.unsettled()}")


def of_plate(on: Stand, part: float) -> Callable[[str], float]:
    """So much of a node's nameplate, or what its device goes down to."""
    views = {
        node.name: node
        for running in on.house.edges.edges.running.values()
        for node in running.view.nodes
    }
    return lambda name: max(part * views[name].nameplate_w, views[name].least_w)


def floor(on: Stand) -> Callable[[str], float]:
    views = {
        node.name: node
        for running in on.house.edges.edges.running.values()
        for node in running.view.nodes
    }
    return lambda name: views[name].floor_w


async def switched_off(on: Stand, name: str) -> float:
    """When the command came to it."""
    began = time.monotonic()
    found: dict[str, float] = {}

    async def told() -> bool:
        nonlocal found
        found = await resets(on, began - WITHIN_S)
        return name in found

    await since(on, told)
    return found.get(name, NEVER)


# --- leaks ----------------------------------------------------------------------------------------


async def wet_at(on: Stand, node: str, state: str) -> float:
    uri = await detector_of(on, node)

    async def is_wet() -> bool:
        return (await on.truth(node, uri)).get("DetectorState") == state

    return await since(on, is_wet)


async def tray_critical(
    on: Stand, rack: str = "h1-r01", bound_s: float = 1.0, most: int = 1
) -> AsyncIterator[str]:
    for name in nodes(on, rack)[:most]:
        began = time.monotonic()
        await on.strike("leak-tray", name)
        at_s = await wet_at(on, name, "Critical")
        off_s = await switched_off(on, name)
        yield goal(
            "6", f"tray leak at {name}, critical to command", took(off_s, at_s), bound_s, "s"
        )
        await asyncio.sleep(1.0)
        yield await none_but(on, [name], began, "tray leak")
    on.struck.add(rack)  # its water comes to the rack's pan in the end


async def tray_warning(on: Stand) -> AsyncIterator[str]:
    name, began = nodes(on, "h1-r01")[1], time.monotonic()
    await grown(on, [name], of_plate(on, 0.5))
    await on.strike("leak-tray", name, amount=0.06)
    at_s = await wet_at(on, name, "Warning")
    so_s = await since(on, lambda: capped(on, [name], of_plate(on, 0.5)))
    yield goal("6", "tray leak, warning (2 s dwell) to cap", took(so_s, at_s), 4.0, "s")
    yield await none_but(on, [], began, "tray leak, warning")
    await on.mend()


async def rack_leak(on: Stand) -> AsyncIterator[str]:
    rack, began, wall = "h1-r03", time.monotonic(), time.time()
    await on.strike("leak-rack", f"rack={rack}")

    async def is_wet() -> bool:
        return bool(await on.read(rack, "leak"))

    at = time.time() - time.monotonic() + await since(on, is_wet)
    asked: list[dict[str, Any]] = []

    async def both() -> bool:
        nonlocal asked
        asked = [each for each in await isolations(on, wall) if each["response"] == "ACCEPTED"]
        return len({each["point"] for each in asked if each["thing"] == rack}) == 2

    await since(on, both)
    media = [each["point"] for each in asked]
    last = asked[-1]["at_s"] if len(asked) > 1 else NEVER
    yield goal("6", "rack leak, both isolations accepted", took(last, at), 2.0, "s")
    in_order = [("Electrical" in word, "Liquid" in word) for word in media]
    wrong = float(in_order != [(True, False), (False, True)])
    yield goal("6", "rack leak, isolations out of order", wrong, 0.0, "")
    await asyncio.sleep(1.0)
    yield await none_but(on, [rack, *nodes(on, rack)], began, "rack leak")


async def loop_leak(on: Stand) -> AsyncIterator[str]:
    racks, began, wall = ["h1-r04", "h1-r05"], time.monotonic(), time.time()
    await on.strike("leak-floor", f"rack={racks[0]}", amount=12)
    asked: list[dict[str, Any]] = []

    async def all_cut() -> bool:
        nonlocal asked
        asked = [each for each in await isolations(on, wall) if each["response"] == "ACCEPTED"]
        return len({each["thing"] for each in asked if "Liquid" in each["point"]}) == len(racks)

    so_s = await since(on, all_cut)
    yield goal(
        "6", "leak under a loop, all its racks off and cut", took(so_s, began), WITHIN_S, "s"
    )
    offset, off = time.time() - time.monotonic(), await resets(on, began)
    early = 0
    for each in asked:
        offs = [off.get(name, NEVER) + offset for name in nodes(on, each["thing"])]
        early += each["at_s"] < max(offs)
    yield goal("6", "leak under a loop, racks cut with a node on", float(early), 0.0, "")
    yield await none_but(on, [*racks, *nodes(on, *racks)], began, "leak under a loop")


# --- detectors ------------------------------------------------------------------------------------


async def sensors(on: Stand) -> AsyncIterator[str]:
    names, began = nodes(on, "h1-r02"), time.monotonic()
    for fault, name in zip(("detector-fault", "detector-silent"), names, strict=True):
        await on.strike(fault, name)

        async def is_told(name: str = name) -> bool:
            return any(name in each for each in on.unknown())

        so_s = await since(on, is_told)
        yield goal("6", f"{fault}: told as unknown", took(so_s, on.played_s), 15.0, "s")
    await asyncio.sleep(QUIET_S)
    yield await none_but(on, [], began, "detectors at fault and silent")
    held = [each for each in on.held() if "h1-r02" in each]
    yield goal("6", "detectors at fault and silent: latches", float(len(held)), 0.0, "")
    await on.mend()


# --- coolant and heat -----------------------------------------------------------------------------


async def pump_loss(on: Stand) -> AsyncIterator[str]:
    unit, began = gear(on, "cdu", row="b")[0], time.monotonic()
    names = nodes(on, "h1-r04", "h1-r05")
    await grown(on, names, of_plate(on, 0.3))
    await on.play("set", thing=unit, point="pump_broken.0", value=1.0)
    for n in range(1, 6):
        await on.ask("set", thing=unit, point=f"pump_broken.{n}", value=1.0)
    at_s = on.played_s
    so_s = await since(on, lambda: capped(on, names, of_plate(on, 0.3)))
    yield goal("6", "pumps lost to cap in every node of the row", took(so_s, at_s), 2.0, "s")
    yield await none_but(on, [], began, "pumps lost")
    on.struck.update(names)


async def flow_loss(on: Stand) -> AsyncIterator[str]:
    unit, began = gear(on, "cdu", row="c")[0], time.monotonic()
    names, most = nodes(on, "h1-r06"), await on.read(unit, "flow_lpm") or 0.0
    await grown(on, names, of_plate(on, 0.3))
    await on.strike("pump-loss", unit, amount=9)

    async def is_low() -> bool:
        flow = await on.read(unit, "flow_lpm")
        return flow is not None and flow < CEASED * most

    at_s = await since(on, is_low)
    so_s = await since(on, lambda: capped(on, names, of_plate(on, 0.3)))
    yield goal("6", "flow lost to cap in every node of the row", took(so_s, at_s), 2.0, "s")
    yield await none_but(on, [], began, "flow lost")
    on.struck.update(names)  # who stays without flow gets too hot in the end


async def too_hot(on: Stand) -> AsyncIterator[str]:
    unit, names = gear(on, "cdu", row="a")[0], nodes(on, "h1-r02")
    began = time.monotonic()
    await grown(on, names, of_plate(on, 0.3))
    await on.strike("facility-warm", unit, amount=18)

    async def is_hot() -> bool:
        return (await on.read(unit, "supply_c") or 0.0) >= COOLANT_MAX_C

    at_s = await since(on, is_hot, within_s=WARM_S)
    so_s = await since(on, lambda: capped(on, names, of_plate(on, 0.3)))
    yield goal("6", "coolant too hot to cap", took(so_s, at_s), 3.0, "s")
    yield await none_but(on, [], began, "coolant too hot")
    await on.mend()


COOLANT_MAX_C: Final = 39.0


# --- supply ---------------------------------------------------------------------------------------


async def feed_loss(on: Stand) -> AsyncIterator[str]:
    """Of one of the rack's two shelves; the other one carries what is left."""
    rack = "h1-r03"
    shelf, names = gear(on, "ps", rack=rack)[0], nodes(on, rack)
    await grown(on, names, floor(on))
    began = time.monotonic()
    await on.play("set", thing=shelf, point="ac_loss_forced.0", value=1.0)
    for n in range(1, RECTIFIERS):
        await on.ask("set", thing=shelf, point=f"ac_loss_forced.{n}", value=1.0)
    so_s = await since(on, lambda: capped(on, names, floor(on)))
    yield goal("3", "feed of a shelf lost to the floors", took(so_s, began), 2.0, "s")
    yield await none_but(on, [], began, "feed of a shelf lost")
    for n in range(RECTIFIERS):
        await on.ask("set", thing=shelf, point=f"ac_loss_forced.{n}", value=0.0)


async def redundancy_loss(on: Stand) -> AsyncIterator[str]:
    rack = "h1-r02"
    shelf, names = gear(on, "ps", rack=rack)[0], nodes(on, rack)
    await grown(on, names, floor(on))
    began = time.monotonic()
    await on.play("set", thing=shelf, point="ac_loss_forced.0", value=1.0)
    so_s = await since(on, lambda: capped(on, names, floor(on)))
    yield goal("3", "redundancy of a shelf lost to the floors", took(so_s, began), 2.0, "s")
    yield await none_but(on, [], began, "redundancy of a shelf lost")
    await on.ask("set", thing=shelf, point="ac_loss_forced.0", value=0.0)


async def building_lost(on: Stand) -> AsyncIterator[str]:
    names, began = nodes(on, "h1-r02"), time.monotonic()
    await grown(on, names, of_plate(on, 0.75))
    await on.play("arm", name="late-heartbeat")
    so_s = await since(on, lambda: capped(on, names, of_plate(on, 0.75)))
    yield goal("6", "building silent (3 beats of 10 s) to cap", took(so_s, began), 40.0, "s")
    yield await none_but(on, [], began, "building silent")
    await on.ask("disarm", word="late-heartbeat")


# --- afterwards -----------------------------------------------------------------------------------


async def stays_off(on: Stand) -> AsyncIterator[str]:
    """Everything is mended; what was switched off must stay so."""
    off = await resets(on, 0.0)
    await on.mend()
    await asyncio.sleep(QUIET_S)
    truth = await on.tell("GET", "/truth")
    down = set(truth["twin"]["off"]) | set(truth["off"])
    back = sorted(name for name in off if name not in down)
    what = f"of {len(off)} nodes switched off, on again by themselves"
    yield goal("6", what, float(len(back)), 0.0, "")


EVENTS: Final = (
    Script("tray leak, critical", tray_critical),
    Script("tray leak, warning", tray_warning),
    Script("detectors", sensors),
    Script("redundancy", redundancy_loss),
    Script("feed", feed_loss),
    Script("rack leak", rack_leak),
    Script("building", building_lost),
    Script("pumps", pump_loss),
    Script("flow", flow_loss),
    Script("loop leak", loop_leak),
    Script("heat", too_hot),
    Script("afterwards", stays_off),
)


async def polled(on: Stand) -> AsyncIterator[str]:
    for rack in sorted(on.house.edges.edges.running):
        async for line in tray_critical(on, rack, 5.0, 2):
            yield line


POLLED: Final = (Script("tray leak, polled", polled), Script("afterwards", stays_off))
