"""Ridge regressions on rows of a table, one for each group, all sharing one quadratic penalty.

A group's factor w minimises the sum over its rows h of (w . h - 1)**2, plus w' (S + ridge) w. The
columns of the table are such that S is diagonal: then a group of few rows is one small system of
as many equations as rows, and one of many rows is soon found by conjugate gradients.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel, summing_part
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.dense import eigen, gram, product
from recsql.kernels.groups import Groups

Shorts = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

MOST_EQUATIONS = 64  # groups of more rows are solved by conjugate gradients
MOST_STEPS = 64
SMALLEST_RESIDUAL = 1e-4  # of the right side, in length


class Scratch(NamedTuple):
    """What a thread needs.

    Attributes
    ----------
    rows : float32[MOST_EQUATIONS, width]               scaled rows of a group
    system : float32[MOST_EQUATIONS, MOST_EQUATIONS]    equations of a group
    share : float32[MOST_EQUATIONS]                     their solution
    vectors : float32[4, width]                         of conjugate gradients
    """

    rows: Shorts
    system: Shorts
    share: Shorts
    vectors: Shorts


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

    def task(first: int, last: int, scratch: Scratch) -> None:
        solve_groups_of(first, last, *groups, table, penalty, ridge, scratch, out)

    def make_scratch() -> Scratch:
        return Scratch(
            np.empty((MOST_EQUATIONS, width), dtype=np.float32),
            np.empty((MOST_EQUATIONS, MOST_EQUATIONS), dtype=np.float32),
            np.empty(MOST_EQUATIONS, dtype=np.float32),
            np.empty((4, width), dtype=np.float32),
        )

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
    scratch: Scratch,
    out: Shorts,
) -> None:
    """Write the rows first <= group < last of out, which are 0."""
    for group in range(first, last):
        begin, end = ptr[group], ptr[group + 1]
        if begin == end:
            continue
        if end - begin <= scratch.system.shape[0]:
            solve_few(code[begin:end], table, penalty, ridge[group], scratch, out[group])
        else:
            solve_many(code[begin:end], table, penalty, ridge[group], scratch, out[group])


@summing_part
def solve_few(
    code: Counts, table: Shorts, penalty: Shorts, ridge: float, scratch: Scratch, out: Shorts
) -> None:
    """Solve as many equations as rows: w = A' c over roots of D, (A A' + 1) c = 1, A = rows of H
    over roots of D, where D is the penalty plus the ridge.
    """
    n, width = code.shape[0], table.shape[1]
    rows, system, root = scratch.rows, scratch.system, scratch.vectors[0]
    for column in range(width):
        root[column] = np.float32(1.0) / np.sqrt(penalty[column] + ridge)
    for row in range(n):
        for column in range(width):
            rows[row, column] = table[code[row], column] * root[column]
    multiply_rows(rows, n, system)
    factorize(system, n)
    share = scratch.share
    for row in range(n):  # forwards, then backwards
        left = np.float32(1.0)
        for other in range(row):
            left -= system[row, other] * share[other]
        share[row] = left / system[row, row]
    for row in range(n - 1, -1, -1):
        share[row] /= system[row, row]
        for other in range(row):
            share[other] -= system[row, other] * share[row]
    for row in range(n):
        for column in range(width):
            out[column] += share[row] * rows[row, column]
    for column in range(width):
        out[column] *= root[column]


@summing_part
def multiply_rows(rows: Shorts, n: int, system: Shorts) -> None:
    """Write the products of n rows with each other, on and below the diagonal, plus 1 on it."""
    width = rows.shape[1]
    for one in range(n):
        fours = (one + 1) // 4 * 4
        for other in range(0, fours, 4):
            first = second = third = fourth = np.float32(0.0)
            for column in range(width):
                value = rows[one, column]
                first += value * rows[other, column]
                second += value * rows[other + 1, column]
                third += value * rows[other + 2, column]
                fourth += value * rows[other + 3, column]
            system[one, other], system[one, other + 1] = first, second
            system[one, other + 2], system[one, other + 3] = third, fourth
        for other in range(fours, one + 1):
            first = np.float32(0.0)
            for column in range(width):
                first += rows[one, column] * rows[other, column]
            system[one, other] = first
        system[one, one] += np.float32(1.0)


@summing_part
def factorize(system: Shorts, n: int) -> None:
    """Replace the lower part of a positive definite system by its Cholesky factor."""
    for row in range(n):
        for other in range(row + 1):
            left = system[row, other]
            for column in range(other):
                left -= system[row, column] * system[other, column]
            if other < row:
                system[row, other] = left / system[other, other]
            else:
                system[row, row] = np.sqrt(left)


@summing_part
def solve_many(
    code: Counts, table: Shorts, penalty: Shorts, ridge: float, scratch: Scratch, out: Shorts
) -> None:
    """Solve (H' H + D) w = H' 1 by conjugate gradients, the diagonal of the left side put to 1."""
    width = table.shape[1]
    scale, rest, step, image = (
        scratch.vectors[0],
        scratch.vectors[1],
        scratch.vectors[2],
        scratch.vectors[3],
    )
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
