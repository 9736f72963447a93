"""The task rating: who competes, how they are measured, what is skipped, and SQL."""

from __future__ import annotations

import dataclasses

import duckdb
import numpy as np
import pytest
from bought import bought, random_rows

import recsql
from recsql.metrics.ratings import mae, rmse
from recsql.models.mean_rating import MeanRating
from recsql.models.rating_biases import RatingBiases
from recsql.selection.evaluate import evaluate
from recsql.selection.ranking import Ranking
from recsql.splits.protocols import split
from recsql.splits.ratings import RatingQueries

N_ITEMS = 10
Con = duckdb.DuckDBPyConnection
EVERY_ITEM = np.ones(N_ITEMS, dtype=bool)


def shop(stars: str = "1 + (hash(i) % 3 + i // 20 % 3)", **given: str) -> Con:
    """Give reviews of 40 customers, whose ratings go from 1 to 5 and say who gave them."""
    con = recsql.connect()
    con.execute(
        "CREATE TABLE reviews AS SELECT i // 20 AS u, hash(i * 7) % 12 AS p, "
        f"TIMESTAMP '2024-01-01' + INTERVAL (hash(i * 3) % 5000) HOUR AS t, {stars} AS stars "
        "FROM range(800) AS r(i)"
    )
    bound = {"user_id": "u", "item_id": "p", "ts": "t", "rating": "stars"} | given
    bound = {name: column for name, column in bound.items() if column}
    recsql.bind_interactions(con, "reviews", **bound)
    return con


def test_a_model_is_measured_by_its_errors_on_hidden_ratings() -> None:
    (part,) = split("rating", bought(random_rows(0), N_ITEMS), 0)
    assert isinstance(part.queries, RatingQueries)
    found = evaluate(RatingBiases(), [part], EVERY_ITEM, 2)
    expected = RatingBiases().fit(part.train).rate(part.queries.requests)
    measured = {metric.name: metric for metric in found.metrics("test", 0)}
    assert measured["rmse"].value == pytest.approx(rmse(expected, part.queries.rating))
    assert measured["mae"].value == pytest.approx(mae(expected, part.queries.rating))
    low, high = measured["rmse"].low, measured["rmse"].high
    assert low < measured["rmse"].value < high
    assert measured["rmse"].place == pytest.approx(measured["rmse"].value / 4)  # from 1 to 5
    costs = {metric.name for metric in found.cost_metrics()}
    assert {"train_seconds", "size_bytes", "predict_p50_microseconds"} <= costs


@pytest.mark.parametrize(("factor", "offset"), [(25.0, -25.0), (0.25, 0.0)])
def test_the_score_does_not_depend_on_the_unit_of_ratings(factor: float, offset: float) -> None:
    rows = random_rows(1)
    others = [row._replace(rating=row.rating * factor + offset) for row in rows]
    ranking = Ranking({"rmse": 0.7, "mae": 0.3}, {"rmse": -1, "mae": -1})
    values = []
    for given in (rows, others):
        (part,) = split("rating", bought(given, N_ITEMS), 0)
        found = evaluate(RatingBiases(), [part], EVERY_ITEM)
        values.append((ranking.values(found), found.metrics("test", 0)[0].value))
    assert values[0][0] == pytest.approx(values[1][0], abs=1e-5)
    assert values[1][1] == pytest.approx(factor * values[0][1], rel=1e-5)


def test_less_error_is_a_higher_score_for_every_query_alike() -> None:
    (part,) = split("rating", bought(random_rows(2), N_ITEMS), 0)
    ranking = Ranking({"rmse": 1.0}, {"rmse": -1})
    found = {}
    for model in (MeanRating(), MeanRating(by="all"), RatingBiases(item_pull=0.0)):
        evaluated = evaluate(dataclasses.replace(model), [part], EVERY_ITEM)
        error = evaluated.metrics("test", 0)[0].value
        found[error] = ranking.values(evaluated).mean()
    errors = sorted(found)
    assert [found[error] for error in errors] == sorted(found.values(), reverse=True)


