"""Rows of (group, item) in any order made into groups of distinct items, in linear time.

Rows are first dealt out to a few hundred buckets of neighbouring groups, each small enough for a
processor's cache, in the order in which they came. Each bucket is then sorted on its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel, kernel_part, lean_kernel
from recsql.kernels._threads import Block, available_threads, run_blocks

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

MOST_BUCKETS = 512
ROWS_PER_BUCKET = 1 << 16
FEW_ITEMS = 40  # so many are faster sorted by insertion than by digits
DIGIT_BITS = 8


class Groups(NamedTuple):
    """Groups of distinct items in compressed rows.

    Attributes
    ----------
    group_ptr : int64[n_groups + 1]    where the items of a group begin, ending with n_entries
    group_item : int32[n_entries]      item codes, ascending and distinct within a group
    """

    group_ptr: Longs
    group_item: Counts


class Rows(NamedTuple):
    """Rows by bucket, in their first order within a bucket.

    Attributes
    ----------
    start : int64[n_buckets + 1]    where the rows of a bucket begin
    group : int32[n_rows]           group
    item : int32[n_rows]            item code
    time : int64[n_rows]            when; empty without a cap
    shift : int                     a bucket holds 2**shift groups
    """

    start: Longs
    group: Counts
    item: Counts
    time: Longs
    shift: int


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
    times = np.ascontiguousarray([] if time is None else time, dtype=np.int64)
    faulty = np.full(n_chunks, -1, dtype=np.int64)

    def count(chunk: int, _last: int, _scratch: None) -> None:
        rows = slice(edges[chunk], edges[chunk + 1])
        faulty[chunk] = count_buckets(
            group[rows], item[rows], n_groups, n_items, shift, counts[chunk]
        )

    run_blocks(count, chunks, lambda: None, n_threads)
    if faulty.max() >= 0:
        row = int(np.argmax(faulty >= 0))
        row = int(edges[row] + faulty[row])
        raise ValueError(
            f"Rows must have 0 <= group < {n_groups} and 0 <= item < {n_items}, "
            f"row {row} has group {int(group[row])} and item {int(item[row])}."
        )
    begin = np.zeros((n_buckets, n_chunks), dtype=np.int64)
    np.cumsum(counts.T.ravel()[:-1], out=begin.ravel()[1:])
    start = np.append(begin[:, 0], n_rows)
    dealt = Rows(
        start,
        np.empty(n_rows, dtype=np.int32),
        np.empty(n_rows, dtype=np.int32),
        np.empty(times.size, dtype=np.int64),
        shift,
    )

    def deal(chunk: int, _last: int, _scratch: None) -> None:
        rows = slice(edges[chunk], edges[chunk + 1])
        following = np.ascontiguousarray(begin[:, chunk])
        deal_chunk(group[rows], item[rows], times[rows], following, dealt)

    run_blocks(deal, chunks, lambda: None, n_threads)
    return dealt


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


@kernel
def sort_bucket(
    bucket: int, rows: Rows, n_items: int, cap: int, latest_of: Longs, length: Longs
) -> None:
    """Sort the rows of a bucket by group and item and drop repetitions.

    Parameters
    ----------
    bucket : int                 bucket
    rows : Rows                  ``item`` is overwritten: distinct items, one group after another
    n_items : int                codes are below this
    cap : int                    items kept of a group; 0 for all
    latest_of : int64[n_items]   working memory; empty without times
    length : int64[n_groups]     receives the number of items of every group
    """
    begin, end = rows.start[bucket], rows.start[bucket + 1]
    first_group = bucket << rows.shift
    n_groups = min(length.shape[0] - first_group, 1 << rows.shift)
    starts = np.zeros(n_groups + 1, dtype=np.int64)
    for row in range(begin, end):
        starts[np.uint64(rows.group[row] - first_group + 1)] += 1
    most = np.int64(0)
    for group in range(n_groups):
        most = max(most, starts[group + 1])
        starts[group + 1] += starts[group]
    item = np.empty(end - begin, dtype=np.int32)
    timed = rows.time.shape[0] > 0
    time = np.empty(end - begin if timed else 0, dtype=np.int64)
    scatter_bucket(begin, end, first_group, rows, starts.copy(), item, time)
    spare, latest = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int64)
    digits = np.empty(1 << DIGIT_BITS, dtype=np.int64)
    into = begin
    for group in range(n_groups):
        first, last = starts[group], starts[group + 1]
        mine = rows.item[into : into + last - first]
        kept = distinct_items(item[first:last], mine, spare, digits, n_items)
        if 0 < cap < kept:
            if timed:
                note_latest(item[first:last], time[first:last], mine[:kept], latest_of, latest)
                keep_latest(mine[:kept], latest, cap)
            kept = cap
        length[first_group + group] = kept
        into += kept


@kernel_part
def scatter_bucket(
    begin: int,
    end: int,
    first_group: int,
    rows: Rows,
    following: Longs,
    item: Counts,
    time: Longs,
) -> None:
    """Put the rows of a bucket in the order of their groups."""
    for row in range(begin, end):
        group = np.uint64(rows.group[row] - first_group)
        into = np.uint64(following[group])
        following[group] += 1
        item[into] = rows.item[row]
        if time.shape[0] > 0:
            time[into] = rows.time[row]


@kernel_part
def distinct_items(item: Counts, into: Counts, spare: Counts, digits: Longs, n_items: int) -> int:
    """Write the distinct items of a group in ascending order; give their number.

    Parameters
    ----------
    item : int32[n]      items in any order, not changed
    into : int32[n]      receives the result
    spare : int32[>= n]  working memory
    digits : int64[256]  working memory
    n_items : int        codes are below this
    """
    n = item.shape[0]
    for place in range(n):
        into[place] = item[place]
    if n > FEW_ITEMS:
        sort_by_digits(into, spare, digits, n_items)
    else:
        for place in range(1, n):
            mine, to = into[place], place
            while to > 0 and into[to - 1] > mine:
                into[to] = into[to - 1]
                to -= 1
            into[to] = mine
    kept = 0
    for place in range(n):
        into[kept] = into[place]
        kept += np.int64(place + 1 == n or into[place] != into[place + 1])
    return kept


@kernel_part
def sort_by_digits(item: Counts, spare: Counts, starts: Longs, n_items: int) -> None:
    """Sort codes by their digits of 8 bits, the lowest first, unless they are in order."""
    n = item.shape[0]
    falls = np.int64(0)
    for place in range(1, n):
        falls += item[place] < item[place - 1]
    if falls == 0:
        return
    shift = 0
    while (n_items - 1) >> shift > 0:
        starts[:] = 0
        for place in range(n):
            starts[np.uint64((item[place] >> shift) & 255)] += 1
        reached = np.int64(0)
        for digit in range(1 << DIGIT_BITS):
            reached += starts[digit]
            starts[digit] = reached - starts[digit]
        for place in range(n):
            digit = np.uint64((item[place] >> shift) & 255)
            spare[np.uint64(starts[digit])] = item[place]
            starts[digit] += 1
        for place in range(n):
            item[place] = spare[place]
        shift += DIGIT_BITS


@kernel_part
def note_latest(item: Counts, time: Longs, kept: Counts, latest_of: Longs, latest: Longs) -> None:
    """Find the latest time of every distinct item of a group, in the order of kept."""
    for place in range(kept.shape[0]):
        latest_of[np.uint64(kept[place])] = np.iinfo(np.int64).min
    for row in range(item.shape[0]):
        code = np.uint64(item[row])
        latest_of[code] = max(latest_of[code], time[row])
    for place in range(kept.shape[0]):
        latest[place] = latest_of[np.uint64(kept[place])]


@kernel_part
def keep_latest(item: Counts, latest: Longs, cap: int) -> None:
    """Move the cap items with the latest times, ties to the smaller code, to the front.

    The time of the last one that stays is found by halving.
    """
    n = item.shape[0]
    low, high = latest[0], latest[0]
    for place in range(n):
        low, high = min(low, latest[place]), max(high, latest[place])
    while low < high:  # low: reached by at least cap items; above high: by fewer
        middle = low + np.int64((np.uint64(high) - np.uint64(low) + np.uint64(1)) >> np.uint64(1))
        reached = np.int64(0)
        for place in range(n):
            reached += latest[place] >= middle
        if reached >= cap:
            low = middle
        else:
            high = middle - 1
    ties_left = cap
    for place in range(n):
        ties_left -= latest[place] > low
    kept = 0
    for place in range(n):
        tied = latest[place] == low
        if latest[place] > low or (tied and ties_left > 0):
            item[kept] = item[place]
            kept += 1
            ties_left -= tied
