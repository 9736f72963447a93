"""Ridge regressions on rows of a table, one for each group, all sharing one quadratic penalty.

A group's factor w minimises the sum over its rows h of (w . h - 1)**2, plus w' (S + ridge) w. The
table is turned so that S is diagonal. Then nothing as large as S is touched for a group, and
conjugate gradients, which know the diagonal of the whole, need few steps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel, summing_part
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.dense import eigen, gram, product
from recsql.kernels.groups import Groups

Shorts = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

MOST_STEPS = 64
SMALLEST_RESIDUAL = 1e-4  # of the right side, in length


def principal_axes(table: Shorts, n_threads: int | None = None) -> tuple[Shorts, Shorts]:
    """Turn a table so that the products of its columns with each other are 0.

    Parameters
    ----------
    table : float32[n_rows, width]
    n_threads : int, optional    the result does not depend on it

    Returns
    -------
    spectrum : float32[width]         products of the new columns with themselves, falling, >= 0
    turned : float32[n_rows, width]   rows have the same products with each other as before
    """
    value, vector = eigen(gram(table, n_threads))
    turned = product(table, np.ascontiguousarray(vector, dtype=np.float32), n_threads)
    return np.maximum(value, 0.0).astype(np.float32), turned


def solve_groups(
    groups: Groups, table: Shorts, penalty: Shorts, ridge: Shorts, n_threads: int | None = None
) -> Shorts:
    """Give the factor of every group: float32[n_groups, width]; 0 for a group without rows.

    Parameters
    ----------
    groups : Groups            0 <= code < n_rows
    table : float32[n_rows, width]
    penalty : float32[width]   the diagonal of S, >= 0
    ridge : float32[n_groups]  > 0
    n_threads : int, optional  the result does not depend on it, nor on the other groups
    """
    width = table.shape[1]
    out = np.zeros((len(ridge), width), dtype=np.float32)

    def task(first: int, last: int, scratch: Shorts) -> None:
        solve_groups_of(first, last, *groups, table, penalty, ridge, scratch, out)

    def make_scratch() -> Shorts:
        return np.empty((4, width), dtype=np.float32)

    threads = available_threads(n_threads)
    blocks = equal_blocks(8 + np.diff(groups.group_ptr), 64 * threads)
    run_blocks(task, blocks, make_scratch, threads)
    return out


@lean_kernel
def solve_groups_of(
    first: int,
    last: int,
    ptr: Longs,
    code: Counts,
    table: Shorts,
    penalty: Shorts,
    ridge: Shorts,
    scratch: Shorts,
    out: Shorts,
) -> None:
    """Write the rows first <= group < last of out, which are 0."""
    for group in range(first, last):
        chosen = code[ptr[group] : ptr[group + 1]]
        if chosen.shape[0] > 0:
            solve_group(chosen, table, penalty, ridge[group], scratch, out[group])


@summing_part
def solve_group(
    code: Counts, table: Shorts, penalty: Shorts, ridge: float, scratch: Shorts, out: Shorts
) -> None:
    """Solve (H' H + D) w = H' 1 by conjugate gradients, the diagonal of the left side put to 1."""
    width = table.shape[1]
    scale, rest, step, image = scratch[0], scratch[1], scratch[2], scratch[3]
    for column in range(width):
        scale[column] = penalty[column] + ridge
        rest[column] = np.float32(0.0)
    for row in code:
        for column in range(width):
            value = table[row, column]
            rest[column] += value
            scale[column] += value * value
    fit = np.float32(0.0)
    for column in range(width):
        scale[column] = np.float32(1.0) / scale[column]
        step[column] = scale[column] * rest[column]
        fit += step[column] * rest[column]
    enough = fit * np.float32(SMALLEST_RESIDUAL * SMALLEST_RESIDUAL)
    for _ in range(MOST_STEPS):
        if not fit > enough:
            return
        apply_rows(code, table, penalty, ridge, step, image)
        curvature = np.float32(0.0)
        for column in range(width):
            curvature += step[column] * image[column]
        length = fit / curvature
        before, fit = fit, np.float32(0.0)
        for column in range(width):
            out[column] += length * step[column]
            rest[column] -= length * image[column]
            fit += scale[column] * rest[column] * rest[column]
        for column in range(width):
            step[column] = scale[column] * rest[column] + fit / before * step[column]


@summing_part
def apply_rows(
    code: Counts, table: Shorts, penalty: Shorts, ridge: float, step: Shorts, image: Shorts
) -> None:
    """Write (H' H + D) step into image."""
    width = table.shape[1]
    for column in range(width):
        image[column] = (penalty[column] + ridge) * step[column]
    for row in code:
        product = np.float32(0.0)
        for column in range(width):
            product += table[row, column] * step[column]
        for column in range(width):
            image[column] += product * table[row, column]