def test_ratings_compete_beside_the_trivial_means_and_the_best_serves() -> None:
    con = shop()
    recsql.train(con, task="rating")
    board = con.sql(
        "SELECT l.algorithm, l.status, l.value, l.score FROM recsql.leaderboard AS l "
        "WHERE l.metric = 'rmse' AND l.part = 'validation' ORDER BY l.score DESC"
    ).fetchall()
    assert [row[2] for row in board] == sorted(row[2] for row in board)  # low errors score high
    assert {"mean_rating", "rating_biases", "rating_factors"} == {row[0] for row in board}
    assert [row[1] for row in board].count("incumbent") == 1
    skipped = con.sql(
        "SELECT DISTINCT m.algorithm FROM recsql.models AS m WHERE m.status = 'skipped' ORDER BY 1"
    ).fetchall()
    assert skipped == [("hrnn_meta_rating",), ("hrnn_rating",)]  # nobody asked for networks
    hidden = con.sql(
        "SELECT count(*), count(*) FILTER (t.t < s.cut_at::TIMESTAMP) FROM recsql.splits AS s "
        "JOIN reviews AS t ON t.u::VARCHAR = s.user_id AND t.p::VARCHAR = s.item_id "
        "AND t.t >= s.cut_at::TIMESTAMP WHERE s.task = 'rating'"
    ).fetchall()[0]
    assert hidden[0] > 0


def test_a_rating_of_a_pair_is_on_the_scale_and_known_pairs_are_near() -> None:
    con = shop()
    recsql.train(con, task="rating")
    low, high, error, spread = con.sql(
        "SELECT min(s), max(s), sqrt(avg((s - stars) ** 2)), stddev(stars) FROM "
        "(SELECT score_rating(r.u, r.p) AS s, r.stars FROM reviews AS r)"
    ).fetchall()[0]
    assert 1.0 <= low < high <= 5.0
    assert error < 0.85 * spread
    assert con.sql("SELECT score_rating(1, 99), score_rating(-1, 1)").fetchall() == [(None, None)]


@pytest.mark.parametrize(
    ("stars", "given", "why"),
    [
        ("3", {}, "all ratings are the same"),
        ("NULL::DOUBLE", {}, "no purchase of a known customer has a rating: bind rating"),
        ("3", {"rating": ""}, "no purchase of a known customer has a rating: bind rating"),
        ("3", {"user_id": ""}, "there are no purchases of known customers: bind user_id"),
    ],
)
def test_without_ratings_the_task_is_skipped_and_says_why(
    stars: str, given: dict[str, str], why: str
) -> None:
    con = shop(stars, **given)
    recsql.train(con)
    found = con.sql(
        "SELECT DISTINCT m.status, m.error FROM recsql.models AS m WHERE m.task = 'rating'"
    ).fetchall()
    assert found == [("skipped", why)]
    with pytest.raises(duckdb.InvalidInputException, match=why):
        con.sql("SELECT score_rating(1, 1)").fetchall()


@pytest.mark.parametrize(
    ("stars", "given", "sentence"),
    [
        ("3", {}, "rating must have a user_id, and purchases whose ratings differ, got 1 rating."),
        ("NULL::DOUBLE", {}, "got 0 ratings. Bind rating to the column that holds them."),
        ("i % 5", {"user_id": ""}, "got no user_id bound."),
    ],
)
def test_validate_says_what_is_missing_where_ratings_are_bound(
    stars: str, given: dict[str, str], sentence: str
) -> None:
    rows = recsql.validate(shop(stars, **given))
    found = [row for row in rows if "too_little_for_rating" in row]
    assert len(found) == 1
    assert sentence in found[0][-1]


def test_validate_is_content_with_ratings_and_without_any() -> None:
    for con in (shop(), shop("3", rating="")):
        assert all("too_little_for_rating" not in row for row in recsql.validate(con))


def test_refresh_and_a_second_training_keep_the_model_of_ratings() -> None:
    con = shop()
    recsql.train(con, task="rating")
    before = con.sql("SELECT score_rating(1, 2)").fetchall()
    con.execute("INSERT INTO reviews VALUES (1, 3, TIMESTAMP '2024-09-01', 5)")
    after = con.sql("SELECT score_rating(1, 2)").fetchall()
    assert after[0][0] > before[0][0]  # pleased customers rate higher
    recsql.refresh(con)
    assert con.sql("SELECT score_rating(1, 2) > 0").fetchall() == [(True,)]
    recsql.train(con, task="rating")
    why = con.sql("SELECT s.why FROM recsql.selections AS s").fetchall()
    assert len(why) == 2
