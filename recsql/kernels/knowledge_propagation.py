"""Vectors that spread over purchases and facts together, and gradients that spread back.

Nodes are items, then entities, then customers. Customers have no first layer. Every row is gathered
by one thread in one fixed order: the bits do not depend on the number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels.graph_propagation import Edges, Graph, add_neighbours

Shorts = npt.NDArray[np.float32]


class NodeLayers(NamedTuple):
    """Means over the layers.

    Attributes
    ----------
    node : float32[n_nodes, width]       items, entities, customers
    message : float32[n_firsts, width]   what a customer gathers from items and entities, with the
                                         weights of the edges
    """

    node: Shorts
    message: Shorts


def spread(
    bought: Graph, facts: Edges, first: Shorts, n_layers: int, n_threads: int | None = None
) -> NodeLayers:
    """Give the means of a first layer and of ``n_layers`` that follow from it.

    Parameters
    ----------
    bought : who bought what
    facts : for each node the nodes that facts join it to, with their weights
    first : float32[n_items + n_entities, width]
    n_layers : int                                  >= 1
    n_threads : int, optional                       the result does not depend on it
    """
    n_nodes, n_firsts = len(facts.ptr) - 1, len(first)
    share = np.float32(1.0 / (n_layers + 1))
    now = np.zeros((n_nodes, first.shape[1]), dtype=np.float32)
    now[:n_firsts] = first
    means, message = now * share, np.zeros_like(first)
    for _ in range(n_layers):
        message += now[:n_firsts] * share
        now = _joined(bought, facts, now, None, n_threads)
        means += now * share
    return NodeLayers(means, message)


def gather_back(
    bought: Graph,
    facts: Edges,
    node: Shorts,
    n_firsts: int,
    n_layers: int,
    n_threads: int | None = None,
) -> Shorts:
    """Give the gradient of the first layer: float32[n_firsts, width].

    Parameters
    ----------
    facts : for each node the nodes whose facts have it as a tail
    node : float32[n_nodes, width]    gradient of the means over the layers
    """
    back = node
    for _ in range(n_layers):
        back = _joined(bought, facts, back, node, n_threads)
    return back[:n_firsts] * np.float32(1.0 / (n_layers + 1))


def _joined(
    bought: Graph, facts: Edges, now: Shorts, start: Shorts | None, n_threads: int | None
) -> Shorts:
    """Give start plus what each node gathers from both kinds of edges."""
    n_users, n_items = len(bought.of_users.ptr) - 1, len(bought.of_items.ptr) - 1
    first_user = len(now) - n_users
    found = add_neighbours(facts, now, start, n_threads)
    found[:n_items] = add_neighbours(bought.of_items, now[first_user:], found[:n_items], n_threads)
    found[first_user:] = add_neighbours(
        bought.of_users, now[:n_items], found[first_user:], n_threads
    )
    return found
