"""Settings chosen one after the other: what a validation part likes best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Settings = dict[str, Any]


def tuned(
    start: Mapping[str, Any],
    grid: Mapping[str, Sequence[Any]],
    score: Callable[[Settings], float],
    *,
    rounds: int = 2,
) -> Settings:
    """Give the settings with the best score, where one setting is changed at a time.

    Parameters
    ----------
    start : settings to begin with
    grid : values to try of each setting, in this order
    score : the larger the better; ties stay with what was
    rounds : times through the grid; fewer where nothing changes
    """
    best = dict(start)
    best_score = score(best)
    for _ in range(rounds):
        before = dict(best)
        for name, values in grid.items():
            for value in values:
                if value == best[name]:
                    continue
                tried = best | {name: value}
                found = score(tried)
                if found > best_score:
                    best, best_score = tried, found
        if best == before:
            break
    return best
