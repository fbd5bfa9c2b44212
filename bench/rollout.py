"""`python -m bench.rollout [NODES]` (1000): a drifted hall is brought back, as an operator does it.

Starts `iolaus up` with so many simulated nodes of mixed makes and a baseline that all of them
satisfy. Then 61 nodes (fewer in a small hall) are changed behind its back for three causes: the
time server, SSH, a BIOS attribute that takes a restart. `diff`, `plan`, `approve` and `apply
--wait` of the real command line bring them back in waves, and the simulator's oracle is asked what
is so inside the devices and who was written to. Exits 1 where something of this is not so.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, NamedTuple

from bench.stage import GROUP, Checks, Json, Stage, baseline, staged, until

DRIFTED = 61
DELAY = "BootDelay"
SPEC: Json = {
    "selector": {"matchLabels": {"kind": "node"}},
    "bios": {"raw": {DELAY: "Disabled"}},
    "bmc": {"ntp": ["time.example"], "services": {"ssh": True}},
    "rollout": {
        "waves": [
            {"name": "canary", "max": 5, "soak": "20s"},
            {"name": "half", "max": "50%"},
            {"name": "rest"},
        ],
        "limits": {"maxUnavailable": "10%"},
        "gates": [{"name": "errors", "expr": "failed / attempted < 0.05"}],
        "approvals": [{"group": GROUP, "count": 1}],
    },
}


class Places(NamedTuple):
    """Where a model keeps what is changed."""

    network: str
    bios: str


def _places(manager: str, system: str) -> Places:
    v1 = "/redfish/v1"
    return Places(f"{v1}/Managers/{manager}/NetworkProtocol", f"{v1}/Systems/{system}/Bios")


PLACES = {
    "GB300 NVL": _places("BMC_0", "System_0"),
    "ProLiant DL365 Gen11": _places("1", "1"),
    "PowerEdge XE9680": _places("iDRAC.Embedded.1", "System.Embedded.1"),
    "SYS-A22GA-NBRT": _places("1", "1"),
    "G893-ZX1-AAX2": _places("Self", "Self"),
}
CAUSES: tuple[tuple[str, Json], ...] = (
    ("bmc/ntp.servers", {"NTP": {"NTPServers": ["10.66.6.6"]}}),
    ("bmc/services.ssh", {"SSH": {"ProtocolEnabled": False}}),
    (f"bios/{DELAY}", {"Attributes": {DELAY: "Enabled"}}),
)


class Spoilt(NamedTuple):
    """A node that was changed behind the back of whoever watches it."""

    node: str
    device: str
    address: str
    model: str
    cause: int

    @property
    def path(self) -> str:
        places = PLACES[self.model]
        return places.bios if self.cause == 2 else places.network


def spoil(stage: Stage, nodes: list[Json]) -> list[Spoilt]:
    """Every model in its turn, cause after cause; what is off stays so, and no plan restarts it."""
    devices, most = stage.devices(), min(DRIFTED, max(3, len(nodes) // 4))
    by_model: dict[str, list[Json]] = {model: [] for model in PLACES}
    for node in nodes:
        if node["power_state"] == "On":
            by_model.get(node["model"], []).append(node)
    found: list[Spoilt] = []
    while len(found) < most and any(by_model.values()):
        for model in [model for model, left in by_model.items() if left][: most - len(found)]:
            node = by_model[model].pop()
            address = node["endpoint"]
            each = Spoilt(node["name"], devices[address]["name"], address, model, len(found) % 3)
            stage.tell(each.device, "patch", {"path": each.path, "changes": CAUSES[each.cause][1]})
            found.append(each)
    return found


def as_wanted(stage: Stage, each: Spoilt) -> bool:
    """What the device itself has, by the oracle."""
    found = stage.resource(each.device, each.path)
    if each.cause == 0:
        return bool(found["NTP"]["NTPServers"] == ["time.example"])
    if each.cause == 1:
        return found["SSH"]["ProtocolEnabled"] is True
    return bool(found["Attributes"][DELAY] == "Disabled")


def seen(stage: Stage, count: int) -> Json | None:
    found = stage.compared()
    return found if found["counts"].get("drifted", 0) >= count else None


def named(found: Json) -> set[str]:
    return {name for cause in found["items"] for name in cause["nodes"]}


def drifted(stage: Stage, check: Checks) -> list[Spoilt]:
    """Changed behind its back, and seen."""
    spoilt = spoil(stage, stage.nodes())
    stage.must("refresh", *sorted({each.node for each in spoilt}))
    found = until("all is seen", lambda: seen(stage, len(spoilt)), patience_s=1800.0)
    for cause in found["items"]:
        print(f"    {cause['count']:>4} {cause['outcome']} {cause['subject']}: "
              f"{cause['applied']} instead of {cause['desired']}")  # fmt: skip
    check("diff names the three causes", {c["subject"] for c in found["items"]}
          == {subject for subject, _ in CAUSES}, found["items"])  # fmt: skip
    check(f"diff names the {len(spoilt)} nodes", named(found) == {s.node for s in spoilt})
    check("diff ends with exit code 1", found["code"] == 1, found["code"])
    return spoilt


def brought_back(stage: Stage, check: Checks, count: int) -> str:
    """Planned, refused without approval, approved by somebody else, applied; the plan's id."""
    begun = time.monotonic()
    made = stage.must("plan", "bench", "-o", "json").json
    plan: str = made["name"]
    print(f"  planned in {time.monotonic() - begun:.1f} s: {plan} {made['fates']}")
    check("the plan updates them and nobody else", made["fates"].get("update") == count)
    check("apply is refused without approval", stage.run("apply", f"plan/{plan}", "-y").code == 3)
    check("approve by who made it is refused", stage.run("approve", f"plan/{plan}").code == 3)
    stage.must("approve", f"plan/{plan}", token=stage.approver())
    stage.record()
    begun = time.monotonic()
    said = stage.run("apply", f"plan/{plan}", "-y", "--wait")
    print(f"  the roll-out ended after {time.monotonic() - begun:.0f} s")
    check("apply --wait ends with exit code 0", said.code == 0, said)
    return plan


