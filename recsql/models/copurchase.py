"""Items bought by the same customers, or in the same baskets: counted exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.errors import ParameterError, did_you_mean
from recsql.kernels.cooccurrence import (
    Neighbours,
    Pairs,
    count_pairs,
    merge_pairs,
    pair_bytes_estimate,
    rank_pairs,
    relabel_pairs,
    top_neighbours,
)
from recsql.models.base import Array, Purchases, Recommended, Recommender

WEIGHTINGS = ("cosine", "jaccard", "confidence", "lift", "count")


@dataclass
class CoPurchase(Recommender):
    """Count how many groups hold two items, and weigh the count.

    With n_ij groups that hold both, n_i and n_j that hold one, and N groups: count n_ij, cosine
    n_ij / sqrt(n_i n_j), jaccard n_ij / (n_i + n_j - n_ij), lift n_ij N / (n_i n_j), confidence
    n_ij / n_i. Pairs below ``min_support`` groups are left out.

    Source: Linden, Smith and York, IEEE Internet Computing 7(1), 2003; unified recommendation
    framework for a CRM, section 2.2.
    """

    keep_pair_bytes: ClassVar[int] = 0  # a trainer that will refresh sets it on the instance

    weighting: str = "cosine"
    min_support: int = 2

    def _check(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise ParameterError(
                f"weighting must be one of {', '.join(WEIGHTINGS)}, got {self.weighting!r}."
                f"{did_you_mean(self.weighting, WEIGHTINGS)}"
            )
        if not self.min_support >= 1:
            raise ParameterError(f"min_support must be at least 1, got {self.min_support}.")

    @classmethod
    def groups(cls, purchases: Purchases) -> tuple[Array, Array]:
        """Give (ptr, item) of the groups that this model counts."""
        raise NotImplementedError

    def _fit(self, purchases: Purchases) -> None:
        ptr, item = self.groups(purchases)
        self._groups = (ptr, item)
        self.n_items_ = purchases.n_items
        self.n_groups_ = int(np.count_nonzero(np.diff(ptr)))
        fits = self.keep_pair_bytes > 0 and (
            pair_bytes_estimate(ptr, item, purchases.n_items) <= self.keep_pair_bytes
        )
        self.pairs_: Pairs | None = count_pairs(ptr, item, purchases.n_items) if fits else None

    def change(
        self,
        added: tuple[Array, Array],
        removed: tuple[Array, Array],
        new_code: Array,
        n_items: int,
    ) -> None:
        """Bring counted pairs up to date with groups that came and went.

        Parameters
        ----------
        added, removed : (ptr, item) of whole groups, in the new item codes
        new_code : int32[old n_items]    new code of each old item, ascending
        """
        if self.pairs_ is None:
            raise ParameterError("Pairs must have been kept to be changed. Count them again.")
        pairs = relabel_pairs(self.pairs_, new_code, n_items)
        self.pairs_ = merge_pairs(
            pairs, count_pairs(*added, n_items), count_pairs(*removed, n_items)
        )
        self.n_items_ = n_items
        self.n_groups_ += int(np.count_nonzero(np.diff(added[0])))
        self.n_groups_ -= int(np.count_nonzero(np.diff(removed[0])))

    def rank(self, k: int, eligible: Array | None) -> Neighbours:
        """Give the best ``k`` neighbours of every item."""
        if self.pairs_ is not None:
            return rank_pairs(
                self.pairs_,
                k,
                weighting=self.weighting,
                min_support=self.min_support,
                n_groups=self.n_groups_,
                eligible=eligible,
            )
        ptr, item = self._groups
        return top_neighbours(
            ptr,
            item,
            self.n_items_,
            k,
            weighting=self.weighting,
            min_support=self.min_support,
            n_groups=self.n_groups_,
            eligible=eligible,
        )

    def arrays(self) -> dict[str, Array]:
        """Give the kept pairs; empty when they were too many to keep."""
        if self.pairs_ is None:
            return {}
        return {
            "ptr": self.pairs_.ptr,
            "item": self.pairs_.item,
            "count": self.pairs_.count,
            "n_groups": np.array([self.n_groups_], dtype=np.int64),
        }

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.pairs_ = Pairs(arrays["ptr"], arrays["item"], arrays["count"], None)
        self.n_groups_ = int(arrays["n_groups"][0])

    def _recommend(self, queries: Array, k: int, candidates: Array | None) -> Recommended:
        found = self.rank(k, candidates)
        return Recommended(
            found.item[queries, :k], found.score[queries, :k], found.support[queries, :k]
        )


@dataclass
class UserCopurchase(CoPurchase):
    """Items bought by the same customers, at any time."""

    name: ClassVar[str] = "user_copurchase"
    tasks: ClassVar[tuple[str, ...]] = ("related",)

    @classmethod
    def groups(cls, purchases: Purchases) -> tuple[Array, Array]:
        """Give the distinct items of each customer."""
        return purchases.user_groups


@dataclass
class BasketCopurchase(CoPurchase):
    """Items bought in the same basket."""

    name: ClassVar[str] = "basket_copurchase"
    tasks: ClassVar[tuple[str, ...]] = ("bundle",)

    @classmethod
    def groups(cls, purchases: Purchases) -> tuple[Array, Array]:
        """Give the distinct items of each basket."""
        return purchases.basket_groups
