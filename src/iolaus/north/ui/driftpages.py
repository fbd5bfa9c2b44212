"""Drift by cause, and the baselines that it is drift from.

What departs is grouped by why, since a thousand nodes that depart for one reason are one thing to
do. The lists are those of the API and the command line, and the head counts nodes as they do. A
list is made once for everybody who asks the same, and again when some verdict is another, but not
before four times as long as that took: a large hall has more to do. An empty page says which kind
of nothing it is: nothing wanted, nothing selected, nothing amiss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

import yaml

from iolaus.kernel.errors import OperatorMust
from iolaus.model.select import Selector, parse_selector
from iolaus.north.context import Context
from iolaus.north.dto.desired import BaselineView, CauseList, CauseView
from iolaus.north.ui.departures import (
    MOST_LISTED,
    WORST,
    Row,
    cause_id,
    cause_row,
    command_for,
)
from iolaus.north.ui.paper import Paper
from iolaus.north.ui.scopes import Maps
from iolaus.north.ui.words import OUTCOMES

CAUSES_A_PAGE: Final = 50
KEPT_LISTS: Final = 32
KEEP_S: Final = 10.0
STATES: Final = ("in-sync", "drifted", "conflict", "staged", "unknown", "excused")
ALWAYS: Final = frozenset({"in-sync", "drifted", "staged", "unknown", "excused"})
HERE: Final = "/ui/drift"
BASELINES: Final = "/ui/baselines"


class Asked(NamedTuple):
    """What somebody wants to see of the drift: of one baseline, with one outcome, of some nodes,
    or one cause alone by its id."""

    baseline: str = ""
    outcome: str = ""
    selector: str = ""
    cause: str = ""
    page: int = 1

    def link(self, **other: str | int) -> str:
        """The address of the same with something changed."""
        return self._address(page=other.pop("page", 1), **other)

    def refresh(self) -> str:
        return self._address(part=1)

    def _address(self, **other: str | int) -> str:
        said = {name: value for name, value in {**self._asdict(), **other}.items() if value}
        if said.get("page") == 1:
            del said["page"]
        return HERE + (f"?{urlencode(said)}" if said else "")


class Chip(NamedTuple):
    label: str
    value: str
    tone: str
    href: str


class Kept(NamedTuple):
    """A list of causes, and for which verdicts and names it was made; it is good for `rest_s`
    even when there are others."""

    at: float
    rest_s: float
    revision: int
    names: object
    causes: CauseList


class DriftPages:
    """As `Pages`: each method renders one page, or with `part` the piece that refreshes itself."""

    def __init__(self, context: Context, maps: Maps, paper: Paper) -> None:
        self._context, self._maps, self._paper = context, maps, paper
        self._lists: dict[tuple[Selector, str, str], Kept] = {}

    async def drift(self, scope: Selector, asked: Asked, *, part: bool = False) -> str:
        """Why nodes depart, of those that are asked for."""
        asked, problem = self._possible(scope, asked)
        found = await self._causes(scope, asked)
        chosen = _chosen(found.items, asked)
        pages = max(1, math.ceil(len(chosen) / CAUSES_A_PAGE))
        asked = asked._replace(page=min(max(1, asked.page), pages))
        first = (asked.page - 1) * CAUSES_A_PAGE
        values = {
            "chips": self._chips(found, asked, scope),
            "rows": _rows(chosen[first : first + CAUSES_A_PAGE], asked),
            "empty": self._why_empty(found, asked, scope) if not chosen else "",
            "found": found,
            "asked": asked,
            "pages_count": pages,
            "causes_count": len(chosen),
            "scoped": bool(scope),
        }
        if part:
            return self._paper.part("drift_body.html", **values)
        return self._paper.page(
            "drift.html",
            "Drift",
            HERE,
            problem=problem,
            baselines=self._names(scope, found),
            outcomes=[word for word in WORST if word != "absent"],
            command=command_for(baseline=asked.baseline, selector=asked.selector),
            **values,
        )

    async def baselines(self, scope: Selector, *, part: bool = False) -> str:
        values = {"rows": await self._views(scope), "scoped": bool(scope)}
        if part:
            return self._paper.part("baselines_body.html", **values)
        return self._paper.page("baselines.html", "Baselines", BASELINES, **values)

    async def baseline(self, scope: Selector, name: str, *, part: bool = False) -> str | None:
        """None where there is none, or none within the scope."""
        view = next((v for v in await self._views(scope) if v.name == name), None)
        if view is None:
            return None
        asked = Asked(baseline=name)
        found = await self._causes(scope, asked)
        rows = _rows(_chosen(found.items, asked)[:CAUSES_A_PAGE], asked)
        values = {
            "view": view,
            "rows": rows,
            "found": found,
            "asked": asked,
            "causes_count": len(_chosen(found.items, asked)),
            "here_path": f"{BASELINES}/{quote(name, safe='')}",
        }
        if part:
            return self._paper.part("baseline_body.html", **values)
        text = yaml.safe_dump(dict(view.document), sort_keys=False, allow_unicode=True)
        return self._paper.page("baseline.html", name, BASELINES, text=text, **values)

    async def _views(self, scope: Selector) -> list[BaselineView]:
        items = self._context.desired.baseline_items(scope)
        return [item.view async for item in items if isinstance(item.view, BaselineView)]

    def _possible(self, scope: Selector, asked: Asked) -> tuple[Asked, str]:
        """What can be asked, and what was wrong with the rest. Who has a scope learns nothing of
        baselines that select nothing within it."""
        wrong = []
        if asked.outcome and asked.outcome not in OUTCOMES:
            wrong.append("no outcome is called so")
            asked = asked._replace(outcome="")
        if asked.baseline and not scope and self._context.baselines.get(asked.baseline) is None:
            wrong.append("there is no such baseline")
            asked = asked._replace(baseline="")
        try:
            parse_selector(asked.selector)
        except OperatorMust as error:
            wrong.append(error.message)
            asked = asked._replace(selector="")
        said = f"{'; '.join(wrong)}: this was not used." if wrong else ""
        return asked, said[:1].upper() + said[1:]

    async def _causes(self, scope: Selector, asked: Asked) -> CauseList:
        """One list for all who ask the same, for as long as every verdict is the same."""
        await self._maps.settle()
        key = (scope, asked.selector, asked.baseline)
        now, names = self._context.clock.now(), self._context.fleet.index()
        revision, kept = self._context.desired.ledger.revision, self._lists.get(key)
        if kept is not None:
            is_same = kept.revision == revision and kept.names is names
            if 0 <= now - kept.at < (KEEP_S if is_same else kept.rest_s):
                return kept.causes
        selectors = (parse_selector(asked.selector),) if asked.selector else ()
        began = self._context.clock.monotonic()
        causes = await self._context.desired.causes(scope, selectors, asked.baseline)
        rest_s = 4 * (self._context.clock.monotonic() - began)
        if key not in self._lists and len(self._lists) >= KEPT_LISTS:
            self._lists.pop(next(iter(self._lists)))
        self._lists[key] = Kept(now, rest_s, revision, names, causes)
        return causes

    def _chips(self, found: CauseList, asked: Asked, scope: Selector) -> list[Chip]:
        counts, wanted = found.counts, bool(found.nodes or self._context.baselines.all())
        shown = [word for word in STATES if counts.get(word) or (word in ALWAYS and wanted)]
        chips = [Chip("Nodes compared", f"{found.nodes:,}", "", "")]
        for word in shown:
            count = counts.get(word, 0)
            href = asked.link(outcome=word, cause="") if count and word != "in-sync" else ""
            chips.append(Chip(word, f"{count:,}", OUTCOMES[word] if count else "", href))
        chips.append(Chip("Values compared", f"{found.compared:,}", "", ""))
        if not scope:
            kept = len(self._context.baselines.all())
            chips.append(Chip("Baselines", f"{kept:,}", "", BASELINES))
        return chips

    def _why_empty(self, found: CauseList, asked: Asked, scope: Selector) -> str:
        """Which kind of nothing it is: a word that the template writes out."""
        if not scope and not self._context.baselines.all():
            return "no baseline"
        if not found.nodes:
            return "not selected" if asked.selector or asked.baseline else "nothing compared"
        if asked.cause:
            return "cause gone"
        return "no such outcome" if found.items else "in-sync"

    def _names(self, scope: Selector, found: CauseList) -> Sequence[str]:
        """The baselines to choose from."""
        if not scope:
            return list(self._context.baselines.all())
        return sorted({cause.baseline for cause in found.items})


def _chosen(causes: Iterable[CauseView], asked: Asked) -> list[CauseView]:
    return [
        cause
        for cause in causes
        if (not asked.baseline or cause.baseline == asked.baseline)
        and (not asked.outcome or cause.outcome == asked.outcome)
        and (not asked.cause or cause_id(cause) == asked.cause)
    ]


def _rows(causes: Sequence[CauseView], asked: Asked) -> list[Row]:
    if asked.cause:
        return [cause_row(cause, most=MOST_LISTED) for cause in causes]
    return [cause_row(cause) for cause in causes]
