"""What was proved of the hall's components: verdicts by kind, and one attester with its evidence.

A hall has a hundred thousand attesters, and most of them say the same. So the matrix has a line for
each different verdict (five axes and the finding that decides), with who has it; a line opens to
its components, and each of these has a page with the chain, the measurements and what was kept.
Nothing that a controller says of itself counts here; where it is shown it is called reported.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from litestar import MediaType, Request, Response, get
from litestar.params import PathParameter
from litestar.types import ControllerRouterHandler

from iolaus.kernel.errors import OperatorMust
from iolaus.model.decision import Standing
from iolaus.model.hosts import fold
from iolaus.model.select import Selector, parse_selector
from iolaus.model.trust import HARD_NEGATIVE, POSITIVE, Finding
from iolaus.north.api.lists import principal_of
from iolaus.north.attestations import AXES, Kind, Row, deciding
from iolaus.north.context import Context
from iolaus.north.dto.attestation import evidence_view
from iolaus.north.rolledup import BY, WORST, GroupView, rolled_up
from iolaus.north.ui.pages import Pages
from iolaus.north.ui.paper import Paper

Name = Annotated[str, PathParameter()]
HERE: Final = "/ui/trust"
LINES_A_PAGE: Final = 50
LISTED: Final = 200
MOST_RANGES: Final = 40
EXHIBITS: Final = 20
HEADERS: Final = {"Cache-Control": "no-store"}
TONES: Final = {
    "untrusted": "critical",
    "unknown": "unknown",
    "waived": "warning",
    "verified": "ok",
    "trusted": "ok",
}
_BAD: Final = {str(each) for each in HARD_NEGATIVE}
_GOOD: Final = {str(each) for each in POSITIVE}
_UNTOLD: Final = {"none", "unreachable", "unverified", "unanchored"}


class Asked(NamedTuple):
    """What somebody wants to see: verdicts with one summary or standing, of some nodes, counted by
    places."""

    summary: str = ""
    standing: str = ""
    selector: str = ""
    by: str = ""
    page: int = 1

    def link(self, **other: str | int) -> str:
        said = {k: v for k, v in {**self._asdict(), "page": 1, **other}.items() if v}
        if said.get("page") == 1:
            del said["page"]
        return HERE + (f"?{urlencode(said)}" if said else "")


class Axis(NamedTuple):
    """One cell: the word of an axis and its tone; "" where it was not said."""

    name: str
    word: str
    tone: str


class Line(NamedTuple):
    """Everybody with one verdict for one reason. `which` are the nodes as ranges, `listed` the
    first components by name, `more` how many others there are."""

    summary: str
    tone: str
    standing: str
    standing_tone: str
    axes: Sequence[Axis]
    why: str
    components: str
    number: int
    nodes: int
    which: str
    listed: Sequence[Row]
    more: int
    id: str


def tone_of(word: str | None) -> str:
    """The tone of an axis' word: bad proof is critical, good proof is ok, want of proof unknown."""
    if not word:
        return "absent"
    if word in _BAD:
        return "critical"
    if word in _GOOD:
        return "ok"
    return "unknown" if word in _UNTOLD else "warning"


def axes_of(kind: Kind) -> tuple[Axis, ...]:
    return tuple(
        Axis(name, word, tone_of(word)) for name, word in zip(AXES, kind.axes, strict=True)
    )


def lines_of(rows: Iterable[Row]) -> list[Line]:
    """The matrix: the worst first, then the most."""
    groups: dict[Kind, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.kind].append(row)
    found = sorted(groups.items(), key=lambda pair: (_rank(pair[0]), -len(pair[1]), pair[1][0].id))
    return [_line(kind, held, number) for number, (kind, held) in enumerate(found)]


def _rank(kind: Kind) -> tuple[int, int]:
    return WORST.index(Standing(kind.standing)), WORST.index(Standing(kind.summary))


def _line(kind: Kind, held: Sequence[Row], number: int) -> Line:
    why = deciding(held[0].held.verdict)
    nodes = {row.node for row in held}
    return Line(
        summary=kind.summary,
        tone=TONES[kind.summary],
        standing=kind.standing,
        standing_tone=TONES[kind.standing],
        axes=axes_of(kind),
        why=_why(held[0], why),
        components=fold({row.held.name for row in held}, most=6),
        number=len(held),
        nodes=len(nodes),
        which=fold(nodes, most=MOST_RANGES),
        listed=held[:LISTED],
        more=max(0, len(held) - LISTED),
        id=f"v-{number}",
    )


def _why(row: Row, why: Finding | None) -> str:
    """With who lets it pass."""
    passed = row.decision.passes
    told = why.message if why else ""
    if not passed:
        return told
    named = ", ".join(sorted({each.owner for each in passed}))
    return f"{told} Waived by {named}: {passed[0].reason}".strip()


