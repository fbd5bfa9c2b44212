"""What is shown of a node that is drained, or on its way there."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from iolaus.north.dto.views import Age, Owner, View


class DrainView(View, frozen=True, kw_only=True):
    """Work that is taken away from a node, by a person's word or by a roll-out."""

    node: Owner
    state: Annotated[
        str,
        Meta(
            description="draining; drained: nothing is there and nothing comes; refused: waiting "
            "will not help; unknown."
        ),
    ]
    adapter: Annotated[str, Meta(description="Who is asked, by the name in drains.yaml.")]
    by: Annotated[str, Meta(description="Who asked for it: a person, or rollout/ID.")]
    reason: Annotated[str, Meta(description="Why, in the words of whoever asked.")]
    detail: Annotated[str, Meta(description="What the adapter says.")] = ""
    remaining: Annotated[
        tuple[str, ...], Meta(description="The first jobs or pods that are still there.")
    ] = ()
    began_at: datetime | None = None
    since: Annotated[datetime | None, Meta(description="Since when it is in this state.")] = None
    age_s: Age = None
