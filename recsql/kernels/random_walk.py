"""Random walks from items to items over the groups that hold them, and the items they meet most.

A step leaves an item for one of its groups, and the group for one of its items. Many walkers of
one request take a step together: while the memory that one of them asked for is on its way, the
others compute.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_line, kernel_part, lean_kernel, prefetch
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.topk import rise, sink
from recsql.kernels.walk_graph import WalkGraph, degrees

Counts = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
Wide = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

WALKERS = 32
GOLDEN = 0x9E3779B97F4A7C15
FRACTIONS = 2**32


class Rule(NamedTuple):
    """How to walk.

    Attributes
    ----------
    steps : int               steps of a request, all its walkers together; >= 1
    restart : int             after a step a walker goes back to its start with a probability of
                              restart / 2**32; 1 to 2**32
    popularity_power : float  visits are divided by (groups of the item) ** popularity_power
    bias : int                a group that shares items with the customer is entered 1 + overlap
                              times as often as one that shares none, at most 1 + bias; >= 0
    enough_items : int        a start is left early, once so many items besides it ...
    enough_visits : int       ... were visited so often; 0: never
    seed : int                0 <= seed < 2**64
    """

    steps: int
    restart: int
    popularity_power: float
    bias: int
    enough_items: int
    enough_visits: int
    seed: int


class Rows(NamedTuple):
    """Items of each request, in compressed rows: int64[n_requests + 1] and int32[n]."""

    ptr: Longs
    item: Counts


class Asked(NamedTuple):
    """What is asked, in the numbering of the graph.

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


class Scratch(NamedTuple):
    """Room of one thread; count, total, boosted and overlap are 0 between requests.

    Attributes
    ----------
    walker : uint64[6, WALKERS]            at, generator, steps left, entry, bits, fraction
    count, touched : uint32[n_items + 1]   visits from one start, and the items that have some
    total, seen : uint32[n_items + 1]      visits from all starts, and the items that have some
    boosted : float64[n_items]             sum of sqrt(visits)
    overlap, near : uint32[n_groups]       items shared with the customer; groups that share some
    best, best_score : [k]                 heap of the best items and their scores
    """

    walker: Wide
    count: Words
    touched: Words
    total: Words
    seen: Words
    boosted: Floats
    overlap: Words
    near: Words
    best: Longs
    best_score: Floats


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
    starts : Rows                    items to walk from; never in the list of their request
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
    work = np.diff(asked.ptr) * rule.steps
    run_blocks(task, equal_blocks(work, 16 * threads), lambda: _scratch(graph, k), threads)
    return found


def share_steps(start_degree: Floats, ptr: Longs, most_degree: int, steps: int) -> Longs:
    """Share the steps of each request among its starts: int64[n], each at least 1.

    A start of degree d weighs d * (most_degree - ln d), so that popular items get more steps, but
    fewer for each of their neighbours; without neighbours it gets 1.

    Source: Eksombatchai et al., "Pixie", WWW 2018, equations 1 and 2.
    """
    degree = np.maximum(start_degree, 1.0)
    weight = degree * (most_degree - np.log(degree))
    row = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    total = np.bincount(row, weights=weight, minlength=len(ptr) - 1)
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
    degree = degrees(graph).astype(np.float64)
    factor = np.maximum(degree, 1.0) ** -rule.popularity_power
    if eligible is not None:
        factor = np.where(eligible[graph.code], factor, 0.0)
    start = graph.place[starts.item].astype(np.int64)
    steps = share_steps(degree[start], starts.ptr, int(degree.max(initial=1)), rule.steps)
    hidden = graph.place[left_out.item].astype(np.int64)
    items = graph.place[known.item].astype(np.int64)
    return Asked(starts.ptr, start, steps, known.ptr, items, left_out.ptr, hidden, factor)


def _scratch(graph: WalkGraph, k: int) -> Scratch:
    n_items, n_groups = len(graph.code), len(graph.group_ptr) - 1
    items = [np.zeros(n_items + 1, dtype=np.uint32) for _ in range(4)]
    groups = [np.zeros(n_groups + 1, dtype=np.uint32) for _ in range(2)]
    walker = np.zeros((6, WALKERS), dtype=np.uint64)
    return Scratch(
        walker, *items, np.zeros(n_items), *groups, np.empty(k, dtype=np.int64), np.empty(k)
    )


@kernel_line
def mixed(word: np.uint64) -> np.uint64:
    """Give 64 bits that look random from any others.

    Source: Steele, Lea and Flood, OOPSLA 2014 (SplitMix, with Stafford's variant 13).
    """
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


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
        write_best(row, n_seen, graph, asked.factor, scratch, found)


@kernel_part
def count_overlap(
    graph: WalkGraph, known: Longs, bias: int, scratch: Scratch
) -> tuple[int, np.uint64]:
    """Count the items that each group shares with the customer, at most ``bias``.

    Gives the number of groups that share any, and the most that one of them shares.
    """
    n_near = 0
    most = np.uint32(0)
    for item in known:
        for entry in range(np.int64(graph.item_ptr[item]), np.int64(graph.item_ptr[item + 1])):
            group = graph.slot[3 * entry]
            shared = scratch.overlap[group]
            if shared == 0:
                scratch.near[n_near] = group
                n_near += 1
            if shared < bias:
                scratch.overlap[group] = shared + np.uint32(1)
                most = max(most, np.uint32(shared + np.uint32(1)))
    return n_near, np.uint64(most)


