"""When something happens again: a distribution given by its quantiles, asked after some waiting."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks

Counts = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]

N_KNOTS = 100
BLOCKS = 16
TAIL = 10  # knots that the decline of the upper tail is measured on


def quantile_knots(residual: Doubles) -> Doubles:
    """Give the quantiles 0, 0.01, …, 0.99 of some residuals: float64[100], ascending.

    Parameters
    ----------
    residual : float64[n]    log days about a location; at least one
    """
    return np.asarray(np.quantile(residual, np.arange(N_KNOTS) / N_KNOTS))


def tail_scale(knots: Doubles) -> float:
    """Give the scale of the exponential tail beyond the last knot, in log days, above 0.

    It is the one with which the share left falls from 0.11 to 0.01 over the last ten knots.
    """
    return max(float(knots[-1] - knots[-1 - TAIL]) / float(np.log(TAIL + 1)), 1e-3)


def foretell(
    location: Doubles,
    kind: Counts,
    waited: Doubles,
    knots: Doubles,
    tail: Doubles,
    horizon: float,
    inside: float,
    *,
    n_threads: int | None = None,
) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Give the rest of distributions of intervals of which some waiting has passed.

    Interval = exp(location + residual), and the residual has the quantiles ``knots[kind]`` with
    straight lines between them, and beyond the last an exponential tail.

    Parameters
    ----------
    location : float64[n]           log days
    kind : int32[n]                 row of knots
    waited : float64[n]             days without the event so far, >= 0
    knots : float64[n_kinds, 100]   residual quantiles 0, 0.01, …, 0.99, ascending
    tail : float64[n_kinds]         scale of the tail, > 0
    horizon : float                 days, > 0
    inside : float                  share of the interval from low to high, 0 < inside < 1
    n_threads : int, optional       the result does not depend on it

    Returns
    -------
    due, low, high : float64[n]     days from the start of the interval, >= waited: the median,
                                    and the ends of the central share, given the waiting
    soon : float64[n]               chance of the event within horizon days more, given the
                                    waiting and that it comes at all; 0 to 1
    """
    n = len(location)
    due, low, high, soon = (np.empty(n, dtype=np.float64) for _ in range(4))
    threads = available_threads(n_threads)

    def task(first: int, last: int, _: None) -> None:
        foretell_rows(
            first, last, (location, kind, waited), knots, tail, horizon, (1.0 - inside) / 2.0,
            (due, low, high, soon),
        )  # fmt: skip

    blocks = equal_blocks(np.ones(n, dtype=np.int64), BLOCKS * threads if n > 10_000 else 1)
    run_blocks(task, blocks, lambda: None, threads)
    return due, low, high, soon


@lean_kernel
def foretell_rows(
    first: int,
    last: int,
    asked: tuple[Doubles, Counts, Doubles],
    knots: Doubles,
    tail: Doubles,
    horizon: float,
    outside: float,
    answer: tuple[Doubles, Doubles, Doubles, Doubles],
) -> None:
    """Write the answers first <= row < last."""
    location, kind, waited = asked
    due, low, high, soon = answer
    for row in range(first, last):
        of, middle, days = kind[row], location[row], waited[row]
        left = 1.0
        if days > 0.0:
            left = share_left(np.log(days) - middle, of, knots, tail)
        later = share_left(np.log(days + horizon) - middle, of, knots, tail)
        soon[row] = 1.0 - later / left if left > 0.0 else 0.0
        due[row] = max(days, np.exp(middle + residual_at(0.5 * left, of, knots, tail)))
        low[row] = max(days, np.exp(middle + residual_at((1.0 - outside) * left, of, knots, tail)))
        high[row] = max(days, np.exp(middle + residual_at(outside * left, of, knots, tail)))


@kernel_part
def share_left(residual: float, kind: int, knots: Doubles, tail: Doubles) -> float:
    """Give the chance of a residual above this one: 0 to 1."""
    n_knots = knots.shape[1]
    if residual >= knots[kind, n_knots - 1]:
        beyond = min((residual - knots[kind, n_knots - 1]) / tail[kind], 600.0)
        return np.exp(-beyond) / n_knots
    if residual <= knots[kind, 0]:
        return 1.0
    below, above = 0, n_knots - 1
    while above - below > 1:
        middle = (below + above) // 2
        if knots[kind, middle] <= residual:
            below = middle
        else:
            above = middle
    step = knots[kind, above] - knots[kind, below]
    return 1.0 - (below + (residual - knots[kind, below]) / step) / n_knots


@kernel_part
def residual_at(left: float, kind: int, knots: Doubles, tail: Doubles) -> float:
    """Give the residual above which this share lies; the share is above 0 and at most 1."""
    n_knots = knots.shape[1]
    if left * n_knots <= 1.0:
        return knots[kind, n_knots - 1] - tail[kind] * np.log(max(left, 1e-300) * n_knots)
    place = (1.0 - left) * n_knots
    below = min(int(place), n_knots - 2)
    return knots[kind, below] + (place - below) * (knots[kind, below + 1] - knots[kind, below])
