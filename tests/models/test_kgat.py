"""KGAT: what it ranks, which facts it learns from, and bits alike at 1 and 2 threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from histories import asked, learned, random_rows, table
from processes import needs_chosen_cores, printed_on

from recsql.data.events import pointers
from recsql.data.features import Features
from recsql.data.knowledge import Knowledge
from recsql.errors import ParameterError, TrainingError
from recsql.kernels.graph_propagation import ends, purchase_graph, purchased
from recsql.kernels.groups import Groups
from recsql.kernels.knowledge_propagation import spread
from recsql.kernels.relation_attention import Relations
from recsql.models.fact_vectors import Pair, best_shares, fact_vectors, unit_of, weighed
from recsql.models.item_facts import facts_of_items
from recsql.models.kgat import KGAT
from recsql.models.knowledge_graph import MOST_RELATIONS, Attention, knowledge_graph
from recsql.models.purchases import Purchases

QUICK = KGAT(n_factors=8, n_epochs=10)


def features(rows: list[list[str]], name: str = "genre") -> Features:
    """Give rows of values of one attribute."""
    values = sorted({value for row in rows for value in row})
    code = [values.index(value) for row in rows for value in sorted(row)]
    ptr = pointers(np.array([len(row) for row in rows]))
    return Features(ptr, np.array(code, dtype=np.int32), tuple((name, value) for value in values))


def knowledge(n_items: int, *facts: tuple[int | str, str, int | str]) -> Knowledge:
    """Give facts: numbers are items, texts are entities."""
    ends_of = [end for head, _, tail in facts for end in (head, tail)]
    entities = sorted({end for end in ends_of if isinstance(end, str)})
    relations = sorted({relation for _, relation, _ in facts})

    def code(end: int | str) -> int:
        return end if isinstance(end, int) else n_items + entities.index(end)

    columns = [(code(h), relations.index(r), code(t)) for h, r, t in facts]
    head, relation, tail = np.array(columns, dtype=np.int32).reshape(-1, 3).T
    return Knowledge(head, relation, tail, tuple(relations), tuple(entities))


def with_facts(rows: list[list[int]], n_items: int) -> Purchases:
    """Give purchases with genres of items, an attribute of customers, and knowledge."""
    return replace(
        learned(rows, n_items),
        item_features=features([["even" if code % 2 else "odd"] for code in range(n_items)]),
        user_features=features([["f" if place % 2 else "m"] for place in range(len(rows))], "sex"),
        knowledge=knowledge(
            n_items, *((code, "by", f"maker {code % 3}") for code in range(n_items))
        ),
    )


def groups_of(rows: list[list[int]]) -> Groups:
    item = np.array([code for row in rows for code in sorted(row)], dtype=np.int32)
    return Groups(ends(np.array([len(row) for row in rows])), item)


def test_what_two_kinds_of_customers_know_is_told_apart() -> None:
    rows = [[code for code in range(4) if code != out] for out in range(4)] * 30
    rows += [[code + 4 for code in row] for row in rows]
    kinds = features([["tea"]] * 4 + [["mug"]] * 4)
    data = replace(learned(rows, 8), item_features=kinds)
    found = replace(QUICK, learning_rate=0.1).fit(data)
    items = found.recommend(asked([[0], [5, 6]], 8, exclude_bought=True), 3).item
    assert set(items[0].tolist()) == {1, 2, 3}
    assert set(items[1, :2].tolist()) == {4, 7}


def test_a_rare_item_is_found_by_its_facts() -> None:
    # 20 and 21 were each bought once, by customers of everything; one is like the first ten
    rng = np.random.default_rng(0)
    rows = [sorted(rng.choice(10, 4, False).tolist()) for _ in range(80)]
    rows += [[code + 10 for code in row] for row in rows]
    rows += [[0, 10, 20], [0, 10, 21]]
    kinds = [["a"]] * 10 + [["b"]] * 10 + [["a"], ["b"]]
    data = replace(learned(rows, 22), item_features=features(kinds))
    model = replace(QUICK, fact_share=0.3).fit(data)
    scores = model._scores(asked([[1, 2, 3], [11, 12, 13]], 22))
    assert scores[0, 20] > scores[0, 21]
    assert scores[1, 20] < scores[1, 21]


def test_a_customer_is_scored_as_the_graph_spreads_to_them() -> None:
    rows, n = random_rows(0, 60, 15), 15
    data = with_facts(rows, n)
    model = replace(QUICK, fact_share=0.0).fit(data)
    graph = knowledge_graph(data, len(rows))
    node, relations = model._first(groups_of(rows), len(rows))
    rng = np.random.default_rng(1)
    node += rng.standard_normal(node.shape).astype(np.float32)
    attention = Attention(graph)
    there, _ = attention.edges(attention.share(node, relations), 0.1)
    bought = purchase_graph(purchased(groups_of(rows), n), len(rows), n)
    layers = spread(bought, there, node, model.n_layers)
    root = np.sqrt(np.maximum(model.buyers_, 1))[:, None]
    model.factors_ = layers.node[:n]
    model.messages_ = (layers.message[:n] / root).astype(np.float32)
    model.traits_ = layers.message[graph.trait] * np.float32(0.1)
    model._lay_out()
    requests = replace(asked(rows, n), features=data.user_features)
    expected = layers.node[graph.n_firsts :] @ layers.node[:n].T
    sold = table(rows, n).sum(axis=0) > 0
    np.testing.assert_allclose(model._scores(requests)[:, sold], expected[:, sold], atol=1e-4)


def test_facts_are_nodes_in_both_directions() -> None:
    data = replace(
        learned([[0, 1], [2]], 3),
        item_features=features([["x"], ["x"], ["alone"]]),
        user_features=features([["x"], ["y"]]),
        knowledge=knowledge(3, (0, "by", "A"), ("A", "from", 2), (1, "by", "B"), (2, "by", 1)),
    )
    graph = knowledge_graph(data, 2)
    # 'alone', customer's 'y' and B join nothing; x is one entity of items and customers
    assert graph.entities == (("genre", "x"), ("", "A"))
    assert graph.trait.tolist() == [3, -1]
    named = {
        (int(head), graph.names[relation], int(tail))
        for head, relation, tail in zip(graph.head, graph.relation, graph.tail, strict=True)
        if relation < len(graph.names)
    }
    assert named == {
        (0, "genre", 3),
        (1, "genre", 3),
        (5, "customer genre", 3),
        (0, "by", 4),
        (4, "from", 2),
        (2, "by", 1),
    }
    assert len(graph.tail) == 2 * len(named)


def test_a_chain_that_ends_in_nothing_is_left_out() -> None:
    facts = knowledge(2, (0, "r", "a"), ("a", "r", "b"), ("b", "r", "c"), (0, "r", 1))
    graph = knowledge_graph(replace(learned([[0, 1]], 2), knowledge=facts), 1)
    assert graph.entities == ()
    assert graph.tail.tolist() == [1, 0]


def test_rare_relations_are_learned_as_one() -> None:
    facts = [(0, f"r{n:03}", "a") for n in range(MOST_RELATIONS + 5)] + [(1, "r007", "a")]
    graph = knowledge_graph(replace(learned([[0, 1]], 2), knowledge=knowledge(2, *facts)), 1)
    assert len(graph.names) == MOST_RELATIONS
    assert graph.names[-1] == ""
    assert "r007" in graph.names


def test_the_share_of_a_fact_and_that_of_its_inverse_are_told() -> None:
    facts = knowledge(3, (0, "by", "A"), (1, "by", "A"), (1, "before", 2), ("A", "of", 2))
    graph = knowledge_graph(replace(learned([[0, 1, 2]], 3), knowledge=facts), 1)
    rng = np.random.default_rng(0)
    node = rng.standard_normal((graph.n_firsts, 4)).astype(np.float32)
    matrix = rng.standard_normal((2 * len(graph.names), 4, 4)).astype(np.float32)
    relations = Relations(matrix, np.zeros((2 * len(graph.names), 4), dtype=np.float32))
    share = Attention(graph).share(node, relations)
    told = facts_of_items(graph, share)
    rows = [
        (item, thing or int(other), fact)
        for item, thing, other, fact in zip(
            told.item.tolist(), told.thing, told.other, told.fact, strict=True
        )
    ]
    assert rows == [
        (0, "A", "has by"),
        (1, 2, "has before"),
        (1, "A", "has by"),
        (2, 1, "is before of"),
        (2, "A", "is of of"),
    ]
    head = graph.head.tolist()
    by_ends = {
        (h, int(t), int(r)): float(s)
        for h, t, r, s in zip(head, graph.tail, graph.relation, share, strict=True)
    }
    n = len(graph.names)
    place = 0
    for (h, t, r), value in sorted(by_ends.items(), key=lambda one: (one[0][0], one[0][2])):
        if h < 3:
            assert told.attention[place] == pytest.approx(value)
            inverse = by_ends[t, h, r + n if r < n else r - n]
            assert told.back[place] == pytest.approx(inverse)
            place += 1


def test_items_with_the_same_rare_thing_are_alike() -> None:
    kinds = [["a", "x"], ["a", "x"], ["a"], ["a"], ["b"]]
    data = replace(learned([[0, 1, 2, 3, 4]] * 2, 5), item_features=features(kinds))
    graph = knowledge_graph(data, 2)
    share = np.ones(len(graph.tail), dtype=np.float32)
    (vectors,) = fact_vectors(graph, share, np.ones(5), 8, 0)
    # b stands alone and joins nothing: item 4 is of length 0, the others are around their mean
    assert not vectors[4].any()
    np.testing.assert_allclose(vectors[:4].sum(axis=0), 0, atol=1e-6)
    assert vectors[0] @ vectors[1] > 0 > vectors[0] @ vectors[2]


def test_facts_that_all_items_share_have_no_vectors() -> None:
    data = replace(learned([[0, 1]], 2), item_features=features([["a"], ["a"]]))
    graph = knowledge_graph(data, 1)
    assert fact_vectors(graph, np.ones(len(graph.tail), np.float32), np.ones(2), 8, 0) == []


def test_the_share_that_finds_most_is_taken_and_0_where_facts_say_nothing() -> None:
    learned_pair = Pair(np.float32([[1.0]]), np.float32([[1.0], [0.5]]))
    facts = [Pair(np.float32([[1.0]]), np.float32([[0.0], [3.0]]))] * 2
    found = best_shares(learned_pair, facts, [1.0, 1.0], lambda _: 0.5)
    assert found == [0.0, 0.0]

    def second_first(layers: object) -> float:
        user, item = layers.user, layers.item  # type: ignore[attr-defined]
        return float((user @ item.T)[0].argmax())

    # 0.5 + 3 * share is above 1 from a share of 0.2 on
    assert best_shares(learned_pair, facts, [1.0, 1.0], second_first) == [0.2, 0.0]


def test_scores_of_facts_are_measured_by_those_that_are_learned() -> None:
    one = Pair(np.float32([[2.0]]), np.float32([[1.0], [-1.0], [9.0]]))
    other = Pair(np.float32([[1.0]]), np.float32([[0.5], [-0.5], [0.0]]))
    eligible = np.array([True, True, False])
    assert unit_of(one, other, eligible) == pytest.approx(4.0)  # 2 and -2; 0.5 and -0.5
    assert unit_of(one, Pair(other.user, np.zeros_like(other.item)), eligible) == 0.0
    both = weighed(one, [other], [4.0])
    np.testing.assert_allclose(both.user @ both.item.T, [[4.0, -4.0, 18.0]])


@pytest.mark.parametrize("rows", [[[0]], [[0], [0]], [[0, 1]], [[0, 1, 2]] * 3, [[2], [], [1]]])
def test_the_smallest_purchases_are_learned_from(rows: list[list[int]]) -> None:
    model = QUICK.fit(with_facts(rows, 4))
    found = model.recommend(asked(rows, 4), 4)
    assert np.isfinite(found.score).all()
    assert set(found.item[found.item >= 0].tolist()) <= {code for row in rows for code in row}


def test_a_vocabulary_of_one_adds_nothing_and_does_no_harm() -> None:
    rows = random_rows(1, 40, 10)
    one = replace(learned(rows, 10), item_features=features([["all"]] * 10))
    found = QUICK.fit(one).recommend(asked(rows, 10), 5)
    assert np.isfinite(found.score).all()


def test_without_facts_it_says_what_to_bind() -> None:
    with pytest.raises(ParameterError, match=r"kgat must have facts .* CALL recsql.bind_knowledge"):
        QUICK.fit(learned([[0, 1]], 2))
    empty = replace(learned([[0, 1]], 2), item_features=features([[], []]))
    with pytest.raises(ParameterError, match="kgat must have facts"):
        QUICK.fit(empty)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_says_which_setting_to_change() -> None:
    data = with_facts(random_rows(2, 200, 20), 20)
    with pytest.raises(TrainingError, match=r"The loss must be finite.*Take a learning_rate below"):
        replace(QUICK, learning_rate=1e38).fit(data)


def test_who_bought_nothing_known_gets_what_most_customers_bought() -> None:
    rows = [[0, 1], [1, 2], [1, 2], [3]]
    data = with_facts(rows, 6)
    requests = replace(asked([[], [5]], 6), features=features([["f"], ["m"]], "sex"))
    found = QUICK.fit(data).recommend(requests, 6)
    assert found.item.tolist() == [[1, 2, 0, 3, -1, -1]] * 2


@needs_chosen_cores
def test_it_has_the_same_bits_at_one_and_two_threads() -> None:
    code = """
from histories import digest, asked, random_rows
from test_kgat import with_facts
from recsql.kernels import graph_propagation
from recsql.models.kgat import KGAT
graph_propagation.WORTH_A_THREAD = 0
rows = random_rows(0, 900, 200)
model = KGAT(n_factors=24, n_epochs=6, n_negatives=8).fit(with_facts(rows, 200))
print(digest(model, model.recommend(asked(rows, 200), 10)))
"""
    alone, together = (printed_on(n_cores, code) for n_cores in (1, 2))
    assert len(alone) == 1
    assert alone == together


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_factors": 0}, "n_factors must be at least 1, got 0"),
        ({"patience": 0}, "patience must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, got nan"),
        ({"fact_rate": -1.0}, "fact_rate must be at least 0, got -1.0"),
        ({"knowledge_weight": float("nan")}, "knowledge_weight must be at least 0, got nan"),
        ({"fact_share": -0.1}, "fact_share must be at least 0, got -0.1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        KGAT(**settings).fit(with_facts([[0, 1]], 3))  # type: ignore[arg-type]
