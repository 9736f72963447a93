"""From the counts of one item's pairs to its best k neighbours, exactly and without a heap.

A row is ranked in three steps. Every pair first gets a key: its score divided by what the whole
row has in common, in float32, for which one formula serves all weightings. A bound is then
bisected until hardly more than k keys reach it, less a margin wider than any rounding. Only those
few get their exact float64 score and are put in order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_line, kernel_part
from recsql.kernels.ranking import Neighbours, Ranking, exact_score, row_term
from recsql.kernels.selection import (
    CODE_MASK,
    MARGIN,
    RUN,
    STRIPES,
    count_reaching,
    find_candidates,
    kth_largest_bound,
    pack,
    sort_descending,
    unpack_code,
)

Shorts = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


class Scratch(NamedTuple):
    """What one thread works in.

    Attributes
    ----------
    tally : int32[n_items]         by position: stamp plus groups that hold the row's item and this
                                   one; below the stamp it is from an earlier row and means 0
    stamp : int64[1]               the stamp of the row, and then the least one for the next row
    sum : int64[n_items]           by position: weights of those groups; empty without weights
    met : uint32[n_items + 1]      positions of the items of the row's pairs, where they are listed
    key : float32[n_items + 264]   keys by place in the list, or by position where there is none
    best : int32[n_items / 8 + 64] working memory of the selection
    place : uint32[n_items + 1]    places of the candidates in key
    packed : int64[n_items + 32]   key and complement of the code of every candidate
    spare : int64[n_items + 32]    working memory of their sort
    """

    tally: Counts
    stamp: Longs
    sum: Longs
    met: Codes
    key: Shorts
    best: Counts
    place: Codes
    packed: Longs
    spare: Longs


def make_scratch(n_items: int, *, weighted: bool) -> Scratch:
    """Give the working arrays of one thread: about 33 bytes an item, 41 with weights."""
    return Scratch(
        tally=np.zeros(n_items, dtype=np.int32),
        stamp=np.zeros(1, dtype=np.int64),
        sum=np.zeros(n_items if weighted else 0, dtype=np.int64),
        met=np.empty(n_items + 1, dtype=np.uint32),
        key=np.empty(n_items + 33 * STRIPES, dtype=np.float32),
        best=np.empty(n_items // STRIPES + 64, dtype=np.int32),
        place=np.empty(n_items + 1, dtype=np.uint32),
        packed=np.empty(n_items + 32, dtype=np.int64),
        spare=np.empty(n_items + 32, dtype=np.int64),
    )


@kernel_part
def rank_dense_row(item: int, ranking: Ranking, scratch: Scratch, out: Neighbours) -> None:
    """Write the row of an item from the tallies of all items; the stamp is 0."""
    if scratch.sum.shape[0] > 0:
        key_dense_row(item, scratch.sum, ranking, scratch)
    else:
        key_dense_row(item, scratch.tally, ranking, scratch)
    bits, packed = scratch.key.view(np.int32), scratch.packed
    n = find_candidates(scratch.tally.shape[0], ranking.k, bits, scratch.best, scratch.place)
    for candidate in range(n):
        position = np.uint64(scratch.place[candidate])
        packed[candidate] = pack(bits[position], ranking.code_at[position])
    rank_candidates(item, n, ranking, scratch, out)


@kernel_part
def rank_listed_row(
    item: int, n_listed: int, ranking: Ranking, scratch: Scratch, out: Neighbours
) -> None:
    """Write the row of an item from the keys of the items that are listed."""
    bits, packed = scratch.key.view(np.int32), scratch.packed
    n = find_candidates(n_listed, ranking.k, bits, scratch.best, scratch.place)
    for candidate in range(n):
        place = np.uint64(scratch.place[candidate])
        packed[candidate] = pack(bits[place], ranking.code_at[np.uint64(scratch.met[place])])
    rank_candidates(item, n, ranking, scratch, out)


@kernel_part
def key_dense_row(item: int, both: Counts | Longs, ranking: Ranking, scratch: Scratch) -> None:
    """Give every item of the catalogue its key; both is the tally or the sum of weights."""
    tally, key, divisor = scratch.tally, scratch.key, ranking.divisor
    term, least = row_term(item, ranking), np.int32(ranking.min_support)
    for other in range(tally.shape[0]):
        enough = np.float32(both[other]) if tally[other] >= least else np.float32(0.0)
        key[other] = enough / (term + divisor[other])
    key[ranking.position_of[item]] = np.float32(0.0)


@kernel_part
def key_listed_row(item: int, n: int, ranking: Ranking, scratch: Scratch) -> None:
    """Give every listed item its key."""
    tally, met, key, divisor = scratch.tally, scratch.met, scratch.key, ranking.divisor
    term, least = row_term(item, ranking), np.int32(ranking.min_support)
    stamp, weighted = np.int32(scratch.stamp[0]), scratch.sum.shape[0] > 0
    for place in range(n):
        other = np.uint64(met[place])
        together = np.int32(tally[other] - stamp)
        both = np.float32(scratch.sum[other]) if weighted else np.float32(together)
        enough = both if together >= least else np.float32(0.0)
        key[place] = enough / (term + divisor[other])


@kernel_line
def score_of(item: int, code: int, ranking: Ranking, scratch: Scratch) -> float:
    """Give the exact score of a candidate."""
    position = np.uint64(ranking.position_of[np.uint64(code)])
    if scratch.sum.shape[0] > 0:
        return exact_score(ranking, item, code, np.float64(scratch.sum[position]))
    return exact_score(ranking, item, code, np.float64(support_of(code, ranking, scratch)))


@kernel_line
def support_of(code: int, ranking: Ranking, scratch: Scratch) -> int:
    """Give the number of groups that a candidate shares with the row's item."""
    position = np.uint64(ranking.position_of[np.uint64(code)])
    return scratch.tally[position] - scratch.stamp[0]


