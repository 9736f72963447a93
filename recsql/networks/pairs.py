"""A scorer of pairs as three graphs: of a request, of an item, and of what both say of a pair.

What is said of a request or an item alone is computed once, whatever the number of its pairs; the
graph of pairs gathers it by the row of each.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from recsql.kernels.ragged import ranges
from recsql.networks.graph import Graph

Array = np.ndarray[Any, np.dtype[Any]]

REQUEST_ROW, ITEM_ROW = "request", "item"  # inputs of the graph of pairs
MOST_KEPT = 50_000_000  # numbers
BLOCK = 16  # rows


class Told(NamedTuple):
    """What a graph says of the requests or of the items of pairs.

    Attributes
    ----------
    values : its outputs
    row : int[n]    the row of them that belongs to each pair
    """

    values: Sequence[Array]
    row: Array


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

    def score(self, told: Told, items: Told) -> list[Array]:
        """Give each output for pairs, of what the other graphs gave: float32[n]."""
        shared = [told.values, items.values]
        names = [(t.name for t in graph.signature.outputs) for graph in (self.request, self.item)]
        read = {
            name: value
            for side, values in zip(names, shared, strict=True)
            for name, value in zip(side, values, strict=True)
        }
        return self.pair.run({REQUEST_ROW: told.row, ITEM_ROW: items.row}, read)


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
    """What a graph gives for each row of a table, computed when it is asked for.

    It is kept, with that of the rows near it, unless that were more than MOST_KEPT numbers.

    Parameters
    ----------
    graph : its outputs have no sizes that vary but the number of rows
    inputs : arrays by name, with an entry a row
    """

    def __init__(self, graph: Graph, inputs: Mapping[str, Array]) -> None:
        self._graph, self._inputs = graph, inputs
        self._n_rows = len(next(iter(inputs.values())))
        # The last block is the longest: of a single row the last bits could be others.
        self._ready = np.zeros(max(1, self._n_rows // BLOCK), dtype=bool)
        self._tables: list[Array] | None = None
        self._lock = threading.Lock()

    def of(self, row: Array) -> Told:
        """Give what the graph says of some rows of the table: int[n]."""
        if self._n_rows * width_of(self._graph) > MOST_KEPT:
            distinct, place = np.unique(row, return_inverse=True)
            return Told(self._run(distinct), place)
        block = np.minimum(row // BLOCK, len(self._ready) - 1)
        if self._tables is None or not self._ready[block].all():
            with self._lock:
                missing = np.unique(block[~self._ready[block]])
                if len(missing) or self._tables is None:
                    self._compute(missing)
        assert self._tables is not None  # they were just made
        return Told(self._tables, row)

    def _compute(self, blocks: Array) -> None:
        first = blocks * BLOCK
        last = np.where(blocks == len(self._ready) - 1, self._n_rows, first + BLOCK)
        rows = ranges(first, last)[1]
        found = self._run(rows)
        if self._tables is None:
            self._tables = [
                np.empty((self._n_rows, *values.shape[1:]), dtype=values.dtype) for values in found
            ]
        for table, values in zip(self._tables, found, strict=True):
            table[rows] = values
        self._ready[blocks] = True

    def _run(self, rows: Array) -> list[Array]:
        return self._graph.run({name: values[rows] for name, values in self._inputs.items()})


def width_of(graph: Graph, steps: int = 1) -> int:
    """Count the numbers that a graph gives for a row with so many steps."""
    shapes = (tensor.shape[1:] for tensor in graph.signature.outputs)
    return sum(math.prod(n if isinstance(n, int) else steps for n in shape) for shape in shapes)
