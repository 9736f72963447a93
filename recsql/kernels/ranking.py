"""What neighbours are, and what decides their order."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_line, lean_kernel

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


def make_neighbours(n_items: int, k: int) -> Neighbours:
    """Give a result to be filled by ``rank_row``: 16 bytes for each of n_items times k."""
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


@lean_kernel
def sort_by_step(step: Longs, following: Longs, code_at: Codes, position_of: Codes) -> None:
    """Sort codes by step, by counting; following holds the first position of every step."""
    for code in range(step.shape[0]):
        position = following[step[code]]
        following[step[code]] += 1
        code_at[position] = code
        position_of[code] = position


@kernel_line
def row_term(item: int, ranking: Ranking) -> np.float32:
    """Give what is added to the divisors of a row; keys are count / (term + divisor)."""
    return np.float32(ranking.marginal[item] if ranking.weighting == JACCARD else 0.0)


@kernel_line
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
