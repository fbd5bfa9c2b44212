"""What every page is written on: the templates, the head with its links, and the time.

Pages of different rooms share it and nothing else, so that a new room adds a file and a link. A
page and the piece of it that refreshes itself are rendered from the same template, and the piece
brings the time for the head along: whoever looks sees how old it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from iolaus.kernel.clock import Clock
from iolaus.north.auth import SIGN_IN, SIGN_OUT
from iolaus.north.ui.words import FILTERS

PAGES: Final = (
    ("/", "Hall"),
    ("/ui/racks", "Racks"),
    ("/ui/table", "Table"),
    ("/ui/drift", "Drift"),
    ("/ui/baselines", "Baselines"),
    ("/ui/rollouts", "Roll-outs"),
    ("/ui/trust", "Trust"),
    ("/ui/power", "Power"),
    ("/ui/alarms", "Alarms"),
    ("/ui/plane", "Control plane"),
    ("/ui/onboarding", "Onboarding"),
)


@cache
def _templates() -> Environment:
    """They are compiled once in a process."""
    found = Environment(
        loader=PackageLoader("iolaus.north.ui"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(FILTERS)
    return found


class Paper:
    """`leaves` says whether there is something to sign out of."""

    def __init__(self, clock: Clock, *, leaves: bool) -> None:
        self._clock, self._leaves = clock, leaves
        self._env = _templates()

    def now(self) -> str:
        return f"{datetime.fromtimestamp(self._clock.now(), UTC):%Y-%m-%d %H:%M:%S} UTC"

    def part(self, template: str, **values: Any) -> str:
        """A piece of a page, and the time for the page's head."""
        body = self._env.get_template(template).render({"now": self.now()} | values)
        return body + self._env.get_template("now.html").render(now=self.now(), swapped=True)

    def page(self, template: str, title: str, here: str, **values: Any) -> str:
        """A whole page; `here` is which of the links in its head it belongs to."""
        inside = here != SIGN_IN
        head = {
            "title": title,
            "here": here,
            "pages": PAGES if inside else (),
            "sign_out": SIGN_OUT if inside and self._leaves else "",
            "now": self.now(),
            "swapped": False,
        }
        return self._env.get_template(template).render(head | values)
