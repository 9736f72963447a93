"""Customers and items for the benchmarks of personal recommendations, and how they are judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from recsql.data.events import Events, pointers
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.kernels.topk import top_k
from recsql.models.fold_in import FoldInRecommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests

Array = np.ndarray[Any, np.dtype[Any]]
NO_CAP = 1_000_000


class Items(NamedTuple):
    """Distinct items of each customer in compressed rows."""

    ptr: Array
    item: Array

    @property
    def user(self) -> Array:
        """Give the customer of each entry."""
        return np.repeat(np.arange(len(self.ptr) - 1), np.diff(self.ptr))

    def select(self, kept: Array) -> Items:
        """Give some of the entries, bool[n]; every customer remains."""
        counts = np.bincount(self.user[kept], minlength=len(self.ptr) - 1)
        return Items(pointers(counts), self.item[kept])

    def of(self, users: Array) -> Items:
        """Give the items of some customers, in ascending order."""
        chosen = np.zeros(len(self.ptr) - 1, dtype=bool)
        chosen[users] = True
        return Items(
            pointers(np.diff(self.ptr)[users]), self.item[np.repeat(chosen, np.diff(self.ptr))]
        )


def items_of(user: Array, item: Array, n_users: int) -> Items:
    """Give the items of each customer, ascending, from rows in any order."""
    order = np.lexsort((item, user))
    return Items(pointers(np.bincount(user, minlength=n_users)), item[order].astype(np.int32))


def events_of(items: Items, n_items: int) -> Events:
    """Give events without times: one basket and session a customer."""
    zero = np.zeros(len(items.item), dtype=np.int32)
    strength = np.ones(len(items.item), dtype=np.float32)
    return Events(n_items, items.ptr, items.item, zero.astype(np.int64), zero, zero, strength)


def purchases_of(items: Items, n_items: int) -> Purchases:
    """Give what a model of customers learns from."""
    none = np.empty(0, dtype=np.int64)
    zero = np.zeros(1, dtype=np.int64)
    history = History(n_items, none.astype(bool), zero, zero, none.astype(np.int32), none)
    return Purchases(history, ItemDays(none, none, none), None, NO_CAP, events_of(items, n_items))


def requests_of(items: Items, n_items: int) -> Requests:
    """Ask for customers, none of whom is known from training."""
    new = np.full(len(items.ptr) - 1, -1)
    return Requests.of_customers(new, events_of(items, n_items), exclude_bought=True)


def popular(items: Items, n_items: int, k: int) -> Array:
    """Give each customer the items with the most customers that they have not bought."""
    count = np.bincount(items.item, minlength=n_items).astype(np.float32)
    found = [
        top_k(np.tile(count, (last - first, 1)), k, left_out=(part.ptr, part.item))[0]
        for first, last, part in batches(items, n_items)
    ]
    return np.concatenate(found)


def batches(items: Items, n_items: int) -> list[tuple[int, int, Items]]:
    """Give the customers in parts whose scores take about 16 MB."""
    n_users = len(items.ptr) - 1
    rows = max(1, 4_000_000 // n_items)
    parts = []
    for first in range(0, n_users, rows):
        last = min(first + rows, n_users)
        parts.append((first, last, items.of(np.arange(first, last))))
    return parts


def recall_and_ndcg(found: Array, hidden: Items) -> tuple[float, float]:
    """Give the means over customers with hidden items; binary gains, the ideal list cut at k."""
    n_hidden, k = np.diff(hidden.ptr), found.shape[1]
    width = int(max(found.max(), hidden.item.max())) + 2
    hit = np.isin(
        found + 1 + np.arange(len(found))[:, None] * width, hidden.item + 1 + hidden.user * width
    )
    hit &= found >= 0
    judged = n_hidden > 0
    discount = 1.0 / np.log2(np.arange(k) + 2.0)
    ideal = np.cumsum(discount)[np.minimum(n_hidden, k) - 1]
    recall = hit.sum(axis=1)[judged] / n_hidden[judged]
    return float(recall.mean()), float(((hit * discount).sum(axis=1) / ideal)[judged].mean())


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Give the seconds that it took, and the result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def best_of(
    models: Sequence[FoldInRecommender], judge: Callable[[FoldInRecommender], tuple[float, float]]
) -> tuple[FoldInRecommender, float]:
    """Give the model whose second number is the largest on the validation part, and the number."""
    numbers = []
    for model in models:
        first, second = judge(model)
        numbers.append(second)
        changed = {
            name: value
            for name, value in model.params().items()
            if value != getattr(type(model)(), name)
        }
        print(f"  validation {first:.4f} {second:.4f} {model.name} {changed}", flush=True)
    place = int(np.argmax(numbers))
    return models[place], numbers[place]
