"""The items that customers with the same attributes bought first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

import numpy as np

from recsql.data.events import Events, pointers
from recsql.data.features import Features
from recsql.errors import ParameterError
from recsql.models.base import Array, ScoringRecommender
from recsql.models.first_buyers import check_half_life, first_shares
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

HALF_LIFE_DAYS = 30.0


@dataclass
class SegmentPopularity(ScoringRecommender):
    """Rank items by the share of customers who bought them first, in the customer's segments.

    Each value of an attribute is a segment. Of its n customers m bought an item first; with the
    share s of all customers, its share there is taken as (m + smoothing s) / (n + smoothing): the
    whole shop where little is known. A customer's score is s times the ratio of these shares to s
    over the customer's segments, each to the power ``strength`` by the root of their number, since
    attributes tell the same thing twice. With ``half_life_days`` the s that is multiplied counts a
    customer half who came that long before the latest one.

    Only attributes that carry information count: those which foretell a customer's first basket
    better than the whole shop does, each customer by the others. Where none does, all get what
    most customers bought first. An item that nobody bought first is never recommended.

    Source: a naive Bayes classifier with Dirichlet smoothing (Zhai and Lafferty, "A Study of
    Smoothing Methods for Language Models", ACM TOIS 22(2), 2004) over weighted attributes.
    """

    name: ClassVar[str] = "segment_popularity"
    tasks: ClassVar[tuple[str, ...]] = ("first",)

    smoothing: float = 100.0
    strength: float = 1.0
    half_life_days: float | None = None

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give segments that speak early or late for themselves, plainly or with more strength."""
        pairs = ((100.0, 1.0), (100.0, 2.0), (300.0, 2.0), (1000.0, 2.0))
        return [
            cls(smoothing=smoothing, strength=strength, half_life_days=days)
            for days in ((None, HALF_LIFE_DAYS) if real_time else (None,))
            for smoothing, strength in pairs
        ]

    def _check(self) -> None:
        if not self.smoothing > 0:
            raise ParameterError(f"smoothing must be above 0, got {self.smoothing}.")
        if not self.strength >= 0:
            raise ParameterError(f"strength must be at least 0, got {self.strength}.")
        check_half_life(self.half_life_days)

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.events is not None  # fit() looked
        first, features = purchases.events.first_baskets(), purchases.user_features
        if features is None:
            features = Features(first.user_ptr * 0, np.empty(0, dtype=np.int32), ())
        counts = count_segments(first, features)
        share, self.share_ = first_shares(purchases, self.half_life_days)
        gain = segment_gains(counts, features, float(self.smoothing))
        kept = gain[features.attribute] > 0
        self.counts_ = kept.astype(np.int8)
        kept_entry = kept[counts.feature]
        feature, item = counts.feature[kept_entry], counts.item[kept_entry]
        # The ratio of items that none of a segment bought stands apart: it is the same for all.
        ratio = 1 + counts.together[kept_entry] / (self.smoothing * share[item])
        self.ptr_ = pointers(np.bincount(feature, minlength=features.n_features))
        self.item_ = item.astype(np.int32)
        self.log_ratio_ = np.log(ratio)
        self.log_rest_ = np.log(self.smoothing / (counts.size + self.smoothing))

    def _scores(self, requests: Requests) -> Array:
        with np.errstate(divide="ignore"):
            everyone = np.log(self.share_)
        scores = np.tile(everyone, (len(requests), 1))
        asked = requests.features
        if asked is not None and self.counts_.any():
            weights = self._weights(asked)
            scores += (weights @ self._table()).toarray()
            scores += (weights @ self.log_rest_)[:, None]
        score: Array = np.exp(scores).astype(np.float32)
        score[:, self.share_ == 0] = -np.inf
        return score

    def _weights(self, asked: Features) -> csr_matrix:
        from scipy.sparse import csr_matrix

        counted = self.counts_[asked.feature] > 0
        row, feature = asked.row[counted], asked.feature[counted]
        number = np.bincount(row, minlength=asked.n_rows)
        weight = self.strength / np.sqrt(number[row])
        return csr_matrix(
            (weight, feature, pointers(number)), shape=(asked.n_rows, len(self.counts_))
        )

    def _table(self) -> csr_matrix:
        from scipy.sparse import csr_matrix

        shape = (len(self.counts_), len(self.share_))
        return csr_matrix((self.log_ratio_, self.item_, self.ptr_), shape=shape)

    def arrays(self) -> dict[str, Array]:
        """Give the share of customers of each item, and the ratios of the segments that count."""
        return {
            "share": self.share_,
            "counts": self.counts_,
            "ptr": self.ptr_,
            "item": self.item_,
            "log_ratio": self.log_ratio_,
            "log_rest": self.log_rest_,
        }

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.share_ = arrays["share"].astype(np.float64)
        self.counts_ = arrays["counts"].astype(np.int8)
        self.ptr_ = arrays["ptr"].astype(np.int64)
        self.item_ = arrays["item"].astype(np.int32)
        self.log_ratio_ = arrays["log_ratio"].astype(np.float64)
        self.log_rest_ = arrays["log_rest"].astype(np.float64)


class SegmentCounts(NamedTuple):
    """Customers who bought, by segment and item.

    Attributes
    ----------
    buyers : int64[n_items]             customers who bought an item
    lines : int64[n_users]              different items of each customer
    size : int64[n_features]            customers of each segment who bought anything
    segment_lines : int64[n_features]   their lines
    feature, item : int[n_entries]      in ascending order
    together : int64[n_entries]         customers of the segment who bought the item, above 0
    """

    buyers: Array
    lines: Array
    size: Array
    segment_lines: Array
    feature: Array
    item: Array
    together: Array


def count_segments(events: Events, features: Features) -> SegmentCounts:
    """Count the customers with events, by what they bought and by their features."""
    from scipy.sparse import csr_matrix

    ptr, item = events.distinct_items()
    n_users, n_features = events.n_users, features.n_features
    one, other = np.ones(len(item), dtype=np.int64), np.ones(len(features.feature), dtype=np.int64)
    bought = csr_matrix((one, item, ptr), shape=(n_users, events.n_items))
    has = csr_matrix((other, features.feature, features.ptr), shape=(n_users, n_features))
    together = (has.T.tocsr() @ bought).tocsr()
    together.sort_indices()
    lines = np.diff(ptr)
    return SegmentCounts(
        bought.sum(axis=0).A1,
        lines,
        has.T @ (lines > 0).astype(np.int64),
        has.T @ lines,
        np.repeat(np.arange(n_features), np.diff(together.indptr)),
        together.indices,
        together.data,
    )


def segment_gains(counts: SegmentCounts, features: Features, smoothing: float) -> Array:
    """Give what each attribute adds to the log-likelihood of first baskets: float64[n_attributes].

    A customer's basket is foretold by the others. Where m of n customers of the segment bought an
    item, and b of all N, a buyer expects q = (m - 1 + smoothing s) / (n - 1 + smoothing) with
    s = (b - 1) / (N - 1). A line of the basket has q by the sum of q over all items against s by
    the sum of s. An item with one buyer tells nothing.
    """
    others = max(int((counts.lines > 0).sum()) - 1, 1)
    share = (counts.buyers - 1) / others
    told = share[counts.item] > 0
    feature, item, together = (
        array[told] for array in (counts.feature, counts.item, counts.together)
    )
    n = counts.size.astype(np.float64)
    expected = (together - 1 + smoothing * share[item]) / (n[feature] - 1 + smoothing)
    gain = np.bincount(feature, weights=together * np.log(expected / share[item]), minlength=len(n))
    own = counts.lines[features.row].astype(np.float64)
    bought, segment = own > 0, features.feature
    everyone = np.maximum((counts.buyers.sum() - own) / others, 1e-12)
    inside = (counts.segment_lines[segment] - own + smoothing * everyone) / (
        n[segment] - 1 + smoothing
    )
    loss = np.where(bought, own * np.log(np.where(bought, inside, everyone) / everyone), 0.0)
    gain -= np.bincount(segment, weights=loss, minlength=len(n))
    total: Array = np.bincount(features.attribute, weights=gain)
    return total
