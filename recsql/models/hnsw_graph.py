"""A graph that leads to the vectors near a query: the package hnswlib, behind names of our own."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

LINKS = 16  # of a vector, in each direction
BUILD_WIDTH = 100  # candidates looked at when a vector is put in


def is_installed() -> bool:
    """Tell whether hnswlib can be imported; it comes with the extra ``train``."""
    return importlib.util.find_spec("hnswlib") is not None


def _package() -> Any:
    return importlib.import_module("hnswlib")


class HnswGraph:
    """A hierarchical navigable small world of vectors under the inner product.

    It is built by one thread, in order of the vectors and from a seed, and so is the same every
    time: with two threads the links depend on who comes first.

    Source: Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search Using
    Hierarchical Navigable Small World Graphs", IEEE TPAMI 42(4), 2020.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._lock = threading.Lock()  # the width of a search is a property of the graph

    @classmethod
    def empty(cls, n: int, width: int, seed: int) -> HnswGraph:
        """Give a graph with room for n vectors."""
        graph = _package().Index("ip", width)
        graph.init_index(n, M=LINKS, ef_construction=BUILD_WIDTH, random_seed=seed)
        return cls(graph)

    def add(self, vectors: Array, code: Array) -> None:
        """Put in float32[n, width], each under its code, one after the other."""
        self._graph.add_items(vectors, code, num_threads=1)

    def to_bytes(self) -> Array:
        """Give the graph with its vectors as uint8[n_bytes], to be read on a like machine."""
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "graph")
            self._graph.save_index(path)
            return np.fromfile(path, dtype=np.uint8)

    @classmethod
    def of_bytes(cls, stored: Array, width: int) -> HnswGraph:
        """Take back what ``to_bytes`` gave: bytes of another origin are not checked."""
        graph = _package().Index("ip", width)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "graph"
            np.ascontiguousarray(stored, dtype=np.uint8).tofile(path)
            graph.load_index(str(path))
        return cls(graph)

    def candidates(self, queries: Array, k: int, search_width: int, n_threads: int) -> Array:
        """Give k candidates of every query: int32[n_queries, k]; a row of -1 when there are fewer.

        A row does not depend on the others: where the graph finds fewer than k for some query,
        the package refuses all, and queries are asked one by one.
        """
        with self._lock:
            self._graph.set_ef(max(search_width, k))
            try:
                return self._ask(queries, k, n_threads)
            except RuntimeError:
                return np.concatenate([self._ask_one(query, k) for query in queries[:, None]])

    def _ask(self, queries: Array, k: int, n_threads: int) -> Array:
        found, _ = self._graph.knn_query(queries, k, num_threads=n_threads)
        return np.asarray(found).astype(np.int32)

    def _ask_one(self, query: Array, k: int) -> Array:
        try:
            return self._ask(query, k, 1)
        except RuntimeError:
            return np.full((1, k), -1, dtype=np.int32)
