"""A verdict as a person and as a program read it, and the exit code that follows from it.

Every `iolaus verify` prints the same object: five axes, of which those that do not apply are
null, the summary over them, and the findings. 0 is verified or trusted, 5 is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import typer

from iolaus.model.trust import Detail, Finding, Summary, Verdict
from iolaus.north.cli.cells import UNKNOWN, text
from iolaus.north.cli.render import print_json, write

NOT_VERIFIED: Final = 5
_GOOD: Final = frozenset((Summary.TRUSTED, Summary.VERIFIED))
_AXES: Final = ("evidence", "signature", "identity", "reference", "lifecycle")
_MAX_DETAIL: Final = 200


class Form(StrEnum):
    """`-o` of the commands that give a verdict."""

    TEXT = "text"
    JSON = "json"


def verdict_view(verdict: Verdict) -> dict[str, Any]:
    """The object that `-o json` prints."""
    axes = {name: None if axis is None else axis.value for name, axis in _named(verdict)}
    findings = [
        {"code": each.code, "message": each.message, "detail": dict(each.detail)}
        for each in verdict.findings
    ]
    return {**axes, "summary": verdict.summary.value, "findings": findings}


def exit_code(verdict: Verdict) -> int:
    return 0 if verdict.summary in _GOOD else NOT_VERIFIED


def give_verdict(verdict: Verdict, form: Form, facts: Iterable[tuple[str, str]] = ()) -> None:
    """Print it; `facts` stand below the axes in text. Ends the command with 5 if it is not good."""
    if form is Form.JSON:
        print_json(verdict_view(verdict))
    else:
        write("".join(f"{line}\n" for line in _lines(verdict, facts)))
    if code := exit_code(verdict):
        raise typer.Exit(code)


def _named(verdict: Verdict) -> Iterator[tuple[str, Any]]:
    return zip(_AXES, verdict.axes, strict=True)


def _lines(verdict: Verdict, facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield _row("summary", verdict.summary.value)
    for name, axis in _named(verdict):
        yield _row(name, UNKNOWN if axis is None else axis.value)
    for name, value in facts:
        yield _row(name, text(value))
    for finding in verdict.findings:
        yield ""
        yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{text(finding.code)}: {text(finding.message)}"
    yield from (_row(f"  {name}", value) for name, value in _details(finding.detail))


def _details(detail: Mapping[str, Detail]) -> Iterator[tuple[str, str]]:
    for name, value in detail.items():
        told = text(value)
        yield text(name), told if len(told) <= _MAX_DETAIL else f"{told[:_MAX_DETAIL]}..."


def _row(name: str, value: str) -> str:
    return f"{name:<12} {value}".rstrip()
