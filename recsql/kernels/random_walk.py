"""The items that random walks from the items of each request meet most."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.topk import rise, sink
from recsql.kernels.walk_graph import WalkGraph
from recsql.kernels.walk_steps import (
    Rule,
    Scratch,
    add_visits,
    count_overlap,
    new_scratch,
    walk_from,
)

Counts = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Rows(NamedTuple):
    """Items of each request, in compressed rows: int64[n_requests + 1] and int32[n]."""

    ptr: Longs
    item: Counts


class Asked(NamedTuple):
    """What is asked, and what is known of it.

    Attributes
    ----------
    ptr : int64[n_requests + 1]         entries of ``start`` of each request
    start : int64[n]                    items that walks start at
    steps : int64[n]                    steps from each start
    known_ptr, known : int64[...]       items of the customer that draw the walk, by request
    hidden_ptr, hidden : int64[...]     items left out of the list, by request
    factor : float64[n_items]           what visits are multiplied by; 0 for what is never listed
    """

    ptr: Longs
    start: Longs
    steps: Longs
    known_ptr: Longs
    known: Longs
    hidden_ptr: Longs
    hidden: Longs
    factor: Floats


class Lists(NamedTuple):
    """The items that walks met most.

    Attributes
    ----------
    item : int32[n_requests, k]       best first, ties to the smaller code; -1 where it has ended
    score : float64[n_requests, k]    (sum over the starts of sqrt(visits)) ** 2, divided by the
                                      popularity; 0 where a list has ended
    support : int32[n_requests, k]    visits from all starts; 0 where a list has ended
    """

    item: Counts
    score: Floats
    support: Counts


def random_walks(
    graph: WalkGraph,
    starts: Rows,
    k: int,
    rule: Rule,
    *,
    known: Rows | None = None,
    left_out: Rows | None = None,
    eligible: Flags | None = None,
    n_threads: int | None = None,
) -> Lists:
    """Give the items that walks from the items of each request visit most.

    Parameters
    ----------
    graph : WalkGraph
    starts : Rows                    different items to walk from; none is in its request's list
    k : int                          >= 1
    known : Rows, optional           items of the customer that draw the walk
    left_out : Rows, optional        items left out of the list of a request
    eligible : bool[n_items], optional
    n_threads : int, optional        the result does not depend on it

    A start without a group that holds another item gives nothing.

    Source
    ------
    Eksombatchai et al., "Pixie", WWW 2018, algorithms 2 and 3: several starts share the steps by
    equation 2, and their visits meet by equation 3. There a walk's length is drawn before it
    begins; here a restart is drawn after each step, and the bias is that of the unified
    recommendation framework for a CRM, section 2.2 (customers who are alike).
    """
    n_requests = len(starts.ptr) - 1
    found = Lists(
        np.full((n_requests, k), -1, dtype=np.int32),
        np.zeros((n_requests, k)),
        np.zeros((n_requests, k), dtype=np.int32),
    )
    asked = _ask(graph, starts, rule, known, left_out, eligible)

    def task(first: int, last: int, scratch: Scratch) -> None:
        walk_requests(first, last, graph, asked, rule, scratch, found)

    threads = available_threads(n_threads)
    blocks = equal_blocks(np.ones(n_requests, dtype=np.int64), 16 * threads)
    run_blocks(task, blocks, lambda: new_scratch(graph, k), threads)
    return found


def share_steps(start_degree: Floats, ptr: Longs, most_degree: int, steps: int) -> Longs:
    """Share the steps of each request among its starts: int64[n], each at least 1.

    A start of degree d weighs d * (most_degree - ln d), so that popular items get more steps, but
    fewer for each of their neighbours.

    Source: Eksombatchai et al., "Pixie", WWW 2018, equations 1 and 2.
    """
    weight = start_degree * (most_degree - np.log(np.maximum(start_degree, 1.0)))
    row = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    total = np.maximum(np.bincount(row, weights=weight, minlength=len(ptr) - 1), 1.0)
    return np.maximum(1, np.floor(steps * (weight / total[row]))).astype(np.int64)


def _ask(
    graph: WalkGraph,
    starts: Rows,
    rule: Rule,
    known: Rows | None,
    left_out: Rows | None,
    eligible: Flags | None,
) -> Asked:
    nobody = Rows(np.zeros(len(starts.ptr), dtype=np.int64), np.empty(0, dtype=np.int32))
    known = nobody if known is None or rule.bias == 0 else known
    left_out = nobody if left_out is None else left_out
    degree = graph.degree.astype(np.float64)
    factor = np.maximum(degree, 1.0) ** -rule.popularity_power
    if eligible is not None:
        factor = np.where(eligible, factor, 0.0)
    start, items, hidden = (rows.item.astype(np.int64) for rows in (starts, known, left_out))
    steps = share_steps(degree[start], starts.ptr, int(degree.max(initial=1)), rule.steps)
    return Asked(starts.ptr, start, steps, known.ptr, items, left_out.ptr, hidden, factor)


@lean_kernel
def walk_requests(
    first: int,
    last: int,
    graph: WalkGraph,
    asked: Asked,
    rule: Rule,
    scratch: Scratch,
    found: Lists,
) -> None:
    """Write the rows first <= row < last of found."""
    for row in range(first, last):
        n_near, most = 0, np.uint64(0)
        begin, end = asked.known_ptr[row], asked.known_ptr[row + 1]
        if begin < end:
            n_near, most = count_overlap(graph, asked.known[begin:end], rule.bias, scratch)
        n_seen = 0
        for entry in range(asked.ptr[row], asked.ptr[row + 1]):
            start = np.uint64(asked.start[entry])
            if graph.item_ptr[start] == graph.item_ptr[start + np.uint64(1)]:
                continue
            n = walk_from(start, asked.steps[entry], graph, rule, most, scratch)
            n_seen = add_visits(n, n_seen, scratch)
        for place in range(n_near):
            scratch.overlap[scratch.near[place]] = 0
        for entry in range(asked.ptr[row], asked.ptr[row + 1]):
            scratch.boosted[asked.start[entry]] = 0.0
        for entry in range(asked.hidden_ptr[row], asked.hidden_ptr[row + 1]):
            scratch.boosted[asked.hidden[entry]] = 0.0
        write_best(row, n_seen, asked.factor, scratch, found)


@kernel_part
def write_best(row: int, n_seen: int, factor: Floats, scratch: Scratch, found: Lists) -> None:
    """Write the best of the items that have visits, and forget all visits."""
    best, best_score = scratch.best, scratch.best_score
    k = best.shape[0]
    size = 0
    for place in range(n_seen):
        item = scratch.seen[place]
        boosted = scratch.boosted[item]
        value = boosted * boosted * factor[item]
        scratch.boosted[item] = 0.0
        if value <= 0.0 or (size == k and value < best_score[0]):
            continue
        code = np.int64(item)
        if size < k:
            best_score[size] = value
            best[size] = code
            size += 1
            rise(best_score, best, size - 1)
        elif value > best_score[0] or code < best[0]:
            best_score[0] = value
            best[0] = code
            sink(best_score, best, size)
    while size > 0:
        size -= 1
        found.item[row, size] = best[0]
        found.score[row, size] = best_score[0]
        found.support[row, size] = scratch.total[best[0]]
        best_score[0] = best_score[size]
        best[0] = best[size]
        sink(best_score, best, size)
    for place in range(n_seen):
        scratch.total[scratch.seen[place]] = 0
