"""Customers and items as factors whose products are the log odds of a purchase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.errors import ParameterError
from recsql.kernels.groups import Groups, build_groups
from recsql.kernels.logistic_rows import IN_ORDER, Negatives, Rounds, Rows, improve_groups
from recsql.kernels.table_sums import add_factors
from recsql.models.base import Array
from recsql.models.fold_in import FoldInRecommender

MOST_SHARED = 512  # negatives that stand for all items where a customer is folded in
FOLD_IN = Rounds(newton=4, conjugate=3, length=1.0)
CONJUGATE_STEPS = 3


@dataclass
class LogisticMF(FoldInRecommender):
    """Factorize the log odds of purchases, against ``negatives`` drawn pairs for each of them.

    The log odds are w . h + the bias of the customer + that of the item. A customer's negatives are
    drawn from all items alike; an item's are the customers of purchases drawn alike, so that both
    sides minimise the same sum. Each round draws anew, and goes ``step`` of a Newton step for all
    customers, then for all items. The ridge of each is ``ridge`` times its purchases and negatives.
    Customers are not kept: everyone is found by Newton's steps when asked about, by what they have
    bought by then; at most 512 items, weighted, are then the negatives of everyone.

    Source: Johnson, "Logistic Matrix Factorization for Implicit Feedback Data", NeurIPS workshop
    2014 (there all pairs, and steps along the gradient); Rendle et al., "Neural Collaborative
    Filtering vs. Matrix Factorization Revisited", RecSys 2020 (drawn negatives, biases).
    """

    name: ClassVar[str] = "logistic_mf"
    tasks: ClassVar[tuple[str, ...]] = ("for_you",)
    effort: ClassVar[int] = 3

    n_factors: int = 64
    n_rounds: int = 16
    negatives: int = 4
    ridge: float = 0.007
    step: float = 0.5
    seed: int = 0

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give factors for many and for few purchases."""
        del real_time
        return [cls(), cls(n_factors=16, ridge=0.02)]

    def _check(self) -> None:
        for name in ("n_factors", "n_rounds", "negatives"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 < self.ridge < np.inf:
            raise ParameterError(f"ridge must be above 0, got {self.ridge}.")
        if not 0 < self.step <= 1:
            raise ParameterError(f"step must be above 0 and at most 1, got {self.step}.")
        if not self.seed >= 0:
            raise ParameterError(f"seed must be at least 0, got {self.seed}.")

    def _learn(self, groups: Groups, n_items: int) -> None:
        sizes = np.diff(groups.group_ptr)
        customer = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        buyers = build_groups(groups.group_item, customer, n_items, len(sizes))
        sold = np.flatnonzero(self.buyers_).astype(np.int32)
        rng = np.random.default_rng(self.seed)
        self.shared_ = np.sort(rng.permutation(sold)[:MOST_SHARED])
        width = max(1, min(self.n_factors, n_items)) + 1
        items = (rng.standard_normal((n_items, width)) * 0.1 / np.sqrt(width)).astype(np.float32)
        items[:, -1] = 0.0
        customers = np.zeros((len(sizes), width), dtype=np.float32)
        of_item = np.full(n_items, -(-self.negatives * len(customer) // max(len(sold), 1)))
        rounds = Rounds(1, CONJUGATE_STEPS, self.step)
        for _ in range(self.n_rounds):
            for own, others, count, pool, into in (
                (groups, items, self.negatives * sizes, sold, customers),
                (buyers, customers, of_item, customer, items),
            ):
                key = rng.integers(IN_ORDER + 1, 2**64, dtype=np.uint64)
                drawn = Negatives(
                    pool, count.astype(np.int32), np.ones(len(count), np.float32), key
                )
                self._improve(own, others, drawn, rounds, into)
        self.factors_: Array = items
        self._lay_out()

    def _improve(
        self, groups: Groups, others: Array, negatives: Negatives, rounds: Rounds, into: Array
    ) -> None:
        """Improve one side; the last column of either is its bias, which others see as a 1."""
        table, offset = others.copy(), others[:, -1].copy()
        table[:, -1] = 1.0
        weight = np.diff(groups.group_ptr) + negatives.count * negatives.weight
        ridge = (self.ridge * weight).astype(np.float32)
        improve_groups(groups, Rows(table, offset), negatives, ridge, rounds, into)

    def _lay_out(self) -> None:
        self._to_items = np.ascontiguousarray(self.factors_.T)

    @property
    def item_vectors(self) -> Array:
        """Give the factors of the items, their bias last: float32[n_items, width]."""
        factors: Array = self.factors_
        return factors

    def fold_in(self, ptr: Array, item: Array) -> Array:
        """Give the factors of customers by their items, 1 as the last: float32[n, width]."""
        sizes, n_shared = np.diff(ptr), len(self.shared_)
        count = np.full(len(sizes), n_shared, dtype=np.int32)
        weight = (self.negatives * sizes / max(n_shared, 1)).astype(np.float32)
        shared = Negatives(self.shared_, count, weight, np.uint64(IN_ORDER))
        found = np.zeros((len(sizes), self.factors_.shape[1]), dtype=np.float32)
        self._improve(Groups(ptr, item), self.factors_, shared, FOLD_IN, found)
        found[:, -1] = 1.0
        return found

    def _sums(self, ptr: Array, item: Array) -> Array:
        scores = np.zeros((len(ptr) - 1, len(self.factors_)), dtype=np.float32)
        add_factors(scores, self.fold_in(ptr, item), self._to_items)
        return scores

    def arrays(self) -> dict[str, Array]:
        """Give the customers of each item, the factors of items, and the shared negatives."""
        return {"buyers": self.buyers_, "factors": self.factors_, "shared": self.shared_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.buyers_ = arrays["buyers"].astype(np.int32)
        self.factors_ = np.ascontiguousarray(arrays["factors"], dtype=np.float32)
        self.shared_ = arrays["shared"].astype(np.int32)
        self._lay_out()
