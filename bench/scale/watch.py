"""What a hall looks like while it is read and held: one line at a time, for a run that takes long.

What went wrong is counted in the logs of the parts: devices that were lost, shards that changed
their edge, leases that were nearly lost, processes that began again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bench.scale.stand import KINDS, Moment, Stand
from iolaus.app.round import KEEPS_UP

EVERY_S: Final = 15.0
LOOKS: Final = 0.05
"""Part of the time in which somebody is asked how it stands: the answer costs a large hall."""
TROUBLES: Final = {
    "endpoint_lost": "devices lost",
    "shard_gone": "shards gone",
    "shard_renewed_late": "leases late",
    "the loop hung": "begun again",
}
"""A word of the log, and what it tells."""


class Troubles:
    """Counts them as the logs grow: each line is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._read = folder, Counter[Path]()
        self.found = Counter[str]()

    def look(self) -> Mapping[str, int]:
        """How often each was said since the beginning."""
        for path in sorted(self._folder.glob("*.log")):
            with path.open("rb") as file:
                file.seek(self._read[path])
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read[path] += len(whole)
            text = whole.decode(errors="replace")
            self.found.update({what: text.count(word) for word, what in TROUBLES.items()})
        return {what: self.found[what] for what in TROUBLES.values()}


class Watch:
    """Prints how it stands, each `EVERY_S`."""

    def __init__(self, stand: Stand) -> None:
        self._stand, self._troubles = stand, Troubles(stand.cluster.folder)
        self._began = self._last = stand.moment()

    def wait(self, holds: Callable[[], bool], *, within_s: float) -> float:
        """Until it holds, or so long: seconds that it took."""
        began_s = told_s = now_s = time.monotonic()
        while not holds() and now_s - began_s < within_s:
            looked_s = time.monotonic() - now_s
            time.sleep(max(1.0, looked_s / LOOKS))
            if time.monotonic() - told_s >= EVERY_S:
                self.tell()
                told_s = time.monotonic()
            now_s = time.monotonic()
        self.tell()
        return time.monotonic() - began_s

    def tell(self) -> None:
        now, summary = self._stand.moment(), self._stand.summary()
        head = (
            f"{now.at - self._began.at:5.0f} s: {standing(summary)}, {late(self._stand.members())}"
        )
        print(f"{head}; {used(now, self._last)}; {said(self._troubles.look())}", flush=True)
        self._last = now


def standing(summary: Mapping[str, Any]) -> str:
    if not summary:
        return "the core did not answer within a minute"
    reach, oldest = summary["endpoints"], summary["oldest_age_s"]
    age = "none" if oldest is None else f"{oldest:.0f} s"
    return (
        f"{summary['inventoried']} of {reach['total']} read, {reach.get('reachable', 0)} reachable,"
        f" oldest reading {age}, {summary['stale']} stale"
    )


def late(members: Mapping[str, Any]) -> str:
    """Of edges that cannot keep their period."""
    found = [
        name
        for name, each in members.items()
        if any(one["type"] == KEEPS_UP for one in each.get("conditions", ()))
    ]
    return f"late: {', '.join(sorted(found)) or 'nobody'}"


def used(now: Moment, last: Moment) -> str:
    """CPU since the last look, requests a second, and memory now."""
    took_s = max(1e-9, now.at - last.at)
    cpu = ", ".join(f"{kind} {now.cpu_s(kind, last) / took_s:.2f}" for kind in KINDS)
    mb = ", ".join(f"{kind} {'+'.join(f'{each:.0f}' for each in now.mb(kind))}" for kind in KINDS)
    return f"{(now.requests - last.requests) / took_s:.0f} requests/s; CPUs: {cpu}; MB: {mb}"


def said(troubles: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in troubles.items())
