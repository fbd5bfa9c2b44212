"""Gates: conditions over a roll-out's numbers that must hold before it goes on.

`failed / attempted < 0.05` is arithmetic, comparison, `and`, `or`, `not` and parentheses over
names that the roll-out knows, and nothing else: no call, no attribute, no text. The names are
checked when the file is read, so a typing error stops a person and not a roll-out at night.

Values are three-valued: a number, or unknown. What follows from an unknown value is unknown, a
division by zero is unknown, and unknown is not passed; but `a and b` is false as soon as one of
them is (Kleene's strong logic), so a gate that fails for certain is said to fail.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

import msgspec

from iolaus.kernel.errors import OperatorMust

MAX_TEXT: Final = 500
MAX_PARTS: Final = 100
MAX_NUMBER: Final = 10**15
Truth = bool | None

# Python's own parser with a short list of what may stand in the tree: evaluation is ours in any
# case, because no library of expressions knows a value that is unknown.
_ARITHMETIC: Final[Mapping[type[ast.AST], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: Final[Mapping[type[ast.AST], Callable[[float, float], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be told. A roll-out treats it as not passed."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate says, and why in one sentence that a person reads."""

    gate: str
    verdict: Verdict
    sentence: str

    @property
    def passed(self) -> bool:
        return self.verdict is Verdict.PASSED


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """An expression that was checked; made by `parse_gate`. `names` are what it reads."""

    name: str
    expr: str
    tree: ast.expr
    names: tuple[str, ...]


class _Unreadable(Exception):
    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step or 'write such as "failed / attempted < 0.05"'


def parse_gate(name: str, expr: str, *, names: Collection[str]) -> Gate:
    """The gate `name`; `names` are all that its expression may read.

    Raises `OperatorMust` for anything but a condition over these names.
    """
    try:
        tree = _tree(expr)
        _check_truth(tree, names)
    except _Unreadable as error:
        raise OperatorMust(
            str(error),
            operation="read",
            subject=f"gate {name}",
            code="GateInvalid",
            next_step=error.next_step,
        ) from None
    used = dict.fromkeys(n.id for n in ast.walk(tree) if isinstance(n, ast.Name))
    return Gate(name=name, expr=expr.strip(), tree=tree, names=tuple(sorted(used)))


def _tree(expr: str) -> ast.expr:
    shown = expr[:MAX_TEXT]
    if expr != shown:
        raise _Unreadable(f"an expression is at most {MAX_TEXT} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser, such as of "1if"
            tree = ast.parse(expr.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        raise _Unreadable(f"{shown!r} is no expression") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_PARTS:
        raise _Unreadable(f"{shown!r} is too long to be reviewed")
    return tree


def _check_truth(node: ast.expr, names: Collection[str]) -> None:
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                _check_truth(value, names)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check_truth(operand, names)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(
            type(op) in _COMPARE for op in ops
        ):
            for value in (left, *others):
                _check_number(value, names)
        case _:
            raise _Unreadable(f"{_source(node)} is no condition", "compare it with a number")


def _check_number(node: ast.expr, names: Collection[str]) -> None:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            _check_number(left, names)
            _check_number(right, names)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _check_number(operand, names)
        case ast.Constant(value=int() | float() as value) if _is_plain(value):
            pass
        case ast.Name(id=name) if name in names:
            pass
        case ast.Name(id=name):
            near = get_close_matches(name, names, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise _Unreadable(
                f'nothing is called "{name}"{hint}', f"known are {', '.join(sorted(names))}"
            )
        case _:
            raise _Unreadable(f"{_source(node)} is no number", "use numbers, names, + - * /")


def _is_plain(value: float) -> bool:
    return not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _source(node: ast.expr) -> str:
    return ast.unparse(node)[:MAX_TEXT]


def judge_gate(gate: Gate, values: Mapping[str, float | None]) -> Judgement:
    """Whether the gate holds for these values; a missing one is unknown, as is NaN. Never raises
    for any gate that `parse_gate` made."""
    known = {name: _sound(values.get(name)) for name in gate.names}
    truth = _truth(gate.tree, known)
    verdict = {True: Verdict.PASSED, False: Verdict.FAILED, None: Verdict.UNKNOWN}[truth]
    numbers = ", ".join(f"{name} = {_shown(value)}" for name, value in known.items())
    told = {True: "holds", False: "does not hold", None: f"cannot be told ({_why(known)})"}[truth]
    return Judgement(
        gate=gate.name,
        verdict=verdict,
        sentence=f"{gate.expr} {told}" + (f": {numbers}." if numbers else "."),
    )


def _sound(value: float | None) -> float | None:
    if value is None:
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.10g}"


def _why(known: Mapping[str, float | None]) -> str:
    missing = [name for name, value in known.items() if value is None]
    return f"{', '.join(missing)} unknown" if missing else "it divides by zero or overflows"


def _truth(node: ast.expr, values: Mapping[str, float | None]) -> Truth:
    match node:
        case ast.BoolOp(op=op, values=parts):
            return _joined([_truth(part, values) for part in parts], stop=isinstance(op, ast.Or))
        case ast.UnaryOp(operand=operand):
            truth = _truth(operand, values)
            return None if truth is None else not truth
        case ast.Compare(left=left, ops=ops, comparators=others):
            numbers = [_number(part, values) for part in (left, *others)]
            return _joined(list(_compared(numbers, ops)), stop=False)
    raise AssertionError(type(node))  # parse_gate let nothing else in


def _joined(parts: list[Truth], *, stop: bool) -> Truth:
    """`stop` decides alone (False for `and`, True for `or`); else unknown wins."""
    if stop in parts:
        return stop
    return None if None in parts else not stop


def _compared(numbers: list[float | None], ops: list[ast.cmpop]) -> Iterator[Truth]:
    for left, op, right in zip(numbers, ops, numbers[1:], strict=False):
        unknown = left is None or right is None
        yield None if unknown else _COMPARE[type(op)](left, right)  # type: ignore[arg-type]


def _number(node: ast.expr, values: Mapping[str, float | None]) -> float | None:
    match node:
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(operand=operand):
            number = _number(operand, values)
            return None if number is None else -number
        case ast.BinOp(left=left, op=op, right=right):
            return _computed(op, _number(left, values), _number(right, values))
    raise AssertionError(type(node))


def _computed(op: ast.operator, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    try:
        return _sound(_ARITHMETIC[type(op)](left, right))
    except (ZeroDivisionError, OverflowError):
        return None
