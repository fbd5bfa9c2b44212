"""Selecting and paging: the query parameters that every list understands.

A page ends at a key, not at a position, so a list that changes between two pages neither repeats
nor skips what stayed. The token is opaque on purpose: it may change its inside.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from iolaus.kernel.errors import OperatorMust
from iolaus.model.select import MISSING, Selector, parse_selector
from iolaus.north.api.objects import Object, address_of, wrap, wrap_list
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context
from iolaus.north.dto.views import AssetView
from iolaus.north.fleet import Item, lookup_of
from iolaus.north.kinds import Kind, Source

MAX_PAGE: Final = 10_000
PLACES: Final = frozenset({"hall", "row", "rack", "u", "slot"})
WORDS: Final = frozenset({"Reachable", "Fresh", "Healthy", "PoweredOn"}) | {
    "IdentityKnown",
    "LeakFree",
    "ClockSane",
    "InventoryComplete",
}

LabelSelector = Annotated[
    str | None,
    QueryParameter(
        name="labelSelector",
        max_length=8192,
        description="Labels, fields and host ranges: rack=h1-r07,vendor!=dell,h1-r[01-16]-u12",
    ),
]
FieldSelector = Annotated[
    str | None,
    QueryParameter(
        name="fieldSelector", max_length=8192, description="The same grammar; both hold."
    ),
]
Limit = Annotated[
    int | None,
    QueryParameter(ge=1, le=MAX_PAGE, description="At most so many; the rest behind `continue`."),
]
Continue = Annotated[
    str | None,
    QueryParameter(name="continue", max_length=4096, description="From metadata.continue."),
]
DryRun = Annotated[
    str | None, QueryParameter(name="dryRun", pattern="^All$", description="`All`: change nothing.")
]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What a list request asks for, read."""

    principal: Principal
    selectors: tuple[Selector, ...] = ()
    limit: int = MAX_PAGE
    after: tuple[str, ...] = ()

    def wants(self, item: Item) -> bool:
        if not self.selectors:
            return True
        lookup = lookup_of(item.view)
        return all(each.matches(item.name, lookup, also=item.view.name) for each in self.selectors)

    def may_own(self, asset: AssetView) -> bool:
        """Whether parts of this asset may be wanted: they share its labels, and name it."""
        shared = {**asset.labels, "node": asset.name}
        return all(each.may_hold(lambda key: shared.get(key, MISSING)) for each in self.selectors)


def principal_of(request: Request[Any, Any, Any], deed: Deed = Deed.READ) -> Principal:
    """Who asks; raises `PolicyRefused` if the role may not do this."""
    principal: Principal = request.scope["state"]["principal"]
    principal.must(deed)
    return principal


def read_query(
    context: Context,
    kind: Kind,
    request: Request[Any, Any, Any],
    *,
    label_selector: str | None,
    field_selector: str | None,
    limit: int | None = None,
    after: str | None = None,
) -> Query:
    known = known_keys(context, kind)
    texts = [text for text in (label_selector, field_selector) if text]
    return Query(
        principal=principal_of(request),
        selectors=tuple(parse_selector(text, known=known) for text in texts),
        limit=limit or MAX_PAGE,
        after=read_token(after) if after else (),
    )


def known_keys(context: Context, kind: Kind) -> frozenset[str]:
    """Every key that a selector may rightly use on this kind now."""
    fields = frozenset(kind.view.__struct_fields__) | PLACES | WORDS | {"labels"}
    return fields.union(*(held.target.labels for held in context.facts.all_held()))


async def list_page(context: Context, kind: Kind, query: Query) -> Any:
    page: list[Item] = []
    more, remaining = False, 0
    counts = kind.source in (Source.ASSET, Source.ENDPOINT, Source.RACK, Source.HALL)
    async for item in context.fleet.items(
        kind,
        scope=query.principal.scope,
        after=query.after,
        may_own=query.may_own,
        selectors=query.selectors,
    ):
        if not query.wants(item):
            continue
        if len(page) < query.limit:
            page.append(item)
            continue
        more, remaining = True, remaining + 1
        if not counts:
            break
    return wrap_list(
        kind,
        objects(context, kind, page),
        after=write_token(page[-1].key) if more else "",
        remaining=remaining if counts or not more else None,
        revision=context.facts.revision,
    )


def objects(context: Context, kind: Kind, items: Iterable[Item]) -> list[Object]:
    return [one_object(context, kind, item) for item in items]


def one_object(context: Context, kind: Kind, item: Item) -> Object:
    address = address_of(item.view)
    return wrap(kind, item, context.facts.target_of(address) if address else None)


def write_token(key: tuple[str, ...]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def read_token(text: str) -> tuple[str, ...]:
    """Raises `OperatorMust` for what is not one of our tokens."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=tuple[str, ...])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise OperatorMust(
            "this is not a token that a list gave",
            operation="continue list",
            subject=text[:40],
            code="BadContinue",
            next_step="take metadata.continue of the last page as it is, or begin anew.",
        ) from None
