"""The items with the greatest inner products, looked for only in the cells near a query.

Vectors that are alike lie in one cell. A query is compared with the centre of every cell, then with
the vectors of the few best cells. Queries of a block that look into a cell do so together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel, trailing_zeros
from recsql.kernels._threads import available_threads, run_blocks
from recsql.kernels._tile import ITEMS, QUERIES, multiply_tile
from recsql.kernels.factor_search import (
    Counts,
    Doubles,
    Flags,
    Longs,
    PackedItems,
    Shorts,
    Words,
    best_products,
    blocks_of,
    is_open,
    left_out_of,
    lengths_of,
    make_scratch,
    pack_items,
    put_in_order,
    search,
    take_items,
)

ROWS_PER_BLOCK = 4096  # queries that are searched together: some for every cell
ROUNDS = 10  # of moving centres
PER_CELL = 128  # vectors that centres learn from, at most, for each of them

Floats = npt.NDArray[np.float32]


class PackedCells(NamedTuple):
    """Vectors laid out by cell for the search.

    Attributes
    ----------
    centres : PackedItems                      the mean of each cell
    ptr : int64[n_cells + 1]                   where the panels of each cell begin
    panel : float32[n_panels, width, ITEMS]    vectors, the longest of a cell first
    code : int32[n_panels * ITEMS]             place of each vector; -1 where there is none
    reach : float64[n_panels]                  what a score is at most, for a query of length 1
    """

    centres: PackedItems
    ptr: Longs
    panel: Floats
    code: Counts
    reach: Doubles


def learn_centres(vectors: Floats, n_cells: int, seed: int, n_threads: int | None = None) -> Floats:
    """Give centres of cells, so that those of a cell lie close together: float32[n_cells, width].

    Parameters
    ----------
    vectors : float32[n, width]    finite
    n_cells : int                  1 to n; some may stay empty
    seed : int                     of the draw of vectors to learn from, and of the first centres
    n_threads : int, optional      the result does not depend on it

    Source
    ------
    Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28(2), 1982.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(vectors))[: n_cells * PER_CELL]
    centres = vectors[drawn[:n_cells]]
    sample = vectors[np.sort(drawn)]
    for _ in range(ROUNDS):
        centres = means_of(sample, cells_of(sample, centres, n_threads), centres)
    return centres


def means_of(vectors: Floats, cell: Counts, before: Floats) -> Floats:
    """Give the mean vector of every cell; an empty one keeps what it had before."""
    order = np.argsort(cell, kind="stable")
    used, first = np.unique(cell[order], return_index=True)
    means = before.copy()
    sums = np.add.reduceat(vectors[order], first, axis=0, dtype=np.float64)
    counts = np.diff(np.append(first, len(order)))
    means[used] = sums / counts[:, None]
    return means


def cells_of(vectors: Floats, centres: Floats, n_threads: int | None = None) -> Counts:
    """Give the cell of every vector, int32[n]: the nearest centre, ties to the smaller number.

    It is the one with the greatest x c - c c / 2.
    """
    half = (centres.astype(np.float64) ** 2).sum(axis=1, keepdims=True) / 2
    targets = np.concatenate([centres, -half.astype(np.float32)], axis=1)
    ones = np.ones((len(vectors), 1), dtype=np.float32)
    found, _ = best_products(
        np.concatenate([vectors, ones], axis=1), targets, 1, n_threads=n_threads
    )
    return found[:, 0]


