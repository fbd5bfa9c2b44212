"""The runbook of an alarm as a page of text: the table of kinds, printed."""

from __future__ import annotations

from iolaus.model.alarm import AlarmKind


def runbook(kind: AlarmKind) -> str:
    """Markdown; docs/runbooks holds one file for each code."""
    steps = "\n".join(f"{n}. {step}" for n, step in enumerate(kind.response, 1))
    rings = f" It rings after {kind.delay_on_s:.0f} s." if kind.delay_on_s else ""
    explained = ", ".join(f"[{code}]({code}.md)" for code in kind.causes)
    out = f"\nIt is put out of sight while one of these explains it: {explained}.\n"
    return (
        f"# {kind.code}\n\n"
        f"Priority: {kind.priority}.\n\n"
        f"{kind.means}\n\n"
        f"If nobody acts: {kind.consequence}\n\n"
        f"## What to do\n\n{steps}\n\n"
        f"## How it ends\n\nIt clears {kind.clears}{rings}\n"
        f"{out if kind.causes else ''}"
    )
