"""Vectors of items and customers by who bought what: those who are alike point the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recsql.kernels.spectrum import inverse_roots, leading_factors
from recsql.kernels.table_sums import sum_rows
from recsql.models.base import Array
from recsql.models.fold_in import newest_items_of_all
from recsql.models.nearest import NearestVectors
from recsql.models.purchases import Purchases

N_FACTORS = 64
N_ROUNDS = 8
MOST_CUSTOMERS = 200_000
SETTINGS: Mapping[str, Any] = {"measure": "cosine"}


@dataclass(frozen=True)
class ItemVectors:
    """Items in the leading directions of the table of customers and items.

    The entry of a customer of n items, for an item that m customers bought, is 1 / sqrt(n * m).
    The vector of an item is its column, that of a customer their row, both in the 64 directions
    that hold most of the table; with 64 items or fewer that is all of it.

    Attributes
    ----------
    index : the vectors of the items; all 0 for an item that no customer bought
    factors : float32[n_items, width]    orthonormal columns
    value : float32[width]               squared singular values, 0 to 1, falling
    buyers : int32[n_items]              customers that bought an item

    Source
    ------
    Sarwar, Karypis, Konstan and Riedl, "Application of Dimensionality Reduction in Recommender
    System", WebKDD 2000, on the table of Shen et al., "How Powerful is Graph Convolution for
    Recommendation?", CIKM 2021.
    """

    index: NearestVectors
    factors: Array
    value: Array
    buyers: Array

    @classmethod
    def learn(cls, purchases: Purchases, seed: int = 0) -> ItemVectors:
        """Learn from the distinct items of each customer, at most the newest ``group_cap``."""
        n_items = purchases.n_items
        groups = newest_items_of_all(purchases)
        buyers = np.bincount(groups.group_item, minlength=n_items).astype(np.int32)
        value, factors = leading_factors(groups, n_items, N_FACTORS, n_rounds=N_ROUNDS, seed=seed)
        if len(value) == 0:  # nobody bought anything
            value, factors = np.zeros(1, np.float32), np.zeros((n_items, 1), np.float32)
        index = NearestVectors(**SETTINGS).fit(factors * np.sqrt(value))
        return cls(index, factors, value, buyers)

    def of_customers(self, ptr: Array, item: Array) -> Array:
        """Give the vectors of customers: float32[n, width]; 0 where nothing is known of one.

        Their length is that of the sum, which no cosine depends on.

        Parameters
        ----------
        ptr : int64[n + 1]    where the items of a customer begin
        item : int32[any]     ascending and distinct for each
        """
        return sum_rows(ptr, item, self._shares)

    @cached_property
    def _shares(self) -> Array:
        """Give what each item adds to the vector of a customer."""
        shares: Array = self.factors * inverse_roots(self.buyers.astype(np.int64))
        return shares

    def arrays(self) -> dict[str, Array]:
        """Give all that was learned; ``from_arrays`` takes it back."""
        own = {"factors": self.factors, "value": self.value, "buyers": self.buyers}
        found = self.index.arrays()
        del found["vectors"]  # they follow from the factors
        return {**found, **own}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> ItemVectors:
        """Give the vectors whose ``arrays`` these are."""
        factors, value = arrays["factors"], arrays["value"]
        vectors = _unit(factors * np.sqrt(value))
        index = NearestVectors.from_arrays(SETTINGS, {**arrays, "vectors": vectors})
        return cls(index, factors, value, arrays["buyers"].astype(np.int32))


def learn_customers(
    items: ItemVectors, purchases: Purchases, n_customers: int, seed: int = 0
) -> tuple[Array, NearestVectors]:
    """Give who is among the others, and the index of their vectors.

    They are customers with purchases, a random part of more than ``MOST_CUSTOMERS``.

    Parameters
    ----------
    n_customers : int    the first so many of the events are customers, the others sessions

    Returns
    -------
    customer : int64[n], ascending
    index : of float16[n, width]
    """
    assert purchases.events is not None  # for_you is learned from them
    events = purchases.events.of_users(np.arange(n_customers))
    vectors = items.of_customers(*events.distinct_items())
    customer = np.flatnonzero(vectors.any(axis=1))
    if len(customer) > MOST_CUSTOMERS:
        chosen = np.random.default_rng(seed).permutation(len(customer))[:MOST_CUSTOMERS]
        customer = customer[np.sort(chosen)]
    return customer, NearestVectors(**SETTINGS).fit(_unit(_half(vectors[customer])))


def customer_arrays(index: NearestVectors) -> dict[str, Array]:
    """Give an index of customers with half of the digits of each number."""
    arrays = index.arrays()
    return {**arrays, "vectors": _half(arrays["vectors"])}


def customers_of_arrays(arrays: Mapping[str, Array]) -> NearestVectors:
    """Give the index whose ``customer_arrays`` these are."""
    vectors = _unit(arrays["vectors"])
    return NearestVectors.from_arrays(SETTINGS, {**arrays, "vectors": vectors})


def _half(vectors: Array) -> Array:
    half: Array = _unit(vectors).astype(np.float16)
    return half


def _unit(vectors: Array) -> Array:
    """Scale rows to the length 1, those of zeros not at all: float32."""
    wide = vectors.astype(np.float32)
    length = np.sqrt((wide * wide).sum(axis=1, keepdims=True))
    length[length == 0] = 1.0
    unit: Array = (wide / length).astype(np.float32)
    return unit
