"""The processes that hold the hall as objects: who is alive, and who owns what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from iolaus.north.dto.views import ConditionView, View


class MemberView(View, frozen=True, kw_only=True):
    """One process of a hall that several hold, or the only one."""

    role: Annotated[str, Meta(description="all, core or edge.")]
    state: Annotated[
        str,
        Meta(description="leading; standing by; serving; alone (the only process); or silent."),
    ]
    site: Annotated[str, Meta(description="The site whose devices an edge may own.")] = ""
    host: Annotated[str, Meta(description="The machine that it runs on.")] = ""
    pid: Annotated[int | None, Meta(description="Its process there.")] = None
    version: Annotated[str, Meta(description="Of Iolaus.")] = ""
    address: Annotated[str, Meta(description="Where a core is asked.")] = ""
    epoch: Annotated[int | None, Meta(description="Under which a core leads.")] = None
    shards: Annotated[tuple[str, ...], Meta(description="Parts of the site that it owns.")] = ()
    endpoints: Annotated[int, Meta(description="Endpoints that it reads, or knows of.")] = 0
    waiting: Annotated[
        int, Meta(description="What it knows and has not handed on or written yet.")
    ] = 0
    silent_s: Annotated[float, Meta(description="Seconds since it was heard.")] = 0.0
    started_at: Annotated[datetime | None, Meta(description="When it started (UTC).")] = None
    conditions: Annotated[tuple[ConditionView, ...], Meta(description="What is wrong.")] = ()
