"""Files of desired state: strict reading, with the line and column of every complaint.

The composed YAML is kept beside the values, because a plain load loses the marks; the shape is
checked by the model's own types, and what types cannot say is checked in `iolaus.fleet.check`.
Everything is found at once, so that a file with three typing errors is mended in one go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import yaml

from iolaus.fleet.shape import Fault, Misfit, Missing, Path, Unknown, faults
from iolaus.kernel.errors import OperatorMust
from iolaus.model.desired import Baseline

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 40
MAX_COMPLAINTS: Final = 20


T = TypeVar("T")


class Complaint(NamedTuple):
    """`line` and `column` count from 1."""

    line: int
    column: int
    message: str
    next_step: str


class BadFile(OperatorMust):
    """A file that cannot be used: the first complaint is the message, `complaints` are all."""

    def __init__(self, source: str, complaints: Sequence[Complaint]) -> None:
        first, more = complaints[0], len(complaints) - 1
        super().__init__(
            first.message + (f" (and {more} more)" if more else ""),
            operation="read",
            subject=f"{source}:{first.line}:{first.column}",
            code="BaselineInvalid",
            next_step=first.next_step,
        )
        self.source, self.complaints = source, tuple(complaints)

    def lines(self) -> list[str]:
        """Each complaint as `file:line:column: message. Next step`."""
        return [
            f"{self.source}:{c.line}:{c.column}: {c.message}{'' if c.message[-1] in '.?!' else '.'}"
            f" {c.next_step}"
            for c in self.complaints
        ]


class Document:
    """One document of a file: its values, and where each of them stands."""

    def __init__(self, node: yaml.Node, value: Any, *, source: str) -> None:
        self.value, self.source = value, source
        self._marks: dict[Path, yaml.Mark] = {}
        self._keys: dict[Path, yaml.Mark] = {}
        self.complaints: list[Complaint] = []
        self._meant: dict[Path, str] = {}
        self._count = 0
        self._walk(node, ())

    def wrong(self, path: Path, message: str, next_step: str, *, key: bool = False) -> Complaint:
        """A complaint at the value of `path` (or its key), or the nearest there is above it."""
        marks = self._keys if key else self._marks
        at = path = self._written(path)
        while at and at not in marks:
            at, marks = at[:-1], self._marks
        mark = marks.get(at) or self._marks[()]
        where = say_path(path)
        text = f"{where}: {message}" if where else message
        return Complaint(mark.line + 1, mark.column + 1, text, next_step)

    def mean(self, path: Path, written: str) -> None:
        """From now on `path` is what stands under another name in the file."""
        self._meant[path] = written

    def _written(self, path: Path) -> Path:
        """The path as the file spells it."""
        spelled = [self._meant.get(path[: n + 1], step) for n, step in enumerate(path)]
        return tuple(spelled)

    def _walk(self, node: yaml.Node, path: Path) -> None:
        self._count += 1
        if self._count > MAX_NODES or len(path) > MAX_DEPTH:
            mark = node.start_mark
            raise BadFile(
                self.source,
                [Complaint(mark.line + 1, mark.column + 1, "it is too large", "Split the file.")],
            )
        self._marks[path] = node.start_mark
        if isinstance(node, yaml.MappingNode):
            self._walk_mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                self._walk(child, (*path, index))

    def _walk_mapping(self, node: yaml.MappingNode, path: Path) -> None:
        for key, child in node.value:
            below = (*path, str(key.value))
            if below in self._keys:
                step = "Keep one of them."
                message = f"{key.value!r} stands here twice"
                mark = key.start_mark
                self.complaints.append(Complaint(mark.line + 1, mark.column + 1, message, step))
            self._keys[below] = key.start_mark
            self._walk(child, below)


def parse_documents(text: str, *, source: str) -> list[Document]:
    """All documents of a YAML (or JSON) text. Raises `BadFile`."""
    if len(text) > MAX_BYTES:
        raise BadFile(source, [Complaint(1, 1, "it is larger than 4 MiB", "Split the file.")])
    try:
        found = list(_compose(text, source))
    except yaml.YAMLError as error:
        raise BadFile(source, [_of_yaml(error)]) from None
    except (RecursionError, ValueError, OverflowError) as error:
        message = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadFile(source, [Complaint(1, 1, message, "Correct the YAML.")]) from None
    if not found:
        raise BadFile(source, [Complaint(1, 1, "it is empty", "Write a Baseline into it.")])
    return found


def parse_baseline(document: Document) -> Baseline:
    """The baseline of a document, its shape checked. Raises `BadFile` with every complaint."""
    return parse_as(document, Baseline, page="docs/baselines.md")


def parse_as(document: Document, kind: type[T], *, page: str) -> T:
    """The value of a document as one of `kind`; `page` is where its keys are explained. Raises
    `BadFile` with every complaint."""
    if not document.complaints:
        try:
            return msgspec.convert(document.value, kind)
        except msgspec.ValidationError:
            pass
    found = list(faults(document.value, kind))
    for fault in found:
        if isinstance(fault, Unknown) and fault.meant:
            document.mean((*fault.path, fault.meant), fault.name)
    complaints = [*document.complaints, *(_complaint(document, f, kind, page) for f in found)]
    raise BadFile(document.source, sorted(complaints)[:MAX_COMPLAINTS])


def say_path(path: Path) -> str:
    """spec.firmware.components[0].version"""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.lstrip(".")


def _compose(text: str, source: str) -> Iterator[Document]:
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            document = Document(node, None, source=source)
            document.value = loader.construct_document(node)
            yield document
    finally:
        loader.dispose()


def _of_yaml(error: yaml.YAMLError) -> Complaint:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "this is not YAML"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Complaint(line, column, str(problem), "Correct the YAML there.")


def _complaint(document: Document, fault: Fault, kind: type[Any], page: str) -> Complaint:
    path = fault.path
    match fault:
        case Unknown(name=name, meant=meant, known=known):
            step = f"Did you mean {meant!r}?" if meant else f"Known here: {', '.join(known)}."
            return document.wrong((*path, name), "this key is not known", step, key=True)
        case Missing(name=name):
            return document.wrong(path, f"{name!r} is missing", f"Write {name}: there.")
        case Misfit(message=message):
            return document.wrong(path, _plainly(message), _hint(message, _shape(path, kind), page))


def _plainly(message: str) -> str:
    return message.replace("`", "").replace("Expected", "expected").replace(", got", ", this is")


def _hint(message: str, shape: str, page: str) -> str:
    if "Expected `str`, got `float`" in message or "Expected `str`, got `int`" in message:
        return "Put it in quotes: YAML reads it as a number."
    if "Expected `str`, got `date" in message:
        return "Put it in quotes: YAML reads it as a date."
    if "Invalid enum value" in message or "Invalid" in message:
        return f"See {page} for the words that may stand here."
    return f"It is written {shape}." if shape else f"See {page}."


def _schema_of(kind: type[Any]) -> Any:
    return msgspec.json.schema(kind)


def _schema_at(path: Path, schema: Any) -> Mapping[str, Any]:
    """The JSON Schema of the place; empty where it is free."""
    here: Any = schema
    for step in path:
        here = _resolve(here, schema)
        if isinstance(step, int):
            here = here.get("items", {})
        else:
            here = here.get("properties", {}).get(step) or here.get("additionalProperties") or {}
        if not isinstance(here, Mapping):
            return {}
    found: Mapping[str, Any] = _resolve(here, schema)
    return found


def _resolve(schema: Any, whole: Any) -> Any:
    """Follows a reference, and takes the one branch of an alternative that is an object."""
    while isinstance(schema, Mapping):
        if "$ref" in schema:
            schema = whole["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in schema:
            named = [each for each in schema["anyOf"] if "$ref" in each or "items" in each]
            if not named:
                return schema
            schema = named[0]
        else:
            return schema
    return {}


def _shape(path: Path, kind: type[Any]) -> str:
    schema = _schema_at(path, _schema_of(kind))
    branches = [schema, *schema.get("anyOf", [])]
    return next((b["description"] for b in branches if b.get("description")), "")
