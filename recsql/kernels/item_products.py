"""The table of all pairs of items, for catalogues where it fits into memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.groups import Groups, build_groups

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Shorts = npt.NDArray[np.float32]


def item_products(
    groups: Groups, group_weight: Floats, n_items: int, n_threads: int | None = None
) -> Shorts:
    """Sum the weights of the groups that hold two items: float32[n_items, n_items].

    Parameters
    ----------
    groups : Groups                    distinct items of each group
    group_weight : float64[n_groups]
    n_items : int                      the result takes 4 bytes for each of n_items ** 2
    n_threads : int, optional          the result does not depend on it
    """
    ptr, item = groups
    group = np.repeat(np.arange(len(ptr) - 1, dtype=np.int32), np.diff(ptr))
    item_ptr, item_group = build_groups(item, group, n_items, len(ptr) - 1, n_threads=n_threads)
    out = np.empty((n_items, n_items), dtype=np.float32)

    def task(first: int, last: int, row: Floats) -> None:
        item_products_of(first, last, ptr, item, item_ptr, item_group, group_weight, row, out)

    threads = available_threads(n_threads)
    blocks = equal_blocks(np.diff(item_ptr), 16 * threads)
    run_blocks(task, blocks, lambda: np.zeros(n_items, dtype=np.float64), threads)
    return out


@lean_kernel
def item_products_of(
    first: int,
    last: int,
    ptr: Longs,
    item: Counts,
    item_ptr: Longs,
    item_group: Counts,
    group_weight: Floats,
    row: Floats,
    out: Shorts,
) -> None:
    """Write the rows first <= item < last of the table."""
    for one in range(first, last):
        row[:] = 0.0
        for place in range(item_ptr[one], item_ptr[one + 1]):
            group = item_group[place]
            for entry in range(ptr[group], ptr[group + 1]):
                row[item[entry]] += group_weight[group]
        for other in range(row.shape[0]):
            out[one, other] = row[other]
