"""The best neighbours of every item from stored pairs: the same answer as from the baskets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel, kernel_part, lean_kernel
from recsql.kernels._threads import BLOCKS_PER_THREAD, available_threads, equal_blocks, run_blocks
from recsql.kernels.cooccurrence import ROW_COST, total_of
from recsql.kernels.pair_counting import Pairs, plain_pairs
from recsql.kernels.ranking import Neighbours, Ranking, make_neighbours, make_ranking
from recsql.kernels.row_ranking import Scratch, key_listed_row, make_scratch, rank_listed_row

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]


class Lower(NamedTuple):
    """The lower triangle, row by row: of every pair (i, j) with i < j, what row j needs.

    Attributes
    ----------
    ptr : int64[n_items + 1]    where the pairs of an item begin
    item : int32[n_pairs]       the other item, ascending in a row, below the row's own item
    count : int32[n_pairs]      groups that hold both
    weight : int64[n_pairs]     sum of the products of their weights; empty without weights
    """

    ptr: Longs
    item: Counts
    count: Counts
    weight: Longs


def rank_pairs(
    pairs: Pairs,
    k: int,
    *,
    n_groups: int,
    weighting: str = "cosine",
    min_support: int = 1,
    total_weight: int | None = None,
    eligible: npt.NDArray[np.bool_] | None = None,
    n_threads: int | None = None,
) -> Neighbours:
    """Give the k best neighbours of every item, bit for bit those of ``top_neighbours``.

    Parameters
    ----------
    pairs : Pairs                 counts of all pairs, with weights if those are to decide
    k : int                       neighbours wanted, >= 1
    n_groups : int                N of lift
    weighting : str               count, cosine, jaccard, lift or confidence
    min_support : int             groups that must hold both items, >= 1
    total_weight : int, optional  N of lift with weights
    eligible : bool[n_items], optional    items that may be neighbours; the others still get a row
    n_threads : int, optional     the result does not depend on it

    Returns
    -------
    Neighbours    score descending, ties to the smaller code; a pair whose weight is 0 is left out

    Raises
    ------
    ValueError
        When an option is outside of its range.
    """
    pairs = plain_pairs(pairs)
    threads = available_threads(n_threads)
    n_items = pairs.ptr.size - 1
    weighted = pairs.weight is not None
    total = total_of(total_weight, weighting) if weighted else n_groups
    ranking = make_ranking(
        weighting,
        k,
        marginal=diagonal(pairs.ptr, pairs.count if pairs.weight is None else pairs.weight),
        total=total,
        min_support=min_support,
        eligible=eligible,
    )
    lower = mirror(pairs, threads)
    out = make_neighbours(n_items, k)

    def task(first: int, last: int, scratch: Scratch) -> None:
        rank_pair_rows(first, last, pairs, pairs.weight, lower, ranking, scratch, out)

    work = np.diff(pairs.ptr) + np.diff(lower.ptr) + ROW_COST
    blocks = equal_blocks(work, threads * BLOCKS_PER_THREAD)
    run_blocks(task, blocks, lambda: make_scratch(n_items, weighted=weighted), threads)
    return out


def diagonal(ptr: Longs, value: Counts | Longs) -> Longs:
    """Give the value of every item with itself: int64[n_items], 0 for an empty row."""
    own = np.zeros(ptr.size - 1, dtype=np.int64)
    filled = ptr[1:] > ptr[:-1]
    own[filled] = value[ptr[:-1][filled]]
    return own


def mirror(pairs: Pairs, n_threads: int) -> Lower:
    """Give the lower triangle of pairs."""
    n_items = pairs.ptr.size - 1
    partial: list[Longs] = []

    def make_length() -> Longs:
        partial.append(np.zeros(n_items, dtype=np.int64))
        return partial[-1]

    def count(first: int, last: int, length: Longs) -> None:
        count_columns(first, last, pairs.ptr, pairs.item, length)

    run_blocks(count, equal_blocks(np.diff(pairs.ptr), 4 * n_threads), make_length, n_threads)
    ptr = np.zeros(n_items + 1, dtype=np.int64)
    length = np.sum(partial, axis=0, dtype=np.int64) if partial else np.zeros(0, dtype=np.int64)
    np.cumsum(length, out=ptr[1:])
    lower = Lower(
        ptr,
        np.empty(ptr[-1], dtype=np.int32),
        np.empty(ptr[-1], dtype=np.int32),
        np.empty(ptr[-1] if pairs.weight is not None else 0, dtype=np.int64),
    )

    def fill(first: int, last: int, _scratch: None) -> None:
        fill_columns(first, last, pairs, pairs.weight, lower)

    run_blocks(fill, equal_blocks(length, 2 * n_threads), lambda: None, n_threads)
    return lower


@lean_kernel
def count_columns(first: int, last: int, ptr: Longs, item: Counts, length: Longs) -> None:
    """Count the pairs of rows first <= row < last by their other item, without the diagonal."""
    for row in range(first, last):
        for place in range(np.uint64(ptr[row] + 1), np.uint64(ptr[row + 1])):
            length[np.uint64(item[place])] += 1


@kernel
def fill_columns(first: int, last: int, pairs: Pairs, weight: Longs | None, lower: Lower) -> None:
    """Fill the rows first <= item < last of lower: columns of pairs."""
    following = lower.ptr[first:last].copy()
    for row in range(last):
        end = pairs.ptr[row + 1]
        low, high = pairs.ptr[row] + 1, end
        while low < high:
            middle = (low + high) // 2
            if pairs.item[middle] < first:
                low = middle + 1
            else:
                high = middle
        for place in range(np.uint64(low), np.uint64(max(low, end))):
            column = np.int64(pairs.item[place])
            if column >= last:
                break
            into = np.uint64(following[np.uint64(column - first)])
            following[np.uint64(column - first)] += 1
            lower.item[into] = row
            lower.count[into] = pairs.count[place]
            if weight is not None:
                lower.weight[into] = weight[place]


@lean_kernel
def rank_pair_rows(
    first: int,
    last: int,
    pairs: Pairs,
    weight: Longs | None,
    lower: Lower,
    ranking: Ranking,
    scratch: Scratch,
    out: Neighbours,
) -> None:
    """Write the rows first <= item < last of the result."""
    for item in range(first, last):
        begin, end = lower.ptr[item], lower.ptr[item + 1]
        list_row(begin, end, 0, lower.item, lower.count, scratch)
        if weight is not None:
            spread_weights(begin, end, lower.item, lower.weight, scratch)
        listed = end - begin
        begin, end = pairs.ptr[item] + 1, pairs.ptr[item + 1]
        if begin < end:  # the first pair is that of the item with itself
            list_row(begin, end, listed, pairs.item, pairs.count, scratch)
            if weight is not None:
                spread_weights(begin, end, pairs.item, weight, scratch)
            listed += end - begin
        key_listed_row(item, listed, ranking, scratch)
        rank_listed_row(item, listed, ranking, scratch, out)


@kernel_part
def list_row(begin: int, end: int, n: int, item: Counts, count: Counts, scratch: Scratch) -> None:
    """List the pairs begin <= place < end after the n that are listed, and note their counts."""
    met, items, counts = scratch.met[n:], item[begin:end], count[begin:end]
    for place in range(end - begin):
        met[place] = items[place]
        scratch.tally[np.uint64(items[place])] = counts[place]


@kernel_part
def spread_weights(begin: int, end: int, item: Counts, weight: Longs, scratch: Scratch) -> None:
    """Note the weights of the pairs begin <= place < end."""
    for place in range(begin, end):
        scratch.sum[np.uint64(item[place])] = weight[place]
