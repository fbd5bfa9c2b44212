"""Signing in with a browser: the way in, what the cookie may do, and who may not send the form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from iolaus.kernel.clock import JumpClock, WallClock
from iolaus.north.auth import COOKIE, Auth, Role, TokenList, new_token
from iolaus.north.context import Context
from iolaus.north.ui.signin import local
from iolaus.store.facts import Facts
from tests.north.ui import scene
from tests.north.ui.browsing import chromium, find_chromium, tab
from tests.north.ui.conftest import client_of
from tests.north.ui.serving import make_context, serving

HTML = {"Accept": "text/html,application/xhtml+xml"}
TEXT, TOKEN = new_token(Role.VIEWER, name="night shift", expires_at=2e9)
OLD_TEXT, OLD = new_token(Role.VIEWER, name="last year", expires_at=1.0)


@pytest.fixture
async def web(facts: Facts, clock: JumpClock) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(signing(facts, clock)) as client:
        yield client


def signing(facts: Facts, clock: JumpClock) -> Context:
    return make_context(facts, clock, auth=Auth(tokens=TokenList(TOKEN, OLD)))


async def test_who_opened_the_pages_is_in_the_audit_log(facts: Facts, clock: JumpClock) -> None:
    context = signing(facts, clock)
    async with client_of(context) as web:
        await web.post("/signin", data={"token": "iol_no_such"})
        await web.post("/signout")
        await web.post("/signin", data={"token": TEXT})
        await web.post("/signout")
    found = [(each.who, each.what, each.subject) for each in await context.audit.entries()]
    assert found == [
        ("nobody", "refuse", "POST /signin"),
        ("night shift", "sign-in", "pages"),
        ("night shift", "sign-out", "pages"),
    ]


async def test_a_page_leads_to_the_door_and_back(web: httpx.AsyncClient) -> None:
    shut = await web.get("/ui/racks/h1-a01?part=1", headers=HTML)
    assert shut.status_code == 303
    door = shut.headers["location"]
    form = await web.get(door, headers=HTML)
    assert form.status_code == 200
    assert 'value="/ui/racks/h1-a01?part=1"' in form.text
    assert "Sign out" not in form.text
    sent = {"token": f" {TEXT}\n", "next": "/ui/racks/h1-a01?part=1"}
    opened = await web.post("/signin", data=sent, headers={"Origin": "http://127.0.0.1:8080"})
    assert (opened.status_code, opened.headers["location"]) == (303, "/ui/racks/h1-a01?part=1")
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie  # this server speaks HTTP
    hall = await web.get("/", headers=HTML)
    assert hall.status_code == 200
    assert "Sign out" in hall.text
    assert TEXT not in hall.text
    out = await web.post("/signout")
    assert out.headers["location"] == "/signin"
    assert (await web.get("/", headers=HTML)).status_code == 303


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("iol_no_such", "the token is not known here"),
        ("", "a token is needed"),
        (OLD_TEXT, "the token has expired"),
        ("x" * 9000, "the token is not known here"),
    ],
    ids=["unknown", "none", "expired", "far too long"],
)
async def test_what_is_no_token_stays_outside(
    web: httpx.AsyncClient, token: str, said: str
) -> None:
    answer = await web.post("/signin", data={"token": token})
    assert answer.status_code == 401
    assert said in answer.text
    assert "set-cookie" not in answer.headers


async def test_another_sites_form_signs_nobody_in_or_out(web: httpx.AsyncClient) -> None:
    evil = {"Origin": "https://evil.example"}
    refused = await web.post("/signin", data={"token": TEXT}, headers=evil)
    assert refused.status_code == 401
    assert "set-cookie" not in refused.headers
    assert (await web.post("/signout", headers=evil)).status_code == 403


async def test_the_cookie_reads_and_does_not_write(web: httpx.AsyncClient) -> None:
    await web.post("/signin", data={"token": TEXT})
    assert (await web.get("/api/v1/nodes")).status_code == 200
    written = await web.post("/api/v1/discoveries", json={"targets": ["10.0.0.1"]})
    assert (written.status_code, written.json()["code"]) == (401, "TokenMissing")


async def test_programs_are_told_and_not_led(web: httpx.AsyncClient) -> None:
    for path in ("/api/v1/nodes", "/metrics", "/", "/ui/table"):
        answer = await web.get(path, headers={"Accept": "application/json"})
        assert answer.status_code == 401
        assert answer.json()["code"] == "TokenMissing"
    piece = await web.get("/ui/summary", headers={"HX-Request": "true"})
    assert (piece.status_code, piece.headers["hx-redirect"]) == (401, "/signin")


async def test_a_demo_has_no_door(facts: Facts, clock: JumpClock) -> None:
    async with client_of(make_context(facts, clock)) as web:
        assert (await web.get("/signin?next=/ui/table")).headers["location"] == "/ui/table"
        assert "Sign out" not in (await web.get("/")).text


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example", "/\\evil.example", "", "/a\r\nb: c", "x"]
)
def test_the_way_onward_stays_here(path: str) -> None:
    assert local(path) == "/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if (path := find_chromium()) is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with chromium(path) as opened:
        yield opened


@pytest.mark.browser
def test_a_person_signs_in_looks_and_leaves(browser: Browser) -> None:
    facts = scene.build(40, WallClock())
    with (
        serving(facts, auth=Auth(tokens=TokenList(TOKEN)), interval_s=3600.0) as server,
        tab(browser, server.url) as opened,
    ):
        page = opened.page
        page.goto(f"{server.url}/ui/racks")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.get_by_label("Token").fill(TEXT)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Racks")).to_be_visible()
        page.get_by_role("link", name="Hall").click()
        opened.wait("window.iolausHall?.view.last?.metric === 'health'")
        assert COOKIE not in opened.ask("document.cookie")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        opened.check()
