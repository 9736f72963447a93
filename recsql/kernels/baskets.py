"""Groups of items in compressed rows, checked and laid out both ways round."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint32]


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
    """

    group_ptr: Longs
    group_item: Codes
    item_ptr: Longs
    item_group: Codes
    item_entry: Longs
    work: Longs


def plain(array: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Give an array of a type, contiguous and writable: any other is compiled for once more."""
    return np.require(array, dtype, ["C", "A", "W"])


def make_baskets(
    group_ptr: Longs, group_item: npt.NDArray[np.int32], n_items: int, *, with_entries: bool = False
) -> Baskets:
    """Check groups and lay them out both ways round.

    Parameters
    ----------
    group_ptr : int64[n_groups + 1]    where the items of a group begin
    group_item : int32[n_entries]      item codes, ascending and distinct within a group
    n_items : int                      codes are below this
    with_entries : bool                whether item_entry is needed

    Raises
    ------
    ValueError
        When group_ptr does not rise from 0 to n_entries, when a code is not below n_items, or
        when the codes of a group do not rise.
    """
    pointers = plain(group_ptr, np.int64)
    items = plain(group_item, np.int32).view(np.uint32)
    if not 0 <= n_items < 2**31:
        raise ValueError(f"n_items must be from 0 to 2**31 - 1, got {n_items}.")
    if pointers.size == 0 or pointers[0] != 0 or pointers[-1] != items.size:
        raise ValueError(f"group_ptr must rise from 0 to {items.size}, the number of entries.")
    if pointers.size > 2**31:
        raise ValueError(f"There must be fewer than 2**31 groups, got {pointers.size - 1}.")
    item_ptr = np.zeros(n_items + 1, dtype=np.int64)
    work = np.zeros(n_items, dtype=np.int64)
    faulty = count_items(pointers, items, item_ptr, work)
    if faulty >= 0:
        raise ValueError(
            f"The codes of a group must rise and be from 0 to {n_items - 1}; group {faulty} differs."
        )
    item_group = np.empty(items.size, dtype=np.uint32)
    item_entry = np.empty(items.size if with_entries else 0, dtype=np.int64)
    transpose(pointers, items, item_ptr, item_group, item_entry)
    return Baskets(pointers, items, item_ptr, item_group, item_entry, work)


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


def rename_items(baskets: Baskets, code_at: Codes) -> Baskets:
    """Give the same baskets with positions in an order of the items in place of codes.

    Parameters
    ----------
    code_at : uint32[n_items]    code of the item at each position of the order

    Returns
    -------
    Baskets    group_item holds positions, ascending within a group; the rest is as before
    """
    group_item = np.empty_like(baskets.group_item)
    deal_out(baskets, code_at, group_item)
    return baskets._replace(group_item=group_item)


@kernel
def count_items(group_ptr: Longs, group_item: Codes, item_ptr: Longs, work: Longs) -> int:
    """Fill item_ptr and work of ``Baskets``; both come in as zeros.

    Returns
    -------
    int    the first group whose codes do not rise or are too large; -1 if all are well
    """
    n_items = work.shape[0]
    for group in range(group_ptr.shape[0] - 1):
        first, last = group_ptr[group], group_ptr[group + 1]
        if first > last or last > group_item.shape[0]:
            return group
        previous = np.int64(-1)
        for entry in range(first, last):
            item = np.int64(group_item[entry])
            if item <= previous or item >= n_items:
                return group
            previous = item
            item_ptr[item + 1] += 1
            work[item] += last - first
    for item in range(n_items):
        item_ptr[item + 1] += item_ptr[item]
    return -1


@kernel
def transpose(
    group_ptr: Longs, group_item: Codes, item_ptr: Longs, item_group: Codes, item_entry: Longs
) -> None:
    """Fill item_group, and item_entry unless it is empty, from the other way round."""
    following = item_ptr.copy()
    with_entries = item_entry.shape[0] > 0
    for group in range(group_ptr.shape[0] - 1):
        for entry in range(np.uint64(group_ptr[group]), np.uint64(group_ptr[group + 1])):
            item = np.uint64(group_item[entry])
            into = np.uint64(following[item])
            following[item] += 1
            item_group[into] = group
            if with_entries:
                item_entry[into] = entry


@kernel
def deal_out(baskets: Baskets, code_at: Codes, group_item: Codes) -> None:
    """Fill group_item with the positions of each group's items."""
    item_ptr, following = baskets.item_ptr, baskets.group_ptr.copy()
    for position in range(code_at.shape[0]):
        item = np.uint64(code_at[position])
        for place in range(item_ptr[item], item_ptr[item + np.uint64(1)]):
            group = np.uint64(baskets.item_group[place])
            group_item[np.uint64(following[group])] = position
            following[group] += 1
