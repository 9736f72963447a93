"""The rating to expect by biases, and by factors of customers and items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.data.events import Events, pointers
from recsql.errors import ParameterError
from recsql.kernels.dense import one_blas_thread
from recsql.kernels.ridge_rows import solve_ridges
from recsql.models.base import Array, PairScorer
from recsql.models.purchases import Purchases
from recsql.models.rating import RatingModel
from recsql.models.rating_biases import check_pulls
from recsql.models.rating_parts import RatingParts, rated
from recsql.models.requests import Requests


@dataclass
class RatingFactors(RatingModel):
    """Expect what ``rating_biases`` does, plus the product of a customer's and an item's factors.

    What biases leave is factorized by alternating least squares in ``n_rounds``, with a ``ridge``
    on each of the ``n_factors`` of an item and a customer. Customers are not kept: everyone is
    solved for when asked about, from what they have rated by then.

    Source: Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems",
    Computer 42(8), 2009, equation 5; there biases and factors are learned together, here factors
    after the biases.
    """

    name: ClassVar[str] = "rating_factors"
    tasks: ClassVar[tuple[str, ...]] = ("rating",)
    effort: ClassVar[int] = 3

    n_factors: int = 16
    n_rounds: int = 12
    ridge: float = 8.0
    item_pull: float = 5.0
    customer_pull: float = 5.0
    seed: int = 0

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give weaker and stronger ridges, and more factors."""
        del real_time
        return [cls(), cls(ridge=4.0), cls(ridge=16.0), cls(n_factors=48, ridge=12.0)]

    def _check(self) -> None:
        for name in ("n_factors", "n_rounds"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 < self.ridge < np.inf:
            raise ParameterError(f"ridge must be above 0, got {self.ridge}.")
        check_pulls(self.item_pull, self.customer_pull)
        if not self.seed >= 0:
            raise ParameterError(f"seed must be at least 0, got {self.seed}.")

    def _fit(self, purchases: Purchases) -> None:
        events = purchases.events
        assert events is not None  # fit() looked
        self.parts_ = RatingParts.learn(events, self.item_pull, self.customer_pull)
        user, _, rest = self.parts_.left(events)
        rest = rest - self.parts_.of_customers(events)[user]
        shape = self.n_factors, self.n_rounds
        self.factors_ = item_factors(events, rest, *shape, self.ridge, self.seed)

    def _customers(self, events: Events | None) -> tuple[Array, Array]:
        """Give the mean and what customers add, float64[n], and their factors."""
        assert events is not None  # recommend() looked
        user, item, rest = self.parts_.left(events)
        adds = self.parts_.of_customers(events)
        ptr = pointers(np.bincount(user, minlength=events.n_users))
        own = solve_ridges(ptr, item, rest - adds[user], self.factors_, self.ridge)
        return self.parts_.mean + adds, own

    def _pair_ratings(self, requests: Requests) -> PairScorer:
        customer, own = self._customers(requests.events)

        def rate(row: Array, item: Array) -> Array:
            told = np.einsum("nw,nw->n", own[row], self.factors_[item])
            return np.asarray(customer[row] + self.parts_.item[item] + told)

        return rate

    def _all_ratings(self, requests: Requests) -> Array:
        customer, own = self._customers(requests.events)
        with one_blas_thread():
            found: Array = customer[:, None] + self.parts_.item + own @ self.factors_.T
        return found.astype(np.float32)

    def arrays(self) -> dict[str, Array]:
        """Give the mean, what items add, and their factors."""
        return super().arrays() | self.parts_.arrays() | {"factors": self.factors_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        super()._restore(arrays)
        self.parts_ = RatingParts.of_arrays(arrays)
        self.factors_ = np.ascontiguousarray(arrays["factors"], dtype=np.float64)


def item_factors(
    events: Events, rest: Array, n_factors: int, n_rounds: int, ridge: float, seed: int
) -> Array:
    """Factorize what is left of ratings by alternating least squares.

    Parameters
    ----------
    rest : float64[n]    of each event with a rating, in order
    ridge : weight of the squares of each factor of an item or a customer, > 0

    Returns
    -------
    float64[n_items, n_factors]    of items; 0 for one that nobody rated
    """
    user, item, _ = rated(events)
    users = pointers(np.bincount(user, minlength=events.n_users))
    items = pointers(np.bincount(item, minlength=events.n_items))
    by_item = np.argsort(item, kind="stable")
    rng = np.random.default_rng(seed)
    factors: Array = rng.standard_normal((events.n_items, n_factors)) * 0.1
    for _ in range(n_rounds):
        own = solve_ridges(users, item, rest, factors, ridge)
        factors = np.asarray(solve_ridges(items, user[by_item], rest[by_item], own, ridge))
    return factors
