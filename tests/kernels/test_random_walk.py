"""Random walks, as walking step by step gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import compressed
from naive_walk import slow_chances, slow_expected_shares, slow_random_walks

from recsql.kernels.random_walk import Lists, Rows, random_walks, share_steps
from recsql.kernels.walk_graph import WalkGraph, build_walk_graph
from recsql.kernels.walk_steps import FRACTIONS, Rule

N_ITEMS = 7
code = st.integers(0, N_ITEMS - 1)
baskets = st.lists(st.lists(code, unique=True, max_size=5), max_size=8)
PLAIN = Rule(
    steps=50_000,
    restart=FRACTIONS // 2,
    popularity_power=0.0,
    bias=0,
    enough_items=1,
    enough_visits=0,
    seed=0,
)


def built(groups: list[list[int]], power: float = 0.0, n_items: int = N_ITEMS) -> WalkGraph:
    return build_walk_graph(*compressed(groups), n_items, power)


def rows(lists: list[list[int]]) -> Rows:
    return Rows(*compressed(lists))


def row_of(found: Lists, row: int) -> list[tuple[int, float, int]]:
    return list(zip(*(part[row].tolist() for part in found), strict=True))


@settings(deadline=None, max_examples=100)
@given(groups=baskets, power=st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_slots_lead_to_groups_in_proportion_to_a_power_of_their_size(
    groups: list[list[int]], power: float
) -> None:
    graph = built(groups, power)
    assert graph.group_item.tolist() == [i for group in groups if len(group) >= 2 for i in group]
    for item, expected in enumerate(slow_chances(groups, N_ITEMS, power)):
        slots = graph.slot.reshape(-1, 3)[graph.item_ptr[item] : graph.item_ptr[item + 1]]
        chance = dict.fromkeys(expected, 0.0)
        for group, other, threshold in slots.tolist():
            chance[group] += threshold / FRACTIONS / len(slots)
            chance[other] += (1 - threshold / FRACTIONS) / len(slots)
        assert chance == pytest.approx(expected, abs=1e-8)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    starts = draw(st.lists(st.lists(code, unique=True, max_size=3), min_size=1, max_size=4))

    def some() -> list[list[int]]:
        return [draw(st.lists(code, unique=True, max_size=4)) for _ in starts]

    return {
        "starts": starts,
        "known": some(),
        "left_out": some(),
        "eligible": draw(st.lists(st.booleans(), min_size=N_ITEMS, max_size=N_ITEMS)),
    }


rules = st.builds(
    Rule,
    steps=st.integers(1, 200),
    restart=st.sampled_from([1, FRACTIONS // 3, FRACTIONS]),
    popularity_power=st.sampled_from([0.0, 0.5, 1.0]),
    bias=st.integers(0, 3),
    enough_items=st.integers(1, 3),
    enough_visits=st.sampled_from([0, 2, 5]),
    seed=st.integers(0, 2**63 - 1),
)


@settings(deadline=None, max_examples=150)
@given(
    groups=baskets,
    power=st.sampled_from([0.0, 0.5, 1.0]),
    asked=questions(),
    rule=rules,
    k=st.integers(1, 8),
    n_threads=st.sampled_from([1, 2]),
)
def test_lists_are_those_of_walking_step_by_step(
    groups: list[list[int]],
    power: float,
    asked: dict[str, Any],
    rule: Rule,
    k: int,
    n_threads: int,
) -> None:
    graph = built(groups, power)
    found = random_walks(
        graph,
        rows(asked["starts"]),
        k,
        rule,
        known=rows(asked["known"]),
        left_out=rows(asked["left_out"]),
        eligible=np.array(asked["eligible"]),
        n_threads=n_threads,
    )
    for row, starts in enumerate(asked["starts"]):
        expected = slow_random_walks(
            graph,
            starts,
            rule,
            known=asked["known"][row],
            left_out=asked["left_out"][row],
            eligible=np.flatnonzero(asked["eligible"]).tolist(),
        )[:k]
        assert row_of(found, row) == expected + [(-1, 0.0, 0)] * (k - len(expected))


@pytest.mark.parametrize("power", [0.0, 1.0])
@pytest.mark.parametrize("bias", [0, 2])
def test_many_steps_visit_items_as_often_as_the_chain_says(power: float, bias: int) -> None:
    groups = [[0, 1, 2], [1, 2], [2, 3, 4, 5], [0, 5], [3, 4]]
    known = [3, 4]
    # Groups share 0, 0, 2, 0 and 2 items with what is known: they weigh 1, 1, 3, 1 and 3.
    preference = [1.0, 1.0, 3.0, 1.0, 3.0] if bias else None
    rule = PLAIN._replace(steps=400_000, bias=bias)
    found = random_walks(built(groups, power), rows([[0]]), 6, rule, known=rows([known]))
    expected = slow_expected_shares(
        groups, N_ITEMS, 0, group_power=power, restart=0.5, preference=preference
    )
    shares = np.zeros(N_ITEMS)
    listed = found.item[0] >= 0
    shares[found.item[0][listed]] = found.support[0][listed] / rule.steps
    expected[0] = 0.0  # the start is not listed
    assert shares == pytest.approx(expected, abs=0.004)  # five standard errors


def random_graph(seed: int) -> WalkGraph:
    rng = np.random.default_rng(seed)
    groups = [rng.choice(300, rng.integers(1, 12), replace=False).tolist() for _ in range(900)]
    return built(groups, 0.5, 300)


@pytest.mark.parametrize("bias", [0, 3])
def test_requests_are_answered_alike_alone_or_together_at_any_number_of_threads(bias: int) -> None:
    graph = random_graph(0)
    rng = np.random.default_rng(1)
    starts = [rng.choice(300, rng.integers(0, 4), replace=False).tolist() for _ in range(60)]
    known = [rng.choice(300, rng.integers(0, 9), replace=False).tolist() for _ in range(60)]
    rule = PLAIN._replace(steps=2_000, bias=bias)
    one, two = (
        random_walks(graph, rows(starts), 20, rule, known=rows(known), n_threads=n) for n in (1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    for row, (start, shared) in enumerate(zip(starts, known, strict=True)):
        alone = random_walks(graph, rows([start]), 20, rule, known=rows([shared]))
        assert row_of(alone, 0) == row_of(one, row)


def test_another_seed_walks_another_way_to_much_the_same_items() -> None:
    graph = random_graph(0)
    first, again, other = (
        random_walks(graph, rows([[5]]), 20, PLAIN._replace(seed=seed)) for seed in (0, 0, 1)
    )
    assert row_of(first, 0) == row_of(again, 0)
    assert row_of(first, 0) != row_of(other, 0)
    assert len(set(first.item[0].tolist()) & set(other.item[0].tolist())) >= 15


def test_steps_are_shared_by_degree_and_every_start_has_one() -> None:
    ptr = np.array([0, 3, 3, 4])
    shared = share_steps(np.array([10.0, 1.0, 0.0, 2.0]), ptr, 10, 1000)
    # 10 * (10 - ln 10) = 76.97 and 1 * (10 - ln 1) = 10: 885.01 and 114.98 of 1,000
    assert shared.tolist() == [885, 114, 1, 1000]


def test_an_item_that_two_starts_meet_counts_for_more_than_their_sum() -> None:
    # Both starts lead to item 2 and to one item of their own, which no other start meets.
    graph = built([[0, 2], [0, 3], [1, 2], [1, 4]])
    found = random_walks(graph, rows([[0, 1]]), 5, PLAIN._replace(restart=FRACTIONS))
    assert found.item[0, 0] == 2
    assert sorted(found.item[0, 1:].tolist()) == [-1, -1, 3, 4]
    score, support = found.score[0], found.support[0]
    # (sqrt a + sqrt a) ** 2 = 4 a where the visits are a + a = 2 a
    assert score[0] == pytest.approx(2 * support[0], rel=1e-3)
    assert score[1:3].tolist() == pytest.approx(support[1:3].tolist())


def test_walks_end_early_once_enough_items_are_visited_often_enough() -> None:
    graph = random_graph(0)
    early = PLAIN._replace(enough_items=3, enough_visits=20)
    whole, ended = (random_walks(graph, rows([[5]]), 300, rule) for rule in (PLAIN, early))
    assert whole.support.sum() > 0.8 * PLAIN.steps
    assert (ended.support[0] >= 20).sum() >= 3
    assert ended.support.sum() < 0.2 * PLAIN.steps


def test_an_item_that_is_only_bought_alone_gives_nothing() -> None:
    graph = built([[6], [0, 1]])
    found = random_walks(graph, rows([[6], [0, 6], []]), 2, PLAIN)
    assert found.item.tolist() == [[-1, -1], [1, -1], [-1, -1]]


def test_no_groups_at_all_give_nothing() -> None:
    found = random_walks(built([]), rows([[0]]), 2, PLAIN, known=rows([[1]]))
    assert found.item.tolist() == [[-1, -1]]


def test_more_entries_than_places_have_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsql.kernels.walk_graph.MOST_ENTRIES", 2)
    with pytest.raises(ValueError, match="there must be fewer than 2 entries, got 2"):
        built([[0, 1]])
