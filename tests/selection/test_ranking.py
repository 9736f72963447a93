"""What counts as the best model: told, learned, and the same in SQL as in training."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import shop
from hypothesis import given, settings
from hypothesis import strategies as st

import recsql
from recsql.database import Session
from recsql.errors import ParameterError, UnknownNameError
from recsql.metrics.presets import PRESETS, preset_weights
from recsql.metrics.registry import registry
from recsql.models.frequency import Frequency
from recsql.selection import competition as room
from recsql.selection.candidates import Candidate
from recsql.selection.compete import promotable
from recsql.selection.evaluated import VALIDATION, Evaluated
from recsql.selection.learned_weights import learn_weights
from recsql.selection.ranking import Ranking, measured_for, read_ranking
from recsql.store.weights import default_weights
from recsql.tasks import TASKS

Con = duckdb.DuckDBPyConnection
EXACT = pytest.approx
COSTS = ("train_seconds", "predict_microseconds", "peak_memory_bytes", "size_bytes")


def values(con: Con, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return con.cursor().execute(sql, list(parameters)).fetchall()


def scores(con: Con, task: str | None = None) -> dict[str, float]:
    return dict(
        values(
            con,
            "SELECT DISTINCT l.model_id, l.score FROM recsql.leaderboard AS l "
            "WHERE l.score IS NOT NULL AND l.task = coalesce(?, l.task)",
            task,
        )
    )


@pytest.mark.parametrize("preset", ["balanced", "every metric"])
def test_the_score_in_sql_is_the_one_that_decided(
    shop_con: Con, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    if preset == "every metric":
        shop_con.execute("DELETE FROM recsql.ranking_weights")
        for task in TASKS:
            for n, metric in enumerate(measured_for(task)):
                shop_con.execute(
                    "INSERT INTO recsql.ranking_weights VALUES (?, ?, ?, ?)",
                    [task, metric, 1 + n % 3, -1 if n % 2 else 1],
                )
    else:
        recsql.use_ranking(shop_con, preset)
    held = []
    hold = room.write_competition

    def write(session: Session, competition: room.Competition, *rest: Any) -> None:
        held.append(competition)
        hold(session, competition, *rest)

    monkeypatch.setattr("recsql.selection.rebuild.write_competition", write)
    recsql.train(shop_con)
    expected = {
        model_id: candidate.score
        for competition in held
        for model_id, candidate in zip(competition.ids, competition.candidates, strict=True)
        if candidate.values is not None
    }
    assert len(expected) > 40
    assert scores(shop_con) == EXACT(expected, abs=1e-9)
    kept = values(shop_con, "SELECT s.model_id, s.score FROM recsql.selections AS s")
    assert dict(kept) == EXACT({model: expected[model] for model, _ in kept}, abs=1e-9)


def test_the_parts_of_a_score_add_up_to_it(trained: Con) -> None:
    recsql.use_ranking(trained, "balanced")
    rows = values(
        trained,
        "SELECT l.model_id, any_value(l.score), sum(l.contribution), "
        "bool_and(l.contribution IS NULL OR abs(l.contribution - l.weight * "
        "CASE WHEN w.direction > 0 THEN l.place ELSE 1 - l.place END) < 1e-12), "
        "bool_and(l.part <> 'test' OR l.contribution IS NULL), min(l.place), max(l.place) "
        "FROM recsql.leaderboard AS l LEFT JOIN recsql.ranking_weights AS w "
        "ON w.task = l.task AND w.metric = l.metric WHERE l.status <> 'skipped' GROUP BY 1",
    )
    assert len(rows) > 40
    for _, score, total, exact, no_test, low, high in rows:
        assert score == EXACT(total, abs=1e-9)
        assert exact
        assert no_test
        assert 0 <= low <= high <= 1
    weights = values(
        trained,
        "SELECT l.task, sum(l.weight) FROM (SELECT DISTINCT l.task, l.metric, l.weight "
        "FROM recsql.leaderboard AS l WHERE l.part <> 'test') AS l GROUP BY 1",
    )
    assert [total for _, total in weights] == EXACT([1.0] * len(weights))


def test_ranks_follow_the_scores(trained: Con) -> None:
    for task in shop.TASKS:
        rows = values(
            trained,
            "SELECT DISTINCT l.score_rank, l.model_id, l.score FROM recsql.leaderboard AS l "
            "WHERE l.task = ? AND l.status <> 'skipped' ORDER BY 1",
            task,
        )
        assert [rank for rank, _, _ in rows] == list(range(1, len(rows) + 1))
        found = [(-score, model) for _, model, score in rows]
        assert found == sorted(found)


def test_a_changed_weight_changes_the_leaderboard_at_once_and_the_next_choice(
    shop_con: Con,
) -> None:
    recsql.train(shop_con, task="bundle")
    before = scores(shop_con)
    shop_con.execute("UPDATE recsql.ranking_weights SET weight = 0 WHERE task = 'bundle'")
    assert scores(shop_con) == {}  # nothing counts
    shop_con.execute(
        "UPDATE recsql.ranking_weights SET weight = 5 WHERE task = 'bundle' AND metric = 'novelty'"
    )
    after = scores(shop_con)
    assert after.keys() == before.keys()
    assert after != before
    place = dict(
        values(
            shop_con,
            "SELECT l.model_id, l.place FROM recsql.leaderboard AS l "
            "WHERE l.metric = 'novelty' AND l.part = 'validation'",
        )
    )
    assert after == EXACT(place, abs=1e-12)
    recsql.train(shop_con, task="bundle")
    (row,) = values(
        shop_con, "SELECT s.why FROM recsql.selections AS s ORDER BY s.selected_at DESC LIMIT 1"
    )
    best = max(scores(shop_con).values())
    told = float(re.findall(r"score ([\d.]+) against", row[0])[0])
    assert told <= best + 5e-5


def test_another_direction_turns_the_order_round(trained: Con) -> None:
    trained.execute("UPDATE recsql.ranking_weights SET weight = (metric = 'recall')::INTEGER")
    up = scores(trained, "next")
    trained.execute("UPDATE recsql.ranking_weights SET direction = -1 WHERE metric = 'recall'")
    down = scores(trained, "next")
    assert down == EXACT({model: 1 - score for model, score in up.items()})


def evaluated(places: np.ndarray, costs: dict[str, float]) -> Evaluated:
    per_query = {"ndcg": places[0], "recall": places[1]}
    return Evaluated(per_query, {"coverage": float(places[2].mean())}, costs)


MEASURED = st.tuples(
    st.integers(0, 10**6),
    st.floats(1e-4, 1e3),
    st.floats(1.0, 1e5),
    st.floats(0.0, 1e10),
)


@given(
    st.lists(MEASURED, min_size=2, max_size=6),
    st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5).filter(lambda w: sum(w) > 0.01),
    st.data(),
)
@settings(max_examples=40, deadline=None)
def test_one_more_loser_never_changes_the_order_of_the_others(
    measured: list[tuple[int, float, float, float]], weights: list[float], data: st.DataObject
) -> None:
    names = ["ndcg", "recall", "coverage", "train_seconds", "size_bytes"]
    total = sum(weights)
    ranking = Ranking(
        {name: weight / total for name, weight in zip(names, weights, strict=True) if weight > 0},
        {name: data.draw(st.sampled_from([1, -1])) for name in names},
    )

    def candidates(chosen: list[tuple[int, float, float, float]]) -> list[Candidate]:
        found = []
        for seed, seconds, _, size in chosen:
            places = np.random.default_rng(seed).random((3, 8))
            part = evaluated(places, {"train_seconds": seconds, "size_bytes": size})
            candidate = Candidate("next", Frequency(decay=0.01 * (1 + len(found))))
            candidate.values = ranking.values(part)
            candidate.metrics = part.metrics(VALIDATION, 0) + part.cost_metrics()
            found.append(candidate)
        return found

    everyone = candidates(measured)
    # A score is the sum of its metrics' places, and knows of no other candidate.
    for candidate in everyone:
        place = {metric.name: metric.place for metric in candidate.metrics}
        expected = sum(
            weight * (place[name] if ranking.directions[name] > 0 else 1 - place[name])
            for name, weight in ranking.weights.items()
        )
        assert candidate.score == EXACT(expected, abs=1e-9)
    order = promotable(everyone)
    without = [measured[everyone.index(c)] for c in order[:-1]]
    again = candidates(without)
    assert [again.index(c) for c in promotable(again)] == list(range(len(again)))


@pytest.mark.parametrize("metric", [m for m in registry().values() if m.needs == "cost"], ids=str)
@given(st.floats(1e-4, 1e12), st.floats(1.0, 9.0))
@settings(max_examples=30, deadline=None)
def test_costs_count_in_whole_decades(metric: Any, value: float, factor: float) -> None:
    place = float(metric.place(value))
    decades = round(math.log10(metric.high / metric.low))
    assert place * decades == EXACT(round(place * decades), abs=1e-9)
    power = 10.0 ** math.floor(math.log10(value))
    if metric.low <= power < metric.high:
        assert metric.place(power * factor) == metric.place(power * 1.0000001)


def test_a_cost_within_its_decade_changes_no_score() -> None:
    ranking = Ranking({"ndcg": 0.85, "train_seconds": 0.15}, {"ndcg": 1, "train_seconds": -1})
    places = np.full((3, 4), 0.5)
    one, other, more = (
        ranking.values(evaluated(places, {"train_seconds": seconds})).mean()
        for seconds in (1.1, 9.8, 10.5)
    )
    assert one == other == EXACT(0.85 * 0.5 + 0.15 * (1 - 3 / 7))  # from 10^-3 to 10^4 seconds
    assert more == EXACT(0.85 * 0.5 + 0.15 * (1 - 4 / 7))


@pytest.mark.parametrize("task", TASKS)
def test_presets_weigh_what_is_measured_in_the_known_shares(task: str) -> None:
    shares = {}
    for preset in PRESETS:
        weights = preset_weights(preset, task)
        assert sum(weights.values()) == EXACT(1.0)
        assert {metric for metric, weight in weights.items() if weight > 0} <= set(
            measured_for(task)
        )
        shares[preset] = sum(weights[metric] for metric in COSTS)
    assert shares == EXACT({"quality": 0.0, "balanced": 0.15, "small_hardware": 0.4})
    for metric, _, direction in default_weights(task):
        assert (direction > 0) == registry()[metric].higher_is_better


def test_a_preset_is_written_from_sql_and_from_python(con: Con) -> None:
    from_python = recsql.use_ranking(con, "balanced", task="next")
    written = "SELECT w.* FROM recsql.ranking_weights AS w ORDER BY ALL"
    first = values(con, written)
    from_sql = con.execute("CALL recsql.use_ranking('balanced', task := 'next')").fetchall()
    assert list(from_python) == from_sql
    assert values(con, written) == first
    kept = {(task, metric): weight for task, metric, weight, _ in first}
    assert kept["next", "train_seconds"] == EXACT(0.15 * 0.3)
    assert kept["bundle", "train_seconds"] == 0  # no other task has changed
    rows = con.execute("CALL recsql.use_ranking('small_hardware')").fetchall()
    assert sorted({row[0] for row in rows}) == sorted(TASKS)
    assert {row[1]: row[2] for row in rows if row[0] == "popular"}["ndcg"] == EXACT(0.6)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("use_ranking('balance')", "preset must be one of .* Did you mean 'balanced'"),
        ("use_ranking(NULL)", "preset must be one of quality, balanced, small_hardware"),
        ("use_ranking('quality', task := 'nxt')", "task must be one of .* Did you mean 'next'"),
        ("learn_ranking(NULL)", "The rankings must be the name of a table or view, got None"),
        ("learn_ranking(' ')", "The rankings must be the name of a table or view, got ' '"),
        ("learn_ranking('nowhere')", "got 'nowhere', which does not exist"),
    ],
)
def test_bad_arguments_are_refused_and_change_nothing(con: Con, call: str, sentence: str) -> None:
    before = values(con, "SELECT w.* FROM recsql.ranking_weights AS w ORDER BY ALL")
    with pytest.raises(duckdb.Error, match=sentence):
        con.execute(f"CALL recsql.{call}").fetchall()
    assert values(con, "SELECT w.* FROM recsql.ranking_weights AS w ORDER BY ALL") == before


def test_an_unknown_preset_is_refused_from_python(con: Con) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'quality'"):
        recsql.use_ranking(con, "qualty")


BAD = [
    ("weight = -1", "The weight of ndcg for next must be at least 0, got -1.0. UPDATE"),
    ("weight = 'nan'::DOUBLE", "The weight of ndcg for next must be at least 0, got nan"),
    ("weight = 'inf'::DOUBLE", "The weight of ndcg for next must be at least 0, got inf"),
    ("direction = 2", "The direction of ndcg for next must be 1 or -1, got 2. UPDATE"),
    ("metric = 'ndgc'", "must name metrics, got 'ndgc'. Did you mean 'ndcg'"),
    ("metric = 'perplexity'", "must be measured for it: accuracy, .* got 'perplexity'. DELETE"),
    ("metric = 'rmse'", "What weighs in next must be measured for it: .* got 'rmse'"),
]


@pytest.mark.parametrize(("change", "sentence"), BAD)
def test_bad_weights_are_refused_with_what_to_do(con: Con, change: str, sentence: str) -> None:
    con.execute(
        f"UPDATE recsql.ranking_weights SET {change} WHERE task = 'next' AND metric = 'ndcg'"
    )
    with pytest.raises(ParameterError, match=sentence) as refused:
        read_ranking(Session(con.cursor()), "next")
    remedy = re.findall(r"(?:UPDATE|DELETE) .*", str(refused.value))[0].rstrip(".")
    con.execute(remedy)
    assert read_ranking(Session(con.cursor()), "next").weights["accuracy"] > 0


def test_weights_of_zero_are_refused_by_a_training(shop_con: Con) -> None:
    shop_con.execute("UPDATE recsql.ranking_weights SET weight = 0 WHERE task = 'popular'")
    with pytest.raises(ParameterError, match="must give popular a weight above 0") as refused:
        recsql.train(shop_con, task="popular")
    recsql.train(shop_con, task="trending")  # other tasks do not mind
    shop_con.execute(re.findall(r"CALL .*", str(refused.value))[0].rstrip("."))
    recsql.train(shop_con, task="popular")


def test_a_weight_of_zero_may_name_what_is_not_measured(con: Con) -> None:
    con.execute("INSERT INTO recsql.ranking_weights VALUES ('next', 'perplexity', 0, -1)")
    assert "perplexity" not in read_ranking(Session(con.cursor()), "next").weights


MERITS = st.integers(0, 10**6).map(np.random.default_rng)


@given(MERITS, st.integers(2, 8), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_rankings_by_hidden_weights_are_agreed_with_at_least_as_much_as_before(
    rng: np.random.Generator, n_models: int, n_metrics: int
) -> None:
    merit = rng.random((n_models, n_metrics))
    hidden, present = rng.dirichlet(np.full(n_metrics, 0.5), 2)
    rank = (-(merit @ hidden)).argsort().argsort() + 1
    learned = learn_weights(merit, rank.tolist(), present)
    assert learned.agreed >= learned.agreed_before
    assert learned.agreed > 0.5
    assert learned.weights.sum() == EXACT(1.0)
    assert (learned.weights >= 0).all()


def test_one_metric_that_all_rankings_follow_is_found() -> None:
    rng = np.random.default_rng(0)
    merit = rng.random((12, 4))
    rank = (-merit[:, 2]).argsort().argsort() + 1
    learned = learn_weights(merit, rank.tolist(), np.array([0.7, 0.2, 0.0, 0.1]))
    assert learned.weights.argmax() == 2
    assert learned.agreed > 0.95 > learned.agreed_before


def test_a_metric_whose_values_lie_close_together_is_found_too() -> None:
    rng = np.random.default_rng(0)
    merit = rng.random((12, 4)) * [1, 1, 0.001, 1]
    rank = (-merit[:, 2]).argsort().argsort() + 1
    learned = learn_weights(merit, rank.tolist(), np.array([0.7, 0.2, 0.0, 0.1]))
    assert learned.weights[2] > 0.9
    assert learned.agreed > 0.9 > learned.agreed_before


def test_the_present_weights_stay_where_nothing_learned_agrees_more() -> None:
    rng = np.random.default_rng(84)
    for _ in range(20):  # in some of them the likeliest weights lose a pair
        merit = rng.random((6, 4))
        present = rng.dirichlet(np.full(4, 0.5))
        rank = (-(merit @ present)).argsort().argsort() + 1
        learned = learn_weights(merit, rank.tolist(), present)
        assert learned.agreed_before == learned.agreed == 1.0


def test_rankings_that_say_nothing_are_refused() -> None:
    merit, present = np.array([[0.9, 0.2], [0.1, 0.2]]), np.array([0.5, 0.5])
    with pytest.raises(ParameterError, match="must prefer one of two models that differ"):
        learn_weights(merit, [1, 1], present)
    with pytest.raises(ParameterError, match="must prefer one of two models that differ"):
        learn_weights(merit[:1], [1], present)
    with pytest.raises(ParameterError, match="must prefer one of two models that differ"):
        learn_weights(merit[[0, 0]], [1, 2], present)
    # The worse one is preferred: in no metric is it the better one.
    with pytest.raises(ParameterError, match="no weights agree with them"):
        learn_weights(merit, [2, 1], present)
    assert learn_weights(merit, [1, 2], present).agreed == 1


def prefer(con: Con, sql: str) -> None:
    con.execute(f"CREATE OR REPLACE TABLE preferred AS {sql}")


BY_NOVELTY = (
    "SELECT l.model_id, rank() OVER (ORDER BY l.place DESC) AS rank FROM recsql.leaderboard AS l "
    "WHERE l.metric = 'novelty' AND l.part = 'validation' AND l.task = 'for_you'"
)


@pytest.mark.parametrize("from_sql", [True, False])
def test_a_preferred_order_is_learned(trained: Con, from_sql: bool) -> None:
    prefer(trained, BY_NOVELTY)
    sql = "SELECT w.task, w.metric, w.direction FROM recsql.ranking_weights AS w ORDER BY ALL"
    before = values(trained, sql)
    found = (
        trained.execute("CALL recsql.learn_ranking('preferred')").fetchall()
        if from_sql
        else list(recsql.learn_ranking(trained, "preferred"))
    )
    assert values(trained, sql) == before  # no row is lost, no direction changed
    weight = dict(
        values(
            trained,
            "SELECT w.metric, w.weight FROM recsql.ranking_weights AS w WHERE w.task = 'for_you'",
        )
    )
    assert {row[1]: row[3] for row in found} == {
        metric: value for metric, value in weight.items() if metric in {row[1] for row in found}
    }
    assert max(weight, key=lambda metric: weight[metric]) == "novelty"
    assert sum(weight.values()) == EXACT(1.0, abs=1e-5)
    agreed_before, agreed = found[0][4:]
    assert 0 <= agreed_before <= agreed <= 1
    assert agreed > 0.85
    # The leaderboard agrees with the rankings as much as was told.
    pairs = values(
        trained,
        "WITH s AS (SELECT DISTINCT l.model_id, l.score, p.rank FROM recsql.leaderboard AS l "
        "JOIN preferred AS p ON p.model_id = l.model_id) "
        "SELECT avg((a.score > b.score)::INTEGER) FROM s AS a JOIN s AS b ON a.rank < b.rank",
    )
    assert pairs[0][0] == EXACT(agreed, abs=0.02)  # weights are rounded


def test_a_direction_that_was_changed_is_kept_by_learning(trained: Con) -> None:
    trained.execute(
        "UPDATE recsql.ranking_weights SET direction = -1 WHERE metric = 'novelty' "
        "AND task = 'for_you'"
    )
    prefer(trained, BY_NOVELTY.replace("DESC", "ASC"))
    recsql.learn_ranking(trained, "preferred")
    (row,) = values(
        trained,
        "SELECT w.weight > 0, w.direction FROM recsql.ranking_weights AS w "
        "WHERE w.metric = 'novelty' AND w.task = 'for_you'",
    )
    assert row == (True, -1)


IDS = "SELECT DISTINCT l.model_id FROM recsql.leaderboard AS l WHERE l.task = 'next' "
IDS += "AND l.score IS NOT NULL"


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        (f"SELECT i.model_id, 1 AS rank FROM ({IDS}) AS i", "must prefer one of two models"),
        ("SELECT 'x' AS model_id, 1 AS rank", "must rank models of recsql.leaderboard, got none"),
        (f"SELECT i.model_id FROM ({IDS}) AS i", "must have the columns model_id and rank"),
        (
            f"SELECT i.model_id, r.rank FROM ({IDS}) AS i, (VALUES (1), (2)) AS r(rank)",
            "must give a model one rank, and it must be a number, got 2 ranks of next/",
        ),
        (f"SELECT i.model_id, 'first' AS rank FROM ({IDS}) AS i", "got the rank 'first' of next/"),
        (f"SELECT i.model_id, 'nan'::DOUBLE AS rank FROM ({IDS}) AS i", "got the rank 'nan' of"),
        (f"SELECT i.model_id, NULL AS rank FROM ({IDS}) AS i", "got none of them"),
    ],
)
def test_useless_and_contradictory_rankings_are_refused(
    trained: Con, sql: str, sentence: str
) -> None:
    prefer(trained, sql)
    before = values(trained, "SELECT w.* FROM recsql.ranking_weights AS w ORDER BY ALL")
    with pytest.raises(ParameterError, match=sentence):
        recsql.learn_ranking(trained, "preferred")
    assert values(trained, "SELECT w.* FROM recsql.ranking_weights AS w ORDER BY ALL") == before


def test_a_read_only_database_keeps_its_weights(trained_file: Path) -> None:
    opened = recsql.connect(str(trained_file), read_only=True)
    try:
        for call in ("use_ranking('quality')", "learn_ranking('orders')"):
            with pytest.raises(duckdb.Error, match="must be open for writing"):
                opened.execute(f"CALL recsql.{call}").fetchall()
    finally:
        opened.close()
