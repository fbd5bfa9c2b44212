"""Scripts of timed faults: what is struck and mended when, on whom, for how long.

    apiVersion: iolaus.dev/v1
    kind: FaultScript
    metadata: {name: afternoon}
    steps:
      - {at: 10s, break: leak-tray, select: h1-r07-u12, for: 60s, with: {amount: 0.5}}
      - {at: 2m, break: unreachable, select: rack=h1-r03, id: dark}
      - {at: 5m, mend: dark}

Reading is strict: unknown keys, faults and arguments are refused with line, column and what was
probably meant, before anything starts. Time counts from when the hall is ready, on its own clock.
Steps of one time are played in the order of the file, so the same file is the same run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.sim.catalogue import catalogue
from iolaus.sim.catalogue.select import Selector
from iolaus.sim.catalogue.strike import Order
from iolaus.sim.clock import holding
from iolaus.sim.hall_yaml import Entry as Block
from iolaus.sim.hall_yaml import meant, parse_yaml

_DURATION: Final = re.compile(r"^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
EXAMPLE: Final = "Write {at: 10s, break: FAULT} or {at: 1m, mend: FAULT}."
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """At `at_s`: `order` is struck, or what `mend` names is mended. `line` is where it stands."""

    at_s: float
    order: Order | None = None
    mend: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    name: str
    steps: tuple[Step, ...]


def duration_s(text: str) -> float | None:
    """`30s`, `5m`, `1.5h`, `250ms`, or seconds; None if it is no duration."""
    found = _DURATION.match(text.strip())
    return float(found[1]) * _SECONDS[found[2] or ""] if found else None


def load_script(path: Path) -> Script:
    """Raises OperatorMust with line, column and the next step."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorMust(
            f"cannot be read: {error}",
            operation="read fault script",
            subject=str(path),
            code="ScriptUnreadable",
            next_step="give the path of a readable UTF-8 YAML file; see docs/simulator.md.",
        ) from None
    return parse_script(text, source=str(path))


def parse_script(text: str, *, source: str) -> Script:
    top = parse_yaml(text, source=source)
    top.only("apiVersion", "kind", "metadata", "steps")
    top.one_of("apiVersion", ("iolaus.dev/v1",))
    top.one_of("kind", ("FaultScript",))
    head = top.block("metadata", optional=True)
    head.only("name")
    steps = [_step(block) for block in top.blocks("steps")]
    return Script(name=head.text("name", source), steps=tuple(sorted(steps, key=_when)))


class On(Protocol):
    """A striking that is on."""

    @property
    def key(self) -> str: ...

    @property
    def on(self) -> Sequence[str]: ...


class Strikes(Protocol):
    """Who strikes, and on whose clock: `Striking`, or whoever speaks for many of them."""

    @property
    def clock(self) -> Clock: ...

    async def strike(self, order: Order) -> On: ...

    async def mend(self, word: str | None = None) -> Sequence[On]: ...

    def stop(self) -> None: ...


async def play(script: Script, striking: Strikes, *, say: Say) -> None:
    """Play it to its end. A step that fails is told and does not stop the others."""
    clock = striking.clock
    began = clock.monotonic()
    for step in script.steps:
        wait = began + step.at_s - clock.monotonic()
        if wait > 0:
            await clock.sleep(wait)
        try:
            with holding(clock):
                said = await _played(step, striking)
            say(f"{step.at_s:g} s: {said}")
        except IolausError as error:
            say(f"{step.at_s:g} s: {error}")


async def _played(step: Step, striking: Strikes) -> str:
    if step.order is None:
        gone = await striking.mend(step.mend or None)
        return f"mended {', '.join(each.key for each in gone) or 'nothing'}"
    struck = await striking.strike(step.order)
    return f"{step.order.fault} on {len(struck.on)} devices ({struck.key})"


def _when(step: Step) -> float:
    return step.at_s


def _step(block: Block) -> Step:
    block.only("at", "break", "mend", "select", "for", "with", "id")
    at_s = _seconds(block, "at")
    line = block.line
    if "mend" in block.names:
        if "break" in block.names:
            raise block.wrong("it breaks and mends", EXAMPLE, block.at("mend"))
        word = block.text("mend")
        return Step(at_s=at_s or 0.0, mend="" if word == "all" else word, line=line)
    if "break" not in block.names:
        raise block.wrong("neither 'break' nor 'mend' stands here", EXAMPLE)
    entry = catalogue().get(block.text("break"))
    if entry is None:
        word = block.text("break")
        hint = meant(word, list(catalogue())) if _near(word) else "`iolaus sim faults` lists them."
        raise block.wrong(f"break: no fault is named {word!r}", hint, block.at("break"))
    given = _given(block, entry.complete)
    select = block.text("select", "")
    try:
        Selector(select)
    except OperatorMust as error:
        raise block.wrong(f"select: {error.message}", error.next_step, block.at("select")) from None
    order = Order(
        fault=entry.name,
        select=select,
        for_s=_seconds(block, "for"),
        given=given,
        id=block.text("id", ""),
    )
    return Step(at_s=at_s or 0.0, order=order, line=line)


def _near(word: str) -> bool:
    return "Did you mean" in meant(word, list(catalogue()))


def _given(
    block: Block, complete: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> dict[str, Any]:
    inner = block.block("with", optional=True)
    given: dict[str, Any] = {}
    for name in inner.names:
        given[name] = inner.text(name)
        try:
            complete({name: given[name]})
        except OperatorMust as error:
            raise inner.wrong(error.message, error.next_step, inner.at(name)) from None
    return given


def _seconds(block: Block, name: str) -> float | None:
    text = block.text_or_none(name)
    if text is None:
        return None
    found = duration_s(text)
    if found is None:
        raise block.wrong(
            f"{name}: {text!r} is no duration", f"Write {name}: 30s, 5m or 1h.", block.at(name)
        )
    return found
