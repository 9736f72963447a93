"""Clues to the next interval and to its coming at all, one row a customer and item."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.repeat_states import (
    NEWEST,
    OTHERS,
    OTHERS_N,
    OWN,
    VISIT,
    VISITS,
    VISITS_WEIGHT,
    States,
)

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]

N_CLUES = 6
N_SIGNS = 8
BLOCKS = 16
FARTHEST = 12.0  # odds beyond exp(12) are taken for this


class Levels(NamedTuple):
    """What the shop's intervals are and how strongly the parts of it are drawn towards them.

    Attributes
    ----------
    interval, visit : float             mean log interval of items, and between visits
    own, customer, visits : float       intervals of the shop that weigh like those of the pair,
                                        the customer's other items and the visits; > 0
    """

    interval: float
    visit: float
    own: float
    customer: float
    visits: float


def clues_of(
    columns: Doubles, intervals: Counts, levels: Levels, *, n_threads: int | None = None
) -> Doubles:
    """Give how far each level of a pair lies from the shop's, in log days: float64[n, 6].

    The column of the item, 0, is left 0. The others are: the pair's own mean, its newest
    interval, the customer's other items, the visits, and the newest interval between visits.

    Parameters
    ----------
    columns : float64[n, 7]    as ``States.now``
    intervals : int32[n]       intervals of the pair, >= 0
    """
    clues = np.zeros((len(columns), N_CLUES), dtype=np.float64)
    threads = available_threads(n_threads)

    def task(first: int, last: int, _: None) -> None:
        fill_clues(first, last, columns, intervals, levels, clues)

    run_blocks(task, _blocks(len(columns), threads), lambda: None, threads)
    return clues


@lean_kernel
def fill_clues(
    first: int, last: int, columns: Doubles, intervals: Counts, levels: Levels, clues: Doubles
) -> None:
    """Write the clues first <= row < last."""
    for row in range(first, last):
        known, others = np.float64(intervals[row]), columns[row, OTHERS_N]
        visits = columns[row, VISITS_WEIGHT]
        own = columns[row, OWN] - known * levels.interval
        clues[row, 1] = own / (known + levels.own)
        if known > 0.0:
            clues[row, 2] = columns[row, NEWEST] - levels.interval
        clues[row, 3] = (columns[row, OTHERS] - others * levels.interval) / (
            others + levels.customer
        )
        clues[row, 4] = (columns[row, VISITS] - visits * levels.visit) / (visits + levels.visits)
        if visits > 0.0:
            clues[row, 5] = columns[row, VISIT] - levels.visit


def located(
    clues: Doubles,
    item: Counts,
    intervals: Counts,
    item_level: Doubles,
    weights: Doubles,
    *,
    n_threads: int | None = None,
) -> tuple[Doubles, Counts]:
    """Give where the next interval lies, by weights of the levels.

    Parameters
    ----------
    clues : float64[n, 6]            as from ``clues_of``; column 0 is written
    item : int32[n]                  item codes, 0 <= item < n_items
    intervals : int32[n]             intervals of the pair, >= 0
    item_level : float64[n_items]    how far an item lies from the shop, log days
    weights : float64[n_kinds, 7]    a constant and a weight of each clue, a row a kind: as many
                                     intervals, and the last row for all that have more

    Returns
    -------
    location : float64[n]    median log interval
    kind : int32[n]          row of the weights
    """
    location = np.empty(len(item), dtype=np.float64)
    kind = np.minimum(intervals, len(weights) - 1).astype(np.int32)
    threads = available_threads(n_threads)

    def task(first: int, last: int, _: None) -> None:
        fill_locations(first, last, clues, item, item_level, kind, weights, location)

    run_blocks(task, _blocks(len(item), threads), lambda: None, threads)
    return location, kind


@lean_kernel
def fill_locations(
    first: int,
    last: int,
    clues: Doubles,
    item: Counts,
    item_level: Doubles,
    kind: Counts,
    weights: Doubles,
    location: Doubles,
) -> None:
    """Write the locations first <= row < last."""
    for row in range(first, last):
        clues[row, 0] = item_level[item[row]]
        total = weights[kind[row], 0]
        for clue in range(clues.shape[1]):
            total += weights[kind[row], clue + 1] * clues[row, clue]
        location[row] = total


def signs_of(
    states: States,
    waited: Doubles,
    soon: Doubles,
    item_repeats: Doubles,
    *,
    n_threads: int | None = None,
) -> Doubles:
    """Give what tells whether an item is bought soon: float64[n_pairs, 8].

    The columns: a constant 1; log odds of the interval ending within the horizon; logs of the
    purchases of the pair, of the item's repeats a buyer, of the days since the customer's newest
    visit and the item's newest purchase, of the customer's visits, and of the customer's repeats
    an item.

    Parameters
    ----------
    states : States
    waited : float64[n_pairs]         days since the newest purchase, >= 0
    soon : float64[n_pairs]           chance that the interval ends within the horizon, 0 to 1
    item_repeats : float64[n_items]   log of the repeats of an item a buyer
    """
    signs = np.empty((len(waited), N_SIGNS), dtype=np.float64)
    threads = available_threads(n_threads)

    def task(first: int, last: int, _: None) -> None:
        fill_signs(first, last, states, waited, soon, item_repeats, signs)

    run_blocks(task, _blocks(len(states.ptr) - 1, threads), lambda: None, threads)
    return signs


@lean_kernel
def fill_signs(
    first: int,
    last: int,
    states: States,
    waited: Doubles,
    soon: Doubles,
    item_repeats: Doubles,
    signs: Doubles,
) -> None:
    """Write the signs of the customers first <= user < last."""
    for user in range(first, last):
        begin, end = states.ptr[user], states.ptr[user + 1]
        repeats = 0.0
        for row in range(begin, end):
            repeats += states.times[row] - 1.0
        for row in range(begin, end):
            idle = waited[row] - np.float64(states.last_visit[user] - states.last_day[row])
            odds = np.log(max(soon[row], 1e-12)) - np.log(max(1.0 - soon[row], 1e-12))
            signs[row, 0] = 1.0
            signs[row, 1] = min(max(odds, -FARTHEST), FARTHEST)
            signs[row, 2] = np.log(np.float64(states.times[row]))
            signs[row, 3] = item_repeats[states.item[row]]
            signs[row, 4] = np.log(max(idle, 0.0) + 1.0)
            signs[row, 5] = np.log(waited[row] + 1.0)
            signs[row, 6] = np.log(np.float64(states.visits[user]))
            signs[row, 7] = np.log((repeats + 0.5) / (np.float64(end - begin) + 1.0))


def chances(signs: Doubles, weights: Doubles, *, n_threads: int | None = None) -> Doubles:
    """Give the chance of each row, 1 / (1 + exp(-signs · weights)): float64[n], 0 to 1."""
    chance = np.empty(len(signs), dtype=np.float64)
    threads = available_threads(n_threads)

    def task(first: int, last: int, _: None) -> None:
        fill_chances(first, last, signs, weights, chance)

    run_blocks(task, _blocks(len(signs), threads), lambda: None, threads)
    return chance


@lean_kernel
def fill_chances(first: int, last: int, signs: Doubles, weights: Doubles, chance: Doubles) -> None:
    """Write the chances first <= row < last."""
    for row in range(first, last):
        total = 0.0
        for sign in range(signs.shape[1]):
            total += weights[sign] * signs[row, sign]
        chance[row] = 1.0 / (1.0 + np.exp(-total))


def _blocks(n_rows: int, threads: int) -> list[tuple[int, int]]:
    n_blocks = BLOCKS * threads if n_rows > 10_000 else 1
    return equal_blocks(np.ones(n_rows, dtype=np.int64), n_blocks)
