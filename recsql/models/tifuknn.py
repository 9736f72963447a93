"""The next basket, by how often and how lately the customer and those like them bought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.data.events import Events, pointers
from recsql.errors import ParameterError
from recsql.kernels.nearest_customers import (
    Asked,
    Mixture,
    Rows,
    both_ways,
    mix_with_nearest,
)
from recsql.models.base import Array, Recommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests


@dataclass
class TifuKNN(Recommender):
    """Mix how often a customer buys an item with how often the customers nearest to them do.

    Baskets are counted from the newest one back and cut into groups of ``group_size``. A basket
    ``n`` baskets before the end of its group weighs ``basket_decay ** n``, a group ``n`` groups
    before the newest one ``group_decay ** n``. A customer's value of an item is the mean over
    groups of the mean over a group's baskets of the weights of those with the item. The
    ``neighbours`` nearest customers by Euclidean distance have a say of ``1 - own_share``; nobody
    is their own neighbour. Added is ``everyone_weight`` times the share of all customers who buy
    the item; who bought nothing gets the items by that share.

    Source: Hu et al., "Modeling Personalized Item Frequency Information for Next-basket
    Recommendation", SIGIR 2020. Different here: where baskets do not fill the groups, the oldest
    group is the smaller one; the share of all customers is added, as in the paper's baselines.
    """

    name: ClassVar[str] = "tifuknn"
    tasks: ClassVar[tuple[str, ...]] = ("next",)
    needs_events: ClassVar[bool] = True

    neighbours: int = 300
    group_size: int = 7
    basket_decay: float = 0.9
    group_decay: float = 0.7
    own_share: float = 0.7
    everyone_weight: float = 0.01

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give more and less of the neighbours, slow and fast forgetting, and mostly counts."""
        del real_time
        return [
            cls(),
            cls(group_decay=0.9, own_share=0.9),
            cls(neighbours=50, group_size=3, basket_decay=1.0, group_decay=0.5, own_share=0.2),
            cls(basket_decay=1.0, group_decay=1.0, own_share=0.7, everyone_weight=0.5),
        ]

    def _check(self) -> None:
        for name in ("neighbours", "group_size"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("basket_decay", "group_decay"):
            if not 0 < getattr(self, name) <= 1:
                raise ParameterError(
                    f"{name} must be above 0 and at most 1, got {getattr(self, name)}."
                )
        if not 0 <= self.own_share <= 1:
            raise ParameterError(f"own_share must be 0 to 1, got {self.own_share}.")
        if not self.everyone_weight >= 0:
            raise ParameterError(f"everyone_weight must be at least 0, got {self.everyone_weight}.")

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.events is not None  # fit() looked
        self.customers_ = both_ways(self.values(purchases.events), purchases.n_items)

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        events = requests.events
        assert events is not None  # recommend() looked
        out_ptr, out = np.zeros_like(events.user_ptr), np.empty(0, dtype=np.int32)
        if requests.exclude_bought:
            out_ptr, out = events.distinct_items()
        user = np.ascontiguousarray(requests.user, dtype=np.int32)
        found = mix_with_nearest(
            self.customers_,
            Asked(self.values(events), user, out_ptr, out),
            Mixture(self.neighbours, float(self.own_share), float(self.everyone_weight)),
            k,
            eligible=candidates,
        )
        return Recommended(*found)

    def values(self, events: Events) -> Rows:
        """Give each customer's values: a row of items, ascending."""
        n_items = max(events.n_items, 1)
        baskets = np.zeros(events.n_users, dtype=np.int64)
        np.maximum.at(baskets, events.user, events.basket + 1)
        first = pointers(baskets)[:-1]
        # One entry a basket and item; both ascend within a customer.
        basket, item = np.divmod(
            np.unique((first[events.user] + events.basket) * n_items + events.item), n_items
        )
        user = np.repeat(np.arange(events.n_users), baskets)[basket]
        back = baskets[user] - 1 - (basket - first[user])
        group, in_group = np.divmod(back, self.group_size)
        groups = -(-baskets // self.group_size)[user]
        size = np.minimum(self.group_size, baskets[user] - group * self.group_size)
        weight = self.group_decay**group * self.basket_decay**in_group / (size * groups)
        key, cell = np.unique(user * n_items + item, return_inverse=True)
        owner, code = np.divmod(key, n_items)
        value: Array = np.bincount(cell, weights=weight, minlength=len(key))
        kept = value > 0  # weights of a distant past can vanish
        return Rows(
            pointers(np.bincount(owner[kept], minlength=events.n_users)),
            code[kept].astype(np.int32),
            value[kept],
        )

    def arrays(self) -> dict[str, Array]:
        """Give the values of the customers, and how many items there are."""
        n_items = len(self.customers_.share)
        return {**self.customers_.items._asdict(), "n_items": np.array([n_items])}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        items = Rows(
            np.ascontiguousarray(arrays["ptr"], dtype=np.int64),
            np.ascontiguousarray(arrays["code"], dtype=np.int32),
            np.ascontiguousarray(arrays["value"], dtype=np.float64),
        )
        self.customers_ = both_ways(items, int(arrays["n_items"][0]))
