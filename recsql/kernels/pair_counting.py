"""All pairs of items that occur together, stored, so that they can be changed and ranked again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel, trailing_zeros
from recsql.kernels._threads import BLOCKS_PER_THREAD, available_threads, equal_blocks, run_blocks
from recsql.kernels.baskets import Baskets, check_weights, make_baskets, plain

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]


class Pairs(NamedTuple):
    """How many groups hold both items of a pair: the upper triangle, row by row.

    Attributes
    ----------
    ptr : int64[n_items + 1]    where the pairs of an item begin
    item : int32[n_pairs]       the other item, ascending in a row, never below the row's own item;
                                the first pair of a row is that of the item with itself
    count : int32[n_pairs]      groups that hold both, >= 1
    weight : int64[n_pairs]     sum of the products of their weights; None without weights
    """

    ptr: Longs
    item: Counts
    count: Counts
    weight: Longs | None


def plain_pairs(pairs: Pairs) -> Pairs:
    """Give pairs whose arrays are contiguous and writable, as kernels are compiled for."""
    weight = None if pairs.weight is None else plain(pairs.weight, np.int64)
    return Pairs(
        plain(pairs.ptr, np.int64),
        plain(pairs.item, np.int32),
        plain(pairs.count, np.int32),
        weight,
    )


class RowScratch(NamedTuple):
    """What one thread counts in; all of it is 0 between rows.

    Attributes
    ----------
    tally : int32[n_items]             groups shared with the row's item
    sum : int64[n_items]               products of weights, added up; empty without weights
    seen : uint64[n_items / 64 + 1]    a bit for every item met
    """

    tally: Counts
    sum: Longs
    seen: npt.NDArray[np.uint64]


def pair_bytes_estimate(
    group_ptr: Longs, group_item: Counts, n_items: int, *, weighted: bool = False
) -> int:
    """Give an upper bound of the bytes that ``count_pairs`` would return.

    An item has at most as many pairs as its groups have further entries, and as there are items
    from it on. Counting takes as much, and 12 bytes an entry and 12 bytes an item and thread.

    Parameters
    ----------
    group_ptr : int64[n_groups + 1]    where the items of a group begin
    group_item : int32[n_entries]      0 <= code < n_items; ascending and distinct in a group
    n_items : int                      items of the catalogue
    weighted : bool                    whether there are weights

    Raises
    ------
    ValueError
        When a code is not below n_items, or group_ptr does not rise from 0 to n_entries.
    """
    lengths = np.diff(group_ptr)
    if lengths.sum() != group_item.size or lengths.min(initial=0) < 0 or group_ptr[:1].any():
        raise ValueError(f"group_ptr must rise from 0 to {group_item.size}, the number of entries.")
    if group_item.size and not (group_item.min() >= 0 and group_item.max() < n_items):
        raise ValueError(f"Codes must be from 0 to {n_items - 1}.")
    work = np.zeros(n_items, dtype=np.int64)
    add_work(plain(group_ptr, np.int64), plain(group_item, np.int32), work)
    pairs = int(np.minimum(work, n_items - np.arange(n_items)).sum())
    return 8 * (n_items + 1) + (16 if weighted else 8) * pairs


def count_pairs(
    group_ptr: Longs,
    group_item: Counts,
    n_items: int,
    *,
    entry_weight: Longs | None = None,
    n_threads: int | None = None,
) -> Pairs:
    """Count every pair of items, and every item with itself.

    Parameters
    ----------
    group_ptr : int64[n_groups + 1]    where the items of a group begin, ending with n_entries
    group_item : int32[n_entries]      0 <= code < n_items; ascending and distinct in a group
    n_items : int                      items of the catalogue
    entry_weight : int64[n_entries], optional    0 to 2**20; as integers, so that sums are exact
    n_threads : int, optional          the result does not depend on it

    Returns
    -------
    Pairs    empty rows for items that are in no group

    Raises
    ------
    ValueError
        When the groups or weights are not as described.

    Source
    ------
    Gustavson, "Two Fast Algorithms for Sparse Matrices", ACM TOMS 4(3), 1978.
    """
    weighted = entry_weight is not None
    threads = available_threads(n_threads)
    baskets = make_baskets(group_ptr, group_item, n_items, threads, with_entries=True)
    if entry_weight is not None:
        entry_weight = check_weights(entry_weight, group_item)
    work = np.zeros(n_items, dtype=np.int64)
    add_work(baskets.group_ptr, baskets.group_item.view(np.int32), work)
    start = np.zeros(n_items + 1, dtype=np.int64)
    np.cumsum(np.minimum(work, n_items - np.arange(n_items)), out=start[1:])
    room = int(start[-1])
    length = np.zeros(n_items, dtype=np.int64)
    item, count = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
    weight = np.empty(room if weighted else 0, dtype=np.int64)
    found = Pairs(start, item, count, weight)

    def task(first: int, last: int, scratch: RowScratch) -> None:
        count_rows(first, last, baskets, entry_weight, work, scratch, found, length)

    blocks = equal_blocks(work, threads * BLOCKS_PER_THREAD)
    run_blocks(task, blocks, lambda: make_row_scratch(n_items, weighted=weighted), threads)
    return keep_filled(found, length, weighted=weighted)


def keep_filled(found: Pairs, length: Longs, *, weighted: bool) -> Pairs:
    """Close the gaps between rows that were given more room than they took.

    Parameters
    ----------
    found : Pairs               ``ptr`` says where the room of a row begins; overwritten
    length : int64[n_items]     pairs that the row has there
    weighted : bool             whether ``weight`` is filled
    """
    ptr = np.zeros(length.size + 1, dtype=np.int64)
    np.cumsum(length, out=ptr[1:])
    weight = found.weight if found.weight is not None else np.empty(0, dtype=np.int64)
    close_gaps(found.ptr, ptr, found.item, found.count, weight)
    for array in (found.item, found.count, weight)[: 3 if weighted else 2]:
        array.resize(int(ptr[-1]), refcheck=False)  # gives the rest back, in place
    return Pairs(ptr, found.item, found.count, weight if weighted else None)


def make_row_scratch(n_items: int, *, weighted: bool) -> RowScratch:
    """Give the working arrays of one thread: 4 bytes an item, 12 with weights."""
    return RowScratch(
        tally=np.zeros(n_items, dtype=np.int32),
        sum=np.zeros(n_items if weighted else 0, dtype=np.int64),
        seen=np.zeros(n_items // 64 + 1, dtype=np.uint64),
    )


@lean_kernel
def add_work(group_ptr: Longs, group_item: Counts, work: Longs) -> None:
    """Add up, for every item, what is left of its groups from the item on."""
    for group in range(group_ptr.shape[0] - 1):
        end = group_ptr[group + 1]
        for entry in range(group_ptr[group], end):
            work[group_item[entry]] += end - entry


@lean_kernel
def count_rows(
    first: int,
    last: int,
    baskets: Baskets,
    entry_weight: Longs | None,
    work: Longs,
    scratch: RowScratch,
    found: Pairs,
    length: Longs,
) -> None:
    """Count the rows first <= item < last into found, from ``found.ptr[item]`` on.

    A row with more additions than a fourth of the items it can meet is read off item by item, any
    other by the bits of the items that it has met.
    """
    n_items = work.shape[0]
    for item in range(first, last):
        if 4 * work[item] > n_items - item:
            add_row(item, baskets, entry_weight, scratch)
            length[item] = read_dense_row(item, entry_weight, scratch, found)
        else:
            add_row_with_bits(item, baskets, entry_weight, scratch)
            length[item] = read_row_by_bits(item, entry_weight, scratch, found)


@kernel_part
def add_row(item: int, baskets: Baskets, entry_weight: Longs | None, scratch: RowScratch) -> None:
    """Add up the groups of an item, from the item on."""
    for place in range(baskets.item_ptr[item], baskets.item_ptr[item + 1]):
        own = np.uint64(baskets.item_entry[place])
        end = baskets.group_ptr[np.uint64(baskets.item_group[place]) + np.uint64(1)]
        for entry in range(own, np.uint64(end)):
            other = np.uint64(baskets.group_item[entry])
            scratch.tally[other] += np.int32(1)
            if entry_weight is not None:
                scratch.sum[other] += entry_weight[own] * entry_weight[entry]


@kernel_part
def add_row_with_bits(
    item: int, baskets: Baskets, entry_weight: Longs | None, scratch: RowScratch
) -> None:
    """Add up the same and set the bit of every item met."""
    seen, one = scratch.seen, np.uint64(1)
    for place in range(baskets.item_ptr[item], baskets.item_ptr[item + 1]):
        own = np.uint64(baskets.item_entry[place])
        end = baskets.group_ptr[np.uint64(baskets.item_group[place]) + one]
        for entry in range(own, np.uint64(end)):
            other = np.uint64(baskets.group_item[entry])
            scratch.tally[other] += np.int32(1)
            seen[other >> np.uint64(6)] |= one << (other & np.uint64(63))
            if entry_weight is not None:
                scratch.sum[other] += entry_weight[own] * entry_weight[entry]


@kernel_part
def read_dense_row(item: int, entry_weight: Longs | None, scratch: RowScratch, found: Pairs) -> int:
    """Move the sums of a row to found, looking at every item; give the number of pairs."""
    tally, start = scratch.tally, np.uint64(found.ptr[item])
    into, end = start, np.uint64(found.ptr[item + 1])
    for other in range(np.uint64(item), np.uint64(tally.shape[0])):
        if into == end:
            break
        found.item[into] = other
        found.count[into] = tally[other]
        if entry_weight is not None:
            found.weight[into] = scratch.sum[other]
            scratch.sum[other] = 0
        into += np.uint64(tally[other] != 0)
        tally[other] = 0
    return np.int64(into - start)


@kernel_part
def read_row_by_bits(
    item: int, entry_weight: Longs | None, scratch: RowScratch, found: Pairs
) -> int:
    """Move the sums of a row to found, looking at the items met; give the number of pairs."""
    tally, seen, start, one = scratch.tally, scratch.seen, np.uint64(found.ptr[item]), np.uint64(1)
    into = start
    for at in range(np.uint64(item) >> np.uint64(6), np.uint64(seen.shape[0])):
        word = seen[at]
        seen[at] = 0
        while word != 0:
            other = (at << np.uint64(6)) + trailing_zeros(word)
            word &= word - one
            found.item[into] = other
            found.count[into] = tally[other]
            tally[other] = 0
            if entry_weight is not None:
                found.weight[into] = scratch.sum[other]
                scratch.sum[other] = 0
            into += one
    return np.int64(into - start)


@lean_kernel
def close_gaps(start: Longs, ptr: Longs, item: Counts, count: Counts, weight: Longs) -> None:
    """Move rows from where there was room for them to where they belong, in place."""
    weighted = weight.shape[0] > 0
    for row in range(ptr.shape[0] - 1):
        shift = start[row] - ptr[row]
        if shift == 0:
            continue
        for into in range(np.uint64(ptr[row]), np.uint64(ptr[row + 1])):
            item[into] = item[into + np.uint64(shift)]
            count[into] = count[into + np.uint64(shift)]
            if weighted:
                weight[into] = weight[into + np.uint64(shift)]
