"""Groups of items in compressed rows, checked and laid out both ways round."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel, lean_kernel
from recsql.kernels._threads import run_blocks

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint32]


ENTRIES_PER_PART = 1 << 16


class Baskets(NamedTuple):
    """Groups of items, both ways round.

    Attributes
    ----------
    group_ptr : int64[n_groups + 1]   where the items of a group begin in group_item
    group_item : uint32[n_entries]    item codes, ascending within a group
    item_ptr : int64[n_items + 1]     where the groups of an item begin in item_group
    item_group : uint32[n_entries]    groups, ascending within an item
    item_entry : int64[n_entries]     where in group_item that entry stands; empty if not needed
    work : int64[n_items]             lengths of the item's groups, added up
    part : int64[n_parts + 1]         ranges of groups that threads work on side by side
    begin : int64[n_parts, n_items]   where the groups of a part begin in item_group
    """

    group_ptr: Longs
    group_item: Codes
    item_ptr: Longs
    item_group: Codes
    item_entry: Longs
    work: Longs
    part: Longs
    begin: Longs


def plain(array: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Give an array of a type, contiguous and writable: any other is compiled for once more."""
    return np.require(array, dtype, ["C", "A", "W"])


def make_baskets(
    group_ptr: Longs,
    group_item: npt.NDArray[np.int32],
    n_items: int,
    n_threads: int,
    *,
    with_entries: bool = False,
) -> Baskets:
    """Check groups and lay them out both ways round.

    Takes 12 bytes an entry, 20 with entries, and 16 bytes an item and thread.

    Parameters
    ----------
    group_ptr : int64[n_groups + 1]    where the items of a group begin
    group_item : int32[n_entries]      item codes, ascending and distinct within a group
    n_items : int                      codes are below this
    n_threads : int                    the result, but for its parts, does not depend on it
    with_entries : bool                whether item_entry is needed

    Raises
    ------
    ValueError
        When group_ptr does not rise from 0 to n_entries, when a code is not below n_items, or
        when the codes of a group do not rise.
    """
    pointers = plain(group_ptr, np.int64)
    items = plain(group_item, np.int32).view(np.uint32)
    check_sizes(pointers, items.size, n_items)
    n_parts = max(1, min(n_threads, items.size // ENTRIES_PER_PART))
    wanted = np.linspace(0, items.size, n_parts + 1)[1:-1]
    part = np.concatenate(([0], np.searchsorted(pointers, wanted), [pointers.size - 1]))
    begin, work = np.zeros((2, n_parts, n_items), dtype=np.int64)
    faulty = np.full(n_parts, -1, dtype=np.int64)

    def count(number: int, _last: int, _scratch: None) -> None:
        first, last = part[number], part[number + 1]
        faulty[number] = count_items(first, last, pointers, items, begin[number], work[number])

    numbers = [(number, number + 1) for number in range(n_parts)]
    run_blocks(count, numbers, lambda: None, n_threads)
    if faulty.max() >= 0:
        raise ValueError(
            f"The codes of a group must rise and be from 0 to {n_items - 1}; "
            f"group {faulty[faulty >= 0][0]} differs."
        )
    item_ptr = np.zeros(n_items + 1, dtype=np.int64)
    np.cumsum(begin.sum(axis=0), out=item_ptr[1:])
    begin = item_ptr[:-1] + np.cumsum(begin, axis=0) - begin
    item_group = np.empty(items.size, dtype=np.uint32)
    item_entry = np.empty(items.size if with_entries else 0, dtype=np.int64)
    lengths = work.sum(axis=0)
    baskets = Baskets(pointers, items, item_ptr, item_group, item_entry, lengths, part, begin)

    def turn(number: int, _last: int, _scratch: None) -> None:
        transpose(number, baskets)

    run_blocks(turn, numbers, lambda: None, n_threads)
    return baskets


def check_sizes(group_ptr: Longs, n_entries: int, n_items: int) -> None:
    """Check what can be told without looking at the items.

    Raises
    ------
    ValueError
        When a number is too large, or group_ptr does not rise from 0 to n_entries.
    """
    if not 0 <= n_items < 2**31:
        raise ValueError(f"n_items must be from 0 to 2**31 - 1, got {n_items}.")
    goes_from_0 = group_ptr.size > 0 and group_ptr[0] == 0 and group_ptr[-1] == n_entries
    if not goes_from_0 or np.any(group_ptr[1:] < group_ptr[:-1]):
        raise ValueError(f"group_ptr must rise from 0 to {n_entries}, the number of entries.")
    if group_ptr.size > 2**31:
        raise ValueError(f"There must be fewer than 2**31 groups, got {group_ptr.size - 1}.")


def check_weights(entry_weight: Longs, group_item: npt.NDArray[np.int32]) -> Longs:
    """Give back the weights.

    Raises
    ------
    ValueError
        When there is not one for each entry, or one is below 0 or above 2**20.
    """
    if entry_weight.shape != group_item.shape:
        raise ValueError(
            f"entry_weight must have {group_item.size} entries, got {entry_weight.size}."
        )
    if entry_weight.size and not (entry_weight.min() >= 0 and entry_weight.max() <= 2**20):
        raise ValueError(
            "entry_weight must be from 0 to 2**20, so that sums of products are exact."
        )
    return plain(entry_weight, np.int64)


def rename_items(baskets: Baskets, code_at: Codes, n_threads: int) -> Baskets:
    """Give the same baskets with positions in an order of the items in place of codes.

    Parameters
    ----------
    baskets : Baskets
    code_at : uint32[n_items]    code of the item at each position of the order
    n_threads : int              the result does not depend on it

    Returns
    -------
    Baskets    group_item holds positions, ascending within a group; the rest is as before
    """
    group_item = np.empty_like(baskets.group_item)
    run_blocks(
        lambda number, _last, _scratch: deal_out(number, baskets, code_at, group_item),
        [(number, number + 1) for number in range(baskets.part.size - 1)],
        lambda: None,
        n_threads,
    )
    return baskets._replace(group_item=group_item)


@lean_kernel
def count_items(
    first: int, last: int, group_ptr: Longs, group_item: Codes, count: Longs, work: Longs
) -> int:
    """Count the groups first <= group < last of every item, and add up their lengths.

    Parameters
    ----------
    count, work : int64[n_items]    come in as zeros

    Returns
    -------
    int    the first group whose codes do not rise or are too large; -1 if all are well
    """
    n_items = work.shape[0]
    for group in range(first, last):
        start, end = group_ptr[group], group_ptr[group + 1]
        previous = np.int64(-1)
        for entry in range(np.uint64(start), np.uint64(end)):
            item = np.int64(group_item[entry])
            if item <= previous or item >= n_items:
                return group
            previous = item
            count[np.uint64(item)] += 1
            work[np.uint64(item)] += end - start
    return -1


@kernel
def transpose(number: int, baskets: Baskets) -> None:
    """Fill item_group, and item_entry unless it is empty, from the groups of a part."""
    following = baskets.begin[number].copy()
    with_entries = baskets.item_entry.shape[0] > 0
    for group in range(baskets.part[number], baskets.part[number + 1]):
        start, end = baskets.group_ptr[group], baskets.group_ptr[group + 1]
        for entry in range(np.uint64(start), np.uint64(end)):
            item = np.uint64(baskets.group_item[entry])
            into = np.uint64(following[item])
            following[item] += 1
            baskets.item_group[into] = group
            if with_entries:
                baskets.item_entry[into] = entry


@kernel
def deal_out(number: int, baskets: Baskets, code_at: Codes, group_item: Codes) -> None:
    """Fill group_item with the positions of the items of a part's groups."""
    first_group = baskets.part[number]
    following = baskets.group_ptr[first_group : baskets.part[number + 1]].copy()
    last_part = number + 2 == baskets.part.shape[0]
    for position in range(code_at.shape[0]):
        item = np.uint64(code_at[position])
        start = baskets.begin[number, item]
        end = baskets.item_ptr[item + np.uint64(1)]
        if not last_part:
            end = baskets.begin[number + 1, item]
        for place in range(np.uint64(start), np.uint64(end)):
            group = np.uint64(np.int64(baskets.item_group[place]) - first_group)
            group_item[np.uint64(following[group])] = position
            following[group] += 1
