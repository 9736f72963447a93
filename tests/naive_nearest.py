"""Slow twins of the kernels for near sessions and near customers: the obvious definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Sessions = Sequence[Sequence[int]]
Values = Mapping[int, float]
Found = list[tuple[int, float, int]]


def slow_newest_sessions(sessions: Sessions, n_items: int, most: int) -> list[list[int]]:
    """Give the newest sessions that hold each item, newest first."""
    newest_first = range(len(sessions) - 1, -1, -1)
    return [
        [number for number in newest_first if item in sessions[number]][:most]
        for item in range(n_items)
    ]


def slow_votes(
    sessions: Sessions,
    n_items: int,
    most_recent: int,
    asked: Sequence[tuple[int, float]],
    *,
    neighbours: int,
    session_weight: Sequence[float],
    item_weight: Sequence[float],
    offset_weight: Callable[[int], float],
    depth_weight: Callable[[int], float],
    sharpness: float,
    repeat: float,
    allowed: Callable[[int], bool],
) -> Found:
    """Give (item, score, votes) of all items that any of the nearest sessions votes for."""
    newest = slow_newest_sessions(sessions, n_items, most_recent)
    depths = {item: depth for depth, (item, _) in enumerate(asked)}
    near = []
    for number, session in enumerate(sessions):
        shared = sum(weight for item, weight in asked if number in newest[item])
        if shared == 0:
            continue
        depth, place = min((depths[i], -p) for p, i in enumerate(session) if i in depths)
        likeness = shared**sharpness * session_weight[number] * depth_weight(depth)
        if likeness > 0:
            near.append((likeness, number, -place))
    score: dict[int, float] = {}
    votes: dict[int, int] = {}
    for likeness, number, place in sorted(near, key=lambda one: (-one[0], -one[1]))[:neighbours]:
        for other, item in enumerate(sessions[number]):
            score[item] = score.get(item, 0.0) + likeness * offset_weight(other - place)
        for item in set(sessions[number]):
            votes[item] = votes.get(item, 0) + 1
    found = [
        (item, value * item_weight[item] * (repeat if item in depths else 1.0), votes[item])
        for item, value in score.items()
        if allowed(item)
    ]
    return sorted((one for one in found if one[1] > 0), key=lambda one: (-one[1], one[0]))


def slow_mixture(
    customers: Sequence[Values],
    n_items: int,
    asked: Values,
    user: int,
    *,
    neighbours: int,
    own: float,
    everyone: float,
    allowed: Callable[[int], bool],
) -> Found:
    """Give (item, score, votes) of all items with a score above 0."""

    def distance(other: Values) -> float:
        return sum((asked.get(i, 0.0) - other.get(i, 0.0)) ** 2 for i in range(n_items))

    others = [number for number in range(len(customers)) if number != user]
    near = sorted(others, key=lambda number: (distance(customers[number]), number))[:neighbours]
    if not asked:
        near, own, everyone = [], 0.0, 1.0
    found = []
    for item in filter(allowed, range(n_items)):
        buyers = sum(item in customer for customer in customers)
        theirs = sum(customers[number].get(item, 0.0) for number in near) / max(len(near), 1)
        score = own * asked.get(item, 0.0) + (1 - own) * theirs
        score += everyone * buyers / max(len(customers), 1)
        if score > 0:
            found.append((item, score, sum(item in customers[number] for number in near)))
    return sorted(found, key=lambda one: (-one[1], one[0]))


def slow_values(
    baskets: Sequence[Sequence[int]], group_size: int, basket_decay: float, group_decay: float
) -> dict[int, float]:
    """Give the decayed frequency of each item: the mean over groups of means over baskets."""
    newest_first = list(reversed(baskets))
    groups = [
        newest_first[start : start + group_size]
        for start in range(0, len(newest_first), group_size)
    ]
    value: dict[int, float] = {}
    for group_back, group in enumerate(groups):
        for back, basket in enumerate(group):
            for item in set(basket):
                weight = group_decay**group_back * basket_decay**back
                value[item] = value.get(item, 0.0) + weight / len(group) / len(groups)
    return value
