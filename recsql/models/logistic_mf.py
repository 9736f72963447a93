"""Customers and items as factors whose products are the log odds of a purchase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.errors import ParameterError
from recsql.kernels.dense import eigen, gram, product
from recsql.kernels.groups import Groups, build_groups
from recsql.kernels.logistic_descent import Descent, descend, first_bias, first_factors
from recsql.kernels.logistic_fold import Rows, fold_in_customers, sample_items
from recsql.kernels.table_sums import add_factors
from recsql.models.base import Array
from recsql.models.fold_in import FoldInRecommender


@dataclass
class LogisticMF(FoldInRecommender):
    """Fit the probability of a purchase, 1 / (1 + exp(-(w . h + b))), by stochastic steps.

    Against each purchase ``negatives`` items are drawn at random that count as not bought. Each
    sample pulls the factors of its customer and its item towards 0 by ``ridge``; steps begin with
    a length of about ``rate`` and end, after ``n_rounds``, near 0. Customers are not kept: everyone
    is fitted anew when asked about, with the same loss, by what they have bought by then. The items
    that they did not buy are then stood for by a sample of ``n_sampled`` of the catalogue.

    ``item_vectors``, float32[n_items, width + 1], hold the factor and, last, the bias of an item.

    Source: Johnson, "Logistic Matrix Factorization for Implicit Feedback Data", NIPS workshop 2014;
    Rendle, Krichene, Zhang and Anderson, "Neural Collaborative Filtering vs. Matrix Factorization
    Revisited", RecSys 2020 (items drawn at random, in proportion to purchases).
    """

    name: ClassVar[str] = "logistic_mf"
    tasks: ClassVar[tuple[str, ...]] = ("for_you",)
    effort: ClassVar[int] = 3

    n_factors: int = 96
    n_rounds: int = 20
    negatives: int = 8
    rate: float = 0.3
    ridge: float = 0.006
    n_sampled: int = 1024
    seed: int = 0

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give factors for many and for few purchases."""
        del real_time
        return [cls(), cls(n_factors=16, ridge=0.02)]

    def _check(self) -> None:
        for name in ("n_factors", "n_rounds", "negatives", "n_sampled"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("rate", "ridge"):
            if not 0 < getattr(self, name) < np.inf:
                raise ParameterError(f"{name} must be above 0, got {getattr(self, name)}.")
        if not self.seed >= 0:
            raise ParameterError(f"seed must be at least 0, got {self.seed}.")

    def _learn(self, groups: Groups, n_items: int) -> None:
        place = np.random.default_rng(self.seed).permutation(n_items).astype(np.int32)
        sizes = np.diff(groups.group_ptr)
        customer = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        mixed = build_groups(customer, place[groups.group_item], len(sizes), n_items)
        width = max(1, min(self.n_factors, n_items))
        bias = first_bias(self.buyers_, self.negatives)
        factors = first_factors(len(sizes), bias[np.argsort(place)], width, self.seed)
        descent = Descent(self.rate, self.ridge, self.negatives)
        descend(mixed, factors, descent, n_rounds=self.n_rounds, seed=self.seed)
        bias = factors.bias[place]
        # turned so that columns have no products with each other: fewer steps find a customer
        axes = np.ascontiguousarray(eigen(gram(factors.item))[1], dtype=np.float32)
        table = product(factors.item, axes)[place]
        self.rows_ = Rows(table, bias, *sample_items(bias, self.n_sampled, self.seed))
        self._lay_out()

    def _lay_out(self) -> None:
        self.item_vectors: Array = np.concatenate(
            [self.rows_.factor, self.rows_.bias[:, None]], axis=1
        )
        self._to_items = np.ascontiguousarray(self.item_vectors.T)

    def fold_in(self, ptr: Array, item: Array) -> Array:
        """Give the factors of customers by their items, as in ``Groups``: float32[n, width + 1].

        The last is 1: the bias of an item is added as it is.
        """
        size = np.diff(ptr)
        unbought = (size * (self.negatives / len(self.rows_.bias))).astype(np.float32)
        ridge = (size * (self.ridge * (1 + self.negatives))).astype(np.float32)
        found = fold_in_customers(Groups(ptr, item), self.rows_, unbought, ridge)
        return np.concatenate([found, np.ones((len(found), 1), dtype=np.float32)], axis=1)

    def _sums(self, ptr: Array, item: Array) -> Array:
        scores = np.zeros((len(ptr) - 1, len(self.rows_.bias)), dtype=np.float32)
        add_factors(scores, self.fold_in(ptr, item), self._to_items)
        return scores

    def arrays(self) -> dict[str, Array]:
        """Give the customers of items, factors, biases, and the sample that stands for all."""
        return {"buyers": self.buyers_, **self.rows_._asdict()}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.buyers_ = arrays["buyers"].astype(np.int32)
        self.rows_ = Rows(
            np.ascontiguousarray(arrays["factor"], dtype=np.float32),
            arrays["bias"].astype(np.float32),
            arrays["sample"].astype(np.int32),
            arrays["weight"].astype(np.float32),
        )
        self._lay_out()
