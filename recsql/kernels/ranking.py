"""From the counts of one item's pairs to its best k neighbours, exactly and without a heap.

A row is ranked in three steps. Every pair first gets a key: its score divided by what the whole
row has in common, in float32, for which one formula serves all weightings. A bound is then
bisected until hardly more than k keys reach it, less a margin wider than any rounding. Only those
few get their exact float64 score and are put in order.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel, kernel_part
from recsql.kernels.selection import (
    CODE_MASK,
    MARGIN,
    RUN,
    STRIPES,
    count_reaching,
    kth_largest_bound,
    sort_descending,
    unpack_code,
)

WEIGHTINGS = ("count", "cosine", "jaccard", "lift", "confidence")
COUNT, COSINE, JACCARD, LIFT, CONFIDENCE = range(5)

Floats = npt.NDArray[np.float64]
Shorts = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


class Neighbours(NamedTuple):
    """The best neighbours of every item, best first; ties go to the smaller item code.

    Attributes
    ----------
    item : int32[n_items, k]       neighbour, never the item itself; -1 beyond n_found
    score : float64[n_items, k]    0.0 beyond n_found
    support : int32[n_items, k]    groups that hold both items; 0 beyond n_found
    n_found : int32[n_items]       neighbours that the item has, 0 to k
    """

    item: Counts
    score: Floats
    support: Counts
    n_found: Counts


class Ranking(NamedTuple):
    """What decides the order within a row.

    Attributes
    ----------
    weighting : int                   place in ``WEIGHTINGS``
    k : int                           neighbours wanted, >= 1
    min_support : int                 groups that must hold both items, >= 1
    total : float                     groups in all, or their total weight; used by lift
    marginal : float64[n_items]       by code: groups that hold the item, or their weight
    divisor : float32[n_items]        by position: what a pair's count is divided by for its key;
                                      inf for an item that is not eligible
    code_at : uint32[n_items]         codes in the order of preference among equal counts
    position_of : uint32[n_items]     positions of the codes in that order
    first_with : int64[n_steps + 1]   first position of each step of the order: of the items with
                                      that many groups, or of all if the weighting ignores that;
                                      empty for the order of codes
    """

    weighting: int
    k: int
    min_support: int
    total: float
    marginal: Floats
    divisor: Shorts
    code_at: Codes
    position_of: Codes
    first_with: Longs


class Scratch(NamedTuple):
    """What one thread works in.

    Attributes
    ----------
    tally : int32[n_items]         by position: stamp plus groups that hold the row's item and this
                                   one; below the stamp it is from an earlier row and means 0
    stamp : int64[1]               what rows to come may use; see ``tally``
    sum : int64[n_items]           weights of those groups; empty without weights
    met : uint32[n_items + 1]      positions of the items of the row's pairs, where they are listed
    listed : int32[n_items + 1]    their counts
    key : float32[n_items + 264]   keys by place in the list, or by position where there is none
    best : int32[...]              working memory of the selection
    place : uint32[n_items + 1]    places of the candidates in key
    packed, spare : int64[...]     key and complement of the code of every candidate
    count : int32[n_items]         by code: counts of the candidates; 0 between rows
    weight : int64[n_items]        the same with weights; without them the same array as count
    """

    tally: Counts
    stamp: Longs
    sum: Longs
    met: Codes
    listed: Counts
    key: Shorts
    best: Counts
    place: Codes
    packed: Longs
    spare: Longs
    count: Counts
    weight: npt.NDArray[Any]


def make_scratch(n_items: int, *, weighted: bool) -> Scratch:
    """Give the working arrays of one thread: about 50 bytes an item, 66 with weights."""
    count = np.zeros(n_items, dtype=np.int32)
    return Scratch(
        tally=np.zeros(n_items, dtype=np.int32),
        stamp=np.zeros(1, dtype=np.int64),
        sum=np.zeros(n_items if weighted else 0, dtype=np.int64),
        met=np.empty(n_items + 1, dtype=np.uint32),
        listed=np.empty(n_items + 1, dtype=np.int32),
        key=np.empty(n_items + 33 * STRIPES, dtype=np.float32),
        best=np.empty(n_items // STRIPES + 64, dtype=np.int32),
        place=np.empty(n_items + 1, dtype=np.uint32),
        packed=np.empty(n_items + 32, dtype=np.int64),
        spare=np.empty(n_items + 32, dtype=np.int64),
        count=count,
        weight=np.zeros(n_items, dtype=np.int64) if weighted else count,
    )


def make_neighbours(n_items: int, k: int) -> Neighbours:
    """Give a result to be filled by ``rank_candidates``: 16 bytes for each of n_items times k."""
    return Neighbours(
        item=np.empty((n_items, k), dtype=np.int32),
        score=np.empty((n_items, k), dtype=np.float64),
        support=np.empty((n_items, k), dtype=np.int32),
        n_found=np.empty(n_items, dtype=np.int32),
    )


def make_ranking(
    weighting: str,
    k: int,
    *,
    marginal: Longs,
    total: int,
    min_support: int = 1,
    eligible: npt.NDArray[np.bool_] | None = None,
) -> Ranking:
    """Check the options of a ranking and lay out what the kernels need of them.

    Raises
    ------
    ValueError
        When the weighting is unknown, when k or min_support is below 1, or when eligible has not
        one entry for each item.
    """
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}.")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}.")
    if min_support < 1:
        raise ValueError(f"min_support must be at least 1, got {min_support}.")
    if eligible is not None and eligible.shape != marginal.shape:
        raise ValueError(f"eligible must have {marginal.size} entries, got {eligible.size}.")
    as_float = marginal.astype(np.float64)
    if weighting == "cosine":
        divisor = np.sqrt(as_float)
    elif weighting in ("jaccard", "lift"):
        divisor = as_float
    else:
        divisor = np.ones_like(as_float)
    if eligible is not None:
        divisor = np.where(eligible, divisor, np.inf)
    code_at = np.arange(marginal.size, dtype=np.uint32)
    return Ranking(
        weighting=WEIGHTINGS.index(weighting),
        k=k,
        min_support=min(min_support, 2**31 - 1),
        total=float(total),
        marginal=as_float,
        divisor=divisor.astype(np.float32),
        code_at=code_at,
        position_of=code_at,
        first_with=np.empty(0, dtype=np.int64),
    )


def prefer_rare(ranking: Ranking) -> Ranking:
    """Give the same ranking with the items in their order of preference among equal counts.

    That is rarest first, and the order of codes where the weighting does not care; items that are
    not eligible come last.
    """
    flat = ranking.weighting in (COUNT, CONFIDENCE)
    step = np.zeros(ranking.marginal.size, dtype=np.int64)
    if not flat:
        step += ranking.marginal.astype(np.int64)
    n_steps = int(step.max(initial=0)) + 1
    step[np.isinf(ranking.divisor)] = n_steps
    first_with = np.zeros(n_steps + 2, dtype=np.int64)
    np.cumsum(np.bincount(step, minlength=n_steps + 1), out=first_with[1:])
    code_at, position_of = np.empty_like(ranking.code_at), np.empty_like(ranking.code_at)
    sort_by_step(step, first_with.copy(), code_at, position_of)
    return ranking._replace(
        divisor=ranking.divisor[code_at],
        code_at=code_at,
        position_of=position_of,
        first_with=first_with[: n_steps + 1],
    )


@kernel
def sort_by_step(step: Longs, following: Longs, code_at: Codes, position_of: Codes) -> None:
    """Sort codes by step, by counting; following holds the first position of every step."""
    for code in range(step.shape[0]):
        position = following[step[code]]
        following[step[code]] += 1
        code_at[position] = code
        position_of[code] = position


@kernel_part
def row_term(item: int, ranking: Ranking) -> np.float32:
    """Give what is added to the divisors of a row; keys are count / (term + divisor)."""
    return np.float32(ranking.marginal[item] if ranking.weighting == JACCARD else 0.0)


@kernel_part
def exact_score(ranking: Ranking, item: int, other: int, both: float) -> float:
    """Give the score of a pair, in the operations and the order that SQL uses.

    Parameters
    ----------
    ranking : Ranking
    item, other : int    item codes; the score is that of other as a neighbour of item
    both : float         groups that hold both, or their weight, > 0
    """
    if ranking.weighting == COSINE:
        return both / math.sqrt(ranking.marginal[item] * ranking.marginal[other])
    if ranking.weighting == JACCARD:
        return both / (ranking.marginal[item] + ranking.marginal[other] - both)
    if ranking.weighting == LIFT:
        return both * ranking.total / (ranking.marginal[item] * ranking.marginal[other])
    if ranking.weighting == CONFIDENCE:
        return both / ranking.marginal[item]
    return both


@kernel_part
def keep_best(item: int, n: int, ranking: Ranking, scratch: Scratch) -> int:
    """Drop candidates that cannot be among the first k, hopeless ties included.

    Parameters
    ----------
    item : int    code of the row
    n : int       candidates in ``scratch.packed``, > k

    Returns
    -------
    int    candidates kept, at the front of ``scratch.packed``; the counts of others are cleared
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
        other = np.uint64(unpack_code(mine))
        in_place = (mine >> 32 > last_tied) | (np.int64(other) <= last_code)
        keep = np.int32((mine >> 32 >= least) & in_place)
        packed[kept] = mine
        kept += keep
        scratch.count[other] *= keep
        if scratch.weight.itemsize == 8:
            scratch.weight[other] *= keep
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
        other = np.uint64(0x7FFFFFFF - complement[tied])
        score = exact_score(ranking, item, other, np.float64(scratch.weight[other]))
        if tied > 0 and score != tied_score:
            return CODE_MASK
        tied_score = score
    return 0x7FFFFFFF - kth_largest_bound(complement, n_tied, places, np.int64(0))


