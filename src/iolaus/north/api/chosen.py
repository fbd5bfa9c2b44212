"""Whose evidence is meant: nodes by name, and those that a selector selects."""

from __future__ import annotations

from collections.abc import Sequence

from iolaus.model.select import Selector, parse_selector
from iolaus.north.api.lists import known_keys
from iolaus.north.context import Context
from iolaus.north.fleet import lookup_of
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found


async def chosen_nodes(
    context: Context,
    nodes: Sequence[str],
    text: str,
    scope: Selector,
    *,
    none_is_all: bool = False,
) -> set[str]:
    """Names of nodes; what is shown no more can still have evidence. Raises `OperatorMust` for a
    selector that is none, and 404 for a node that there is not."""
    known = known_keys(context, BY_NAME["node"])
    selector = parse_selector(text, known=known) if text else None
    views = await context.fleet.assets(scope)
    unknown = set(nodes) - {view.name for view in views}
    if unknown:
        raise not_found("node", min(unknown))
    if none_is_all and selector is None and not nodes:
        return {view.name for view in views}
    chosen = (v.name for v in views if selector and selector.matches(v.name, lookup_of(v)))
    return {*nodes, *chosen}
