"""Whether a network that a user brings answers row by row: asked in several ways, compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsql.errors import StateError
from recsql.networks.brought import Brought

Array = np.ndarray[Any, np.dtype[Any]]

ROWS = (1, 7, 2048)
LONGEST = 12  # steps of the histories that it is tried with
MOST_NUMBERS = 50_000_000  # of an output at a time: 200 MB
TOLERANCE = 1e-4  # of the largest score


def try_out(network: Brought) -> None:
    """Ask for the same random histories 1, 7 and 2048 at a time, and compare the answers.

    What is asked alone has no steps after the end of its history, what is asked together has some.

    Raises
    ------
    StateError
        The answers differ, which the number of rows and the steps after the end must not change;
        or the network fails, or gives no numbers.
    """
    rng = np.random.default_rng(0)
    widest = 1 if network.scores_pairs else len(network.items)
    most = max(ROWS[1], min(ROWS[2], MOST_NUMBERS // widest))
    length = rng.integers(1, min(LONGEST, network.max_length) + 1, most)
    length[0] = min(LONGEST, network.max_length)
    history = rng.integers(1, len(network.items) + 1, (most, int(length.max())))
    history[0, 0] = len(network.items)  # the last code must be one that it knows
    history[np.arange(history.shape[1]) >= length[:, None]] = 0
    item = rng.integers(1, len(network.items) + 1, most) if network.scores_pairs else None
    together = network.answer(history, length, item)
    for n_rows in ROWS[:-1]:
        for first in range(0, ROWS[1], n_rows):
            rows = slice(first, first + n_rows)
            steps = int(length[rows].max())
            some = network.answer(
                history[rows, :steps], length[rows], None if item is None else item[rows]
            )
            _compare(network.name, some, together[rows], n_rows, most)
    # One that has a vector for each step may read short histories and fail at the longest.
    longest = rng.integers(1, len(network.items) + 1, (ROWS[1], network.max_length))
    full = np.full(ROWS[1], network.max_length)
    network.answer(longest, full, None if item is None else item[: ROWS[1]])


def _compare(name: str, found: Array, wanted: Array, n_rows: int, most: int) -> None:
    both = np.isfinite(found) & np.isfinite(wanted)
    never_alike = np.array_equal(np.isneginf(found), np.isneginf(wanted))
    difference = float(np.abs(found[both] - wanted[both]).max(initial=0.0))
    largest = float(np.abs(wanted[both]).max(initial=0.0))
    if not never_alike or difference > TOLERANCE * max(largest, 1.0):
        raise StateError(
            f"The network {name} must give a row the same scores whatever is asked with it, got a "
            f"difference of {difference:.3g} between {n_rows} and {most:,} rows. Export it in its "
            "state of answering, without dropout, and leave out the steps after the end."
        )
