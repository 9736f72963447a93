"""Items that random walks from an item, or from a cart, meet most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.data.events import Events, pointers
from recsql.errors import ParameterError, did_you_mean
from recsql.kernels.random_walk import Rows, random_walks
from recsql.kernels.walk_graph import build_walk_graph
from recsql.kernels.walk_steps import FRACTIONS, Rule
from recsql.models.base import Array, Recommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests

SIDES = ("customers", "baskets")
MOST_BIAS = 100


@dataclass
class RandomWalk(Recommender):
    """Walk from item to item over the customers, or the baskets, that hold them.

    A step leaves an item for a customer who bought it, and the customer for one of their items;
    after a step the walk goes back to its start with probability ``restart``. Items are ranked by
    visits / (customers who bought the item) ** ``popularity_power``; the support is the visits.

    A customer is chosen in proportion to (number of their items) ** ``group_power``: 0 as in
    Pixie; 1 and a ``restart`` of 1 give the counts of ``user_copurchase``, as a sample.
    Where a request comes with purchases of a customer, others are chosen 1 + overlap times as
    often, at most 1 + ``bias``, with the number of the newest ``known_items`` that they share.

    A request without an item walks from these known items, a cart: ``steps`` are shared among
    them, and items met from several count for more. ``enough_items`` visited ``enough_visits``
    times end the walks from a start early; 0 visits: never.

    Source: Eksombatchai et al., "Pixie", WWW 2018; unified recommendation framework for a CRM,
    section 2.2 (biased random walk); Paudel et al., ACM TiiS 7(1), 2017 (visits over popularity).
    """

    name: ClassVar[str] = "random_walk"
    tasks: ClassVar[tuple[str, ...]] = ("related", "bundle")
    effort: ClassVar[int] = 2

    over: str = "customers"
    steps: int = 10_000
    restart: float = 0.5
    group_power: float = 0.5
    popularity_power: float = 0.0
    bias: int = 4
    known_items: int = 100
    enough_items: int = 100
    enough_visits: int = 0
    seed: int = 0

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give walks over customers and over baskets, of one step only, of some, or far away."""
        del real_time
        return [cls(over=side, restart=restart) for side in SIDES for restart in (0.1, 0.5, 1.0)]

    def _check(self) -> None:
        if self.over not in SIDES:
            raise ParameterError(
                f"over must be one of {', '.join(SIDES)}, got {self.over!r}."
                f"{did_you_mean(self.over, SIDES)}"
            )
        if not 0 < self.restart <= 1:
            raise ParameterError(f"restart must be above 0 and at most 1, got {self.restart}.")
        for name in ("group_power", "popularity_power"):
            if not 0 <= getattr(self, name) <= 4:
                raise ParameterError(f"{name} must be from 0 to 4, got {getattr(self, name)}.")
        ranges = {
            "steps": (1, 2**31 - 1),
            "bias": (0, MOST_BIAS),
            "known_items": (1, 2**31 - 1),
            "enough_items": (1, 2**31 - 1),
            "enough_visits": (0, 2**31 - 1),
            "seed": (0, 2**63 - 1),
        }
        for name, (least, most) in ranges.items():
            if not least <= getattr(self, name) <= most:
                raise ParameterError(
                    f"{name} must be from {least} to {most}, got {getattr(self, name)}."
                )

    def _fit(self, purchases: Purchases) -> None:
        groups = purchases.user_groups if self.over == "customers" else purchases.basket_groups
        self.graph_ = build_walk_graph(*groups, purchases.n_items, self.group_power)

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        nothing = Rows(np.zeros(len(requests) + 1, dtype=np.int64), np.empty(0, dtype=np.int32))
        known = left_out = nothing
        if requests.events is not None:
            known = newest_items(requests.events, int(self.known_items))
            if requests.exclude_bought:
                left_out = Rows(*requests.events.distinct_items())
        found = random_walks(
            self.graph_,
            starts_of(requests.item, known),
            k,
            self._rule(),
            known=known,
            left_out=left_out,
            eligible=candidates,
        )
        return Recommended(*found)

    def _rule(self) -> Rule:
        return Rule(
            int(self.steps),
            max(1, round(self.restart * FRACTIONS)),
            float(self.popularity_power),
            int(self.bias),
            int(self.enough_items),
            int(self.enough_visits),
            int(self.seed),
        )

    def arrays(self) -> dict[str, Array]:
        """Give the groups that hold two items or more."""
        return {
            "ptr": self.graph_.group_ptr,
            "item": self.graph_.group_item,
            "n_items": np.array([self.graph_.n_items]),
        }

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        ptr, item = arrays["ptr"].astype(np.int64), arrays["item"].astype(np.int32)
        self.graph_ = build_walk_graph(ptr, item, int(arrays["n_items"][0]), self.group_power)


def starts_of(item: Array, known: Rows) -> Rows:
    """Give what each request walks from: its item, or all known items where it has none."""
    asked = item >= 0
    sizes = np.where(asked, 1, np.diff(known.ptr))
    ptr = pointers(sizes)
    start = np.empty(int(ptr[-1]), dtype=np.int32)
    start[ptr[:-1][asked]] = item[asked]
    start[np.repeat(~asked, sizes)] = known.item[np.repeat(~asked, np.diff(known.ptr))]
    return Rows(ptr, start)


def newest_items(events: Events, most: int) -> Rows:
    """Give the different items that each customer bought last, at most so many, oldest first."""
    key = events.user.astype(np.int64) * max(events.n_items, 1) + events.item
    _, place = np.unique(key[::-1], return_index=True)
    last = np.sort(len(key) - 1 - place)  # the last event of each customer and item, in order
    sizes = np.bincount(events.user[last], minlength=events.n_users)
    after = np.repeat(np.cumsum(sizes), sizes) - 1 - np.arange(len(last))
    last = last[after < most]
    return Rows(pointers(np.minimum(sizes, most)), events.item[last])
