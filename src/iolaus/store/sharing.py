"""Holding five thousand nodes in little memory: say the same thing once.

A fleet repeats itself: the same URIs, names, models and versions on every node of a type, the
same inventory at every reading. Equal texts become one text, equal small values one value, and a
part of a report that did not change stays the object that it was, which is also how the writer
knows that it need not be written. The pool is emptied when it has grown too far; what is held
stays shared, only new sharing starts afresh.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from enum import Enum
from functools import cache
from itertools import repeat
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from iolaus.model.asset import (
    Capability,
    Deviation,
    Firmware,
    HotUpdate,
    ManagerSetting,
    Report,
    Setting,
)

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
_set = msgspec.structs.force_setattr
_NOTHING: Mapping[str, Any] = {}
_STATIC = (
    "components",
    "firmware",
    "power_limits",
    "capabilities",
    "settings",
    "manager_settings",
    "certificates",
    "attesters",
    "deviations",
)
_VALUES = (Firmware, Capability, Deviation, Setting, ManagerSetting)
"""Types that recur whole from node to node."""
_TEXTS = (str, str | None)
_NUMBERS = (float, int, bool, float | None, int | None, bool | None)


class Sharing:
    """One pool. `most` bounds the texts and values that it remembers."""

    def __init__(self, *, most: int = 500_000) -> None:
        self._pool: dict[Hashable, Any] = {}
        self._most = most

    def share(self, report: Report, last: Report | None) -> Report:
        """An equal report whose parts are the last one's where they are equal."""
        if len(self._pool) > self._most:
            self._pool.clear()
        static = {name: self._static(name, report, last) for name in _STATIC}
        readings = self.slim_all(report.readings)
        return msgspec.structs.replace(
            report,
            **static,
            readings=readings,
            hot=self.same(report.hot),
            assets=tuple(self.slim(asset) for asset in report.assets),
        )

    def share_part(self, part: Any) -> Any:
        """One part of a report as it is kept: a field's tuple, the rest of it, or a hot set."""
        if isinstance(part, Report):
            return self.share(part, None)
        if isinstance(part, HotUpdate):
            self.slim_all(part.readings)
            return part
        if part and not isinstance(part[0], _VALUES):
            return self.slim_all(part)
        return tuple(self._part(each, {}) for each in part)

    def slim_all(self, parts: tuple[S, ...]) -> tuple[S, ...]:
        """Each of them, all of one type, slimmed: a field of all before the next field, because
        the readings of a hall are a million."""
        texts, others = _fields_of(type(parts[0])) if parts else ((), ())
        share = self._pool.setdefault
        for field in texts:
            values = list(map(attrgetter(field), parts))
            deque(map(_set, parts, repeat(field), map(share, values, values)), maxlen=0)
        for part in parts if others else ():
            self._slim(part, others)
        return parts

    def slim(self, part: S) -> S:
        """The same struct with its texts and small mappings shared. Values do not change, so a
        frozen struct is rewritten in place."""
        texts, others = _fields_of(type(part))
        self._slim(part, texts)
        self._slim(part, others)
        return part

    def _slim(self, part: msgspec.Struct, fields: tuple[str, ...]) -> None:
        for field in fields:
            value = getattr(part, field)
            if type(value) is str:
                shared: Any = self._pool.setdefault(value, value)
            elif type(value) is dict:
                shared = self._mapping(value)
            else:
                continue
            if shared is not value:
                _set(part, field, shared)

    def same(self, value: T) -> T:
        """One object for all equal ones; `value` must be hashable and all text."""
        return self._pool.setdefault(value, value)  # type: ignore[no-any-return]

    def key(self, text: str) -> str:
        return self._pool.setdefault(text, text)  # type: ignore[no-any-return]

    def _static(self, name: str, report: Report, last: Report | None) -> tuple[Any, ...]:
        parts: tuple[Any, ...] = getattr(report, name)
        before: tuple[Any, ...] = getattr(last, name) if last is not None else ()
        if len(before) == len(parts) and all(map(_alike, before, parts)):
            return before
        olds = {part.uri: part for part in before} if name == "components" else {}
        return tuple(self._part(part, olds) for part in parts)

    def _part(self, part: Any, olds: Mapping[str, Any]) -> Any:
        old = olds.get(part.uri) if olds else None
        if old is not None and _alike(old, part):
            return old
        if not isinstance(part, _VALUES):
            return self.slim(part)
        key = (_types(part), part)
        if (known := self._pool.get(key)) is None:
            known = self._pool[key] = self.slim(part)
        return known

    def _mapping(self, value: dict[str, Any]) -> Mapping[str, Any]:
        if not value:
            return _NOTHING
        try:
            return self._pool.setdefault(tuple(value.items()), value)  # type: ignore[no-any-return]
        except TypeError:
            return value


@cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that are text or nothing, and the others that may have something to share in them."""
    fields = [each for each in msgspec.structs.fields(kind) if _may_share(each.type)]
    texts = tuple(each.name for each in fields if each.type in _TEXTS)
    return texts, tuple(each.name for each in fields if each.name not in texts)


def _may_share(kind: Any) -> bool:
    return kind not in _NUMBERS and not (isinstance(kind, type) and issubclass(kind, Enum))


def _alike(before: Any, after: Any) -> bool:
    """Equal, and equal in type: a setting of 1 is not one of True."""
    if before is after:
        return True
    return _types(before) == _types(after) and before == after


def _types(part: Any) -> tuple[type, type]:
    return type(getattr(part, "value", None)), type(getattr(part, "staged", None))
