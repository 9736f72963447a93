"""Ridge regressions of numbers on rows of a table, one for each group."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks

Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]


def solve_ridges(
    ptr: Longs,
    code: Counts,
    target: Doubles,
    table: Doubles,
    ridge: float,
    n_threads: int | None = None,
) -> Doubles:
    """Give the w of every group that is least in the sum of (w . row - target)**2 + ridge w . w.

    Parameters
    ----------
    ptr : int64[n_groups + 1]     where the entries of each group begin
    code : int32[n_entries]       a row of the table, 0 <= code < n_rows; it may come twice
    target : float64[n_entries]   finite
    table : float64[n_rows, width]
    ridge : float                 > 0
    n_threads : int, optional     the result does not depend on it, nor on the other groups

    Returns
    -------
    float64[n_groups, width]      0 for a group without entries
    """
    width = table.shape[1]
    out = np.zeros((len(ptr) - 1, width))

    def task(first: int, last: int, scratch: Doubles) -> None:
        solve_ridges_of(first, last, ptr, code, target, table, ridge, scratch, out)

    def make_scratch() -> Doubles:
        return np.empty((width, width))

    threads = available_threads(n_threads)
    run_blocks(task, equal_blocks(8 + np.diff(ptr), 64 * threads), make_scratch, threads)
    return out


@lean_kernel
def solve_ridges_of(
    first: int,
    last: int,
    ptr: Longs,
    code: Counts,
    target: Doubles,
    table: Doubles,
    ridge: float,
    scratch: Doubles,
    out: Doubles,
) -> None:
    """Write the rows first <= group < last of out, which are 0."""
    for group in range(first, last):
        begin, end = ptr[group], ptr[group + 1]
        if end > begin:
            solve_ridge(code[begin:end], target[begin:end], table, ridge, scratch, out[group])


@kernel_part
def solve_ridge(
    code: Counts, target: Doubles, table: Doubles, ridge: float, left: Doubles, out: Doubles
) -> None:
    """Solve (R'R + ridge) w = R'target by the factors of Cholesky; out is 0 before."""
    width = table.shape[1]
    for row in range(width):
        for column in range(row):
            left[row, column] = 0.0
        left[row, row] = ridge
    for entry in range(code.shape[0]):
        values = table[code[entry]]
        for row in range(width):
            out[row] += values[row] * target[entry]
            for column in range(row + 1):
                left[row, column] += values[row] * values[column]
    for row in range(width):
        for column in range(row + 1):
            rest = left[row, column]
            for before in range(column):
                rest -= left[row, before] * left[column, before]
            left[row, column] = np.sqrt(rest) if row == column else rest / left[column, column]
    for row in range(width):
        for before in range(row):
            out[row] -= left[row, before] * out[before]
        out[row] /= left[row, row]
    for back in range(width):
        row = width - 1 - back
        for after in range(row + 1, width):
            out[row] -= left[after, row] * out[after]
        out[row] /= left[row, row]
