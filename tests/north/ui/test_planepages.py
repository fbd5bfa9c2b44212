"""The page of the control plane: whoever sees the hall sees it, whoever sees a part does not."""

from __future__ import annotations

import httpx

from iolaus.model.select import parse_selector
from iolaus.north.context import Context
from iolaus.north.dto.members import MemberView
from iolaus.north.dto.views import ConditionView
from iolaus.north.members import Plane, ShardView, Work
from iolaus.north.ui.paper import Paper
from iolaus.north.ui.planepages import PlanePages
from tests.north.ui.document import Document


class Members:
    def views(self) -> tuple[MemberView, ...]:
        wrong = ConditionView(type="Alive", status="False", reason="Silent", message="not heard")
        dead = MemberView(
            name="edge2", kind="member", role="edge", state="silent", site="b", conditions=(wrong,)
        )
        leads = MemberView(name="core1", kind="member", role="core", state="leading", epoch=7)
        return (dead, leads)

    def plane(self) -> Plane:
        return Plane(
            works=(Work(name="Reading", works="partly", why="30 of 40 endpoints have no edge"),),
            parts=(Work(name="Bus", works="yes"),),
            shards=(ShardView(name="b.02", owner="", endpoints=30, renewed_s=9.0),),
            unknown=("30 endpoints of b.02: nobody reads them",),
        )


async def test_it_says_what_works_who_lives_and_what_is_not_known(
    context: Context, web: httpx.AsyncClient
) -> None:
    context.members = Members()
    page = Document((await web.get("/ui/plane")).text)
    assert "No longer known 30 endpoints of b.02: nobody reads them" in page.text
    assert "Reading partly 30 of 40 endpoints have no edge" in page.text
    assert "b.02 nobody 30 9.0 s unknown" in " ".join(page.text.split())
    assert page.text.index("core1") < page.text.index("edge2")
    part = (await web.get("/ui/plane?part=1")).text
    assert "<html" not in part
    assert "not heard" in part


async def test_who_sees_a_part_of_the_hall_sees_nothing_of_it(context: Context) -> None:
    context.members = Members()
    html = PlanePages(context, Paper(context.clock, leaves=False)).shown(parse_selector("rack=r1"))
    assert "core1" not in html
    assert "you see a part of it" in html
