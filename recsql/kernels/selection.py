"""The largest few of many keys, and their order, in loops that compilers turn into vectors.

Keys are non-negative float32, looked at through their bits: as int32 they order alike. Loops run
over multiples of 32, because a remainder is handled one by one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_line, kernel_part

Counts = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint32]
Packed = npt.NDArray[np.int64]

# A key differs from its exact score by less than 4 float32 steps: conversion, sum, root, division.
MARGIN = 16
STRIPES = 8
RUN = 128  # candidates that are sorted by counting
CODE_MASK = 0xFFFFFFFF


@kernel_part
def count_reaching(bits: Counts, n: int, bound: int) -> int:
    """Count the first n numbers that are at least bound."""
    bound32, reached = np.int32(bound), np.int32(0)
    for place in range(n):  # the cast keeps the sum in 32 bits: twice as many to an instruction
        reached = np.int32(reached + np.int32(bits[place] >= bound32))
    return np.int64(reached)


@kernel_part
def smallest_reaching(bits: Counts, n: int, bound: int) -> int:
    """Find the smallest of the first n numbers that are at least bound."""
    bound32, smallest = np.int32(bound), np.int32(0x7FFFFFFF)
    for place in range(n):
        smallest = min(smallest, bits[place] if bits[place] >= bound32 else smallest)
    return np.int64(smallest)


@kernel_part
def kth_largest_bound(bits: Counts, n: int, k: int, slack: int) -> int:
    """Bisect a bound that k of n numbers reach and, but for ties, hardly more than k.

    Parameters
    ----------
    bits : int32[>= n]    >= 0, at least k of them above 0
    n, k : int            1 <= k <= n
    slack : int           a bound that k + slack numbers reach is good enough, >= 0

    Returns
    -------
    int    >= 1 and at most the k-th largest number; if more than k + slack numbers reach it, less
           than ``MARGIN`` below that, and for a slack of 0 that number itself
    """
    largest = np.int32(0)
    for place in range(n):
        largest = max(largest, bits[place])
    bound, above = 1, np.int64(largest) + 1
    guess = max(1, above - (1 << 22))  # keys seldom span many powers of two: look near the top
    near_top = True
    halvings = 0
    step = MARGIN if slack > 0 else 1
    while above - bound > step:
        if not near_top or guess <= bound:
            near_top = False
            guess = bound + (above - bound) // 2
        reached = count_reaching(bits, n, guess)
        if reached >= k:
            bound = guess
            near_top = False
            if reached <= k + slack:
                break
        else:
            above = guess
            guess -= 1 << 23
        halvings += 1
        if halvings % 8 == 0:  # so many halvings mean that the k-th number is one of many equals
            bound = smallest_reaching(bits, n, bound)
            if count_reaching(bits, n, bound + 1) < k:
                break
    return bound


@kernel_part
def find_candidates(n: int, k: int, bits: Counts, best: Counts, place: Codes) -> int:
    """List the positions whose key may be among the k largest.

    Parameters
    ----------
    n, k : int                keys; how many of them are wanted, >= 1
    bits : int32[>= n + 264]  bits of the keys, 0 for what must not be listed
    best : int32[]            working memory, n / 8 + 64
    place : uint32[n + 1]     receives the positions, in no particular order

    Returns
    -------
    int    positions listed: all whose key is above 0 if there are at most k, else at least k
    """
    width = (n // STRIPES + 32) // 32 * 32
    if n >= STRIPES * (k + k // 4):
        bits[n : STRIPES * width] = 0
        if strongest_stripes(width, bits, best) >= k:
            bound = kth_largest_bound(best, width, k, k // 8)
            return expand_stripes(width, max(bound - MARGIN, 1), bits, best, place)
    padded = (n + 31) // 32 * 32
    bits[n:padded] = 0
    least = np.int32(1)
    if count_reaching(bits, padded, 1) > k:
        least = np.int32(max(1, kth_largest_bound(bits, padded, k, k // 8) - MARGIN))
    found = np.uint64(0)
    for position in range(n):  # written before it is known to be wanted: no branch to mispredict
        place[found] = position
        found += np.uint64(bits[position] >= least)
    return np.int64(found)


@kernel_part
def strongest_stripes(width: int, bits: Counts, best: Counts) -> int:
    """Find the largest key of every stripe; a stripe is every width-th key.

    At least k keys reach the k-th largest of these maxima, and there are eight times fewer of
    them than keys.

    Returns
    -------
    int    stripes whose largest key is above 0
    """
    for stripe in range(width):
        largest = bits[stripe]
        for step in range(1, STRIPES):
            largest = max(largest, bits[step * width + stripe])
        best[stripe] = largest
    return count_reaching(best, width, 1)


@kernel_part
def expand_stripes(width: int, least: int, bits: Counts, best: Counts, place: Codes) -> int:
    """List the positions whose bits are at least least, looking only at stripes that hold one."""
    least32 = np.int32(least)
    n_stripes = np.uint64(0)
    stripe_of = best  # a stripe is overwritten only when it has been looked at
    for stripe in range(width):
        reaches = np.uint64(best[stripe] >= least32)
        stripe_of[n_stripes] = stripe
        n_stripes += reaches
    found = np.uint64(0)
    for listed in range(np.int64(n_stripes)):
        position = np.uint64(stripe_of[listed])
        for _ in range(STRIPES):
            place[found] = position
            found += np.uint64(bits[position] >= least32)
            position += np.uint64(width)
    return np.int64(found)


@kernel_line
def pack(key_bits: int, code: int) -> int:
    """Make one number that orders by key, and among equal keys by smaller code first."""
    return (np.int64(key_bits) << 32) | (CODE_MASK - np.int64(code))


@kernel_line
def unpack_code(packed: int) -> int:
    """Give the code back."""
    return CODE_MASK - (packed & CODE_MASK)


@kernel_part
def sort_descending(packed: Packed, spare: Packed, n: int) -> None:
    """Put n different numbers above 0 in descending order.

    A run of at most 128 is sorted by counting, for each number, how many of its run are larger;
    runs are then merged. The arrays have room for 32 numbers more.
    """
    for start in range(0, n, RUN):
        sort_run(packed, spare, start, min(start + RUN, n))
    for position in range(n):
        packed[position] = spare[position]
    width = RUN
    while width < n:
        for start in range(0, n, 2 * width):
            merge_runs(packed, spare, start, min(start + width, n), min(start + 2 * width, n))
        for position in range(n):
            packed[position] = spare[position]
        width *= 2


@kernel_part
def sort_run(packed: Packed, spare: Packed, start: int, end: int) -> None:
    """Write packed[start:end] to spare in descending order."""
    padded = start + (end - start + 31) // 32 * 32
    if end < start + RUN:  # the last run
        packed[end:padded] = 0
    run = packed[start:padded]
    for position in range(end - start):
        mine = run[position]
        larger = start
        for other in range(run.shape[0]):
            larger += run[other] > mine
        spare[larger] = mine


@kernel_part
def merge_runs(packed: Packed, merged: Packed, start: int, middle: int, end: int) -> None:
    """Merge two descending runs, packed[start:middle] and packed[middle:end], into merged."""
    left, right, into = start, middle, start
    while left < middle and right < end:
        mine, other = packed[left], packed[right]
        merged[into] = max(mine, other)
        left += mine > other
        right += mine < other
        into += 1
    for rest in range(left, middle):
        merged[into] = packed[rest]
        into += 1
    for rest in range(right, end):
        merged[into] = packed[rest]
        into += 1
