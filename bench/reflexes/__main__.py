"""`python -m bench.reflexes [--only WORD]`: goal 6 over the wire, measured at the oracle.

A simulated hall of six racks with its building, gear and physics is one process, a server that
holds its racks' edges another; between them are TLS, Modbus and MQTT. Every script is played one
after the other in the same hall, on racks of its own, and printed with its goal; then a smaller
hall is held whose controllers offer no events. The first argument chooses scripts by a part of
their names. It takes about five minutes. Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.reflexes.grid import GRID
from bench.reflexes.scripts import EVENTS, POLLED, Script
from bench.reflexes.stand import FEW, POWER, SITE, stand


async def hall(scripts: Sequence[Script], *, site: str, streams: bool) -> list[str]:
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with stand(Path(folder), site=site, power=POWER, streams=streams) as on:
            began = time.monotonic()
            await on.settled()
            print(f"a hall of {on.racks} racks, settled in {time.monotonic() - began:.0f} s")
            await on.record()
            for script in scripts:
                try:
                    async for line in script.play(on):
                        lines.append(line)
                        print(line, flush=True)
                except Exception as error:  # noqa: BLE001  the others shall be played
                    lines.append(f"{script.name}: MISSED, {error!r}")
                    print(lines[-1], flush=True)
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    word = parser.parse_args().only
    lines: list[str] = []
    for scripts, site, streams in (((*GRID, *EVENTS), SITE, True), (POLLED, FEW, False)):
        chosen = [each for each in scripts if word in each.name]
        if chosen:
            lines += asyncio.run(hall(chosen, site=site, streams=streams))
    missed = sum("MISSED" in line for line in lines)
    print(f"{len(lines) - missed} of {len(lines)} met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
