"""score_next and its like: any pairs of a query, in bulk."""

from __future__ import annotations

import pytest

import recsql


@pytest.fixture(scope="module", params=["markov", "tifuknn", "session_knn"])
def shop(request):
    con = recsql.connect()
    con.execute(
        "CREATE TABLE orders AS SELECT i // 6 AS u, hash(i) % 9 AS p, "
        "TIMESTAMP '2024-01-01' + INTERVAL (i * 31) MINUTE AS t FROM range(600) AS r(i)"
    )
    recsql.bind_interactions(con, "orders", user_id="u", item_id="p", ts="t")
    recsql.train(con, task="next", models=[request.param])
    return con


def test_a_score_is_the_one_that_recommendations_are_ranked_by(shop) -> None:
    rows = shop.sql(
        "SELECT u.id, r.item_id, r.score, score_next(u.id, r.item_id) FROM range(100) AS u(id), "
        "recommend_next(u.id, k := 9, exclude_bought := false) AS r WHERE r.model <> 'popularity'"
    ).fetchall()
    assert len(rows) > 100
    for _, _, expected, found in rows:
        assert found == pytest.approx(expected, rel=1e-5)


def test_pairs_score_alike_alone_and_among_many(shop) -> None:
    pairs = "SELECT a.u AS u, b.p AS p FROM range(100) AS a(u), range(9) AS b(p), range(8)"
    together = shop.sql(
        f"SELECT u, p, any_value(s), min(s), max(s) FROM (SELECT u, p, score_next(u, p) AS s FROM "
        f"({pairs})) GROUP BY ALL ORDER BY u, p LIMIT 60"
    ).fetchall()
    for user, item, score, low, high in together:
        assert low == high
        alone = shop.sql(f"SELECT score_next({user}, {item})").fetchall()[0][0]
        assert alone == (score if score is None else pytest.approx(score, rel=1e-5))


def test_what_is_not_known_has_no_score_alone_and_among_many(shop) -> None:
    unknown = "score_next(4711, 3), score_next(5, 99), score_next(NULL, 3), score_next(5, NULL)"
    assert shop.sql(f"SELECT {unknown}").fetchall() == [(None,) * 4]
    counts = shop.sql(
        "SELECT count(score_next(4711, p)), count(score_next(5, 99)) FROM range(5000) AS r(p)"
    ).fetchall()
    assert counts == [(0, 0)]
    assert shop.sql("SELECT score_next(u, 1) FROM range(0) AS r(u)").fetchall() == []


def test_a_purchase_counts_in_the_next_query(shop) -> None:
    query = "SELECT list(score_next(77, p) ORDER BY p) FROM range(9) AS r(p)"
    before = shop.sql(query).fetchall()
    shop.execute("INSERT INTO orders VALUES (77, 1, '2024-02-01'), (77, 2, '2024-02-02')")
    try:
        assert shop.sql(query).fetchall() != before
    finally:
        shop.execute("DELETE FROM orders WHERE u = 77 AND t >= '2024-02-01'")
    assert shop.sql(query).fetchall() == before


def test_scores_work_prepared_in_views_and_beside_others(shop) -> None:
    shop.execute("PREPARE one AS SELECT score_next(?, ?)")
    score = shop.sql("SELECT score_next(5, 3)").fetchall()[0][0]
    assert shop.execute("EXECUTE one(5, 3)").fetchall()[0][0] == score
    shop.execute(
        "CREATE OR REPLACE VIEW scored AS SELECT p, score_next(5, p) AS s FROM range(9) r(p)"
    )
    assert shop.sql("SELECT s FROM scored WHERE p = 3").fetchall()[0][0] == score
    user_id = shop.sql(
        "SELECT score_next(t.user_id, t.item_id) FROM (SELECT 5 AS user_id, 3 AS item_id) t"
    )
    assert user_id.fetchall()[0][0] == score


def test_a_task_that_is_not_trained_says_what_to_call(shop) -> None:
    with pytest.raises(Exception, match=r"CALL recsql.train\(task := 'for_you'\)"):
        shop.sql("SELECT score_for_you(5, 3)").fetchall()