@kernel_part
def rank_candidates(item: int, n: int, ranking: Ranking, scratch: Scratch, out: Neighbours) -> None:
    """Write one row of the result from its packed candidates and clear their counts.

    Parameters
    ----------
    item : int           code of the row
    n : int              candidates in ``scratch.packed``; ``scratch.count`` and ``weight`` hold
                         what they were scored by
    out : Neighbours     row ``item`` is written, padding included
    """
    packed, count, weight = scratch.packed, scratch.count, scratch.weight
    if n > max(RUN, ranking.k):
        n = keep_best(item, n, ranking, scratch)
    sort_descending(packed, scratch.spare, n)
    found = min(n, ranking.k)
    for rank in range(found):
        other = np.uint64(unpack_code(packed[rank]))
        out.item[item, rank] = other
        out.support[item, rank] = count[other]
        out.score[item, rank] = exact_score(ranking, item, other, np.float64(weight[other]))
    put_in_exact_order(item, n, ranking, scratch, out)
    for rank in range(found, ranking.k):
        out.item[item, rank] = -1
        out.score[item, rank] = 0.0
        out.support[item, rank] = 0
    out.n_found[item] = found
    for position in range(n):
        other = np.uint64(unpack_code(packed[position]))
        count[other] = 0
        weight[other] = 0


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
            score, code, support = scores[position], np.int64(items[position]), supports[position]
            if score < scores[position - 1]:
                continue
        else:
            code = unpack_code(packed[position])
            other = np.uint64(code)
            score = exact_score(ranking, item, other, np.float64(scratch.weight[other]))
            support = scratch.count[other]
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
