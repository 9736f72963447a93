"""The rows of one bucket of groups sorted by group and item, repetitions dropped."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel, kernel_part

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

FEW_ITEMS = 40  # so many are faster sorted by insertion than by digits
DIGIT_BITS = 8


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


def make_rows(start: Longs, n_times: int, shift: int) -> Rows:
    """Give rows to be filled: 8 bytes each, and 8 for a time."""
    n_rows = int(start[-1])
    return Rows(
        start,
        np.empty(n_rows, dtype=np.int32),
        np.empty(n_rows, dtype=np.int32),
        np.empty(n_times, dtype=np.int64),
        shift,
    )


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
