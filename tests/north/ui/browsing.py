"""Chromium, headless and fresh, and a tab that remembers every complaint.

A page that works prints nothing to the console, violates no policy, asks no other server and gets
no error; `Tab.complaints` is therefore empty unless a test expects otherwise.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_S = 90.0
SIZES = ((1400, 900), (390, 844))
SHOTS = (
    [(scheme, size) for scheme in ("light", "dark") for size in SIZES]
    if "IOLAUS_SCREENSHOTS" in os.environ
    else [("light", SIZES[0]), ("dark", SIZES[1])]
)
"""Who wants to see them gets all; what can go wrong shows on either size and in either scheme."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(
  `${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
"""


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A browser with a profile of its own that is gone afterwards."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGS), headless=True)
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """One page, and what it complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        page.on("console", lambda m: self._note(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda error: self._note(f"error: {error}"))
        page.on("dialog", lambda dialog: self._note(f"dialog: {dialog.message}"))
        page.on("response", lambda r: self._answered(r.url, r.status))
        page.add_init_script(VIOLATIONS)

    def open(self, path: str) -> None:
        answer = self.page.goto(self.url + path)
        assert answer is not None
        assert answer.status == 200, path

    def open_map(self, query: str = "") -> None:
        self.open("/" + query)
        self.wait("window.iolausHall && iolausHall.state.frames > 0")

    def wait(self, condition: str, *, seconds: float = WAIT_S) -> None:
        """Until an expression is true. Asked from outside, for the policy forbids `eval`."""
        deadline = time.monotonic() + seconds
        while not self.ask(f"!!({condition})"):
            assert time.monotonic() < deadline, f"never became true: {condition}"
            self.page.wait_for_timeout(50)

    def ask(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def check(self) -> None:
        """Raises if anything was amiss on any page so far."""
        self.complaints += self.ask("window.violations || []")
        assert self.complaints == []

    def _note(self, text: str) -> None:
        self.complaints.append(text)

    def _answered(self, url: str, status: int) -> None:
        if status >= 400 or urlsplit(url).netloc != urlsplit(self.url).netloc:
            self._note(f"{status} from {url}")


@contextmanager
def tab(
    browser: Browser, url: str, *, width: int = 1400, height: int = 900, **context: Any
) -> Iterator[Tab]:
    """A tab in a context of its own (`context` as in Playwright: color_scheme and the like)."""
    opened = browser.new_context(viewport={"width": width, "height": height}, **context)
    try:
        yield Tab(opened.new_page(), url)
    finally:
        opened.close()


@contextmanager
def window(browser: Browser) -> Iterator[BrowserContext]:
    """A context for many tabs, one after the other: what is warm in it stays so."""
    opened = browser.new_context(viewport={"width": 1400, "height": 900})
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def tab_in(opened: BrowserContext, url: str) -> Iterator[Tab]:
    """A tab in a window that stays."""
    page = opened.new_page()
    try:
        yield Tab(page, url)
    finally:
        page.close()
