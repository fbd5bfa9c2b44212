"""Gates: three values, numbers in the sentence, and nothing but arithmetic in the file."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.fleet.gate import MAX_TEXT, Verdict, judge_gate, parse_gate
from iolaus.kernel.errors import OperatorMust
from tests.examples import examples

NAMES = ("failed", "attempted", "critical_alarms", "coolant_c_max")


def judged(expr: str, **values: float | None) -> tuple[str, str]:
    judgement = judge_gate(parse_gate("g", expr, names=NAMES), values)
    return judgement.verdict.value, judgement.sentence


def test_the_baselines_examples() -> None:
    assert judged("failed / attempted < 0.05", failed=1, attempted=100) == (
        "passed",
        "failed / attempted < 0.05 holds: attempted = 100, failed = 1.",
    )
    assert judged("failed / attempted < 0.05", failed=5, attempted=100)[0] == "failed"
    assert judged("critical_alarms == 0", critical_alarms=2) == (
        "failed",
        "critical_alarms == 0 does not hold: critical_alarms = 2.",
    )
    assert judged("coolant_c_max < 45", coolant_c_max=44.9)[0] == "passed"


def test_unknown_is_not_passed_and_says_why() -> None:
    assert judged("coolant_c_max < 45", coolant_c_max=None) == (
        "unknown",
        "coolant_c_max < 45 cannot be told (coolant_c_max unknown): coolant_c_max = unknown.",
    )
    assert judged("coolant_c_max < 45")[0] == "unknown"
    assert judged("coolant_c_max < 45", coolant_c_max=math.nan)[0] == "unknown"
    verdict, sentence = judged("failed / attempted < 0.05", failed=0, attempted=0)
    assert verdict == "unknown"
    assert "divides by zero" in sentence


@pytest.mark.parametrize(
    ("expr", "verdict"),
    [
        ("failed > 0 and coolant_c_max < 45", "failed"),
        ("failed == 0 and coolant_c_max < 45", "unknown"),
        ("failed == 0 or coolant_c_max < 45", "passed"),
        ("failed > 0 or coolant_c_max < 45", "unknown"),
        ("not coolant_c_max < 45", "unknown"),
        ("not failed > 0", "passed"),
        ("0 <= failed <= 1", "passed"),
        ("0 < failed < coolant_c_max", "failed"),
        ("failed <= failed < coolant_c_max", "unknown"),
        ("-(attempted - 4) * 2 + 1 == -11", "passed"),
        ("0 * coolant_c_max == 0", "unknown"),
        ("attempted * 1e15 * 1e15 * " + "1e15 * " * 19 + "1 > 0", "unknown"),
    ],
)
def test_kleene(expr: str, verdict: str) -> None:
    assert judged(expr, failed=0, attempted=10, coolant_c_max=None)[0] == verdict


@pytest.mark.parametrize(
    ("expr", "word"),
    [
        ("faild == 0", 'did you mean "failed"'),
        ("qqq == 0", 'nothing is called "qqq"'),
        ("failed", "no condition"),
        ("True", "no condition"),
        ("failed == True", "no number"),
        ("failed == 'x'", "no number"),
        ("failed ** 2 < 4", "no number"),
        ("failed // 2 < 4", "no number"),
        ("failed % 2 < 4", "no number"),
        ("failed in (1, 2)", "no condition"),
        ("failed is 1", "no condition"),
        ("failed.real < 1", "no number"),
        ("failed[0] < 1", "no number"),
        ("abs(failed) < 1", "no number"),
        ("__import__('os').system('true') == 0", "no number"),
        ("(lambda: 1)() < 1", "no number"),
        ("(failed := 1) < 1", "no number"),
        ("failed < 1 if failed else 1 < 2", "no condition"),
        ("(failed < 1) + 1 > 0", "no number"),
        ("1e999 > failed", "no number"),
        ("1j != failed", "no number"),
        ("9" * 400 + " > failed", "no number"),
        ("failed <", "no expression"),
        ("failed < 1\nimport os", "no expression"),
        ("failed < 1\0", "no expression"),
        ("(" * 240 + "failed" + ")" * 240 + "< 1", "no expression"),
        ("-" * 490 + "1<1", "no expression"),
        ("failed" + "+1" * 60 + " < 1", "too long"),
        ("failed < " + "1" * MAX_TEXT, "at most"),
        ("", "no expression"),
    ],
)
def test_anything_else_is_refused_when_the_file_is_read(expr: str, word: str) -> None:
    with pytest.raises(OperatorMust) as caught:
        parse_gate("errors", expr, names=NAMES)
    assert word in caught.value.message or "too long" in caught.value.message
    assert caught.value.code == "GateInvalid"
    assert caught.value.next_step
    assert caught.value.subject == "gate errors"


@given(st.text(max_size=80) | st.text(alphabet="failed 01.e<>=+-*/()andornt\\\n\0", max_size=80))
@settings(max_examples=examples(150, 400))
def test_hostile_expressions_never_escape(expr: str) -> None:
    try:
        gate = parse_gate("g", expr, names=NAMES)
    except OperatorMust:
        return
    assert judge_gate(gate, {}).verdict in Verdict


numbers = st.none() | st.floats() | st.integers(-(10**400), 10**400)
terms = st.recursive(
    st.sampled_from(["failed", "attempted", "0", "1", "2.5", "1e15"]),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=8,
)
conditions = st.recursive(
    st.builds("({} {} {})".format, terms, st.sampled_from(["<", "<=", "==", "!=", ">"]), terms),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
        | inner.map("(not {})".format)
    ),
    max_leaves=5,
)


@given(conditions, numbers, numbers)
@settings(max_examples=examples(120, 300), deadline=None)
def test_what_passes_passes_in_python_too(
    expr: str, failed: float | None, attempted: float | None
) -> None:
    try:
        gate = parse_gate("g", expr, names=NAMES)
    except OperatorMust as error:
        assert "too long" in error.message or "at most" in error.message
        return
    judgement = judge_gate(gate, {"failed": failed, "attempted": attempted})
    assert judgement.sentence.startswith(gate.expr)
    if judgement.verdict is Verdict.UNKNOWN or None in (failed, attempted):
        return
    if "or" in expr or "and" in expr:
        return  # Python stops early where we look on
    try:
        truth = eval(expr, {"failed": float(failed or 0), "attempted": float(attempted or 0)})
    except (ZeroDivisionError, OverflowError):
        return
    assert judgement.passed == truth


@given(conditions, st.sampled_from(["failed", "attempted"]), st.integers(0, 5))
@settings(max_examples=examples(80, 200), deadline=None)
def test_learning_a_value_never_turns_a_verdict_round(expr: str, name: str, value: int) -> None:
    """Kleene's logic is monotone: what was decided without a value stays so with it."""
    try:
        gate = parse_gate("g", expr, names=NAMES)
    except OperatorMust:
        return
    other = {"failed": 1.0, "attempted": 2.0} | {name: None}
    without = judge_gate(gate, other).verdict
    with_it = judge_gate(gate, {**other, name: float(value)}).verdict
    assert without in (Verdict.UNKNOWN, with_it)
