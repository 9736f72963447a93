"""Stored pairs brought up to date: groups added and removed, items that came and went."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_line, kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.pair_counting import Pairs, keep_filled, plain_pairs

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
NO_ITEM = 2**31 - 1


def merge_pairs(
    pairs: Pairs, added: Pairs, removed: Pairs, *, n_threads: int | None = None
) -> Pairs:
    """Give pairs + added - removed: the arrays that a count from scratch would give.

    Parameters
    ----------
    pairs, added, removed : Pairs    of the same items; all with weights or all without
    n_threads : int, optional        the result does not depend on it

    Returns
    -------
    Pairs    pairs whose count falls to 0 are gone

    Raises
    ------
    ValueError
        When the three do not fit each other, or when a count would fall below 0, or a weight
        would fall below 0 or remain without a count.
    """
    pairs, added, removed = plain_pairs(pairs), plain_pairs(added), plain_pairs(removed)
    parts = (pairs, added, removed)
    if len({(part.ptr.size, part.weight is None) for part in parts}) > 1:
        raise ValueError(
            "Pairs that are merged must have the same items, all or none with weights."
        )
    start = pairs.ptr + added.ptr
    room, n_items = int(start[-1]), start.size - 1
    length = np.zeros(n_items, dtype=np.int64)
    weight = np.empty(0 if pairs.weight is None else room, dtype=np.int64)
    merged = Pairs(start, np.empty(room, np.int32), np.empty(room, np.int32), weight)

    def task(first: int, last: int, _scratch: None) -> None:
        merge_rows(first, last, pairs, added, removed, merged, length)

    threads = available_threads(n_threads)
    run_blocks(task, equal_blocks(np.diff(start), 8 * threads), lambda: None, threads)
    if length.min(initial=0) < 0:
        raise ValueError(
            "Pairs that are removed must be among the others, those of item "
            f"{int(length.argmin())} are not. Count all pairs again."
        )
    return keep_filled(merged, length, weighted=pairs.weight is not None)


def relabel_pairs(pairs: Pairs, new_code: Counts, n_items: int) -> Pairs:
    """Give the same pairs under new codes; counts and weights are shared with the old ones.

    Parameters
    ----------
    pairs : Pairs
    new_code : int32[n_old_items]    ascending, from 0 to n_items - 1; -1 for an item that is gone
                                     and has no pairs
    n_items : int                    items of the new catalogue; new items have empty rows

    Raises
    ------
    ValueError
        When new_code is not as described, or an item that is gone has pairs.
    """
    if new_code.size != pairs.ptr.size - 1:
        raise ValueError(f"new_code must have {pairs.ptr.size - 1} entries, got {new_code.size}.")
    kept = new_code >= 0
    codes = new_code[kept]
    if codes.size and (np.any(np.diff(codes) <= 0) or codes[-1] >= n_items):
        raise ValueError(f"new_code must rise and stay below {n_items}, the number of items.")
    length = np.diff(pairs.ptr)
    item = new_code.astype(np.int32, copy=False)[pairs.item]
    if np.any(length[~kept] > 0) or np.any(item < 0):
        raise ValueError("An item that is gone must have no pairs. Remove its groups first.")
    ptr = np.zeros(n_items + 1, dtype=np.int64)
    ptr[codes + 1] = length[kept]
    return Pairs(np.cumsum(ptr), item, pairs.count, pairs.weight)


@lean_kernel
def merge_rows(
    first: int,
    last: int,
    pairs: Pairs,
    added: Pairs,
    removed: Pairs,
    merged: Pairs,
    length: Longs,
) -> None:
    """Merge the rows first <= row < last into merged; the length of a faulty row is -1."""
    for row in range(first, last):
        length[row] = merge_row(row, pairs, added, removed, merged)


@kernel_part
def merge_row(row: int, pairs: Pairs, added: Pairs, removed: Pairs, merged: Pairs) -> int:
    """Merge one row into merged, from ``merged.ptr[row]`` on.

    Returns
    -------
    int    pairs of the row; -1 if one of them cannot be
    """
    old, more, less = pairs.ptr[row], added.ptr[row], removed.ptr[row]
    old_end, more_end, less_end = pairs.ptr[row + 1], added.ptr[row + 1], removed.ptr[row + 1]
    into = merged.ptr[row]
    while True:
        next_more = np.int64(added.item[more]) if more < more_end else NO_ITEM
        next_less = np.int64(removed.item[less]) if less < less_end else NO_ITEM
        other = min(next_more, next_less)
        while old < old_end and pairs.item[old] < other:
            merged.item[into], merged.count[into] = pairs.item[old], pairs.count[old]
            copy_weight(pairs.weight, old, merged.weight, into)
            old += 1
            into += 1
        if other == NO_ITEM:
            return into - merged.ptr[row]
        count, weight = np.int64(0), np.int64(0)
        if old < old_end and pairs.item[old] == other:
            count, weight = np.int64(pairs.count[old]), weight_at(pairs.weight, old)
            old += 1
        if next_more == other:
            count, weight = count + added.count[more], weight + weight_at(added.weight, more)
            more += 1
        if next_less == other:
            count, weight = count - removed.count[less], weight - weight_at(removed.weight, less)
            less += 1
        if count < 0 or weight < 0 or (count == 0 and weight > 0):
            return -1
        if count > 0:
            merged.item[into], merged.count[into] = other, count
            put_weight(weight, merged.weight, into)
            into += 1


@kernel_line
def weight_at(weight: Longs | None, place: int) -> int:
    """Give a weight, 0 where there are none."""
    if weight is None:
        return np.int64(0)
    return weight[place]


@kernel_line
def put_weight(value: int, weight: Longs, into: int) -> None:
    """Store a weight where there are any."""
    if weight.shape[0] > 0:
        weight[into] = value


@kernel_line
def copy_weight(weight: Longs | None, place: int, target: Longs, into: int) -> None:
    """Copy a weight where there are any."""
    if weight is not None:
        target[into] = weight[place]
