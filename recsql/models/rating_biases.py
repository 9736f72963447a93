"""The rating to expect by how much an item and a customer add to the mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.errors import ParameterError
from recsql.models.base import Array, PairScorer
from recsql.models.purchases import Purchases
from recsql.models.rating import RatingModel
from recsql.models.rating_parts import RatingParts
from recsql.models.requests import Requests


@dataclass
class RatingBiases(RatingModel):
    """Expect the mean, plus what the item adds, plus what the customer adds.

    Both are drawn to 0, as if every item had ``item_pull`` ratings of exactly the mean, and every
    customer ``customer_pull``. Customers are not kept: what one adds is computed when asked, from
    what they have rated by then.

    Source: Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems",
    Computer 42(8), 2009, equation 3.
    """

    name: ClassVar[str] = "rating_biases"
    tasks: ClassVar[tuple[str, ...]] = ("rating",)

    item_pull: float = 5.0
    customer_pull: float = 5.0

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give weak and strong pulls."""
        del real_time
        pulls = [(5.0, 5.0), (2.0, 2.0), (10.0, 5.0), (25.0, 10.0)]
        return [cls(item_pull=item, customer_pull=customer) for item, customer in pulls]

    def _check(self) -> None:
        check_pulls(self.item_pull, self.customer_pull)

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.events is not None  # fit() looked
        self.parts_ = RatingParts.learn(purchases.events, self.item_pull, self.customer_pull)

    def _pair_ratings(self, requests: Requests) -> PairScorer:
        customer, parts = self.parts_.known_of(requests), self.parts_
        return lambda row, item: customer[row] + parts.item[item]

    def _all_ratings(self, requests: Requests) -> Array:
        return (self.parts_.known_of(requests)[:, None] + self.parts_.item).astype(np.float32)

    def arrays(self) -> dict[str, Array]:
        """Give the mean and what items add."""
        return super().arrays() | self.parts_.arrays()

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        super()._restore(arrays)
        self.parts_ = RatingParts.of_arrays(arrays)


def check_pulls(item_pull: float, customer_pull: float) -> None:
    """Check both pulls.

    Raises
    ------
    ParameterError
        One is below 0, or not finite.
    """
    for name, pull in (("item_pull", item_pull), ("customer_pull", customer_pull)):
        if not 0 <= pull < np.inf:
            raise ParameterError(f"{name} must be at least 0, got {pull}.")
