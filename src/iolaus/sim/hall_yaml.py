"""Strict reading of YAML that a person wrote: every complaint has a line, a column and a hint.

The composed node graph is kept beside the values, because a plain load loses the marks. Only what
a site file needs is here: blocks, lists of blocks, text, whole numbers, decimals and switches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

import yaml

from iolaus.kernel.errors import OperatorMust

DEPTH_LIMIT = 20


def parse_yaml(text: str, *, source: str) -> Entry:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        problem = getattr(error, "problem", None) or "this is not YAML"
        raise complaint(where, problem, "Correct the YAML there.") from error
    except RecursionError as error:
        raise complaint(source, "it is nested too deeply", "Flatten the file.") from error
    if not isinstance(node, yaml.MappingNode):
        raise complaint(source, "a mapping is expected", "See docs/site-file.md for an example.")
    return Entry(node, source=source, where="")


def complaint(where: str, message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message, operation="read", subject=where, code="SiteInvalid", next_step=next_step
    )


class Entry:
    """One mapping of the file. Getters raise OperatorMust at the offending value."""

    def __init__(self, node: yaml.MappingNode | None, *, source: str, where: str) -> None:
        self._node, self._source, self._where = node, source, where
        self._values: dict[str, yaml.Node] = {}
        self._keys: dict[str, yaml.Node] = {}
        for key, value in node.value if node is not None else ():
            name = str(key.value)
            if name in self._values:
                raise self.wrong(f"{name!r} stands here twice", "Keep one of them.", key)
            self._values[name], self._keys[name] = value, key

    def wrong(self, message: str, next_step: str, node: yaml.Node | None = None) -> OperatorMust:
        at = node or self._node
        mark = at.start_mark if at is not None else None
        place = f"{self._source}:{mark.line + 1}:{mark.column + 1}" if mark else self._source
        return complaint(place, f"{self._where}: {message}" if self._where else message, next_step)

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._values)

    @property
    def line(self) -> int:
        return self._node.start_mark.line + 1 if self._node is not None else 0

    def at(self, name: str) -> yaml.Node | None:
        """The node of a value, for `wrong`."""
        return self._values.get(name)

    def only(self, *known: str) -> None:
        """Refuse any other key, and say which one was probably meant."""
        for name, key in self._keys.items():
            if name not in known:
                raise self.wrong(f"unknown key {name!r}", meant(name, known), key)

    def text(self, name: str, default: str | None = None) -> str:
        found = self.text_or_none(name)
        if found is not None:
            return found
        if default is None:
            raise self.wrong(f"{name!r} is missing", f"Add {name}: ...")
        return default

    def text_or_none(self, name: str) -> str | None:
        node = self._values.get(name)
        if node is None:
            return None
        if not isinstance(node, yaml.ScalarNode):
            raise self.wrong(f"{name!r} must be a word", f"Write {name}: word", node)
        return str(node.value)

    def one_of(self, name: str, allowed: Sequence[str]) -> str:
        found = self.text(name)
        if found not in allowed:
            raise self.wrong(
                f"{name}: {found!r} is not known", meant(found, allowed), self._values[name]
            )
        return found

    def number(self, name: str, default: int, *, low: int | None = None) -> int:
        found = self.decimal(name, float(default))
        if found != int(found) or (low is not None and found < low):
            wanted = "a whole number" if low is None else f"a whole number of at least {low}"
            raise self.wrong(
                f"{name!r} must be {wanted}",
                f"Write {name}: {max(default, low or 0)}",
                self._values[name],
            )
        return int(found)

    def decimal(self, name: str, default: float) -> float:
        node = self._values.get(name)
        if node is None:
            return default
        try:
            found = float(node.value)
        except (TypeError, ValueError) as error:
            raise self.wrong(
                f"{name!r} must be a number", f"Write {name}: {default:g}", node
            ) from error
        if not -1e12 < found < 1e12:
            raise self.wrong(f"{name!r} is out of range", f"Write {name}: {default:g}", node)
        return found

    def flag(self, name: str, *, default: bool) -> bool:
        found = self.text_or_none(name)
        if found is None:
            return default
        if found.lower() not in ("true", "false"):
            raise self.wrong(
                f"{name!r} must be true or false", f"Write {name}: true", self._values[name]
            )
        return found.lower() == "true"

    def block(self, name: str, *, optional: bool = False) -> Entry:
        node = self._values.get(name)
        if node is None and not optional:
            raise self.wrong(f"{name!r} is missing", f"Add {name}: with what belongs below it.")
        return self._entry(node, name)

    def blocks(self, name: str, *, optional: bool = False) -> list[Entry]:
        node = self._values.get(name)
        if node is None and optional:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.wrong(
                f"{name!r} must be a list", f"Write {name}: and - items below it.", node
            )
        return [self._entry(item, f"{name}[{n}]") for n, item in enumerate(node.value)]

    def named_blocks(self) -> Iterator[tuple[str, Entry]]:
        for name in self._values:
            yield name, self.block(name)

    def labels(self, name: str) -> dict[str, str]:
        inner = self.block(name, optional=True)
        return {key: inner.text(key) for key in inner.names}

    def _entry(self, node: yaml.Node | None, name: str) -> Entry:
        where = f"{self._where}.{name}" if self._where else name
        if where.count(".") > DEPTH_LIMIT:
            raise self.wrong("it is nested too deeply", "Flatten the file.", node)
        if node is not None and not isinstance(node, yaml.MappingNode):
            raise self.wrong(f"{name!r} must have keys below it", "See docs/site-file.md.", node)
        return Entry(node, source=self._source, where=where)


def meant(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Use one of: {', '.join(sorted(known))}."
