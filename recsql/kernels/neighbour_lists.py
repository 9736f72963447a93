"""The neighbours of every item with weights that let a list be summed into scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels.cooccurrence import top_neighbours
from recsql.kernels.groups import Groups

Counts = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Shorts = npt.NDArray[np.float32]

LARGEST_WEIGHT = 2**20


class NeighbourLists(NamedTuple):
    """The neighbours of every item, best first by what decides the cut; ties to the smaller code.

    Attributes
    ----------
    item : int32[n_items, k]        -1 where a list has ended
    weight : float32[n_items, k]    above 0; 0 where a list has ended
    """

    item: Counts
    weight: Shorts


def neighbour_lists(
    groups: Groups,
    n_items: int,
    k: int,
    *,
    weighting: str = "cosine",
    customer_power: float = 0.0,
    popularity_power: float = 0.0,
    shrinkage: float = 0.0,
    n_threads: int | None = None,
) -> NeighbourLists:
    """Give the k nearest items of every item i.

    A customer of n items weighs n ** (-2 customer_power); c_ij is the weight of those who bought
    both, and m_j customers bought j. The weight of neighbour j is, with v = m_ij / (m_ij +
    shrinkage) for m_ij customers who bought both,

    - cosine: v c_ij / sqrt(m_i m_j) * m_j ** popularity_power
    - jaccard: v c_ij / (c_ii + c_jj - c_ij) * m_j ** popularity_power

    The k are those with the largest weight before v; for jaccard also before popularity.

    Parameters
    ----------
    groups : Groups             distinct items of each customer
    n_items, k : int            items of the catalogue; neighbours wanted, >= 1
    weighting : str             cosine or jaccard
    customer_power : float      >= 0; .5 shares one unit among the items of a customer
    popularity_power : float    -.5 to .5; above 0 favours what many bought
    shrinkage : float           customers, >= 0
    n_threads : int, optional   the result does not depend on it

    Source
    ------
    Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", ACM TOIS 22(1), 2004,
    section 4 (cosine, rows of customers normalised, popular items dampened by a power); shrinkage
    as in Bell and Koren, "Improved Neighborhood-based Collaborative Filtering", KDD Cup 2007.
    """
    ptr, item = groups
    buyers = np.maximum(np.bincount(item, minlength=n_items), 1).astype(np.float64)
    sizes = np.diff(ptr)
    weight = np.repeat(np.maximum(sizes, 1).astype(np.float64), sizes) ** -customer_power
    if weighting == "cosine":
        # As part of the entries the popularity of both items decides about the cut too.
        weight = weight * buyers[item] ** (popularity_power - 0.5)
    whole, unit = whole_weights(weight)
    found = top_neighbours(
        ptr,
        item,
        n_items,
        k,
        weighting="count" if weighting == "cosine" else "jaccard",
        entry_weight=whole,
        n_threads=n_threads,
    )
    score = found.score * (found.support / np.maximum(found.support + shrinkage, 1.0))
    if weighting == "cosine":
        score *= unit**2 * buyers[:, None] ** -popularity_power
    else:
        score *= buyers[np.maximum(found.item, 0)] ** popularity_power
    score[found.item < 0] = 0.0
    return NeighbourLists(found.item, score.astype(np.float32))


def whole_weights(weight: Floats) -> tuple[Longs, float]:
    """Give weights as integers from 1 to 2**20, so that sums are exact, and what 1 stands for.

    Parameters
    ----------
    weight : float64[n]    above 0
    """
    unit = float(weight.max(initial=0.0)) / LARGEST_WEIGHT or 1.0
    return np.maximum(np.rint(weight / unit), 1).astype(np.int64), unit
