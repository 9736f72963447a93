"""The suffixes of sequences in order: what a Burrows-Wheeler transform is read from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel, kernel_part

Codes = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

FIRST_SYMBOLS = 4  # so many are sorted by counting before groups of equals are refined
FEW = 24  # so many are faster sorted by insertion than by a library


def suffix_order(text: Codes, n_symbols: int) -> Codes:
    """Sort the suffixes of a text of sequences.

    Parameters
    ----------
    text : int32[n]    symbols, 0 <= symbol < n_symbols; 0 ends a sequence, and the last one is 0
    n_symbols : int    symbols, 0 among them

    Returns
    -------
    int32[n]           first place of each suffix, the least suffix first. An end is less than any
                       other symbol, and of two ends the one that stands first is the less: no
                       comparison goes on into the next sequence.

    Source
    ------
    Larsson and Sadakane, "Faster Suffix Sorting", Theoretical Computer Science 387(3), 2007:
    prefixes double, and only groups of equals are sorted again. Here the first symbols are sorted
    by counting instead.
    """
    order = np.empty(text.shape[0], dtype=np.int32)
    if text.shape[0] > 0:
        spare, rank = np.empty_like(order), np.empty_like(order)
        count_order(text, n_symbols, order, spare)
        groups = rank_groups(text, order, rank)
        known = FIRST_SYMBOLS
        while groups.shape[0] > 0:
            groups = refine_groups(groups, known, order, rank)
            known *= 2
    return order


@kernel
def count_order(text: Codes, n_symbols: int, order: Codes, spare: Codes) -> None:
    """Write the order of the suffixes by their first symbols; ties in no matter which order."""
    n = text.shape[0]
    starts = np.zeros(n_symbols + 1, dtype=np.int64)
    for place in range(n):
        starts[np.uint64(text[place]) + np.uint64(1)] += 1
    for symbol in range(n_symbols):
        starts[symbol + 1] += starts[symbol]
    following = starts.copy()
    for place in range(n):
        symbol = np.uint64(text[place])
        order[np.uint64(following[symbol])] = place
        following[symbol] += 1
    ends = starts[1]
    for _ in range(FIRST_SYMBOLS - 1):
        # What stands before suffixes in order is in order itself, within one symbol.
        following[:] = starts
        spare[:] = order
        for row in range(n):
            place = spare[row] - 1
            if place < 0 or text[place] == 0:
                continue
            symbol = np.uint64(text[place])
            order[np.uint64(following[symbol])] = place
            following[symbol] += 1
        for row in range(ends):
            order[row] = spare[row]


@kernel
def rank_groups(text: Codes, order: Codes, rank: Codes) -> Longs:
    """Write the rank of each suffix, the first row of its equals; give (first, last) of groups.

    Returns
    -------
    int64[n_groups, 2]    rows first <= row < last that begin with the same symbols
    """
    n = order.shape[0]
    groups = np.empty((n // 2 + 1, 2), dtype=np.int64)
    n_groups = 0
    first = 0
    for row in range(n):
        if row > 0 and not same_beginning(text, order[row - 1], order[row]):
            if row - first > 1:
                groups[n_groups, 0], groups[n_groups, 1] = first, row
                n_groups += 1
            first = row
        rank[np.uint64(order[row])] = first
    if n - first > 1:
        groups[n_groups, 0], groups[n_groups, 1] = first, n
        n_groups += 1
    return groups[:n_groups].copy()


@kernel_part
def same_beginning(text: Codes, one: int, other: int) -> bool:
    """Tell whether two suffixes have the same first symbols and no end among them."""
    for ahead in range(FIRST_SYMBOLS):
        symbol = text[np.uint64(one + ahead)]
        if symbol == 0 or symbol != text[np.uint64(other + ahead)]:
            return False
    return True


@kernel
def refine_groups(groups: Longs, known: int, order: Codes, rank: Codes) -> Longs:
    """Sort groups of equals by what follows their known symbols; give the groups that remain."""
    n_left = 0
    most = np.int64(0)
    for group in range(groups.shape[0]):
        most = max(most, groups[group, 1] - groups[group, 0])
        n_left += (groups[group, 1] - groups[group, 0]) // 2
    left = np.empty((n_left, 2), dtype=np.int64)
    key = np.empty(most, dtype=np.int64)
    n_left = 0
    for group in range(groups.shape[0]):
        first, last = groups[group, 0], groups[group, 1]
        for row in range(first, last):
            place = np.int64(order[row])
            key[row - first] = (np.int64(rank[np.uint64(place + known)]) << 32) | place
        sort_keys(key[: last - first])
        begin = first
        for row in range(first, last):
            if row > begin and key[row - first] >> 32 != key[row - first - 1] >> 32:
                if row - begin > 1:
                    left[n_left, 0], left[n_left, 1] = begin, row
                    n_left += 1
                begin = row
            place = np.uint64(key[row - first] & 0x7FFFFFFF)
            order[row] = place
            rank[place] = begin
        if last - begin > 1:
            left[n_left, 0], left[n_left, 1] = begin, last
            n_left += 1
    return left[:n_left].copy()


@kernel
def sort_keys(key: Longs) -> None:
    """Sort keys in place."""
    if key.shape[0] > FEW:
        key.sort()
        return
    for row in range(1, key.shape[0]):
        value = key[row]
        into = row
        while into > 0 and key[into - 1] > value:
            key[into] = key[into - 1]
            into -= 1
        key[into] = value
