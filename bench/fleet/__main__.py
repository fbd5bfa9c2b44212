"""`python -m bench.fleet`: full inventory of a simulated fleet, beside two peers, in one run.

Prints a table and, last, one JSON line. The simulator runs on the same machine; requests are
counted by the devices. Ratios are what may be quoted: both sides met the same devices in the same
run. `--hold` keeps the fleet with its hot set for a minute and prints the memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from bench.fleet.hall import USER, Running, running_hall
from bench.fleet.peers import timed, with_redfish, with_sushy

PEERS = {"sushy": with_sushy, "redfish": with_redfish}
TITLES = {
    "nodes": "nodes",
    "wall_s": "wall s",
    "cpu_s": "cpu s",
    "sim_cpu_s": "sim s",
    "peak_mb": "MB",
    "requests_per_node": "req/node",
    "nodes_per_s": "nodes/s",
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--nodes", default="100,1000", help="sizes, e.g. 100,1000,5000")
    parser.add_argument("--latency-ms", default="20,200", help="answer times")
    parser.add_argument("--peers", type=int, default=8, help="devices that the peers read; 0: none")
    parser.add_argument("--threads", type=int, default=16, help="of the peers' faster run")
    parser.add_argument("--mix", default="xe9680-h200", help="a persona, or demo")
    parser.add_argument("--hold", type=float, default=0.0, help="seconds to hold the fleet after")
    given = parser.parse_args(argv)
    show({"what": "", **TITLES})
    rows: list[dict[str, Any]] = []
    for nodes in map(int, given.nodes.split(",")):
        for latency_ms in map(float, given.latency_ms.split(",")):
            with (
                tempfile.TemporaryDirectory(prefix="iolaus-bench-") as folder,
                running_hall(nodes, latency_ms, given.mix, folder=Path(folder)) as hall,
            ):
                rows += ours(hall, latency_ms, hold_s=given.hold)
                rows += theirs(hall, latency_ms, count=given.peers, threads=given.threads)
    for line in ratios(rows):
        print(line)
    print(json.dumps(rows))
    return 1 if any(row.get("missing") for row in rows) else 0


def ours(hall: Running, latency_ms: float, *, hold_s: float) -> list[dict[str, Any]]:
    """Iolaus reads every device of the hall, and then holds it."""
    task: dict[str, Any] = {"hosts": str(hall.hosts), "password": hall.password}
    if hold_s:
        task["hold_s"] = hold_s
    rows, before = [], hall.counts()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.fleet.house"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as house:
        assert house.stdin is not None
        assert house.stdout is not None
        line = json.dumps(task)
        for phase in ("inventory", "held") if hold_s else ("inventory",):
            house.stdin.write(line + "\n")
            house.stdin.flush()
            cost, now = json.loads(house.stdout.readline()), hall.counts()
            rows.append(row(f"iolaus {phase}, {latency_ms:g} ms", cost, now.since(before)))
            line, before = "", now
        house.stdin.write("\n")
        house.stdin.close()
    return rows


def row(what: str, cost: dict[str, Any], counts: Any) -> dict[str, Any]:
    nodes = cost["nodes"]
    found = {
        "what": what,
        "nodes": nodes,
        "missing": cost["missing"],
        "wall_s": round(cost["wall_s"], 2),
        "cpu_s": round(cost["cpu_s"], 2),
        "sim_cpu_s": round(counts.cpu_s, 2),
        "peak_mb": round(cost["peak_mb"]),
        "requests_per_node": round(counts.requests / max(1, nodes), 1),
        "nodes_per_s": round(nodes / cost["wall_s"], 2),
    }
    show(found)
    return found


def theirs(hall: Running, latency_ms: float, *, count: int, threads: int) -> list[dict[str, Any]]:
    """Each peer reads a sample of the same devices, one after the other and in threads."""
    hosts = yaml.safe_load(hall.hosts.read_text())["hosts"]
    rows = []
    for name, read in PEERS.items() if count else ():
        for many in (1, threads):
            sample = [host["address"] for host in hosts[: count if many == 1 else 4 * count]]
            before = hall.counts()
            wall_s = timed(read, sample, user=USER, password=hall.password, threads=many)
            counts = hall.counts().since(before)
            found = {
                "what": f"{name}, {many} thread{'s' * (many > 1)}, {latency_ms:g} ms",
                "nodes": len(sample),
                "wall_s": round(wall_s, 2),
                "sim_cpu_s": round(counts.cpu_s, 2),
                "requests_per_node": round(counts.requests / len(sample), 1),
                "nodes_per_s": round(len(sample) / wall_s, 2),
            }
            show(found)
            rows.append(found)
    return rows


def show(found: dict[str, Any]) -> None:
    cells = " ".join(f"{found.get(name, '-'):>8}" for name in TITLES)
    print(f"{found['what']:<34} {cells}", flush=True)


def ratios(rows: list[dict[str, Any]]) -> list[str]:
    """Our nodes per second over the faster peer's, for each answer time."""
    lines = []
    for latency in dict.fromkeys(row["what"].rsplit(", ", 1)[1] for row in rows):
        mine = [r for r in rows if r["what"] == f"iolaus inventory, {latency}"]
        peers = [
            r
            for r in rows
            if r["what"].endswith(latency) and r not in mine and "held" not in r["what"]
        ]
        if mine and peers:
            best = max(peers, key=lambda r: r["nodes_per_s"])
            for each in mine:
                ratio = each["nodes_per_s"] / best["nodes_per_s"]
                lines.append(f"{latency}: {each['nodes']} nodes, {ratio:.1f} times {best['what']}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
