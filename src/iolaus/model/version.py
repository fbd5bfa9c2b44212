"""Versions of firmware, compared only where their order is certain.

Makers write "GB200Nvl-25.08-9", "1.62 Oct 02 2025", "00.1D.7D", "BIOS Date: 08/13/2025 Ver 1.4b".
Whether two of these are the same can nearly always be said; which is newer only when the scheme is
known: 0.1C is newer than 0.22 if the parts are decimal with a letter and older if they are
hexadecimal. So a scheme is data (from the driver that read it, or from the baseline), the scheme
without a name takes only what cannot be misread, and what does not parse is unknown: never equal,
never newer, never a reason to flash.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from iolaus.kernel.errors import OperatorMust

Key = tuple[tuple[int, str], ...]
SCHEMES: Final = ("dotted", "suffix", "hex", "date", "exact")
_SEPARATOR: Final = re.compile(r"[.\-_+: ]+")
_TERM: Final = re.compile(r"^\s*(>=|<=|==|!=|>|<|=|~=)?\s*(\S(?:.*\S)?)\s*$")
_PREFIX: Final = re.compile(r"^(?:[A-Za-z][A-Za-z0-9]*[ _-]+)*[vV]?(?=\d)")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov",
                  "dec")  # fmt: skip
_DATES: Final = (
    (re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"), (0, 1, 2)),
    (re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})"), (2, 0, 1)),
)
_WORDED: Final = re.compile(
    rf"({'|'.join(_MONTHS)})[a-z]*\.?\s+(\d{{1,2}}),?\s+(\d{{4}})", re.IGNORECASE
)
_SAID: Final = re.compile(r"\bver(?:sion)?[ .:]+(\S+)")


class Verdict(StrEnum):
    """Whether a version satisfies a constraint."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Term(msgspec.Struct, frozen=True):
    op: str
    version: str


class Constraint(msgspec.Struct, frozen=True, kw_only=True):
    """All terms must hold. `exact` is the version meant where there is only that one."""

    text: str
    terms: tuple[Term, ...]

    @property
    def exact(self) -> str | None:
        only = self.terms[0] if len(self.terms) == 1 else None
        return only.version if only and only.op == "==" else None


@lru_cache(maxsize=4096)
def parse_constraint(text: str) -> Constraint:
    """`25.08-9`, `>=1.7,<2`, `!=1.8`. A version alone is that version. Raises `OperatorMust`."""
    terms = []
    for piece in text.split(","):
        found = _TERM.match(piece)
        if not found or found[1] == "~=" or re.match(r"[<>=!~]", found[2]):
            raise OperatorMust(
                f"{piece.strip()!r} is no version and no comparison",
                operation="read version",
                subject=text,
                code="VersionInvalid",
                next_step="write a version (25.08-9) or comparisons (>=1.7,<2).",
            )
        op = found[1] or "=="
        terms.append(Term("==" if op == "=" else op, found[2]))
    return Constraint(text=text, terms=tuple(terms))


def satisfies(version: str, constraint: Constraint, *, scheme: str = "") -> Verdict:
    """Whether a version that a device reports is one that is wanted."""
    verdict = Verdict.YES
    for term in constraint.terms:
        found = _holds(version, term, scheme)
        if found is Verdict.NO:
            return found
        if found is Verdict.UNKNOWN:
            verdict = found
    return verdict


def compare(a: str, b: str, *, scheme: str = "") -> int | None:
    """-1, 0 or 1; None where their order is not certain."""
    if same(a, b, scheme=scheme):
        return 0
    if _products_differ(_plain(a), _plain(b)):
        return None
    left, right = key_of(a, scheme), key_of(b, scheme)
    if left is None or right is None or not _alike(left, right):
        return None
    left, right = _even(left, right)
    return (left > right) - (left < right)


