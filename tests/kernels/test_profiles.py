"""The votes of the nearest customers, as measuring everyone gives them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.data.events import pointers
from recsql.kernels.profiles import Profiles, Vote, index_profiles, vote_of_nearest

N_FEATURES, N_ITEMS = 5, 4
WEIGHTS = [0.0, 0.5, 1.0, 1.0, 2.0]
row = st.sets(st.integers(0, N_FEATURES - 1)).map(sorted)
profile = st.tuples(
    row.filter(bool),
    st.integers(1, 4),
    st.dictionaries(st.integers(0, N_ITEMS - 1), st.integers(1, 4), min_size=1),
)


def slow_votes(
    profiles: list[tuple[list[int], int, dict[int, int]]],
    asked: list[int],
    vote: Vote,
    share: list[float],
    searched: set[int],
) -> list[float]:
    """The definition: one customer after the other, with no thought for speed."""
    found = []
    for number, (features, size, bought) in enumerate(profiles):
        product = sum(WEIGHTS[code] ** 2 for code in features if code in asked)
        if product > 0 and number in searched:
            norms = [math.sqrt(sum(WEIGHTS[code] ** 2 for code in of)) for of in (asked, features)]
            found.append((product / (norms[0] * norms[1]), size, bought))
    customers = sorted((near for near, size, _ in found for _ in range(size)), reverse=True)
    least = customers[min(vote.neighbours, len(customers)) - 1] if customers else 0.0
    says, total = vote.prior, [vote.prior * part for part in share]
    for near, size, bought in found:
        if near >= least:
            says += near**vote.power * size
            for item, buyers in bought.items():
                total[item] += near**vote.power * buyers
    return [score / says for score in total]


def laid(profiles: list[tuple[list[int], int, dict[int, int]]]) -> Profiles:
    return Profiles(
        pointers(np.array([len(features) for features, _, _ in profiles])),
        np.array([code for features, _, _ in profiles for code in features], dtype=np.int32),
        np.array([size for _, size, _ in profiles], dtype=np.float64),
        pointers(np.array([len(bought) for _, _, bought in profiles])),
        np.array([item for _, _, bought in profiles for item in sorted(bought)], dtype=np.int32),
        np.array([bought[item] for _, _, bought in profiles for item in sorted(bought)], float),
        np.array(WEIGHTS),
    )


@settings(deadline=None, max_examples=200)
@given(
    profiles=st.lists(profile, min_size=1, max_size=8, unique_by=lambda known: tuple(known[0])),
    questions=st.lists(row, max_size=4),
    neighbours=st.integers(1, 12),
    power=st.sampled_from([0.0, 1.0, 4.0]),
    some=st.none() | st.sets(st.integers(0, 7)),
    n_threads=st.sampled_from([1, 2]),
)
def test_votes_are_those_of_measured_customers(
    profiles: list[tuple[list[int], int, dict[int, int]]],
    questions: list[list[int]],
    neighbours: int,
    power: float,
    some: set[int] | None,
    n_threads: int,
) -> None:
    known, vote = laid(profiles), Vote(neighbours, power, 2.0)
    share = [0.5, 0.25, 0.125, 0.0]
    searched = set(range(len(profiles)))
    candidates = None
    if some is not None:
        searched &= some
        padded = [*sorted(searched), -1]
        candidates = np.tile(np.array(padded, dtype=np.int32), (len(questions), 1))
    asked = (
        pointers(np.array([len(codes) for codes in questions], dtype=np.int64)),
        np.array([code for codes in questions for code in codes], dtype=np.int32),
    )
    found = vote_of_nearest(
        known,
        index_profiles(known),
        asked,
        vote,
        np.array(share),
        candidates=candidates,
        n_threads=n_threads,
    )
    for codes, scores in zip(questions, found, strict=True):
        expected = slow_votes(profiles, codes, vote, share, searched)
        assert scores == pytest.approx(expected, rel=1e-6)


def test_all_who_are_as_near_as_the_last_have_a_vote() -> None:
    # Both profiles have one of two values: as near as each other, though one neighbour is asked.
    known = laid([([2], 1, {0: 1}), ([3], 3, {1: 3})])
    asked = (np.array([0, 2]), np.array([2, 3], dtype=np.int32))
    votes = vote_of_nearest(
        known, index_profiles(known), asked, Vote(1, 0.0, 4.0), np.array([0.0, 0.0, 1.0, 0.0])
    )
    # Four customers and a prior of four: 1/8, 3/8 and 4/8.
    assert votes.tolist() == [[0.125, 0.375, 0.5, 0.0]]
