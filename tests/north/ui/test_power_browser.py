"""The page of power in a real Chromium: by keyboard, on a narrow screen, without a complaint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from iolaus.kernel.clock import JumpClock, WallClock
from tests.north.powering import PLANT, Room
from tests.north.ui import scene
from tests.north.ui.browsing import chromium, find_chromium, tab
from tests.north.ui.serving import Serving, serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if (path := find_chromium()) is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with chromium(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    room = Room(JumpClock())
    room.wet()
    with serving(scene.build(4, WallClock())) as running:
        running.context.power, running.context.plant = room, lambda: PLANT
        yield running


def test_the_diagram_leads_by_keyboard_to_a_racks_nodes(browser: Browser, server: Serving) -> None:
    with tab(browser, server.url) as opened:
        opened.open("/ui/power")
        opened.page.locator("#line-r1").focus()
        opened.page.keyboard.press("Enter")
        expect(opened.page.locator("#line-n3")).to_be_visible()
        expect(opened.page.get_by_text("leak is critical at n1-wet").first).to_be_visible()
        opened.check()


def test_a_narrow_window_is_enough_and_it_refreshes_itself(
    browser: Browser, server: Serving
) -> None:
    with tab(browser, server.url, width=390, height=844, has_touch=True) as opened:
        opened.open("/ui/power?rack=r1")
        assert opened.ask("document.scrollingElement.scrollWidth") <= 390
        with opened.page.expect_response(lambda said: "part=1" in said.url) as said:
            pass
        assert said.value.status == 200
        expect(opened.page.locator("#line-r1")).to_be_attached()
        opened.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(browser: Browser, server: Serving, tmp_path: Path, scheme: str) -> None:
    folder = Path(os.environ.get("IOLAUS_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    with tab(browser, server.url, width=1400, height=900, color_scheme=scheme) as opened:
        opened.open("/ui/power?rack=r1")
        file = folder / f"power-{scheme}.png"
        opened.page.screenshot(path=file, full_page=True)
        assert file.stat().st_size > 15_000
        opened.check()
