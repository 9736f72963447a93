"""How often an item follows another within a few steps, and what that says of a history."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks

Codes = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


class Transitions(NamedTuple):
    """Weights of the items that came after each item.

    Attributes
    ----------
    ptr : int64[n_items + 1]    where the entries of an item begin
    item : int32[n]             items that came after it, ascending
    weight : float32[n]         sum over the occasions, above 0
    """

    ptr: Longs
    item: Codes
    weight: Scores


def count_transitions(
    group: Longs,
    item: Codes,
    n_items: int,
    max_skip: int,
    skip_decay: float,
) -> Transitions:
    """Add up, for each item, the items 1 to ``max_skip`` places after it in its group.

    Parameters
    ----------
    group : int64[n]       sequence or session of each item, equal ones side by side
    item : int32[n]        item codes, 0 <= code < n_items, in order within a group
    n_items : int
    max_skip : int         >= 1
    skip_decay : float     an item ``d`` places later counts ``skip_decay ** (d - 1)``; above 0
    """
    from scipy.sparse import csr_matrix

    total = csr_matrix((n_items, n_items), dtype=np.float32)
    for distance in range(1, min(max_skip, len(item) - 1) + 1):
        same = group[:-distance] == group[distance:]
        before, after = item[:-distance][same], item[distance:][same]
        weight = np.full(len(before), skip_decay ** (distance - 1), dtype=np.float32)
        total = total + csr_matrix((weight, (before, after)), shape=total.shape)
    total.sort_indices()
    return Transitions(
        total.indptr.astype(np.int64), total.indices.astype(np.int32), total.data.astype(np.float32)
    )


def score_transitions(
    transitions: Transitions,
    share: Scores,
    ptr: Longs,
    item: Codes,
    last_items: int,
    decay: float,
    scores: Scores,
    n_threads: int | None = None,
) -> None:
    """Add to the scores of each history what came after its last items.

    Parameters
    ----------
    transitions : Transitions
    share : float32[n_items]              factor of the entries of each item
    ptr : int64[n_rows + 1]               where a history begins
    item : int32[n]                       item codes, oldest first; unknown codes add nothing
    last_items : int                      so many of the newest items are asked, >= 1
    decay : float                         the ``n``-th newest item counts ``decay ** (n - 1)``
    scores : float32[n_rows, n_items]     added to, in an order that does not depend on other rows
    n_threads : int, optional             the result does not depend on it
    """
    threads = available_threads(n_threads)
    item = np.ascontiguousarray(item, dtype=np.int32)

    def task(first: int, last: int, _: None) -> None:
        score_rows(first, last, transitions, share, ptr, item, last_items, decay, scores)

    blocks = equal_blocks(np.ones(len(ptr) - 1, np.int64), 8 * threads)
    run_blocks(task, blocks, lambda: None, threads)


@lean_kernel
def score_rows(
    first: int,
    last: int,
    transitions: Transitions,
    share: Scores,
    ptr: Longs,
    item: Codes,
    last_items: int,
    decay: float,
    scores: Scores,
) -> None:
    """Score the rows first <= row < last."""
    for row in range(first, last):
        factor = 1.0
        for place in range(ptr[row + 1] - 1, max(ptr[row], ptr[row + 1] - last_items) - 1, -1):
            code = np.int64(item[place])
            if code < scores.shape[1]:
                weight = np.float32(factor) * share[code]
                for entry in range(transitions.ptr[code], transitions.ptr[code + 1]):
                    after = np.uint64(transitions.item[entry])
                    scores[row, after] += weight * transitions.weight[entry]
            factor *= decay
