"""Metrics of ranked lists against hidden items; one value a query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from recsql.metrics.registry import LIST_TASKS, Metric
from recsql.splits.split import Queries

Array = np.ndarray[Any, np.dtype[Any]]


def hits(recommended: Array, queries: Queries) -> Array:
    """Tell which recommended items were hidden: bool[n_queries, k].

    Parameters
    ----------
    recommended : int32[n_queries, k]    item codes, -1 where a list has ended
    """
    width = np.int64(max(int(recommended.max(initial=0)), int(queries.truth.max(initial=0))) + 2)
    row = np.arange(len(recommended), dtype=np.int64)[:, None]
    owner = np.repeat(np.arange(len(recommended), dtype=np.int64), np.diff(queries.truth_ptr))
    found: Array = np.isin(recommended + 1 + row * width, queries.truth + 1 + owner * width)
    return found & (recommended >= 0)


def precision(hit: Array, n_hidden: Array) -> Array:
    """Give the share of the k places that hold a hidden item, for each query.

    Tasks: all that give lists. Ties: none, the order does not matter.
    """
    del n_hidden
    return np.asarray(hit.mean(axis=1))


def recall(hit: Array, n_hidden: Array) -> Array:
    """Give the share of the hidden items that were found, for each query.

    Tasks: all that give lists. Ties: none, the order does not matter.
    """
    return np.asarray(hit.sum(axis=1) / n_hidden)


def ndcg(hit: Array, n_hidden: Array) -> Array:
    """Give the normalized discounted cumulative gain with binary gains, for each query.

    Tasks: all that give lists. Ties: the order of the list decides.

    Source: Järvelin and Kekäläinen, ACM TOIS 20(4), 2002; the ideal list is cut at k too.
    """
    discount = 1.0 / np.log2(np.arange(hit.shape[1]) + 2.0)
    ideal = np.cumsum(discount)[np.minimum(n_hidden, hit.shape[1]) - 1]
    return np.asarray((hit * discount).sum(axis=1) / ideal)


def hit_rate(hit: Array, n_hidden: Array) -> Array:
    """Give 1 for a query with any hidden item in its list, else 0.

    Tasks: all that give lists. Ties: none, the order does not matter.
    """
    del n_hidden
    return np.asarray(hit.any(axis=1).astype(np.float64))


def accuracy(hit: Array, n_hidden: Array) -> Array:
    """Give 1 for a query whose first place holds a hidden item, else 0.

    Tasks: all that give lists. Ties: the order of the list decides.

    Source: unified recommendation framework for a CRM, section 2.4 (next purchase).
    """
    del n_hidden
    return np.asarray(hit[:, 0].astype(np.float64))


def mrr(hit: Array, n_hidden: Array) -> Array:
    """Give 1 / rank of the first hidden item in the list, 0 without one, for each query.

    Tasks: all that give lists. Ties: the order of the list decides.

    Source: Voorhees, TREC-8 question answering track report, 1999.
    """
    del n_hidden
    return np.asarray(np.where(hit.any(axis=1), 1.0 / (hit.argmax(axis=1) + 1.0), 0.0))


def average_precision(hit: Array, n_hidden: Array) -> Array:
    """Give the precision at each hidden item found, added up and divided by the hidden items.

    Tasks: all that give lists. Ties: the order of the list decides.

    Source: Buckley and Voorhees, SIGIR 2000; not divided by the places where these are fewer.
    """
    precision_at = np.cumsum(hit, axis=1) / np.arange(1.0, hit.shape[1] + 1)
    return np.asarray((hit * precision_at).sum(axis=1) / n_hidden)


def coverage(recommended: Array, n_eligible: int) -> float:
    """Give the share of the eligible items that stand in any list.

    Tasks: all that give lists. Ties: none, the order does not matter.
    """
    shown = np.unique(recommended[recommended >= 0])
    return len(shown) / n_eligible if n_eligible else 0.0


def _per_query(
    name: str, compute: Callable[[Array, Array], Array], ties: str, meaning: str
) -> Metric:
    return Metric(name, LIST_TASKS, True, 0.0, 1.0, ties, meaning, "hits", compute=compute)


_ORDERED = "the order of the list decides; the model has put the smaller item id first"
_UNORDERED = "none: the order within the list does not matter"
METRICS = (
    _per_query("accuracy", accuracy, _ORDERED, "share of queries with a hidden item in place 1"),
    _per_query("hit_rate", hit_rate, _UNORDERED, "share of queries with a hidden item in the list"),
    _per_query("map", average_precision, _ORDERED, "mean precision at each hidden item"),
    _per_query("mrr", mrr, _ORDERED, "mean of 1 / rank of the first hidden item"),
    _per_query("ndcg", ndcg, _ORDERED, "hidden items found, discounted by rank, over the ideal"),
    _per_query("precision", precision, _UNORDERED, "share of the places with a hidden item"),
    _per_query("recall", recall, _UNORDERED, "share of the hidden items in the list"),
    Metric(
        "coverage",
        LIST_TASKS,
        True,
        0.0,
        1.0,
        _UNORDERED,
        "share of the items that may be recommended that stand in any list",
        "lists",
        compute=coverage,
    ),
)
PER_QUERY: dict[str, Callable[[Array, Array], Array]] = {
    metric.name: metric.compute for metric in METRICS if metric.needs == "hits" and metric.compute
}
