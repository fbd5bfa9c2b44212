"""A roll-out in a real Chromium: it moves without a reload, and a person stops it in two steps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from iolaus.kernel.clock import JumpClock
from iolaus.model.select import EVERYTHING
from tests.north import conftest
from tests.north.rolling import Rolling
from tests.north.ui.browsing import chromium, find_chromium, tab
from tests.north.ui.serving import Serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if (path := find_chromium()) is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with chromium(path) as opened:
        yield opened


@pytest.fixture
def rolls() -> Rolling:
    context = conftest.make_context(JumpClock(), nodes=8)
    context.rolls = found = Rolling(context, nodes=8)
    return found


@pytest.fixture
def server(rolls: Rolling) -> Iterator[Serving]:
    running = Serving(rolls.context)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def begin(rolls: Rolling, server: Serving) -> str:
    """A roll-out of which the canary is done and two more nodes are under way."""

    async def applied() -> str:
        plan = await rolls.make_plan("gb300", selector=EVERYTHING, by="ana", keep=True)
        await rolls.apply(plan.id, by="ana")
        rolls.finish(plan.id, most=10)
        return plan.id

    def at_once() -> str:
        with pytest.raises(StopIteration) as done:
            applied().send(None)
        return str(done.value.value)

    return server.do(at_once)


@pytest.mark.parametrize(("script", "width"), [(True, 1400), (True, 390), (False, 390)])
def test_a_person_watches_it_and_stops_it(
    browser: Browser, rolls: Rolling, server: Serving, width: int, script: bool
) -> None:
    name = begin(rolls, server)
    with tab(browser, server.url, width=width, java_script_enabled=script) as opened:
        page = opened.page
        opened.open(f"/ui/rollouts/{name}")
        expect(page.locator("#cell-h1-r01-u04")).to_have_text("R")
        if script:
            server.do(lambda: rolls.finish(name, most=2))
            expect(page.locator("#cell-h1-r01-u04")).to_have_text("D", timeout=90_000)
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        expect(page.locator("#pause-button")).to_be_hidden()
        page.locator("#pause-summary").click()
        page.locator("#pause-button").click()
        expect(page.locator("#rollout dd").first).to_contain_text("paused: asked by demo")
        expect(page.locator("#pause-summary")).to_have_count(0)
        assert rolls.said[-1] == (name, "pause", "demo")
        assert opened.complaints == []


def test_no_page_complains(browser: Browser, rolls: Rolling, server: Serving) -> None:
    name = begin(rolls, server)
    with tab(browser, server.url, color_scheme="dark") as opened:
        for path in ("/ui/rollouts", f"/ui/rollouts/{name}", f"/ui/plans/{name}"):
            opened.open(path)
        opened.check()
