"""What customers have repeated so far: one walk through their purchases in order of time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel
from recsql.kernels._threads import BLOCKS_PER_THREAD, available_threads, equal_blocks, run_blocks

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]

OWN, NEWEST, OTHERS, OTHERS_N, VISITS, VISITS_WEIGHT, VISIT = range(7)
N_COLUMNS = 7


class States(NamedTuple):
    """What is known of every customer and item, as of the newest purchase of that item.

    Purchases of one item on one day are one purchase. The natural logarithm of an interval in
    days is written "log interval"; a visit is a day on which the customer bought anything.

    Attributes
    ----------
    ptr : int64[n_users + 1]        where the pairs of a customer begin
    item : int32[n_pairs]           ascending within a customer
    times : int32[n_pairs]          days on which it was bought, >= 1
    first_day : int64[n_pairs]      days since 1970
    last_day : int64[n_pairs]       days since 1970
    quantity : float64[n_pairs]     sum over all purchases
    now : float64[n_pairs, 7]       OWN: sum of the log intervals of the pair; NEWEST: its newest;
                                    OTHERS, OTHERS_N: sum and number of those of the customer's
                                    other items, known by the day; VISITS, VISITS_WEIGHT: decayed
                                    sum of the log intervals between visits, and of the weights;
                                    VISIT: the newest of these. 0 where there is none
    before : float64[n_pairs, 7]    the same as of the purchase before the newest; 0 for one
                                    purchase; no rows where it was not asked for
    visits : int64[n_users]         days with a purchase
    last_visit : int64[n_users]     days since 1970; 0 for a customer without purchases
    """

    ptr: Longs
    item: Counts
    times: Counts
    first_day: Longs
    last_day: Longs
    quantity: Doubles
    now: Doubles
    before: Doubles
    visits: Longs
    last_visit: Longs


def walk(
    user_ptr: Longs,
    item: Counts,
    day: Longs,
    quantity: Doubles,
    until: Longs,
    n_items: int,
    fade: float,
    *,
    with_before: bool = False,
    n_threads: int | None = None,
) -> States:
    """Walk through the purchases of every customer.

    Parameters
    ----------
    user_ptr : int64[n_users + 1]    purchases of each customer
    item : int32[n]                  item codes, 0 <= item < n_items
    day : int64[n]                   days since 1970, ascending within a customer
    quantity : float64[n]            pieces
    until : int64[n_users]           last day that counts
    n_items : int                    items of the shop
    fade : float                     weight of a visit interval against the next newer one, 0 to 1
    n_threads : int, optional        the result does not depend on it
    """
    n_users = len(user_ptr) - 1
    threads = available_threads(n_threads)
    blocks = equal_blocks(np.diff(user_ptr), BLOCKS_PER_THREAD * threads)
    sizes = np.zeros(n_users, dtype=np.int64)

    def make_scratch() -> Longs:
        return np.full(n_items, -1, dtype=np.int64)

    def count(first: int, last: int, seen: Longs) -> None:
        count_pairs(first, last, user_ptr, item, day, until, seen, sizes)

    run_blocks(count, blocks, make_scratch, threads)
    ptr = np.zeros(n_users + 1, dtype=np.int64)
    np.cumsum(sizes, out=ptr[1:])
    n_pairs = int(ptr[-1])
    states = States(
        ptr,
        np.zeros(n_pairs, dtype=np.int32),
        np.zeros(n_pairs, dtype=np.int32),
        np.zeros(n_pairs, dtype=np.int64),
        np.zeros(n_pairs, dtype=np.int64),
        np.zeros(n_pairs, dtype=np.float64),
        np.zeros((n_pairs, N_COLUMNS), dtype=np.float64),
        np.zeros((n_pairs if with_before else 0, N_COLUMNS), dtype=np.float64),
        np.zeros(n_users, dtype=np.int64),
        np.zeros(n_users, dtype=np.int64),
    )

    def fill(first: int, last: int, place: Longs) -> None:
        fill_states(first, last, user_ptr, item, day, quantity, until, fade, place, states)

    run_blocks(fill, blocks, make_scratch, threads)
    return states


@kernel
def count_pairs(
    first: int,
    last: int,
    user_ptr: Longs,
    item: Counts,
    day: Longs,
    until: Longs,
    seen: Longs,
    sizes: Longs,
) -> None:
    """Count the items of the customers first <= user < last; ``seen`` holds no customer yet."""
    for user in range(first, last):
        for event in range(user_ptr[user], user_ptr[user + 1]):
            if day[event] > until[user]:
                break
            if seen[item[event]] != user:
                seen[item[event]] = user
                sizes[user] += 1


@kernel
def fill_states(
    first: int,
    last: int,
    user_ptr: Longs,
    item: Counts,
    day: Longs,
    quantity: Doubles,
    until: Longs,
    fade: float,
    place: Longs,
    states: States,
) -> None:
    """Write the pairs of the customers first <= user < last; ``place`` is -1 between customers."""
    for user in range(first, last):
        begin, end = user_ptr[user], user_ptr[user]
        while end < user_ptr[user + 1] and day[end] <= until[user]:
            end += 1
        place_items(begin, end, states.ptr[user], states.ptr[user + 1], item, place, states.item)
        n_others, others = 0.0, 0.0
        visits, weight, visit, last_visit, n_visits = 0.0, 0.0, 0.0, np.int64(0), 0
        while begin < end:
            after, today = begin, day[begin]
            while after < end and day[after] == today:
                after += 1
            if n_visits > 0:
                visit = np.log(np.float64(today - last_visit))
                visits, weight = visits * fade + visit, weight * fade + 1.0
            n_visits, last_visit = n_visits + 1, today
            for event in range(begin, after):
                pair = place[item[event]]
                states.quantity[pair] += quantity[event]
                found, interval = buy(pair, today, states)
                n_others, others = n_others + found, others + interval
            for event in range(begin, after):
                pair = place[item[event]]
                states.now[pair, OTHERS] = others - states.now[pair, OWN]
                states.now[pair, OTHERS_N] = n_others - (states.times[pair] - 1)
                states.now[pair, VISITS] = visits
                states.now[pair, VISITS_WEIGHT] = weight
                states.now[pair, VISIT] = visit
            begin = after
        states.visits[user], states.last_visit[user] = n_visits, last_visit
        for pair in range(states.ptr[user], states.ptr[user + 1]):
            place[states.item[pair]] = -1


@kernel
def place_items(
    begin: int, end: int, first: int, last: int, item: Counts, place: Longs, placed: Counts
) -> None:
    """Write the different items of some events to placed[first:last], and their places."""
    size = first
    for event in range(begin, end):
        if place[item[event]] < 0:
            place[item[event]] = size
            placed[size] = item[event]
            size += 1
    placed[first:last].sort()
    for pair in range(first, last):
        place[placed[pair]] = pair


@kernel
def buy(pair: int, today: int, states: States) -> tuple[float, float]:
    """Count a purchase; gives (1, log interval) where it ends an interval, else (0, 0)."""
    if states.times[pair] == 0:
        states.times[pair], states.first_day[pair], states.last_day[pair] = 1, today, today
        return 0.0, 0.0
    if states.last_day[pair] == today:
        return 0.0, 0.0
    interval = np.log(np.float64(today - states.last_day[pair]))
    if states.before.shape[0] > 0:
        for column in range(N_COLUMNS):
            states.before[pair, column] = states.now[pair, column]
    states.now[pair, OWN] += interval
    states.now[pair, NEWEST] = interval
    states.times[pair] += 1
    states.last_day[pair] = today
    return 1.0, interval
