"""`python -m bench.transport [--seconds N] [--connections N] [--rounds N]`: prints a table."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib.metadata import version
from statistics import median
from typing import Any

from bench.transport.candidates import CANDIDATES

_TITLES = "client     version      GET/CPU s  ratio      GET/s  KiB/conn"
Row = dict[str, float]


def _measured(name: str, ready: dict[str, Any], seconds: float, connections: int) -> Row:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench.transport.measure", name),
            *(str(ready["port"]), ready["fingerprint"], str(seconds), str(connections)),
        ],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    row: Row = json.loads(done.stdout)
    return row


def _line(name: str, rows: list[Row], best: float) -> str:
    rate = median(row["gets"] / row["cpu_s"] for row in rows)
    wall = median(row["gets"] / row["wall_s"] for row in rows)
    memory = median(row["bytes_per_connection"] for row in rows) / 1024
    ratio = rate / best
    return (
        f"{name:<10} {version(name):<9} {rate:>12,.0f} {ratio:>6.2f} {wall:>10,.0f} {memory:>9.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.transport", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.transport.server", str(args.connections)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    rows: dict[str, list[Row]] = {each.name: [] for each in CANDIDATES}
    try:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())
        for _ in range(args.rounds):
            for name in rows:
                rows[name].append(_measured(name, ready, args.seconds, args.connections))
    finally:
        server.kill()
        server.wait()
    _print(rows, args)


def _print(rows: dict[str, list[Row]], args: argparse.Namespace) -> None:
    best = max(median(row["gets"] / row["cpu_s"] for row in each) for each in rows.values())
    print(
        f"{args.connections} TLS connections, 4 KB answers, {args.seconds:g} s,"
        f" median of {args.rounds} rounds"
    )
    print(_TITLES)
    for name, each in rows.items():
        print(_line(name, each, best))


if __name__ == "__main__":
    main()
