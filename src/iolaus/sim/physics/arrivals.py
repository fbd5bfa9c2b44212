"""When requests come and how long they are: the load of inference, as cumulative curves.

An arrival process is three arrays: times, prompt tokens, generated tokens. A plant asks for what
arrived in an interval, for thousands of nodes at once that each stand somewhere else in the
trace; so it is kept as running sums on a fine grid, and an interval is a difference of two look-
ups. A trace repeats when it ends.

`load_azure` reads the CSV of the public Azure LLM inference traces, from a file the user names.
`synthetic` makes one of our own: a doubly stochastic Poisson process (bursts over a slow swell)
with log-normal prompt and answer lengths.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.physics.arrays import F64, Ints

GRID_S: Final = 0.05
MOST_ROWS: Final = 50_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Running sums at multiples of GRID_S: `requests`, `prompt`, `answer` (tokens). The last
    entry is the whole period's."""

    sums: F64

    @classmethod
    def of(cls, at_s: F64, prompt: F64, answer: F64, *, period_s: float | None = None) -> Arrivals:
        """From times since the start (any order). Raises OperatorMust if there is none."""
        if not len(at_s):
            raise _wrong("it has no arrivals", "arrivals")
        period = max(float(at_s.max()) + GRID_S, period_s or 0.0)
        bins = int(np.ceil(period / GRID_S))
        which: Ints = np.minimum((at_s / GRID_S).astype(np.intp), bins - 1)
        weights = (np.ones(len(at_s)), prompt, answer)
        counts = [np.bincount(which, weights=weight, minlength=bins) for weight in weights]
        return cls(np.concatenate([np.zeros((3, 1)), np.cumsum(counts, axis=1)], axis=1))

    @classmethod
    def synthetic(
        cls,
        seed: int,
        *,
        period_s: float = 1800.0,
        per_s: float = 5.0,
        prompt_tokens: float = 1000.0,
        answer_tokens: float = 210.0,
    ) -> Arrivals:
        """A built-in load with these means, bursty on scales from seconds to minutes."""
        rng = np.random.default_rng(seed)
        bins = int(period_s / GRID_S)
        time_s = np.arange(bins) * GRID_S
        swell = 1.0 + 0.35 * np.sin(2 * np.pi * (time_s / period_s + rng.random()))
        gusts = np.exp(0.5 * _smooth_noise(rng, bins, 4.0) + 0.35 * _smooth_noise(rng, bins, 40.0))
        rate = per_s * swell * gusts / (swell * gusts).mean()
        at_s = np.repeat(time_s, rng.poisson(rate * GRID_S))
        prompt = _log_normal(rng, prompt_tokens, 1.0, at_s.size)
        answer = _log_normal(rng, answer_tokens, 0.8, at_s.size)
        return cls.of(at_s, prompt, answer, period_s=period_s)

    @property
    def period_s(self) -> float:
        return float((self.sums.shape[1] - 1) * GRID_S)

    @property
    def requests(self) -> int:
        return int(self.sums[0, -1])

    def between(self, start_s: F64, dt: float) -> F64:
        """(3, n): what arrives in [start, start + dt) for each start; dt is under a period."""
        return self._until(start_s + dt) - self._until(start_s)

    def _until(self, at_s: F64) -> F64:
        grid = (at_s / GRID_S + 1e-6).astype(np.intp)
        rounds, place = np.divmod(grid, self.sums.shape[1] - 1)
        found: F64 = self.sums[:, place] + rounds * self.sums[:, -1:]
        return found


def load_azure(path: Path) -> Arrivals:
    """Arrivals from a CSV with TIMESTAMP, ContextTokens and GeneratedTokens. Raises OperatorMust
    when the file cannot be read as one."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                _row(row) for _, row in zip(range(MOST_ROWS), csv.DictReader(file), strict=False)
            ]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise _wrong(f"it is no arrival trace ({error!r})", str(path)) from error
    if not rows:
        raise _wrong("it has no rows", str(path))
    table = np.array(rows, dtype=np.float64)
    return Arrivals.of(table[:, 0] - table[:, 0].min(), table[:, 1], table[:, 2])


def _row(row: dict[str, str]) -> tuple[float, float, float]:
    whole, _, part = row["TIMESTAMP"].partition(".")
    digits = part.partition("+")[0].rstrip("Z")
    stamp = datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{digits or 0}")
    prompt, answer = float(row["ContextTokens"]), float(row["GeneratedTokens"])
    if not (0.0 <= prompt < 1e9 and 0.0 <= answer < 1e9):
        raise ValueError(f"tokens out of range at {row['TIMESTAMP']}")
    return stamp, prompt, answer


def _smooth_noise(rng: np.random.Generator, count: int, scale_s: float) -> F64:
    """Noise of unit variance that changes over about `scale_s`."""
    knots = int(count * GRID_S / scale_s) + 3
    values = rng.standard_normal(knots)
    place = np.arange(count) * GRID_S / scale_s
    noise: F64 = np.interp(place, np.arange(knots), values) * 1.22
    return noise


def _log_normal(rng: np.random.Generator, mean: float, sigma: float, count: int) -> F64:
    return np.ceil(mean * np.exp(sigma * rng.standard_normal(count) - 0.5 * sigma**2))


def _wrong(message: str, subject: str) -> OperatorMust:
    return OperatorMust(
        message,
        operation="read arrivals",
        subject=subject,
        code="ArrivalsUnreadable",
        next_step="Give a CSV with the columns TIMESTAMP, ContextTokens and GeneratedTokens.",
    )
