"""How the levels of an interval are weighed: learned from intervals that are known."""

from __future__ import annotations

import numpy as np

from recsql.models.base import Array

MOST_ROWS = 50_000
LEAST_ROWS = 50
ROUNDS = 40


def strength(value: Array, others: Array, n_others: Array) -> float:
    """Give how many intervals of the shop weigh like a group's own: > 0, by moments.

    With a variance b between groups and w within, a group's mean of n is drawn towards the shop's
    by n / (n + w/b). The covariance of one value with the mean of others of its group is b.

    Parameters
    ----------
    value : float64[n]       one value of each row, about the mean of all
    others : float64[n]      mean of the other values of its group, about the mean of all
    n_others : float64[n]    how many these are, >= 0

    Source: Bühlmann, "Experience rating and credibility", ASTIN Bulletin 4(3), 1967; the
    covariance, weighted by the number of values, stands for the analysis of variance.
    """
    known = n_others > 0
    square = float((value[known] ** 2).sum())
    if square == 0.0:
        return 1.0
    weight = n_others[known]
    between = float((weight * value[known] * others[known]).sum() / weight.sum())
    share = min(max(between / (square / int(known.sum())), 0.005), 0.995)
    return (1.0 - share) / share


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

    Source: iteratively reweighted least squares (Newton) with a small ridge.
    """
    n_rows, n_happened = len(happened), int(happened.sum())
    weights = np.zeros(signs.shape[1])
    weights[0] = np.log((n_happened + 0.5) / (n_rows - n_happened + 0.5))
    if n_rows < LEAST_ROWS or n_happened in (0, n_rows):
        return weights
    ridge = np.eye(signs.shape[1])
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
