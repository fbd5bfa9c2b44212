"""Power events while a cluster is hurt: operators hold racks at less than they draw, one after the
other, each at a rack of their own and for as long as the cluster is hurt. The twin tells what every
node really draws; a cap that was acknowledged comes true, and what was once below it stays there
until the operator ends it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import yaml

PART = 0.6
"""Of what is drawn: so much is allowed, if the rack's floors are not above it."""
MOST = 0.9
"""A rack that cannot be held at this part of what it draws is left for a moment."""
ABOVE_FLOOR = 1.02
SLACK = 1.002
LOOK_S = 1.0
PAUSE_S = 2.0
HELD_S = 10.0
WITHIN_S = 120.0
RACKS = 5
LOOKS = 15
REFUSED = (400, 403, 404, 409, 422, 500)
POLICY = """\
apiVersion: iolaus.dev/v1
kind: Plant
metadata: {{name: h1}}
spec:
  domains:
    - {{name: feed-a, kind: feed, limit: 100 MW}}
{racks}
---
apiVersion: iolaus.dev/v1
kind: PowerPolicy
metadata: {{name: hall}}
spec: {{mode: control}}
"""
RACK = "    - {{name: {name}, kind: rack, parent: feed-a, limit: 500 kW}}"
Oracle = Callable[[str], Any]
Ask = Callable[[str, str, Any], tuple[int, Any]]


class Held(NamedTuple):
    rack: str
    watts: float
    before_w: float
    after_s: float


def racks_of(hosts: Path) -> dict[str, list[str]]:
    """The addresses of a hall by their racks."""
    found = defaultdict[str, list[str]](list)
    for host in yaml.safe_load(hosts.read_text())["hosts"]:
        if rack := host["labels"].get("rack"):
            found[rack].append(host["address"])
    return dict(found)


def policy_for(racks: Mapping[str, Any]) -> str:
    """A plant of these racks under one feed, in which caps are written."""
    return POLICY.format(racks="\n".join(RACK.format(name=name) for name in sorted(racks)))


