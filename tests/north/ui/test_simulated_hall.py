"""The whole house: `iolaus up` with a small simulated hall, seen through a browser.

What the map, the rack and the node page show is what REST says of the same hall.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.north.ui.browsing import Tab, chromium, find_chromium, tab
from tests.north.ui.upping import iolaus_up

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NODES = 4
"""Of four makes, among all the rest of a hall."""
TEXTS = "Object.fromEntries(iolausHall.state.layout.names.map((n, i) => [n, iolausHall.text(i)]))"


@pytest.fixture(scope="module")
def opened() -> Iterator[Tab]:
    if (path := find_chromium()) is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with (
        iolaus_up("--nodes", str(NODES)) as url,
        chromium(path) as browser,
        tab(browser, url) as found,
    ):
        yield found


def nodes(opened: Tab) -> dict[str, dict[str, Any]]:
    answer = opened.page.request.get(f"{opened.url}/api/v1/nodes").json()
    return {item["metadata"]["name"]: item["status"] for item in answer["items"]}


def test_map_shows_what_rest_says(opened: Tab) -> None:
    opened.open_map()
    shown, said = opened.ask(TEXTS), nodes(opened)
    assert len(said) >= NODES  # two hosts behind one controller are two
    for name, node in said.items():
        assert shown[name] == (node["health"] or "unknown"), name
    opened.check()


def test_every_metric_can_be_shown(opened: Tab) -> None:
    opened.open_map()
    for button in opened.page.locator("#metrics button").all():
        button.click()
        metric = button.get_attribute("data-metric")
        opened.wait(f"iolausHall.view.last && iolausHall.view.last.metric === '{metric}'")
    opened.check()


def test_rack_and_node_pages_show_a_machine(opened: Tab) -> None:
    name, node = next((n, s) for n, s in nodes(opened).items() if s["labels"].get("rack"))
    opened.open(f"/ui/racks/{node['labels']['rack']}")
    drawn = opened.page.locator(f"#box-{name}")
    expect(drawn).to_be_visible()
    drawn.click()
    opened.page.wait_for_url(f"**/ui/assets/{name}")
    main = opened.page.locator("main")
    for wanted in (node["vendor"], node["model"], node["serial"], node["bmc_firmware"]):
        expect(main).to_contain_text(wanted)
    expect(opened.page.locator(".chart canvas").first).to_be_visible(timeout=120_000)
    opened.check()


def test_table_has_everything(opened: Tab) -> None:
    opened.open_map()
    count = opened.ask("iolausHall.state.layout.names.length")
    opened.open("/ui/table")
    expect(opened.page.locator("tbody tr")).to_have_count(min(count, 200))
    opened.check()
