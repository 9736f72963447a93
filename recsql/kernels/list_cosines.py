"""Sums of the cosines of all pairs within lists of items."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel
from recsql.kernels._threads import BLOCKS_PER_THREAD, available_threads, equal_blocks, run_blocks

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


def pair_products(
    lists: Counts,
    ptr: Longs,
    column: Longs,
    value: Floats,
    n_threads: int | None = None,
) -> Floats:
    """Add up the products of the vectors of all pairs of each list: float64[n_lists].

    Parameters
    ----------
    lists : int32[n_lists, k]      item codes, -1 for none
    ptr : int64[n_items + 1]       where the vector of an item begins
    column : int64[n_entries]      columns of a vector, each once
    value : float64[n_entries]
    n_threads : int, optional      the result does not depend on it
    """
    threads = available_threads(n_threads)
    sums = np.zeros(len(lists))
    sizes = np.append(np.diff(ptr), 0)
    width = int(column.max(initial=-1)) + 1

    def task(first: int, last: int, held: Floats) -> None:
        _add_pairs(first, last, lists, ptr, column, value, held, sums)

    blocks = equal_blocks(sizes[lists].sum(axis=1), threads * BLOCKS_PER_THREAD)
    run_blocks(task, blocks, lambda: np.zeros(width), threads)
    return sums


@lean_kernel
def _add_pairs(
    first: int,
    last: int,
    lists: Counts,
    ptr: Longs,
    column: Longs,
    value: Floats,
    held: Floats,
    sums: Floats,
) -> None:
    """Add up the lists first <= row < last; ``held`` is 0 everywhere before and afterwards."""
    for row in range(first, last):
        total = 0.0
        for item in lists[row]:
            if item >= 0:
                for entry in range(ptr[item], ptr[item + 1]):
                    total += held[column[entry]] * value[entry]
                    held[column[entry]] += value[entry]
        sums[row] = total
        for item in lists[row]:
            if item >= 0:
                for entry in range(ptr[item], ptr[item + 1]):
                    held[column[entry]] = 0.0
