"""What the customers nearest to one buy, mixed with what that one buys."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.best import empty_into, offer

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Rows(NamedTuple):
    """Sparse rows; the codes of each are distinct.

    Attributes
    ----------
    ptr : int64[n_rows + 1]     where a row begins
    code : int32[n_entries]
    value : float64[n_entries]  > 0
    """

    ptr: Longs
    code: Counts
    value: Doubles


class Customers(NamedTuple):
    """What each customer buys, laid out both ways.

    Attributes
    ----------
    items : Rows                       a row a customer: items
    buyers : Rows                      a row an item: customers
    square : float64[n_users]          sum of the squares of a customer's values
    by_square : int32[n_users]         customers, least square first, ties to the smaller place
    share : float64[n_items]           part of all customers who buy an item, 0 to 1
    by_share : int32[n_items]          items, largest share first, ties to the smaller code
    """

    items: Rows
    buyers: Rows
    square: Doubles
    by_square: Counts
    share: Doubles
    by_share: Counts


class Asked(NamedTuple):
    """Who asks.

    Attributes
    ----------
    rows : Rows                       a row a request: items and how much the customer buys them
    user : int32[n_requests]          place among the customers, never their own neighbour; -1: none
    out_ptr : int64[n_requests + 1]   items left out of a list
    out_item : int32[n_left_out]
    """

    rows: Rows
    user: Counts
    out_ptr: Longs
    out_item: Counts


class Mixture(NamedTuple):
    """What a score is made of.

    Attributes
    ----------
    neighbours : int    nearest customers, >= 1
    own : float         weight of who asks, 0 to 1; the neighbours have the rest
    everyone : float    weight of the share of all customers, >= 0
    """

    neighbours: int
    own: float
    everyone: float


class Scratch(NamedTuple):
    """What a thread needs; zero and false between requests, but for the heap and the lists."""

    product: Doubles
    touched: Counts
    is_touched: Flags
    score: Doubles
    votes: Counts
    found: Counts
    is_found: Flags
    hidden: Flags
    heap_score: Doubles
    heap_code: Longs


def both_ways(items: Rows, n_items: int) -> Customers:
    """Lay out what customers buy by item too, and work out what does not depend on who asks."""
    n_users = len(items.ptr) - 1
    user = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(items.ptr))
    order = np.argsort(items.code, kind="stable")
    ptr = np.zeros(n_items + 1, dtype=np.int64)
    np.cumsum(np.bincount(items.code, minlength=n_items), out=ptr[1:])
    square = np.bincount(user, weights=items.value**2, minlength=n_users)
    share = np.diff(ptr) / max(n_users, 1)
    return Customers(
        items,
        Rows(ptr, user[order], items.value[order]),
        square,
        np.argsort(square, kind="stable").astype(np.int32),
        share,
        np.argsort(-share, kind="stable").astype(np.int32),
    )


def mix_with_nearest(
    customers: Customers,
    asked: Asked,
    mixture: Mixture,
    k: int,
    *,
    eligible: Flags | None = None,
    n_threads: int | None = None,
) -> tuple[Counts, Doubles, Counts]:
    """Give the k items with the largest mixture of own values and those of the nearest customers.

    The score of an item is ``own`` times the value of who asks, plus ``1 - own`` times the mean
    value of the nearest customers by Euclidean distance (of equals, the smaller places), plus
    ``everyone`` times the share of all customers who buy it. Who asks without any item has no
    neighbours, and gets the shares themselves.

    Parameters
    ----------
    customers : Customers
    asked : Asked
    mixture : Mixture
    k : int                              length of a list, >= 1
    eligible : bool[n_items], optional   items that may be in a list; None: all
    n_threads : int, optional            the result does not depend on it

    Returns
    -------
    item : int32[n_requests, k]       best first, ties to the smaller code; -1 where a list ended
    score : float64[n_requests, k]    above 0; 0 where a list has ended
    votes : int32[n_requests, k]      nearest customers who buy the item
    """
    n_requests, n_items = len(asked.user), len(customers.share)
    n_users = len(customers.square)
    item = np.full((n_requests, k), -1, dtype=np.int32)
    score = np.zeros((n_requests, k), dtype=np.float64)
    votes = np.zeros((n_requests, k), dtype=np.int32)
    may = np.ones(n_items, np.bool_) if eligible is None else np.ascontiguousarray(eligible)

    def task(first: int, last: int, scratch: Scratch) -> None:
        mix_rows(first, last, customers, asked, mixture, may, scratch, item, score, votes)

    def make_scratch() -> Scratch:
        return _make_scratch(n_users, n_items, max(min(mixture.neighbours, n_users), k))

    reached = np.concatenate([[0], np.cumsum(np.diff(customers.buyers.ptr)[asked.rows.code])])
    cost = np.diff(reached[asked.rows.ptr]).astype(np.int64)
    threads = available_threads(n_threads)
    run_blocks(task, equal_blocks(cost, 8 * threads), make_scratch, threads)
    return item, score, votes


def _make_scratch(n_users: int, n_items: int, room: int) -> Scratch:
    return Scratch(
        np.zeros(n_users, np.float64),
        np.empty(n_users, np.int32),
        np.zeros(n_users, np.bool_),
        np.zeros(n_items, np.float64),
        np.zeros(n_items, np.int32),
        np.empty(n_items, np.int32),
        np.zeros(n_items, np.bool_),
        np.zeros(n_items, np.bool_),
        np.empty(room + 1, np.float64),
        np.empty(room + 1, np.int64),
    )


@lean_kernel
def mix_rows(
    first: int,
    last: int,
    customers: Customers,
    asked: Asked,
    mixture: Mixture,
    eligible: Flags,
    scratch: Scratch,
    item: Counts,
    score: Doubles,
    votes: Counts,
) -> None:
    """Write the rows first <= row < last of item, score and votes."""
    for row in range(first, last):
        begin, end = asked.rows.ptr[row], asked.rows.ptr[row + 1]
        for place in range(asked.out_ptr[row], asked.out_ptr[row + 1]):
            scratch.hidden[asked.out_item[place]] = True
        n_found, everyone = 0, 1.0
        if begin < end:
            everyone = mixture.everyone
            n_near = find_nearest(customers, asked, row, mixture.neighbours, scratch)
            for place in range(begin, end):
                value = mixture.own * asked.rows.value[place]
                n_found = add(asked.rows.code[place], value, n_found, scratch)
            for near in range(n_near):
                part = (1.0 - mixture.own) / n_near
                n_found = add_customer(customers.items, near, part, n_found, scratch)
        size = offer_found(n_found, customers, everyone, eligible, item.shape[1], scratch)
        size = offer_others(size, customers, everyone, eligible, item.shape[1], scratch)
        empty_into(row, size, scratch.heap_score, scratch.heap_code, item, score)
        for place in range(size):
            votes[row, place] = scratch.votes[item[row, place]]
        forget(n_found, scratch)
        for place in range(asked.out_ptr[row], asked.out_ptr[row + 1]):
            scratch.hidden[asked.out_item[place]] = False


@kernel_part
def add(code: int, value: float, n_found: int, scratch: Scratch) -> int:
    """Add to the score of an item; gives how many items have one."""
    if not scratch.is_found[code]:
        scratch.is_found[code] = True
        scratch.found[n_found] = code
        n_found += 1
    scratch.score[code] += value
    return n_found


@kernel_part
def add_customer(items: Rows, near: int, part: float, n_found: int, scratch: Scratch) -> int:
    """Add a part of what a customer of the heap buys; gives how many items have a score."""
    customer = scratch.heap_code[near]
    for entry in range(items.ptr[customer], items.ptr[customer + 1]):
        n_found = add(items.code[entry], part * items.value[entry], n_found, scratch)
        scratch.votes[items.code[entry]] += 1
    return n_found


@kernel_part
def find_nearest(
    customers: Customers, asked: Asked, row: int, neighbours: int, scratch: Scratch
) -> int:
    """Put the nearest customers into the heap; gives how many.

    The distance is ``square - 2 product`` beyond what is the same for all. Of customers without a
    shared item only those with the least squares can be near.
    """
    n_touched = multiply(customers.buyers, asked.rows, row, scratch)
    size, own = 0, asked.user[row]
    for place in range(n_touched):
        customer = scratch.touched[place]
        near = 2.0 * scratch.product[customer] - customers.square[customer]
        if customer != own:
            size = offer(near, customer, size, neighbours, scratch.heap_score, scratch.heap_code)
    for place in range(customers.by_square.shape[0]):
        customer = customers.by_square[place]
        near = -customers.square[customer]
        if size == neighbours and near < scratch.heap_score[0]:
            break
        if customer != own and not scratch.is_touched[customer]:
            size = offer(near, customer, size, neighbours, scratch.heap_score, scratch.heap_code)
    for place in range(n_touched):
        scratch.product[scratch.touched[place]] = 0.0
        scratch.is_touched[scratch.touched[place]] = False
    return size


@kernel_part
def multiply(buyers: Rows, rows: Rows, row: int, scratch: Scratch) -> int:
    """Multiply a row with every customer who shares an item; gives how many there are."""
    n_touched = 0
    for place in range(rows.ptr[row], rows.ptr[row + 1]):
        code, value = rows.code[place], rows.value[place]
        for entry in range(buyers.ptr[code], buyers.ptr[code + 1]):
            customer = buyers.code[entry]
            if not scratch.is_touched[customer]:
                scratch.is_touched[customer] = True
                scratch.touched[n_touched] = customer
                n_touched += 1
            scratch.product[customer] += value * buyers.value[entry]
    return n_touched


@kernel_part
def offer_found(
    n_found: int,
    customers: Customers,
    everyone: float,
    eligible: Flags,
    k: int,
    scratch: Scratch,
) -> int:
    """Put the best of the items found into the heap; gives how many."""
    size = 0
    for found in range(n_found):
        code = scratch.found[found]
        value = scratch.score[code] + everyone * customers.share[code]
        if value > 0.0 and eligible[code] and not scratch.hidden[code]:
            size = offer(value, code, size, k, scratch.heap_score, scratch.heap_code)
    return size


@kernel_part
def offer_others(
    size: int, customers: Customers, everyone: float, eligible: Flags, k: int, scratch: Scratch
) -> int:
    """Put items that were not found into the heap while they are good enough; gives its size."""
    for place in range(customers.by_share.shape[0]):
        code = customers.by_share[place]
        value = everyone * customers.share[code]
        if not value > 0.0 or (size == k and value < scratch.heap_score[0]):
            break
        if eligible[code] and not scratch.hidden[code] and not scratch.is_found[code]:
            size = offer(value, code, size, k, scratch.heap_score, scratch.heap_code)
    return size


@kernel_part
def forget(n_found: int, scratch: Scratch) -> None:
    """Make the scores of the items found zero again."""
    for found in range(n_found):
        code = scratch.found[found]
        scratch.score[code] = 0.0
        scratch.votes[code] = 0
        scratch.is_found[code] = False
