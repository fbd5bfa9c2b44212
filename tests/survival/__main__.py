"""Writes docs/survival.md by playing every scenario: `python -m tests.survival [WORD]`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import traceback
from pathlib import Path

import uvloop

from tests.survival.every import SCENARIOS
from tests.survival.scenario import Scenario
from tests.survival.table import TARGET, Row, render


def main(word: str) -> int:
    rows = [play(each) for each in SCENARIOS if word in f"{each.behaviour} {each.name}"]
    if not word:
        TARGET.write_text(render(rows), encoding="utf-8")
    return 0 if all(row.survived for row in rows) else 1


def play(each: Scenario) -> Row:
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        try:
            shown, survived = runner.run(run(each, Path(folder))), True
        except Exception as error:  # noqa: BLE001 - a row of the table, whatever it is
            traceback.print_exc()
            shown, survived = f"{type(error).__name__}: {error}", False
    verdict = "survived" if survived else "FAILED"
    print(f"{each.behaviour:>2} {each.name}: {verdict} in {time.monotonic() - began:.1f} s")
    return Row(each, shown, survived)


async def run(each: Scenario, folder: Path) -> str:
    return await each.play(folder)


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
