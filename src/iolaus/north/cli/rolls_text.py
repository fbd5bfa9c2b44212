"""Plans and roll-outs as pages of text, for `describe` and `rollout status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from iolaus.model.hosts import fold
from iolaus.north.cli.cells import Column, column, text
from iolaus.north.cli.render import plain_table

ALL: Final = 40
"""So many nodes are shown whatever they do; of more, only those that do something."""
MOST: Final = 200
FEW: Final = 8
"""Of so many it is shown what was tried."""
QUIET: Final = frozenset({"waiting", "done"})
_RANK: Final = {"lost": 0, "failed": 1, "rolled-back": 2, "rolling-back": 3, "running": 4}
Row = Mapping[str, Any]


def plan_text(row: Row) -> str:
    parts = [_approvals(row), row["text"]]
    return "\n".join(part for part in parts if part)


def rollout_text(row: Row) -> str:
    parts = [_waves(row), _holds(row), _nodes(row), *_tried(row)]
    return "\n".join(part for part in parts if part)


def steps_of(node: Row) -> str:
    return f"{node['steps_done']}/{node['steps']}"


def bad_of(row: Row) -> str:
    """What is wrong in a row with counts: 1 failed, 2 rolled-back."""
    words = ("lost", "failed", "rolled-back", "skipped")
    found = [f"{row['counts'][word]} {word}" for word in words if row["counts"].get(word)]
    return ", ".join(found) or "-"


def away_of(row: Row) -> str:
    return str(sum(row["counts"].get(word, 0) for word in ("running", "rolling-back")))


def done_of(row: Row) -> str:
    return f"{row['counts'].get('done', 0)}/{row['nodes']}"


_WAVES: Final = (
    column("WAVE", "name"),
    column("STATE", "state"),
    Column(title="DONE", cell=done_of, right=True),
    Column(title="RUNNING", cell=away_of, right=True),
    Column(title="BAD", cell=bad_of),
    column("SOAK_S", "soak_s", right=True),
)
_NODES: Final = (
    column("NODE", "name"),
    column("WAVE", "wave"),
    column("STATE", "state"),
    Column(title="STEPS", cell=steps_of, right=True),
    column("STEP", "doing"),
    column("REASON", "reason"),
)
_TRIED: Final = (
    column("AT", "at"),
    column("STEP", "step"),
    column("OUTCOME", "outcome"),
    column("TOOK_S", "took_s", right=True),
    column("WHY", "why"),
)
_APPROVALS: Final = (
    column("GROUP", "group"),
    column("NEEDED", "needed", right=True),
    column("BY", "by"),
)


def _approvals(row: Row) -> str:
    found = row["approvals"]
    return _titled("Approvals", plain_table(_APPROVALS, found)) if found else ""


def _waves(row: Row) -> str:
    return _titled("Waves", plain_table(_WAVES, row["waves"])) if row["waves"] else ""


def _holds(row: Row) -> str:
    lines = []
    for each in row["holds"]:
        names = f" ({fold(each['nodes'], most=6)})" if each["nodes"] else ""
        who = f"{each['count']} waiting" if each["count"] else "all"
        lines.append(f"{who}: {text(each['reason'])}{names}\n")
    return _titled("Holds", "".join(lines)) if lines else ""


def _nodes(row: Row) -> str:
    nodes = sorted(row["nodes"], key=lambda n: (_RANK.get(n["state"], 9), n["name"]))
    shown = nodes if len(nodes) <= ALL else [n for n in nodes if n["state"] not in QUIET][:MOST]
    table = plain_table(_NODES, shown) if shown else ""
    rest = Counter(n["state"] for n in nodes) - Counter(n["state"] for n in shown)
    more = ", ".join(f"{number} {state}" for state, number in sorted(rest.items()))
    told = f"and {more}; all of them: iolaus get ro/{row['name']} -o json\n" if more else ""
    return _titled("Nodes", table + told) if table or told else ""


def _tried(row: Row) -> Iterator[str]:
    for each in row["tried"][:FEW]:
        yield _titled(f"Tried on {each['node']}", plain_table(_TRIED, each["steps"]))
    if (more := len(row["tried"]) - FEW) > 0:
        yield f"and {more} more; all of them: iolaus get recovery/{row['name']} -o json\n"


def _titled(title: str, body: str) -> str:
    return f"{title}:\n" + "".join(f"  {line}\n" for line in body.splitlines())
