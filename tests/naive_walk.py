"""Slow twins of the kernels for random walks: the obvious definitions, one number at a time."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from recsql.kernels.walk_graph import WalkGraph
from recsql.kernels.walk_steps import GOLDEN, SPREAD, WALKERS, Rule

Found = list[tuple[int, float, int]]
WORD = 2**64 - 1
HALF = 2**32


def slow_chances(
    groups: Sequence[Collection[int]], n_items: int, group_power: float
) -> list[dict[int, float]]:
    """Give the probability of each group at each item: in proportion to size ** power."""
    large = [group for group in groups if len(group) >= 2]
    chances = []
    for item in range(n_items):
        weight = {n: len(group) ** group_power for n, group in enumerate(large) if item in group}
        total = sum(weight.values())
        chances.append({group: value / total for group, value in weight.items()})
    return chances


def slow_expected_shares(
    groups: Sequence[Collection[int]],
    n_items: int,
    start: int,
    *,
    group_power: float,
    restart: float,
    preference: Sequence[float] | None = None,
) -> npt.NDArray[np.float64]:
    """Give the share of visits that each item gets from one start in the long run.

    Visits are v = (restart * s + (1 - restart) * v) P, where s is the start and P a step.
    """
    large = [group for group in groups if len(group) >= 2]
    step = np.zeros((n_items, n_items))
    for item, chances in enumerate(slow_chances(groups, n_items, group_power)):
        liked = {
            group: chance * (1.0 if preference is None else preference[group])
            for group, chance in chances.items()
        }
        for group, chance in liked.items():
            for other in large[group]:
                step[item, other] += chance / sum(liked.values()) / len(large[group])
    begin = np.zeros(n_items)
    begin[start] = 1.0
    shares: npt.NDArray[np.float64] = np.linalg.solve(
        (np.eye(n_items) - (1 - restart) * step).T, restart * (begin @ step)
    )
    return shares


def slow_random_walks(
    graph: WalkGraph,
    starts: Sequence[int],
    rule: Rule,
    *,
    known: Sequence[int] = (),
    left_out: Collection[int] = (),
    eligible: Collection[int] | None = None,
) -> Found:
    """Give (item, score, visits) of all items that walks from several starts meet, best first."""
    overlap = _slow_overlap(graph, known, rule.bias)
    degree = graph.degree.tolist()
    weight = [degree[item] * (max(1, *degree) - math.log(max(degree[item], 1))) for item in starts]
    boosted: dict[int, float] = {}
    total: dict[int, int] = {}
    for start, share in zip(starts, weight, strict=True):
        if degree[start] == 0:
            continue
        steps = max(1, int(rule.steps * (share / max(math.fsum(weight), 1.0))))
        for item, visits in _slow_visits(graph, start, steps, rule, overlap).items():
            boosted[item] = boosted.get(item, 0.0) + math.sqrt(visits)
            total[item] = total.get(item, 0) + visits
    hidden = {*starts, *left_out}
    found = [
        (item, value * value * float(degree[item]) ** -rule.popularity_power, total[item])
        for item, value in boosted.items()
        if item not in hidden and (eligible is None or item in eligible)
    ]
    return sorted(found, key=lambda one: (-one[1], one[0]))


def _slow_overlap(graph: WalkGraph, known: Sequence[int], bias: int) -> list[int]:
    """Count the known items of each group, at most ``bias``."""
    ends = graph.group_ptr.tolist()
    groups = [graph.group_item[a:b].tolist() for a, b in pairwise(ends)]
    return [min(bias, sum(item in group for item in known)) for group in groups]


def _slow_visits(
    graph: WalkGraph, start: int, steps: int, rule: Rule, overlap: Sequence[int]
) -> dict[int, int]:
    """Count the visits of walkers that take turns; whoever may not enter a group waits."""
    most = max(overlap, default=0)
    key = _mixed(rule.seed + GOLDEN * (start + 1))
    state = [_mixed(key + GOLDEN * walker) for walker in range(WALKERS)]
    at = [start] * WALKERS
    spread = _mixed(~key)
    visits: dict[int, int] = {}
    while steps > 0:
        for walker in range(min(steps, WALKERS)):
            state[walker] = (state[walker] + GOLDEN) & WORD
            word = _mixed(state[walker])
            if at[walker] == start:
                word = spread = (spread + SPREAD) & WORD
            upper, lower = divmod(word, HALF)
            begin, end = graph.item_ptr[at[walker] : at[walker] + 2].tolist()
            slot, fraction = divmod(upper * (end - begin), HALF)
            first, second, threshold = graph.slot[3 * (begin + slot) :][:3].tolist()
            group = first if fraction < threshold else second
            begin, end = graph.group_ptr[group : group + 2].tolist()
            entry, fraction = divmod(lower * (end - begin), HALF)
            if (_mixed(~state[walker]) // HALF) * (1 + most) // HALF > overlap[group]:
                continue
            item = int(graph.group_item[begin + entry])
            visits[item] = visits.get(item, 0) + 1
            at[walker] = start if fraction < rule.restart else item
            steps -= 1
        enough = [v >= rule.enough_visits for item, v in visits.items() if item != start]
        if rule.enough_visits > 0 and sum(enough) >= rule.enough_items:
            break
    return visits


def _mixed(word: int) -> int:
    """Give 64 bits that look random from any others: SplitMix."""
    word &= WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
    return word ^ (word >> 31)
