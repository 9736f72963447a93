"""Consecutive places of many ranges, one after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]


def ranges(first: Longs, last: Longs) -> tuple[Longs, Longs]:
    """Give every place of the ranges first <= place < last, and the number of its range.

    Parameters
    ----------
    first, last : int64[n]    ``last`` at least ``first``

    Returns
    -------
    number, place : int64[sum of sizes]    in order of range and place
    """
    size = last - first
    number = np.repeat(np.arange(len(size), dtype=np.int64), size)
    begin = np.concatenate([[0], np.cumsum(size)])[:-1]
    return number, np.arange(len(number), dtype=np.int64) - (begin - first)[number]
