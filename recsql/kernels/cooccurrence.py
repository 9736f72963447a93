"""Which items are found together: the best neighbours of every item, straight from baskets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel, kernel_line, kernel_part, lean_kernel, prefetch
from recsql.kernels._threads import BLOCKS_PER_THREAD, available_threads, equal_blocks, run_blocks
from recsql.kernels.baskets import Baskets, check_weights, make_baskets, rename_items
from recsql.kernels.ranking import (
    CONFIDENCE,
    COSINE,
    COUNT,
    JACCARD,
    LIFT,
    Neighbours,
    Ranking,
    make_neighbours,
    make_ranking,
    prefer_rare,
    row_term,
)
from recsql.kernels.row_ranking import (
    Scratch,
    key_listed_row,
    make_scratch,
    rank_dense_row,
    rank_listed_row,
)
from recsql.kernels.selection import MARGIN, count_reaching, kth_largest_bound

Longs = npt.NDArray[np.int64]
LARGEST_STAMP = 2**31 - 2
ROW_COST = 2000  # additions that take as long as ranking a row


def top_neighbours(
    group_ptr: Longs,
    group_item: npt.NDArray[np.int32],
    n_items: int,
    k: int,
    *,
    weighting: str = "cosine",
    min_support: int = 1,
    n_groups: int | None = None,
    entry_weight: Longs | None = None,
    total_weight: int | None = None,
    eligible: npt.NDArray[np.bool_] | None = None,
    n_threads: int | None = None,
) -> Neighbours:
    """Give the k best neighbours of every item without ever storing all pairs.

    n_ij groups hold both items, n_i hold item i, and N are there in all; with weights a, sums of
    a_gi * a_gj and of a_gi * a_gi take their places, and total_weight that of N. Scores are
    float64, computed in this order: count ``n_ij``; cosine ``n_ij / sqrt(n_i * n_j)``; jaccard
    ``n_ij / (n_i + n_j - n_ij)``; lift ``n_ij * N / (n_i * n_j)``; confidence ``n_ij / n_i``.

    Parameters
    ----------
    group_ptr : int64[n_groups + 1]    where the items of a group begin, ending with n_entries
    group_item : int32[n_entries]      0 <= code < n_items; ascending and distinct in a group
    n_items, k : int                   items of the catalogue; neighbours wanted, >= 1
    weighting : str                    count, cosine, jaccard, lift or confidence
    min_support : int                  groups that must hold both items, >= 1
    n_groups : int, optional           N of lift; the number of groups if left out
    entry_weight : int64[n_entries], optional    0 to 2**20; as integers, so that sums are exact
    total_weight : int, optional       N of lift with weights
    eligible : bool[n_items], optional    items that may be neighbours; the others still get a row
    n_threads : int, optional          the result does not depend on it

    Returns
    -------
    Neighbours    score descending, ties to the smaller code; a pair whose weight is 0 is left out

    Raises
    ------
    ValueError
        When an option is outside of its range or the groups are not as described.

    Source
    ------
    Linden, Smith and York, "Amazon.com Recommendations: Item-to-Item Collaborative Filtering",
    IEEE Internet Computing 7(1), 2003. Rows are accumulated as in Gustavson, "Two Fast Algorithms
    for Sparse Matrices", ACM TOMS 4(3), 1978; the stamps and the late look at pairs that were
    bought together once are ours.
    """
    weighted = entry_weight is not None
    threads = available_threads(n_threads)
    baskets = make_baskets(group_ptr, group_item, n_items, threads, with_entries=weighted)
    item_weight: Longs | None = None
    if entry_weight is None:
        marginal = np.diff(baskets.item_ptr)
        total = group_ptr.size - 1 if n_groups is None else n_groups
    else:
        entry_weight = check_weights(entry_weight, group_item)
        item_weight = entry_weight[baskets.item_entry]
        marginal = squares_by_item(baskets.item_ptr, item_weight)
        total = total_of(total_weight, weighting)
    ranking = make_ranking(
        weighting, k, marginal=marginal, total=total, min_support=min_support, eligible=eligible
    )
    if not weighted:
        ranking = prefer_rare(ranking)
        baskets = rename_items(baskets, ranking.code_at, threads)
    out = make_neighbours(n_items, k)

    def task(first: int, last: int, scratch: Scratch) -> None:
        rank_rows(first, last, baskets, entry_weight, item_weight, ranking, scratch, out)

    blocks = equal_blocks(baskets.work + ROW_COST, threads * BLOCKS_PER_THREAD)
    run_blocks(task, blocks, lambda: make_scratch(n_items, weighted=weighted), threads)
    return out


def total_of(total_weight: int | None, weighting: str) -> int:
    """Give the total weight, which only lift uses.

    Raises
    ------
    ValueError
        When lift lacks it.
    """
    if total_weight is None and weighting == "lift":
        raise ValueError("total_weight must be given for a lift of weights, got None.")
    return total_weight or 0


@kernel
def squares_by_item(item_ptr: Longs, item_weight: Longs) -> Longs:
    """Sum the squared weights of every item: int64[n_items]."""
    squares = np.zeros(item_ptr.shape[0] - 1, dtype=np.int64)
    for item in range(squares.shape[0]):
        for entry in range(item_ptr[item], item_ptr[item + 1]):
            squares[item] += item_weight[entry] * item_weight[entry]
    return squares


@lean_kernel
def rank_rows(
    first: int,
    last: int,
    baskets: Baskets,
    entry_weight: Longs | None,
    item_weight: Longs | None,
    ranking: Ranking,
    scratch: Scratch,
    out: Neighbours,
) -> None:
    """Write the rows first <= item < last of the result.

    A row with more additions than the catalogue has items is counted and ranked as one dense
    stretch; any other keeps a list of the items that it meets.
    """
    n_items = ranking.marginal.shape[0]
    for item in range(first, last):
        if baskets.work[item] > n_items:
            accumulate_dense(item, baskets, entry_weight, item_weight, scratch)
            rank_dense_row(item, ranking, scratch, out)
        else:
            position = ranking.position_of[item]
            listed = accumulate_listed(item, baskets, entry_weight, item_weight, position, scratch)
            key_listed_row(item, listed, ranking, scratch)
            if entry_weight is None and ranking.min_support == 1:
                listed = list_singles(item, listed, baskets, ranking, scratch)
            rank_listed_row(item, listed, ranking, scratch, out)
        scratch.stamp[0] += baskets.item_ptr[item + 1] - baskets.item_ptr[item] + 1


@kernel_line
def prefetch_group(place: int, baskets: Baskets) -> None:
    """Ask for the first items of the group after the next one of an item's groups."""
    ahead = np.uint64(min(place + 2, baskets.item_group.shape[0] - 1))
    first = np.uint64(baskets.group_ptr[np.uint64(baskets.item_group[ahead])])
    prefetch(baskets.group_item, first)
    prefetch(baskets.group_item, first + np.uint64(16))


