"""A console in a real Chromium, under the real policy: it reads, types, and watches by a link."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.app.consoling import consoles, served
from tests.north import hall
from tests.north.ui.browsing import chromium, find_chromium, tab

from iolaus.north.consoles import Guest

pytestmark = pytest.mark.browser
TEXT = """(() => { const b = iolausConsole.terminal.buffer.active; let text = "";
  for (let i = 0; i < b.length; i++) text += b.getLine(i).translateToString(true) + "\\n";
  return text; })()"""


def type_and_read(url: str, node: str, link: str) -> tuple[str, str]:
    """What the console's page shows after a login was typed, and what a link's page shows."""
    path = find_chromium()
    assert path is not None
    with chromium(path) as browser, tab(browser, url) as mine, tab(browser, url) as theirs:
        mine.open(f"/ui/consoles/{node}")
        mine.wait(f"{TEXT}.includes('login:')")
        mine.page.click("#console-take")
        mine.wait("document.getElementById('console-told').textContent.includes('demo writes')")
        mine.page.keyboard.type("root\r")
        mine.wait(f"{TEXT}.includes('Password for root')")
        theirs.open(link.removeprefix(url))
        theirs.wait(f"{TEXT}.includes('Password for root')")
        shown = mine.ask(TEXT), theirs.ask(TEXT)
        mine.check()
        theirs.check()
        return shown


async def test_a_page_reads_and_types_and_a_link_watches(tmp_path: Path) -> None:
    if find_chromium() is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    async with consoles(tmp_path) as room, served(room.context, pages=True) as where:
        room.manage()
        playing = asyncio.create_task(play(room.machine(hall.address(0)).line))
        text, _ = await room.consoles.share(room.uid(), by="ann", for_s=600)
        node, link = hall.place(0)[2], f"http://{where}/shared/console#{text}"
        mine, theirs = await asyncio.to_thread(type_and_read, f"http://{where}", node, link)
        playing.cancel()
        assert re.sub(r"\s+", " ", mine).strip() == "login: root Password for root:"
        assert "Password for root" in theirs
        assert await room.consoles.join(room.uid(), Guest(name="last"))


async def play(line_of: Callable[[], Any]) -> None:
    """A host that asks for a login and echoes it."""
    line = await line_of()
    await line.say(b"login: ")
    while b"\r" not in line.typed:
        await asyncio.sleep(0.01)
    name = line.typed.partition(b"\r")[0]
    await line.say(name + b"\r\nPassword for " + name + b": ")
