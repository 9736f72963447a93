"""A scorer of pairs as three graphs: of a request, of an item, and of what both say of a pair.

What is said of a request or an item alone is computed once, whatever the number of its pairs; the
graph of pairs gathers it by the row of each.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from recsql.networks.graph import CHUNK, Graph

Array = np.ndarray[Any, np.dtype[Any]]

REQUEST_ROW, ITEM_ROW = "request", "item"  # inputs of the graph of pairs


class PairGraphs(NamedTuple):
    """The graphs of a scorer of pairs.

    Attributes
    ----------
    request : from codes of attributes, and a history where one is read
    item : from the code of an item and those of its attributes
    pair : from rows of what both give to the outputs
    """

    request: Graph
    item: Graph
    pair: Graph

    def score(self, told: Sequence[Array], row: Array, items: Rows, item: Array) -> list[Array]:
        """Give each output for pairs: float32[n].

        Parameters
        ----------
        told : what ``request`` gave
        row : int[n]     rows of it
        items : of ``item``
        item : int[n]    rows of these
        """
        shared = [*told, *items.of(item)]
        names = [tensor.name for tensor in self.pair.signature.inputs[2:]]
        pairs = {REQUEST_ROW: row, ITEM_ROW: item}
        return self.pair.run(pairs, dict(zip(names, shared, strict=True)))


class PairParts(NamedTuple):
    """A learned scorer of pairs.

    Attributes
    ----------
    graphs : from a pair to its score
    weights : of the module that learned, by the name of the parameter
    """

    graphs: PairGraphs
    weights: Mapping[str, Array]


class Rows:
    """What a graph gives for each row of a table, computed when a row near it is first asked for.

    Parameters
    ----------
    graph : its outputs have no sizes that vary but the number of rows
    inputs : arrays by name, with an entry a row
    """

    def __init__(self, graph: Graph, inputs: Mapping[str, Array]) -> None:
        self._graph, self._inputs = graph, inputs
        n_rows = len(next(iter(inputs.values())))
        self._ready = np.zeros(-(-n_rows // CHUNK), dtype=bool)
        self._tables = [
            np.empty((n_rows, *map(int, tensor.shape[1:])), dtype=tensor.dtype)
            for tensor in graph.signature.outputs
        ]
        self._lock = threading.Lock()

    def of(self, row: Array) -> list[Array]:
        """Give the outputs, one entry a row of the table, of which these are computed."""
        block = row // CHUNK
        if not self._ready[block].all():
            with self._lock:
                for one in np.unique(block[~self._ready[block]]).tolist():
                    part = slice(one * CHUNK, (one + 1) * CHUNK)
                    given = {name: values[part] for name, values in self._inputs.items()}
                    for table, found in zip(self._tables, self._graph.run(given), strict=True):
                        table[part] = found
                    self._ready[one] = True
        return self._tables


def width_of(graph: Graph) -> int:
    """Count the numbers that a graph gives for a row, but for sizes that vary."""
    sizes = [tensor.shape[1:] for tensor in graph.signature.outputs]
    return sum(int(np.prod([size for size in shape if isinstance(size, int)])) for shape in sizes)