class Squeeze:
    """`ask` is of the cluster, `oracle` of the twin; `devices` are names by address. To be made
    while all nodes are on."""

    def __init__(
        self,
        *,
        ask: Ask,
        oracle: Oracle,
        racks: Mapping[str, list[str]],
        devices: Mapping[str, str],
    ) -> None:
        self._ask, self._oracle, self._ended = ask, oracle, threading.Event()
        named = {rack: [devices[each] for each in of] for rack, of in racks.items()}
        self._racks: dict[str, list[str]] = {}
        self.held: list[Held] = []
        self.wrong: list[str] = []
        self.looks, self.refused, self.under_way = Counter[str](), Counter[str](), Counter[str]()
        self._floors: dict[str, float] = {}
        self._same = 0
        self._until(partial(self._are_found, named), "there are racks whose nodes all take caps")
        self._until(self._all_floors_known, "the floors of all racks are known")
        self._threads = [threading.Thread(target=self._run, args=[rack]) for rack in self._racks]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """To the end of the events that are under way."""
        self._ended.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(3 * WITHIN_S + HELD_S)
                left = sorted(+self.under_way)
                assert not thread.is_alive(), f"power events do not come to their end: {left}"

    @property
    def pressed(self) -> list[Held]:
        """Events in which less was allowed than was drawn."""
        return [each for each in self.held if each.before_w > each.watts]

    def told(self) -> str:
        slowest = max((each.after_s for each in self.held), default=0.0)
        return (
            f"{len(self.held)} power events on {dict(Counter(each.rack for each in self.held))} "
            f"({len(self.pressed)} of less than was drawn), each below its cap at the latest "
            f"{slowest:.1f} s after it was acknowledged, {self.looks.total()} looks, "
            f"not acknowledged: {dict(self.refused)}"
        )

    def _capped(self, named: Mapping[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
        """Racks in which each that draws has a cap."""
        for rack, names in sorted(named.items()):
            truths = [self._oracle(f"/truth/{name}") for name in names]
            nodes = [each for each in truths if each.get("power")]
            if len(nodes) > 1 and all(each.get("limit_w") for each in nodes):
                yield rack, [each["name"] for each in nodes]

    def _drawn_w(self, rack: str) -> float:
        self.looks[rack] += 1
        return sum(float(self._oracle(f"/truth/{n}")["draws_w"]) for n in self._racks[rack])

    def _run(self, rack: str) -> None:
        try:
            while not self._ended.is_set():
                drawn_w = self._drawn_w(rack)
                watts = max(PART * drawn_w, ABOVE_FLOOR * (self._floor_w(rack) or drawn_w))
                if watts > MOST * drawn_w or not self._is_ordered(rack, watts):
                    self._ended.wait(PAUSE_S)
                    continue
                self.under_way[rack] = 1
                self._event(rack, watts, drawn_w)
                self.under_way[rack] = 0
        except Exception as error:
            self.wrong.append(f"the operator of {rack}: {error!r}")
            raise

    def _floor_w(self, rack: str) -> float | None:
        """What its nodes are left with in any case, when all are on: nobody holds a rack at less
        for long. None where that was never said."""
        status, found = self._ask("GET", f"/api/v1/edges/{rack}", None)
        floor_w = found["status"].get("floor_w") if status == 200 else None
        if floor_w:
            self._floors[rack] = max(floor_w, self._floors.get(rack, 0.0))
        return self._floors.get(rack)

    def _are_found(self, named: Mapping[str, list[str]]) -> bool:
        """Whether there are racks, and no more than at the last looks: edges write the first caps
        one after the other."""
        before, self._racks = self._racks, dict(islice(self._capped(named), RACKS))
        self._same = self._same + 1 if before.keys() == self._racks.keys() else 0
        return bool(before) and (len(before) == RACKS or self._same >= LOOKS)

    def _all_floors_known(self) -> bool:
        return all(self._floor_w(rack) for rack in self._racks)

    def _is_ordered(self, rack: str, watts: float) -> bool:
        wish = {"subject": rack, "watts": watts, "for_s": 3600, "reason": "a feed is serviced"}
        status, told = self._ask("POST", "/api/v1/powercaps", {"spec": wish})
        if status != 201:
            self.refused[f"{status}: {str(told)[:120]}" if status in REFUSED else str(status)] += 1
        return status == 201

    def _event(self, rack: str, watts: float, before_w: float) -> None:
        began_s = time.monotonic()
        while (drawn_w := self._drawn_w(rack)) > watts * SLACK:
            if time.monotonic() - began_s > WITHIN_S:
                self.wrong.append(
                    f"{rack}: {drawn_w:.0f} W drawn, {watts:.0f} W acknowledged "
                    f"{time.monotonic() - began_s:.0f} s ago: {self._stands(rack)}"
                )
                break
            time.sleep(LOOK_S)
        below_s = time.monotonic()
        while time.monotonic() - below_s < HELD_S and not self.wrong:
            if (drawn_w := self._drawn_w(rack)) > watts * SLACK:
                told = f"{drawn_w:.0f} W drawn again, {watts:.0f} W are allowed"
                self.wrong.append(f"{rack}: {told}: {self._stands(rack)}")
            time.sleep(LOOK_S)
        self.held.append(Held(rack, watts, before_w, below_s - began_s))
        path = f"/api/v1/powercaps/{rack}"
        self._until(lambda: self._ask("DELETE", path, None)[0] in (200, 404), "a cap is ended")

    def _stands(self, rack: str) -> str:
        """For whoever reads what was wrong: the rack as the cluster and the twin have it."""
        truths = [self._oracle(f"/truth/{name}") for name in self._racks[rack]]
        drawn = {t["name"]: (round(t["draws_w"]), t["limit_w"], t["power"]) for t in truths}
        caps = self._ask("GET", "/api/v1/powercaps", None)
        return f"{drawn} {self._ask('GET', f'/api/v1/edges/{rack}', None)} {caps}"

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        until_s = time.monotonic() + WITHIN_S
        while not holds():
            assert time.monotonic() < until_s, what
            time.sleep(LOOK_S)
