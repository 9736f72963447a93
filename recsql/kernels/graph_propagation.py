"""Vectors that spread over the graph of customers and items, and gradients that spread back.

A layer gives each customer the weighted sum of the vectors of their items, and each item that of
its customers. Every row is gathered by one thread in one fixed order: the bits do not depend on the
number of threads. The graph is kept from both sides, 16 bytes a purchase; what is computed takes
rows of customers and of items, never one a pair.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.groups import Groups
from recsql.kernels.vector_products import add_four, add_one

Shorts = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

BLOCKS = 16  # of rows, for each thread
WORTH_A_THREAD = 1_000_000  # numbers: about as long as it takes to begin a thread


class Edges(NamedTuple):
    """Weighted entries of rows in compressed form.

    Attributes
    ----------
    ptr : int64[n_rows + 1]       where the entries of a row begin
    code : int32[n_entries]       row of the other side
    weight : float32[n_entries]
    """

    ptr: Longs
    code: Counts
    weight: Shorts


class Graph(NamedTuple):
    """Who bought what, from both sides; an edge weighs 1 / sqrt(items * customers) of its ends.

    Attributes
    ----------
    of_users : Edges    the items of each customer, ascending
    of_items : Edges    the customers of each item, ascending
    """

    of_users: Edges
    of_items: Edges


class Layers(NamedTuple):
    """Means over the layers.

    Attributes
    ----------
    user : float32[n_users, width]
    item : float32[n_items, width]
    message : float32[n_items, width]    what a customer gathers from their items, with the weights
                                         of the edges, beside their own first layer
    """

    user: Shorts
    item: Shorts
    message: Shorts


class Purchased(NamedTuple):
    """The purchases of a graph, one by one, in order of customer and item.

    Attributes
    ----------
    user, item : int32[n_purchases]
    place : int64[n_purchases]    where the purchases stand in order of item and customer
    """

    user: Counts
    item: Counts
    place: Longs


def purchased(groups: Groups, n_items: int) -> Purchased:
    """Give the purchases of the distinct items of customers."""
    ptr, item = groups
    user = np.repeat(np.arange(len(ptr) - 1, dtype=np.int32), np.diff(ptr))
    return Purchased(user, item, group_places(item, n_items)[1])


def purchase_graph(
    bought: Purchased, n_users: int, n_items: int, kept: npt.NDArray[np.bool_] | None = None
) -> Graph:
    """Give the graph of some purchases.

    Parameters
    ----------
    kept : bool[n_purchases], optional    left out: all of them
    """
    user, item, place = bought
    other_user, other_item = user[place], item[place]
    if kept is not None:
        user, item = user[kept], item[kept]
        there = kept[place]
        other_user, other_item = other_user[there], other_item[there]
    items, customers = np.bincount(user, minlength=n_users), np.bincount(item, minlength=n_items)
    of_user, of_item = (
        (1.0 / np.sqrt(np.maximum(counts, 1))).astype(np.float32) for counts in (items, customers)
    )
    return Graph(
        Edges(ends(items), item, of_user[user] * of_item[item]),
        Edges(ends(customers), other_user, of_user[other_user] * of_item[other_item]),
    )


def ends(counts: Longs) -> Longs:
    """Give where rows of so many entries begin, and where the last one ends: int64[n + 1]."""
    ptr = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=ptr[1:])
    return ptr


def group_places(code: Counts, n_codes: int) -> tuple[Longs, Longs]:
    """Give (ptr, place) of the places where each code stands, ascending.

    Parameters
    ----------
    code : int32[n]    0 <= code < n_codes

    Returns
    -------
    int64[n_codes + 1] and int64[n]
    """
    ptr = ends(np.bincount(code, minlength=n_codes))
    place = np.empty(len(code), dtype=np.int64)
    write_places(code, ptr[:-1].copy(), place)
    return ptr, place


@lean_kernel
def write_places(code: Counts, following: Longs, place: Longs) -> None:
    """Write each place behind those of its code; ``following`` is moved on."""
    for entry in range(len(code)):
        place[following[code[entry]]] = entry
        following[code[entry]] += 1


def propagate(
    graph: Graph,
    user: Shorts | None,
    item: Shorts,
    n_layers: int,
    n_threads: int | None = None,
) -> Layers:
    """Give the means of a first layer and of ``n_layers`` that follow from it.

    Parameters
    ----------
    user : float32[n_users, width] or None    first layer of the customers; None: all 0
    item : float32[n_items, width]            first layer of the items
    n_layers : int                            >= 1
    n_threads : int, optional                 the result does not depend on it

    Source
    ------
    He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation",
    SIGIR 2020, equations 3 and 4. Where customers have no first layer of their own, every other
    layer of either side is 0 and is left out.
    """
    share = np.float32(1.0 / (n_layers + 1))
    message = np.zeros_like(item)
    of_items = item * share
    now_user: Shorts | None = user
    now_item: Shorts | None = item
    for done in range(n_layers):
        if now_item is not None:
            message += now_item * share
        next_user = None
        if now_item is not None and done < n_layers - 1:
            next_user = add_neighbours(graph.of_users, now_item, n_threads=n_threads)
        next_item = None
        if now_user is not None:
            next_item = add_neighbours(graph.of_items, now_user, n_threads=n_threads)
            of_items += next_item * share
        now_user, now_item = next_user, next_item
    first = None if user is None else user * share
    of_users = add_neighbours(graph.of_users, message, first, n_threads=n_threads)
    return Layers(of_users, of_items, message)


def pull_back(
    graph: Graph, user: Shorts, item: Shorts, n_layers: int, n_threads: int | None = None
) -> Shorts:
    """Give the gradient of the items' first layer: float32[n_items, width].

    Parameters
    ----------
    user, item : float32[n_users, width], float32[n_items, width]    that of the means over layers

    The graph is symmetric, so a gradient takes the way of ``propagate``. One side is enough: what
    comes to an item passes through the other one, layer by layer.
    """
    if n_layers % 2 == 0:
        at_item = item
    else:
        at_item = add_neighbours(graph.of_items, user, item, n_threads=n_threads)
    for _ in range(n_layers // 2):
        at_user = add_neighbours(graph.of_users, at_item, user, n_threads=n_threads)
        at_item = add_neighbours(graph.of_items, at_user, item, n_threads=n_threads)
    return at_item * np.float32(1.0 / (n_layers + 1))


def add_neighbours(
    edges: Edges, table: Shorts, start: Shorts | None = None, n_threads: int | None = None
) -> Shorts:
    """Give start plus the weighted sum of the rows that each row is joined to.

    Parameters
    ----------
    table : float32[n_others, width]
    start : float32[n_rows, width] or None    None: 0
    n_threads : int, optional                 the result does not depend on it
    """
    n_rows = len(edges.ptr) - 1
    width = table.shape[1]
    out = np.zeros((n_rows, width), dtype=np.float32) if start is None else start.copy()
    ptr, code, weight = edges

    def task(first: int, last: int, _scratch: None) -> None:
        gather(first, last, ptr, code, weight, table, out)

    threads = threads_for(len(code) * width, n_threads)
    run_blocks(task, equal_blocks(np.diff(ptr), BLOCKS * threads), lambda: None, threads)
    return out


def threads_for(n_numbers: int, n_threads: int | None) -> int:
    """Give the threads for work on so many numbers: a second one is not worth waking for few."""
    return available_threads(n_threads) if n_numbers >= WORTH_A_THREAD else 1


@lean_kernel
def gather(
    first: int, last: int, ptr: Longs, code: Counts, weight: Shorts, table: Shorts, out: Shorts
) -> None:
    """Add to the rows first <= row < last of out, four entries at a time."""
    for row in range(first, last):
        place, end = ptr[row], ptr[row + 1]
        while place + 4 <= end:
            add_four(
                out[row],
                weight[place],
                weight[place + 1],
                weight[place + 2],
                weight[place + 3],
                table[code[place]],
                table[code[place + 1]],
                table[code[place + 2]],
                table[code[place + 3]],
            )
            place += 4
        while place < end:
            add_one(out[row], weight[place], table[code[place]])
            place += 1
