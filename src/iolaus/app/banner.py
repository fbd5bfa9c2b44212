"""What `iolaus up` says: progress while the hall is read, then measured values and what to try.

Nothing is printed that was not measured in this run.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from iolaus import __version__
from iolaus.app.house import House
from iolaus.model.asset import AssetKind, Reading
from iolaus.model.condition import leak_verdict
from iolaus.model.endpoint import Reach
from iolaus.north.cli.render import say
from iolaus.store.held import Held


class Banner:
    """`hall` is the site file, for the title; None for the default hall or for none at all."""

    def __init__(self, house: House, *, hall: Path | None) -> None:
        self._house, self._hall = house, hall
        self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True)

    async def tell(self, started: Callable[[], bool]) -> None:
        """Progress to standard error, the banner to standard output once all were tried."""
        began = time.monotonic()
        if not sys.stderr.isatty():
            count = len(list(self._house.state.facts.all_held()))
            say(f"reading {count} endpoints; http://{self._house.options.listen} answers meanwhile")
        while not started() or self._house.ready():
            await asyncio.sleep(0.25)
            self._progress(time.monotonic() - began)
        self._progress(None)
        for line in self.lines(time.monotonic() - began):
            self._console.print(line)
        sys.stdout.flush()

    def _progress(self, seconds: float | None) -> None:
        if not sys.stderr.isatty():
            return
        held = list(self._house.state.facts.all_held())
        read = sum(each.report is not None for each in held)
        text = (
            "" if seconds is None else f"  reading {read} of {len(held)} endpoints  {seconds:.0f} s"
        )
        sys.stderr.write(f"\r{text:<60}\r")
        sys.stderr.flush()

    def lines(self, seconds: float) -> list[str]:
        """The banner, from the picture as it is now."""
        held = list(self._house.state.facts.all_held())
        reached = sum(h.status is not None and h.status.reach is Reach.REACHABLE for h in held)
        assets = [asset for each in held for asset in each.assets.values()]
        kinds = Counter(asset.kind for asset in assets)
        makes = sorted({asset.vendor for asset in assets if asset.vendor})
        components = sum(len(each.report.components) for each in held if each.report)
        readings = [reading for each in held for reading in each.readings.values()]
        nodes = {
            (h.target.address, a.key)
            for h in held
            for a in h.assets.values()
            if a.kind is AssetKind.NODE
        }
        drawn = _power(
            [r for h in held for r in h.readings.values() if (h.target.address, r.asset) in nodes]
        )
        wet = sorted(_leaking(held))
        url = f"http://{self._house.options.listen}"
        rows = [
            ("discovered", f"{reached} of {len(held)} endpoints in {seconds:.1f} s"),
            ("makes", f"{len(makes)}: {', '.join(makes)}"),
            ("assets", ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())),
            (
                "known",
                f"{components} components, {len(readings)} sensors, {_firmware(held)} firmware",
            ),
            ("power", drawn if kinds[AssetKind.NODE] else "no node measures it"),
            ("leaks", ", ".join(wet) or "none seen"),
        ]
        return [
            "",
            f"[bold]Iolaus {__version__}[/bold]  {self._title()}",
            *(f"  {name:<11} {text}" for name, text in rows),
            "",
            f"  web         {url}",
            f"  metrics     {url}/metrics",
            "",
            "  try         iolaus get nodes -o wide",
            f"              iolaus describe node/{self._example()}",
            "              iolaus top nodes --sort power",
            "",
            "  Ctrl-C stops everything.",
            "",
        ]

    def _title(self) -> str:
        if self._house.options.demo and list(self._house.state.facts.all_held()):
            what = self._hall.name if self._hall else "a simulated hall"
            return f"{what}; nothing leaves 127.0.0.0/8"
        return "no endpoint yet: iolaus discover 10.0.0.0/24 --user admin --password-file FILE"

    def _example(self) -> str:
        for held in self._house.state.facts.all_held():
            if any(asset.kind is AssetKind.NODE for asset in held.assets.values()):
                return held.target.name or held.target.address
        return "NAME"


def _power(readings: list[Reading]) -> str:
    watts = [r.value for r in readings if r.role == "node_power" and r.value is not None]
    return f"{sum(watts) / 1000:.1f} kW measured by {len(watts)} nodes" if watts else "not measured"


def _leaking(held: Sequence[Held]) -> set[str]:
    """Names of the endpoints at which a detector says leak now."""
    return {
        each.target.name or each.target.address
        for each in held
        for reading in each.readings.values()
        if reading.role == "leak" and leak_verdict(reading)
    }


def _firmware(held: Sequence[Held]) -> int:
    return sum(len(each.report.firmware) for each in held if each.report)
