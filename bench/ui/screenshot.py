"""The picture of the README: the hall page of a real `iolaus up` with its simulated hall."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.north.ui.browsing import chromium, tab
from tests.north.ui.upping import iolaus_up

MOST_BYTES = 200_000
SETTLE_MS = 25_000


def take(target: Path, chromium_path: str, *, query: str = "?metric=power") -> None:
    """Write the PNG of the map, 1400 by 900, in daylight."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with iolaus_up() as url, chromium(chromium_path) as browser, tab(browser, url) as opened:
        opened.open_map(query)
        opened.page.wait_for_timeout(SETTLE_MS)  # two polls: nothing is a first impression
        opened.page.screenshot(path=target)
        opened.check()
    size = target.stat().st_size
    print(f"{target}: {size:,} bytes")
    if size > MOST_BYTES:
        sys.exit(f"larger than {MOST_BYTES:,} bytes")
