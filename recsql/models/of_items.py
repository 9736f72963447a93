"""Models of customers that answer about an item, as to someone who bought nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.errors import ParameterError
from recsql.kernels.groups import Groups
from recsql.kernels.topk import top_k
from recsql.models.base import MOST_SCORES, Array
from recsql.models.ease import Ease
from recsql.models.fold_in import FoldInRecommender
from recsql.models.graph_filter import GraphFilter
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests


class OfItemsRecommender(FoldInRecommender):
    """Learn from the distinct items of each customer; score all items for one.

    An item that nobody bought has no list, and what scores 0 or less is in none. Every item is
    scored for every other: more than ``max_items`` are refused.
    """

    tasks: ClassVar[tuple[str, ...]] = ("related",)
    needs_events: ClassVar[bool] = False
    effort: ClassVar[int] = 2

    max_items: int

    def _groups(self, purchases: Purchases) -> Groups:
        return Groups(*purchases.user_groups)

    def _learn(self, groups: Groups, n_items: int) -> None:
        if n_items > self.max_items:
            raise ParameterError(
                f"{self.name} must have at most {self.max_items} items, got {n_items}: it scores "
                "each for every other. Raise max_items, or use user_copurchase or random_walk."
            )
        super()._learn(groups, n_items)  # type: ignore[safe-super]

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        item = np.full((len(requests), k), -1, dtype=np.int32)
        score = np.zeros((len(requests), k), dtype=np.float64)
        rows = max(1, MOST_SCORES // max(self.n_items_, 1))
        for first in range(0, len(requests), rows):
            asked = requests.item[first : first + rows]
            ptr = np.zeros(len(asked) + 1, dtype=np.int64)
            np.cumsum(asked >= 0, out=ptr[1:])
            shown = asked[asked >= 0]
            scores = self._evidence(ptr, shown)
            scores[~(scores > 0)] = -np.inf
            item[first : first + rows], score[first : first + rows] = top_k(
                scores, k, eligible=candidates, left_out=(ptr, shown)
            )
        return Recommended(item, score, np.zeros_like(item))


@dataclass
class EaseOfItems(OfItemsRecommender, Ease):
    """The weights that ``ease`` gives to one item.

    The other items are what it predicts from this one, given all others: what a customer bought
    that explains the purchase better takes the weight away.

    Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
    """

    name: ClassVar[str] = "ease_of_items"

    ridge: float = 20.0
    popularity_power: float = 0.2
    max_items: int = 10_000


@dataclass
class GraphFilterOfItems(OfItemsRecommender, GraphFilter):
    """What ``graph_filter`` gives to someone who bought one item.

    Source: Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021.
    """

    name: ClassVar[str] = "graph_filter_of_items"

    n_factors: int = 64
    popularity_power: float = 0.4
    shrinkage: float = 1.0
    max_items: int = 50_000

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give one that favours what is bought much, and one that does not."""
        del real_time
        plain = cls(popularity_power=0.2, low_pass=0.3, sharpening=1.0)
        return [cls(), plain]
