"""Networks of ratings: what they read, what they learn that biases cannot, and SQL."""

from __future__ import annotations

import dataclasses

import duckdb
import numpy as np
import pytest
from bought import HOUR, Row, bought, features, random_rows
from naive_ratings import slow_customer_before
from recsql.onnx_models._ratings import RatingLesson, customer_before, windows

import recsql
from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events
from recsql.models.hrnn_meta_rating import HRNNMetaRating
from recsql.models.hrnn_rating import HRNNRating
from recsql.models.purchases import Purchases
from recsql.models.rating_biases import RatingBiases
from recsql.models.rating_factors import RatingFactors
from recsql.models.rating_parts import RatingParts
from recsql.models.requests import Requests
from recsql.networks.recurrent import Scales

START = 19_000 * MICROSECONDS_PER_DAY
N_ITEMS = 10


def events_of(purchases: Purchases) -> Events:
    assert purchases.events is not None
    return purchases.events


def lesson_of(events: Events, model: HRNNRating, parts: RatingParts, users=None) -> RatingLesson:
    rest = parts.rest(events)
    model.parts_, model.scales_ = parts, Scales.learn(rest)
    model.n_user_features_ = 0 if users is None else users.n_features
    customer = customer_before(rest, model.customer_pull)
    return RatingLesson(rest, model, model.scales_, users, customer)


@pytest.mark.parametrize("seed", range(5))
def test_every_rating_is_asked_once_a_round(seed: int) -> None:
    events = events_of(bought(random_rows(seed), N_ITEMS))
    model = HRNNRating(max_length=3, held_out=0.0)
    parts = RatingParts.learn(events, 5.0, 5.0)
    lesson = lesson_of(events, model, parts)
    spread = lesson._scales.rating_spread
    rest = parts.rest(events)
    customer = slow_customer_before(rest, model.customer_pull)
    wanted = sorted(
        (int(events.item[n]), round((float(rest.feedback.rating[n]) - customer[n]) / spread, 3))
        for n in np.flatnonzero(events.rated)
    )
    found: list[tuple[int, float]] = []
    for batch in lesson.batches(np.random.default_rng(0), 4):
        assert batch["item"].shape[1] <= 1 + 3
        assert (batch["item"][:, 0] == 0).all()  # before the first event
        target = [round(float(value), 3) for value in batch["target"]]
        found += zip(batch["asked"].tolist(), target, strict=True)
    assert [item for item, _ in sorted(found)] == [item for item, _ in wanted]
    assert [x for _, x in sorted(found)] == pytest.approx([x for _, x in wanted], abs=2e-3)


@pytest.mark.parametrize("seed", range(3))
def test_a_request_is_read_as_the_step_was_while_learning(seed: int) -> None:
    """Ask for what came after each event: the inputs must be those of the lesson's step."""
    data = bought(random_rows(seed), N_ITEMS)
    events = events_of(data)
    users = features(events.n_users, 3)
    model = HRNNMetaRating(held_out=0.0)
    model.context_ = None
    lesson = lesson_of(events, model, RatingParts.learn(events, 5.0, 5.0), users)
    owner, first, last = windows(events, lesson._asked, model.max_length)
    batch = lesson.batch(owner, first, last)
    asked = np.flatnonzero(lesson._asked)[::7]
    user, start = events.user[asked], lesson._moments.start[asked]
    shown = events.between(events.user_ptr[:-1][user], asked + 1)
    of_users = users.of_rows(user)
    requests = Requests.of_customers(user, shown, time=events.time[start], features=of_users)
    inputs = model._inputs(requests)
    # A session is known while learning, and told by its break when asked.
    names = ("item", "gap", "rating", "rated", "kind")
    for row, (customer, place) in enumerate(zip(user.tolist(), asked.tolist(), strict=True)):
        n = place + 2 - int(events.user_ptr[customer])
        assert inputs["length"][row] == n
        window = int(np.flatnonzero(owner == customer)[0])
        for name in names:
            read, learned = inputs[name][row, :n], batch[name][window, :n]
            assert np.array_equal(read, learned), name
        assert np.array_equal(inputs["user"][row], batch["user"][window])


@pytest.mark.parametrize("pull", [0.5, 5.0])
def test_what_a_customer_adds_is_known_before_the_moment(pull: float) -> None:
    for seed in range(5):
        events = events_of(bought(random_rows(seed), N_ITEMS))
        found = customer_before(events, pull)
        assert found == pytest.approx(slow_customer_before(events, pull), abs=1e-6)


