"""Which groups of two collections have no equal in the other one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Flags = npt.NDArray[np.bool_]
GroupArrays = tuple[Array, Array, Array | None]


def unmatched_groups(first: GroupArrays, second: GroupArrays) -> tuple[Flags, Flags]:
    """Tell which groups of each collection remain when equal ones are struck out in pairs.

    Parameters
    ----------
    first, second : (ptr, item, weight)
        ptr : int64[n_groups + 1]               where the items of a group begin
        item : int32[n_entries]                 ascending and distinct in a group
        weight : int64[n_entries] or None       part of what must be equal

    Returns
    -------
    bool[n_groups] of the first, bool[n_groups] of the second: true where a group remains. A group
    that occurs 3 times in one and once in the other remains twice, the later ones. Different
    groups with equal 64-bit fingerprints remain too, which costs time and changes no difference.
    """
    prints = [_fingerprints(*groups) for groups in (first, second)]
    orders = [np.argsort(one, kind="stable") for one in prints]
    ours, theirs = _match(prints[0][orders[0]], prints[1][orders[1]])
    ours, theirs = orders[0][ours], orders[1][theirs]
    equal = _equal(first, ours, second, theirs)
    remains = [np.ones(len(one), dtype=bool) for one in prints]
    remains[0][ours[equal]] = False
    remains[1][theirs[equal]] = False
    return remains[0], remains[1]


def _fingerprints(ptr: Array, item: Array, weight: Array | None) -> Array:
    """Give the sum of the hashes of the entries of each group: uint64[n_groups]."""
    mixed = (item.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    if weight is not None:
        mixed += weight.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    sums = np.zeros(len(mixed) + 1, dtype=np.uint64)
    np.cumsum(mixed, out=sums[1:])
    return sums[ptr[1:]] - sums[ptr[:-1]]


def _match(first: Array, second: Array) -> tuple[Array, Array]:
    """Give places of equal values in two ascending arrays, the n-th with the n-th."""
    place = np.arange(len(first))
    wanted = np.searchsorted(second, first, "left") + place - np.searchsorted(first, first, "left")
    found = wanted < np.searchsorted(second, first, "right")
    return place[found], wanted[found]


def _equal(first: GroupArrays, ours: Array, second: GroupArrays, theirs: Array) -> Flags:
    """Tell of each matched pair of groups whether they hold the same."""
    size = np.diff(first[0])[ours]
    equal = size == np.diff(second[0])[theirs]
    ours, theirs, size = ours[equal], theirs[equal], size[equal]
    end = np.cumsum(size)
    within = np.arange(int(size.sum())) - np.repeat(end - size, size)
    at_first = np.repeat(first[0][ours], size) + within
    at_second = np.repeat(second[0][theirs], size) + within
    differs = first[1][at_first] != second[1][at_second]
    if first[2] is not None and second[2] is not None:
        differs |= first[2][at_first] != second[2][at_second]
    so_far = np.zeros(len(differs) + 1, dtype=np.int64)
    np.cumsum(differs, out=so_far[1:])
    equal[equal] = so_far[end] == so_far[end - size]
    return equal
