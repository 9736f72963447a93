"""Serial kernels over blocks of rows, side by side in ordinary threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Scratch = TypeVar("Scratch")
Block = tuple[int, int]

BLOCKS_PER_THREAD = 64


def available_threads(n_threads: int | None = None) -> int:
    """Give the number of threads to use: what was asked for, else the cores this process may use.

    Raises
    ------
    ValueError
        When fewer than one thread is asked for.
    """
    if n_threads is None:
        if hasattr(os, "sched_getaffinity"):
            return max(1, len(os.sched_getaffinity(0)))
        return os.cpu_count() or 1
    if n_threads < 1:
        raise ValueError(f"n_threads must be at least 1, got {n_threads}. Leave it out for all.")
    return n_threads


def equal_blocks(cost: npt.NDArray[np.int64], n_blocks: int) -> list[Block]:
    """Cut rows into consecutive blocks of about equal cost.

    Parameters
    ----------
    cost : int64[n_rows]    any unit, >= 0
    n_blocks : int          blocks wanted, >= 1; fewer are given when there are fewer rows

    Returns
    -------
    list of (first, last)   rows first <= row < last, ascending; empty for no rows
    """
    n_rows = cost.shape[0]
    if n_rows == 0:
        return []
    reached = np.cumsum(cost + 1)
    wanted = np.linspace(0, reached[-1], n_blocks + 1)[1:-1]
    inner = np.searchsorted(reached, wanted, side="right")
    edges = np.unique(np.concatenate(([0], inner, [n_rows])))
    return [(int(first), int(last)) for first, last in pairwise(edges)]


def run_blocks(
    task: Callable[[int, int, Scratch], object],
    blocks: Sequence[Block],
    make_scratch: Callable[[], Scratch],
    n_threads: int,
) -> None:
    """Call ``task(first, last, scratch)`` once for every block.

    A thread takes the next block when it has finished one, so uneven blocks do no harm; each
    thread makes its scratch arrays once. A task must write only to the rows of its block: then
    the result is the same at any number of threads.

    Raises
    ------
    Exception
        The first one that a task raised; blocks that have not begun are then left out.
    """
    remaining = iter(blocks)  # next() on a list iterator is one step under the interpreter lock
    failed = False

    def work() -> None:
        nonlocal failed
        scratch = make_scratch()
        try:
            for first, last in remaining:
                if failed:
                    return
                task(first, last, scratch)
        except BaseException:
            failed = True
            raise

    n_workers = min(n_threads, len(blocks))
    if n_workers <= 1:
        work()
        return
    with ThreadPoolExecutor(n_workers - 1) as pool:
        others = [pool.submit(work) for _ in range(n_workers - 1)]
        work()
        for other in others:
            other.result()