def moods(n_users: int, seed: int) -> Purchases:
    """Give customers who rate one purchase well after a bad one, and badly after a good one."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        good = bool(rng.integers(2))
        for n in range(12):
            item = int(rng.integers(N_ITEMS))
            rows.append(Row(user, item, START + n * HOUR, n, None, 5.0 if good else 1.0))
            good = not good
    return bought(rows, N_ITEMS)


def test_a_network_learns_that_a_rating_depends_on_the_one_before() -> None:
    learned, later = moods(150, 0), events_of(moods(40, 1))
    last = later.user_ptr[1:] - 1
    shown = later.between(later.user_ptr[:-1], last)
    requests = dataclasses.replace(
        Requests.of_customers(np.full(40, -1), shown, time=later.time[last]), item=later.item[last]
    )
    assert later.feedback is not None
    truth = later.feedback.rating[last]
    error = {}
    for model in (RatingBiases(), RatingFactors(), HRNNRating(n_epochs=12)):
        found = model.fit(learned).rate(requests)
        error[model.name] = float(np.sqrt(np.mean((found - truth) ** 2)))
    assert min(error["rating_biases"], error["rating_factors"]) > 1.9  # the spread is 2
    assert error["hrnn_rating"] < 0.5


def test_a_network_learns_that_tastes_go_with_attributes() -> None:
    """A red customer likes red items and dislikes blue ones; item 8 is red, and nobody had it."""
    rng = np.random.default_rng(0)
    rows = [
        Row(user, item, START + n * HOUR, n, None, 5.0 if (item < 4) == (user % 2 == 0) else 1.0)
        for user in range(120)
        for n, item in enumerate(rng.permutation(8).tolist())
    ]
    colour = features(9, 2)
    red = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0], dtype=np.int32)
    colour = dataclasses.replace(colour, ptr=np.arange(10), feature=red)
    data = dataclasses.replace(bought(rows, 9), item_features=colour)
    requests = Requests.of_customers(np.arange(2), events_of(data).of_users(np.arange(2)))
    pairs = np.arange(2), np.array([8, 8])
    liked, disliked = (
        HRNNMetaRating(n_epochs=20, attribute_shrinkage=1.0).fit(data).score_pairs(requests, *pairs)
    )
    assert liked > disliked + 1.0
    same = HRNNRating(n_epochs=5).fit(data).score_pairs(requests, *pairs)
    assert abs(same[0] - same[1]) < 1.0


@pytest.fixture(scope="module")
def trained() -> duckdb.DuckDBPyConnection:
    """Give a shop whose customers change their mood, and in which a network foretells ratings."""
    con = recsql.connect()
    con.execute(
        "CREATE TABLE reviews AS SELECT i // 12 AS u, hash(i) % 9 AS p, "
        "TIMESTAMP '2024-01-01' + INTERVAL (i % 12 * 26 + i // 12) HOUR AS t, "
        "CASE WHEN (i + i // 12) % 2 = 0 THEN 50.0 ELSE 10.0 END AS stars FROM range(1200) AS r(i)"
    )
    recsql.bind_interactions(con, "reviews", user_id="u", item_id="p", ts="t", rating="stars")
    recsql.train(con, task="rating", models=["hrnn_rating", "rating_biases"])
    return con


def test_the_network_serves_where_it_is_better(trained: duckdb.DuckDBPyConnection) -> None:
    found = dict(
        trained.sql(
            "SELECT l.algorithm, min(l.value) FROM recsql.leaderboard AS l "
            "WHERE l.metric = 'rmse' AND l.part = 'test' GROUP BY 1"
        ).fetchall()
    )
    assert set(found) == {"mean_rating", "rating_biases", "hrnn_rating"}
    assert found["hrnn_rating"] < 0.5 * min(found["mean_rating"], found["rating_biases"])
    assert trained.sql(
        "SELECT m.algorithm FROM recsql.models AS m WHERE m.status = 'incumbent'"
    ).fetchall() == [("hrnn_rating",)]


def test_a_rating_follows_what_was_rated_a_moment_ago(trained: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT score_rating(3, 5), score_rating(4711, 5), score_rating(3, 99)"
    before = trained.sql(query).fetchall()[0]
    assert 10.0 <= before[0] <= 50.0
    assert before[1:] == (None, None)
    now = trained.sql("SELECT max(t) FROM reviews").fetchall()[0][0]
    found = []
    for stars in (10.0, 50.0):
        trained.execute("INSERT INTO reviews VALUES (3, 2, ?, ?)", [now, stars])
        found.append(trained.sql(query).fetchall()[0][0])
        trained.execute("DELETE FROM reviews WHERE u = 3 AND t = ? AND p = 2", [now])
    assert found[0] > found[1] + 10.0  # after a bad rating comes a good one