def same(a: str, b: str, *, scheme: str = "") -> bool:
    """The same version, however it is adorned: blanks and case never matter; a product's name in
    front or a date behind only if both have it."""
    left, right = _plain(a), _plain(b)
    if left == right:
        return True
    if scheme == "exact" or (_prefix(left) and _prefix(right)):
        return False
    return _core(left) == _core(right) != ""


def key_of(version: str, scheme: str) -> Key | None:
    """What versions of a scheme are ordered by; None if this is none of its versions."""
    core = version if scheme == "date" else _core(_plain(version))
    return _KEYS.get(scheme or "dotted", _exact)(core) if core else None


def _holds(version: str, term: Term, scheme: str) -> Verdict:
    if term.op in ("==", "!="):
        equal = same(version, term.version, scheme=scheme)
        return Verdict.YES if equal == (term.op == "==") else Verdict.NO
    order = compare(version, term.version, scheme=scheme)
    if order is None:
        return Verdict.UNKNOWN
    fine = {">": order > 0, ">=": order >= 0, "<": order < 0, "<=": order <= 0}[term.op]
    return Verdict.YES if fine else Verdict.NO


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _prefix(text: str) -> str:
    found = _PREFIX.match(text)
    return found[0].rstrip("v") if found else ""


def _products_differ(a: str, b: str) -> bool:
    left, right = _prefix(a), _prefix(b)
    return bool(left and right and left != right)


def _core(text: str) -> str:
    """Without the product's name in front and the date or remark in brackets behind."""
    if said := _SAID.search(text):
        return said[1]
    found = _PREFIX.match(text)
    rest = text[found.end() :] if found else text
    rest = re.split(r"[(\[]", rest, maxsplit=1)[0].strip()
    worded = _WORDED.search(rest)
    return rest[: worded.start()].strip() if worded and worded.start() > 0 else rest


def _tokens(text: str) -> list[str]:
    return [each for each in _SEPARATOR.split(text) if each]


def _dotted(core: str) -> Key | None:
    tokens = _tokens(core)
    if not all(each.isascii() and each.isdigit() for each in tokens):
        return None
    return tuple((int(each), "") for each in tokens) or None


def _suffix(core: str) -> Key | None:
    found = [re.fullmatch(r"([0-9]{1,18})([a-z]{0,8})|([a-z]{1,8})([0-9]{1,18})", each)
             for each in _tokens(core)]  # fmt: skip
    if not found or not all(found):
        return None
    return tuple(
        (int(each[1]), each[2]) if each[1] else (int(each[4]), each[3]) for each in found if each
    )


def _hex(core: str) -> Key | None:
    tokens = _tokens(core.removeprefix("0x"))
    if not tokens or not all(re.fullmatch(r"[0-9a-f]{1,16}", each) for each in tokens):
        return None
    return tuple((int(each, 16), "") for each in tokens)


def _date(text: str) -> Key | None:
    for pattern, (year, month, day) in _DATES:
        if found := pattern.search(text):
            parts = found.groups()
            return tuple((int(parts[at]), "") for at in (year, month, day))
    if worded := _WORDED.search(text):
        month_number = _MONTHS.index(worded[1][:3].casefold()) + 1
        return ((int(worded[3]), ""), (month_number, ""), (int(worded[2]), ""))
    return None


def _exact(_: str) -> Key | None:
    return None


def _alike(a: Key, b: Key) -> bool:
    """A letter in one and none in the other at the same place, except behind: no order."""
    return all(bool(x[1]) == bool(y[1]) or x[0] == y[0] for x, y in zip(a, b, strict=False))


def _even(a: Key, b: Key) -> tuple[Key, Key]:
    """1.7 and 1.7.0 are the same; 1.7 is older than 1.7.1."""
    longest = max(len(a), len(b))
    pad = ((0, ""),)
    return a + pad * (longest - len(a)), b + pad * (longest - len(b))


_KEYS: Final[Mapping[str, Callable[[str], Key | None]]] = {
    "dotted": _dotted,
    "suffix": _suffix,
    "hex": _hex,
    "date": _date,
    "exact": _exact,
}
