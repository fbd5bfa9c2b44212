"""The words for arrays: F32 where there are millions of values, F64 where joules are summed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Which = int | Sequence[int] | Ints | slice
"""Some members of an array, as they may be given to a verb."""


def ints(values: Sequence[int] | Ints) -> Ints:
    return np.asarray(values, dtype=np.intp)


def totals(groups: Ints, weights: F64, count: int) -> F64:
    """The sum of `weights` in each of `count` groups."""
    summed: F64 = np.bincount(groups, weights=weights, minlength=count).astype(np.float64)
    return summed


def table(rows: Sequence[Sequence[float]], width: int) -> F64:
    """Rows of numbers as one array per column."""
    return np.array(rows, dtype=np.float64).reshape(len(rows), width).T.copy()


def ratio(part: F64, whole: F64, *, otherwise: float) -> F64:
    """part / whole where there is a whole."""
    found: F64 = np.full(whole.shape, otherwise)
    np.divide(part, whole, out=found, where=whole > 0.0)
    return found


def weighted(values: F64, weights: F64) -> float:
    """The sum of products, in an order that does not depend on threads."""
    return float((values * weights).sum())
