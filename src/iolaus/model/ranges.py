"""Ranges of versions as advisories write them, and whether a reported version lies within.

Three notations are understood: a version range specifier (`vers:generic/>=1.0|<2.5`), plain
comparisons (`<25.08-9`, `>= 1.0 < 2.0`), and the few phrases that makers use ("prior to 1.4",
"1.4 and earlier", "all versions"). A range becomes alternatives, each a conjunction. Anything else
is None: a range that is not understood, which is unknown for every version. A version whose order
to a bound is not certain is unknown too, also where only equality is asked: two texts that cannot
be ordered may well be one version written twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from iolaus.model.version import Verdict, compare

Pair = tuple[str, str]
MAX_LENGTH: Final = 2_000
MAX_BOUNDS: Final = 64
_COMPARISON: Final = re.compile(r"\s*(>=|<=|!=|==|=|<|>|≤|≥)\s*v?([^\s<>=!,|≤≥]+)\s*[,&]?")
_VERS: Final = re.compile(r"vers:[a-z0-9.+-]+/(.+)", re.IGNORECASE)
_VERSION: Final = r"(?:v(?:ersion)?\.?\s*)?([0-9][^\s,;|<>=]*)"
_BEFORE: Final = re.compile(
    rf"(?:all\s+)?(?:versions?\s+|releases?\s+)?(?:prior\s+to|before|earlier\s+than|older\s+than|"
    rf"lower\s+than|below|up\s+to\s+but\s+not\s+including)\s+{_VERSION}",
    re.IGNORECASE,
)
_UP_TO: Final = re.compile(
    rf"(?:all\s+)?(?:versions?\s+)?(?:up\s+to(?:\s+and\s+including)?|through)\s+{_VERSION}",
    re.IGNORECASE,
)
_AND_EARLIER: Final = re.compile(
    rf"{_VERSION}\s+(?:and|or)\s+(?:earlier|prior|older|below|lower)(?:\s+versions?)?",
    re.IGNORECASE,
)
_FROM_ON: Final = re.compile(
    rf"{_VERSION}\s+(?:and|or)\s+(?:later|newer|above|higher)(?:\s+versions?)?", re.IGNORECASE
)
_ALL: Final = re.compile(r"\*|all|any|all\s+versions?|any\s+versions?", re.IGNORECASE)
_PHRASES: Final = ((_BEFORE, "<"), (_UP_TO, "<="), (_AND_EARLIER, "<="), (_FROM_ON, ">="))
_OPS: Final = {"=": "==", "≤": "<=", "≥": ">="}


def parse_range(text: str) -> tuple[str, ...] | None:
    """Alternatives, any of which may hold; empty: every version; None: not understood. Pure."""
    text = text.strip()
    if not text or len(text) > MAX_LENGTH:
        return None
    if found := _VERS.fullmatch(text):
        return _vers(found[1])
    if _ALL.fullmatch(text):
        return ()
    for phrase, op in _PHRASES:
        if found := phrase.fullmatch(text):
            return (op + found[1].rstrip("."),)
    return _union(text)


def within(version: str, alternatives: Sequence[str], *, scheme: str = "") -> Verdict:
    """Whether a version lies in a range that `parse_range` gave."""
    if not alternatives:
        return Verdict.YES
    found = {_all_of(version, each, scheme) for each in alternatives}
    for verdict in (Verdict.YES, Verdict.UNKNOWN):
        if verdict in found:
            return verdict
    return Verdict.NO


def first_fixed(alternatives: Iterable[str] | None) -> str:
    """The version that ends the range, where exactly one does and it is not in it itself."""
    pairs = [pair for each in alternatives or () for pair in _pairs(each)]
    ends = {version for op, version in pairs if op == "<"}
    closed = any(op in ("<=", "==") for op, _ in pairs)
    return ends.pop() if len(ends) == 1 and not closed else ""


def _vers(text: str) -> tuple[str, ...] | None:
    """The constraints of a specifier, its versions percent-decoded. They come sorted by version
    (the vers specification); bounds that open and close alternate."""
    if text.strip() == "*":
        return ()
    pieces = text.split("|")
    if len(pieces) > MAX_BOUNDS:
        return None
    pairs: list[Pair] = []
    for piece in pieces:
        found = re.fullmatch(r"\s*(>=|<=|!=|=|<|>)?\s*([^\s<>=!|,]+)\s*", piece)
        if not found or not (version := _plain(unquote(found[2]))):
            return None
        pairs.append((_OPS.get(found[1] or "=", found[1] or "=="), version))
    return _intervals(pairs)


def _plain(version: str) -> str:
    return "" if re.search(r"[,\s<>=!|]", version) else version


def _union(text: str) -> tuple[str, ...] | None:
    """Alternatives between `||` or `|`, each one a run of comparisons."""
    found: list[str] = []
    for piece in re.split(r"\|\|?", text)[: MAX_BOUNDS + 1]:
        pairs = _comparisons(piece)
        if not pairs:
            return None
        found.append(_written(pairs))
    return tuple(found) if len(found) <= MAX_BOUNDS else None


def _comparisons(text: str) -> list[Pair]:
    pairs, at = [], 0
    while at < len(text):
        found = _COMPARISON.match(text, at)
        if not found:
            return []
        pairs.append((_OPS.get(found[1], found[1]), found[2]))
        at = found.end()
    return pairs


def _intervals(pairs: Sequence[Pair]) -> tuple[str, ...] | None:
    found: list[list[Pair]] = []
    begun: list[Pair] = []
    without = [pair for pair in pairs if pair[0] == "!="]
    for op, version in (pair for pair in pairs if pair[0] != "!="):
        if op == "==":
            found.append([(op, version)])
        elif op in (">", ">="):
            if begun:
                return None
            begun = [(op, version)]
        else:
            found.append([*begun, (op, version)])
            begun = []
    found += [begun] if begun else []
    return tuple(_written([*each, *without]) for each in found or [[]])


def _written(pairs: Iterable[Pair]) -> str:
    return ",".join(op + version for op, version in pairs)


@lru_cache(maxsize=4096)
def _pairs(text: str) -> tuple[Pair, ...]:
    found = (re.match(r"(>=|<=|!=|==|<|>)(.+)", each) for each in text.split(","))
    return tuple((each[1], each[2]) for each in found if each)


def _all_of(version: str, conjunction: str, scheme: str) -> Verdict:
    verdict = Verdict.YES
    for op, bound in _pairs(conjunction):
        found = _holds(version, op, bound, scheme)
        if found is Verdict.NO:
            return found
        verdict = Verdict.UNKNOWN if found is Verdict.UNKNOWN else verdict
    return verdict


def _holds(version: str, op: str, bound: str, scheme: str) -> Verdict:
    if op.startswith(">") and bound == "0":  # OSV: from the very beginning
        return Verdict.YES
    order = compare(version, bound, scheme=scheme)
    if order is None:
        return Verdict.UNKNOWN
    fine = {">": order > 0, ">=": order >= 0, "<": order < 0, "<=": order <= 0,
            "==": order == 0, "!=": order != 0}[op]  # fmt: skip
    return Verdict.YES if fine else Verdict.NO
