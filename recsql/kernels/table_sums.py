"""Scores of customers from their items: sums of rows, of short lists and of factors.

Every number is added up in one fixed order, whichever other customers are asked for with it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Shorts = npt.NDArray[np.float32]

COLUMNS_AT_A_TIME = 256  # of a table of factors: they stay in a processor's cache
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

    def task(first: int, last: int, block: Shorts) -> None:
        add_factors_to(first, last, scores, place, factors, block)

    def make_scratch() -> Shorts:
        return np.empty((n_factors, COLUMNS_AT_A_TIME), dtype=np.float32)

    threads = available_threads(n_threads)
    cost = np.ones(-(-n_items // COLUMNS_AT_A_TIME), dtype=np.int64)
    run_blocks(task, equal_blocks(cost, BLOCKS * threads), make_scratch, threads)


@lean_kernel
def add_factors_to(
    first: int, last: int, scores: Shorts, place: Shorts, factors: Shorts, block: Shorts
) -> None:
    """Add to the blocks of columns first <= n < last of scores, each copied to one place before."""
    n_factors, n_items = factors.shape
    width = block.shape[1]
    for begin in range(first * width, min(last * width, n_items), width):
        end = min(begin + width, n_items)
        for factor in range(n_factors):
            for item in range(begin, end):
                block[factor, item - begin] = factors[factor, item]
        for row in range(scores.shape[0]):
            add_block(scores[row, begin:end], place[row], block)


@kernel_part
def add_block(scores: Shorts, place: Shorts, block: Shorts) -> None:
    """Add place @ block to some scores of a row, four factors at a time."""
    n_factors = block.shape[0]
    fours = n_factors // 4 * 4
    for factor in range(0, fours, 4):
        one, two = place[factor], place[factor + 1]
        three, four = place[factor + 2], place[factor + 3]
        for item in range(scores.shape[0]):
            scores[item] += (one * block[factor, item] + two * block[factor + 1, item]) + (
                three * block[factor + 2, item] + four * block[factor + 3, item]
            )
    for factor in range(fours, n_factors):
        for item in range(scores.shape[0]):
            scores[item] += place[factor] * block[factor, item]
