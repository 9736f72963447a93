"""Test queries from groups of items: one item shown, the rest of its group hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.models.base import Requests

Array = np.ndarray[Any, np.dtype[Any]]
MOST_QUERIES = 5_000


@dataclass(frozen=True)
class Queries:
    """Test queries.

    Attributes
    ----------
    requests : Requests                   what is asked: about an item, or for a customer
    truth_ptr : int64[n_queries + 1]      where the hidden items of each query begin
    truth : int32[…]                      hidden items, never empty for a query
    """

    requests: Requests
    truth_ptr: Array
    truth: Array


def hide_all_but_one(ptr: Array, item: Array, seed: int) -> Queries:
    """Show a random item of each group with two or more, hide the rest.

    Parameters
    ----------
    ptr, item : int64[n_groups + 1], int32[…]    groups of distinct items
    seed : int                                   which item is shown, and which groups are taken
        when there are more than 5,000

    Source: unified recommendation framework for a CRM, section 2.3 (relationship, bundle).
    """
    rng = np.random.default_rng(seed)
    sizes = np.diff(ptr)
    usable = np.flatnonzero(sizes >= 2)
    if len(usable) > MOST_QUERIES:
        usable = np.sort(rng.choice(usable, MOST_QUERIES, replace=False))
    shown = ptr[usable] + rng.integers(0, np.maximum(sizes[usable], 1))
    entries = np.concatenate(
        [np.arange(ptr[group], ptr[group + 1]) for group in usable] or [np.empty(0, np.int64)]
    )
    hidden = entries[~np.isin(entries, shown)]
    truth_ptr = np.zeros(len(usable) + 1, dtype=np.int64)
    np.cumsum(sizes[usable] - 1, out=truth_ptr[1:])
    return Queries(Requests.of_items(item[shown]), truth_ptr, item[hidden])
