"""The graph of groups and items, laid out for walks that jump from one to the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]

SLOT = 3  # numbers of a slot: group, other group, threshold
MOST_ENTRIES = 2**32 - 1


class WalkGraph(NamedTuple):
    """Groups and their items, from both sides.

    Places are 32-bit: half the memory to jump in.

    Attributes
    ----------
    item_ptr : uint32[n_items + 1]      slots of each item
    slot : uint32[3 * n_entries]        for each group of an item: the group, another one, and a
                                        threshold; a fraction of 2**32 below it takes the first
    group_ptr : uint32[n_groups + 1]    entries of each group
    group_item : uint32[n_entries]      item codes
    """

    item_ptr: Words
    slot: Words
    group_ptr: Words
    group_item: Words

    @property
    def n_items(self) -> int:
        """Count the items."""
        return len(self.item_ptr) - 1

    @property
    def n_groups(self) -> int:
        """Count the groups of two items or more."""
        return len(self.group_ptr) - 1

    @property
    def degree(self) -> Longs:
        """Count the groups of each item: int64[n_items]."""
        return np.diff(self.item_ptr.astype(np.int64))


def build_walk_graph(
    group_ptr: Longs, group_item: Counts, n_items: int, group_power: float
) -> WalkGraph:
    """Lay out groups of items for walks; groups of one item lead nowhere and are left out.

    Takes 16 bytes an entry, and about 40 more while it runs.

    Parameters
    ----------
    group_ptr : int64[n_groups + 1]    entries of each group
    group_item : int32[n_entries]      distinct item codes of a group, 0 <= code < n_items
    n_items : int
    group_power : float                a walk leaves an item for one of its groups with a
                                       probability in proportion to size ** group_power

    Raises
    ------
    ValueError
        There are 2**32 - 1 entries or more.
    """
    if len(group_item) >= MOST_ENTRIES:
        raise ValueError(f"there must be fewer than {MOST_ENTRIES} entries, got {len(group_item)}.")
    size = np.diff(group_ptr)
    item = group_item[np.repeat(size >= 2, size)]
    size = size[size >= 2]
    degree = np.bincount(item, minlength=n_items)
    item_ptr = _pointers(degree)
    group = np.repeat(np.arange(len(size), dtype=np.uint32), size)
    group = group[np.argsort(item, kind="stable")]
    weight = size.astype(np.float64) ** group_power
    slot = np.empty(SLOT * len(group), dtype=np.uint32)
    pending = np.empty(int(degree.max(initial=0)), dtype=np.int64)
    fill_slots(item_ptr, group, weight, pending, np.empty(len(pending)), slot)
    return WalkGraph(
        item_ptr.astype(np.uint32), slot, _pointers(size).astype(np.uint32), item.astype(np.uint32)
    )


def _pointers(counts: Longs) -> Longs:
    """Give where each row of so many entries begins: int64[n + 1]."""
    ptr = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=ptr[1:])
    return ptr


@lean_kernel
def fill_slots(
    item_ptr: Longs, group: Words, weight: Floats, pending: Longs, share: Floats, slot: Words
) -> None:
    """Write the slots of every item, so that a random slot gives a group by its weight.

    Parameters
    ----------
    item_ptr : int64[n_items + 1]      entries of each item
    group : uint32[n_entries]          groups of each item
    weight : float64[n_groups]         above 0
    pending, share : room for the entries of the item with most of them
    slot : uint32[3 * n_entries]       written

    Source: Vose, IEEE Transactions on Software Engineering 17(9), 1991 (alias method).
    """
    for item in range(item_ptr.shape[0] - 1):
        begin = item_ptr[item]
        n = item_ptr[item + 1] - begin
        total = 0.0
        for entry in range(n):
            total += weight[group[begin + entry]]
        small = 0
        large = n  # light entries fill pending from the left, heavy ones from the right
        for entry in range(n):
            share[entry] = weight[group[begin + entry]] * n / total
            if share[entry] < 1.0:
                pending[small] = entry
                small += 1
            else:
                large -= 1
                pending[large] = entry
        while small > 0 and large < n:
            small -= 1
            light, heavy = pending[small], pending[large]
            _fill(slot, begin, light, heavy, share[light], group)
            share[heavy] -= 1.0 - share[light]
            if share[heavy] < 1.0:
                large += 1
                pending[small] = heavy
                small += 1
        for place in range(small):  # what rounding left over
            _fill(slot, begin, pending[place], pending[place], 1.0, group)
        for place in range(large, n):
            _fill(slot, begin, pending[place], pending[place], 1.0, group)


@kernel_part
def _fill(slot: Words, begin: int, one: int, other: int, share: float, group: Words) -> None:
    """Let a slot lead to its own group with a probability, else to another one."""
    place = 3 * (begin + one)
    slot[place] = group[begin + one]
    slot[place + 1] = group[begin + other]
    slot[place + 2] = np.uint32(min(share * 4294967296.0, 4294967295.0))
