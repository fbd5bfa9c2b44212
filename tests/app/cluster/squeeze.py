"""Power events while a cluster is hurt: an operator holds racks at less than they draw, for a
while, one after the other. The twin tells what every node really draws; a cap that was acknowledged
comes true, and what was once below it stays there until the operator ends it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FIRST = 0.55
STEP = 1.08
"""What is refused for being below the floors is asked for again, so much higher."""
SLACK = 1.002
LOOK_S = 0.5
HELD_S = 15.0
WITHIN_S = 300.0
RACKS = 4
REFUSED = (400, 403, 404, 409, 422)
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
    """`ask` is of the cluster, `oracle` of the twin; `devices` are names by address."""

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
        self._racks = dict(self._capped(named))
        self.held: list[Held] = []
        self.wrong: list[str] = []
        self.unanswered, self.looks, self.refused = 0, 0, Counter[str]()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        assert self._racks, "there are racks whose nodes all take caps"
        self._thread.start()

    def finish(self) -> None:
        """To the end of the event that is under way."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(2 * WITHIN_S + HELD_S)
            assert not self._thread.is_alive(), "a power event does not come to its end"

    def told(self) -> str:
        slowest = max((each.after_s for each in self.held), default=0.0)
        return (
            f"{len(self.held)} power events on {len({each.rack for each in self.held})} racks "
            f"({sum(each.before_w > each.watts for each in self.held)} of less than was drawn), "
            f"each below its cap at the latest {slowest:.1f} s after it was acknowledged, "
            f"{self.looks} looks, {self.unanswered} orders without an answer, "
            f"refused: {dict(self.refused)}"
        )

    def _capped(self, named: Mapping[str, list[str]]) -> Any:
        """The first racks in which each that draws has a cap."""
        count = 0
        for rack, names in sorted(named.items()):
            truths = [self._oracle(f"/truth/{name}") for name in names]
            nodes = [each for each in truths if each.get("power")]
            if len(nodes) > 1 and all(each.get("limit_w") for each in nodes):
                yield rack, [each["name"] for each in nodes]
                count += 1
            if count == RACKS:
                return

    def _drawn_w(self, rack: str) -> float:
        self.looks += 1
        return sum(float(self._oracle(f"/truth/{n}")["draws_w"]) for n in self._racks[rack])

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                for rack in self._racks:
                    if not self._ended.is_set():
                        self._event(rack)
        except Exception as error:
            self.wrong.append(f"the operator of power: {error!r}")
            raise

    def _event(self, rack: str) -> None:
        before_w = self._drawn_w(rack)
        watts = self._ordered(rack, FIRST * before_w)
        if watts is None:
            return
        began_s = time.monotonic()
        while (drawn_w := self._drawn_w(rack)) > watts * SLACK:
            if time.monotonic() - began_s > WITHIN_S:
                self.wrong.append(f"{rack}: {drawn_w:.0f} W drawn, {watts:.0f} W acknowledged")
                break
            time.sleep(LOOK_S)
        below_s = time.monotonic()
        while time.monotonic() - below_s < HELD_S and not self.wrong:
            if (drawn_w := self._drawn_w(rack)) > watts * SLACK:
                self.wrong.append(f"{rack}: {drawn_w:.0f} W drawn again, {watts:.0f} W are allowed")
            time.sleep(LOOK_S)
        self.held.append(Held(rack, watts, before_w, below_s - began_s))
        self._until(lambda: self._ask("DELETE", f"/api/v1/powercaps/{rack}", None)[0] in (200, 404))

    def _ordered(self, rack: str, watts: float) -> float | None:
        """How much was acknowledged; None where nothing could be."""
        while not self._ended.is_set():
            wish = {"subject": rack, "watts": watts, "for_s": 3600, "reason": "a feed is serviced"}
            status, told = self._ask("POST", "/api/v1/powercaps", {"spec": wish})
            if status == 201:
                return watts
            if status not in REFUSED:
                self.unanswered += 1
                time.sleep(LOOK_S)
            elif "floor" in str(told):
                watts *= STEP
            else:
                self.refused[f"{status}: {str(told)[:200]}"] += 1
                time.sleep(LOOK_S)
                return None
        return None

    def _until(self, holds: Callable[[], bool]) -> None:
        until_s = time.monotonic() + WITHIN_S
        while not holds():
            assert time.monotonic() < until_s, "a cap is ended"
            time.sleep(LOOK_S)
