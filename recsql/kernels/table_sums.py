"""Scores of customers from their items: sums of rows, of short lists and of factors.

Every number is added up in one fixed order, whichever other customers are asked for with it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel, summing_part
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Shorts = npt.NDArray[np.float32]

COLUMNS_AT_A_TIME = 256  # of a table of factors: they stay in a processor's cache
ROWS_AT_A_TIME = 4  # of scores: what was read of the factors serves them all
BLOCKS = 4  # a thread


def sum_rows(ptr: Longs, code: Counts, table: Shorts, n_threads: int | None = None) -> Shorts:
    """Sum the rows of a table that each group names: float32[n_groups, width]; 0 for none.

    Parameters
    ----------
    ptr : int64[n_groups + 1]       where the codes of a group begin
    code : int32[n_entries]         0 <= code < n_rows; added in this order
    table : float32[n_rows, width]
    n_threads : int, optional       the result does not depend on it
    """
    out = np.zeros((len(ptr) - 1, table.shape[1]), dtype=np.float32)

    def task(first: int, last: int, _scratch: None) -> None:
        sum_rows_of(first, last, ptr, code, table, out)

    threads = available_threads(n_threads)
    run_blocks(task, equal_blocks(np.diff(ptr), 16 * threads), lambda: None, threads)
    return out


@lean_kernel
def sum_rows_of(
    first: int, last: int, ptr: Longs, code: Counts, table: Shorts, out: Shorts
) -> None:
    """Add to the rows first <= group < last of out."""
    width = table.shape[1]
    for group in range(first, last):
        for place in range(ptr[group], ptr[group + 1]):
            row = code[place]
            for column in range(width):
                out[group, column] += table[row, column]


def sum_lists(
    ptr: Longs,
    code: Counts,
    list_item: Counts,
    list_weight: Shorts,
    n_threads: int | None = None,
) -> Shorts:
    """Add up the weighted lists that each group names: float32[n_groups, n_lists]; 0 for none.

    Parameters
    ----------
    ptr : int64[n_groups + 1]           where the codes of a group begin
    code : int32[n_entries]             0 <= code < n_lists; added in this order
    list_item : int32[n_lists, k]       items of each list, -1 where it has ended
    list_weight : float32[n_lists, k]
    n_threads : int, optional           the result does not depend on it
    """
    out = np.zeros((len(ptr) - 1, len(list_item)), dtype=np.float32)

    def task(first: int, last: int, _scratch: None) -> None:
        sum_lists_of(first, last, ptr, code, list_item, list_weight, out)

    threads = available_threads(n_threads)
    run_blocks(task, equal_blocks(np.diff(ptr), 16 * threads), lambda: None, threads)
    return out


@lean_kernel
def sum_lists_of(
    first: int,
    last: int,
    ptr: Longs,
    code: Counts,
    list_item: Counts,
    list_weight: Shorts,
    out: Shorts,
) -> None:
    """Add to the rows first <= group < last of out."""
    for group in range(first, last):
        for place in range(ptr[group], ptr[group + 1]):
            row = code[place]
            for column in range(list_item.shape[1]):
                item = list_item[row, column]
                if item < 0:
                    break
                out[group, item] += list_weight[row, column]


def add_factors(
    scores: Shorts, place: Shorts, factors: Shorts, n_threads: int | None = None
) -> None:
    """Add place @ factors to scores, factor by factor.

    Parameters
    ----------
    scores : float32[n_rows, n_items]       changed
    place : float32[n_rows, n_factors]      where each row stands on each factor
    factors : float32[n_factors, n_items]
    n_threads : int, optional               the result does not depend on it
    """

    n_factors, n_items = factors.shape

    def task(first: int, last: int, scratch: tuple[Shorts, Shorts]) -> None:
        add_factors_to(first, last, scores, place, factors, *scratch)

    def make_scratch() -> tuple[Shorts, Shorts]:
        block = np.empty((n_factors, COLUMNS_AT_A_TIME), dtype=np.float32)
        return block, np.zeros((ROWS_AT_A_TIME, COLUMNS_AT_A_TIME), dtype=np.float32)

    threads = available_threads(n_threads)
    cost = np.ones(-(-n_items // COLUMNS_AT_A_TIME), dtype=np.int64)
    run_blocks(task, equal_blocks(cost, BLOCKS * threads), make_scratch, threads)


@lean_kernel
def add_factors_to(
    first: int,
    last: int,
    scores: Shorts,
    place: Shorts,
    factors: Shorts,
    block: Shorts,
    tile: Shorts,
) -> None:
    """Add to the blocks of columns first <= n < last of scores, each copied to one place before.

    Rows go four by four through a tile. The last one stands in for those that are missing, so that
    every row is added up by the same code.
    """
    n_factors, n_items = factors.shape
    n_rows, width = scores.shape[0], block.shape[1]
    for begin in range(first * width, min(last * width, n_items), width):
        size = min(width, n_items - begin)
        for factor in range(n_factors):
            for column in range(size):
                block[factor, column] = factors[factor, begin + column]
        for row in range(0, n_rows, ROWS_AT_A_TIME):
            there = min(ROWS_AT_A_TIME, n_rows - row)
            for other in range(there):
                for column in range(size):
                    tile[other, column] = scores[row + other, begin + column]
            add_block(
                tile[0, :size],
                tile[1, :size],
                tile[2, :size],
                tile[3, :size],
                place[row],
                place[min(row + 1, n_rows - 1)],
                place[min(row + 2, n_rows - 1)],
                place[min(row + 3, n_rows - 1)],
                block,
            )
            for other in range(there):
                for column in range(size):
                    scores[row + other, begin + column] = tile[other, column]


@summing_part
def add_block(
    one: Shorts,
    two: Shorts,
    three: Shorts,
    four: Shorts,
    of_one: Shorts,
    of_two: Shorts,
    of_three: Shorts,
    of_four: Shorts,
    block: Shorts,
) -> None:
    """Add four rows of place @ block to some scores of four rows, four factors at a time."""
    n_factors = block.shape[0]
    fours = n_factors // 4 * 4
    for f in range(0, fours, 4):
        a0, a1, a2, a3 = of_one[f], of_one[f + 1], of_one[f + 2], of_one[f + 3]
        b0, b1, b2, b3 = of_two[f], of_two[f + 1], of_two[f + 2], of_two[f + 3]
        c0, c1, c2, c3 = of_three[f], of_three[f + 1], of_three[f + 2], of_three[f + 3]
        d0, d1, d2, d3 = of_four[f], of_four[f + 1], of_four[f + 2], of_four[f + 3]
        for item in range(one.shape[0]):
            w, x, y, z = block[f, item], block[f + 1, item], block[f + 2, item], block[f + 3, item]
            one[item] = (((one[item] + a0 * w) + a1 * x) + a2 * y) + a3 * z
            two[item] = (((two[item] + b0 * w) + b1 * x) + b2 * y) + b3 * z
            three[item] = (((three[item] + c0 * w) + c1 * x) + c2 * y) + c3 * z
            four[item] = (((four[item] + d0 * w) + d1 * x) + d2 * y) + d3 * z
    for f in range(fours, n_factors):
        for item in range(one.shape[0]):
            one[item] += of_one[f] * block[f, item]
            two[item] += of_two[f] * block[f, item]
            three[item] += of_three[f] * block[f, item]
            four[item] += of_four[f] * block[f, item]
