"""Votes of near sessions, as counting them one by one gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import compressed
from naive_nearest import slow_newest_sessions, slow_votes

from recsql.kernels.session_index import index_sessions
from recsql.kernels.session_neighbours import Asked, Weights, vote

N_ITEMS = 6
REACH = 2
code = st.integers(0, N_ITEMS - 1)
# Sums and products of these are exact, so that ties are ties in any order of adding.
exact = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])


@settings(deadline=None, max_examples=100)
@given(
    sessions=st.lists(st.lists(code, min_size=1, max_size=6), max_size=8),
    most=st.integers(1, 4),
)
def test_the_newest_sessions_of_an_item_come_first(sessions: list[list[int]], most: int) -> None:
    index = index_sessions(*compressed(sessions), N_ITEMS, most)
    found = [
        index.item_session[index.item_ptr[item] : index.item_ptr[item + 1]].tolist()
        for item in range(N_ITEMS)
    ]
    assert found == slow_newest_sessions(sessions, N_ITEMS, most)
    assert index.item_count.tolist() == [
        sum(item in session for session in sessions) for item in range(N_ITEMS)
    ]


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    sessions = draw(st.lists(st.lists(code, min_size=1, max_size=6), min_size=1, max_size=8))
    requests = draw(st.lists(st.lists(code, unique=True, max_size=4), min_size=1, max_size=4))

    def numbers(size: int) -> list[float]:
        return draw(st.lists(exact, min_size=size, max_size=size))

    return {
        "sessions": sessions,
        "requests": [list(zip(items, numbers(len(items)), strict=True)) for items in requests],
        "left_out": [draw(st.lists(code, unique=True, max_size=2)) for _ in requests],
        "session_weight": numbers(len(sessions)),
        "item_weight": numbers(N_ITEMS),
        "offset": numbers(2 * REACH + 1),
        "after_sharing": numbers(3),
        "sharpness": draw(st.sampled_from([1.0, 2.0])),
        "repeat": draw(exact),
        "eligible": draw(st.lists(st.booleans(), min_size=N_ITEMS, max_size=N_ITEMS)),
    }


@settings(deadline=None, max_examples=100)
@given(
    given_=questions(),
    neighbours=st.integers(1, 5),
    most=st.integers(1, 4),
    k=st.integers(1, 8),
    n_threads=st.sampled_from([1, 2]),
)
def test_votes_are_those_counted_one_by_one(
    given_: dict[str, Any], neighbours: int, most: int, k: int, n_threads: int
) -> None:
    index = index_sessions(*compressed(given_["sessions"]), N_ITEMS, most)
    weights = Weights(
        np.array(given_["session_weight"]),
        np.array(given_["item_weight"]),
        np.array(given_["offset"]),
        np.array(given_["after_sharing"]),
        given_["sharpness"],
        given_["repeat"],
    )
    ptr, item = compressed([[item for item, _ in asked] for asked in given_["requests"]])
    weight = np.array([weight for asked in given_["requests"] for _, weight in asked])
    asked = Asked(ptr, item, weight, *compressed(given_["left_out"]))
    found = vote(
        index,
        weights,
        asked,
        neighbours,
        k,
        eligible=np.array(given_["eligible"]),
        n_threads=n_threads,
    )
    for row, question in enumerate(given_["requests"]):
        out = given_["left_out"][row]
        expected = slow_votes(
            given_["sessions"],
            N_ITEMS,
            most,
            question,
            neighbours=neighbours,
            session_weight=given_["session_weight"],
            item_weight=given_["item_weight"],
            offset_weight=lambda n: given_["offset"][REACH + min(max(n, -REACH), REACH)],
            depth_weight=lambda n: given_["after_sharing"][min(n, 2)],
            sharpness=given_["sharpness"],
            repeat=given_["repeat"],
            allowed=lambda code, out=out: given_["eligible"][code] and code not in out,
        )[:k]
        expected += [(-1, 0.0, 0)] * (k - len(expected))
        listed = zip(*(part[row].tolist() for part in found), strict=True)
        assert list(listed) == expected


@pytest.mark.parametrize("n_threads", [1, 2])
def test_many_sessions_are_answered_alike_at_any_number_of_threads(n_threads: int) -> None:
    rng = np.random.default_rng(0)
    sessions = [rng.integers(0, 300, rng.integers(1, 9)).tolist() for _ in range(3000)]
    index = index_sessions(*compressed(sessions), 300, 50)
    weights = Weights(
        rng.random(3000), rng.random(300), rng.random(9), rng.random(5), 1.3, 0.5
    )  # fmt: skip
    ptr, item = compressed([sorted(set(session)) for session in sessions[:200]])
    none = (np.zeros(201, np.int64), np.empty(0, np.int32))
    asked = Asked(ptr, item, rng.random(len(item)), *none)
    one = vote(index, weights, asked, 40, 20, n_threads=1)
    several = vote(index, weights, asked, 40, 20, n_threads=n_threads)
    for expected, found in zip(one, several, strict=True):
        assert np.array_equal(found, expected)