@kernel_part
def walk_from(
    start: np.uint64, steps: int, graph: WalkGraph, rule: Rule, most: np.uint64, scratch: Scratch
) -> int:
    """Walk so many steps from a start; gives how many items were touched.

    A walker draws 64 bits a step: the upper half, times the number of slots, gives a slot and what
    is left over the choice within it; the lower half gives the item and whether to restart. Where
    groups that share items with the customer are preferred, a second draw decides whether the
    walker may enter its group; if not, it tries again in the next round.

    Parameters
    ----------
    most : uint64    the most items that any group shares with the customer; 0: no preference

    Source: Brackett-Rozinsky and Lemire, "Batched Ranged Random Integer Generation", Software:
    Practice and Experience 55(1), 2025 (what is left over); the bias of a bounded number is below
    bound / 2**32.
    """
    at, state, left = scratch.walker[0], scratch.walker[1], scratch.walker[2]
    entry, bits, fraction = scratch.walker[3], scratch.walker[4], scratch.walker[5]
    one, low, half = np.uint64(1), np.uint64(0xFFFFFFFF), np.uint64(32)
    golden = np.uint64(GOLDEN)
    restart, enough_visits = np.uint64(rule.restart), np.uint32(rule.enough_visits)
    key = mixed(np.uint64(rule.seed) + golden * np.uint64(graph.code[start] + 1))
    active = np.uint64(min(steps, WALKERS))
    for walker in range(active):
        at[walker] = start
        state[walker] = mixed(key + golden * np.uint64(walker))
        left[walker] = np.uint64((steps - walker + WALKERS - 1) // WALKERS)
    n_touched = np.uint64(0)
    reached = 0
    while active > 0:
        for walker in range(active):
            state[walker] += golden
            word = mixed(state[walker])
            begin = np.uint64(graph.item_ptr[at[walker]])
            size = np.uint64(graph.item_ptr[at[walker] + one]) - begin
            product = (word >> half) * size
            entry[walker] = np.uint64(3) * (begin + (product >> half))
            prefetch(graph.slot, entry[walker])
            fraction[walker] = product & low
            bits[walker] = word & low
        for walker in range(active):
            slot = entry[walker]
            group = np.uint64(graph.slot[slot + one])
            if fraction[walker] < np.uint64(graph.slot[slot + np.uint64(2)]):
                group = np.uint64(graph.slot[slot])
            begin = np.uint64(graph.group_ptr[group])
            size = np.uint64(graph.group_ptr[group + one]) - begin
            product = bits[walker] * size
            entry[walker] = begin + (product >> half)
            prefetch(graph.group_item, entry[walker])
            fraction[walker] = product & low
            if most > 0:
                chance = (mixed(~state[walker]) >> half) * (one + most)
                bits[walker] = np.uint64((chance >> half) <= np.uint64(scratch.overlap[group]))
        for walker in range(active):
            if most > 0 and bits[walker] == 0:
                continue
            item = np.uint64(graph.group_item[entry[walker]])
            visits = scratch.count[item]
            scratch.count[item] = visits + np.uint32(1)
            scratch.touched[n_touched] = np.uint32(item)
            n_touched += np.uint64(visits == 0)
            reached += (visits + np.uint32(1) == enough_visits) & (item != start)
            at[walker] = start if fraction[walker] < restart else item
            left[walker] -= one
        if enough_visits > 0 and reached >= rule.enough_items:
            break
        while active > 0 and left[active - one] == 0:
            active -= one
        if most > 0:
            active = without_finished(active, scratch.walker)
    return np.int64(n_touched)


@kernel_part
def without_finished(active: np.uint64, walker: Wide) -> np.uint64:
    """Move walkers that have steps left to the front; gives how many there are."""
    kept = np.uint64(0)
    for place in range(active):
        if walker[2, place] > 0:
            walker[0, kept] = walker[0, place]
            walker[1, kept] = walker[1, place]
            walker[2, kept] = walker[2, place]
            kept += np.uint64(1)
    return kept


@kernel_part
def add_visits(n_touched: int, n_seen: int, scratch: Scratch) -> int:
    """Add the visits from one start to those from all; gives how many items have any now."""
    for place in range(n_touched):
        item = scratch.touched[place]
        visits = scratch.count[item]
        scratch.count[item] = 0
        if scratch.total[item] == 0:
            scratch.seen[n_seen] = item
            n_seen += 1
        scratch.total[item] += visits
        scratch.boosted[item] += np.sqrt(np.float64(visits))
    return n_seen


@kernel_part
def write_best(
    row: int, n_seen: int, graph: WalkGraph, factor: Floats, scratch: Scratch, found: Lists
) -> None:
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
        code = np.int64(graph.code[item])
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
        found.support[row, size] = scratch.total[graph.place[best[0]]]
        best_score[0] = best_score[size]
        best[0] = best[size]
        sink(best_score, best, size)
    for place in range(n_seen):
        scratch.total[scratch.seen[place]] = 0
