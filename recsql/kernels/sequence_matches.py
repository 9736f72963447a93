"""What followed the newest items of a history in indexed sequences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.suffixes import suffix_order
from recsql.kernels.wavelets import Wavelet, bit_at, build_wavelet, narrow, ones_before

Codes = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]

STACK_FIELDS = 5  # steps made, levels passed, first and last row, and the bits of the symbol


class Weighing(NamedTuple):
    """How much a match counts.

    Attributes
    ----------
    max_length : int         items of the history that may have to match in a row, >= 1
    length_gain : float      a match of one item more counts so many times as much, >= 0
    ahead : int              items after a match that count, >= 1: the d-th counts 1 / d
    max_skip : int           newest items of the history that may be passed over, >= 0
    skip_decay : float       each item passed over multiplies a match by this, >= 0
    most_rows : int          of more places that match, so many are looked at, evenly spread
    """

    max_length: int
    length_gain: float
    ahead: int
    max_skip: int
    skip_decay: float
    most_rows: int


def index_sequences(ptr: Longs, item: Codes, n_items: int) -> Wavelet:
    """Index sequences so that what follows any items in a row is found.

    Parameters
    ----------
    ptr : int64[n_sequences + 1]    where a sequence begins
    item : int32[n]                 item codes, 0 <= code < n_items
    n_items : int

    Returns
    -------
    Wavelet    Burrows-Wheeler transform of all sequences, each written backwards: in the row of a
               place stands the item after it, plus one; 0 where a sequence ends
    """
    n_sequences = len(ptr) - 1
    text = np.zeros(len(item) + n_sequences, dtype=np.int32)
    place = np.arange(len(item)) + np.repeat(np.arange(n_sequences), np.diff(ptr))
    text[len(text) - 2 - place] = item + 1
    order = suffix_order(text, n_items + 1)
    return build_wavelet(text[order - 1], n_items + 1)


def score_following(
    index: Wavelet,
    ptr: Longs,
    item: Codes,
    weighing: Weighing,
    scores: Scores,
    n_threads: int | None = None,
) -> None:
    """Add to the scores of each history what followed its newest items in the sequences.

    Every place where the newest items stand in a row in a sequence, 1 to ``max_length`` of them,
    adds ``length_gain ** (items - 1) / d`` to the d-th item after it. The newest items are then
    passed over one after the other: with ``s`` of them out of sight, a place adds that times
    ``skip_decay ** s``.

    Parameters
    ----------
    index : Wavelet                       of ``index_sequences``
    ptr : int64[n_rows + 1]               where a history begins
    item : int32[n]                       item codes, oldest first; codes above those indexed match
                                          nothing
    weighing : Weighing
    scores : float32[n_rows, n_items]     added to, in an order that does not depend on other rows
    n_threads : int, optional             the result does not depend on it
    """
    threads = available_threads(n_threads)
    item = np.ascontiguousarray(item, dtype=np.int32)
    depth = 2 + weighing.ahead * (len(index.zeros) + 1)

    def task(first: int, last: int, stack: Longs) -> None:
        score_rows(first, last, index, ptr, item, weighing, stack, scores)

    blocks = equal_blocks(np.ones(len(ptr) - 1, np.int64), 8 * threads)
    run_blocks(task, blocks, lambda: np.empty((depth, STACK_FIELDS), np.int64), threads)


@lean_kernel
def score_rows(
    first: int,
    last: int,
    index: Wavelet,
    ptr: Longs,
    item: Codes,
    weighing: Weighing,
    stack: Longs,
    scores: Scores,
) -> None:
    """Score the rows first <= row < last."""
    for row in range(first, last):
        begin = ptr[row]
        decay = 1.0
        for skipped in range(weighing.max_skip + 1):
            end = ptr[row + 1] - skipped
            gain = decay
            for length in range(1, min(weighing.max_length, end - begin) + 1):
                top, bottom = find(index, item, end - length, end, scores.shape[1])
                if top == bottom:
                    break  # longer ones are not found either
                weight = np.float32(gain)
                if bottom - top <= weighing.most_rows:
                    follow(index, top, bottom, weighing.ahead, weight, stack, scores[row])
                else:
                    sample(index, top, bottom, weighing, weight, stack, scores[row])
                gain *= weighing.length_gain
            decay *= weighing.skip_decay


@kernel_part
def find(index: Wavelet, item: Codes, begin: int, end: int, n_items: int) -> tuple[int, int]:
    """Give the rows of the places that the items begin <= place < end stand before."""
    top, bottom = np.int64(0), np.int64(index.length)
    for place in range(begin, end):
        code = np.int64(item[np.uint64(place)])
        if code >= n_items:
            return np.int64(0), np.int64(0)
        top, bottom = narrow(index.words, index.zeros, code + 1, top, bottom)
        if top == bottom:
            break
    return top, bottom


@kernel_part
def sample(
    index: Wavelet,
    top: int,
    bottom: int,
    weighing: Weighing,
    weight: np.float32,
    stack: Longs,
    score: Scores,
) -> None:
    """Follow evenly spread rows in the place of all."""
    n_rows = bottom - top
    weight = np.float32(weight * n_rows / weighing.most_rows)
    for number in range(weighing.most_rows):
        row = top + number * n_rows // weighing.most_rows
        follow(index, row, row + 1, weighing.ahead, weight, stack, score)


@kernel_part
def follow(
    index: Wavelet,
    top: int,
    bottom: int,
    ahead: int,
    weight: np.float32,
    stack: Longs,
    score: Scores,
) -> None:
    """Add the weight of rows to the items after their places.

    The rows of a level part into those with a zero and those with a one; behind the last level
    all have one symbol, and are the rows of the places after it.
    """
    words, zeros = index.words, index.zeros
    n_levels = zeros.shape[0]
    stride = np.int64(words.shape[0]) // n_levels
    n_open = 1
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4] = 0, 0, top, bottom, 0
    while n_open > 0:
        n_open -= 1
        step, level, symbol = stack[n_open, 0], stack[n_open, 1], stack[n_open, 4]
        top, bottom = stack[n_open, 2], stack[n_open, 3]
        while True:
            if level == n_levels:
                step += 1
                if symbol == 0:
                    break  # the end of a sequence
                score[np.uint64(symbol - 1)] += weight * np.float32(bottom - top) / step
                if step == ahead:
                    break
                level, symbol = np.int64(0), np.int64(0)
            before = ones_before(words, level * stride, top)
            if bottom - top == 1:
                within = before + bit_at(words, level * stride, top)
            else:
                within = ones_before(words, level * stride, bottom)
            one_top, one_bottom = zeros[level] + before, zeros[level] + within
            one = np.int64(1) << level
            level += 1
            if within == before:
                top, bottom = top - before, bottom - within
            elif within - before == bottom - top:
                top, bottom = one_top, one_bottom
                symbol |= one
            else:
                stack[n_open, 0], stack[n_open, 1], stack[n_open, 4] = step, level, symbol | one
                stack[n_open, 2], stack[n_open, 3] = one_top, one_bottom
                n_open += 1
                top, bottom = top - before, bottom - within
