"""Drift in a real Chromium: its metric on the map, the pages by keyboard and on a narrow screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from iolaus.kernel.clock import WallClock
from iolaus.north.ui.measures import ABSENT, UNKNOWN
from tests.north.ui import scene, wanting
from tests.north.ui.browsing import SHOTS, Tab, chromium, find_chromium, tab, tab_in, window
from tests.north.ui.serving import Serving, serving
from tests.north.ui.test_browser import CELLS, REFRESH_MS
from tests.north.ui.test_safety import BARBS, tainted

pytestmark = pytest.mark.browser
LONG_S = 3600.0
GREEN, VIOLET, BLUE, AMBER, RED = "#009e73", "#a06be0", "#2b5f9e", "#f0b400", "#c8361b"
GREY, NOTHING = "#a9afb6", "#dfe4ea"
PAGES = ("/ui/drift", "/ui/baselines", "/ui/baselines/bmc-2026", "/ui/assets/h1-a01-u08")
TWIN = """Object.fromEntries([...document.querySelectorAll("tbody tr")]
  .map((row) => [row.cells[0].textContent.trim(), [...row.cells].pop().textContent.trim()]))"""
CELL = "iolausHall.text(iolausHall.state.layout.names.indexOf('%s')) === '%s'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if (path := find_chromium()) is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with chromium(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def wide(browser: Browser) -> Iterator[BrowserContext]:
    with window(browser) as opened:
        yield opened


@pytest.fixture
def server() -> Iterator[Serving]:
    clock = WallClock()
    facts = scene.build(40, clock)
    wanting.set_snc(facts, clock)
    with serving(facts, series=scene.Memory(), interval_s=LONG_S) as running:
        running.do(lambda: wanting.want_now(running.context, *wanting.ALL))
        yield running


@pytest.fixture
def opened(wide: BrowserContext, server: Serving) -> Iterator[Tab]:
    with tab_in(wide, server.url) as found:
        yield found
        found.check()


def open_drift(opened: Tab) -> dict[str, dict[str, Any]]:
    """The cells of the map when it shows drift, once everything is judged."""
    opened.open_map("?metric=drift")
    opened.wait("iolausHall.view.last?.metric === 'drift'")
    opened.wait(CELL % ("h1-a02-u06", "staged"))
    opened.wait("iolausHall.view.last?.values === iolausHall.state.values")
    return {cell["name"]: cell for cell in opened.ask(CELLS)}


def test_every_outcome_has_its_colour_on_the_map(opened: Tab) -> None:
    found = open_drift(opened)
    wanted = {
        "h1-a02-u02": (GREEN, 1),
        "h1-a01-u02": (VIOLET, 1),
        "h1-a02-u06": (BLUE, 1),
        "h1-a01-u08": (AMBER, 1),
        "h1-a03-u02": (RED, 1),
        "h1-a01-u24": (GREY, 2),  # hatched
        "h1-a03-u04": (NOTHING, 1),
    }
    assert {name: (found[name]["color"], found[name]["colors"]) for name in wanted} == wanted
    assert found["h1-a01-u24"]["code"] == UNKNOWN
    assert found["h1-a01-sw1"]["code"] == ABSENT
    legend = opened.page.locator("#legend")
    for word in ("in-sync", "excused", "staged", "drifted", "conflict", "unknown", "no baseline"):
        expect(legend.get_by_text(word, exact=True)).to_be_visible()
    expect(opened.page.locator("#worst-title")).to_have_text("Not in-sync")
    expect(opened.page.locator("#worst li").first).to_have_text("h1-a03-u02 conflict")
    expect(opened.page.locator("#counts")).to_contain_text("10 no baseline")


def test_the_table_twin_says_the_same(opened: Tab) -> None:
    found = open_drift(opened)
    opened.open("/ui/table")
    assert opened.ask(TWIN) == {name: cell["text"] for name, cell in found.items()}


def test_a_baseline_that_is_applied_colours_the_map(opened: Tab, server: Serving) -> None:
    open_drift(opened)
    right = wanting.baseline("later", "h1-a03-u04", bmc="25.08-9")
    server.do(lambda: wanting.want_now(server.context, right))
    opened.wait(
        "iolausHall.text(iolausHall.state.layout.names.indexOf('h1-a03-u04')) === 'in-sync'"
    )


def test_an_outage_leaves_no_drift_in_sync(wide: BrowserContext, server: Serving) -> None:
    with tab_in(wide, server.url) as opened:
        open_drift(opened)
        server.stop()
        expect(opened.page.locator("#live")).to_be_visible()
        opened.wait("iolausHall.view.last?.stale.every((b) => b === 255)")
        colors = {cell["color"] for cell in opened.ask(CELLS)}
        assert GREEN not in colors
        assert AMBER in colors
        server.start()


def test_keyboard_alone_leads_from_the_map_to_the_cause(opened: Tab) -> None:
    opened.open_map()
    page = opened.page
    page.locator("#over").focus()
    page.keyboard.press("0")
    opened.wait("iolausHall.state.scale.metric === 'drift'")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#chosen-text")).to_contain_text("drift:")
    opened.open("/ui/drift")
    for _ in range(40):
        page.keyboard.press("Tab")
        if opened.ask("document.activeElement.tagName") == "SUMMARY":
            break
    page.keyboard.press("Enter")
    details = page.locator("details[open]")
    expect(details).to_have_count(1)
    page.keyboard.press("Tab")
    name = opened.ask("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/ui/assets/{name}")
    page.get_by_role("link", name="who else").first.press("Enter")
    page.wait_for_url("**/ui/drift?cause=*")
    expect(page.locator("details[open]")).to_have_count(1)


def test_what_is_open_and_focused_stays_so(opened: Tab, server: Serving) -> None:
    opened.open("/ui/drift")
    opened.ask("window.mark = 1")
    summary = opened.page.locator("details summary").nth(1)
    ident = summary.get_attribute("id")
    summary.click()
    before = opened.page.locator("#now").inner_text()
    later = wanting.baseline("later", "h1-a03-u04", bmc="1")
    server.do(lambda: wanting.want_now(server.context, later))
    expect(opened.page.locator("main")).to_contain_text("h1-a03-u04", timeout=REFRESH_MS)
    expect(opened.page.locator("#now")).not_to_have_text(before)
    assert opened.ask("window.mark") == 1
    assert opened.ask("document.activeElement.id") == ident
    expect(opened.page.locator("details[open]")).to_have_count(1)
    assert opened.ask("document.querySelector('details[open] summary').id") == ident


def test_filters_are_a_form(opened: Tab) -> None:
    opened.open("/ui/drift")
    opened.page.get_by_label("Baseline").select_option("bmc-2026")
    opened.page.get_by_label("Outcome").select_option("excused")
    opened.page.get_by_label("Nodes", exact=True).fill("rack=h1-a01")
    opened.page.get_by_role("button", name="Show").click()
    expect(opened.page.locator(".causes tbody tr")).to_have_count(1)
    expect(opened.page.get_by_label("Outcome")).to_have_value("excused")
    opened.page.locator("#chip-drifted").click()
    expect(opened.page.locator(".causes")).to_contain_text("25.09-1")


def test_a_baseline_and_a_command_are_copied(browser: Browser, server: Serving) -> None:
    with tab(browser, server.url, permissions=["clipboard-read", "clipboard-write"]) as opened:
        opened.open("/ui/baselines/snc")
        opened.page.locator("#text-copy").click()
        expect(opened.page.locator("#text-copy")).to_have_text("copied")
        text = opened.ask("navigator.clipboard.readText()")
        assert text.startswith("apiVersion: iolaus.dev/v1\nkind: Baseline\nmetadata:\n  name: snc")
        opened.page.locator("details summary").first.click()
        opened.page.locator("details[open] button.copy").click()
        command = opened.ask("navigator.clipboard.readText()")
        assert command == "iolaus diff --baseline snc -l h1-a02-u08"
        opened.check()


def test_without_a_script_everything_is_told(browser: Browser, server: Serving) -> None:
    with tab(browser, server.url, java_script_enabled=False) as opened:
        opened.open("/")
        opened.page.get_by_role("link", name="Drift", exact=True).click()
        expect(opened.page.locator(".causes tbody tr")).to_have_count(6)
        opened.page.locator("details summary").first.click()
        opened.page.get_by_role("link", name="h1-a03-u02").click()
        expect(opened.page.locator("main")).to_contain_text("one wants >=25.08")


def test_a_narrow_window_is_enough(browser: Browser, server: Serving) -> None:
    with tab(browser, server.url, width=390, height=844, has_touch=True) as opened:
        for path in PAGES:
            opened.open(path)
            assert opened.ask("document.scrollingElement.scrollWidth") <= 390, path
            for table in opened.page.locator("table.cards").all():
                box = table.bounding_box()
                assert box is not None
                assert box["x"] + box["width"] <= 390
            for word in ("Hall", "Table", "Drift", "Baselines"):
                link = opened.page.locator("header").get_by_role("link", name=word, exact=True)
                expect(link).to_be_in_viewport()
            opened.check()


def test_hostile_words_are_only_words(wide: BrowserContext) -> None:
    clock = WallClock()
    facts = scene.build(2, clock)
    report, _, status = tainted("".join(BARBS), at=clock.now())
    facts.record_report(report)
    facts.record_status(status)
    wanted = {"match": {"component": "*"}, "version": f"1 {BARBS[2]}", "scheme": "exact"}
    bad = wanting.baseline("bad", "kind=node", firmware={"components": [wanted]})
    with serving(facts, interval_s=LONG_S) as server, tab_in(wide, server.url) as opened:
        server.do(lambda: wanting.want_now(server.context, bad))
        for path in ("/ui/drift", "/ui/baselines/bad", f"/ui/assets/{scene.target(0).name}"):
            opened.open(path)
            opened.page.wait_for_load_state("networkidle")
            assert opened.page.locator("main img, main script").count() == 0
        opened.check()


@pytest.mark.parametrize(("scheme", "size"), SHOTS)
def test_screenshots(
    browser: Browser, server: Serving, tmp_path: Path, scheme: Any, size: tuple[int, int]
) -> None:
    folder = Path(os.environ.get("IOLAUS_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    width, height = size
    with tab(browser, server.url, width=width, height=height, color_scheme=scheme) as opened:
        open_drift(opened)
        opened.page.screenshot(path=folder / f"map-drift-{width}-{scheme}.png")
        for path in PAGES:
            opened.open(path)
            name = path.strip("/").replace("/", "-")
            file = folder / f"{name}-{width}-{scheme}.png"
            opened.page.screenshot(path=file)
            assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
            assert file.stat().st_size > 15_000
        opened.check()
