"""The firmware bill of materials of the hall, or of what is selected, as one document."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.fbom import fbom
from iolaus.model.claims import Packages
from iolaus.model.select import Selector, parse_selector
from iolaus.north.api.lists import LabelSelector, known_keys, principal_of
from iolaus.north.api.resources import of_type
from iolaus.north.context import Context
from iolaus.north.kinds import BY_NAME


def fbom_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(
        "/fbom",
        operation_id="getFirmwareBom",
        summary="Firmware bill of materials in CycloneDX 1.6, with what advisories say of it (VEX)",
        tags=["documents"],
        responses=of_type(dict[str, Any], "The document.", 400, 401, 403),
    )
    async def get_fbom(
        request: Request[Any, Any, Any], label_selector: LabelSelector = None
    ) -> Response[Any]:
        principal = principal_of(request)
        selectors = [principal.scope] if principal.scope else []
        if label_selector:
            known = known_keys(context, BY_NAME["node"])
            selectors.append(parse_selector(label_selector, known=known))
        await context.bulletins.exposures.settle()
        nodes = _nodes(context, selectors)
        shown = {each.uid for each in nodes}
        document = fbom(
            nodes,
            (each for each in context.bulletins.exposures.nodes() if each.uid in shown),
            (kept.advisory for kept in context.advisories.all().values()),
            site=context.site,
            version=context.version,
            now=context.clock.now(),
            packages=Packages(context.references.all().values() if context.references else ()),
        )
        return Response(document)

    return [get_fbom]


def _nodes(context: Context, selectors: list[Selector]) -> list[NodeFacts]:
    return [
        facts
        for held in context.facts.all_held()
        for facts in context.desired.ledger.node_facts(held.target.address)
        if facts.firmware and all(s.matches(facts.name, facts.lookup()) for s in selectors)
    ]
