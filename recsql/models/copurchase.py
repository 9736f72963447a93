"""Items bought by the same customers, or in the same baskets: counted exactly."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.errors import ParameterError, did_you_mean
from recsql.kernels.cooccurrence import top_neighbours
from recsql.kernels.decay import epoch_day, now_factor, root_decay, root_size, whole
from recsql.kernels.group_changes import unmatched_groups
from recsql.kernels.pairs import (
    Pairs,
    count_pairs,
    merge_pairs,
    pair_bytes_estimate,
    rank_pairs,
    relabel_pairs,
)
from recsql.kernels.ranking import Neighbours
from recsql.models.base import Array, Recommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests

HALF_LIVES_DAYS = (30.0, 120.0)
SIZE_POWER = 0.5
LEAST_RANKED = 50
WEIGHTINGS = ("cosine", "jaccard", "confidence", "lift", "count")


class Groups(NamedTuple):
    """Groups of items with the weight of each entry (None: all alike)."""

    ptr: Array
    item: Array
    weight: Array | None


class PairChange(NamedTuple):
    """Groups that came and went, in the item codes after the change.

    Attributes
    ----------
    n_items : int                     items after the change
    new_code : int32[old n_items]     new code of each old item, ascending; empty: all codes stay
    came, went : Groups               those in both are left out
    """

    n_items: int
    new_code: Array
    came: Groups
    went: Groups

    def arrays(self) -> dict[str, Array]:
        """Give it as named arrays."""
        parts = {"came": self.came, "went": self.went}
        arrays = {
            f"{name}_{field}": array
            for name, groups in parts.items()
            for field, array in groups._asdict().items()
            if array is not None
        }
        return {"n_items": np.array([self.n_items]), "new_code": self.new_code, **arrays}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array]) -> PairChange:
        """Take back what ``arrays`` gave."""
        weights = (arrays.get("came_weight"), arrays.get("went_weight"))
        came, went = (
            Groups(
                arrays[f"{name}_ptr"].astype(np.int64),
                arrays[f"{name}_item"].astype(np.int32),
                None if weight is None else weight.astype(np.int64),
            )
            for name, weight in zip(("came", "went"), weights, strict=True)
        )
        return cls(int(arrays["n_items"][0]), arrays["new_code"].astype(np.int32), came, went)


@dataclass
class CoPurchase(Recommender):
    """Count how many groups hold two items, and weigh the count.

    With n_ij groups that hold both, n_i and n_j that hold one, and N groups: count n_ij, cosine
    n_ij / sqrt(n_i n_j), jaccard n_ij / (n_i + n_j - n_ij), lift n_ij N / (n_i n_j), confidence
    n_ij / n_i. Pairs below ``min_support`` groups are left out.

    With ``half_life_days`` a pair counts less the older it is: half, when its two purchases are
    one half-life old on average. With ``size_power`` a pair of a group of n items counts n **
    -``size_power``: who buys everything says little about two of the items. Sums of these weights
    take the places of the counts; the support that ``min_support`` looks at stays the plain count.

    Source: Linden, Smith and York, IEEE Internet Computing 7(1), 2003; unified recommendation
    framework for a CRM, section 2.2.
    """

    refreshes: ClassVar[bool] = True

    weighting: str = "cosine"
    min_support: int = 2
    half_life_days: float | None = None
    size_power: float = 0.0

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give the weightings, some by size of the group, and with ages where there is real time.

        Counts order the neighbours of an item as confidence does.
        """
        found = [cls(weighting=weighting) for weighting in WEIGHTINGS if weighting != "count"]
        found.append(cls(weighting="confidence", size_power=SIZE_POWER))
        # Of few purchases almost every pair was seen once.
        found.append(cls(weighting="confidence", min_support=1, size_power=SIZE_POWER))
        if real_time:
            found += [
                cls(weighting=weighting, half_life_days=days)
                for weighting in ("cosine", "confidence")
                for days in HALF_LIVES_DAYS
            ]
            oldest = HALF_LIVES_DAYS[-1]
            found.append(cls(weighting="confidence", half_life_days=oldest, size_power=SIZE_POWER))
        return found

    @property
    def is_weighted(self) -> bool:
        """Tell whether sums of weights take the places of counts."""
        return self.half_life_days is not None or self.size_power != 0

    def __post_init__(self) -> None:
        self.keep_pair_bytes = 0  # not a setting: a trainer that will refresh raises it

    def _check(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise ParameterError(
                f"weighting must be one of {', '.join(WEIGHTINGS)}, got {self.weighting!r}."
                f"{did_you_mean(self.weighting, WEIGHTINGS)}"
            )
        if not self.min_support >= 1:
            raise ParameterError(f"min_support must be at least 1, got {self.min_support}.")
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise ParameterError(
                f"half_life_days must be > 0, got {self.half_life_days}. "
                "None counts all ages alike."
            )
        if not 0 <= self.size_power <= 2:
            raise ParameterError(f"size_power must be from 0 to 2, got {self.size_power}.")

    @classmethod
    @abstractmethod
    def groups(cls, purchases: Purchases) -> tuple[Array, Array]:
        """Give (ptr, item) of the groups that this model counts."""

    @classmethod
    @abstractmethod
    def times(cls, purchases: Purchases, groups: tuple[Array, Array]) -> Array:
        """Give the time of each entry of the groups: int64[n_entries]."""

    def epoch(self, today: int | None) -> int:
        """Give the day that ages are counted to; 0 where age does not count.

        Raises
        ------
        ParameterError
            Age is to count and there is no real time.
        """
        if self.half_life_days is None:
            return 0
        if today is None:
            raise ParameterError(
                "half_life_days must be None without dates or timestamps, "
                f"got {self.half_life_days}. Bind ts to a DATE or TIMESTAMP."
            )
        return epoch_day(today, self.half_life_days)

    def _fit(self, purchases: Purchases) -> None:
        self.today_ = purchases.today
        self.epoch_ = self.epoch(purchases.today)
        self.groups_: Groups | None = self._weighted_groups(purchases)
        self.n_items_ = purchases.n_items
        self.n_groups_, self.total_weight_ = _totals(self.groups_)
        bytes_needed = pair_bytes_estimate(self.groups_.ptr, self.groups_.item, self.n_items_)
        self._forget_ranking()
        self.pairs_: Pairs | None = None
        if bytes_needed <= self.keep_pair_bytes:
            key = (self.name, self.epoch_, self.half_life_days, self.size_power)
            if key not in purchases.shared:
                purchases.shared[key] = self._count(self.groups_, self.n_items_)
            self.pairs_ = purchases.shared[key]

    def change_of(self, added: Purchases, removed: Purchases, new_code: Array) -> PairChange:
        """Give the change of the counted pairs when purchases come and go.

        Parameters
        ----------
        added, removed : purchases of the changed buyers as they are and as they were, both in
            the new item codes
        new_code : int32[old n_items]    new code of each old item, ascending
        """
        n_items = added.n_items
        if len(new_code) == n_items:
            new_code = new_code[:0]
        came, went = cancel(self._weighted_groups(added), self._weighted_groups(removed))
        return PairChange(n_items, new_code, came, went)

    def change(self, change: PairChange, today: int | None) -> None:
        """Bring counted pairs up to date.

        Raises
        ------
        ParameterError
            The pairs were not kept.
        """
        if self.pairs_ is None:
            raise ParameterError("Pairs must have been kept to be changed. CALL recsql.train().")
        pairs, n_items = self.pairs_, change.n_items
        if len(change.new_code):
            pairs = relabel_pairs(pairs, change.new_code, n_items)
        self.pairs_ = merge_pairs(
            pairs, self._count(change.came, n_items), self._count(change.went, n_items)
        )
        self._forget_ranking()
        self.n_items_ = n_items
        self.groups_ = None
        self.today_ = today
        for sign, groups in ((1, change.came), (-1, change.went)):
            n_groups, weight = _totals(groups)
            self.n_groups_ += sign * n_groups
            self.total_weight_ += sign * weight

    def rank(self, k: int, eligible: Array | None) -> Neighbours:
        """Give the best ``k`` neighbours of every item."""
        total = self.total_weight_ if self.is_weighted else None
        if self.pairs_ is not None:
            found = rank_pairs(
                self.pairs_,
                k,
                weighting=self.weighting,
                min_support=self.min_support,
                n_groups=self.n_groups_,
                total_weight=total,
                eligible=eligible,
            )
        else:
            assert self.groups_ is not None  # a restored model has pairs
            found = top_neighbours(
                self.groups_.ptr,
                self.groups_.item,
                self.n_items_,
                k,
                weighting=self.weighting,
                min_support=self.min_support,
                n_groups=self.n_groups_,
                entry_weight=self.groups_.weight,
                total_weight=total,
                eligible=eligible,
            )
        if self.weighting == "count" and self.is_weighted:
            factor = now_factor(self.today_, self.epoch_, self.half_life_days)
            return found._replace(score=found.score * factor)
        return found

    def arrays(self) -> dict[str, Array]:
        """Give the kept pairs; empty when they were too many to keep."""
        if self.pairs_ is None:
            return {}
        totals = np.array([self.n_groups_, self.total_weight_, self.epoch_], dtype=np.int64)
        kept: dict[str, Array] = {
            "ptr": self.pairs_.ptr,
            "item": self.pairs_.item,
            "count": self.pairs_.count,
        }
        if self.pairs_.weight is not None:
            kept["weight"] = self.pairs_.weight
        return {**kept, "totals": totals}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        weight = arrays.get("weight")
        self.pairs_ = Pairs(
            arrays["ptr"].astype(np.int64),
            arrays["item"].astype(np.int32),
            arrays["count"].astype(np.int32),
            None if weight is None else weight.astype(np.int64),
        )
        self.n_groups_, self.total_weight_, self.epoch_ = map(int, arrays["totals"])
        self.today_ = None
        self.groups_ = None
        self._forget_ranking()

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        if not self._is_ranked(k, candidates):
            self._ranked = (candidates, self.rank(max(k, LEAST_RANKED), candidates))
        queries, found = requests.item, self._ranked[1]
        return Recommended(
            found.item[queries, :k], found.score[queries, :k], found.support[queries, :k]
        )

    def _is_ranked(self, k: int, candidates: Array | None) -> bool:
        """Tell whether the last ranking answers this question too."""
        if not hasattr(self, "_ranked"):
            return False
        known, found = self._ranked
        if (known is None) != (candidates is None) or k > found.item.shape[1]:
            return False
        return known is None or bool((known == candidates).all())

    def _forget_ranking(self) -> None:
        self.__dict__.pop("_ranked", None)

    def _weighted_groups(self, purchases: Purchases) -> Groups:
        ptr, item = self.groups(purchases)
        if not self.is_weighted:
            return Groups(ptr, item, None)
        weight = root_size(ptr, self.size_power)
        if self.half_life_days is not None:
            day = self.times(purchases, (ptr, item)) // MICROSECONDS_PER_DAY
            weight = root_decay(day, self.epoch_, self.half_life_days) * weight
        return Groups(ptr, item, whole(weight))

    def _count(self, groups: Groups, n_items: int) -> Pairs:
        return count_pairs(groups.ptr, groups.item, n_items, entry_weight=groups.weight)


def cancel(came: Groups, went: Groups) -> tuple[Groups, Groups]:
    """Leave out groups that came and went alike, with the same items and weights."""
    kept_came, kept_went = unmatched_groups(came, went)
    return _select(came, kept_came), _select(went, kept_went)


def _select(groups: Groups, kept: Array) -> Groups:
    sizes = np.diff(groups.ptr)
    entries = np.repeat(kept, sizes)
    ptr = np.zeros(int(kept.sum()) + 1, dtype=np.int64)
    np.cumsum(sizes[kept], out=ptr[1:])
    weight = None if groups.weight is None else groups.weight[entries]
    return Groups(ptr, groups.item[entries], weight)


def _totals(groups: Groups) -> tuple[int, int]:
    """Count the groups that hold anything, and add up the squares of their newest weights."""
    filled = np.flatnonzero(np.diff(groups.ptr))
    if groups.weight is None:
        return len(filled), 0
    newest = np.maximum.reduceat(groups.weight, groups.ptr[filled]) if len(filled) else filled
    return len(filled), int((newest * newest).sum())


@dataclass
class UserCopurchase(CoPurchase):
    """Items bought by the same customers, at any time."""

    name: ClassVar[str] = "user_copurchase"
    tasks: ClassVar[tuple[str, ...]] = ("related",)

    @classmethod
    def groups(cls, purchases: Purchases) -> tuple[Array, Array]:
        """Give the distinct items of each customer."""
        return purchases.user_groups

    @classmethod
    def times(cls, purchases: Purchases, groups: tuple[Array, Array]) -> Array:
        """Give when each customer last bought each item."""
        return purchases.history.user_times(groups)


@dataclass
class BasketCopurchase(CoPurchase):
    """Items bought in the same basket."""

    name: ClassVar[str] = "basket_copurchase"
    tasks: ClassVar[tuple[str, ...]] = ("bundle",)

    @classmethod
    def groups(cls, purchases: Purchases) -> tuple[Array, Array]:
        """Give the distinct items of each basket."""
        return purchases.basket_groups

    @classmethod
    def times(cls, purchases: Purchases, groups: tuple[Array, Array]) -> Array:
        """Give when each basket was bought."""
        return purchases.history.basket_times(groups)