@kernel_part
def rank_candidates(item: int, n: int, ranking: Ranking, scratch: Scratch, out: Neighbours) -> None:
    """Write one row of the result, padding included, from its n packed candidates."""
    packed = scratch.packed
    if n > max(RUN, ranking.k):
        n = keep_best(item, n, ranking, scratch)
    sort_descending(packed, scratch.spare, n)
    found = min(n, ranking.k)
    for rank in range(found):
        code = unpack_code(packed[rank])
        out.item[item, rank] = code
        out.support[item, rank] = support_of(code, ranking, scratch)
        out.score[item, rank] = score_of(item, code, ranking, scratch)
    put_in_exact_order(item, n, ranking, scratch, out)
    for rank in range(found, ranking.k):
        out.item[item, rank] = -1
        out.score[item, rank] = 0.0
        out.support[item, rank] = 0
    out.n_found[item] = found


@kernel_part
def put_in_exact_order(
    item: int, n: int, ranking: Ranking, scratch: Scratch, out: Neighbours
) -> None:
    """Correct a row that is in the order of its keys, with candidates that missed it by a rounding.

    Neighbours in key order are at most a rounding apart, so insertion moves next to nothing.
    """
    packed, k = scratch.packed, ranking.k
    items, scores, supports = out.item[item], out.score[item], out.support[item]
    possible = min(n, k)
    last = packed[possible - 1] - (MARGIN << 32) if n > 0 else 0
    while possible < n and packed[possible] >= last:
        possible += 1
    for position in range(1, possible):
        if position < k:
            if scores[position] < scores[position - 1]:
                continue
            code, support = np.int64(items[position]), np.int64(supports[position])
            score = scores[position]
        else:
            code = unpack_code(packed[position])
            support = support_of(code, ranking, scratch)
            score = score_of(item, code, ranking, scratch)
        into = min(position, k)
        while into > 0 and score >= scores[into - 1]:
            if score == scores[into - 1] and code > items[into - 1]:
                break
            if into < k:
                items[into], supports[into] = items[into - 1], supports[into - 1]
                scores[into] = scores[into - 1]
            into -= 1
        if into < k:
            items[into], scores[into], supports[into] = code, score, support


@kernel_part
def keep_best(item: int, n: int, ranking: Ranking, scratch: Scratch) -> int:
    """Drop candidates that cannot be among the first k, hopeless ties included.

    Parameters
    ----------
    item : int    code of the row
    n : int       candidates in ``scratch.packed``, > k

    Returns
    -------
    int    candidates kept, at the front of ``scratch.packed``
    """
    packed, bits, k = scratch.packed, scratch.key.view(np.int32), ranking.k
    padded = (n + 31) // 32 * 32
    for position in range(n):
        bits[position] = packed[position] >> 32
    bits[n:padded] = 0
    slack = max(0, RUN - k) // 2
    bound = kth_largest_bound(bits, padded, k, slack)
    least = bound - MARGIN
    last_tied, last_code = np.int64(0), np.int64(0)
    if count_reaching(bits, padded, bound) > k + slack:
        last_tied = bound + 2 * MARGIN
        places = k - count_reaching(bits, padded, last_tied + 1)
        last_code = last_code_of_tie(item, n, places, least, ranking, scratch)
    kept = 0
    for position in range(n):  # without branches: which ones are kept cannot be predicted
        mine = packed[position]
        in_place = (mine >> 32 > last_tied) | (unpack_code(mine) <= last_code)
        packed[kept] = mine
        kept += np.int64((mine >> 32 >= least) & in_place)
    return kept


@kernel_part
def last_code_of_tie(
    item: int, n: int, places: int, least: int, ranking: Ranking, scratch: Scratch
) -> int:
    """Find the largest code that still gets one of the last places, if all who want one tie.

    A row of counts may end in thousands of pairs that were bought together once.

    Parameters
    ----------
    item, n : int    row; candidates in ``scratch.packed``
    places : int     places left for keys that may tie with the k-th largest, >= 1
    least : int      bits of the smallest key that may get a place

    Returns
    -------
    int    ``CODE_MASK``, no limit, unless all those keys belong to one exact score
    """
    packed, complement = scratch.packed, scratch.key.view(np.int32)
    n_tied, tied_score = np.int64(0), 0.0
    for position in range(n):
        key_bits = packed[position] >> 32
        complement[n_tied] = 0x7FFFFFFF - unpack_code(packed[position])
        n_tied += np.int64((least <= key_bits) & (key_bits <= least + 3 * MARGIN))
    if n_tied <= places:
        return CODE_MASK
    for tied in range(n_tied):
        score = score_of(item, np.int64(0x7FFFFFFF - complement[tied]), ranking, scratch)
        if tied > 0 and score != tied_score:
            return CODE_MASK
        tied_score = score
    return 0x7FFFFFFF - kth_largest_bound(complement, n_tied, places, np.int64(0))
