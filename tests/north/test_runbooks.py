"""docs/runbooks is the table of alarms, printed: `python -m tests.north.test_runbooks`."""

from __future__ import annotations

from pathlib import Path

from iolaus.model.alarm_kinds import ALARM_KINDS
from iolaus.north.runbooks import runbook

FOLDER = Path(__file__).parents[2] / "docs" / "runbooks"


def test_there_is_a_page_for_each_code_and_no_other() -> None:
    found = {path.stem: path.read_text() for path in FOLDER.glob("*.md")}
    assert found == {code: runbook(kind) for code, kind in ALARM_KINDS.items()}


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.md"):
        path.unlink()
    for code, kind in ALARM_KINDS.items():
        (FOLDER / f"{code}.md").write_text(runbook(kind))


if __name__ == "__main__":
    write()
