"""Metrics of ranked lists against hidden items; one value a query."""

from __future__ import annotations

from typing import Any

import numpy as np

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
    """Give the share of the k places that hold a hidden item, for each query."""
    del n_hidden
    return np.asarray(hit.mean(axis=1))


def recall(hit: Array, n_hidden: Array) -> Array:
    """Give the share of the hidden items that were found, for each query."""
    return np.asarray(hit.sum(axis=1) / n_hidden)


def ndcg(hit: Array, n_hidden: Array) -> Array:
    """Give the normalized discounted cumulative gain with binary gains, for each query.

    Source: Järvelin and Kekäläinen, ACM TOIS 20(4), 2002; the ideal list is cut at k too.
    """
    discount = 1.0 / np.log2(np.arange(hit.shape[1]) + 2.0)
    ideal = np.cumsum(discount)[np.minimum(n_hidden, hit.shape[1]) - 1]
    return np.asarray((hit * discount).sum(axis=1) / ideal)


def hit_rate(hit: Array, n_hidden: Array) -> Array:
    """Give 1 for a query with any hidden item in its list, else 0."""
    del n_hidden
    return np.asarray(hit.any(axis=1).astype(np.float64))


def accuracy(hit: Array, n_hidden: Array) -> Array:
    """Give 1 for a query whose first place holds a hidden item, else 0.

    Source: unified recommendation framework for a CRM, section 2.4 (next purchase).
    """
    del n_hidden
    return np.asarray(hit[:, 0].astype(np.float64))


def mrr(hit: Array, n_hidden: Array) -> Array:
    """Give 1 / rank of the first hidden item in the list, 0 without one, for each query.

    Source: Voorhees, TREC-8 question answering track report, 1999.
    """
    del n_hidden
    return np.asarray(np.where(hit.any(axis=1), 1.0 / (hit.argmax(axis=1) + 1.0), 0.0))


def average_precision(hit: Array, n_hidden: Array) -> Array:
    """Give the precision at each hidden item found, added up and divided by the hidden items.

    Source: Buckley and Voorhees, SIGIR 2000; not divided by the places where these are fewer.
    """
    precision_at = np.cumsum(hit, axis=1) / np.arange(1.0, hit.shape[1] + 1)
    return np.asarray((hit * precision_at).sum(axis=1) / n_hidden)


def coverage(recommended: Array, n_eligible: int) -> float:
    """Give the share of the eligible items that stand in any list."""
    shown = np.unique(recommended[recommended >= 0])
    return len(shown) / n_eligible if n_eligible else 0.0


PER_QUERY = {
    "accuracy": accuracy,
    "hit_rate": hit_rate,
    "map": average_precision,
    "mrr": mrr,
    "ndcg": ndcg,
    "precision": precision,
    "recall": recall,
}
