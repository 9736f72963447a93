"""Factors of customers and items by stochastic steps on the logistic loss, tile by tile.

Customers and items are each cut into a fixed number of blocks. Tiles of different customers and
different items touch no common factor: a diagonal of them is walked side by side, each in one
fixed order, so that the result has the same bits at any number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel, summing_part
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.groups import Groups

Shorts = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

MOST_BLOCKS = 8
ITEMS_PER_BLOCK = 64  # at least: unbought items are drawn from within a block
SPREAD = 0.1  # standard deviation of the length of a first guess
FIRST_SQUARE = 1e-4  # of a gradient: no step is longer than about 100 rates


class Factors(NamedTuple):
    """What is learned, and how far each row has been moved.

    Attributes
    ----------
    customer : float32[n_customers, width]
    item : float32[n_items, width]
    bias : float32[n_items]               log odds of an item for a customer whose factor is 0
    customer_square : float32[n_customers]    sum of mean squares of gradients so far
    item_square : float32[n_items]
    bias_square : float32[n_items]
    """

    customer: Shorts
    item: Shorts
    bias: Shorts
    customer_square: Shorts
    item_square: Shorts
    bias_square: Shorts


class Descent(NamedTuple):
    """How steps are made.

    Attributes
    ----------
    rate : float         length of a first step; rounds make shorter ones, down to almost 0
    ridge : float        pull of one sample on a factor towards 0
    n_unbought : int     items drawn at random for each purchase; they count as not bought
    """

    rate: float
    ridge: float
    n_unbought: int


def first_bias(buyers: Counts, n_unbought: int) -> Shorts:
    """Give the log odds of each item where customers do not differ: float32[n_items].

    Parameters
    ----------
    buyers : int32[n_items]    customers of an item; one without counts as having half a customer
    """
    mean = max(float(buyers.mean()), 1e-9) if len(buyers) else 1.0
    bias: Shorts = np.log(np.maximum(buyers, 0.5) / (mean * n_unbought)).astype(np.float32)
    return bias


def first_factors(n_customers: int, bias: Shorts, width: int, seed: int) -> Factors:
    """Give small random factors."""
    rng = np.random.default_rng(seed)
    customer, item = (
        rng.standard_normal((n, width), dtype=np.float32) * np.float32(SPREAD / np.sqrt(width))
        for n in (n_customers, len(bias))
    )
    moved = (np.full(n, FIRST_SQUARE, np.float32) for n in (n_customers, len(bias), len(bias)))
    return Factors(customer, item, bias.copy(), *moved)


def descend(
    groups: Groups,
    factors: Factors,
    descent: Descent,
    *,
    n_rounds: int,
    seed: int = 0,
    n_threads: int | None = None,
) -> None:
    """Change factors in place, in ``n_rounds`` over all purchases.

    Parameters
    ----------
    groups : Groups              distinct items of each customer; codes in random order of items,
                                 because a block of items is a range of codes
    factors : Factors            changed
    n_threads : int, optional    the result does not depend on it

    Source
    ------
    Loss and unbought items: Rendle, Krichene, Zhang and Anderson, "Neural Collaborative Filtering
    vs. Matrix Factorization Revisited", RecSys 2020, section 3. Tiles: Gemulla et al., "Large-Scale
    Matrix Factorization with Distributed Stochastic Gradient Descent", KDD 2011, section 4. The
    length of steps: Duchi, Hazan and Singer, "Adaptive Subgradient Methods", JMLR 12, 2011, with
    one sum of squares a row.
    """
    n_items, width = factors.item.shape
    n_blocks = max(1, min(MOST_BLOCKS, n_items // ITEMS_PER_BLOCK))
    customers = equal_blocks(np.diff(groups.group_ptr), n_blocks)
    items = equal_blocks(np.zeros(n_items, dtype=np.int64), n_blocks)
    rng = np.random.default_rng([seed, 1])
    for done in range(n_rounds):
        now = descent._replace(rate=descent.rate * (1.0 - done / n_rounds))
        order = np.arange(len(groups.group_ptr) - 1, dtype=np.int32)
        for first, last in customers:
            rng.shuffle(order[first:last])
        for turn in rng.permutation(n_blocks):
            state = rng.integers(1, 2**63, n_blocks, dtype=np.uint64)

            def walk(
                block: int,
                _last: int,
                change: Shorts,
                now: Descent = now,
                order: Counts = order,
                turn: int = turn,
                state: Words = state,
            ) -> None:
                some = order[slice(*customers[block])]
                begin, end = items[(block + turn) % n_blocks]
                ptr, code = groups
                walk_tile(some, begin, end, ptr, code, factors, now, state[block], change)

            run_blocks(
                walk,
                [(block, block + 1) for block in range(len(customers))],
                lambda: np.empty(width, dtype=np.float32),
                available_threads(n_threads),
            )


@lean_kernel
def walk_tile(
    order: Counts,
    begin: int,
    end: int,
    ptr: Longs,
    code: Counts,
    factors: Factors,
    descent: Descent,
    state: np.uint64,
    change: Shorts,
) -> None:
    """Make the steps of some customers for the items begin <= code < end."""
    state = np.uint64(state)
    rate, ridge = np.float32(descent.rate), np.float32(descent.ridge)
    width = change.shape[0]
    samples = np.float32(1 + descent.n_unbought)
    for customer in order:
        place = first_not_below(code, ptr[customer], ptr[customer + 1], begin)
        while place < ptr[customer + 1] and code[place] < end:
            size = mean_square(factors.customer, customer)
            for column in range(width):
                change[column] = samples * ridge * factors.customer[customer, column]
            step_item(factors, customer, code[place], np.float32(1.0), size, rate, ridge, change)
            for _ in range(descent.n_unbought):
                state ^= state << np.uint64(13)
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                drawn = begin + np.int64((state >> np.uint64(33)) % np.uint64(end - begin))
                step_item(factors, customer, drawn, np.float32(0.0), size, rate, ridge, change)
            step_customer(factors, customer, rate, change)
            place += 1


@kernel_part
def first_not_below(code: Counts, first: int, last: int, least: int) -> int:
    """Give the first place whose code is at least so large, in first <= place <= last."""
    while first < last:
        middle = (first + last) // 2
        if code[middle] < least:
            first = middle + 1
        else:
            last = middle
    return first


@summing_part
def mean_square(table: Shorts, row: int) -> np.float32:
    """Give the mean square of a row."""
    total = np.float32(0.0)
    for column in range(table.shape[1]):
        total += table[row, column] * table[row, column]
    return total / np.float32(table.shape[1])


@summing_part
def step_item(
    factors: Factors,
    customer: int,
    item: int,
    bought: np.float32,
    size: np.float32,
    rate: np.float32,
    ridge: np.float32,
    change: Shorts,
) -> None:
    """Move an item by one sample, and add to the gradient of the customer."""
    mine, theirs = factors.customer, factors.item
    score = factors.bias[item]
    for column in range(change.shape[0]):
        score += mine[customer, column] * theirs[item, column]
    error = np.float32(1.0) / (np.float32(1.0) + np.exp(-score)) - bought
    factors.item_square[item] += error * error * size
    factors.bias_square[item] += error * error
    step = rate / np.sqrt(factors.item_square[item])
    factors.bias[item] -= rate / np.sqrt(factors.bias_square[item] + np.float32(1.0)) * error
    for column in range(change.shape[0]):
        value = theirs[item, column]
        change[column] += error * value
        theirs[item, column] = value - step * (error * mine[customer, column] + ridge * value)


@summing_part
def step_customer(factors: Factors, customer: int, rate: np.float32, change: Shorts) -> None:
    """Move a customer against the gradient of a purchase and its unbought items."""
    total = np.float32(0.0)
    for column in range(change.shape[0]):
        total += change[column] * change[column]
    factors.customer_square[customer] += total / np.float32(change.shape[0])
    step = rate / np.sqrt(factors.customer_square[customer])
    for column in range(change.shape[0]):
        factors.customer[customer, column] -= step * change[column]
