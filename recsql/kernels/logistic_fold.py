"""The factor of a customer that fits what they bought best, by Newton's method.

The factor w minimises the sum over the rows of bought items of log(1 + exp(-(w . h + b))), plus
the weighted sum over a common sample of items of log(1 + exp(w . h + b)), plus a ridge on w.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel, summing_part
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.groups import Groups

Shorts = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

MOST_STEPS = 8
MOST_DIRECTIONS = 12
MOST_HALVINGS = 6
SMALL_STEP = 1e-3  # of the first gradient, in the norm of the curvature


class Rows(NamedTuple):
    """Factors and biases of items, and a sample of them that stands for all.

    Attributes
    ----------
    factor : float32[n_items, width]
    bias : float32[n_items]
    sample : int32[n_sampled]      item codes
    weight : float32[n_sampled]    items that each stands for, >= 1
    """

    factor: Shorts
    bias: Shorts
    sample: Counts
    weight: Shorts


class Scratch(NamedTuple):
    """What a thread needs.

    Attributes
    ----------
    score, slope, along : float32[most rows of a customer]    scores, their weights in the
        curvature, and their change along a direction
    gradient, scale, rest, step, image, move : float32[width]    of Newton and conjugate gradients
    """

    score: Shorts
    slope: Shorts
    along: Shorts
    gradient: Shorts
    scale: Shorts
    rest: Shorts
    step: Shorts
    image: Shorts
    move: Shorts


def sample_items(bias: Shorts, n_sampled: int, seed: int) -> tuple[Counts, Shorts]:
    """Draw items, popular ones more often, and say how many each of them stands for.

    Parameters
    ----------
    bias : float32[n_items]    log odds of the items
    n_sampled : int            items wanted; all are taken where there are no more

    Returns
    -------
    sample : int32[n]      ascending, distinct; n is n_sampled or one more or less
    weight : float32[n]    one over the chance of being drawn, >= 1

    Source
    ------
    Madow, "On the Theory of Systematic Sampling, II", Annals of Mathematical Statistics 20, 1949.
    """
    n_items = len(bias)
    if n_items <= n_sampled:
        return np.arange(n_items, dtype=np.int32), np.ones(n_items, dtype=np.float32)
    size = 1.0 / np.sqrt(1.0 + np.exp(-bias.astype(np.float64)))
    chance = np.zeros(n_items)
    sure = np.zeros(n_items, dtype=bool)
    while True:  # who would be drawn more than once is drawn for certain
        chance[~sure] = size[~sure] * ((n_sampled - sure.sum()) / size[~sure].sum())
        if chance[~sure].max() <= 1.0:
            break
        sure |= chance > 1.0
    chance[sure] = 1.0
    rng = np.random.default_rng([seed, 2])
    order = rng.permutation(n_items)
    reached = np.floor(np.cumsum(chance[order]) + rng.random())
    drawn = np.sort(order[np.diff(reached, prepend=0.0) > 0.0]).astype(np.int32)
    weight: Shorts = (1.0 / chance[drawn]).astype(np.float32)
    return drawn, weight


def fold_in_customers(
    groups: Groups, rows: Rows, unbought: Shorts, ridge: Shorts, n_threads: int | None = None
) -> Shorts:
    """Give the factor of every customer: float32[n_customers, width]; 0 who has bought nothing.

    Parameters
    ----------
    groups : Groups                      items of each customer
    rows : Rows
    unbought : float32[n_customers]      weight of an item as one not bought, >= 0
    ridge : float32[n_customers]         > 0
    n_threads : int, optional            the result does not depend on it, nor on other customers

    Source
    ------
    Newton steps by conjugate gradients: Lin, Weng and Keerthi, "Trust Region Newton Method for
    Large-Scale Logistic Regression", JMLR 9, 2008; here a step is halved while the loss rises
    steeply at its end.
    """
    width = rows.factor.shape[1]
    sizes = np.diff(groups.group_ptr)
    most = int(sizes.max(initial=0)) + len(rows.sample)
    out = np.zeros((len(sizes), width), dtype=np.float32)

    def task(first: int, last: int, scratch: Scratch) -> None:
        fold_in_customers_of(first, last, *groups, rows, unbought, ridge, scratch, out)

    def make_scratch() -> Scratch:
        scores = [np.empty(most, dtype=np.float32) for _ in range(3)]
        return Scratch(*scores, *(np.empty(width, dtype=np.float32) for _ in range(6)))

    threads = available_threads(n_threads)
    blocks = equal_blocks(len(rows.sample) + sizes, 16 * threads)
    run_blocks(task, blocks, make_scratch, threads)
    return out


@lean_kernel
def fold_in_customers_of(
    first: int,
    last: int,
    ptr: Longs,
    code: Counts,
    rows: Rows,
    unbought: Shorts,
    ridge: Shorts,
    scratch: Scratch,
    out: Shorts,
) -> None:
    """Write the rows first <= customer < last of out, which are 0."""
    for customer in range(first, last):
        bought = code[ptr[customer] : ptr[customer + 1]]
        if bought.shape[0] > 0:
            newton(bought, rows, unbought[customer], ridge[customer], scratch, out[customer])


@summing_part
def newton(
    bought: Counts,
    rows: Rows,
    unbought: np.float32,
    ridge: np.float32,
    scratch: Scratch,
    out: Shorts,
) -> None:
    """Change out, which is 0, until the gradient of the loss is small."""
    n = bought.shape[0] + rows.sample.shape[0]
    for row in range(n):
        item = bought[row] if row < bought.shape[0] else rows.sample[row - bought.shape[0]]
        scratch.score[row] = rows.bias[item]
    enough = np.float32(0.0)
    for turn in range(MOST_STEPS):
        differentiate(bought, rows, unbought, ridge, scratch, out)
        descent = find_direction(bought, rows, ridge, scratch)
        if turn == 0:
            enough = descent * np.float32(SMALL_STEP * SMALL_STEP)
        if not descent > enough:
            return
        follow(bought, rows, scratch.move, scratch.along)
        length = step_length(bought, rows, unbought, ridge, scratch, out, descent)
        for row in range(n):
            scratch.score[row] += length * scratch.along[row]
        for column in range(out.shape[0]):
            out[column] += length * scratch.move[column]


@summing_part
def error_of(
    row: int, bought: Counts, rows: Rows, unbought: np.float32, score: np.float32
) -> tuple[np.float32, np.float32]:
    """Give the first and the second derivative of the loss of a row by its score."""
    one = np.float32(1.0)
    chance = one / (one + np.exp(-score))
    if row < bought.shape[0]:
        return chance - one, chance * (one - chance)
    weight = unbought * rows.weight[row - bought.shape[0]]
    return weight * chance, weight * chance * (one - chance)


@summing_part
def differentiate(
    bought: Counts,
    rows: Rows,
    unbought: np.float32,
    ridge: np.float32,
    scratch: Scratch,
    out: Shorts,
) -> None:
    """Write the gradient, the curvature of each row, and one over the diagonal of the Hessian."""
    gradient, scale, factor = scratch.gradient, scratch.scale, rows.factor
    for column in range(out.shape[0]):
        gradient[column] = ridge * out[column]
        scale[column] = ridge
    for row in range(bought.shape[0] + rows.sample.shape[0]):
        item = bought[row] if row < bought.shape[0] else rows.sample[row - bought.shape[0]]
        error, slope = error_of(row, bought, rows, unbought, scratch.score[row])
        scratch.slope[row] = slope
        for column in range(out.shape[0]):
            value = factor[item, column]
            gradient[column] += error * value
            scale[column] += slope * value * value
    for column in range(out.shape[0]):
        scale[column] = np.float32(1.0) / scale[column]


@summing_part
def find_direction(bought: Counts, rows: Rows, ridge: np.float32, scratch: Scratch) -> np.float32:
    """Write the step to where a parabola would be least; give how steeply the loss falls on it."""
    rest, step, move, scale, image = (
        scratch.rest,
        scratch.step,
        scratch.move,
        scratch.scale,
        scratch.image,
    )
    fit = np.float32(0.0)
    for column in range(rest.shape[0]):
        rest[column] = -scratch.gradient[column]
        step[column] = scale[column] * rest[column]
        move[column] = np.float32(0.0)
        fit += step[column] * rest[column]
    enough = fit * np.float32(0.01)
    for _ in range(MOST_DIRECTIONS):
        if not fit > enough:
            break
        apply_curvature(bought, rows, ridge, scratch)
        curvature = np.float32(0.0)
        for column in range(rest.shape[0]):
            curvature += step[column] * image[column]
        length = fit / curvature
        before, fit = fit, np.float32(0.0)
        for column in range(rest.shape[0]):
            move[column] += length * step[column]
            rest[column] -= length * image[column]
            fit += scale[column] * rest[column] * rest[column]
        for column in range(rest.shape[0]):
            step[column] = scale[column] * rest[column] + fit / before * step[column]
    steep = np.float32(0.0)
    for column in range(rest.shape[0]):
        steep -= scratch.gradient[column] * move[column]
    return steep


@summing_part
def apply_curvature(bought: Counts, rows: Rows, ridge: np.float32, scratch: Scratch) -> None:
    """Write the Hessian times the step into image."""
    step, image, factor = scratch.step, scratch.image, rows.factor
    for column in range(step.shape[0]):
        image[column] = ridge * step[column]
    for row in range(bought.shape[0] + rows.sample.shape[0]):
        item = bought[row] if row < bought.shape[0] else rows.sample[row - bought.shape[0]]
        product = np.float32(0.0)
        for column in range(step.shape[0]):
            product += factor[item, column] * step[column]
        product *= scratch.slope[row]
        for column in range(step.shape[0]):
            image[column] += product * factor[item, column]


@summing_part
def follow(bought: Counts, rows: Rows, move: Shorts, along: Shorts) -> None:
    """Write how much a move changes the score of each row."""
    for row in range(bought.shape[0] + rows.sample.shape[0]):
        item = bought[row] if row < bought.shape[0] else rows.sample[row - bought.shape[0]]
        product = np.float32(0.0)
        for column in range(move.shape[0]):
            product += rows.factor[item, column] * move[column]
        along[row] = product


@summing_part
def step_length(
    bought: Counts,
    rows: Rows,
    unbought: np.float32,
    ridge: np.float32,
    scratch: Scratch,
    out: Shorts,
    descent: np.float32,
) -> np.float32:
    """Give 1, halved until the loss does not rise steeply at the end of the step."""
    own, square = np.float32(0.0), np.float32(0.0)
    for column in range(out.shape[0]):
        own += out[column] * scratch.move[column]
        square += scratch.move[column] * scratch.move[column]
    length = np.float32(1.0)
    for _ in range(MOST_HALVINGS):
        rise = ridge * (own + length * square)
        for row in range(bought.shape[0] + rows.sample.shape[0]):
            score = scratch.score[row] + length * scratch.along[row]
            rise += error_of(row, bought, rows, unbought, score)[0] * scratch.along[row]
        if rise <= np.float32(0.5) * descent:
            break
        length *= np.float32(0.5)
    return length
