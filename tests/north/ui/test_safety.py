"""What a hostile device or page can do to our pages: nothing.

The policy of the guard allows no inline script, style or handler, so none may be in a page; and
the structure of a page may not depend on any string that a device chose.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.clock import JumpClock
from iolaus.model.asset import (
    Component,
    ComponentKind,
    Deviation,
    Firmware,
    Identity,
    Place,
    Reading,
    Report,
    Setting,
)
from iolaus.model.endpoint import EndpointStatus, Event, Reach
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from iolaus.north.guard import CSP
from iolaus.store.facts import Facts
from tests.north.hall import SYSTEM
from tests.north.ui import scene, wanting
from tests.north.ui.conftest import client_of
from tests.north.ui.document import Document
from tests.north.ui.serving import make_context

Shapes = TypeVar("Shapes")
PATHS = (
    "/",
    "/ui/summary",
    "/ui/table",
    "/ui/table?sort=health&selector=%22%3E%3Cscript%3E",
    "/ui/racks",
    "/ui/racks/h1-a01",
    "/ui/racks/h1-a01?part=1",
    "/ui/assets/h1-a02-u06",
    "/ui/assets/h1-a02-u06?part=1",
    "/ui/drift",
    "/ui/drift?part=1",
    "/ui/drift?selector=%22%3E%3Cscript%3E&baseline=%3Cb%3E&outcome=%27&cause=%3Ci%3E",
    "/ui/baselines",
    "/ui/baselines?part=1",
    "/ui/trust",
    "/ui/trust?part=1",
    "/ui/trust?selector=%22%3E%3Cscript%3E&summary=%3Cb%3E&page=%27",
)
MISSING = (
    "/ui/trust/%3Cscript%3E",
    "/ui/baselines/%3Cscript%3E",
    "/ui/assets/%3Cscript%3E",
    "/ui/racks/%3Cimg%20src=x%3E",
    "/ui/racks/none?part=1",
)
BARBS = (
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</td></table><svg onload=alert(1)>",
    "{{ 7 * 7 }}",
    "]]><!--",
    "-->",
    "\u2028\u202e\x00\x1b[31m",
    "&lt;b&gt;",
)
TEXT = st.one_of(
    st.sampled_from(BARBS),
    st.tuples(st.text(min_size=1, max_size=12), st.sampled_from(BARBS)).map("".join),
)


async def test_every_page_keeps_the_policy(web: httpx.AsyncClient) -> None:
    for path in (*PATHS, *MISSING):
        answer = await web.get(path)
        assert answer.headers["content-security-policy"] == CSP, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        check(Document(answer.text), path)


def test_policy_allows_nothing_inline_and_nobody_else() -> None:
    assert CSP == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def check(page: Document, path: str) -> None:
    assert not [names for tag, names in page.shape if tag == "inline" and names[0].strip()], path
    for tag, attributes in page.elements:
        assert tag not in ("style", "iframe", "object", "embed", "base"), (path, tag)
        assert "style" not in attributes, (path, tag)
        assert not [name for name in attributes if name.startswith("on")], (path, attributes)
        for name in ("href", "src", "action", "hx-get", "data-history"):
            target = attributes.get(name, "/")
            assert target.startswith(("/", "#")), (path, target)
            assert not target.startswith("//"), (path, target)


async def test_static_files_are_ours(web: httpx.AsyncClient) -> None:
    page = Document((await web.get("/ui/assets/h1-a02-u06")).text)
    found = [e["src"] for e in page.all("script")] + [e["href"] for e in page.all("link")]
    assert len(found) == 7
    for path in found:
        answer = await web.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-security-policy"] == CSP
    assert (await web.get("/ui/static/../pages.py")).status_code == 404
    assert (await web.get("/ui/static/%2e%2e/pages.py")).status_code == 404


def tainted(text: str, *, at: float) -> tuple[Report, Event, EndpointStatus]:
    """Everything that a device says of itself says `text`."""
    asset = scene.node(0, at=at)
    asset = msgspec.structs.replace(
        asset,
        vendor=text,
        model=text,
        hostname=text,
        bmc_firmware=text,
        identity=Identity(serial=text, uuid=text, sku=text, part_number=text, asset_tag=text),
        place=Place(hall=text, row=text, slot=text, label=text),
        capabilities=(text,),
        gaps={"sku": text},
        raw={"vendor": text},
        counts={text: 1},
    )
    one = Reading(
        name=text, asset=SYSTEM, uri=text, quantity=text, unit=text, value=None, at=at, reason=text
    )
    two = msgspec.structs.replace(one, component=text, value=1.0, status=text, uri=text + "/2")
    three = msgspec.structs.replace(one, role="node_power", unit="W", value=5.0, uri=text + "/3")
    part = Component(
        name=text,
        kind=ComponentKind.GPU,
        asset=SYSTEM,
        uri=text,
        location=text,
        vendor=text,
        model=text,
        serial=text,
        firmware=text,
        health=text,
    )
    firmware = Firmware(component=text, name=text, version=text, asset=SYSTEM, uri=text, state=text)
    address = scene.target(0).address
    report = Report(
        endpoint=address,
        driver=text,
        redfish_version=text,
        observed_at=at,
        assets=(asset,),
        components=(part,),
        readings=(one, two, three),
        firmware=(firmware,),
        deviations=(Deviation(uri=text, pointer=text, rule=text),),
        partial={text: text},
    )
    event = Event(at=at, kind=text, severity=text, endpoint=address, message=text)
    status = EndpointStatus(
        address=address, reach=Reach.REACHABLE, at=at, since=at, driver=text, answered_at=at
    )
    return report, event, status


PLAIN: dict[object, Any] = {}


async def plain_of(shapes: Callable[[str], Awaitable[Shapes]]) -> Shapes:
    """What pages are made of where nothing is hostile: the same for each example."""
    if shapes not in PLAIN:
        PLAIN[shapes] = await shapes("plain")
    found: Shapes = PLAIN[shapes]
    return found


async def shapes_of(text: str) -> dict[str, list[Any]]:
    clock = JumpClock()
    facts = Facts(clock=clock)
    report, event, status = tainted(text, at=clock.now())
    target = scene.target(0)
    labels = {**target.labels, "rack": text, "u": text, "height": text}
    facts.put_target(msgspec.structs.replace(target, labels=labels))
    facts.record_report(report)
    facts.record_status(status)
    facts.record_event(event)
    context = make_context(facts, clock, series=scene.Memory())
    found = {}
    async with client_of(context) as web:
        racks = Document((await web.get("/ui/racks")).text)
        link = next(e["href"] for e in racks.all("a") if e["href"].startswith("/ui/racks/"))
        paths = ("/", "/ui/summary", "/ui/table", "/ui/racks", f"/ui/assets/{target.name}", link)
        for number, path in enumerate(paths):
            answer = await web.get(path)
            page = Document(answer.text)
            check(page, path)
            found[str(number)] = page.shape if answer.status_code == 200 else []
    return found


@settings(max_examples=12)
@given(TEXT)
async def test_no_string_of_a_device_changes_what_a_page_is_made_of(text: str) -> None:
    plain, hostile = await plain_of(shapes_of), await shapes_of(text)
    for path, shape in hostile.items():
        assert shape in (plain[path], []), path
    assert all(hostile[path] for path in "01234")


async def drift_shapes_of(text: str) -> list[Any]:
    """The pages of a node that calls itself `text`, runs `text` and should run a script."""
    clock = JumpClock()
    facts = Facts(clock=clock)
    report, _, status = tainted(text, at=clock.now())
    setting = Setting(asset=SYSTEM, name="Snc", value=text, staged=f"{text}2")
    facts.put_target(msgspec.structs.replace(scene.target(0), name=text))
    facts.record_report(msgspec.structs.replace(report, settings=(setting,)))
    facts.record_status(status)
    context = make_context(facts, clock)
    wanted = {"match": {"component": "*"}, "version": f"1 {BARBS[0]}", "scheme": "exact"}
    raw = {"Snc": "On", text: "<b>"}
    spec: dict[str, Any] = {"firmware": {"components": [wanted]}, "bios": {"raw": raw}}
    await wanting.want(context, wanting.baseline("b", "kind=node", **spec), by=text)
    found = []
    async with client_of(context) as web:
        (name,) = context.fleet.index()
        paths = ("/ui/drift", "/ui/baselines", "/ui/baselines/b", f"/ui/assets/{quote(name, '')}")
        for path in paths:
            answer = await web.get(path)
            assert answer.status_code in (200, 404), path
            check(Document(answer.text), path)
            found.append(Document(answer.text).shape if answer.status_code == 200 else [])
    return found


@settings(max_examples=12)
@given(TEXT)
async def test_no_string_of_a_device_changes_what_drift_is_made_of(text: str) -> None:
    plain, hostile = await plain_of(drift_shapes_of), await drift_shapes_of(text)
    assert all(plain)
    assert all(hostile[:3])
    assert [shape for shape in hostile if shape] == plain[: len([s for s in hostile if s])]


@settings(max_examples=15)
@given(st.one_of(TEXT, st.text(max_size=40)))
async def test_no_question_breaks_a_page(text: str) -> None:
    clock = JumpClock()
    async with client_of(make_context(scene.build(3, clock), clock)) as web:
        for path, query in (
            ("/ui/table", {"selector": text, "sort": text, "page": text}),
            ("/ui/history", {"asset": text, "role": text}),
            (
                "/ui/drift",
                dict.fromkeys(("baseline", "outcome", "selector", "cause", "page"), text),
            ),
        ):
            answer = await web.get(path, params=query)
            assert answer.status_code in (200, 404)
            if path != "/ui/history":
                check(Document(answer.text), path)


async def test_a_command_to_copy_is_quoted_for_a_shell(web: httpx.AsyncClient) -> None:
    answer = await web.get("/ui/table", params={"selector": "rack=$HOME;reboot"})
    assert "iolaus get nodes -l 'rack=$HOME;reboot' -o wide" in Document(answer.text).text


def scoped(context: Context, scope: str) -> tuple[Context, str]:
    text, token = new_token(Role.VIEWER, name="guest", scope=scope)
    auth = Auth(tokens=TokenList(token))
    return make_context(context.facts, context.clock, auth=auth, series=context.series), text


async def test_outside_its_scope_nothing_exists(context: Context) -> None:
    guarded, token = scoped(context, "rack=h1-a02")
    async with client_of(guarded, token=token) as web:
        for path in ("/", "/ui/summary", "/ui/table", "/ui/racks", "/ui/racks/h1-a02"):
            text = (await web.get(path)).text
            assert "h1-a01" not in text, path
            assert "h1-a03" not in text, path
        assert 'Nodes <b class="word ">18</b>' in (await web.get("/")).text
        assert "20 of 20" in (await web.get("/")).text
        for path in ("/ui/racks/h1-a01", "/ui/assets/h1-a01-u02", "/ui/assets/h1-a01-u02?part=1"):
            assert (await web.get(path)).status_code == 404, path
        query = {"role": "node_power"}
        seen = await web.get("/ui/history", params={**query, "asset": "h1-a02-u06"})
        hidden = await web.get("/ui/history", params={**query, "asset": "h1-a01-u02"})
        assert (seen.status_code, hidden.status_code) == (200, 404)
        assert hidden.json() == {"at": [], "mean": [], "unit": ""}
        assert len((await web.get("/ui/table?selector=rack%3Dh1-a01")).text) > 0


async def test_a_selector_cannot_widen_a_scope(context: Context) -> None:
    guarded, token = scoped(context, "rack=h1-a02")
    async with client_of(guarded, token=token) as web:
        page = Document((await web.get("/ui/table", params={"selector": "rack=h1-a01"})).text)
    assert page.table() == []


async def test_without_a_token_there_is_no_page(context: Context) -> None:
    guarded, _ = scoped(context, "")
    async with client_of(guarded) as web:
        for path in (*PATHS, "/ui/history"):
            assert (await web.get(path)).status_code == 401, path


async def test_history_is_what_the_series_says(context: Context, web: httpx.AsyncClient) -> None:
    answer = await web.get("/ui/history?asset=h1-a02-u06&role=inlet_temperature")
    body = json.loads(answer.text)
    assert body["unit"] == "Cel"
    assert len(body["at"]) == len(body["mean"]) == 30
    assert body["at"] == sorted(body["at"])
    assert isinstance(context.series, scene.Memory)
    assert context.series.asked == [
        (scene.target(20).address, "/redfish/v1/Chassis/1/Sensors/Inlet#Inlet")
    ]


@pytest.mark.parametrize("query", ["", "asset=h1-a02-u06", "asset=h1-a02-u06&role=nothing"])
async def test_history_of_nothing_is_empty(web: httpx.AsyncClient, query: str) -> None:
    answer = await web.get(f"/ui/history?{query}")
    assert answer.status_code == 404
    assert answer.json()["at"] == []