@kernel_part
def accumulate_dense(
    item: int,
    baskets: Baskets,
    entry_weight: Longs | None,
    item_weight: Longs | None,
    scratch: Scratch,
) -> None:
    """Add up, for every item, the groups (and weights) that it shares with this one.

    The stamp is 0 afterwards.
    """
    tally, one = scratch.tally, np.uint64(1)
    tally[:] = 0
    scratch.sum[:] = 0
    scratch.stamp[0] = 0
    for place in range(baskets.item_ptr[item], baskets.item_ptr[item + 1]):
        group = np.uint64(baskets.item_group[place])
        prefetch_group(place, baskets)
        first = np.uint64(baskets.group_ptr[group])
        for entry in range(first, np.uint64(baskets.group_ptr[group + one])):
            other = np.uint64(baskets.group_item[entry])
            tally[other] += np.int32(1)
            if entry_weight is not None and item_weight is not None:
                scratch.sum[other] += item_weight[place] * entry_weight[entry]


@kernel_part
def accumulate_listed(
    item: int,
    baskets: Baskets,
    entry_weight: Longs | None,
    item_weight: Longs | None,
    position: int,
    scratch: Scratch,
) -> int:
    """Add up the same on top of the stamp, and list the items met in ``scratch.met``.

    With weights every item met is listed; without them those met at least twice, because most
    pairs are bought together once and few of them matter. Nothing has to be cleared between rows:
    the stamp rises above all tallies.

    Returns
    -------
    int    items listed
    """
    tally, met, one = scratch.tally, scratch.met, np.uint64(1)
    if scratch.stamp[0] > LARGEST_STAMP - baskets.item_ptr[item + 1] + baskets.item_ptr[item]:
        scratch.stamp[0] = 0
        tally[:] = 0
    stamp = np.int32(scratch.stamp[0])
    listed_at = np.int32(stamp + 1) if entry_weight is None else stamp
    listed = np.uint64(0)
    for place in range(baskets.item_ptr[item], baskets.item_ptr[item + 1]):
        group = np.uint64(baskets.item_group[place])
        prefetch_group(place, baskets)
        first = np.uint64(baskets.group_ptr[group])
        for entry in range(first, np.uint64(baskets.group_ptr[group + one])):
            other = np.uint64(baskets.group_item[entry])
            before = max(tally[other], stamp)
            met[listed] = other
            listed += np.uint64(before == listed_at)
            tally[other] = before + np.int32(1)
            if entry_weight is not None and item_weight is not None:
                so_far = scratch.sum[other] if before > stamp else 0
                scratch.sum[other] = so_far + item_weight[place] * entry_weight[entry]
    tally[position] = stamp  # an item is no neighbour of itself
    return np.int64(listed)


