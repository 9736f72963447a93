"""Customers and items as factors whose products are near 1 where something was bought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.errors import ParameterError
from recsql.kernels.groups import Groups, build_groups
from recsql.kernels.least_squares import principal_axes, solve_groups
from recsql.models.base import Array
from recsql.models.fold_in import FactorRecommender


@dataclass
class IALS(FactorRecommender):
    """Factorize who bought what by alternating least squares, with all pairs as weak zeros.

    Minimises the sum of (w . h - 1)**2 over purchases, plus a weight times that of (w . h)**2 over
    all pairs, plus a ridge on each factor. All pairs together weigh ``unobserved`` times as much as
    the purchases. The ridge of a customer with the mean number n of purchases is ``ridge`` * n; it
    grows with the weight of a customer's pairs to the power of ``frequency_power``, and alike for
    items. Each of ``n_rounds`` solves for all customers, then for all items. Customers are not
    kept: everyone is solved for when asked about, by what they have bought by then.

    Source: Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM
    2008; Rendle et al., "Revisiting the Performance of iALS on Item Recommendation Benchmarks",
    RecSys 2022, equations 2 to 5; there ``unobserved`` is the weight of one pair, and ``ridge``
    that of one unit of weight, so that good values depend on how dense the purchases are.
    """

    name: ClassVar[str] = "ials"
    tasks: ClassVar[tuple[str, ...]] = ("for_you",)
    effort: ClassVar[int] = 3

    n_factors: int = 128
    n_rounds: int = 12
    unobserved: float = 10.0
    ridge: float = 0.04
    frequency_power: float = 1.0
    seed: int = 0

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give factors for few and many purchases, and a heavier pull of what was not bought."""
        del real_time
        return [cls(), cls(n_factors=32), cls(n_factors=256, unobserved=25.0)]

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
        self.side_, of_items = self._sides(len(groups.group_item), int(np.sum(sizes > 0)))
        for _ in range(self.n_rounds):
            customers = self._solve(groups, *principal_axes(factors), self.side_)
            factors = self._solve(buyers, *principal_axes(customers), of_items)
        self.spectrum_, self.factors_ = principal_axes(factors)
        self._lay_out()

    def _sides(self, n_purchases: int, n_customers: int) -> tuple[Array, Array]:
        """Give the weight of a pair, of all pairs of one, and the ridge of a unit: float64[3]."""
        sold = int(np.sum(self.buyers_ > 0))
        sides = []
        for n_own, n_others in ((n_customers, sold), (sold, n_customers)):
            pair = self.unobserved * n_purchases / max(n_own * n_others, 1)
            mean = n_purchases / max(n_own, 1)
            unit = self.ridge * mean / max(mean + pair * n_others, 1e-9) ** self.frequency_power
            sides.append(np.array([pair, pair * n_others, unit]))
        return sides[0], sides[1]

    def _solve(self, groups: Groups, spectrum: Array, table: Array, side: Array) -> Array:
        pair, pairs, unit = side
        weight = np.diff(groups.group_ptr) + pairs
        ridge = (unit * weight**self.frequency_power).astype(np.float32)
        return solve_groups(groups, table, spectrum * np.float32(pair), ridge)

    def fold_in(self, ptr: Array, item: Array) -> Array:
        """Give the factors of customers by their items, as in ``Groups``: float32[n, width]."""
        return self._solve(Groups(ptr, item), self.spectrum_, self.factors_, self.side_)

    def arrays(self) -> dict[str, Array]:
        """Give the customers of each item, the factors of items, and what folding in needs."""
        return {
            "buyers": self.buyers_,
            "factors": self.factors_,
            "spectrum": self.spectrum_,
            "side": self.side_,
        }

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.buyers_ = arrays["buyers"].astype(np.int32)
        self.factors_ = np.ascontiguousarray(arrays["factors"], dtype=np.float32)
        self.spectrum_ = arrays["spectrum"].astype(np.float32)
        self.side_ = arrays["side"].astype(np.float64)
        self._lay_out()
