"""Customers and items as factors whose products are near 1 where something was bought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.errors import ParameterError
from recsql.kernels.groups import Groups, build_groups
from recsql.kernels.least_squares import principal_axes, solve_groups
from recsql.kernels.table_sums import add_factors
from recsql.models.base import Array
from recsql.models.fold_in import FoldInRecommender


@dataclass
class IALS(FoldInRecommender):
    """Factorize who bought what by alternating least squares, with all pairs as weak zeros.

    Minimises the sum of (w . h - 1)**2 over purchases, plus ``unobserved`` times that of (w . h)**2
    over all pairs, plus a ridge on each factor: of a customer of n items among N, ``ridge`` * (n +
    ``unobserved`` * N) ** ``frequency_power``, and alike for items. Each of ``n_rounds`` solves for
    all customers, then for all items, exactly. Customers are not kept: everyone is solved for when
    asked about, by what they have bought by then.

    Source: Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM
    2008; Rendle et al., "Revisiting the Performance of iALS on Item Recommendation Benchmarks",
    RecSys 2022, equations 2 to 5.
    """

    name: ClassVar[str] = "ials"
    tasks: ClassVar[tuple[str, ...]] = ("for_you",)
    effort: ClassVar[int] = 3

    n_factors: int = 128
    n_rounds: int = 12
    unobserved: float = 0.1
    ridge: float = 0.003
    frequency_power: float = 1.0
    seed: int = 0

    def _check(self) -> None:
        for name in ("n_factors", "n_rounds"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("unobserved", "ridge"):
            if not 0 < getattr(self, name) < np.inf:
                raise ParameterError(f"{name} must be above 0, got {getattr(self, name)}.")
        if not 0 <= self.frequency_power <= 1:
            raise ParameterError(
                f"frequency_power must be from 0 to 1, got {self.frequency_power}."
            )
        if not self.seed >= 0:
            raise ParameterError(f"seed must be at least 0, got {self.seed}.")

    def _learn(self, groups: Groups, n_items: int) -> None:
        sizes = np.diff(groups.group_ptr)
        customer = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        buyers = build_groups(groups.group_item, customer, n_items, len(sizes))
        width = max(1, min(self.n_factors, n_items))
        rng = np.random.default_rng(self.seed)
        factors = rng.standard_normal((n_items, width), dtype=np.float32)
        factors *= np.float32(0.1 / np.sqrt(width))
        for _ in range(self.n_rounds):
            customers = self._solve(groups, *principal_axes(factors), n_items)
            factors = self._solve(buyers, *principal_axes(customers), len(sizes))
        self.spectrum_, self.factors_ = principal_axes(factors)
        self._lay_out()

    def _solve(self, groups: Groups, spectrum: Array, table: Array, n_others: int) -> Array:
        size = np.diff(groups.group_ptr) + self.unobserved * n_others
        ridge = (self.ridge * size**self.frequency_power).astype(np.float32)
        penalty = spectrum * np.float32(self.unobserved)
        return solve_groups(groups, table, penalty, ridge)

    def _lay_out(self) -> None:
        self._to_items = np.ascontiguousarray(self.factors_.T)

    @property
    def item_vectors(self) -> Array:
        """Give the factors of the items: float32[n_items, width]; 0 where nobody bought one."""
        return self.factors_

    def fold_in(self, ptr: Array, item: Array) -> Array:
        """Give the factors of customers by their items, as in ``Groups``: float32[n, width]."""
        return self._solve(Groups(ptr, item), self.spectrum_, self.factors_, len(self.factors_))

    def _sums(self, ptr: Array, item: Array) -> Array:
        scores = np.zeros((len(ptr) - 1, len(self.factors_)), dtype=np.float32)
        add_factors(scores, self.fold_in(ptr, item), self._to_items)
        return scores

    def arrays(self) -> dict[str, Array]:
        """Give the customers of each item, the factors of items, and their common penalty."""
        return {"buyers": self.buyers_, "factors": self.factors_, "spectrum": self.spectrum_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.buyers_ = arrays["buyers"].astype(np.int32)
        self.factors_ = np.ascontiguousarray(arrays["factors"], dtype=np.float32)
        self.spectrum_ = arrays["spectrum"].astype(np.float32)
        self._lay_out()