class TrustPages:
    """As `Pages`: each method renders one page, or with `part` the piece that refreshes itself."""

    def __init__(self, context: Context, paper: Paper) -> None:
        self._context, self._paper = context, paper

    async def trust(self, scope: Selector, asked: Asked, *, part: bool = False) -> str:
        """Verdicts by kind, of those that are asked for."""
        asked, problem = _possible(asked)
        rows = self._rows(scope, asked.selector)
        lines = lines_of(row for row in rows if _is_asked(row.kind, asked))
        groups = self._groups(rows, asked)
        pages = max(1, math.ceil(max(len(lines), len(groups)) / LINES_A_PAGE))
        asked = asked._replace(page=min(max(1, asked.page), pages))
        first = (asked.page - 1) * LINES_A_PAGE
        values = {
            "lines": lines[first : first + LINES_A_PAGE],
            "groups": groups[first : first + LINES_A_PAGE],
            "groups_count": len(groups),
            "counts": _counts(row.kind.summary for row in rows),
            "standings": _counts(row.kind.standing for row in rows),
            "tones": TONES,
            "axes": AXES,
            "nodes": len({row.node for row in rows}),
            "asked": asked,
            "pages_count": pages,
            "any": bool(rows),
            "policies": self._policies(),
        }
        if part:
            return self._paper.part("trust_body.html", **values)
        command = "iolaus get attestations" + (f" --by {asked.by}" if asked.by else "")
        if asked.selector:
            command += f" -l {shlex.quote(asked.selector)}"
        return self._paper.page(
            "trust.html", "Trust", HERE, problem=problem, words=WORST, by=BY, command=command,
            **values,
        )  # fmt: skip

    def _groups(self, rows: Sequence[Row], asked: Asked) -> list[GroupView]:
        """The worst first."""
        if not asked.by:
            return []
        now = self._context.clock.now()
        chosen = [row for row in rows if _is_asked(row.kind, asked)]
        found = rolled_up(chosen, asked.by, now=now)
        return sorted(found, key=lambda each: (WORST.index(Standing(each.standing)), each.name))

    def _policies(self) -> list[str]:
        port = self._context.attests
        return [each.name for each in port.policies] if port else []

    async def attester(self, scope: Selector, name: str, *, part: bool = False) -> str | None:
        """One component with its evidence; None where there is none within the scope."""
        row, port = self._context.attestations.find(name, scope), self._context.attests
        if row is None or port is None:
            return None
        view, held = row.view(self._context.clock.now()), row.held
        kept = await port.evidence(held.place)
        judged = next((k for k in kept if k.number == held.exhibit), kept[0] if kept else None)
        examined = await port.examined(judged) if judged else None
        values = {
            "view": view,
            "tone": TONES[view.summary],
            "tones": TONES,
            "axes": axes_of(row.kind),
            "evidence": evidence_view(name, tuple(kept[:EXHIBITS]), examined),
            "kept": len(kept),
            "here_path": f"{HERE}/{quote(name, safe='')}",
            "raw": f"/api/v1/attestations/{quote(name, safe='')}/evidence",
            "again": f"iolaus attest {shlex.quote(view.node)}",
            "described": f"iolaus describe attestation {shlex.quote(name)}",
            "quarantine": f"iolaus quarantine {shlex.quote(view.node)}" if view.proposal else "",
        }
        if part:
            return self._paper.part("attester_body.html", **values)
        return self._paper.page("attester.html", name, HERE, **values)

    def _rows(self, scope: Selector, selector: str) -> Sequence[Row]:
        found = self._context.attestations.rows(scope)
        if not selector:
            return found
        chosen, now = parse_selector(selector), self._context.clock.now()
        return [row for row in found if chosen.matches(row.node, row.look(now))]


def _is_asked(kind: Kind, asked: Asked) -> bool:
    return asked.summary in ("", kind.summary) and asked.standing in ("", kind.standing)


def _possible(asked: Asked) -> tuple[Asked, str]:
    """What can be asked, and what was wrong with the rest."""
    wrong = []
    if asked.summary and asked.summary not in TONES:
        wrong.append("no verdict is called so")
        asked = asked._replace(summary="")
    if asked.standing and asked.standing not in TONES:
        wrong.append("nothing counts as that")
        asked = asked._replace(standing="")
    if asked.by and asked.by not in BY:
        wrong.append("nothing is counted by that")
        asked = asked._replace(by="")
    try:
        parse_selector(asked.selector)
    except OperatorMust as error:
        wrong.append(error.message)
        asked = asked._replace(selector="")
    said = f"{'; '.join(wrong)}: this was not used." if wrong else ""
    return asked, said[:1].upper() + said[1:]


def _counts(words: Iterable[str]) -> dict[str, int]:
    found = Counter(words)
    return {word.value: found[word.value] for word in WORST}


def trust_routes(trust: TrustPages, pages: Pages) -> list[ControllerRouterHandler]:
    @get("/ui/trust", include_in_schema=False)
    async def by_verdict(request: Request[Any, Any, Any]) -> Response[str]:
        query = request.query_params
        number = query.get("page", "1")
        asked = Asked(
            summary=query.get("summary", ""),
            standing=query.get("standing", ""),
            by=query.get("by", ""),
            selector=query.get("selector", ""),
            page=int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1,
        )
        return _html(await trust.trust(principal_of(request).scope, asked, part="part" in query))

    @get("/ui/trust/{name:str}", include_in_schema=False)
    async def attester(name: Name, request: Request[Any, Any, Any]) -> Response[str]:
        part = "part" in request.query_params
        html = await trust.attester(principal_of(request).scope, name, part=part)
        return _html(html) if html is not None else _html(pages.missing(name), 404)

    return [by_verdict, attester]


def _html(html: str, status: int = 200) -> Response[str]:
    return Response(html, media_type=MediaType.HTML, status_code=status, headers=HEADERS)
