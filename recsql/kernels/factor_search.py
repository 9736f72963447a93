"""The items whose factors have the greatest inner products with a query: exactly, in bulk.

Items stand in order of their length. No product exceeds the product of two lengths, so a query is
done with all items when the length of the next ones cannot bring it above its k-th best.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.errors import ParameterError
from recsql.kernels._jit import kernel_part, lean_kernel, trailing_zeros
from recsql.kernels._threads import Block, available_threads, run_blocks
from recsql.kernels._tile import ITEMS, QUERIES, multiply_tile
from recsql.kernels.topk import exchange, rise, sink

Shorts = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

TINY = 1e-40  # above what numbers too small for float32 can add to a score
ROWS_PER_BLOCK = 512  # queries that are searched together: their factors stay in the cache


class PackedItems(NamedTuple):
    """Items laid out for the search, the longest first.

    Attributes
    ----------
    panel : float32[n_panels, width, ITEMS]    factors; 0 where there is no item
    code : int32[n_panels * ITEMS]             item code of each place; -1 where there is none
    reach : float64[n_panels]                  what a score is at most, for a query of length 1
    """

    panel: Shorts
    code: Counts
    reach: Doubles


def best_products(
    queries: Shorts,
    items: Shorts,
    k: int,
    *,
    eligible: Flags | None = None,
    left_out: tuple[Longs, Counts] | None = None,
    n_threads: int | None = None,
) -> tuple[Counts, Shorts]:
    """Give the k items with the greatest inner products of every query.

    Parameters
    ----------
    queries : float32[n_queries, width]      finite
    items : float32[n_items, width]          finite
    k : int                                  >= 1
    eligible : bool[n_items], optional       items that may be found; None: all
    left_out : (ptr, item), optional         int64[n_queries + 1] and int32: items left out of each
    n_threads : int, optional                the result does not depend on it

    Returns
    -------
    item : int32[n_queries, k]       best first, ties to the smaller code; -1 where a list has ended
    score : float32[n_queries, k]    0 where a list has ended

    Raises
    ------
    ParameterError
        Widths differ or are 0, k is below 1, or a number is missing, infinite or too large.

    Notes
    -----
    A score is the sum of the products in order of the factors, in float32. On one machine it has
    the same bits for the same two vectors, whatever else is searched.
    """
    return search(pack_items(items, eligible), queries, k, left_out=left_out, n_threads=n_threads)


def pack_items(items: Shorts, eligible: Flags | None = None) -> PackedItems:
    """Give the eligible items laid out for any number of searches."""
    items = checked("items", items)
    n_items, width = items.shape
    length = lengths_of("items", items)
    order = np.lexsort((np.arange(n_items), -length))
    if eligible is not None:
        order = order[np.asarray(eligible, dtype=np.bool_)[order]]
    n_panels = -(-len(order) // ITEMS)
    code = np.full(n_panels * ITEMS, -1, dtype=np.int32)
    code[: len(order)] = order
    panel = np.zeros((n_panels, width, ITEMS), dtype=np.float32)
    for place in range(n_panels):
        chosen = order[place * ITEMS : (place + 1) * ITEMS]
        panel[place, :, : len(chosen)] = items[chosen].T
    # Each of the additions and products rounds, by 2**-24 of what the lengths allow at most.
    reach = length[order[::ITEMS]] * (1 + (2 * width + 8) * 2.0**-24)
    return PackedItems(panel, code, reach)


def search(
    packed: PackedItems,
    queries: Shorts,
    k: int,
    *,
    left_out: tuple[Longs, Counts] | None = None,
    n_threads: int | None = None,
) -> tuple[Counts, Shorts]:
    """Give what ``best_products`` gives, from items laid out before."""
    queries = checked("queries", queries)
    n_queries, width = queries.shape
    if packed.panel.shape[1] != width:
        raise ParameterError(
            f"queries must have as many factors as items, got {width} and {packed.panel.shape[1]}."
            " Take both from one model."
        )
    if not k >= 1:
        raise ParameterError(f"k must be at least 1, got {k}.")
    item = np.full((n_queries, k), -1, dtype=np.int32)
    score = np.zeros((n_queries, k), dtype=np.float32)
    threads = available_threads(n_threads)
    longest = packed.reach.max(initial=0.0)

    def task(first: int, last: int, scratch: tuple[Shorts, Words]) -> None:
        rows = queries[first:last]
        length = lengths_of("queries", rows, first)
        if length.max() * longest > np.finfo(np.float32).max / 2:
            raise ParameterError(
                "queries and items must have products that a float32 can hold, got lengths of "
                f"{length.max():.3g} and {longest:.3g}. Scale one of them down."
            )
        factors, lengths, least = pack_queries(rows, length)
        active = np.arange(len(factors), dtype=np.int64)
        size = np.zeros(len(rows), dtype=np.int64)
        own = left_out_of(left_out, first, last)
        lists = item[first:last], score[first:last]
        search_rows(*packed, factors, lengths, least, active, size, *scratch, *own, *lists)

    run_blocks(task, blocks_of(n_queries, threads), make_scratch, threads)
    return item, score


def checked(name: str, table: Shorts) -> Shorts:
    """Give a table of factors in C order."""
    if table.ndim != 2 or table.shape[1] == 0:
        raise ParameterError(
            f"{name} must be a table with a column for each factor, got shape {table.shape}."
        )
    return np.ascontiguousarray(table, dtype=np.float32)


def lengths_of(name: str, table: Shorts, place: int = 0) -> Doubles:
    """Give the length of every row, float64[n_rows], of a part that begins at a place."""
    length = np.empty(len(table), dtype=np.float64)
    for first in range(0, len(table), ROWS_PER_BLOCK):
        rows = table[first : first + ROWS_PER_BLOCK].astype(np.float64)
        length[first : first + ROWS_PER_BLOCK] = np.sqrt((rows * rows).sum(axis=1))
    if not np.isfinite(length).all():
        row = int(np.flatnonzero(~np.isfinite(length))[0])
        raise ParameterError(
            f"{name} must be finite numbers, got {_what_is_wrong(table[row])} "
            f"in row {place + row}. Train with a smaller learning rate, or leave the row out."
        )
    return length


def _what_is_wrong(row: Shorts) -> str:
    """Give what is wrong with a row, for an error."""
    wrong = int(np.flatnonzero(~np.isfinite(row))[0])
    return f"{row[wrong]} as factor {wrong}"


def blocks_of(n_queries: int, n_threads: int, most: int = ROWS_PER_BLOCK) -> list[Block]:
    """Cut the queries into blocks, small enough that every thread has one."""
    rows = min(most, -(-n_queries // (n_threads * QUERIES)) * QUERIES)
    return [(first, min(first + rows, n_queries)) for first in range(0, n_queries, max(rows, 1))]


def left_out_of(
    left_out: tuple[Longs, Counts] | None, first: int, last: int
) -> tuple[Longs, Counts]:
    """Give (ptr, item) of the rows first <= row < last, items ascending in each."""
    if left_out is None:
        return np.zeros(last - first + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    ptr = left_out[0][first : last + 1]
    out = left_out[1][ptr[0] : ptr[-1]]
    row = np.repeat(np.arange(last - first, dtype=np.int64), np.diff(ptr))
    key = np.sort((row << 32) | out)
    return (ptr - ptr[0]).astype(np.int64), key.astype(np.uint32).astype(np.int32)


def pack_queries(rows: Shorts, length: Doubles) -> tuple[Shorts, Doubles, Shorts]:
    """Give factors in groups of QUERIES, lengths, and the least score that each asks for.

    A group that is not full ends with queries that ask for more than any score.
    """
    n_groups = -(-len(rows) // QUERIES)
    full = np.zeros((n_groups * QUERIES, rows.shape[1]), dtype=np.float32)
    full[: len(rows)] = rows
    factors = np.ascontiguousarray(full.reshape(n_groups, QUERIES, -1).transpose(0, 2, 1))
    lengths = np.zeros(len(full), dtype=np.float64)
    lengths[: len(rows)] = length
    least = np.full(len(full), np.inf, dtype=np.float32)
    least[: len(rows)] = -np.inf
    return factors, lengths, least


def make_scratch() -> tuple[Shorts, Words]:
    """Give room for the scores of a tile, and for the bits of those that matter."""
    return np.empty(QUERIES * ITEMS, dtype=np.float32), np.empty(QUERIES, dtype=np.uint64)


@lean_kernel
def search_rows(
    panel: Shorts,
    code: Counts,
    reach: Doubles,
    factors: Shorts,
    length: Doubles,
    least: Shorts,
    active: Longs,
    size: Longs,
    tile: Shorts,
    above: Words,
    ptr: Longs,
    left_out: Counts,
    item: Counts,
    score: Shorts,
) -> None:
    """Write the lists of a block of queries; active begins with the groups that are not done."""
    width = np.uint64(panel.shape[1])
    n_active = active.shape[0]
    for place in range(panel.shape[0]):
        kept = 0
        for turn in range(n_active):
            group = active[turn]
            if not is_open(group, reach[place], length, least):
                continue
            active[kept] = group
            kept += 1
            found = multiply_tile(
                factors,
                np.uint64(group) * width * np.uint64(QUERIES),
                panel,
                np.uint64(place) * width * np.uint64(ITEMS),
                width,
                least,
                np.uint64(group * QUERIES),
                tile,
                above,
            )
            while found != 0:
                lane = np.int64(trailing_zeros(found))
                found &= found - np.uint64(1)
                row = group * QUERIES + lane
                own = left_out[ptr[row] : ptr[row + 1]]
                size[row] = take_items(
                    above[lane], lane * ITEMS, place * ITEMS, tile, code, own, size[row],
                    item[row], score[row],
                )  # fmt: skip
                if size[row] == item.shape[1]:
                    least[row] = score[row, 0]
        n_active = kept
        if n_active == 0:
            break
    for row in range(item.shape[0]):
        put_in_order(score[row], item[row], size[row])


@kernel_part
def is_open(group: int, reach: float, length: Doubles, least: Shorts) -> bool:
    """Tell whether items of a reach may still enter the list of a query of the group."""
    for row in range(group * QUERIES, (group + 1) * QUERIES):
        if length[row] * reach + TINY >= least[row]:
            return True
    return False


@kernel_part
def take_items(
    above: np.uint64,
    at: int,
    first: int,
    tile: Shorts,
    codes: Counts,
    left_out: Counts,
    size: int,
    item: Counts,
    score: Shorts,
) -> int:
    """Put the items whose bits are set into the list of a query, a heap; gives its size."""
    while above != 0:
        bit = np.int64(trailing_zeros(above))
        above &= above - np.uint64(1)
        code = codes[first + bit]
        value = tile[at + bit]
        full = size == item.shape[0]
        if code < 0 or (full and (value < score[0] or (value == score[0] and code > item[0]))):
            continue
        if is_in(left_out, code):
            continue
        if full:
            score[0] = value
            item[0] = code
            sink(score, item, size)
        else:
            score[size] = value
            item[size] = code
            size += 1
            rise(score, item, size - 1)
    return size


@kernel_part
def is_in(ascending: Counts, code: int) -> bool:
    """Tell whether a code is among codes that ascend."""
    low, high = 0, ascending.shape[0]
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < code:
            low = middle + 1
        else:
            high = middle
    return low < ascending.shape[0] and ascending[low] == code


@kernel_part
def put_in_order(score: Shorts, item: Counts, size: int) -> None:
    """Turn a heap of the best into a list, best first."""
    while size > 1:
        size -= 1
        exchange(score, item, 0, size)
        sink(score, item, size)
