"""Draw from any distribution in constant time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel

Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]


def alias_table(weight: Doubles) -> tuple[Doubles, Longs]:
    """Give what ``draw`` needs to draw each place in proportion to its weight.

    Parameters
    ----------
    weight : float64[n]    >= 0, not all 0

    Returns
    -------
    keep : float64[n]      probability that a place stands for itself, 0 to 1
    other : int64[n]       what it stands for else

    Source: Walker, "New fast method for generating discrete random numbers with arbitrary
    frequency distributions", Electronics Letters 1974; Vose, IEEE Transactions on Software
    Engineering 1991.
    """
    weight = np.ascontiguousarray(weight, dtype=np.float64)
    total = weight.sum()
    if not 0 < total < np.inf or weight.min() < 0:
        raise ValueError(f"weights must be at least 0 and not all 0, got a sum of {total}.")
    keep, other = weight * (len(weight) / total), np.arange(len(weight), dtype=np.int64)
    _pair_up(keep, other, np.empty(len(weight), np.int64), np.empty(len(weight), np.int64))
    return keep, other


@lean_kernel
def _pair_up(keep: Doubles, other: Longs, small: Longs, large: Longs) -> None:
    """Fill every place below 1 with part of one above it; both change in place."""
    n_small, n_large = 0, 0
    for place in range(len(keep)):
        if keep[place] < 1.0:
            small[n_small] = place
            n_small += 1
        else:
            large[n_large] = place
            n_large += 1
    while n_small > 0 and n_large > 0:
        n_small -= 1
        low, high = small[n_small], large[n_large - 1]
        other[low] = high
        keep[high] -= 1.0 - keep[low]
        if keep[high] < 1.0:
            n_large -= 1
            small[n_small] = high
            n_small += 1
    for place in range(n_large):
        keep[large[place]] = 1.0
    for place in range(n_small):  # rounding left them just below 1
        keep[small[place]] = 1.0


def draw(keep: Doubles, other: Longs, place: Doubles, chance: Doubles) -> Longs:
    """Draw once for each pair of numbers of chance: int64[n].

    Parameters
    ----------
    place, chance : float64[n]    uniform from 0 to, but not, 1
    """
    found = np.empty(len(place), dtype=np.int64)
    _draw(keep, other, place, chance, found)
    return found


@lean_kernel
def _draw(keep: Doubles, other: Longs, place: Doubles, chance: Doubles, found: Longs) -> None:
    n = len(keep)
    for row in range(len(place)):
        drawn = min(int(place[row] * n), n - 1)
        found[row] = drawn if chance[row] < keep[drawn] else other[drawn]
