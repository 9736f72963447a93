"""How the levels of an interval are weighed: learned from intervals that are known."""

from __future__ import annotations

import numpy as np

from recsql.models.base import Array

MOST_ROWS = 50_000
LEAST_ROWS = 50
ROUNDS = 40
STRENGTHS = tuple(2.0**power for power in range(-2, 6))


def strength(value: Array, others: Array, n_others: Array) -> float:
    """Give how many intervals of the shop weigh like a group's own: 0.25 to 32.

    A group's mean of n values is drawn towards the shop's by n / (n + strength). The strength is
    the power of two with which the drawn means of a group's other values foretell its one value
    with the least squared error, which is the likeliest one where errors are normal. Above 32 a
    level would measure less how long the intervals are than how many are known, and with that the
    time since the data began.

    Parameters
    ----------
    value : float64[n]       one value of each row, about the mean of all
    others : float64[n]      mean of the other values of its group, about the mean of all
    n_others : float64[n]    how many these are, >= 0

    Source: Bühlmann, "Experience rating and credibility", ASTIN Bulletin 4(3), 1967; there the
    strength is the variance within groups divided by that between them.
    """
    errors = []
    centred = value - value.mean()
    for tried in STRENGTHS:
        drawn = others * n_others / (n_others + tried)
        drawn = drawn - drawn.mean()
        slope = float((drawn * centred).sum()) / max(float((drawn**2).sum()), 1e-12)
        errors.append(float(((centred - slope * drawn) ** 2).sum()))
    return STRENGTHS[int(np.argmin(errors))]


def median_weights(clues: Array, wanted: Array) -> Array:
    """Give a constant and weights >= 0 of clues that leave the least absolute error: float64[m+1].

    Few rows (under 50) give the median alone. Many are thinned evenly to about 50,000.

    Parameters
    ----------
    clues : float64[n, m]
    wanted : float64[n]      at least one

    Source: iteratively reweighted least squares for the median; a clue with a negative weight is
    left out, the one that changes most first, until none is negative.
    """
    weights = np.zeros(clues.shape[1] + 1)
    if len(wanted) < LEAST_ROWS:
        weights[0] = np.median(wanted)
        return weights
    step = -(-len(wanted) // MOST_ROWS)
    rows = np.column_stack([np.ones(len(clues[::step])), clues[::step]])
    wanted = wanted[::step]
    used = np.flatnonzero((rows != 0).any(axis=0))
    while True:
        found = _median_regression(rows[:, used], wanted)
        change = found * rows[:, used].std(axis=0)
        change[0] = 0.0
        worst = int(np.argmin(change))
        if change[worst] >= 0.0:
            weights[used] = found
            return weights
        used = np.delete(used, worst)


def _median_regression(rows: Array, wanted: Array) -> Array:
    """Give the weights with the least absolute error: float64[m]."""
    least = max(0.02 * float(np.median(np.abs(wanted - np.median(wanted)))), 1e-6)
    ridge = 1e-6 * len(wanted) * np.eye(rows.shape[1])
    found = _solved(rows, wanted, np.ones(len(wanted)), ridge)
    for _ in range(ROUNDS):
        weight = 0.5 / np.maximum(np.abs(wanted - _product(rows, found)), least)
        found = _solved(rows, wanted, weight, ridge)
    return found


def logistic_weights(signs: Array, happened: Array) -> Array:
    """Give weights whose logistic chance fits best what happened: float64[m].

    Without both outcomes, or with few rows (under 50), the first weight, that of the constant,
    gives the share that happened, and the others are 0.

    Parameters
    ----------
    signs : float64[n, m]    the first column is 1
    happened : bool[n]

    Source: iteratively reweighted least squares (Newton), with a ridge of 1
    on all but the constant.
    """
    n_rows, n_happened = len(happened), int(happened.sum())
    weights = np.zeros(signs.shape[1])
    weights[0] = np.log((n_happened + 0.5) / (n_rows - n_happened + 0.5))
    if n_rows < LEAST_ROWS or n_happened in (0, n_rows):
        return weights
    ridge = np.eye(signs.shape[1])
    ridge[0, 0] = 0.0
    for _ in range(ROUNDS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(_product(signs, weights), -30.0, 30.0)))
        spread = np.maximum(chance * (1.0 - chance), 1e-6)
        gradient = np.einsum("nm,n->m", signs, happened - chance) - ridge @ weights
        hessian = np.einsum("nm,nl->ml", signs * spread[:, None], signs) + ridge
        change = np.linalg.solve(hessian, gradient)
        weights = weights + change
        if np.abs(change).max() < 1e-9:
            break
    return weights


def _product(rows: Array, weights: Array) -> Array:
    # Not by matrix product: that adds up in another order with another number of threads.
    return np.asarray(np.einsum("nm,m->n", rows, weights))


def _solved(rows: Array, wanted: Array, weight: Array, ridge: Array) -> Array:
    weighted = rows * weight[:, None]
    square = np.einsum("nm,nl->ml", weighted, rows)
    return np.asarray(np.linalg.solve(square + ridge, np.einsum("nm,n->m", weighted, wanted)))
