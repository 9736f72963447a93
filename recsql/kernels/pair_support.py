"""How many groups hold both items of pairs that are given."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel
from recsql.kernels._threads import BLOCKS_PER_THREAD, available_threads, equal_blocks, run_blocks
from recsql.kernels.baskets import Baskets, make_baskets

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]


def pair_support(
    group_ptr: Longs,
    group_item: Counts,
    n_items: int,
    other: Counts,
    n_threads: int | None = None,
) -> Counts:
    """Count the groups that hold an item and each of the items beside it.

    Parameters
    ----------
    group_ptr : int64[n_groups + 1]    where the items of a group begin
    group_item : int32[n_entries]      0 <= code < n_items; ascending and distinct in a group
    n_items : int                      items of the catalogue
    other : int32[n_items, k]          in the row of an item, others, each once; -1 for none
    n_threads : int, optional          the result does not depend on it

    Returns
    -------
    int32[n_items, k]    0 where there is no other item
    """
    threads = available_threads(n_threads)
    baskets = make_baskets(group_ptr, group_item, n_items, threads)
    support = np.zeros(other.shape, dtype=np.int32)

    def task(first: int, last: int, place: Counts) -> None:
        _count_rows(first, last, baskets, other, place, support)

    blocks = equal_blocks(baskets.work, threads * BLOCKS_PER_THREAD)
    run_blocks(task, blocks, lambda: np.full(n_items, -1, dtype=np.int32), threads)
    return support


@lean_kernel
def _count_rows(
    first: int, last: int, baskets: Baskets, other: Counts, place: Counts, support: Counts
) -> None:
    """Count the rows first <= item < last; ``place`` is -1 everywhere before and afterwards."""
    for item in range(first, last):
        for column in range(other.shape[1]):
            if other[item, column] >= 0:
                place[other[item, column]] = column
        for entry in range(baskets.item_ptr[item], baskets.item_ptr[item + 1]):
            group = baskets.item_group[entry]
            for member in range(baskets.group_ptr[group], baskets.group_ptr[group + 1]):
                column = place[baskets.group_item[member]]
                if column >= 0:
                    support[item, column] += 1
        for column in range(other.shape[1]):
            if other[item, column] >= 0:
                place[other[item, column]] = -1
