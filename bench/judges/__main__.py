"""`python -m bench judges [PERSONA ...] [--out docs/conformance.md]`: all judges, all personas."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.judges.excused import held_against
from bench.judges.hall import served
from bench.judges.judges import FITTING, Court, Verdict
from bench.judges.table import document

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("IOLAUS_SHARED", ROOT.parent / "shared"))


def judged(court: Court, persona: str) -> list[Verdict]:
    verdicts = []
    for verdict in court.all(persona):
        left = held_against(verdict)
        print(f"{persona:14} {verdict.judge:52} {dict(verdict.counts)} held: {len(left)}",
              flush=True)  # fmt: skip
        verdicts.append(verdict)
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench judges", description=__doc__)
    parser.add_argument("persona", nargs="*", help="all, if none is named")
    parser.add_argument("--out", type=Path, help="docs/conformance.md, if all are judged")
    parser.add_argument("--keep", type=Path, help="a new folder that keeps the reports")
    given = parser.parse_args()
    personas = given.persona or sorted(FITTING)
    out = given.out or (None if given.persona else ROOT / "docs" / "conformance.md")
    if not SHARED.is_dir():
        print(f"needs the reference material ({SHARED} is absent)")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with served(personas, folder) as dock, ThreadPoolExecutor(2) as pool:
            court = Court(dock=dock, shared=SHARED.resolve(), folder=folder.resolve())
            court.schemas()
            done = list(pool.map(lambda persona: judged(court, persona), personas))
    verdicts = [verdict for each in done for verdict in each]
    if out is not None:
        out.write_text(document(verdicts))
    return 1 if any(held_against(verdict) for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
