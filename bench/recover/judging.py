"""What is counted at the devices: nothing that worked was touched, and no rung was sent twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.recover.ground import Rack
from iolaus.act.looking import Pace
from iolaus.kernel.clock import WallClock
from iolaus.model.plan import Plan, Verb
from iolaus.model.rollout import Entry, EntryKind
from iolaus.sim.device import Device
from iolaus.sim.effects import attentive
from iolaus.sim.tree import canonical, links
from iolaus.store.database import Database
from iolaus.store.journal import StoredJournal

WRITES: Final = frozenset({"POST", "PATCH", "PUT", "DELETE"})
ASIDE: Final = re.compile(r"/SessionService/|/Sessions(/|$)|/EventService|CollectDiagnosticData|"
                          r"SignedMeasurements|UpdateService|/update")  # fmt: skip
"""Logging in, listening, and asking for evidence change nothing; nor do images of the script's
own, which are counted by the firmware that runs."""
OUTLET: Final = re.compile(r"/Outlets/(\d+)/")
RESETS: Final = {"nmi": 1, "restart": 1, "force-restart": 1, "power-on": 1, "power-cycle": 2,
                 "mains": 1, "rescue-start": 1, "cut-off": 1, "reflash-activate": 1}  # fmt: skip
MANAGER: Final = {"reset-manager": 1, "switch-bank": 1, "reflash-activate": 1}
OUTLETS: Final = {"outlet-off": 1, "outlet-on": 1}


def left_behind(device: Device) -> list[str]:
    """What a rescue took and did not give back: an override, an image in a drive."""
    truth = attentive(device.effects).truth(device)
    systems = links(device.kept("/redfish/v1/Systems") or {}, "Members")
    boots = [(device.kept(canonical(path)) or {}).get("Boot") or {} for path in systems]
    wrong = [f"{device.name} has an override left: {boot}" for boot in boots
             if boot.get("BootSourceOverrideEnabled", "Disabled") != "Disabled"]  # fmt: skip
    return wrong + [f"{device.name} has an image left: {each}" for each in truth.get("media", ())]


def writes(device: Device) -> list[tuple[str, str]]:
    return [
        (method, path)
        for _, method, path in device.counters.order or []
        if method in WRITES and not ASIDE.search(path)
    ]


def untouched(racks: Iterable[Rack]) -> list[str]:
    """What was written to where nothing was the matter."""
    return [each for rack in racks for each in (*_neighbours(rack), *_others(rack))]


def _neighbours(rack: Rack) -> Iterator[str]:
    for device in rack.nodes:
        if device not in rack.ill and (found := writes(device)):
            yield f"{device.name} was not ill and was written to: {found[:3]}"


def _others(rack: Rack) -> Iterator[str]:
    allowed = {str(number + 1) for number in range(len(rack.ill))}
    for strip in rack.strips:
        for method, path in writes(strip):
            match = OUTLET.search(path)
            if match is None or match[1] not in allowed:
                yield f"{strip.name}: {method} {path} is nobody's who was ill"


def once(rack: Rack, begun: Sequence[str]) -> list[str]:
    """What was sent more often than the journal says that it was begun."""
    counted = Counter(begun)
    wrong = []
    for rule, word, devices in (
        (RESETS, "/ComputerSystem.Reset", rack.nodes),
        (MANAGER, "/Manager.Reset", rack.nodes),
        (OUTLETS, "/Outlet.PowerControl", rack.strips),
    ):
        most = sum(rule.get(name, 0) * count for name, count in counted.items())
        most *= max(1, len(devices)) if rule is OUTLETS else 1
        sent = sum(path.endswith(word) for device in devices for _, path in writes(device))
        if sent > most:
            wrong.append(f"{rack.script.name}: {word} was sent {sent} times for {most}")
    return wrong


class Kept:
    """The journal on the disk of a server that runs."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / "state" / "state.db")

    async def of(self, plan: str) -> tuple[Plan, Sequence[Entry]]:
        self._database.open()
        try:
            kept = StoredJournal(self._database, clock=WallClock())
            return await kept.plan(plan), await kept.entries(plan)
        finally:
            self._database.close()


def begun(entries: Iterable[Entry]) -> list[str]:
    """The rungs that were begun, in order, by what was done; looks are none."""
    return [
        str(entry.doc.get("subject"))
        for entry in entries
        if entry.kind is EntryKind.STARTED and entry.doc.get("verb") == Verb.RECOVER.value
    ]


def rungs(words: Iterable[str]) -> tuple[str, ...]:
    """As a person counts them: the parts of one rung are one."""
    names = {"outlet-off": "outlet", "outlet-on": "outlet", "look": "", "prove": "",
             "insert-media": "rescue", "boot-once": "rescue", "rescue-start": "rescue",
             "boot-clear": "rescue", "eject-media": "rescue",
             "reflash-activate": "reflash"}  # fmt: skip
    found = (names.get(word, word) for word in words)
    return tuple(dict.fromkeys(word for word in found if word))


def late(plan: Plan, entries: Sequence[Entry], slack_s: float = 10.0) -> list[str]:
    """Steps that took longer than they may: their time, and again so much (`Pace.grace_s` at
    most) where the sending had used it up."""
    wrong, since = [], dict[str, float]()
    most = {step.id: step.timeout_s for node in plan.nodes for step in node.steps}
    for entry in entries:
        if entry.step is None:
            continue
        if entry.kind is EntryKind.STARTED:
            since.setdefault(entry.step, entry.at)
        elif entry.kind in (EntryKind.DONE, EntryKind.FAILED) and entry.step in since:
            took = entry.at - since[entry.step]
            allowed = most[entry.step] + min(most[entry.step], Pace().grace_s)
            if took > allowed + slack_s:
                wrong.append(f"{entry.step} took {took:.0f} s of {allowed:.0f}")
    return wrong
