"""Steps whose length each parameter sets for itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel
from recsql.kernels._threads import equal_blocks, run_blocks
from recsql.kernels.graph_propagation import threads_for

Shorts = npt.NDArray[np.float32]

MEMORY = 0.9  # of the mean gradient from step to step
MEMORY_OF_SQUARES = 0.999
SMALLEST = 1e-8  # added to the root of a square
BLOCKS = 4  # for each thread


class Moments(NamedTuple):
    """Means of a table's gradients so far, float32 of its shape."""

    mean: Shorts
    square: Shorts


def first_moments(table: Shorts) -> Moments:
    """Give what is known before the first step."""
    return Moments(np.zeros_like(table), np.zeros_like(table))


def adam_step(
    table: Shorts,
    gradient: Shorts,
    moments: Moments,
    *,
    number: int,
    rate: float,
    pull: float = 0.0,
    n_threads: int | None = None,
) -> None:
    """Move a table against its gradient; table and moments are changed.

    Parameters
    ----------
    table, gradient : float32[n_rows, width]
    number : int                 1 for the first step
    rate : float                 length of a step where gradients have one sign
    pull : float                 times the table is added to the gradient
    n_threads : int, optional    the result does not depend on it

    Source
    ------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1.
    """
    step = np.float32(rate / (1 - MEMORY**number))
    root = np.float32(1 / np.sqrt(1 - MEMORY_OF_SQUARES**number))
    mean, square = moments

    def task(first: int, last: int, _scratch: None) -> None:
        move_rows(first, last, table, gradient, mean, square, step, root, np.float32(pull))

    threads = threads_for(table.size, n_threads)
    cost = np.ones(len(table), dtype=np.int64)
    run_blocks(task, equal_blocks(cost, BLOCKS * threads), lambda: None, threads)


@lean_kernel
def move_rows(
    first: int,
    last: int,
    table: Shorts,
    gradient: Shorts,
    mean: Shorts,
    square: Shorts,
    step: np.float32,
    root: np.float32,
    pull: np.float32,
) -> None:
    """Move the rows first <= row < last."""
    kept, kept_square = np.float32(MEMORY), np.float32(MEMORY_OF_SQUARES)
    new, new_square = np.float32(1 - MEMORY), np.float32(1 - MEMORY_OF_SQUARES)
    for row in range(first, last):
        for column in range(table.shape[1]):
            slope = gradient[row, column] + pull * table[row, column]
            middle = kept * mean[row, column] + new * slope
            spread = kept_square * square[row, column] + new_square * slope * slope
            mean[row, column], square[row, column] = middle, spread
            table[row, column] -= step * middle / (root * np.sqrt(spread) + np.float32(SMALLEST))
