"""Rows of (group, item) in any order made into groups of distinct items, in linear time.

Rows are first dealt out to a few hundred buckets of neighbouring groups, each small enough for a
processor's cache, in the order in which they came. Each bucket is then sorted on its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel
from recsql.kernels._threads import Block, available_threads, run_blocks
from recsql.kernels.group_sorting import Rows, make_rows, sort_bucket

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

MOST_BUCKETS = 512
ROWS_PER_BUCKET = 1 << 16


class Groups(NamedTuple):
    """Groups of distinct items in compressed rows.

    Attributes
    ----------
    group_ptr : int64[n_groups + 1]    where the items of a group begin, ending with n_entries
    group_item : int32[n_entries]      item codes, ascending and distinct within a group
    """

    group_ptr: Longs
    group_item: Counts


def build_groups(
    group: npt.NDArray[np.int32] | Longs,
    item: Counts,
    n_groups: int,
    n_items: int,
    *,
    cap: int | None = None,
    time: Longs | None = None,
    n_threads: int | None = None,
) -> Groups:
    """Collect the distinct items of every group.

    Takes about 12 bytes a row beyond rows and result, 28 and 8 an item and thread with a cap.

    Parameters
    ----------
    group : int32 or int64[n_rows]    0 <= group < n_groups, in any order
    item : int32[n_rows]              0 <= code < n_items
    n_groups, n_items : int           below 2**31
    cap : int, optional               of a group with more distinct items, only so many are kept:
                                      those seen last, ties to the smaller code; >= 1
    time : int64[n_rows], optional    when, in any unit; an item's time in a group is its latest;
                                      left out: all are equal
    n_threads : int, optional         the result does not depend on it

    Returns
    -------
    Groups    a group without rows is empty

    Raises
    ------
    ValueError
        When a code is outside of its range, lengths differ, or cap is below 1.
    """
    item = np.ascontiguousarray(item, dtype=np.int32)
    group = np.ascontiguousarray(group, dtype=np.int32 if group.dtype.itemsize < 8 else np.int64)
    check_rows(group, item, n_groups, n_items, cap, time)
    threads = available_threads(n_threads)
    rows = deal_rows(group, item, n_groups, n_items, time if cap is not None else None, threads)
    n_buckets = rows.start.size - 1
    length = np.zeros(n_groups, dtype=np.int64)
    most = 0 if cap is None else cap

    def sort(bucket: int, _last: int, latest_of: Longs) -> None:
        sort_bucket(bucket, rows, n_items, most, latest_of, length)

    def make_latest() -> Longs:
        return np.empty(n_items if rows.time.size else 0, dtype=np.int64)

    buckets: list[Block] = [(bucket, bucket + 1) for bucket in range(n_buckets)]
    run_blocks(sort, buckets, make_latest, threads)
    group_ptr = np.zeros(n_groups + 1, dtype=np.int64)
    np.cumsum(length, out=group_ptr[1:])
    group_item = np.empty(group_ptr[-1], dtype=np.int32)

    def move(bucket: int, _last: int, _scratch: None) -> None:
        into = int(group_ptr[min(bucket << rows.shift, n_groups)])
        end = int(group_ptr[min((bucket + 1) << rows.shift, n_groups)])
        begin = int(rows.start[bucket])
        group_item[into:end] = rows.item[begin : begin + end - into]

    run_blocks(move, buckets, lambda: None, threads)
    return Groups(group_ptr, group_item)


def check_rows(
    group: npt.NDArray[np.int32] | Longs,
    item: Counts,
    n_groups: int,
    n_items: int,
    cap: int | None,
    time: Longs | None,
) -> None:
    """Refuse what ``build_groups`` cannot work with, but for codes, which are checked on the way.

    Raises
    ------
    ValueError
        When lengths differ, totals are too large, or cap is below 1.
    """
    if group.shape != item.shape or (time is not None and time.shape != item.shape):
        raise ValueError(
            f"group, item and time must have the same length, got {group.size} groups."
        )
    if not (0 <= n_groups < 2**31 and 0 <= n_items < 2**31):
        raise ValueError(f"n_groups and n_items must be below 2**31, got {n_groups} and {n_items}.")
    if cap is not None and cap < 1:
        raise ValueError(f"cap must be at least 1, got {cap}.")


def deal_rows(
    group: npt.NDArray[np.int32] | Longs,
    item: Counts,
    n_groups: int,
    n_items: int,
    time: Longs | None,
    n_threads: int,
) -> Rows:
    """Deal rows out to buckets of neighbouring groups, keeping their order in a bucket.

    Raises
    ------
    ValueError
        When a code is outside of its range.
    """
    n_rows = item.size
    wanted = max(1, min(MOST_BUCKETS, n_rows // ROWS_PER_BUCKET))
    shift = max(0, -(-max(n_groups, 1) // wanted) - 1).bit_length()
    n_buckets = max(1, -(-n_groups // (1 << shift)))
    n_chunks = max(1, min(n_threads, n_rows // ROWS_PER_BUCKET))
    edges = np.linspace(0, n_rows, n_chunks + 1).astype(np.int64)
    chunks: list[Block] = [(chunk, chunk + 1) for chunk in range(n_chunks)]
    counts = np.zeros((n_chunks, n_buckets), dtype=np.int64)
    faulty = np.full(n_chunks, -1, dtype=np.int64)

    def count(chunk: int, _last: int, _scratch: None) -> None:
        rows = slice(edges[chunk], edges[chunk + 1])
        faulty[chunk] = count_buckets(
            group[rows], item[rows], n_groups, n_items, shift, counts[chunk]
        )

    run_blocks(count, chunks, lambda: None, n_threads)
    refuse_faulty(faulty, edges, group, item, n_groups, n_items)
    begin = np.zeros((n_buckets, n_chunks), dtype=np.int64)
    np.cumsum(counts.T.ravel()[:-1], out=begin.ravel()[1:])
    times = np.ascontiguousarray([] if time is None else time, dtype=np.int64)
    dealt = make_rows(np.append(begin[:, 0], n_rows), times.size, shift)

    def deal(chunk: int, _last: int, _scratch: None) -> None:
        rows = slice(edges[chunk], edges[chunk + 1])
        following = np.ascontiguousarray(begin[:, chunk])
        deal_chunk(group[rows], item[rows], times[rows], following, dealt)

    run_blocks(deal, chunks, lambda: None, n_threads)
    return dealt


def refuse_faulty(
    faulty: Longs,
    edges: Longs,
    group: npt.NDArray[np.int32] | Longs,
    item: Counts,
    n_groups: int,
    n_items: int,
) -> None:
    """Name the first row whose code is outside of its range.

    Raises
    ------
    ValueError
        When there is one: faulty holds its number in each chunk of rows, -1 for none.
    """
    if faulty.max() < 0:
        return
    chunk = int(np.argmax(faulty >= 0))
    row = int(edges[chunk] + faulty[chunk])
    raise ValueError(
        f"Rows must have 0 <= group < {n_groups} and 0 <= item < {n_items}, "
        f"row {row} has group {int(group[row])} and item {int(item[row])}."
    )


@lean_kernel
def count_buckets(
    group: npt.NDArray[np.int32] | Longs,
    item: Counts,
    n_groups: int,
    n_items: int,
    shift: int,
    counts: Longs,
) -> int:
    """Count the rows of every bucket.

    Returns
    -------
    int    the first row with a code outside of its range; -1 if there is none
    """
    for row in range(item.shape[0]):
        mine, code = np.int64(group[row]), np.int64(item[row])
        if mine < 0 or mine >= n_groups or code < 0 or code >= n_items:
            return row
        counts[np.uint64(mine >> shift)] += 1
    return -1


@lean_kernel
def deal_chunk(
    group: npt.NDArray[np.int32] | Longs, item: Counts, time: Longs, following: Longs, dealt: Rows
) -> None:
    """Copy a chunk of rows to their buckets; following holds the next place of every bucket."""
    timed = dealt.time.shape[0] > 0
    for row in range(item.shape[0]):
        bucket = np.uint64(np.int64(group[row]) >> dealt.shift)
        into = np.uint64(following[bucket])
        following[bucket] += 1
        dealt.group[into] = group[row]
        dealt.item[into] = item[row]
        if timed:
            dealt.time[into] = time[row]
