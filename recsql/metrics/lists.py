"""Metrics of lists that need no truth: how unusual and how varied their items are.

Catalogue coverage stands in ``ranked.coverage``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from recsql.errors import ParameterError
from recsql.metrics.registry import LIST_TASKS, Metric

Array = np.ndarray[Any, np.dtype[Any]]


def novelty(recommended: Array, buyers: Array, n_customers: int) -> Array:
    """Give the mean self-information of the items of each list, in bits.

    An item that a share of the customers bought in training has -log2(share) bits: 0 if all did.
    One that nobody bought counts as bought by one customer, the most that a sold item can have.

    Tasks: all that give lists. Ties: none, the order does not matter.

    Parameters
    ----------
    recommended : int32[n_lists, k]    item codes, -1 where a list has ended
    buyers : int[n_items]              customers who bought the item in training
    n_customers : int                  customers of training, >= 1 and >= any of ``buyers``

    Returns
    -------
    float64[n_lists]    0 to log2(n_customers); NaN for an empty list

    Raises
    ------
    ParameterError
        An item has more buyers than there are customers.

    Source: Zhou et al., PNAS 107(10), 2010 (surprisal); Vargas and Castells, RecSys 2011.
    """
    if n_customers < max(1, int(np.max(buyers, initial=0))):
        raise ParameterError(
            f"n_customers must be at least 1 and the most buyers of an item, got {n_customers}."
        )
    bits = math.log2(n_customers) - np.log2(np.maximum(buyers, 1))
    there = recommended >= 0
    found = np.zeros(recommended.shape)
    found[there] = bits[recommended[there]]
    return _mean_or_nan(found.sum(axis=1), there.sum(axis=1))


def diversity(
    recommended: Array, vector_ptr: Array, vector_column: Array, vector_value: Array | None = None
) -> Array:
    """Give how unlike each other the items of each list are: 1 - mean cosine of their pairs.

    Tasks: all that give lists. Ties: none, the order does not matter.

    Parameters
    ----------
    recommended : int32[n_lists, k]     item codes, -1 where a list has ended
    vector_ptr : int64[n_items + 1]     where the vector of each item begins; for vectors of the
        customers who bought it, see ``buyer_vectors``
    vector_column : int[…]              columns of a vector, each once
    vector_value : float[…] or None     finite; None: all 1

    Returns
    -------
    float64[n_lists]    0 (all alike) to 1 (nothing shared), to 2 with values below 0; NaN for a
        list of fewer than two items. An item whose vector is empty or 0 shares nothing.

    Source: Ziegler et al., WWW 2005 (intra-list similarity), as 1 - mean.
    """
    from recsql.kernels.list_cosines import pair_products  # the registry is read without it

    lists = np.ascontiguousarray(recommended, dtype=np.int32)
    unit = _unit_values(vector_ptr, vector_column, vector_value)
    cosines = pair_products(
        lists,
        np.ascontiguousarray(vector_ptr, dtype=np.int64),
        np.ascontiguousarray(vector_column, dtype=np.int64),
        unit,
    )
    length = (lists >= 0).sum(axis=1)
    unlike = 1.0 - _mean_or_nan(cosines, length * (length - 1) // 2)
    return np.asarray(np.clip(unlike, 0.0, 2.0))  # rounding may leave the range


def buyer_vectors(ptr: Array, item: Array, n_items: int) -> tuple[Array, Array]:
    """Turn the distinct items of each customer into the customers of each item.

    The cosine of two of these vectors is that of co-purchase.

    Parameters
    ----------
    ptr, item : int64[n_customers + 1], int32[…]    groups of distinct items

    Returns
    -------
    vector_ptr, vector_column : int64[n_items + 1], int64[…]
    """
    order = np.argsort(item, kind="stable")
    customer = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    found = np.zeros(n_items + 1, dtype=np.int64)
    np.cumsum(np.bincount(item, minlength=n_items), out=found[1:])
    return found, customer[order]


def mean_of_lists(values: Array) -> tuple[float, int]:
    """Give the mean of the lists that have a value, NaN for none, and how many were left out."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan"), len(values) - len(kept)


def _unit_values(ptr: Array, column: Array, value: Array | None) -> Array:
    """Give the values that make each vector 1 long; vectors of 0 stay."""
    filled = np.ones(len(column)) if value is None else np.asarray(value, dtype=np.float64)
    if len(filled) != len(column) or ptr[-1] != len(column):
        raise ParameterError("vector_ptr, vector_column and vector_value must fit each other.")
    if not np.isfinite(filled).all():
        raise ParameterError("vector_value must be finite, got NaN or infinity.")
    n_items, owner = len(ptr) - 1, np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    squared = np.bincount(owner, weights=filled * filled, minlength=n_items)
    unit: Array = filled / np.sqrt(np.where(squared > 0, squared, 1.0))[owner]
    return unit


def _mean_or_nan(total: Array, count: Array) -> Array:
    mean: Array = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return mean


METRICS = (
    Metric(
        "novelty",
        LIST_TASKS,
        True,
        0.0,
        20.0,
        "none: the order does not matter",
        "mean self-information of the items shown, in bits: -log2 of the share of customers who "
        "bought them in training",
        "lists",
        compute=novelty,
    ),
    Metric(
        "diversity",
        LIST_TASKS,
        True,
        0.0,
        1.0,
        "none: the order does not matter",
        "1 - mean cosine of the items of a list; lists of fewer than two are left out",
        "lists",
        compute=diversity,
    ),
)
