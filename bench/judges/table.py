"""`docs/conformance.md`: who was judged by whom, with what result, and why what is left is left."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version

from bench.judges.excused import excuse, held_against
from bench.judges.judges import Verdict

TOOLS = ("redfish-service-validator", "redfish-protocol-validator", "redfish-use-case-checkers",
         "redfish-interop-validator")  # fmt: skip
HEAD = """# Conformance of the simulated machines

Written by `python -m bench judges`. One device of each persona, without faults, is served over
HTTPS and judged by programs of the DMTF: {tools}; schemas 2025.4.
*Excused* failures are explained below; *not applicable* counts what was absent and optional.

Two profiles are left out. The OCP's rack manager profiles (1.0.2, 1.1.0) are refused by the judge
itself: they do not follow the schema of profiles. The UBB profile is for the controller of an
accelerator board that is asked directly; here hosts show such boards among their own parts, of
which it would demand the same.
"""
COLUMNS = ("persona", "judge", "pass", "warn", "fail", "excused", "not applicable")


def document(verdicts: Sequence[Verdict]) -> str:
    tools = ", ".join(f"{tool} {version(tool)}" for tool in TOOLS)
    parts = [HEAD.format(tools=tools), *_table(verdicts), ""]
    parts += ["## Excused", "", *_excuses(verdicts), ""]
    parts += ["## Warnings", "", *_warnings(verdicts), ""]
    left = [verdict for verdict in verdicts if held_against(verdict)]
    parts += ["## Failing", "", *(line for verdict in left for line in _failing(verdict))]
    return "\n".join(parts if left else parts[:-2]).rstrip() + "\n"


def _table(verdicts: Iterable[Verdict]) -> Iterator[str]:
    yield _row(COLUMNS)
    yield _row("---" for _ in COLUMNS)
    for verdict in verdicts:
        counts, left = verdict.counts, len(held_against(verdict))
        numbers = (counts["PASS"], counts["WARN"], left, counts["FAIL"] - left, counts["SKIP"])
        yield _row((verdict.persona, verdict.judge, *map(str, numbers)))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _excuses(verdicts: Iterable[Verdict]) -> Iterator[str]:
    found: Mapping[str, Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        for finding in verdict.failures():
            given = excuse(verdict, finding)
            if given is not None:
                found[given.reason][f"{verdict.persona} ({verdict.judge})"] += 1
    if not found:
        yield "Nothing."
    for reason, who in found.items():
        yield f"- {reason}: {', '.join(f'{name} {times}' for name, times in who.items())}."


def _warnings(verdicts: Iterable[Verdict]) -> Iterator[str]:
    found: Counter[str] = Counter()
    for verdict in verdicts:
        seen = {f"{verdict.judge}: {_plain(each.what)}" for each in verdict.findings
                if each.result == "WARN"}  # fmt: skip
        found.update(seen)
    for text, personas in sorted(found.items()):
        yield f"- {text} ({personas} personas)"


def _failing(verdict: Verdict) -> Iterator[str]:
    kinds: Mapping[str, list[str]] = defaultdict(list)
    for finding in held_against(verdict):
        kinds[_plain(finding.what)].append(finding.where)
    for what, where in kinds.items():
        yield f"- {verdict.persona}, {verdict.judge}: {what} ({len(where)})"


def _plain(text: str) -> str:
    """A finding without what differs from run to run or from resource to resource."""
    text = re.sub(r"; Profile:.*", "", text, flags=re.DOTALL)
    text = re.sub(r'"[0-9a-f]{16}"', "...", text)
    return re.sub(r"\s+", " ", text).replace("|", "/").strip()[:200]