@kernel_part
def list_singles(item: int, n: int, baskets: Baskets, ranking: Ranking, scratch: Scratch) -> int:
    """Add the items met once that can be among the first k next to the n listed ones.

    Their order among themselves is that of their positions, and so is the order within a group:
    of every group only the front has to be looked at.

    Returns
    -------
    int    items listed now
    """
    n_eligible = ranking.first_with[ranking.first_with.shape[0] - 1]
    padded = (n + 31) // 32 * 32
    bits = scratch.key.view(np.int32)
    bits[n:padded] = 0
    places = ranking.k - count_reaching(bits, padded, 1)
    flat = ranking.weighting == COUNT or ranking.weighting == CONFIDENCE
    if places <= 0:
        if flat:
            return n
        end = end_of_useful_singles(item, padded, ranking, scratch)
        return list_singles_before(item, n, end, baskets, ranking, scratch)
    if flat:  # all of them tie: look at the smallest codes first
        end = 2 * places * n_eligible // max(1, baskets.work[item])
        while end < n_eligible:
            listed = list_singles_before(item, n, end, baskets, ranking, scratch)
            if listed - n >= places:
                return listed
            end = 2 * end + 1
    return list_singles_before(item, n, n_eligible, baskets, ranking, scratch)


@kernel_part
def list_singles_before(
    item: int, n: int, end: int, baskets: Baskets, ranking: Ranking, scratch: Scratch
) -> int:
    """Add the items met once whose position is below end to the n listed ones; give the number."""
    tally, met, one = scratch.tally, scratch.met, np.uint64(1)
    single, term, stop = np.int32(scratch.stamp[0] + 1), row_term(item, ranking), np.uint64(end)
    listed = np.uint64(n)
    for place in range(baskets.item_ptr[item], baskets.item_ptr[item + 1]):
        group = np.uint64(baskets.item_group[place])
        first = np.uint64(baskets.group_ptr[group])
        for entry in range(first, np.uint64(baskets.group_ptr[group + one])):
            other = np.uint64(baskets.group_item[entry])
            if other >= stop:
                break
            met[listed] = other
            listed += np.uint64(tally[other] == single)
    for added in range(np.uint64(n), listed):
        scratch.key[added] = np.float32(1.0) / (term + ranking.divisor[met[added]])
    return np.int64(listed)


@kernel_part
def end_of_useful_singles(item: int, n: int, ranking: Ranking, scratch: Scratch) -> int:
    """Find the position from which on a single meeting cannot reach the k best of n keys."""
    bits = scratch.key.view(np.int32)
    bound = kth_largest_bound(bits, n, ranking.k, ranking.k // 4) - MARGIN
    scratch.best[0] = max(1, bound)
    largest = 1.000001 / np.float64(scratch.best[:1].view(np.float32)[0])  # divisor
    most = 0.0 if largest >= 1.0 else -1.0  # groups that hold the item
    if ranking.weighting == COSINE:
        most = largest * largest
    elif ranking.weighting == JACCARD:
        most = largest - ranking.marginal[item]
    elif ranking.weighting == LIFT:
        most = largest
    last = ranking.first_with.shape[0] - 2
    return ranking.first_with[np.int64(min(max(most, -1.0), np.float64(last))) + 1]
