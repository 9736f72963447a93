"""What remains of a customer's purchases when the purchase graph is smoothed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.errors import ParameterError
from recsql.kernels.groups import Groups
from recsql.kernels.neighbour_lists import NeighbourLists, neighbour_lists
from recsql.kernels.spectrum import leading_factors
from recsql.kernels.table_sums import add_factors, sum_lists, sum_rows
from recsql.models.base import Array
from recsql.models.fold_in import FoldInRecommender
from recsql.models.item_knn import check_neighbours

ITEMS_PER_FACTOR = 4


@dataclass
class GraphFilter(FoldInRecommender):
    """Add a linear and an ideal low-pass filter on the graph of customers and items.

    The linear filter is a sum over neighbours, as in ``item_knn`` with ``neighbours``,
    ``customer_power``, ``popularity_power`` and ``shrinkage``, in the units of a power of 1/2.
    ``low_pass`` times the ideal filter is added: the projection on the ``n_factors`` smoothest
    directions (at most a quarter of the items), found in ``n_rounds`` of an iteration that starts
    from ``seed``. With ``sharpening`` t it counts a direction 1 - t v, where v is what the linear
    filter of GF-CF leaves of it: at 1 the two do not say the same about the smoothest ones.

    Source: Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021
    (GF-CF). There the linear filter keeps all neighbours, both powers are fixed, .5 and 0, and
    nothing is shrunk. Choi et al., "Blurring-Sharpening Process Models for Collaborative
    Filtering", SIGIR 2023 (a step against the linear filter; here on the ideal filter alone).
    """

    name: ClassVar[str] = "graph_filter"
    tasks: ClassVar[tuple[str, ...]] = ("for_you",)
    effort: ClassVar[int] = 2

    neighbours: int = 200
    customer_power: float = 0.35
    popularity_power: float = 0.2
    shrinkage: float = 0.0
    n_factors: int = 256
    low_pass: float = 0.15
    sharpening: float = 0.0
    n_rounds: int = 6
    seed: int = 0

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give the plain filter, and one that trusts rare pairs and popular directions less."""
        del real_time
        return [cls(), cls(low_pass=0.3, shrinkage=1.0, sharpening=1.0)]

    def _check(self) -> None:
        check_neighbours(self.neighbours, self.customer_power, self.popularity_power)
        for name in ("n_factors", "n_rounds"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("low_pass", "shrinkage"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ParameterError(f"{name} must be at least 0, got {getattr(self, name)}.")
        if not 0 <= self.sharpening <= 1:
            raise ParameterError(f"sharpening must be from 0 to 1, got {self.sharpening}.")
        if not self.seed >= 0:
            raise ParameterError(f"seed must be at least 0, got {self.seed}.")

    def _learn(self, groups: Groups, n_items: int) -> None:
        lists = neighbour_lists(
            groups,
            n_items,
            min(self.neighbours, max(n_items - 1, 1)),
            customer_power=self.customer_power,
            popularity_power=self.popularity_power,
            shrinkage=self.shrinkage,
        )
        sizes = np.diff(groups.group_ptr).astype(np.float64)
        sizes = sizes[sizes > 0]
        unit = len(sizes) / np.sum(sizes ** (1 - 2 * self.customer_power)) if len(sizes) else 1.0
        weight = (lists.weight * unit).astype(np.float32)
        self.lists_ = NeighbourLists(lists.item, weight)
        n_factors = max(1, min(self.n_factors, n_items // ITEMS_PER_FACTOR))
        self.values_, self.factors_ = leading_factors(
            groups, n_items, n_factors, n_rounds=self.n_rounds, seed=self.seed
        )
        self._lay_out()

    def _lay_out(self) -> None:
        """Prepare both sides of the ideal filter: from items to factors and back."""
        root = np.sqrt(np.maximum(self.buyers_, 1), dtype=np.float32)[:, None]
        self._to_factors = (self.factors_ / root).astype(np.float32)
        share = self.low_pass * np.maximum(1 - self.sharpening * self.values_, 0)
        self._to_items = np.ascontiguousarray((self.factors_ * root * share).T, dtype=np.float32)

    def _sums(self, ptr: Array, item: Array) -> Array:
        scores: Array = sum_lists(ptr, item, *self.lists_)
        add_factors(scores, sum_rows(ptr, item, self._to_factors), self._to_items)
        return scores

    def arrays(self) -> dict[str, Array]:
        """Give the customers of each item, its neighbours, their weights, and the directions."""
        directions = {"values": self.values_, "factors": self.factors_}
        return {"buyers": self.buyers_, **directions, **self.lists_._asdict()}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.buyers_ = arrays["buyers"].astype(np.int32)
        self.values_ = arrays["values"].astype(np.float32)
        self.factors_ = arrays["factors"].astype(np.float32)
        self.lists_ = NeighbourLists(
            arrays["item"].astype(np.int32), arrays["weight"].astype(np.float32)
        )
        self._lay_out()
