"""What types cannot say of a baseline: that its selectors, versions, gates and windows mean
something, and that its parts agree. Pure; every finding names its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from iolaus.fleet.document import (
    BadFile,
    Document,
    parse_baseline,
    parse_documents,
    say_path,
)
from iolaus.fleet.gate import parse_gate
from iolaus.fleet.judge import compile_selector, expires_at, subjects
from iolaus.fleet.numbers import GATE_NAMES
from iolaus.fleet.order import knots
from iolaus.fleet.shape import Path
from iolaus.fleet.window import parse_duration, parse_window
from iolaus.kernel.errors import OperatorMust
from iolaus.model.desired import Baseline, BaselineSpec, ImageRef
from iolaus.model.version import parse_constraint

DAY_S: Final = 86_400.0
Room = Callable[[BaselineSpec], Iterator["Wrong"]]


class Wrong(NamedTuple):
    """`path` leads to the value in the document."""

    path: Path
    message: str
    next_step: str

    @property
    def where(self) -> str:
        return say_path(self.path)


def read_baselines(text: str, *, source: str) -> list[Baseline]:
    """All baselines of a text, wholly checked. Raises `BadFile` with line and column."""
    found = []
    for document in parse_documents(text, source=source):
        baseline = parse_baseline(document)
        _refuse(document, check(baseline))
        found.append(baseline)
    return found


def check(baseline: Baseline) -> list[Wrong]:
    """Everything that is wrong with it; empty when nothing is."""
    rooms: tuple[Room, ...] = (
        _selectors, _components, _accounts, _exceptions, _waves, _gates, _window,
    )  # fmt: skip
    return [wrong for room in rooms for wrong in room(baseline.spec)]


def _refuse(document: Document, wrong: list[Wrong]) -> None:
    if wrong:
        complaints = [document.wrong(w.path, w.message, w.next_step) for w in wrong]
        raise BadFile(document.source, sorted(complaints))


def _selectors(spec: BaselineSpec) -> Iterator[Wrong]:
    path: Path = ("spec", "selector")
    if not spec.selector.match_labels and not spec.selector.expression:
        yield Wrong(path, "it selects no node", "Write matchLabels: or expression: there.")
    yield from _tried(lambda: compile_selector(spec.selector), (*path, "expression"))


def _components(spec: BaselineSpec) -> Iterator[Wrong]:
    every = subjects(spec)
    words = [subject.word for subject in every]
    matches = [subject.want.match for subject in every]
    path: Path = ("spec", "firmware", "components")
    for number, want in enumerate(spec.firmware.components):
        here = (*path, number)
        yield from _tried(lambda v=want.version: parse_constraint(v), (*here, "version"))  # type: ignore[misc]
        match = want.match
        if not match.component and not match.kind:
            yield Wrong((*here, "match"), "it matches every component",
                        "Write component: or kind: there.")  # fmt: skip
        if matches.index(match) != number:
            yield Wrong((*here, "match"), f"{words[number]!r} stands here twice", "Keep one.")
        yield from _image(want.image, (*here, "image"))
    for knot in knots(every):
        place = () if knot.place is None else (knot.at, "after", knot.place)
        yield Wrong((*path, *place), knot.message, _sentence(knot.next_step))


def _image(image: ImageRef | None, path: Path) -> Iterator[Wrong]:
    if image is not None and bool(image.file) == bool(image.uri):
        yield Wrong(path, "an image is either a file or a uri", "Write one of the two.")
    if image is not None and ("/" in image.file or image.file.startswith(".")):
        yield Wrong((*path, "file"), "a file of the image folder has no path",
                    "Write its name only.")  # fmt: skip


def _accounts(spec: BaselineSpec) -> Iterator[Wrong]:
    want = spec.bmc.accounts
    if want is None or want.rotate_every is None:
        return
    path, every = ("spec", "bmc", "accounts", "rotateEvery"), want.rotate_every
    if wrong := list(_tried(lambda: parse_duration(every), path)):
        yield from wrong
    elif parse_duration(every) < DAY_S:
        yield Wrong(path, "passwords would be new more often than once a day", "Write 1d or more.")


def _exceptions(spec: BaselineSpec) -> Iterator[Wrong]:
    for number, excused in enumerate(spec.exceptions):
        here: Path = ("spec", "exceptions", number)
        yield from _tried(
            lambda e=excused: compile_selector(e.selector),  # type: ignore[misc]
            (*here, "selector"),
        )
        try:
            expires_at(excused.expires)
        except ValueError:
            yield Wrong((*here, "expires"), "there is no such day", "Write 2026-12-31.")


def _waves(spec: BaselineSpec) -> Iterator[Wrong]:
    names: set[str] = set()
    for number, wave in enumerate(spec.rollout.waves):
        here: Path = ("spec", "rollout", "waves", number)
        if wave.name in names:
            yield Wrong((*here, "name"), f"{wave.name!r} stands here twice", "Name it otherwise.")
        names.add(wave.name)
        if wave.max is None and number < len(spec.rollout.waves) - 1:
            yield Wrong(here, "only the last wave may take all that is left", "Write max: there.")


def _gates(spec: BaselineSpec) -> Iterator[Wrong]:
    for number, gate in enumerate(spec.rollout.gates):
        here: Path = ("spec", "rollout", "gates", number)
        if bool(gate.expr) == bool(gate.command):
            yield Wrong(
                here, "a gate is either an expression or a command", "Write one of the two."
            )
        if gate.expr:
            yield from _tried(
                lambda g=gate: parse_gate(g.name, g.expr, names=GATE_NAMES),  # type: ignore[misc]
                (*here, "expr"),
            )


def _window(spec: BaselineSpec) -> Iterator[Wrong]:
    window = spec.rollout.window
    if window is not None:
        yield from _tried(
            lambda: parse_window(cron=window.cron, duration=window.duration, tz=window.tz),
            ("spec", "rollout", "window"),
        )


def _tried(work: Callable[[], object], path: Path) -> Iterator[Wrong]:
    try:
        work()
    except OperatorMust as error:
        yield Wrong(path, error.message, _sentence(error.next_step))


def _sentence(step: str) -> str:
    ended = step if step.endswith("?") else step.rstrip(".") + "."
    return ended[:1].upper() + ended[1:]