def pack_cells(vectors: Floats, cell: Counts, eligible: Flags | None = None) -> PackedCells:
    """Give the eligible vectors laid out by cell for any number of searches; no cell is empty."""
    place = np.arange(len(vectors)) if eligible is None else np.flatnonzero(eligible)
    used, cell = np.unique(cell[place], return_inverse=True)
    before = np.zeros((len(used), vectors.shape[1]), dtype=np.float32)
    centres = means_of(vectors[place], cell, before)
    order = place[np.argsort(cell, kind="stable")].astype(np.int32)
    counts = np.bincount(cell, minlength=len(used))
    ends = np.cumsum(counts)
    ptr = np.concatenate([[0], np.cumsum(-(-counts // ITEMS))]).astype(np.int64)
    panel = np.zeros((ptr[-1], vectors.shape[1], ITEMS), dtype=np.float32)
    code = np.full(len(panel) * ITEMS, -1, dtype=np.int32)
    reach = np.zeros(len(panel))
    for number, (first, last) in enumerate(zip(ends - counts, ends, strict=True)):
        own = order[first:last]
        part = pack_items(vectors[own])
        rows = slice(ptr[number], ptr[number + 1])
        panel[rows], reach[rows] = part.panel, part.reach
        code[rows.start * ITEMS : rows.stop * ITEMS] = np.where(part.code < 0, -1, own[part.code])
    return PackedCells(pack_items(centres), ptr, panel, code, reach)


def search_cells(
    packed: PackedCells,
    queries: Floats,
    k: int,
    n_probes: int,
    *,
    left_out: tuple[Longs, Counts] | None = None,
    n_threads: int | None = None,
) -> tuple[Counts, Floats]:
    """Give the k best vectors of the cells whose centres have the greatest products.

    Parameters
    ----------
    queries : float32[n_queries, width]    finite
    k : int                                >= 1
    n_probes : int                         cells that a query looks into, >= 1
    left_out : (ptr, item), optional       as in ``best_products``
    n_threads : int, optional              the result does not depend on it

    Returns
    -------
    item, score, as ``best_products`` gives them; the score of an item has the same bits there
    """
    n_queries = len(queries)
    item = np.full((n_queries, k), -1, dtype=np.int32)
    score = np.zeros((n_queries, k), dtype=np.float32)
    threads = available_threads(n_threads)
    n_probes = min(n_probes, len(packed.ptr) - 1)

    def task(first: int, last: int, scratch: tuple[Shorts, Words]) -> None:
        rows = np.ascontiguousarray(queries[first:last], dtype=np.float32)
        cell, _ = search(packed.centres, rows, n_probes, n_threads=1)
        length = lengths_of("queries", rows, first)
        size = np.zeros(len(rows), dtype=np.int64)
        group = np.zeros((rows.shape[1], QUERIES), dtype=np.float32)
        least, longest = np.empty(QUERIES, dtype=np.float32), np.empty(QUERIES)
        own = left_out_of(left_out, first, last)
        lists = item[first:last], score[first:last]
        # What is found in the best cells first spares the lists most of what the others hold.
        for part in (cell[:, :1], cell[:, 1:]):
            asking = _by_cell(part, len(packed.ptr) - 1)
            search_cell_rows(
                *packed[1:], *asking, rows, length, group, least, longest, size, *scratch, *own,
                *lists,
            )  # fmt: skip
        put_all_in_order(*lists, size)

    run_blocks(task, blocks_of(n_queries, threads, ROWS_PER_BLOCK), make_scratch, threads)
    return item, score


def _by_cell(cell: Counts, n_cells: int) -> tuple[Longs, Counts]:
    """Give (ptr, row): the rows of cell in which each cell stands."""
    narrow = cell.ravel().astype(np.uint16 if n_cells <= 2**16 else np.int32)
    order = np.argsort(narrow, kind="stable")  # of two bytes: a radix sort
    ptr = np.concatenate([[0], np.cumsum(np.bincount(narrow, minlength=n_cells))])
    return ptr, (order // max(cell.shape[1], 1)).astype(np.int32)


@lean_kernel
def search_cell_rows(
    cell_ptr: Longs,
    panel: Floats,
    code: Counts,
    reach: Doubles,
    query_ptr: Longs,
    query: Counts,
    rows: Floats,
    length: Doubles,
    group: Floats,
    least: Floats,
    longest: Doubles,
    size: Longs,
    tile: Floats,
    above: Words,
    ptr: Longs,
    left_out: Counts,
    item: Counts,
    score: Floats,
) -> None:
    """Add to the lists of a block, heaps; query has those of each cell, from query_ptr on."""
    width = np.uint64(panel.shape[1])
    for cell in range(cell_ptr.shape[0] - 1):
        for begin in range(query_ptr[cell], query_ptr[cell + 1], QUERIES):
            asking = query[begin : min(begin + QUERIES, query_ptr[cell + 1])]
            gather(asking, rows, length, size, score, group, least, longest)
            for place in range(cell_ptr[cell], cell_ptr[cell + 1]):
                if not is_open(0, reach[place], longest, least):
                    break
                found = multiply_tile(
                    group,
                    np.uint64(0),
                    panel,
                    np.uint64(place) * width * np.uint64(ITEMS),
                    width,
                    least,
                    np.uint64(0),
                    tile,
                    above,
                )
                while found != 0:
                    lane = np.int64(trailing_zeros(found))
                    found &= found - np.uint64(1)
                    row = asking[lane]
                    own = left_out[ptr[row] : ptr[row + 1]]
                    size[row] = take_items(
                        above[lane], lane * ITEMS, place * ITEMS, tile, code, own, size[row],
                        item[row], score[row],
                    )  # fmt: skip
                    if size[row] == item.shape[1]:
                        least[lane] = score[row, 0]


@lean_kernel
def put_all_in_order(item: Counts, score: Floats, size: Longs) -> None:
    """Turn the heaps of all rows into lists, best first."""
    for row in range(item.shape[0]):
        put_in_order(score[row], item[row], size[row])


@kernel_part
def gather(
    asking: Counts,
    rows: Floats,
    length: Doubles,
    size: Longs,
    score: Floats,
    group: Floats,
    least: Floats,
    longest: Doubles,
) -> None:
    """Lay out the queries of a tile; those that are missing ask for more than any score."""
    for lane in range(QUERIES):
        least[lane] = np.inf
        longest[lane] = 0.0
    for lane in range(asking.shape[0]):
        row = asking[lane]
        for factor in range(group.shape[0]):
            group[factor, lane] = rows[row, factor]
        longest[lane] = length[row]
        least[lane] = score[row, 0] if size[row] == score.shape[1] else -np.inf
