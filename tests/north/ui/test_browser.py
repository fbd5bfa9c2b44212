"""The pages in a real Chromium, under the real policy, against a real server.

What a canvas shows is read back as pixels; what the page says is compared with the table twin.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from iolaus.kernel.clock import WallClock
from iolaus.north.ui.measures import ABSENT, METRICS, UNKNOWN
from tests.north.ui import scene
from tests.north.ui.browsing import SHOTS, Tab, chromium, find_chromium, tab, tab_in, window
from tests.north.ui.serving import Serving, serving
from tests.north.ui.test_safety import BARBS, tainted

pytestmark = [pytest.mark.browser, pytest.mark.slow]
GREEN, AMBER, RED, GREY = "#009e73", "#f0b400", "#c8361b", "#a9afb6"
LONG_S = 3600.0
REFRESH_MS = 90_000
PAGES = ("/", "/ui/table", "/ui/racks", "/ui/racks/h1-a01", "/ui/assets/h1-a02-u06")
# For each cell: its name, code, stale bit, text, most frequent colour, and how many it has.
CELLS = """() => {
  const { state, view, text } = iolausHall, context = view.canvas.getContext("2d");
  return state.layout.names.map((name, i) => {
    const [x0, y0, x1, y1] = view.edges.slice(4 * i, 4 * i + 4);
    const pixels = new Uint32Array(context.getImageData(x0, y0, x1 - x0, y1 - y0).data.buffer);
    const counts = new Map();
    for (const p of pixels) counts.set(p, (counts.get(p) || 0) + 1);
    const [top] = [...counts.entries()].sort((a, b) => b[1] - a[1])[0];
    const part = (shift) => ((top >> shift) & 255).toString(16).padStart(2, "0");
    return { name, code: state.values[i], stale: (state.stale[i >> 3] >> (i & 7)) & 1,
             text: text(i), color: `#${part(0)}${part(8)}${part(16)}`, colors: counts.size };
  });
}"""
SPOT = """(name) => {
  const box = iolausHall.view.placed.boxes[iolausHall.state.layout.names.indexOf(name)];
  const frame = document.getElementById("over").getBoundingClientRect();
  return [frame.left + box.x + box.w / 2, frame.top + box.y + box.h / 2];
}"""
BOXES = """Object.fromEntries(iolausHall.state.layout.names
  .map((name, i) => [name, iolausHall.view.placed.boxes[i]]))"""
ROWS = """[...document.querySelectorAll("tbody tr")]
  .map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"""
CHARTS = """[...document.querySelectorAll(".chart")].map((chart) => (
  { label: chart.getAttribute("aria-label"), low: chart.plot.scales.y.min,
    high: chart.plot.scales.y.max, times: chart.plot.axes[0]._values }))"""
WATCH_REFRESH = """document.body.addEventListener("htmx:beforeRequest",
  (event) => { window.refused = event.defaultPrevented; })"""
CORNER = """(() => { const { context, canvas } = iolausHall.view;
  return [...context.getImageData(canvas.width - 1, 0, 1, 1).data].slice(0, 3); })()"""


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
    facts = scene.build(40, WallClock())
    with serving(facts, series=scene.Memory(), interval_s=LONG_S) as running:
        yield running


@pytest.fixture
def opened(wide: BrowserContext, server: Serving) -> Iterator[Tab]:
    with tab_in(wide, server.url) as found:
        yield found
        found.check()


def cells(opened: Tab) -> dict[str, dict[str, Any]]:
    return {cell["name"]: cell for cell in opened.ask(CELLS)}


def choose(opened: Tab, metric: str) -> None:
    opened.page.get_by_role("button", name=METRICS[metric].title, exact=True).click()
    opened.wait(f"iolausHall.state.scale.metric === '{metric}'")
    opened.wait(f"iolausHall.view.last?.metric === '{metric}'")


def test_no_page_complains(opened: Tab) -> None:
    for path in PAGES:
        opened.open(path)
        opened.page.wait_for_load_state("networkidle") if path != "/" else opened.open_map()
        opened.check()
    assert opened.ask("document.title") == "h1-a02-u06 - Iolaus"


def test_cells_have_the_colour_of_what_is_known(opened: Tab) -> None:
    opened.open_map()
    found = cells(opened)
    assert (found["h1-a01-u02"]["color"], found["h1-a01-u02"]["colors"]) == (GREEN, 1)
    assert found["h1-a01-u16"]["color"] == AMBER
    assert found["h1-a01-u12"]["color"] == RED
    silent = found["h1-a01-u24"]
    assert (silent["color"], silent["code"], silent["stale"]) == (GREY, UNKNOWN, 1)
    assert silent["colors"] == 2  # hatched


def test_unknown_is_never_green_and_stale_is_hatched(opened: Tab) -> None:
    opened.open_map()
    for metric in METRICS:
        choose(opened, metric)
        for name, cell in cells(opened).items():
            if cell["code"] == UNKNOWN:
                assert (cell["color"], cell["text"]) == (GREY, "unknown"), (metric, name)
            if cell["code"] == ABSENT:
                assert cell["color"] not in (GREEN, GREY), (metric, name)
            hatched = bool(cell["stale"]) or cell["code"] == UNKNOWN
            assert (cell["colors"] == 2) is hatched, (metric, name)


def test_table_twin_has_the_values_of_the_map(opened: Tab) -> None:
    opened.open_map()
    shown: dict[str, dict[str, str]] = {}
    for metric in METRICS.values():
        choose(opened, metric.name)
        shown[metric.title] = {name: cell["text"] for name, cell in cells(opened).items()}
    opened.page.get_by_role("link", name="As a table").click()
    opened.page.wait_for_url(f"**/ui/table?sort={list(METRICS)[-1]}")
    head = opened.page.locator("thead th").all_inner_texts()
    head = [word.removesuffix("↓").strip() for word in head]
    rows = opened.ask(ROWS)
    assert len(rows) == 47
    for row in rows:
        said = dict(zip(head, row, strict=True))
        for metric in METRICS.values():
            if metric.name != "age":  # it moves
                expected = shown[metric.title][said["Name"]].replace("not measured", "")
                assert said[metric.title] == expected, (said["Name"], metric.name)


def test_metric_picker_tells_and_remembers(opened: Tab) -> None:
    opened.open_map()
    choose(opened, "power")
    pressed = opened.page.locator("button[aria-pressed=true]")
    expect(pressed).to_have_text("Power")
    expect(opened.page.locator("#legend")).to_contain_text("0 W")
    expect(opened.page.locator("#legend")).to_contain_text("8 kW")
    expect(opened.page.locator("#worst-title")).to_have_text("Highest power")
    hottest = max((n for n in range(40) if n not in (9, 11)), key=scene.watts_of)
    first = opened.page.locator("#worst li").first
    expect(first).to_have_text(
        f"{scene.target(hottest).name} {scene.watts_of(hottest) / 1000:.2f} kW"
    )
    assert opened.page.url.endswith("?metric=power")
    opened.open_map("?metric=power")
    assert opened.ask("iolausHall.state.scale.metric") == "power"


def test_keyboard_alone_is_enough(opened: Tab) -> None:
    opened.open_map()
    page = opened.page
    for _ in range(30):
        page.keyboard.press("Tab")
        if opened.ask("document.activeElement.id") == "over":
            break
    assert opened.ask("document.activeElement.id") == "over"
    page.keyboard.press("ArrowRight")
    start = opened.ask("iolausHall.state.name")
    page.keyboard.press("ArrowRight")
    beside = opened.ask("iolausHall.state.name")
    page.keyboard.press("ArrowUp")
    above = opened.ask("iolausHall.state.name")
    assert len({start, beside, above}) == 3
    expect(page.locator("#chosen")).to_have_text(above)
    expect(page.locator("#chosen-text")).to_contain_text("health")
    page.keyboard.press("6")
    opened.wait("iolausHall.state.scale.metric === 'inlet'")
    assert opened.ask("document.activeElement.id") == "over"
    expect(page.locator("#chosen-text")).to_contain_text("inlet")
    page.keyboard.press("t")
    page.wait_for_url("**/ui/table?sort=inlet")
    page.go_back()
    opened.wait("window.iolausHall && iolausHall.state.frames > 0")
    page.locator("#over").focus()
    page.keyboard.press("ArrowDown")
    name = opened.ask("iolausHall.state.name")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/ui/assets/{name}")


def test_pointer_chooses_and_opens(opened: Tab) -> None:
    opened.open_map()
    box = opened.page.evaluate(SPOT, "h1-a02-u06")
    opened.page.mouse.move(*box)
    expect(opened.page.locator("#chosen")).to_have_text("h1-a02-u06")
    expect(opened.page.locator("#chosen-text")).to_have_text("node; health: OK")
    opened.page.mouse.click(*box)
    opened.page.wait_for_url("**/ui/assets/h1-a02-u06")


def test_changes_arrive_without_a_reload(opened: Tab, server: Serving) -> None:
    opened.open_map("?metric=inlet")
    opened.ask("window.mark = 1")
    facts, clock = server.context.facts, server.context.clock
    server.do(lambda: scene.breathe(facts, range(40), clock, beat=5))
    expected = f"{scene.inlet_of(0, 5):.1f} °C"
    opened.wait(
        f"iolausHall.text(iolausHall.state.layout.names.indexOf('h1-a01-u02')) === '{expected}'"
    )
    assert opened.ask("window.mark") == 1


def test_new_things_appear_on_the_map(opened: Tab, server: Serving) -> None:
    opened.open_map()
    facts, clock = server.context.facts, server.context.clock
    server.do(lambda: scene.put_node(facts, 40, at=clock.now()))
    opened.wait("iolausHall.state.layout.names.length === 48")
    opened.wait("iolausHall.view.last && iolausHall.view.last.values.length === 48")
    assert cells(opened)["h1-a03-u10"]["color"] == GREEN


def test_an_outage_leaves_nothing_green_and_passes(wide: BrowserContext, server: Serving) -> None:
    with tab_in(wide, server.url) as opened:
        opened.open_map()
        opened.check()
        server.stop()
        expect(opened.page.locator("#live")).to_be_visible()
        expect(opened.page.locator("#live")).to_contain_text("UTC. Everything shown is stale")
        opened.wait("iolausHall.view.last?.stale.every((b) => b === 255)")
        found = cells(opened)
        assert all(cell["stale"] for cell in found.values())
        assert GREEN not in {cell["color"] for cell in found.values()}
        assert found["h1-a01-u12"]["color"] == RED
        server.start()
        expect(opened.page.locator("#live")).to_be_hidden(timeout=REFRESH_MS)
        opened.wait("iolausHall.view.last?.stale.some((b) => b !== 255)")
        assert cells(opened)["h1-a01-u02"]["color"] == GREEN


def test_a_rack_page_says_that_it_is_cut_off(wide: BrowserContext, server: Serving) -> None:
    with tab_in(wide, server.url) as opened:
        opened.open("/ui/racks/h1-a01")
        server.stop()
        expect(opened.page.locator("#live")).to_be_visible(timeout=REFRESH_MS)
        ok = opened.page.locator(".word.ok").first
        green = "rgb(0, 115, 79)"
        assert ok.evaluate("(e) => getComputedStyle(e).color") != green
        server.start()
        expect(opened.page.locator("#live")).to_be_hidden(timeout=REFRESH_MS)
        assert ok.evaluate("(e) => getComputedStyle(e).color") == green


@pytest.mark.parametrize("path", ["/ui/racks/h1-a02", "/ui/assets/h1-a02-u06"])
def test_a_page_refreshes_in_place(opened: Tab, server: Serving, path: str) -> None:
    opened.open(path)
    opened.page.wait_for_load_state("networkidle")
    before = opened.page.locator("#now").inner_text()
    opened.ask("window.mark = 1; window.chart = document.querySelector('.chart canvas')")
    link = opened.page.locator("main a[id]").first
    has_link = path.startswith("/ui/racks")
    if has_link:
        link.focus()
    facts, clock = server.context.facts, server.context.clock
    server.do(lambda: scene.breathe(facts, [20], clock, beat=9))
    watts = f"{scene.watts_of(20, 9) / 1000:.2f} kW"
    expect(opened.page.locator("main")).to_contain_text(watts, timeout=REFRESH_MS)
    expect(opened.page.locator("#now")).not_to_have_text(before)
    assert opened.ask("window.mark") == 1
    assert opened.ask("window.chart === document.querySelector('.chart canvas')")
    if has_link:
        assert opened.ask("document.activeElement.id") == link.get_attribute("id")


def test_a_refresh_leaves_marked_text_alone(opened: Tab) -> None:
    opened.open("/ui/assets/h1-a02-u06")
    opened.ask(WATCH_REFRESH)
    opened.ask("getSelection().selectAllChildren(document.querySelector('dl.facts dd'))")
    opened.wait("window.refused !== undefined")
    assert opened.ask("window.refused") is True
    assert opened.ask("getSelection().toString().trim()") == "OK"


def test_charts_are_drawn_with_units_and_told(opened: Tab) -> None:
    opened.open("/ui/assets/h1-a02-u06")
    expect(opened.page.locator(".chart canvas")).to_have_count(3)
    power, inlet, coolant = opened.ask(CHARTS)
    assert power["label"] == "Power, last hour: now 5 kW, lowest 5 kW, highest 5 kW"
    assert inlet["label"] == "Inlet, last hour: now 24.4 °C, lowest 24 °C, highest 25.6 °C"
    assert coolant["label"].startswith("Coolant return, last hour: now 24.4 °C")
    assert power["low"] == 0
    assert power["high"] > 5
    assert 20 < inlet["low"] < 24
    assert inlet["high"] - inlet["low"] >= 5
    assert all(len(t) == 5 and t[2] == ":" for t in power["times"])


def test_a_command_is_copied(browser: Browser, server: Serving) -> None:
    with tab(browser, server.url, permissions=["clipboard-read", "clipboard-write"]) as opened:
        opened.open("/ui/racks/h1-a01")
        button = opened.page.get_by_role("button", name="copy")
        button.click()
        expect(opened.page.locator("button.copy")).to_have_text("copied")
        command = opened.ask("navigator.clipboard.readText()")
        assert command == "iolaus get nodes -l rack=h1-a01 -o wide"
        opened.check()


def test_without_a_script_everything_is_told(browser: Browser, server: Serving) -> None:
    with tab(browser, server.url, java_script_enabled=False) as opened:
        opened.open("/")
        opened.page.get_by_role("link", name="the table").click()
        expect(opened.page.locator("tbody tr")).to_have_count(47)
        opened.page.get_by_role("link", name="h1-a01", exact=True).first.click()
        expect(opened.page.locator("tbody tr")).to_have_count(20)
        expect(opened.page.locator("svg.elevation a")).to_have_count(20)
        opened.page.locator("tbody").get_by_role("link", name="h1-a01-u12", exact=True).click()
        expect(opened.page.locator("main")).to_contain_text("S00005")
        expect(opened.page.locator("main")).to_contain_text("Critical")
        expect(opened.page.locator("button.copy").first).to_be_hidden()
        opened.page.goto(server.url + "/ui/table")
        opened.page.get_by_label("Selector").fill("health=Critical")
        opened.page.get_by_role("button", name="Show").click()
        expect(opened.page.locator("tbody tr")).to_have_count(1)


def test_a_narrow_window_is_enough(browser: Browser, server: Serving) -> None:
    with tab(browser, server.url, width=390, height=844, has_touch=True) as opened:
        for path in PAGES:
            opened.open(path)
            if path == "/":
                opened.wait("window.iolausHall && iolausHall.state.frames > 0")
                wide = opened.ask("Math.max(...iolausHall.view.placed.boxes.map((b) => b.x + b.w))")
                assert wide <= opened.ask("document.getElementById('map').clientWidth")
            assert opened.ask("document.scrollingElement.scrollWidth") <= 390, path
            for word in ("Hall", "Racks", "Table"):
                expect(opened.page.get_by_role("link", name=word, exact=True)).to_be_in_viewport()
            opened.check()


def test_dark_is_dark(browser: Browser, server: Serving) -> None:
    with tab(browser, server.url, color_scheme="dark") as opened:
        opened.open_map("?metric=power")
        body = opened.ask("getComputedStyle(document.body).backgroundColor")
        assert body == "rgb(15, 21, 28)"
        assert opened.ask(CORNER) == [23, 32, 42]
        assert cells(opened)["h1-a01-sw1"]["color"] == "#2a3643"
        opened.page.emulate_media(color_scheme="light")
        opened.wait("iolausHall.view.last && iolausHall.view.absent === 0xffeae4df")
        opened.check()


def test_a_dense_screen_is_sharp(browser: Browser, server: Serving) -> None:
    with tab(browser, server.url, device_scale_factor=2) as opened:
        opened.open_map()
        ratio = opened.ask("iolausHall.view.canvas.width / iolausHall.view.canvas.clientWidth")
        assert ratio == 2
        assert cells(opened)["h1-a01-u02"]["color"] == GREEN
        opened.check()


def test_racks_stand_unit_by_unit_where_there_is_room(wide: BrowserContext) -> None:
    clock = WallClock()
    facts = scene.build(2, clock)
    for number, unit in ((40, "9"), (41, "9"), (42, "")):  # two of one tray, one nowhere
        where = msgspec.structs.replace(
            scene.target(number), labels={"hall": "h1", "row": "a", "rack": "h1-a01", "u": unit}
        )
        report = scene.report(number, at=clock.now(), parts=False)
        scene.put(facts, where, report, at=clock.now())
    with serving(facts, interval_s=LONG_S) as server, tab_in(wide, server.url) as opened:
        opened.open_map()
        boxes = opened.ask(BOXES)
        low, high = boxes["h1-a01-u02"], boxes["h1-a01-u04"]
        assert low["h"] == high["h"]
        assert low["y"] == high["y"] + high["h"] + 1
        left, right = (boxes[scene.target(number).name] for number in (40, 41))
        assert left["y"] == right["y"]
        assert left["x"] + left["w"] < right["x"]
        nowhere = boxes[scene.target(42).name]
        assert nowhere["y"] < min(box["y"] for n, box in boxes.items() if box is not nowhere)
        opened.check()


def test_ten_thousand_cells_fit_and_all_are_drawn(wide: BrowserContext) -> None:
    facts = scene.build(10_080, WallClock(), devices=False, parts=False)
    with serving(facts, interval_s=LONG_S) as server, tab_in(wide, server.url) as opened:
        opened.open_map()
        found = cells(opened)
        assert len(found) == 10_080
        assert {cell["color"] for cell in found.values()} == {GREEN, AMBER, RED, GREY}
        for number in range(0, 10_080, 11):
            name = scene.target(number).name or ""
            word = "unknown" if scene.is_silent(number) else scene.health_of(number).value
            assert found[name]["text"] == word
        height = opened.ask("iolausHall.view.placed.height")
        assert height < 1200
        facts_of, clock = server.context.facts, server.context.clock
        painted = opened.ask("iolausHall.state.frames")
        server.do(lambda: scene.breathe(facts_of, range(100), clock, beat=1))
        opened.wait(f"iolausHall.state.frames > {painted}")
        opened.check()


def test_hostile_words_are_only_words(wide: BrowserContext) -> None:
    clock = WallClock()
    facts = scene.build(2, clock)
    report, event, status = tainted("".join(BARBS), at=clock.now())
    target = scene.target(0)
    facts.record_report(report)
    facts.record_status(status)
    facts.record_event(event)
    memory = scene.Memory()
    with serving(facts, series=memory, interval_s=LONG_S) as server, tab_in(wide, server.url) as t:
        t.open_map()
        for metric in METRICS:
            choose(t, metric)
        for path in ("/ui/table", "/ui/racks", f"/ui/assets/{target.name}"):
            t.open(path)
            t.page.wait_for_load_state("networkidle")
        assert t.page.locator("main img, main script").count() == 0
        t.check()


@pytest.mark.parametrize(("scheme", "size"), SHOTS)
def test_screenshots(
    browser: Browser, server: Serving, tmp_path: Path, scheme: Any, size: tuple[int, int]
) -> None:
    folder = Path(os.environ.get("IOLAUS_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    shots = {
        "hall": "/?metric=power",
        "rack": "/ui/racks/h1-a01",
        "node": "/ui/assets/h1-a02-u06",
        "table": "/ui/table?sort=health",
    }
    width, height = size
    with tab(browser, server.url, width=width, height=height, color_scheme=scheme) as opened:
        for name, path in shots.items():
            opened.open(path)
            if name == "hall":
                opened.wait("window.iolausHall && iolausHall.state.frames > 0")
            if name == "node":
                expect(opened.page.locator(".chart canvas")).to_have_count(3)
            file = folder / f"{name}-{width}-{scheme}.png"
            opened.page.screenshot(path=file)
            assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
            assert file.stat().st_size > 15_000
        opened.check()
