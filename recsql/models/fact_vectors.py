"""Vectors of what is known of items, beside those that are learned, and how much they count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from recsql.kernels.dense import one_blas_thread
from recsql.kernels.graph_propagation import Edges, Layers, add_neighbours, ends
from recsql.kernels.groups import Groups
from recsql.kernels.leading_directions import short_rows
from recsql.models.base import Array
from recsql.models.knowledge_graph import KnowledgeGraph

SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
DEFAULT_SHARE = 0.1
CUSTOMERS_MEASURED = 256


class Pair(NamedTuple):
    """Vectors whose products are scores.

    Attributes
    ----------
    user : float32[n_users, width]
    item : float32[n_items, width]
    """

    user: Array
    item: Array


def fact_vectors(
    graph: KnowledgeGraph, share: Array, buyers: Array, width: int, seed: int
) -> list[Array]:
    """Give vectors of items by their attributes, and by the knowledge that is bound.

    A thing that an item is joined to weighs by the attention it gets, and by the logarithm of how
    few items are joined to it; the weights of an item are a vector of length 1. Of these the
    directions that say most are kept, and the mean over all purchases is taken off: an item scores
    by how it differs from what everybody buys. An item of which nothing is known has 0.

    Parameters
    ----------
    share : float32[n_facts]    attention of each fact
    buyers : int[n_items]       customers of each item

    Returns
    -------
    float32[n_items, rank] each, rank <= width; none where facts do not tell items apart
    """
    n_items = graph.n_items
    head = graph.head
    place = np.flatnonzero((head < n_items) & (graph.tail < graph.n_firsts))
    things = graph.tail[place]
    of_attribute = np.array([attribute != "" for attribute, _ in graph.entities], dtype=bool)
    is_attribute = np.concatenate([np.zeros(n_items, dtype=bool), of_attribute])[things]
    found = []
    for kept in (is_attribute, ~is_attribute):
        vectors = _vectors(
            head[place[kept]], things[kept], share[place[kept]], n_items, width, seed
        )
        if vectors is not None:
            known = np.bincount(head[place[kept]], minlength=n_items) > 0
            weight = np.where(known, buyers, 0).astype(np.float64)
            with one_blas_thread():
                mean = weight @ vectors / max(weight.sum(), 1.0)
            centred = np.where(known[:, None], vectors - mean.astype(np.float32), np.float32(0))
            if np.abs(centred).max(initial=0.0) > 1e-6:
                found.append(np.ascontiguousarray(centred, dtype=np.float32))
    return found


def _vectors(
    item: Array, thing: Array, share: Array, n_items: int, width: int, seed: int
) -> Array | None:
    """Give short vectors of items by their things; items ascend. None where nothing is rare."""
    if len(item) == 0:
        return None
    _, code, count = np.unique(thing, return_inverse=True, return_counts=True)
    n_known = len(np.unique(item))
    rarity = np.log(n_known / np.minimum(count, n_known))
    weight = share * rarity[code]
    length = np.sqrt(np.bincount(item, weights=weight**2, minlength=n_items))
    if not length.any():
        return None
    weight /= np.maximum(length[item], 1e-12)
    ptr = ends(np.bincount(item, minlength=n_items))
    table = Edges(ptr, code.astype(np.int32), weight.astype(np.float32))
    return short_rows(table, len(count), width, seed=seed)


def of_customers(groups: Groups, vectors: Array) -> Array:
    """Give vectors of customers: the sum of those of their items by the root of their number."""
    root = np.sqrt(np.maximum(np.diff(groups.group_ptr), 1), dtype=np.float32)
    user = np.repeat(1.0 / root, np.diff(groups.group_ptr)).astype(np.float32)
    found: Array = add_neighbours(Edges(groups.group_ptr, groups.group_item, user), vectors)
    return found


def unit_of(learned: Pair, facts: Pair, eligible: Array) -> float:
    """Give how much wider the learned scores of a customer are spread than those of facts.

    It is the ratio of the mean standard deviations over the items that somebody bought, of at most
    256 customers; 0 where scores of facts are all alike.
    """
    items = np.flatnonzero(eligible)
    users = np.linspace(0, len(learned.user) - 1, CUSTOMERS_MEASURED).astype(np.int64)
    spreads = []
    with one_blas_thread():
        for pair in (learned, facts):
            spread = [(pair.user[user] @ pair.item[items].T).std() for user in np.unique(users)]
            spreads.append(float(np.mean(spread)))
    return spreads[0] / spreads[1] if spreads[1] > 1e-9 else 0.0


def weighed(learned: Pair, facts: Sequence[Pair], weights: Sequence[float]) -> Pair:
    """Put vectors of facts beside the learned ones, so that their scores weigh as given."""
    user, item = [learned.user], [learned.item]
    for pair, weight in zip(facts, weights, strict=True):
        if weight > 0:
            root = np.float32(np.sqrt(weight))
            user.append(pair.user * root)
            item.append(pair.item * root)
    return Pair(np.concatenate(user, axis=1), np.concatenate(item, axis=1))


def best_shares(
    learned: Pair,
    facts: Sequence[Pair],
    units: Sequence[float],
    judge: Callable[[Layers], float],
) -> list[float]:
    """Give the share of each kind of facts that finds what was held out best, one after the other.

    Ties go to the smaller share.
    """
    shares = [0.0] * len(facts)
    for place in range(len(facts)):
        qualities = []
        for share in SHARES:
            shares[place] = share
            weights = [share * unit for share, unit in zip(shares, units, strict=True)]
            user, item = weighed(learned, facts, weights)
            qualities.append(judge(Layers(user, item, item)))
        shares[place] = SHARES[int(np.argmax(qualities))]
    return shares
