"""What was proved of the hall's components: verdicts by kind, and one attester with its evidence.

A hall has a hundred thousand attesters, and most of them say the same. So the matrix has a line for
each different verdict (five axes and the finding that decides), with who has it; a line opens to
its components, and each of these has a page with the chain, the measurements and what was kept.
Nothing that a controller says of itself counts here; where it is shown it is called reported.
"""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from litestar import MediaType, Request, Response, get
from litestar.params import PathParameter
from litestar.types import ControllerRouterHandler

from iolaus.kernel.errors import OperatorMust
from iolaus.model.hosts import fold
from iolaus.model.select import Selector, parse_selector
from iolaus.model.trust import HARD_NEGATIVE, POSITIVE, Summary
from iolaus.north.api.lists import principal_of
from iolaus.north.attestations import QUIET
from iolaus.north.context import Context
from iolaus.north.dto.attestation import AttestationView, FindingView, evidence_view
from iolaus.north.fleet import lookup_of
from iolaus.north.ui.pages import Pages
from iolaus.north.ui.paper import Paper

Name = Annotated[str, PathParameter()]
HERE: Final = "/ui/trust"
LINES_A_PAGE: Final = 50
LISTED: Final = 200
MOST_RANGES: Final = 40
EXHIBITS: Final = 20
HEADERS: Final = {"Cache-Control": "no-store"}
AXES: Final = ("evidence", "signature", "identity", "reference", "lifecycle")
WORST: Final = (Summary.UNTRUSTED, Summary.UNKNOWN, Summary.VERIFIED, Summary.TRUSTED)
TONES: Final = {"untrusted": "critical", "unknown": "unknown", "verified": "ok", "trusted": "ok"}
_BAD: Final = {str(each) for each in HARD_NEGATIVE}
_GOOD: Final = {str(each) for each in POSITIVE}
_UNTOLD: Final = {"none", "unreachable", "unverified", "unanchored"}


class Asked(NamedTuple):
    """What somebody wants to see: verdicts with one summary, of some nodes."""

    summary: str = ""
    selector: str = ""
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
    axes: Sequence[Axis]
    why: str
    components: str
    number: int
    nodes: int
    which: str
    listed: Sequence[AttestationView]
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


def axes_of(view: AttestationView) -> tuple[Axis, ...]:
    found = ((name, getattr(view, name) or "") for name in AXES)
    return tuple(Axis(name, word, tone_of(word)) for name, word in found)


def deciding(view: AttestationView) -> FindingView | None:
    """The finding that says why a verdict is not good; None for a good one."""
    if view.summary in (Summary.TRUSTED, Summary.VERIFIED):
        return None
    return next((each for each in view.findings if each.code not in QUIET), None)


def lines_of(views: Iterable[AttestationView]) -> list[Line]:
    """The matrix: the worst first, then the most."""
    groups: dict[tuple[Any, ...], list[AttestationView]] = defaultdict(list)
    for view in views:
        why = deciding(view)
        key = (view.summary, *(a.word for a in axes_of(view)), why.code if why else "")
        groups[key].append(view)
    found = sorted(groups.values(), key=lambda held: (WORST.index(Summary(held[0].summary)),
                                                      -len(held), held[0].id))  # fmt: skip
    return [_line(held, number) for number, held in enumerate(found)]


def _line(held: Sequence[AttestationView], number: int) -> Line:
    first, why = held[0], deciding(held[0])
    nodes = {view.node for view in held}
    return Line(
        summary=first.summary,
        tone=TONES[first.summary],
        axes=axes_of(first),
        why=why.message if why else "",
        components=fold({view.component for view in held}, most=6),
        number=len(held),
        nodes=len(nodes),
        which=fold(nodes, most=MOST_RANGES),
        listed=held[:LISTED],
        more=max(0, len(held) - LISTED),
        id=f"v-{number}",
    )


