"""Metrics of ranked lists against hidden items; one value a query."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsql.splits.queries import Queries

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


def coverage(recommended: Array, n_eligible: int) -> float:
    """Give the share of the eligible items that stand in any list."""
    shown = np.unique(recommended[recommended >= 0])
    return len(shown) / n_eligible if n_eligible else 0.0


PER_QUERY = {"precision": precision, "recall": recall, "ndcg": ndcg}
