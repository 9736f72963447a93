"""All pairs, counted once and kept: changed in place when groups come and go, ranked when asked."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from recsql.kernels._jit import kernel
from recsql.kernels._threads import BLOCKS_PER_THREAD, available_threads, equal_blocks, run_blocks
from recsql.kernels.baskets import make_baskets
from recsql.kernels.cooccurrence import check_weights
from recsql.kernels.ranking import Neighbours

Array = np.ndarray[Any, np.dtype[Any]]

_WEIGHTINGS = ("count", "cosine", "jaccard", "lift", "confidence")


class Pairs(NamedTuple):
    """Counted pairs, each once: the upper triangle with the diagonal.

    Attributes
    ----------
    ptr : int64[n_items + 1]           where the pairs of an item begin
    item : int32[n_pairs]              the other item, not smaller than the first, ascending
    count : int32[n_pairs]             groups that hold both (on the diagonal: that hold the item)
    weight : int64[n_pairs] or None    sums of products of weights
    """

    ptr: Array
    item: Array
    count: Array
    weight: Array | None


def pair_bytes_estimate(group_ptr: Array, group_item: Array, n_items: int) -> int:
    """Give an upper bound of the bytes that ``count_pairs`` would return, without weights.

    Each group of n items adds at most n (n + 1) / 2 pairs, and there are at most
    n_items (n_items + 1) / 2 of them.
    """
    del group_item
    sizes = np.diff(group_ptr).astype(np.float64)
    most = min(float((sizes * (sizes + 1)).sum()) / 2, n_items * (n_items + 1.0) / 2)
    return int(most) * 8 + (n_items + 1) * 8


def count_pairs(
    group_ptr: Array,
    group_item: Array,
    n_items: int,
    *,
    entry_weight: Array | None = None,
    n_threads: int | None = None,
) -> Pairs:
    """Count every pair.

    Parameters
    ----------
    group_ptr, group_item, entry_weight : as in ``top_neighbours``

    Raises
    ------
    ValueError
        When the groups are not as ``top_neighbours`` wants them.
    """
    baskets = make_baskets(group_ptr, group_item, n_items, with_entries=True)
    weighted = entry_weight is not None
    weights = (
        np.empty(0, dtype=np.int64)
        if entry_weight is None
        else check_weights(entry_weight, group_item)
    )
    row_size = np.zeros(n_items, dtype=np.int64)
    parts: dict[int, tuple[Array, Array, Array]] = {}

    def task(first: int, last: int, scratch: tuple[Array, Array]) -> None:
        parts[first] = _count_rows(
            first,
            last,
            baskets.group_ptr,
            baskets.group_item,
            baskets.item_ptr,
            baskets.item_group,
            baskets.item_entry,
            weights,
            *scratch,
            row_size,
        )

    threads = available_threads(n_threads)
    run_blocks(
        task,
        equal_blocks(baskets.work, threads * BLOCKS_PER_THREAD),
        lambda: (np.zeros(n_items, np.int32), np.zeros(n_items if weighted else 0, np.int64)),
        threads,
    )
    ordered = [parts[first] for first in sorted(parts)]
    nothing = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64))
    item, count, weight = (np.concatenate(column) for column in zip(nothing, *ordered, strict=True))
    ptr = np.zeros(n_items + 1, dtype=np.int64)
    np.cumsum(row_size, out=ptr[1:])
    return Pairs(ptr, item, count, weight if weighted else None)


def relabel_pairs(pairs: Pairs, new_code: Array, n_items: int) -> Pairs:
    """Give the same pairs under other item codes.

    Parameters
    ----------
    new_code : int32[old n_items]    ascending; the new code of each item
    n_items : int                    items of the new catalogue
    """
    sizes = np.zeros(n_items, dtype=np.int64)
    sizes[new_code] = np.diff(pairs.ptr)
    ptr = np.zeros(n_items + 1, dtype=np.int64)
    np.cumsum(sizes, out=ptr[1:])
    return pairs._replace(ptr=ptr, item=new_code.astype(np.int32)[pairs.item])


def merge_pairs(pairs: Pairs, added: Pairs, removed: Pairs) -> Pairs:
    """Give pairs + added - removed; pairs that no group holds any more are left out.

    Raises
    ------
    ValueError
        When more is removed than there was.
    """
    none = np.empty(0, dtype=np.int64)
    weighted = pairs.weight is not None
    arrays = [
        (p.ptr, p.item, p.count, none if p.weight is None else p.weight)
        for p in (pairs, added, removed)
    ]
    most = len(pairs.item) + len(added.item)
    out = (
        np.zeros(len(pairs.ptr), dtype=np.int64),
        np.empty(most, dtype=np.int32),
        np.empty(most, dtype=np.int32),
        np.empty(most if weighted else 0, dtype=np.int64),
    )
    kept = _merge(*arrays[0], *arrays[1], *arrays[2], *out, weighted)
    if kept < 0:
        raise ValueError("removed must hold nothing that is not in pairs or added, but it does.")
    ptr, item, count, weight = out
    return Pairs(
        ptr, item[:kept].copy(), count[:kept].copy(), weight[:kept].copy() if weighted else None
    )


def rank_pairs(
    pairs: Pairs,
    k: int,
    *,
    weighting: str = "cosine",
    min_support: int = 1,
    n_groups: int,
    total_weight: int | None = None,
    eligible: Array | None = None,
    n_threads: int | None = None,
) -> Neighbours:
    """Give the k best neighbours of every item, equal to ``top_neighbours`` to the last bit.

    Parameters
    ----------
    n_groups, total_weight : N of lift, without and with weights
    others : as in ``top_neighbours``
    """
    n_items = len(pairs.ptr) - 1
    weighted = pairs.weight is not None
    weight = pairs.count if pairs.weight is None else pairs.weight
    marginal = _diagonal(pairs.ptr, pairs.item, weight).astype(np.float64)
    if weighted and total_weight is None and weighting == "lift":
        raise ValueError("total_weight must be given for a lift of weights, got None.")
    total = (total_weight or 0) if weighted else n_groups
    if k < 1 or min_support < 1:
        raise ValueError(f"k and min_support must be at least 1, got {k} and {min_support}.")
    out = Neighbours(
        np.full((n_items, k), -1, dtype=np.int32),
        np.zeros((n_items, k), dtype=np.float64),
        np.zeros((n_items, k), dtype=np.int32),
        np.zeros(n_items, dtype=np.int32),
    )
    allowed = np.ones(n_items, dtype=np.bool_) if eligible is None else eligible
    lower = _transpose(pairs.ptr, pairs.item)
    upper = (pairs.ptr, pairs.item, pairs.count, weight)
    options = (marginal, _WEIGHTINGS.index(weighting), float(total), min_support, allowed)
    threads = available_threads(n_threads)
    run_blocks(
        lambda first, last, _: _rank_rows(first, last, upper, lower, *options, tuple(out)),
        equal_blocks(np.diff(pairs.ptr) + np.diff(lower[0]), threads * BLOCKS_PER_THREAD),
        lambda: None,
        threads,
    )
    return out


@kernel
def _count_rows(
    first: Any,
    last: Any,
    group_ptr: Any,
    group_item: Any,
    item_ptr: Any,
    item_group: Any,
    item_entry: Any,
    entry_weight: Any,
    count: Any,
    weight: Any,
    row_size: Any,
) -> Any:
    """Count the pairs of the items first <= item < last with items that are not smaller.

    ``count`` and ``weight`` come in and go out as zeros.
    """
    weighted = entry_weight.shape[0] > 0
    n_items = count.shape[0]
    capacity = 1024
    items = np.empty(capacity, dtype=np.int32)
    counts = np.empty(capacity, dtype=np.int32)
    weights = np.empty(capacity if weighted else 0, dtype=np.int64)
    used = 0
    for item in range(first, last):
        highest = item
        for place in range(item_ptr[item], item_ptr[item + 1]):
            end = group_ptr[np.int64(item_group[place]) + 1]
            for entry in range(item_entry[place], end):
                other = np.int64(group_item[entry])
                count[other] += 1
                if weighted:
                    weight[other] += entry_weight[item_entry[place]] * entry_weight[entry]
            if end > item_entry[place]:
                highest = max(highest, np.int64(group_item[end - 1]))
        if used + (highest - item + 1) > capacity:
            capacity = max(2 * capacity, used + n_items)
            items = _grown(items, used, capacity)
            counts = _grown(counts, used, capacity)
            if weighted:
                weights = _grown(weights, used, capacity)
        start = used
        for other in range(item, highest + 1):
            if count[other] > 0:
                items[used] = other
                counts[used] = count[other]
                count[other] = 0
                if weighted:
                    weights[used] = weight[other]
                    weight[other] = 0
                used += 1
        row_size[item] = used - start
    return items[:used].copy(), counts[:used].copy(), weights[: used if weighted else 0].copy()


@kernel
def _grown(values: Any, used: Any, capacity: Any) -> Any:
    larger = np.empty(capacity, dtype=values.dtype)
    larger[:used] = values[:used]
    return larger


@kernel
def _diagonal(ptr: Any, item: Any, value: Any) -> Any:
    found = np.zeros(ptr.shape[0] - 1, dtype=np.int64)
    for row in range(found.shape[0]):
        if ptr[row] < ptr[row + 1] and item[ptr[row]] == row:
            found[row] = value[ptr[row]]
    return found


@kernel
def _transpose(ptr: Any, item: Any) -> Any:
    """Give, for each item, the pairs where it is the larger one: (ptr, smaller item, place)."""
    n_items = ptr.shape[0] - 1
    lower_ptr = np.zeros(n_items + 1, dtype=np.int64)
    for row in range(n_items):
        for place in range(ptr[row], ptr[row + 1]):
            if item[place] != row:
                lower_ptr[item[place] + 1] += 1
    for row in range(n_items):
        lower_ptr[row + 1] += lower_ptr[row]
    following = lower_ptr[:-1].copy()
    lower_item = np.empty(lower_ptr[n_items], dtype=np.int32)
    lower_place = np.empty(lower_ptr[n_items], dtype=np.int64)
    for row in range(n_items):
        for place in range(ptr[row], ptr[row + 1]):
            other = item[place]
            if other != row:
                lower_item[following[other]] = row
                lower_place[following[other]] = place
                following[other] += 1
    return lower_ptr, lower_item, lower_place


@kernel
def _rank_rows(
    first: Any,
    last: Any,
    pairs: Any,
    lower: Any,
    marginal: Any,
    divisor_kind: Any,
    total: Any,
    least: Any,
    eligible: Any,
    out: Any,
) -> None:
    """Write the rows first <= item < last of the result.

    The best k so far stand in order in the result. Pairs come in ascending order of the other
    item, so that one with an equal score stays behind those that are there.
    """
    ptr, item, count, weight = pairs
    lower_ptr, lower_item, lower_place = lower
    out_item, out_score, out_support, out_found = out
    k = out_item.shape[1]
    for row in range(first, last):
        found = 0
        n_lower = lower_ptr[row + 1] - lower_ptr[row]
        for step in range(n_lower + ptr[row + 1] - ptr[row]):
            if step < n_lower:
                other, place = lower_item[lower_ptr[row] + step], lower_place[lower_ptr[row] + step]
            else:
                place = ptr[row] + step - n_lower
                other = item[place]
            if other == row or count[place] < least or not eligible[other] or weight[place] == 0:
                continue
            both = np.float64(weight[place])
            score = both
            if divisor_kind == 1:
                score = both / math.sqrt(marginal[row] * marginal[other])
            elif divisor_kind == 2:
                score = both / (marginal[row] + marginal[other] - both)
            elif divisor_kind == 3:
                score = both * total / (marginal[row] * marginal[other])
            elif divisor_kind == 4:
                score = both / marginal[row]
            if found == k and score <= out_score[row, k - 1]:
                continue
            if found < k:
                found += 1
            into = found - 1
            while into > 0 and out_score[row, into - 1] < score:
                out_score[row, into] = out_score[row, into - 1]
                out_item[row, into] = out_item[row, into - 1]
                out_support[row, into] = out_support[row, into - 1]
                into -= 1
            out_score[row, into] = score
            out_item[row, into] = other
            out_support[row, into] = count[place]
        out_found[row] = found


@kernel
def _merge(
    ptr: Any,
    item: Any,
    count: Any,
    weight: Any,
    added_ptr: Any,
    added_item: Any,
    added_count: Any,
    added_weight: Any,
    removed_ptr: Any,
    removed_item: Any,
    removed_count: Any,
    removed_weight: Any,
    out_ptr: Any,
    out_item: Any,
    out_count: Any,
    out_weight: Any,
    weighted: Any,
) -> Any:
    """Merge three sorted rows at a time; gives the pairs kept, -1 when a count falls below 0."""
    used = 0
    nowhere = np.int64(1) << 40
    for row in range(ptr.shape[0] - 1):
        place, end = ptr[row], ptr[row + 1]
        plus, plus_end = added_ptr[row], added_ptr[row + 1]
        minus, minus_end = removed_ptr[row], removed_ptr[row + 1]
        while place < end or plus < plus_end or minus < minus_end:
            here = np.int64(item[place]) if place < end else nowhere
            here = min(here, np.int64(added_item[plus]) if plus < plus_end else nowhere)
            here = min(here, np.int64(removed_item[minus]) if minus < minus_end else nowhere)
            total, total_weight = np.int64(0), np.int64(0)
            if place < end and item[place] == here:
                total += count[place]
                total_weight += weight[place] if weighted else 0
                place += 1
            if plus < plus_end and added_item[plus] == here:
                total += added_count[plus]
                total_weight += added_weight[plus] if weighted else 0
                plus += 1
            if minus < minus_end and removed_item[minus] == here:
                total -= removed_count[minus]
                total_weight -= removed_weight[minus] if weighted else 0
                minus += 1
            if total < 0:
                return -1
            if total > 0:
                out_item[used] = here
                out_count[used] = total
                if weighted:
                    out_weight[used] = total_weight
                used += 1
        out_ptr[row + 1] = used
    return used