class TrustPages:
    """As `Pages`: each method renders one page, or with `part` the piece that refreshes itself."""

    def __init__(self, context: Context, paper: Paper) -> None:
        self._context, self._paper = context, paper

    async def trust(self, scope: Selector, asked: Asked, *, part: bool = False) -> str:
        """Verdicts by kind, of those that are asked for."""
        asked, problem = _possible(asked)
        views = await self._views(scope, asked.selector)
        chosen = [v for v in views if not asked.summary or v.summary == asked.summary]
        lines = lines_of(chosen)
        pages = max(1, math.ceil(len(lines) / LINES_A_PAGE))
        asked = asked._replace(page=min(max(1, asked.page), pages))
        first = (asked.page - 1) * LINES_A_PAGE
        values = {
            "lines": lines[first : first + LINES_A_PAGE],
            "counts": _counts(views),
            "tones": TONES,
            "axes": AXES,
            "nodes": len({view.node for view in views}),
            "asked": asked,
            "pages_count": pages,
            "any": bool(views),
        }
        if part:
            return self._paper.part("trust_body.html", **values)
        command = "iolaus get attestations"
        if asked.selector:
            command += f" -l {shlex.quote(asked.selector)}"
        return self._paper.page(
            "trust.html", "Trust", HERE, problem=problem, words=WORST, command=command, **values
        )

    async def attester(self, scope: Selector, name: str, *, part: bool = False) -> str | None:
        """One component with its evidence; None where there is none within the scope."""
        view = next((v for v in await self._views(scope, "") if v.id == name), None)
        held = self._context.attestations.find(name, scope)
        port = self._context.attests
        if view is None or held is None or port is None:
            return None
        kept = await port.evidence(held.place)
        judged = next((k for k in kept if k.number == held.exhibit), kept[0] if kept else None)
        examined = await port.examined(judged) if judged else None
        values = {
            "view": view,
            "tone": TONES[view.summary],
            "axes": axes_of(view),
            "evidence": evidence_view(name, tuple(kept[:EXHIBITS]), examined),
            "kept": len(kept),
            "here_path": f"{HERE}/{quote(name, safe='')}",
            "raw": f"/api/v1/attestations/{quote(name, safe='')}/evidence",
            "again": f"iolaus attest {shlex.quote(view.node)}",
            "described": f"iolaus describe attestation {shlex.quote(name)}",
        }
        if part:
            return self._paper.part("attester_body.html", **values)
        return self._paper.page("attester.html", name, HERE, **values)

    async def _views(self, scope: Selector, selector: str) -> list[AttestationView]:
        chosen = parse_selector(selector) if selector else None
        found = [item.view async for item in self._context.attestations.items(scope)]
        views = [view for view in found if isinstance(view, AttestationView)]
        return [v for v in views if not chosen or chosen.matches(v.node, lookup_of(v))]


def _possible(asked: Asked) -> tuple[Asked, str]:
    """What can be asked, and what was wrong with the rest."""
    wrong = []
    if asked.summary and asked.summary not in TONES:
        wrong.append("no verdict is called so")
        asked = asked._replace(summary="")
    try:
        parse_selector(asked.selector)
    except OperatorMust as error:
        wrong.append(error.message)
        asked = asked._replace(selector="")
    said = f"{'; '.join(wrong)}: this was not used." if wrong else ""
    return asked, said[:1].upper() + said[1:]


def _counts(views: Iterable[AttestationView]) -> dict[str, int]:
    found = {str(word): 0 for word in WORST}
    for view in views:
        found[view.summary] += 1
    return found


def trust_routes(trust: TrustPages, pages: Pages) -> list[ControllerRouterHandler]:
    @get("/ui/trust", include_in_schema=False)
    async def by_verdict(request: Request[Any, Any, Any]) -> Response[str]:
        query = request.query_params
        number = query.get("page", "1")
        asked = Asked(
            summary=query.get("summary", ""),
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
