"""Dense products and inverses whose bits do not depend on the number of threads.

A BLAS that splits one product among threads may add in another order than one that does not. Here
it is held to one thread, and pieces of a fixed size are handed to it side by side.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import OpenBLASController, ThreadpoolController

from recsql.kernels._threads import Block, available_threads, run_blocks

Shorts = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

ROWS_PER_PIECE = 4096
PIVOTS = 256
SMALLEST_SHARE = 1e-6  # of the largest eigenvalue: what float32 sums leave of an absent direction

_lock = threading.Lock()
_limits: list[Any] = []
_users = 0
_found: ThreadpoolController | None = None


def _controller() -> ThreadpoolController:
    """Find the BLAS of numpy, once: looking for libraries takes milliseconds, and may miss some."""
    global _found
    if _found is None or not any(map(_may_be_of_numpy, _found.lib_controllers)):
        _found = ThreadpoolController()
    return _found


def _may_be_of_numpy(library: Any) -> bool:
    return library.user_api == "blas" and "scipy.libs" not in library.filepath


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the BLAS of numpy to one thread; the last of several users lets it go."""
    global _users
    with _lock, _in_control():
        # Also where somebody else holds it: whatever set the number since is overruled.
        limit = _controller().limit(limits=1, user_api="blas")
        if _users == 0:
            _limits.append(limit)
        _users += 1
    try:
        yield
    finally:
        with _lock, _in_control():
            _users -= 1
            if _users == 0:
                _limits.pop().restore_original_limits()


@contextmanager
def _in_control() -> Iterator[None]:
    """Let this thread set the number: threadpoolctl ignores all but the first that did, silently.

    The number is of the whole process, and the last user is often not the thread that began.
    """
    OpenBLASController.clear_controlling_thread(force=True)
    try:
        yield
    finally:
        OpenBLASController.clear_controlling_thread(force=True)


def gram(table: Shorts, n_threads: int | None = None) -> Floats:
    """Give the products of all columns with each other: float64[width, width].

    Parameters
    ----------
    table : float32[n_rows, width]
    n_threads : int, optional    the result does not depend on it
    """
    pieces = _pieces(len(table))
    parts = np.zeros((len(pieces), table.shape[1], table.shape[1]), dtype=np.float32)

    def task(first: int, last: int, _scratch: None) -> None:
        for piece in range(first, last):
            rows = table[slice(*pieces[piece])]
            parts[piece] = rows.T @ rows

    with one_blas_thread():
        run_blocks(task, _singles(len(pieces)), lambda: None, available_threads(n_threads))
    total: Floats = parts.sum(axis=0, dtype=np.float64)
    return total


def product(table: Shorts, small: Shorts, n_threads: int | None = None) -> Shorts:
    """Give table @ small: float32[n_rows, small width].

    Parameters
    ----------
    table : float32[n_rows, width]
    small : float32[width, small width]
    n_threads : int, optional    the result does not depend on it
    """
    out = np.empty((len(table), small.shape[1]), dtype=np.float32)

    def task(first: int, last: int, _scratch: None) -> None:
        np.matmul(table[first:last], small, out=out[first:last])

    with one_blas_thread():
        run_blocks(task, _pieces(len(table)), lambda: None, available_threads(n_threads))
    return out


def orthonormal(table: Shorts, n_threads: int | None = None) -> Shorts:
    """Give an orthonormal basis of the columns: float32[n_rows, rank], rank <= width.

    Parameters
    ----------
    table : float32[n_rows, width]
    n_threads : int, optional    the result does not depend on it
    """
    value, vector = eigen(gram(table, n_threads))
    kept = value > SMALLEST_SHARE * value.max(initial=0.0)
    small = (vector[:, kept] / np.sqrt(value[kept])).astype(np.float32)
    return product(table, small, n_threads)


def eigen(symmetric: Floats) -> tuple[Floats, Floats]:
    """Give the eigenvalues of a symmetric matrix, falling, and their vectors in columns."""
    with one_blas_thread():
        value, vector = np.linalg.eigh(symmetric)
    return value[::-1], vector[:, ::-1]


def invert_symmetric(matrix: Shorts, n_threads: int | None = None) -> None:
    """Replace a symmetric positive definite matrix by its inverse, in place.

    Beyond the matrix it takes about ``(2 + n_threads) * 256`` rows of memory, and n**3 additions
    and multiplications.

    Parameters
    ----------
    matrix : float32[n, n], C order    only the part on and below the diagonal is read
    n_threads : int, optional          the result does not depend on it

    Source
    ------
    The sweep operator of Goodnight, "A Tutorial on the SWEEP Operator", The American Statistician
    33(3), 1979, on blocks of pivots: P -> -1/P, C -> C/P, D -> D - C/P C'. When all pivots are
    swept, the matrix is minus its inverse.
    """
    threads, n = available_threads(n_threads), len(matrix)
    edges = [(first, min(first + PIVOTS, n)) for first in range(0, n, PIVOTS)]
    with one_blas_thread():
        for first, last in edges:
            _sweep(matrix, first, last, edges, threads)
    for first, last in edges:
        rows = matrix[first:last, :last]
        np.negative(rows, out=rows)
        corner = matrix[first:last, first:last]
        corner[:] = np.tril(corner) + np.tril(corner, -1).T
        matrix[:first, first:last] = matrix[first:last, :first].T


def _sweep(matrix: Shorts, first: int, last: int, edges: list[Block], n_threads: int) -> None:
    """Sweep the pivots first <= row < last in the part below the diagonal."""
    pivot = matrix[first:last, first:last]
    pivot = np.tril(pivot) + np.tril(pivot, -1).T
    inverse = np.linalg.inv(pivot.astype(np.float64))
    inverse = ((inverse + inverse.T) / 2).astype(np.float32)
    panel = np.concatenate([matrix[first:last, :first].T, pivot, matrix[last:, first:last]])
    scaled = np.empty_like(panel)

    def scale(row: int, end: int, _scratch: None) -> None:
        np.matmul(panel[row:end], inverse, out=scaled[row:end])

    def reduce(row: int, end: int, scratch: Shorts) -> None:
        if row == first:
            return
        change = scratch[: end - row, :end]
        np.matmul(scaled[row:end], panel[:end].T, out=change)
        matrix[row:end, :end] -= change

    def make_scratch() -> Shorts:
        return np.empty((PIVOTS, len(matrix)), dtype=np.float32)

    run_blocks(scale, edges, lambda: None, n_threads)
    run_blocks(reduce, edges[::-1], make_scratch, n_threads)  # long rows first
    matrix[first:last, :first] = scaled[:first].T
    matrix[last:, first:last] = scaled[last:]
    matrix[first:last, first:last] = -inverse


def _pieces(n_rows: int) -> list[Block]:
    return [
        (first, min(first + ROWS_PER_PIECE, n_rows)) for first in range(0, n_rows, ROWS_PER_PIECE)
    ]


def _singles(n: int) -> list[Block]:
    return [(place, place + 1) for place in range(n)]
