"""Roll-outs through the API: paused, resumed, aborted, undone.

What is asked is written down and done as soon as whoever runs the plan comes to it; the answer
shows the roll-out as it is, not as it will be. What would do nothing in its present state is
refused at once, so that nobody waits for it. To stop is allowed to more people than to go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from iolaus.kernel.errors import PolicyRefused
from iolaus.north.api.lists import one_object, principal_of
from iolaus.north.api.objects import TYPES
from iolaus.north.api.plans import offered, only_problems
from iolaus.north.api.resources import Name, of_type
from iolaus.north.auth import Deed, Principal
from iolaus.north.context import Context
from iolaus.north.dto.rolls import RolloutView
from iolaus.north.fleet import Item
from iolaus.north.kinds import BY_NAME
from iolaus.north.problems import not_found

ROLLOUT: Final = BY_NAME["rollout"]
WORDS: Final = {
    "pause": (Deed.STOP, "Begin nothing more; what runs goes on to its end"),
    "resume": (Deed.ROLL, "Go on"),
    "abort": (Deed.STOP, "Begin nothing more, and take back what is not finished"),
    "undo": (Deed.ROLL, "Take back what was done, wave after wave"),
}

MAY: Final[Mapping[str, tuple[str, ...]]] = {
    "waiting": ("abort",),
    "running": ("pause", "abort"),
    "paused": ("resume", "abort"),
    "undoing": ("abort",),
    "done": ("undo",),
    "aborted": ("undo",),
}
"""What does something, by the state of a roll-out; in all others nothing does."""


def rollout_routes(context: Context) -> list[HTTPRouteHandler]:
    return [_ask(context, word) for word in WORDS]


def _ask(context: Context, word: str) -> HTTPRouteHandler:
    deed, summary = WORDS[word]

    @post(
        f"/rollouts/{{name:str}}/{word}",
        status_code=202,
        operation_id=f"{word}Rollout",
        summary=summary,
        tags=["rollouts"],
        responses={
            202: of_type(TYPES["rollout"][0], "It was asked; watch the roll-out.")[200],
            **only_problems(),
        },
    )
    async def ask(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        return Response(await asked(context, name, word, principal_of(request, deed)))

    return ask


async def asked(context: Context, name: str, word: str, principal: Principal) -> Any:
    """The roll-out as an object, after it was asked. Raises `PolicyRefused` (NotNow), and what
    the port raises."""
    rolls = offered(context)
    _must_do_something(await _found(context, name, principal), word)
    await rolls.ask(name, word, by=principal.name)
    return one_object(context, ROLLOUT, await _found(context, name, principal))


def _must_do_something(item: Item, word: str) -> None:
    state = item.view.state if isinstance(item.view, RolloutView) else ""
    may = MAY.get(state, ())
    if word not in may:
        raise PolicyRefused(
            f"it is {state}: to {word} it does nothing now",
            operation=word,
            subject=f"rollout/{item.name}",
            code="NotNow",
            next_step=f"what does something now: {', '.join(may) or 'nothing'}.",
        )


async def _found(context: Context, name: str, principal: Principal) -> Item:
    item = await context.fleet.find(ROLLOUT, name, scope=principal.scope)
    if item is None:
        raise not_found("rollout", name)
    return item
