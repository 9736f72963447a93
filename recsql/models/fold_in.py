"""Models that score a customer by nothing but the items that they bought."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from recsql.kernels.groups import Groups, build_groups
from recsql.kernels.table_sums import add_factors
from recsql.models.base import Array, ScoringRecommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests


class FoldInRecommender(ScoringRecommender):
    """Learn from the distinct items of each customer; score anyone by theirs.

    There is no state of customers: a new one is answered like one who was learned from. Who has
    bought nothing that says anything is answered by the number of customers who bought an item;
    an item that nobody bought is never recommended.
    """

    def _fit(self, purchases: Purchases) -> None:
        groups = self._groups(purchases)
        self.buyers_ = np.bincount(groups.group_item, minlength=purchases.n_items).astype(np.int32)
        self._learn(groups, purchases.n_items)

    def _groups(self, purchases: Purchases) -> Groups:
        return newest_items_of_all(purchases)

    @abstractmethod
    def _learn(self, groups: Groups, n_items: int) -> None:
        """Learn from the distinct items of each customer, at most the newest ``group_cap``."""

    @abstractmethod
    def _sums(self, ptr: Array, item: Array) -> Array:
        """Score all items for histories: float32[n, n_items]; 0 or -inf where nothing is known.

        Parameters
        ----------
        ptr : int64[n + 1]    where the items of a history begin
        item : int32[n]       ascending and distinct; each was bought in training
        """

    def _scores(self, requests: Requests) -> Array:
        assert requests.events is not None  # recommend() looked
        scores = self._evidence(*requests.events.distinct_items())
        silent = np.flatnonzero(~np.isfinite(scores).any(axis=1))
        scores[silent] = np.where(self.buyers_ > 0, self.buyers_, -np.inf)
        return scores

    def _evidence(self, ptr: Array, item: Array) -> Array:
        """Score histories; a row of -inf where nothing in it was bought in training."""
        ptr, item = self._known(ptr, item)
        scores = self._sums(ptr, item)
        scores[:, self.buyers_ == 0] = -np.inf
        scores[np.diff(ptr) == 0] = -np.inf
        return scores

    def _known(self, ptr: Array, item: Array) -> tuple[Array, Array]:
        """Give (ptr, item) of those that were bought in training."""
        known = np.flatnonzero(self.buyers_[item] > 0)
        return np.searchsorted(known, ptr).astype(np.int64), item[known]


class FactorRecommender(FoldInRecommender):
    """Score items by the product of their vector with one that is folded in from a history.

    ``factors_``, float32[n_items, width], are the vectors of items.
    """

    factors_: Array

    def _lay_out(self) -> None:
        self._to_items = np.ascontiguousarray(self.factors_.T)

    @property
    def item_vectors(self) -> Array:
        """Give the vectors of items: float32[n_items, width]; 0 where nobody bought one."""
        return self.factors_

    @abstractmethod
    def fold_in(self, ptr: Array, item: Array) -> Array:
        """Give the vectors of customers by their items, as in ``Groups``: float32[n, width]."""

    def _sums(self, ptr: Array, item: Array) -> Array:
        scores = np.zeros((len(ptr) - 1, len(self.factors_)), dtype=np.float32)
        add_factors(scores, self.fold_in(ptr, item), self._to_items)
        return scores


def newest_items_of_all(purchases: Purchases) -> Groups:
    """Give the distinct items of each customer of the events, at most the newest ``group_cap``."""
    events = purchases.events
    assert events is not None  # a caller learns from events
    return build_groups(
        events.user,
        events.item,
        events.n_users,
        purchases.n_items,
        cap=purchases.group_cap,
        time=events.time,
    )
