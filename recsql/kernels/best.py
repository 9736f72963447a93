"""A heap of the best entries seen so far, and the list that it makes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part
from recsql.kernels.topk import rise, sink

Counts = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@kernel_part
def offer(score: float, code: int, size: int, most: int, heap: Doubles, codes: Longs) -> int:
    """Put an entry into a heap of at most so many, in place of the worst; gives its size.

    Of equal scores the larger code is the worse one, in whatever order they come.
    """
    if size < most:
        heap[size] = score
        codes[size] = code
        rise(heap, codes, size)
        return size + 1
    if score > heap[0] or (score == heap[0] and code < codes[0]):
        heap[0] = score
        codes[0] = code
        sink(heap, codes, size)
    return size


@kernel_part
def empty_into(
    row: int, size: int, heap: Doubles, codes: Longs, item: Counts, score: Doubles
) -> None:
    """Write the entries of a heap to the first places of a row, best first."""
    while size > 0:
        size -= 1
        item[row, size] = codes[0]
        score[row, size] = heap[0]
        heap[0] = heap[size]
        codes[0] = codes[size]
        sink(heap, codes, size)
