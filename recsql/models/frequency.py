"""What a customer buys most often, and what everyone does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.data.events import pointers
from recsql.errors import ParameterError
from recsql.models.base import Array, ScoringRecommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests


@dataclass
class Frequency(ScoringRecommender):
    """Rank items by the share of the customer's baskets that hold them, then by all customers.

    A basket ``n`` baskets before the newest one weighs ``decay ** n``. To the share of the
    customer's weight is added ``global_weight`` times the share of all customers who bought it.

    Source: Hu et al., "Modeling Personalized Item Frequency Information for Next-basket
    Recommendation", SIGIR 2020 (the baselines G-TopFreq, P-TopFreq and GP-TopFreq).
    """

    name: ClassVar[str] = "frequency"
    tasks: ClassVar[tuple[str, ...]] = ("next", "for_you")
    effort: ClassVar[int] = 0

    decay: float = 0.9
    global_weight: float = 0.01

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give slow and fast forgetting."""
        del real_time
        return [cls(decay=decay) for decay in (1.0, 0.9, 0.7)]

    def _check(self) -> None:
        if not 0 < self.decay <= 1:
            raise ParameterError(f"decay must be above 0 and at most 1, got {self.decay}.")
        if not self.global_weight >= 0:
            raise ParameterError(f"global_weight must be at least 0, got {self.global_weight}.")

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.events is not None  # fit() looked
        _, item = purchases.events.distinct_items()
        users = np.bincount(item, minlength=purchases.n_items)
        self.share_ = (users / purchases.events.n_users).astype(np.float32)

    def _scores(self, requests: Requests) -> Array:
        assert requests.events is not None  # recommend() looked
        events = requests.events
        everyone = np.where(self.share_ > 0, self.share_ * self.global_weight, -np.inf)
        scores = np.tile(everyone.astype(np.float32), (len(requests), 1))
        if len(events.item) == 0:
            return scores
        baskets = np.zeros(events.n_users, dtype=np.int64)
        np.maximum.at(baskets, events.user, events.basket + 1)
        ptr = pointers(baskets)
        entry = np.unique((ptr[:-1][events.user] + events.basket) * events.n_items + events.item)
        basket, item = np.divmod(entry, events.n_items)
        user = np.repeat(np.arange(events.n_users), baskets)
        weight = self.decay ** (ptr[1:][user] - 1.0 - np.arange(len(user)))
        total = np.bincount(user, weights=weight, minlength=events.n_users)
        own: Array = np.bincount(
            user[basket] * events.n_items + item, weights=weight[basket], minlength=scores.size
        ).reshape(scores.shape)
        own = own / np.where(total > 0, total, 1.0)[:, None]
        known = np.where(np.isneginf(scores), 0.0, scores)
        return np.where(own > 0, own + known, scores).astype(np.float32)

    def arrays(self) -> dict[str, Array]:
        """Give the share of all customers who bought each item."""
        return {"share": self.share_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.share_ = arrays["share"].astype(np.float32)
