"""Plans to review, and roll-outs as lanes: a row for each wave, a cell for each node.

The pages show the views of the API. A cell has a letter and a colour, and says in words what it
means when it is pointed at; what holds, runs or failed stands below in sentences, because a person
acts on a reason and not on a colour. A wave of thousands shows its troubles first and counts the
rest. Pausing and aborting can be done here (`rollforms`); all else is a command to copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote

from iolaus.model.hosts import fold
from iolaus.model.select import Selector
from iolaus.north.api.rollouts import MAY
from iolaus.north.auth import ALLOWED, Deed, Principal
from iolaus.north.context import Context
from iolaus.north.dto.rolls import PlanView, RolloutNode, RolloutView, RolloutWave
from iolaus.north.kinds import BY_NAME
from iolaus.north.ui.paper import Paper

PLAN: Final = BY_NAME["plan"]
ROLLOUT: Final = BY_NAME["rollout"]
HERE: Final = "/ui/rollouts"
MOST_ROWS: Final = 200
MOST_CELLS: Final = 600
LETTERS: Final = {
    "waiting": "·",
    "running": "R",
    "done": "D",
    "rolling-back": "b",
    "rolled-back": "B",
    "failed": "F",
    "lost": "L",
    "skipped": "S",
}
TONES: Final = {
    "done": "ok",
    "passed": "ok",
    "paused": "warning",
    "aborting": "warning",
    "undoing": "warning",
    "rolled-back": "warning",
    "rolling-back": "warning",
    "failed": "critical",
    "lost": "critical",
    "no-image": "unknown",
    "blocked": "warning",
}
"""Of states and fates; all others say nothing good or bad."""
_QUIET: Final = {"waiting": 2, "done": 1}


class Cell(NamedTuple):
    name: str
    state: str
    letter: str
    said: str


class Lane(NamedTuple):
    """A wave with its cells; `rest` says what is not shown of it."""

    wave: RolloutWave
    cells: list[Cell]
    tally: str
    rest: str


class RollPages:
    """As `Pages`: each method renders one page, or with `part` the piece that refreshes itself."""

    def __init__(self, context: Context, paper: Paper) -> None:
        self._context, self._paper = context, paper

    async def rollouts(self, scope: Selector, *, part: bool = False) -> str:
        """Every plan, newest first, with how it fares where it was applied."""
        plans = [item.view async for item in self._context.fleet.items(PLAN, scope=scope)]
        found = [item.view async for item in self._context.fleet.items(ROLLOUT, scope=scope)]
        fares = {view.name: view for view in found}
        values = {
            "rows": [(view, fares.get(view.name)) for view in plans[:MOST_ROWS]],
            "more": max(0, len(plans) - MOST_ROWS),
            "tones": TONES,
        }
        if part:
            return self._paper.part("rollouts_body.html", **values)
        return self._paper.page("rollouts.html", "Roll-outs", HERE, **values)

    async def plan(self, scope: Selector, name: str, *, part: bool = False) -> str | None:
        """None where there is none, or not all of it within the scope."""
        item = await self._context.fleet.find(PLAN, name, scope=scope)
        if item is None or not isinstance(view := item.view, PlanView):
            return None
        left = [node for node in view.nodes if node.fate not in ("update", "no-op")]
        values = {
            "view": view,
            "tones": TONES,
            "applied": view.state not in ("waiting", "planned"),
            "missing": [each for each in view.approvals if len(each.by) < each.needed],
            "left": left[:MOST_ROWS],
            "left_more": max(0, len(left) - MOST_ROWS),
            "here_path": f"/ui/plans/{quote(name, safe='')}",
        }
        if part:
            return self._paper.part("plan_body.html", **values)
        return self._paper.page("plan.html", f"Plan {name}", HERE, **values)

    async def rollout(
        self, principal: Principal, name: str, *, part: bool = False, problem: str = ""
    ) -> str | None:
        """`problem` is why what was asked on this page was refused. None as for a plan."""
        item = await self._context.fleet.find(ROLLOUT, name, scope=principal.scope)
        if item is None or not isinstance(view := item.view, RolloutView):
            return None
        now = MAY.get(view.state, ())
        may_stop = Deed.STOP in ALLOWED[principal.role]
        values = {
            "view": view,
            "tones": TONES,
            "lanes": [lane(wave, view.nodes) for wave in view.waves],
            "legend": [(LETTERS[s], s, n) for s, n in view.counts.items()],
            "holds": [(hold, fold(hold.nodes, most=6)) for hold in view.holds],
            "stops": [word for word in ("pause", "abort") if may_stop and word in now],
            "commands": [f"iolaus rollout {word} {name}" for word in now],
            "here_path": f"{HERE}/{quote(name, safe='')}",
        }
        if part:
            return self._paper.part("rollout_body.html", **values)
        title = f"Roll-out {name}"
        return self._paper.page("rollout.html", title, HERE, problem=problem, **values)


def lane(wave: RolloutWave, nodes: Sequence[RolloutNode]) -> Lane:
    """In the order of the plan; of a long wave what is in trouble or under way comes first."""
    mine = [node for node in nodes if node.wave == wave.name]
    shown = mine
    if len(mine) > MOST_CELLS:
        shown = sorted(mine, key=lambda node: _QUIET.get(node.state, 0))[:MOST_CELLS]
    rest = Counter(node.state for node in mine) - Counter(node.state for node in shown)
    return Lane(
        wave=wave,
        cells=[_cell(node) for node in shown],
        tally=_tally(wave.counts),
        rest=f"and {_tally(rest)}" if rest else "",
    )


def _cell(node: RolloutNode) -> Cell:
    at_work = node.doing and node.state in ("running", "rolling-back")
    doing = f", step {node.steps_done + 1} of {node.steps}: {node.doing}" if at_work else ""
    why = f": {node.reason}" if node.reason else ""
    said = f"{node.name} {node.state}{doing}{why}"
    return Cell(node.name, node.state, LETTERS.get(node.state, "?"), said)


def _tally(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {word}" for word, number in counts.items())
