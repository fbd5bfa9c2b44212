"""The words for arrays: F32 where there are millions of values, F64 where joules are summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Which = int | Sequence[int] | Ints | slice
"""Some members of an array, as they may be given to a verb."""
Floats = TypeVar("Floats", F32, F64)


def ints(values: Sequence[int] | Ints) -> Ints:
    return np.asarray(values, dtype=np.intp)


def totals(groups: Ints, weights: F64, count: int) -> F64:
    """The sum of `weights` in each of `count` groups."""
    summed: F64 = np.bincount(groups, weights=weights, minlength=count).astype(
        np.float64, copy=False
    )
    return summed


def within(values: Floats, low: float, high: float) -> Floats:
    """`np.clip`, whose call alone costs more than most of a small hall's arrays."""
    return np.minimum(np.maximum(values, low), high)


def table(rows: Sequence[Sequence[float]], width: int) -> F64:
    """Rows of numbers as one array per column."""
    return np.array(rows, dtype=np.float64).reshape(len(rows), width).T.copy()


class Lag:
    """The share of its way that a first-order lag goes within a step; steps are mostly alike."""

    def __init__(self, tau_s: float | F64) -> None:
        self._tau_s, self._dt = tau_s, 0.0
        self._share: F64 = np.zeros(np.shape(tau_s))

    def over(self, dt: float) -> F64:
        if dt != self._dt:
            self._dt, self._share = dt, -np.expm1(-dt / self._tau_s)
        return self._share


def ratio(part: F64, whole: F64, *, otherwise: float) -> F64:
    """part / whole where there is a whole."""
    found: F64 = np.full(whole.shape, otherwise)
    np.divide(part, whole, out=found, where=whole > 0.0)
    return found


def weighted(values: F64, weights: F64) -> float:
    """The sum of products, in an order that does not depend on threads."""
    return float((values * weights).sum())
