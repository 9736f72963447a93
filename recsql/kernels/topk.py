"""The k best of a row of scores, and the lists that they make."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks

Scores = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def top_k(
    scores: Scores,
    k: int,
    *,
    eligible: Flags | None = None,
    left_out: tuple[Longs, Counts] | None = None,
    n_threads: int | None = None,
) -> tuple[Counts, Scores]:
    """Give the k best items of every row.

    Parameters
    ----------
    scores : float32[n_rows, n_items]    -inf and NaN for what cannot be recommended
    k : int                              >= 1
    eligible : bool[n_items], optional   items that may be in a list; None: all
    left_out : (ptr, item), optional     int64[n_rows + 1] and int32: items left out of each row
    n_threads : int, optional            the result does not depend on it

    Returns
    -------
    item : int32[n_rows, k]       best first, ties to the smaller code; -1 where a list has ended
    score : float32[n_rows, k]    0 where a list has ended
    """
    n_rows, n_items = scores.shape
    item = np.full((n_rows, k), -1, dtype=np.int32)
    score = np.zeros((n_rows, k), dtype=np.float32)
    may = np.ones(n_items, dtype=np.bool_) if eligible is None else np.ascontiguousarray(eligible)
    if left_out is None:
        left_out = (np.zeros(n_rows + 1, dtype=np.int64), np.empty(0, dtype=np.int32))
    ptr, out = left_out[0], np.ascontiguousarray(left_out[1], dtype=np.int32)
    scores = np.ascontiguousarray(scores, dtype=np.float32)

    def task(first: int, last: int, scratch: tuple[Flags, Longs, Scores]) -> None:
        top_k_rows(first, last, scores, may, ptr, out, *scratch, item, score)

    def make_scratch() -> tuple[Flags, Longs, Scores]:
        room = max(2 * k, 64)
        return np.zeros(n_items, np.bool_), np.empty(room, np.int64), np.empty(room, np.float32)

    threads = available_threads(n_threads)
    run_blocks(task, equal_blocks(np.ones(n_rows, np.int64), 8 * threads), make_scratch, threads)
    return item, score


@lean_kernel
def top_k_rows(
    first: int,
    last: int,
    scores: Scores,
    eligible: Flags,
    ptr: Longs,
    left_out: Counts,
    hidden: Flags,
    heap_item: Longs,
    heap_score: Scores,
    item: Counts,
    score: Scores,
) -> None:
    """Write the rows first <= row < last of item and score; hidden is all false between rows."""
    k = item.shape[1]
    for row in range(first, last):
        for place in range(ptr[row], ptr[row + 1]):
            hidden[left_out[place]] = True
        size = 0
        least = np.float32(-np.inf)
        for code in range(scores.shape[1]):
            value = scores[row, code]
            # Codes ascend: of equals, the one that came first stays. NaN is never above.
            if not value > least or hidden[code] or not eligible[code]:
                continue
            if size < k:
                heap_score[size] = value
                heap_item[size] = code
                size += 1
                rise(heap_score, heap_item, size - 1)
            else:
                heap_score[0] = value
                heap_item[0] = code
                sink(heap_score, heap_item, size)
            if size == k:
                least = heap_score[0]
        for place in range(ptr[row], ptr[row + 1]):
            hidden[left_out[place]] = False
        while size > 0:
            size -= 1
            item[row, size] = heap_item[0]
            score[row, size] = heap_score[0]
            heap_score[0] = heap_score[size]
            heap_item[0] = heap_item[size]
            sink(heap_score, heap_item, size)


@kernel_part
def is_worse(score: Scores, item: Longs, one: int, other: int) -> bool:
    """Tell whether an entry of the heap is worse than another: less, or equal and a larger code."""
    return score[one] < score[other] or (score[one] == score[other] and item[one] > item[other])


@kernel_part
def exchange(score: Scores, item: Longs, one: int, other: int) -> None:
    """Let two entries of the heap change places."""
    score[one], score[other] = score[other], score[one]
    item[one], item[other] = item[other], item[one]


@kernel_part
def rise(score: Scores, item: Longs, place: int) -> None:
    """Move a new last entry up to where it belongs: the worst is at the top."""
    while place > 0:
        parent = (place - 1) // 2
        if not is_worse(score, item, place, parent):
            return
        exchange(score, item, place, parent)
        place = parent


@kernel_part
def sink(score: Scores, item: Longs, size: int) -> None:
    """Move a new first entry down to where it belongs."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            return
        if child + 1 < size and is_worse(score, item, child + 1, child):
            child += 1
        if not is_worse(score, item, child, place):
            return
        exchange(score, item, place, child)
        place = child
