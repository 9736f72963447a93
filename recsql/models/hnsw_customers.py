"""What the customers with the most alike attributes bought first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from recsql.data.events import Events, pointers
from recsql.data.features import Features
from recsql.errors import ParameterError
from recsql.kernels.profiles import Profiles, Vote, index_profiles, vote_of_nearest
from recsql.models.base import Array, ScoringRecommender
from recsql.models.first_buyers import check_half_life, first_shares
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests

DIMENSIONS = 128  # of vectors in the index; more features are projected
LINKS, EFFORT = 16, 80  # of the index: neighbours of a vector, and places looked at in building
SEED = 7
HALF_LIFE_DAYS = 30.0


@dataclass
class HnswCustomers(ScoringRecommender):
    """Rank items by the customers nearest in attributes who bought them first.

    Each attribute value weighs by its rarity, ln(1 + customers / those who have it). The nearest
    ``neighbours`` customers by cosine similarity vote, and all who are as near as the last of
    them, each with their similarity to the power ``sharpness``, for every item of their first
    basket. ``prior`` adds the votes of so many average customers. With ``half_life_days`` the score
    is multiplied by the item's share of late, where a customer counts half who came that long
    before the latest one, by its share in all. Who has no attribute in common
    with anyone gets the items most customers bought first; an item that nobody bought first is
    never recommended.

    Customers with the same attributes are one profile, and the search is exact over profiles that
    share a value. From ``index_from`` profiles on, where the package hnswlib is installed, an HNSW
    index finds the nearest profiles, among which the same similarity and vote decide.

    Source: Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search Using
    Hierarchical Navigable Small World Graphs", IEEE TPAMI 42(4), 2020; unified recommendation
    framework for a CRM, section 2.2.
    """

    name: ClassVar[str] = "hnsw_customers"
    tasks: ClassVar[tuple[str, ...]] = ("first",)
    needs_attributes_for: ClassVar[tuple[str, ...]] = ("first",)

    neighbours: int = 300
    sharpness: float = 1.0
    prior: float = 50.0
    half_life_days: float | None = None
    index_from: int = 200_000

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give few neighbours that are trusted, and many that are not."""
        choices = ((100, 1.0, 10.0), (300, 1.0, 50.0), (1000, 1.0, 200.0), (100, 4.0, 50.0))
        return [
            cls(neighbours, sharpness, prior, days)
            for days in ((None, HALF_LIFE_DAYS) if real_time else (None,))
            for neighbours, sharpness, prior in choices
        ]

    def _check(self) -> None:
        for name in ("neighbours", "index_from"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not self.sharpness >= 0:
            raise ParameterError(f"sharpness must be at least 0, got {self.sharpness}.")
        if not self.prior > 0:
            raise ParameterError(f"prior must be above 0, got {self.prior}.")
        check_half_life(self.half_life_days)

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.events is not None  # fit() looked
        self.share_, recent = first_shares(purchases, self.half_life_days)
        trend = recent / np.where(self.share_ > 0, self.share_, 1.0)
        self.trend_ = trend.astype(np.float32)
        first = purchases.events.first_baskets()
        self._take(profiles_of(first, purchases.user_features))

    def _take(self, profiles: Profiles) -> None:
        self.profiles_ = profiles
        self._index = index_profiles(profiles)
        self._graph: Any = None
        if len(profiles.size) >= self.index_from:
            self._graph = self._build_graph()

    def _scores(self, requests: Requests) -> Array:
        asked = requests.features
        n_rows, n_features = len(requests), len(self.profiles_.weight)
        rows = (np.zeros(n_rows + 1, dtype=np.int64), np.empty(0, dtype=np.int32))
        if asked is not None and n_features:
            rows = (asked.ptr, asked.feature)
        vote = Vote(int(self.neighbours), float(self.sharpness), float(self.prior))
        found = None if self._graph is None else self._nearest(*rows)
        scores: Array = vote_of_nearest(
            self.profiles_, self._index, rows, vote, self.share_, candidates=found
        )
        bought = self.share_ > 0
        scores *= self.trend_
        scores[:, ~bought] = -np.inf
        return scores

    def _build_graph(self) -> Any:
        """Give an index of the profiles' vectors; None without the package. One thread: one result.

        hnswlib numbers its levels by a seed and links vectors in order, so that the same profiles
        give the same index.
        """
        try:
            import hnswlib
        except ImportError:
            return None
        vectors = self._vectors(self.profiles_.ptr, self.profiles_.feature)
        graph = hnswlib.Index(space="ip", dim=vectors.shape[1])
        graph.init_index(len(vectors), M=LINKS, ef_construction=EFFORT, random_seed=SEED)
        graph.add_items(vectors, num_threads=1)
        return graph

    def _nearest(self, ptr: Array, feature: Array) -> Array:
        """Give the nearest profiles of each row by the index, ascending: int32[n, most]."""
        most = min(int(self.neighbours), len(self.profiles_.size))
        self._graph.set_ef(2 * most)
        found, _ = self._graph.knn_query(self._vectors(ptr, feature), k=most, num_threads=1)
        nearest: Array = np.sort(found.astype(np.int32), axis=1)
        return nearest

    def _vectors(self, ptr: Array, feature: Array) -> Array:
        """Give rows of features as unit vectors, projected at random where they are long."""
        weight = self.profiles_.weight
        n_rows, n_features = len(ptr) - 1, len(weight)
        row = np.repeat(np.arange(n_rows), np.diff(ptr))
        if n_features <= DIMENSIONS:
            vectors = np.zeros((n_rows, n_features), dtype=np.float32)
            vectors[row, feature] = weight[feature]
        else:
            from recsql.kernels.table_sums import sum_rows

            rng = np.random.default_rng(SEED)
            table = rng.standard_normal((n_features, DIMENSIONS)) * weight[:, None]
            vectors = sum_rows(ptr, feature, table.astype(np.float32))
        length = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
        unit: Array = (vectors / np.where(length > 0, length, 1.0)).astype(np.float32)
        return unit

    def arrays(self) -> dict[str, Array]:
        """Give the profiles, and the share of customers of each item with its trend."""
        return {"share": self.share_, "trend": self.trend_, **self.profiles_._asdict()}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.share_ = np.ascontiguousarray(arrays["share"], dtype=np.float64)
        self.trend_ = arrays["trend"].astype(np.float32)
        kinds = {"ptr": np.int64, "feature": np.int32, "item_ptr": np.int64, "item": np.int32}
        self._take(
            Profiles(
                *(
                    np.ascontiguousarray(arrays[name], dtype=kinds.get(name, np.float64))
                    for name in Profiles._fields
                )
            )
        )


def profiles_of(events: Events, features: Features | None) -> Profiles:
    """Collect the customers with the same features, and what they bought.

    Customers without events or without features are left out; a feature's rarity counts the
    others.
    """
    n_features = 0 if features is None else features.n_features
    ptr, item = events.distinct_items()
    number: dict[bytes, int] = {}
    profile = np.full(events.n_users, -1, dtype=np.int64)
    member: list[int] = []
    if features is not None:
        for user in np.flatnonzero((np.diff(features.ptr) > 0) & (np.diff(ptr) > 0)):
            row = features.feature[features.ptr[user] : features.ptr[user + 1]].tobytes()
            profile[user] = number.setdefault(row, len(number))
            if profile[user] == len(member):
                member.append(int(user))
    chosen = profile[profile >= 0]
    size = np.bincount(chosen, minlength=len(member)).astype(np.float64)
    kept = np.repeat(profile, np.diff(ptr))
    key, buyers = np.unique(
        kept[kept >= 0] * max(events.n_items, 1) + item[kept >= 0], return_counts=True
    )
    owner, code = np.divmod(key, max(events.n_items, 1))
    rows_ptr, rows = np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int32)
    if features is not None:
        distinct = features.of_rows(np.array(member, dtype=np.int64))
        rows_ptr, rows = distinct.ptr, distinct.feature
    people = np.bincount(rows, weights=np.repeat(size, np.diff(rows_ptr)), minlength=n_features)
    return Profiles(
        rows_ptr,
        rows,
        size,
        pointers(np.bincount(owner, minlength=len(member))),
        code.astype(np.int32),
        buyers.astype(np.float64),
        np.where(people > 0, np.log1p(size.sum() / np.maximum(people, 1.0)), 0.0),
    )
