"""Items near to what a customer bought: the sum of short lists of neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.errors import ParameterError, did_you_mean
from recsql.kernels.groups import Groups
from recsql.kernels.list_search import best_of_lists
from recsql.kernels.neighbour_lists import NeighbourLists, neighbour_lists
from recsql.kernels.table_sums import sum_lists
from recsql.models.base import Array
from recsql.models.fold_in import FoldInRecommender
from recsql.models.requests import Recommended, Requests

WEIGHTINGS = ("cosine", "jaccard")


@dataclass
class ItemKNN(FoldInRecommender):
    """Score an item by the sum of its similarities to the items of a customer.

    Each item keeps its ``neighbours`` nearest ones. A customer of n items counts n ** (-2
    ``customer_power``), similarity to an item of m customers is multiplied by m **
    ``popularity_power``, and that of two items with few customers in common, n_ij, by n_ij / (n_ij
    + ``shrinkage``). With 0 for all three it is the plain cosine or Jaccard similarity.

    Source: Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", ACM TOIS 22(1),
    2004; Bell and Koren, KDD Cup 2007 (shrinkage).
    """

    name: ClassVar[str] = "item_knn"
    tasks: ClassVar[tuple[str, ...]] = ("for_you",)

    weighting: str = "cosine"
    neighbours: int = 200
    customer_power: float = 0.35
    popularity_power: float = 0.2
    shrinkage: float = 0.0

    def _check(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise ParameterError(
                f"weighting must be one of {', '.join(WEIGHTINGS)}, got {self.weighting!r}."
                f"{did_you_mean(self.weighting, WEIGHTINGS)}"
            )
        check_neighbours(self.neighbours, self.customer_power, self.popularity_power)
        if not 0 <= self.shrinkage < np.inf:
            raise ParameterError(f"shrinkage must be at least 0, got {self.shrinkage}.")

    def _learn(self, groups: Groups, n_items: int) -> None:
        self.lists_ = neighbour_lists(
            groups,
            n_items,
            min(self.neighbours, max(n_items - 1, 1)),
            weighting=self.weighting,
            customer_power=self.customer_power,
            popularity_power=self.popularity_power,
            shrinkage=self.shrinkage,
        )

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        """Look only at the items that the lists name; the others score nothing."""
        assert requests.events is not None  # recommend() looked
        bought = requests.events.distinct_items()
        item, score, known = best_of_lists(
            *self._known(*bought),
            *self.lists_,
            k,
            eligible=candidates,
            left_out=bought if requests.exclude_bought else None,
        )
        silent = np.flatnonzero(~known)
        if len(silent):
            found = super()._recommend(requests.chosen(silent), k, candidates)
            item[silent], score[silent] = found.item, found.score
        return Recommended(item, score, np.zeros_like(item))

    def _sums(self, ptr: Array, item: Array) -> Array:
        sums = sum_lists(ptr, item, *self.lists_)
        return np.where(sums > 0, sums, np.float32(-np.inf))

    def arrays(self) -> dict[str, Array]:
        """Give the customers of each item, its neighbours and their weights."""
        return {"buyers": self.buyers_, **self.lists_._asdict()}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.buyers_ = arrays["buyers"].astype(np.int32)
        self.lists_ = NeighbourLists(
            arrays["item"].astype(np.int32), arrays["weight"].astype(np.float32)
        )


def check_neighbours(neighbours: int, customer_power: float, popularity_power: float) -> None:
    """Refuse settings of neighbour lists that are out of their range.

    Raises
    ------
    ParameterError
        One of them is.
    """
    if not neighbours >= 1:
        raise ParameterError(f"neighbours must be at least 1, got {neighbours}.")
    check_powers(customer_power, popularity_power)


def check_powers(customer_power: float, popularity_power: float) -> None:
    """Refuse powers that are out of their range.

    Raises
    ------
    ParameterError
        One of them is.
    """
    if not 0 <= customer_power <= 1:
        raise ParameterError(f"customer_power must be from 0 to 1, got {customer_power}.")
    if not -0.5 <= popularity_power <= 0.5:
        raise ParameterError(f"popularity_power must be from -0.5 to 0.5, got {popularity_power}.")
