"""The best of the items that the lists of a customer's items name: only these are looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.best import empty_into, offer

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Shorts = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Scratch = tuple[Shorts, Counts, Counts, Doubles, Longs]


def best_of_lists(
    ptr: Longs,
    code: Counts,
    list_item: Counts,
    list_weight: Shorts,
    k: int,
    *,
    eligible: Flags | None = None,
    left_out: tuple[Longs, Counts] | None = None,
    n_threads: int | None = None,
) -> tuple[Counts, Doubles, Flags]:
    """Give the k items of the largest sums above 0 over the weighted lists that each group names.

    Parameters
    ----------
    ptr : int64[n_groups + 1]            where the codes of a group begin
    code : int32[n_entries]              0 <= code < n_lists; added in this order
    list_item : int32[n_lists, width]    items of each list, all different, -1 where it has ended
    list_weight : float32[n_lists, width]
    k : int                              >= 1
    eligible : bool[n_lists], optional   items that may be in an answer; None: all
    left_out : (ptr, item), optional     int64[n_groups + 1] and int32: items left out of each
    n_threads : int, optional            the result does not depend on it

    Returns
    -------
    item : int32[n_groups, k]      best first, ties to the smaller code; -1 where a list has ended
    score : float64[n_groups, k]   0 where a list has ended
    known : bool[n_groups]         whether any sum is above 0, of whatever item
    """
    n_groups, n_items = len(ptr) - 1, len(list_item)
    item = np.full((n_groups, k), -1, dtype=np.int32)
    score = np.zeros((n_groups, k), dtype=np.float64)
    known = np.zeros(n_groups, dtype=np.bool_)
    may = np.ones(n_items, dtype=np.bool_) if eligible is None else np.ascontiguousarray(eligible)
    if left_out is None:
        left_out = (np.zeros(n_groups + 1, dtype=np.int64), np.empty(0, dtype=np.int32))
    out_ptr, out = left_out[0], np.ascontiguousarray(left_out[1], dtype=np.int32)

    def task(first: int, last: int, scratch: Scratch) -> None:
        search_lists(
            first, last, ptr, code, list_item, list_weight, may, out_ptr, out, *scratch,
            item, score, known,
        )  # fmt: skip

    def make_scratch() -> Scratch:
        return (
            np.zeros(n_items, dtype=np.float32),
            np.full(n_items, -1, dtype=np.int32),
            np.empty(n_items, dtype=np.int32),
            np.empty(k, dtype=np.float64),
            np.empty(k, dtype=np.int64),
        )

    threads = available_threads(n_threads)
    run_blocks(task, equal_blocks(np.diff(ptr), 16 * threads), make_scratch, threads)
    return item, score, known


@lean_kernel
def search_lists(
    first: int,
    last: int,
    ptr: Longs,
    code: Counts,
    list_item: Counts,
    list_weight: Shorts,
    eligible: Flags,
    out_ptr: Longs,
    left_out: Counts,
    sums: Shorts,
    touched_by: Counts,
    touched: Counts,
    heap: Doubles,
    codes: Longs,
    item: Counts,
    score: Doubles,
    known: Flags,
) -> None:
    """Write the rows first <= group < last of item, score and known; sums is 0 between groups."""
    k = item.shape[1]
    for group in range(first, last):
        n_touched = 0
        for place in range(ptr[group], ptr[group + 1]):
            row = code[place]
            for column in range(list_item.shape[1]):
                other = list_item[row, column]
                if other < 0:
                    break
                if touched_by[other] != group:
                    touched_by[other] = group
                    touched[n_touched] = other
                    n_touched += 1
                sums[other] += list_weight[row, column]
        for place in range(n_touched):
            if sums[touched[place]] > 0:
                known[group] = True
                break
        for place in range(out_ptr[group], out_ptr[group + 1]):
            sums[left_out[place]] = 0
        size = 0
        for place in range(n_touched):
            other = touched[place]
            if sums[other] > 0 and eligible[other]:
                size = offer(sums[other], other, size, k, heap, codes)
            sums[other] = 0
        empty_into(group, size, heap, codes, item, score)
