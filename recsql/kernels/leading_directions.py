"""Short vectors whose products are nearest to those of the rows of a sparse table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels.dense import eigen, gram, orthonormal, product
from recsql.kernels.graph_propagation import Edges, add_neighbours, group_places

Shorts = npt.NDArray[np.float32]

SPARE = 8  # directions beyond those asked for: a guess may hardly point in one that matters


def short_rows(
    table: Edges,
    n_columns: int,
    width: int,
    *,
    n_rounds: int = 6,
    seed: int = 0,
    n_threads: int | None = None,
) -> Shorts:
    """Give each row in the ``width`` directions that say most of all: float32[n_rows, rank].

    Where there are no more columns than that, the rows are given as they are. Memory: 12 bytes for
    each direction (of them ``SPARE`` that are tried beyond ``width``) and each row or column, and
    8 bytes an entry.

    Parameters
    ----------
    table : entries of rows, 0 <= code < n_columns
    width : int                  >= 1; rank <= width
    n_rounds : int               of the iteration, >= 1
    seed : int                   of the first guess
    n_threads : int, optional    the result does not depend on it

    Source
    ------
    Halko, Martinsson and Tropp, "Finding Structure with Randomness", SIAM Review 53(2), 2011,
    algorithm 4.4 (randomised subspace iteration), with the spare directions of section 4.2.
    """
    if n_columns <= width:
        identity = np.eye(n_columns, dtype=np.float32)
        return add_neighbours(table, identity, n_threads=n_threads)
    ptr, place = group_places(table.code, n_columns)
    row = np.repeat(np.arange(len(table.ptr) - 1, dtype=np.int32), np.diff(table.ptr))
    turned = Edges(ptr, row[place], table.weight[place])
    wide = (n_columns, min(width + SPARE, n_columns))
    guess = np.random.default_rng(seed).standard_normal(wide, dtype=np.float32)
    basis = orthonormal(guess, n_threads)
    for _ in range(n_rounds):
        there = orthonormal(add_neighbours(table, basis, n_threads=n_threads), n_threads)
        basis = orthonormal(add_neighbours(turned, there, n_threads=n_threads), n_threads)
    rows = add_neighbours(table, basis, n_threads=n_threads)
    _, best = eigen(gram(rows, n_threads))
    return product(rows, best[:, :width].astype(np.float32), n_threads)
