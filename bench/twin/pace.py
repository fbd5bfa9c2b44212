"""How fast virtual time goes: `python -m bench.twin pace [NODES...]` (64 1024 10240).

Starts `iolaus sim hall --virtual` with so many nodes and the plant behind them, and asks for a
minute of it. What it costs is the hall's CPU time, so that neighbours on the machine do not count.
"""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.twin.serve import hall

MINUTE_S = 60.0


def advance(line: Mapping[str, Any], seconds: float) -> None:
    oracle = line["oracle"]
    asked = urllib.request.Request(
        f"{oracle['url']}/beside/clock/advance",
        data=json.dumps({"seconds": seconds}).encode(),
        headers={"Authorization": f"Bearer {oracle['token']}"},
    )
    with urllib.request.urlopen(asked) as answer:
        answer.read()


def main(words: list[str]) -> int:
    for nodes in [int(word) for word in words] or [64, 1024, 10_240]:
        with (
            tempfile.TemporaryDirectory() as folder,
            hall(nodes, Path(folder), "--virtual") as (served, line, _),
        ):
            advance(line, 1.0)
            before = served.cpu_s()
            advance(line, MINUTE_S)
            used = served.cpu_s() - before
        print(f"{nodes:6,} nodes: a minute in {used:.2f} s of CPU, {MINUTE_S / used:,.0f} times "
              f"as fast as real time")  # fmt: skip
    return 0
