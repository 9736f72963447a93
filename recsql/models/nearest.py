"""The nearest of many vectors: exactly, or most of them in a fraction of the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from recsql.errors import NotTrainedError, ParameterError, did_you_mean
from recsql.kernels._threads import available_threads
from recsql.kernels.cell_search import cells_of, learn_centres, pack_cells, search_cells
from recsql.kernels.factor_search import (
    PackedItems,
    checked,
    lengths_of,
    pack_items,
    search,
)
from recsql.models.hnsw_graph import LINKS, HnswGraph, is_installed

Array = np.ndarray[Any, np.dtype[Any]]
Lists = tuple[Array, Array]

METHODS = ("exact", "cells", "hnsw")
MEASURES = ("product", "cosine")
LEAST_VECTORS = 5_000  # of fewer, all are compared
CELLS_PER_ROOT = 6  # cells for each of sqrt(n)
SAMPLE = 1_000  # queries that recall is measured on
ROWS_AT_A_TIME = 256  # of candidates that are scored together
MOST_LOOKED_AT = 0.5  # share of the vectors beyond which all are compared


@dataclass
class NearestVectors:
    """Find the vectors with the greatest inner products or cosines.

    ``exact`` compares a query with all vectors. ``cells`` puts vectors that are alike into cells
    and looks into the best few. ``hnsw`` follows a graph; without the package hnswlib the exact
    search answers. How many cells, or how wide a part of the graph, is measured when it is built:
    the fewest with which lists of ``list_length`` hold ``least_recall`` of the true ones, less one
    standard error, on a sample of queries. Where that takes half of the vectors, and where they are
    few, the exact search answers. A list that would end early is that of the exact search too.
    Longer lists than ``list_length`` may hold a smaller share of the true ones.

    Attributes
    ----------
    method_ : str      the method that answers
    effort_ : int      cells looked into, or the width of the search in the graph; 0 for exact
    recall_ : float    measured with that effort, 0 to 1; 1 for exact
    """

    method: str = "cells"
    measure: str = "product"
    least_recall: float = 0.98
    list_length: int = 10
    seed: int = 0

    def fit(self, vectors: Array, queries: Array | None = None) -> Self:
        """Build the index.

        Parameters
        ----------
        vectors : float32[n, width]            finite
        queries : float32[any, width], optional    like those to come, to measure recall on; None:
            a tenth of the vectors, at most 1,000, which are put in after that

        Raises
        ------
        ParameterError
            A setting is out of range, or a number is missing or infinite.
        """
        self._check()
        self.vectors_ = self._scaled(checked("vectors", vectors), "vectors")
        self._exact = pack_items(self.vectors_)
        self.method_, self.effort_, self.recall_ = self.method, 0, 1.0
        self.cell_ = np.empty(0, dtype=np.int32)
        self.graph_ = np.empty(0, dtype=np.uint8)
        few = len(self.vectors_) < max(LEAST_VECTORS, 2 * self.list_length)
        if few or (self.method == "hnsw" and not is_installed()):
            self.method_ = "exact"
        if self.method_ != "exact":
            self._build(queries)
        return self

    def search(
        self,
        queries: Array,
        k: int,
        *,
        left_out: tuple[Array, Array] | None = None,
        n_threads: int | None = None,
    ) -> Lists:
        """Give the k nearest vectors of every query.

        Parameters
        ----------
        queries : float32[n_queries, width]    finite
        k : int                                >= 1
        left_out : (ptr, item), optional       int64[n_queries + 1] and int32, left out of each
        n_threads : int, optional              the result does not depend on it

        Returns
        -------
        item : int32[n_queries, k]      best first, ties to the smaller; -1 where a list has ended
        score : float32[n_queries, k]   inner product or cosine; 0 where a list has ended. A vector
            of zeros has the cosine 0 with all others

        Raises
        ------
        NotTrainedError
            Nothing was fitted.
        ParameterError
            k is below 1, the width is another, or a number is missing or infinite.
        """
        if not hasattr(self, "_exact"):
            raise NotTrainedError("NearestVectors must be fitted first. Call fit(vectors).")
        queries = self._scaled(checked("queries", queries), "queries")
        if self.method_ == "exact" or queries.shape[1] != self.vectors_.shape[1] or not k >= 1:
            return search(self._exact, queries, k, left_out=left_out, n_threads=n_threads)
        item, score = self._looked_up(queries, k, left_out, n_threads, self.effort_)
        ended = np.flatnonzero(item[:, -1] < 0)
        if len(ended):
            item[ended], score[ended] = search(
                self._exact,
                queries[ended],
                k,
                left_out=_rows_of(left_out, ended),
                n_threads=n_threads,
            )
        return item, score

    def arrays(self) -> dict[str, Array]:
        """Give all that was learned; ``from_arrays`` takes it back."""
        return {
            "vectors": self.vectors_,
            "cell": self.cell_,
            "graph": self.graph_,
            "found": np.array([METHODS.index(self.method_), self.effort_, self.recall_]),
        }

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Give the index whose settings and ``arrays`` these are; it answers the same.

        Where a graph was stored and hnswlib is missing now, the exact search answers.
        """
        index = cls(**settings)
        index._check()
        index.vectors_ = np.ascontiguousarray(arrays["vectors"], dtype=np.float32)
        index.cell_ = arrays["cell"].astype(np.int32)
        index.graph_ = arrays["graph"].astype(np.uint8)
        method, effort, recall = arrays["found"]
        index.method_ = METHODS[int(method)]
        index.effort_, index.recall_ = int(effort), float(recall)
        index._exact = pack_items(index.vectors_)
        if index.method_ == "cells":
            index._cells = pack_cells(index.vectors_, index.cell_)
        if index.method_ == "hnsw" and is_installed():
            index._graph = HnswGraph.of_bytes(index.graph_, index.vectors_.shape[1])
        elif index.method_ == "hnsw":
            index.method_, index.effort_, index.recall_ = "exact", 0, 1.0
        return index

    def _check(self) -> None:
        for name, value, known in (
            ("method", self.method, METHODS),
            ("measure", self.measure, MEASURES),
        ):
            if value not in known:
                raise ParameterError(
                    f"{name} must be one of {', '.join(known)}, got {value!r}."
                    f"{did_you_mean(value, known)}"
                )
        if not 0 < self.least_recall < 1:
            raise ParameterError(
                f"least_recall must be above 0 and below 1, got {self.least_recall}. "
                "For 1 choose the method exact."
            )
        if not self.list_length >= 1:
            raise ParameterError(f"list_length must be at least 1, got {self.list_length}.")
        if not self.seed >= 0:
            raise ParameterError(f"seed must be at least 0, got {self.seed}.")

    def _scaled(self, table: Array, name: str) -> Array:
        """Give the rows as they are, or of length 1 where cosines are wanted."""
        length = lengths_of(name, table)
        if self.measure == "product":
            return table
        length[length == 0] = 1.0
        return (table / length[:, None]).astype(np.float32)

    def _build(self, queries: Array | None) -> None:
        """Build cells or a graph and measure them, on vectors that are put in afterwards."""
        n, rng = len(self.vectors_), np.random.default_rng(self.seed)
        held = np.zeros(n, dtype=np.bool_)
        if queries is None:
            held[rng.permutation(n)[: min(SAMPLE, n // 10)]] = True
            sample = self.vectors_[held]
        else:
            queries = self._scaled(checked("queries", queries), "queries")
            sample = queries[np.sort(rng.permutation(len(queries))[:SAMPLE])]
        if self.method_ == "cells":
            n_cells = round(CELLS_PER_ROOT * n**0.5)
            centres = learn_centres(self.vectors_[~held], n_cells, self.seed)
            self.cell_ = cells_of(self.vectors_, centres)
            self._cells = pack_cells(self.vectors_, self.cell_, ~held)
        else:
            self._graph = HnswGraph.empty(n, self.vectors_.shape[1], self.seed)
            self._graph.add(self.vectors_[~held], np.flatnonzero(~held))
        if not self._choose_effort(sample, pack_items(self.vectors_, ~held)):
            self.method_, self.cell_ = "exact", self.cell_[:0]
        elif self.method_ == "cells":
            self._cells = pack_cells(self.vectors_, self.cell_)
        else:
            self._graph.add(self.vectors_[held], np.flatnonzero(held))
            self.graph_ = self._graph.to_bytes()

    def _choose_effort(self, sample: Array, compared: PackedItems) -> bool:
        """Take the least effort that finds enough; tells whether there is one."""
        k = self.list_length
        wanted, _ = search(compared, sample, k)
        effort = 1 if self.method_ == "cells" else k
        while self._share_looked_at(effort) <= MOST_LOOKED_AT:
            found, _ = self._looked_up(sample, k, None, None, effort)
            hits = np.array([np.isin(w, f).mean() for w, f in zip(wanted, found, strict=True)])
            if hits.mean() - hits.std() / len(hits) ** 0.5 >= self.least_recall:
                self.effort_, self.recall_ = effort, float(hits.mean())
                return True
            effort += max(1, effort // 8)
        return False

    def _share_looked_at(self, effort: int) -> float:
        """Give the share of the vectors that a search compares with; of a graph, about."""
        if self.method_ == "cells":
            return effort / (len(self._cells.ptr) - 1)
        return LINKS * effort / len(self.vectors_)

    def _looked_up(
        self,
        queries: Array,
        k: int,
        left_out: tuple[Array, Array] | None,
        n_threads: int | None,
        effort: int,
    ) -> Lists:
        """Give lists from the cells or the graph; they may end early."""
        if self.method_ == "cells":
            return search_cells(
                self._cells, queries, k, effort, left_out=left_out, n_threads=n_threads
            )
        item = np.full((len(queries), k), -1, dtype=np.int32)
        score = np.zeros((len(queries), k), dtype=np.float32)
        threads = available_threads(n_threads)
        out = np.zeros(len(queries), np.int64) if left_out is None else np.diff(left_out[0])
        for count in np.unique(out):
            row = np.flatnonzero(out == count)
            wanted = k + int(count)
            if wanted <= len(self.vectors_):
                found = self._graph.candidates(queries[row], wanted, effort, threads)
                item[row], score[row] = self._ranked(
                    queries[row], found, k, _rows_of(left_out, row)
                )
        return item, score

    def _ranked(
        self, queries: Array, found: Array, k: int, left_out: tuple[Array, Array] | None
    ) -> Lists:
        """Give the k best of each row of candidates that are not left out; -1 is no candidate."""
        score = np.empty(found.shape, dtype=np.float32)
        for first in range(0, len(queries), ROWS_AT_A_TIME):
            rows = slice(first, first + ROWS_AT_A_TIME)
            vectors = self.vectors_[found[rows]].astype(np.float64)
            score[rows] = (vectors * queries[rows, None]).sum(axis=2)
        if left_out is not None:
            for row, (first, last) in enumerate(pairwise(left_out[0])):
                found[row, np.isin(found[row], left_out[1][first:last])] = -1
        score[found < 0] = -np.inf
        best = np.lexsort((found, -score), axis=1)[:, :k]
        item, score = np.take_along_axis(found, best, 1), np.take_along_axis(score, best, 1)
        return item, np.where(item < 0, np.float32(0), score)


def _rows_of(left_out: tuple[Array, Array] | None, rows: Array) -> tuple[Array, Array] | None:
    """Give (ptr, item) of some rows."""
    if left_out is None:
        return None
    ptr, item = left_out
    counts = np.diff(ptr)[rows]
    new = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    place = np.arange(new[-1]) - np.repeat(new[:-1] - ptr[rows], counts)
    return new, item[place]
