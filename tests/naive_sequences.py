"""Slow twins of the sequence kernels: the obvious definitions, with no thought for speed."""

from __future__ import annotations

from collections.abc import Sequence

from recsql.kernels.sequence_matches import Weighing

Sequences = Sequence[Sequence[int]]


def slow_suffix_order(text: Sequence[int]) -> list[int]:
    """Sort suffixes; each end is a symbol of its own, in order of place, below all others."""
    ends = [place for place, symbol in enumerate(text) if symbol == 0]

    def suffix(first: int) -> list[tuple[int, int]]:
        end = next(place for place in ends if place >= first)
        return [(1, text[place]) for place in range(first, end)] + [(0, end)]

    return sorted(range(len(text)), key=suffix)


def slow_following(
    sequences: Sequences, history: Sequence[int], n_items: int, weighing: Weighing
) -> list[float]:
    """Score every item by what stands after the newest items of a history."""
    score = [0.0] * n_items
    for skipped in range(weighing.max_skip + 1):
        known = list(history)[: max(0, len(history) - skipped)]
        for length in range(1, min(weighing.max_length, len(known)) + 1):
            wanted = known[len(known) - length :]
            weight = weighing.skip_decay**skipped * weighing.length_gain ** (length - 1)
            for sequence in sequences:
                for place in range(length, len(sequence) + 1):
                    if list(sequence[place - length : place]) == wanted:
                        after = sequence[place : place + weighing.ahead]
                        for distance, item in enumerate(after, start=1):
                            score[item] += weight / distance
    return score


def slow_transitions(
    sequences: Sequences, max_skip: int, skip_decay: float
) -> dict[tuple[int, int], float]:
    """Add up every pair of items at most ``max_skip`` places apart."""
    found: dict[tuple[int, int], float] = {}
    for sequence in sequences:
        for place, item in enumerate(sequence):
            for distance, after in enumerate(sequence[place + 1 : place + 1 + max_skip], start=1):
                found[item, after] = found.get((item, after), 0.0) + skip_decay ** (distance - 1)
    return found
