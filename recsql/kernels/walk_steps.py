"""Steps of a random walk from an item to items, over the groups that hold them.

A step leaves an item for one of its groups, and the group for one of its items. Many walkers of
one start take a step together: while the memory that one of them asked for is on its way, the
others compute.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_line, kernel_part, prefetch
from recsql.kernels.walk_graph import WalkGraph

Longs = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
Wide = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

WALKERS = 32
GOLDEN = 0x9E3779B97F4A7C15
SPREAD = 0xC13FA9A991E10A35  # 0.7548776662 and 0.5698402910 of 2**32
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


class Scratch(NamedTuple):
    """Room of one thread; count, total, boosted and overlap are 0 between requests.

    Attributes
    ----------
    at, state : uint64[WALKERS]            item and random state of each walker
    entry : uint64[WALKERS]                where the next number is read
    bits, fraction : uint64[WALKERS]       what is left of the random bits: 0 to 2**32 - 1 each
    count, touched : uint32[n_items + 1]   visits from one start, and the items that have some
    total, seen : uint32[n_items + 1]      visits from all starts, and the items that have some
    boosted : float64[n_items]             sum of sqrt(visits)
    overlap, near : uint32[n_groups]       items shared with the customer; groups that share some
    best, best_score : [k]                 heap of the best items and their scores
    """

    at: Wide
    state: Wide
    entry: Wide
    bits: Wide
    fraction: Wide
    count: Words
    touched: Words
    total: Words
    seen: Words
    boosted: Floats
    overlap: Words
    near: Words
    best: Longs
    best_score: Floats


def new_scratch(graph: WalkGraph, k: int) -> Scratch:
    """Give the room that one thread needs for lists of length k."""

    def words(size: int) -> Words:
        return np.zeros(size, dtype=np.uint32)

    n_items, n_groups = graph.n_items, graph.n_groups
    walker = np.zeros((5, WALKERS), dtype=np.uint64)
    return Scratch(
        at=walker[0],
        state=walker[1],
        entry=walker[2],
        bits=walker[3],
        fraction=walker[4],
        count=words(n_items),
        touched=words(n_items + 1),
        total=words(n_items),
        seen=words(n_items),
        boosted=np.zeros(n_items),
        overlap=words(n_groups),
        near=words(n_groups),
        best=np.empty(k, dtype=np.int64),
        best_score=np.empty(k),
    )


@kernel_line
def mixed(word: np.uint64) -> np.uint64:
    """Give 64 bits that look random from any others.

    Source: Steele, Lea and Flood, OOPSLA 2014 (SplitMix, with Stafford's variant 13).
    """
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


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

    Where groups that share items with the customer are preferred, a walker that may not enter its
    group tries again in the next round.

    Parameters
    ----------
    start : uint64    an item that is in a group
    most : uint64     the most items that any group shares with the customer; 0: no preference
    """
    restart, enough_visits = np.uint64(rule.restart), np.uint32(rule.enough_visits)
    key = mixed(np.uint64(rule.seed) + np.uint64(GOLDEN) * (start + np.uint64(1)))
    spread = mixed(~key)
    for walker in range(WALKERS):
        scratch.at[walker] = start
        scratch.state[walker] = mixed(key + np.uint64(GOLDEN) * np.uint64(walker))
    n_touched = 0
    reached = 0
    while steps > 0:
        active = min(steps, WALKERS)
        spread = leave_items(active, start, spread, graph, scratch)
        leave_groups(active, graph, most, scratch)
        for walker in range(active):
            if most > 0 and scratch.bits[walker] == 0:
                continue
            item = np.uint64(graph.group_item[scratch.entry[walker]])
            visits = scratch.count[item] + np.uint32(1)
            scratch.count[item] = visits
            scratch.touched[n_touched] = np.uint32(item)
            n_touched += visits == 1
            reached += visits == enough_visits and item != start
            scratch.at[walker] = start if scratch.fraction[walker] < restart else item
            steps -= 1
        if enough_visits > 0 and reached >= rule.enough_items:
            break
    return n_touched


@kernel_line
def leave_items(
    active: int, start: np.uint64, spread: np.uint64, graph: WalkGraph, scratch: Scratch
) -> np.uint64:
    """Choose a slot of the item of each walker; gives ``spread`` for the next round.

    The upper half of 64 random bits, times the number of slots, gives the slot, and what is left
    over the choice within it; the lower half remains for ``leave_groups``. At the start, where
    most choices are made, the halves are not random but those of a sequence that fills the square
    evenly, from a random place on, so that as many steps leave less to chance.

    Source: Roberts, "The Unreasonable Effectiveness of Quasirandom Sequences", 2018 (R2);
    Brackett-Rozinsky and Lemire, "Batched Ranged Random Integer Generation", Software: Practice
    and Experience 55(1), 2025 (what is left over); the bias of a bounded number is below
    bound / 2**32.
    """
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for walker in range(active):
        scratch.state[walker] += np.uint64(GOLDEN)
        word = mixed(scratch.state[walker])
        if scratch.at[walker] == start:
            spread += np.uint64(SPREAD)
            word = spread
        begin = np.uint64(graph.item_ptr[scratch.at[walker]])
        size = np.uint64(graph.item_ptr[scratch.at[walker] + np.uint64(1)]) - begin
        product = (word >> half) * size
        scratch.entry[walker] = np.uint64(3) * (begin + (product >> half))
        prefetch(graph.slot, scratch.entry[walker])
        scratch.fraction[walker] = product & low
        scratch.bits[walker] = word & low
    return spread


@kernel_line
def leave_groups(active: int, graph: WalkGraph, most: np.uint64, scratch: Scratch) -> None:
    """Choose the group that each slot leads to, and an entry of it; what is left over remains.

    Where groups are preferred, bits tell whether the walker may enter its group: 1 or 0.
    """
    one, low, half = np.uint64(1), np.uint64(0xFFFFFFFF), np.uint64(32)
    for walker in range(active):
        slot = scratch.entry[walker]
        group = np.uint64(graph.slot[slot + one])
        if scratch.fraction[walker] < np.uint64(graph.slot[slot + np.uint64(2)]):
            group = np.uint64(graph.slot[slot])
        begin = np.uint64(graph.group_ptr[group])
        size = np.uint64(graph.group_ptr[group + one]) - begin
        product = scratch.bits[walker] * size
        scratch.entry[walker] = begin + (product >> half)
        prefetch(graph.group_item, scratch.entry[walker])
        scratch.fraction[walker] = product & low
        if most > 0:
            chance = ((mixed(~scratch.state[walker]) >> half) * (one + most)) >> half
            scratch.bits[walker] = np.uint64(chance <= np.uint64(scratch.overlap[group]))


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
