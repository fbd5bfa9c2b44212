"""What may be in force in a rack: the account by which the centre never promises a watt twice.

A budget that was sent may arrive now, later, twice or never. Until a report acknowledges it or a
newer one, it counts; what a report calls the highest that may be in force counts; the larger of
both is the charge. A rack that has never acknowledged anything of this centre is charged with its
nameplates, because an older centre's budgets may still be on their way to it.

Reports are ordered by the edge's own clock within one start of it (`boot`), and a report of another
start takes back nothing of what was counted until it acknowledges a budget that was sent after it.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from iolaus.energy.frames import Report

STARTS: Final = 8
RECENT: Final = 4
MOST_ERROR: Final = 0.25
ERROR_HALVES_S: Final = 300.0


class RackBook:
    """The account of one rack. `epoch` is the centre's own; powers are watts, times seconds of the
    centre's clock. `constant_w` is what the rack draws without any cap."""

    def __init__(self, rack: str, *, epoch: int, most_w: float, constant_w: float = 0.0) -> None:
        self.rack, self.epoch, self.most_w, self.constant_w = rack, epoch, most_w, constant_w
        self.report: Report | None = None
        self.heard_s: float | None = None
        self.fenced = False
        self.acked = 0
        self.last_w: float | None = None
        self.over_since_s: float | None = None
        self._sent: deque[tuple[int, float]] = deque()
        self._last_seq = 0
        self._carried: tuple[float, int] | None = None
        self._starts: dict[str, float] = {}
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._error: float | None = None
        self._error_s = 0.0

    def take(self, report: Report, now_s: float) -> bool:
        """Count a report. False: it is older than one that was counted, and changes nothing."""
        if report.mono_s <= self._starts.get(report.boot, -math.inf) or self._older(report):
            return False
        if self.fenced and self.report is not None and self.report.boot != report.boot:
            self._carried = self.charge_w, self._last_seq
        self._remember(report)
        if report.epoch == self.epoch:
            self.fenced, self.acked = True, report.seq
            while self._sent and self._sent[0][0] < report.seq:
                self._sent.popleft()
            if self._carried and report.seq > self._carried[1]:
                self._carried = None
        self.report, self.heard_s = report, now_s
        self._learn(report, now_s)
        self._watch(report, now_s)
        return True

    def _older(self, report: Report) -> bool:
        """Whether it acknowledges less than was acknowledged before, as only old ones can; a new
        start of an edge has acknowledged nothing yet."""
        if report.epoch == self.epoch:
            return report.seq < self.acked
        same = self.report is not None and self.report.boot == report.boot
        return same and self.report is not None and report.epoch < self.report.epoch

    def _remember(self, report: Report) -> None:
        self._starts.pop(report.boot, None)
        self._starts[report.boot] = report.mono_s
        while len(self._starts) > STARTS:
            del self._starts[next(iter(self._starts))]

    def sent(self, seq: int, budget_w: float) -> None:
        """A budget leaves for the rack: from now on it may be in force."""
        while self._sent and self._sent[-1][1] <= budget_w:
            self._sent.pop()
        self._sent.append((seq, budget_w))
        self.last_w, self._last_seq = budget_w, seq

    @property
    def charge_w(self) -> float:
        """The most that may be in force, now or by what is still on its way."""
        if not self.fenced or self.report is None:
            return self.most_w
        pending = self._sent[0][1] if self._sent else 0.0
        carried = self._carried[0] if self._carried else 0.0
        return max(self.report.granted_w, pending, carried)

    def silent(self, now_s: float, silent_s: float) -> bool:
        return self.heard_s is None or now_s - self.heard_s > silent_s

    def stuck_w(self, now_s: float, patience_s: float) -> float:
        """Watts that the rack holds above a budget it acknowledged, for longer than it takes."""
        if self.over_since_s is None or now_s - self.over_since_s < patience_s:
            return 0.0
        return self._over_w()

    def _over_w(self) -> float:
        pending = self._sent[0][1] if self._sent else 0.0
        return max(0.0, self.report.granted_w - pending) if self.report and self.fenced else 0.0

    def _watch(self, report: Report, now_s: float) -> None:
        if self._over_w() <= 0.001 * max(1.0, report.granted_w):
            self.over_since_s = None
        elif self.over_since_s is None:
            self.over_since_s = now_s

    def error(self, unmeasured: float, now_s: float) -> float:
        """By which part the rack was seen to draw more than its caps: the highest lately, falling
        by half in five minutes. Never measured: `unmeasured`."""
        if self._error is None:
            return unmeasured
        return float(self._error * 0.5 ** (max(0.0, now_s - self._error_s) / ERROR_HALVES_S))

    def _learn(self, report: Report, now_s: float) -> None:
        self._recent.append(report.granted_w)
        if report.measured_w is None or report.excess_w is not None:
            return
        base = max(self._recent) + self.constant_w
        seen = min(max(report.measured_w / base - 1.0, 0.0), MOST_ERROR) if base > 0 else 0.0
        if self._error is None or seen >= self.error(0.0, now_s):
            self._error, self._error_s = seen, now_s
