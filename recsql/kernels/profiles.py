"""What the customers with the most alike attributes bought; equal rows of attributes are one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.best import offer
from recsql.kernels.topk import sink

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]
Shorts = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


class Profiles(NamedTuple):
    """Different rows of features, each with the customers who have it.

    Attributes
    ----------
    ptr : int64[n_profiles + 1]        where the features of a profile begin
    feature : int32[nnz]               ascending in a profile
    size : float64[n_profiles]         customers with it, above 0
    item_ptr : int64[n_profiles + 1]   where the items of a profile begin
    item : int32[n_entries]            ascending in a profile
    buyers : float64[n_entries]        customers of the profile who bought the item, above 0
    weight : float64[n_features]       rarity of a feature, >= 0
    """

    ptr: Longs
    feature: Counts
    size: Doubles
    item_ptr: Longs
    item: Counts
    buyers: Doubles
    weight: Doubles


class Index(NamedTuple):
    """What finds profiles.

    Attributes
    ----------
    ptr : int64[n_features + 1]    where the profiles of a feature begin
    profile : int32[nnz]           ascending in a feature
    norm : float64[n_profiles]     length of a profile's vector of weights
    """

    ptr: Longs
    profile: Counts
    norm: Doubles


class Vote(NamedTuple):
    """How neighbours vote.

    Attributes
    ----------
    neighbours : int    customers, >= 1
    power : float       the say of a customer is their similarity to this power, >= 0
    prior : float       customers' worth of the average of everyone, > 0
    """

    neighbours: int
    power: float
    prior: float


class Scratch(NamedTuple):
    """What a thread needs; zero between requests, but for the lists and the heap."""

    wanted: Doubles
    product: Doubles
    touched: Counts
    total: Doubles
    heap: Doubles
    code: Longs


def index_profiles(profiles: Profiles) -> Index:
    """Lay profiles out by feature, and measure them."""
    row = np.repeat(np.arange(len(profiles.size), dtype=np.int32), np.diff(profiles.ptr))
    order = np.argsort(profiles.feature, kind="stable")
    ptr = np.zeros(len(profiles.weight) + 1, dtype=np.int64)
    np.cumsum(np.bincount(profiles.feature, minlength=len(profiles.weight)), out=ptr[1:])
    square = profiles.weight[profiles.feature] ** 2
    norm = np.sqrt(np.bincount(row, weights=square, minlength=len(profiles.size)))
    return Index(ptr, row[order], norm)


def vote_of_nearest(
    profiles: Profiles,
    index: Index,
    asked: tuple[Longs, Counts],
    vote: Vote,
    share: Doubles,
    *,
    candidates: Counts | None = None,
    n_threads: int | None = None,
) -> Shorts:
    """Score items by the share of the nearest customers who bought them.

    The similarity of two rows of features is the cosine of their vectors of weights. The nearest
    ``neighbours`` customers with a similarity above 0 vote, and all who are as near as the last of
    them. An item's score is the sum of the says of those who bought it, plus ``prior`` times its
    share among everyone, by the sum of all says plus ``prior``. Who has no neighbours gets the
    shares.

    Parameters
    ----------
    asked : (int64[n_rows + 1], int32[nnz])         features of those who ask, ascending in a row
    share : float64[n_items]                        part of all customers who bought an item
    candidates : int32[n_rows, n], optional         profiles among which the nearest are searched,
                                                    distinct in a row, -1 for none; None: all
    n_threads : int, optional                       the result does not depend on it

    Returns
    -------
    float32[n_rows, n_items]    0 to 1
    """
    ptr, feature = asked
    n_rows, n_profiles = len(ptr) - 1, len(profiles.size)
    out = np.zeros((n_rows, len(share)), dtype=np.float32)
    searched = np.zeros((n_rows, 0), dtype=np.int32) if candidates is None else candidates
    room = max(1, min(vote.neighbours, n_profiles))

    def task(first: int, last: int, scratch: Scratch) -> None:
        vote_rows(
            first, last, profiles, index, ptr, feature, searched,
            candidates is None, vote, share, scratch, out,
        )  # fmt: skip

    def make_scratch() -> Scratch:
        return Scratch(
            np.zeros(len(profiles.weight), np.float64),
            np.zeros(n_profiles, np.float64),
            np.empty(n_profiles, np.int32),
            np.zeros(len(share), np.float64),
            np.empty(room + 1, np.float64),
            np.empty(room + 1, np.int64),
        )

    threads = available_threads(n_threads)
    blocks = equal_blocks(np.diff(ptr).astype(np.int64), 16 * threads)
    run_blocks(task, blocks, make_scratch, threads)
    return out


@lean_kernel
def vote_rows(
    first: int,
    last: int,
    profiles: Profiles,
    index: Index,
    ptr: Longs,
    feature: Counts,
    candidates: Counts,
    search_all: bool,
    vote: Vote,
    share: Doubles,
    scratch: Scratch,
    out: Shorts,
) -> None:
    """Write the rows first <= row < last of out."""
    for row in range(first, last):
        begin, end = ptr[row], ptr[row + 1]
        square = 0.0
        for place in range(begin, end):
            scratch.wanted[feature[place]] = profiles.weight[feature[place]] ** 2
            square += scratch.wanted[feature[place]]
        if search_all:
            n_touched = meet_all(begin, end, feature, index, scratch)
        else:
            n_touched = meet_some(candidates[row], profiles, scratch)
        norm = np.sqrt(square)
        for place in range(n_touched):
            profile = scratch.touched[place]
            scratch.product[profile] /= norm * index.norm[profile]
        least = farthest(n_touched, profiles, vote.neighbours, scratch)
        says = 0.0
        for place in range(n_touched):
            profile = scratch.touched[place]
            similarity = scratch.product[profile]
            scratch.product[profile] = 0.0
            if similarity >= least:
                says += add_votes(profile, similarity**vote.power, profiles, scratch.total)
        for item in range(share.shape[0]):
            together = scratch.total[item] + vote.prior * share[item]
            out[row, item] = together / (says + vote.prior)
            scratch.total[item] = 0.0
        for place in range(begin, end):
            scratch.wanted[feature[place]] = 0.0


@kernel_part
def meet_all(begin: int, end: int, feature: Counts, index: Index, scratch: Scratch) -> int:
    """Sum the products with every profile that shares a feature; gives how many there are."""
    n_touched = 0
    for place in range(begin, end):
        weight = scratch.wanted[feature[place]]
        if weight <= 0.0:
            continue
        for entry in range(index.ptr[feature[place]], index.ptr[feature[place] + 1]):
            profile = index.profile[entry]
            if scratch.product[profile] == 0.0:
                scratch.touched[n_touched] = profile
                n_touched += 1
            scratch.product[profile] += weight
    return n_touched


@kernel_part
def meet_some(candidates: Counts, profiles: Profiles, scratch: Scratch) -> int:
    """Sum the products with some profiles; gives how many share a feature."""
    n_touched = 0
    for place in range(candidates.shape[0]):
        profile = candidates[place]
        if profile < 0:
            continue
        product = 0.0
        for entry in range(profiles.ptr[profile], profiles.ptr[profile + 1]):
            product += scratch.wanted[profiles.feature[entry]]
        if product > 0.0:
            scratch.product[profile] = product
            scratch.touched[n_touched] = profile
            n_touched += 1
    return n_touched


@kernel_part
def farthest(n_touched: int, profiles: Profiles, neighbours: int, scratch: Scratch) -> float:
    """Give the similarity of the last of the nearest customers; the least of all if too few."""
    size = 0
    most = min(neighbours, scratch.heap.shape[0])
    for place in range(n_touched):
        profile = scratch.touched[place]
        size = offer(scratch.product[profile], profile, size, most, scratch.heap, scratch.code)
    # The worst of the heap is at its top. Those kept are best if without it they are too few.
    people = 0.0
    for place in range(size):
        people += profiles.size[scratch.code[place]]
    least = 0.0 if size == 0 else scratch.heap[0]
    while size > 1 and people - profiles.size[scratch.code[0]] >= neighbours:
        people -= profiles.size[scratch.code[0]]
        size -= 1
        scratch.heap[0] = scratch.heap[size]
        scratch.code[0] = scratch.code[size]
        sink(scratch.heap, scratch.code, size)
        least = scratch.heap[0]
    return least


@kernel_part
def add_votes(profile: int, say: float, profiles: Profiles, total: Doubles) -> float:
    """Add what the customers of a profile bought; gives the sum of their says."""
    for entry in range(profiles.item_ptr[profile], profiles.item_ptr[profile + 1]):
        total[profiles.item[entry]] += say * profiles.buyers[entry]
    return say * profiles.size[profile]
