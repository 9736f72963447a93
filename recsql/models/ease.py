"""Every item predicted from all others by one ridge regression, solved in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.errors import ParameterError
from recsql.kernels.dense import invert_symmetric
from recsql.kernels.groups import Groups
from recsql.kernels.item_products import item_products
from recsql.kernels.table_sums import sum_rows
from recsql.models.base import Array
from recsql.models.fold_in import FoldInRecommender
from recsql.models.item_knn import check_powers


@dataclass
class Ease(FoldInRecommender):
    """Regress each item on all others, with a zero diagonal, and add up a customer's rows.

    With G the weighted products of items, the weight of item i for item j is -P_ij / P_jj, where P
    is the inverse of G + diag(r). A customer of n items weighs n ** (-2 ``customer_power``). With g
    the diagonal of G and its mean over the items bought, r_i = ``ridge`` * mean * (g_i / mean) **
    ``ridge_power``: a power of 0 is the plain ridge, one of 1 what dropping items of a customer
    at random does. Scores of an item of m customers are multiplied by m ** ``popularity_power``.

    The table takes 4 bytes for each of n_items ** 2, and learning about as much again in a tenth
    of it; more than ``max_items`` are refused.

    Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, equation 8;
    Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020 (ridge that grows
    with g). The powers of customers and popularity are those of ``item_knn``.
    """

    name: ClassVar[str] = "ease"
    tasks: ClassVar[tuple[str, ...]] = ("for_you",)
    effort: ClassVar[int] = 2

    ridge: float = 4.0
    ridge_power: float = 0.5
    customer_power: float = 0.25
    popularity_power: float = -0.2
    max_items: int = 20_000

    def _check(self) -> None:
        if not 0 < self.ridge < np.inf:
            raise ParameterError(f"ridge must be above 0, got {self.ridge}.")
        if not 0 <= self.ridge_power <= 1:
            raise ParameterError(f"ridge_power must be from 0 to 1, got {self.ridge_power}.")
        check_powers(self.customer_power, self.popularity_power)
        if not self.max_items >= 1:
            raise ParameterError(f"max_items must be at least 1, got {self.max_items}.")

    def _learn(self, groups: Groups, n_items: int) -> None:
        if n_items > self.max_items:
            raise ParameterError(
                f"ease must have at most {self.max_items} items, got {n_items}: it would take "
                f"{4e-9 * n_items**2:.1f} GB. Raise max_items, or use item_knn or graph_filter."
            )
        sizes = np.maximum(np.diff(groups.group_ptr), 1).astype(np.float64)
        table = item_products(groups, sizes ** (-2 * self.customer_power), n_items)
        own = table.diagonal().astype(np.float64)
        bought = own > 0
        mean = own[bought].mean() if bought.any() else 1.0
        added = self.ridge * mean * (np.where(bought, own, mean) / mean) ** self.ridge_power
        np.fill_diagonal(table, own + added)
        invert_symmetric(table)
        factor = np.maximum(self.buyers_, 1) ** self.popularity_power / table.diagonal()
        table *= (-factor).astype(np.float32)
        np.fill_diagonal(table, 0.0)
        self.table_ = table

    def _sums(self, ptr: Array, item: Array) -> Array:
        return sum_rows(ptr, item, self.table_)

    def arrays(self) -> dict[str, Array]:
        """Give the customers of each item, and its weights for all others."""
        return {"buyers": self.buyers_, "table": self.table_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.buyers_ = arrays["buyers"].astype(np.int32)
        self.table_ = np.ascontiguousarray(arrays["table"], dtype=np.float32)
