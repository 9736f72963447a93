"""The smoothest directions of who bought what: leading singular vectors of the normalised table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels.dense import eigen, gram, orthonormal, product
from recsql.kernels.groups import Groups, build_groups
from recsql.kernels.table_sums import sum_rows

Shorts = npt.NDArray[np.float32]

SPARE = 8  # of so many directions, one more is carried along


def leading_factors(
    groups: Groups,
    n_items: int,
    n_factors: int,
    *,
    n_rounds: int = 8,
    seed: int = 0,
    n_threads: int | None = None,
) -> tuple[Shorts, Shorts]:
    """Give the leading right singular vectors of the table of customers and items.

    The entry of a customer of n items, for an item that m customers bought, is 1 / sqrt(n * m).
    Memory: about 12 bytes for each factor and each customer or item.

    Parameters
    ----------
    groups : Groups          distinct items of each customer
    n_items : int            items of the catalogue
    n_factors : int          directions wanted, >= 1; at most n_items are given
    n_rounds : int           rounds of the iteration, >= 1; more are nearer to the true vectors
    seed : int               of the first guess
    n_threads : int, optional    the result does not depend on it

    Returns
    -------
    value : float32[rank]             squared singular values, 0 to 1, falling; rank <= n_factors
    factors : float32[n_items, rank]  orthonormal columns; rows of items never bought are 0

    Source
    ------
    Halko, Martinsson and Tropp, "Finding Structure with Randomness", SIAM Review 53(2), 2011,
    algorithm 4.4 (randomised subspace iteration); the table is that of Shen et al., "How Powerful
    is Graph Convolution for Recommendation?", CIKM 2021.
    """
    ptr, item = groups
    sizes = np.diff(ptr)
    customer = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    item_ptr, buyer = build_groups(item, customer, n_items, len(sizes), n_threads=n_threads)
    of_customer, of_item = inverse_roots(sizes), inverse_roots(np.diff(item_ptr))

    def forth(table: Shorts) -> Shorts:
        return sum_rows(ptr, item, table * of_item, n_threads) * of_customer

    def back(table: Shorts) -> Shorts:
        return sum_rows(item_ptr, buyer, table * of_customer, n_threads) * of_item

    width = min(n_items, n_factors + -(-n_factors // SPARE))
    guess = np.random.default_rng(seed).standard_normal((n_items, width), dtype=np.float32)
    basis = orthonormal(guess * (of_item > 0), n_threads)
    for _ in range(n_rounds):
        basis = orthonormal(back(forth(basis)), n_threads)
    value, vector = eigen(gram(forth(basis), n_threads))
    found = min(n_factors, int((value > 0).sum()))
    factors = product(basis, vector[:, :found].astype(np.float32), n_threads)
    return value[:found].astype(np.float32), factors


def inverse_roots(count: npt.NDArray[np.int64]) -> Shorts:
    """Give 1 / sqrt(count) as a column, 0 for a count of 0: float32[n, 1]."""
    root = np.where(count > 0, 1.0 / np.sqrt(np.maximum(count, 1)), 0.0)
    return root.astype(np.float32)[:, None]
