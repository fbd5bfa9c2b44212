"""Print the house's size budgets and fail on what breaks a cap (docs/design/0001-the-house.md)."""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

FILE_CAP, FUNCTION_CAP, MOCKS_CAP = 600, 60, 0.02
ROOT = Path(__file__).resolve().parents[1]


def functions(tree: ast.AST) -> Iterator[tuple[str, int, int]]:
    """Name, line and length of each function, its docstring not counted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node, clean=False)
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            yield node.name, node.lineno, length - (doc.count("\n") + 1 if doc else 0)


def p95(values: Sequence[int]) -> int:
    return sorted(values)[int(len(values) * 0.95)] if values else 0


def main() -> int:
    files = {p: p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py")}
    tests = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("*.py"))
    found = [(p, *f) for p, text in files.items() for f in functions(ast.parse(text))]
    lengths, lines = [f[3] for f in found], [text.count("\n") for text in files.values()]
    over = [
        f"{p.relative_to(ROOT)}: {n} lines"
        for p, n in zip(files, lines, strict=True)
        if n > FILE_CAP
    ]
    over += [
        f"{p.relative_to(ROOT)}:{at} {name}: {n} lines"
        for p, name, at, n in found
        if n > FUNCTION_CAP
    ]
    count = len(re.findall(r"^\s*(?:async )?def test_", tests, re.MULTILINE))
    mocks = len(re.findall(r"\bMagicMock|\bAsyncMock|\bmock\.patch|\bMock\(", tests)) / max(
        1, count
    )
    print(
        f"budgets: {len(files)} files, file p95 {p95(lines)} (400); function median "
        f"{statistics.median(lengths):g} (6), p95 {p95(lengths)} (35); {count} tests, "
        f"mocks per test {mocks:.2f} (0.02), test:code {tests.count(chr(10)) / sum(lines):.2f}"
    )
    over += [f"mocks per test {mocks:.2f}"] if mocks > MOCKS_CAP else []
    print(*(f"over the cap: {row}" for row in over), sep="\n", end="\n" if over else "")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
