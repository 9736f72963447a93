"""What a split is: purchases to learn from, and queries about what was hidden."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from recsql.models.purchases import Purchases
from recsql.models.requests import Requests

Array = np.ndarray[Any, np.dtype[Any]]
MOST_QUERIES = 5_000
PROTOCOLS = ("time", "paper")


@dataclass(frozen=True)
class Queries:
    """Test queries.

    Attributes
    ----------
    requests : Requests                   what is asked: about an item, or for a customer
    truth_ptr : int64[n_queries + 1]      where the hidden items of each query begin
    truth : int32[…]                      hidden items, never empty for a query
    owner : int64[n_queries] or None      whose purchases they are: the place among the customers
        of the purchases that were split; -1 for nobody's; None: nobody's
    """

    requests: Requests
    truth_ptr: Array
    truth: Array
    owner: Array | None = None

    def __len__(self) -> int:
        """Count the queries."""
        return len(self.requests)

    def rows(self) -> tuple[Array, Array, Array, Array]:
        """Give (query, item, whether it is what is asked about, customer or -1) to be stored."""
        asked = np.flatnonzero(self.requests.item >= 0)
        hidden = np.repeat(np.arange(len(self)), np.diff(self.truth_ptr))
        query = np.concatenate([asked, hidden])
        item = np.concatenate([self.requests.item[asked], self.truth])
        owner = np.full(len(query), -1) if self.owner is None else self.owner[query]
        return query, item, np.arange(len(query)) < len(asked), owner

    def sample(self, place: Array, n_queries: int, rng: np.random.Generator) -> Queries:
        """Ask some; ``place`` gives who is learned from, and where: -1 for nobody."""
        queries = self
        if len(self) > n_queries:
            queries = self.part(np.sort(rng.choice(len(self), n_queries, replace=False)))
        user = queries.requests.user
        learned = np.where(user >= 0, place[user], -1).astype(np.int32) if len(place) else user
        return replace(queries, requests=replace(queries.requests, user=learned))

    def part(self, chosen: Array) -> Queries:
        """Give some of the queries: ascending positions."""
        sizes = np.diff(self.truth_ptr)
        kept = np.zeros(len(self), dtype=bool)
        kept[chosen] = True
        ptr = np.concatenate([[0], np.cumsum(sizes[chosen])]).astype(np.int64)
        truth = self.truth[np.repeat(kept, sizes)]
        owner = None if self.owner is None else self.owner[chosen]
        return Queries(self.requests.chosen(chosen), ptr, truth, owner)


class Asked(Protocol):
    """What is asked of models: ``Queries``, or those of a task with answers of its own."""

    def __len__(self) -> int:
        """Count the queries."""

    def rows(self) -> tuple[Array, Array, Array, Array]:
        """Give (query, item, whether it is what is asked about, customer or -1) to be stored."""

    def sample(self, place: Array, n_queries: int, rng: np.random.Generator) -> Asked:
        """Ask some; ``place`` gives who is learned from, and where: -1 for nobody."""


@dataclass(frozen=True)
class Split:
    """Purchases to learn from and queries to answer.

    Attributes
    ----------
    protocol : one of PROTOCOLS
    cut : nothing at or after it was learned from; None where the split is not one in time
    train : Purchases
    queries : Queries, or those of the task
    """

    protocol: str
    cut: int | None
    train: Purchases
    queries: Asked

    def sample(self, share: float, n_queries: int, seed: int) -> Split:
        """Give the same split with a share of the customers and at most so many queries."""
        rng = np.random.default_rng(seed)
        train, place = self.train.random_part(share, rng)
        return replace(self, train=train, queries=self.queries.sample(place, n_queries, rng))


def taken(sizes: Array, seed: int) -> Array:
    """Take the groups that can be asked about, 5,000 random ones of more: ascending positions.

    Parameters
    ----------
    sizes : hidden items of each group; 0: it cannot be asked about
    """
    usable = np.flatnonzero(sizes > 0)
    if len(usable) > MOST_QUERIES:
        rng = np.random.default_rng(seed)
        usable = np.sort(rng.choice(usable, MOST_QUERIES, replace=False))
    return usable