def waves(stage: Stage, plan: str, check: Checks) -> None:
    found = stage.rollout(plan)
    print(f"    {found['state']}: {found['counts']}")
    passed = [wave["state"] == "passed" for wave in found["waves"]]
    check("all waves passed", len(passed) >= 2 and all(passed), found["waves"])


def run(nodes: int) -> int:
    check, begun = Checks(), time.monotonic()
    with staged(nodes) as stage:
        print(f"{nodes} nodes discovered in {time.monotonic() - begun:.0f} s", flush=True)
        stage.must("apply", "-", "-y", given=baseline("bench", SPEC))
        whole: Any = stage.all_right(patience_s=1800.0)
        print(f"  compared: {whole['counts']}")
        spoilt = drifted(stage, check)
        plan = brought_back(stage, check, len(spoilt))
        waves(stage, plan, check)
        wrong = [each.node for each in spoilt if not as_wanted(stage, each)]
        check("the oracle finds every device as the baseline says", not wrong, wrong)
        again = until(
            "it is read again",
            lambda: found if set((found := stage.compared())["counts"]) == {"in-sync"} else None,
            patience_s=600.0,
        )
        check("the second diff is empty", again["items"] == [], again["items"])
        check("it ends with exit code 0", again["code"] == 0, again["code"])
        written, mine = stage.written(), {each.address for each in spoilt}
        check("every node that was changed was written to", mine <= written.keys())
        right = {address: written[address][:3] for address in written.keys() - mine}
        check("no node that was right was written to", not right, right)
        print(f"    written to: {len(written)} of {len(stage.devices())} devices, "
              f"{sum(map(len, written.values()))} writes")  # fmt: skip
    return check.code


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("nodes", type=int, nargs="?", default=1000)
    return run(parser.parse_args().nodes)


if __name__ == "__main__":
    sys.exit(main())
