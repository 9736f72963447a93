"""From rows of (group, item) to groups of distinct items: counting sort, linear time."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsql.kernels._jit import kernel
from recsql.kernels._threads import BLOCKS_PER_THREAD, available_threads, equal_blocks, run_blocks

Array = np.ndarray[Any, np.dtype[Any]]


def build_groups(
    group: Array,
    item: Array,
    n_groups: int,
    n_items: int,
    *,
    cap: int | None = None,
    time: Array | None = None,
    n_threads: int | None = None,
) -> tuple[Array, Array]:
    """Give the distinct items of every group, ascending.

    Parameters
    ----------
    group : int32 or int64[n_rows]    0 <= group < n_groups
    item : int32[n_rows]              0 <= item < n_items
    cap : int, optional               a group of more distinct items keeps this many: those with
        the latest time, ties to the smaller item
    time : int64[n_rows], optional    left out: all times are equal

    Returns
    -------
    group_ptr : int64[n_groups + 1]    where the items of a group begin
    group_item : int32[n_entries]

    Raises
    ------
    ValueError
        When a group or an item is out of its range.
    """
    if len(group) and (group.min() < 0 or group.max() >= n_groups):
        raise ValueError(f"Groups must be from 0 to {n_groups - 1}.")
    if len(item) and (item.min() < 0 or item.max() >= n_items):
        raise ValueError(f"Items must be from 0 to {n_items - 1}.")
    start, placed = _place(group, item, n_groups)
    size = np.zeros(n_groups, dtype=np.int64)
    threads = available_threads(n_threads)
    run_blocks(
        lambda first, last, _: _sort_distinct(start, placed, size, first, last),
        equal_blocks(np.diff(start), threads * BLOCKS_PER_THREAD),
        lambda: None,
        threads,
    )
    if cap is not None and len(size) and size.max() > cap:
        _apply_cap(start, placed, size, cap, group, item, time)
    return _close_gaps(start, placed, size)


def _apply_cap(
    start: Array,
    placed: Array,
    size: Array,
    cap: int,
    group: Array,
    item: Array,
    time: Array | None,
) -> None:
    """Cut the groups above the cap; few, so they are taken one by one."""
    large = size > cap
    rows = np.flatnonzero(large[group])
    times = np.zeros(len(rows), dtype=np.int64) if time is None else time[rows]
    order = np.lexsort((item[rows], -times, group[rows]))
    rows = rows[order]
    for number in np.flatnonzero(large):
        first, last = np.searchsorted(group[rows], [number, number + 1])
        newest_first = item[rows[first:last]]
        _, seen_at = np.unique(newest_first, return_index=True)
        kept = np.sort(newest_first[np.sort(seen_at)[:cap]])
        placed[start[number] : start[number] + cap] = kept
        size[number] = cap


@kernel
def _place(group: Any, item: Any, n_groups: Any) -> Any:
    """Put the items of each group together, in the order of the rows."""
    start = np.zeros(n_groups + 1, dtype=np.int64)
    for row in range(group.shape[0]):
        start[group[row] + 1] += 1
    for number in range(n_groups):
        start[number + 1] += start[number]
    following = start[:-1].copy()
    placed = np.empty(item.shape[0], dtype=np.int32)
    for row in range(group.shape[0]):
        number = group[row]
        placed[following[number]] = item[row]
        following[number] += 1
    return start, placed


@kernel
def _sort_distinct(start: Any, placed: Any, size: Any, first: Any, last: Any) -> None:
    """Sort the groups first <= group < last in place, distinct items to the front."""
    for number in range(first, last):
        low, high = start[number], start[number + 1]
        if high - low > 1:
            if high - low <= 24:
                for right in range(low + 1, high):
                    moving = placed[right]
                    left = right - 1
                    while left >= low and placed[left] > moving:
                        placed[left + 1] = placed[left]
                        left -= 1
                    placed[left + 1] = moving
            else:
                placed[low:high] = np.sort(placed[low:high])
        kept = low
        for entry in range(low, high):
            if entry == low or placed[entry] != placed[kept - 1]:
                placed[kept] = placed[entry]
                kept += 1
        size[number] = kept - low


@kernel
def _close_gaps(start: Any, placed: Any, size: Any) -> Any:
    n_groups = size.shape[0]
    ptr = np.zeros(n_groups + 1, dtype=np.int64)
    for number in range(n_groups):
        ptr[number + 1] = ptr[number] + size[number]
    if ptr[n_groups] == placed.shape[0]:
        return ptr, placed
    closed = np.empty(ptr[n_groups], dtype=np.int32)
    for number in range(n_groups):
        for entry in range(size[number]):
            closed[ptr[number] + entry] = placed[start[number] + entry]
    return ptr, closed
