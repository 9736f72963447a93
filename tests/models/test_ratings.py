"""Models of ratings against their definitions, on rows put together by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bought import HOUR, Row, bought, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.errors import ParameterError
from recsql.models.catalogue import baselines_for, model_named, models_for
from recsql.models.mean_rating import MeanRating
from recsql.models.network import Network
from recsql.models.purchases import Purchases
from recsql.models.rating import RatingModel
from recsql.models.rating_biases import RatingBiases
from recsql.models.rating_factors import RatingFactors
from recsql.models.rating_parts import RatingParts, rated
from recsql.models.requests import Requests

START = 19_000 * MICROSECONDS_PER_DAY
N_ITEMS = 10
SEEDS = st.integers(0, 10_000)
ALL = sorted(model.name for model in (*baselines_for("rating"), *models_for("rating")))
PLAIN = [name for name in ALL if not issubclass(model_named(name), Network)]


def fitted(name: str, purchases: Purchases) -> RatingModel:
    cls = model_named(name)
    model = cls(n_epochs=2) if issubclass(cls, Network) else cls()
    assert isinstance(model, RatingModel)
    return model.fit(purchases)


def rate(model: RatingModel, purchases: Purchases, user: int, item: int) -> float:
    assert purchases.events is not None
    requests = Requests.of_customers([user], purchases.events.of_users(np.array([user])))
    return float(model.score_pairs(requests, np.array([0]), np.array([item]))[0])


def four_ratings() -> Purchases:
    # Item 0 has 5 and 4, item 1 has 2 and 1; customer 0 gave 5 and 2, customer 1 gave 4, 2 gave 1.
    said = [(0, 0, 5.0), (0, 1, 2.0), (1, 0, 4.0), (2, 1, 1.0)]
    rows = [Row(user, item, START + n * HOUR, n, None, x) for n, (user, item, x) in enumerate(said)]
    return bought([*rows, Row(3, 2, START, 9)], 4)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("all", (3.0, 3.0, 3.0)),
        ("item", (4.5, 4.5, 3.0)),
        ("customer", (3.5, 3.0, 3.5)),
        ("both", (4.0, 3.75, 3.25)),  # (4.5 + 3.5) / 2, (4.5 + 3) / 2, (3 + 3.5) / 2
    ],
)
def test_means_are_those_of_items_and_customers(by: str, expected: tuple[float, ...]) -> None:
    data = four_ratings()
    model = MeanRating(by=by).fit(data)
    # A customer without a rating, and an item without one, have the mean of all: 12 / 4.
    found = [rate(model, data, *pair) for pair in ((0, 0), (3, 0), (0, 3))]
    assert found == pytest.approx(expected)


def test_a_bias_is_drawn_to_zero_by_the_ratings_it_lacks() -> None:
    data = four_ratings()
    model = RatingBiases(item_pull=2.0, customer_pull=0.5).fit(data)
    parts = model.parts_
    # Item 3 and customer 3 have no ratings: nothing is added to the mean.
    assert rate(model, data, 3, 3) == pytest.approx(3.0)
    user, item, rating = rated(data.events)
    adds = parts.of_customers(data.events)
    rest = rating - 3.0 - adds[user]
    assert parts.item[0] == pytest.approx(rest[item == 0].sum() / (2 + 2.0), abs=1e-6)
    rest = rating - 3.0 - parts.item[item]
    assert adds[0] == pytest.approx(rest[user == 0].sum() / (2 + 0.5), abs=1e-6)
    assert rate(model, data, 0, 0) == pytest.approx(3.0 + adds[0] + parts.item[0])


@given(SEEDS, st.sampled_from([0.5, 5.0]), st.sampled_from([0.5, 5.0]))
@settings(max_examples=20, deadline=None)
def test_biases_are_those_of_least_squares(seed: int, item_pull: float, pull: float) -> None:
    events = bought(random_rows(seed), N_ITEMS).events
    assert events is not None
    parts = RatingParts.learn(events, item_pull, pull)
    user, item, rating = rated(events)
    # All at once: one column a customer, one an item, and the pulls on the diagonal.
    design = np.zeros((len(rating), events.n_users + N_ITEMS))
    design[np.arange(len(rating)), user] = 1.0
    design[np.arange(len(rating)), events.n_users + item] = 1.0
    pulls = np.concatenate([np.full(events.n_users, pull), np.full(N_ITEMS, item_pull)])
    left = design.T @ design + np.diag(pulls)
    expected = np.linalg.solve(left, design.T @ (rating - rating.mean()))
    assert parts.item == pytest.approx(expected[events.n_users :], abs=0.02)
    assert parts.of_customers(events) == pytest.approx(expected[: events.n_users], abs=0.02)


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_factors_of_a_customer_are_least_squares_of_what_biases_leave(seed: int) -> None:
    data = bought(random_rows(seed), N_ITEMS)
    events = data.events
    assert events is not None
    model = RatingFactors(n_factors=3, ridge=0.5).fit(data)
    user, item, rest = model.parts_.left(events)
    adds = model.parts_.of_customers(events)
    low, high = model.range_
    for one in range(events.n_users):
        rows = model.factors_[item[user == one]]
        target = rest[user == one] - adds[one]
        own = np.linalg.solve(rows.T @ rows + 0.5 * np.eye(3), rows.T @ target)
        expected = model.parts_.mean + adds[one] + model.parts_.item + model.factors_ @ own
        found = [rate(model, data, one, code) for code in range(N_ITEMS)]
        assert found == pytest.approx(np.clip(expected, low, high), abs=1e-6)


def test_factors_find_tastes_that_biases_cannot() -> None:
    # Half of the customers like even items and dislike odd ones; the other half does not.
    rng = np.random.default_rng(0)
    rows = []
    for user in range(60):
        for n, item in enumerate(rng.permutation(40)[:20].tolist()):
            rating = 5.0 if (user + item) % 2 == 0 else 1.0
            rows.append(Row(user, item, START + n * HOUR, n, None, rating))
    data = bought(rows, 40)
    assert data.events is not None
    requests = Requests.of_customers(np.arange(60), data.events)
    user, item = np.divmod(np.arange(60 * 40), 40)
    truth = np.where((user + item) % 2 == 0, 5.0, 1.0)
    error = {}
    for model in (RatingBiases(), RatingFactors(ridge=2.0)):
        found = model.fit(data).score_pairs(requests, user, item)
        error[model.name] = float(np.sqrt(np.mean((found - truth) ** 2)))
    assert error["rating_biases"] > 1.9  # the spread of the ratings is 2
    assert error["rating_factors"] < 0.6


@pytest.mark.parametrize("name", ALL)
def test_ratings_stay_within_those_that_were_seen(name: str) -> None:
    data = bought(random_rows(1), N_ITEMS)
    low_only = bought([r._replace(rating=min(r.rating, 3.0)) for r in random_rows(1)], N_ITEMS)
    for purchases, most in ((data, 5.0), (low_only, 3.0)):
        model = fitted(name, purchases)
        assert purchases.events is not None
        n = purchases.events.n_users
        requests = Requests.of_customers(np.arange(n), purchases.events)
        user, item = np.divmod(np.arange(n * N_ITEMS), N_ITEMS)
        found = model.score_pairs(requests, user, item)
        assert np.isfinite(found).all()
        assert ((found >= 1.0) & (found <= most)).all()


@pytest.mark.parametrize("name", ALL)
def test_lists_and_pairs_tell_the_same_ratings(name: str) -> None:
    data = bought(random_rows(2), N_ITEMS)
    model = fitted(name, data)
    assert data.events is not None
    requests = Requests.of_customers(np.arange(data.events.n_users), data.events)
    found = model.recommend(requests, N_ITEMS)
    row = np.repeat(np.arange(len(requests)), N_ITEMS)
    pairs = model.score_pairs(requests, row, found.item.ravel())
    assert found.score.ravel() == pytest.approx(pairs, abs=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_a_model_of_ratings_refuses_purchases_without_one(name: str) -> None:
    rows = [row._replace(rating=float("nan")) for row in random_rows(0)]
    with pytest.raises(ParameterError, match=f"{name} must have purchases with a rating, got none"):
        model_named(name)().fit(bought(rows, N_ITEMS))


@pytest.mark.parametrize("name", PLAIN)
def test_what_was_rated_since_training_counts(name: str) -> None:
    data = bought(random_rows(3), N_ITEMS)
    model = fitted(name, data)
    if isinstance(model, MeanRating):
        model = MeanRating(by="customer").fit(data)
    rows = [Row(0, n, START + n * HOUR, n, None, 5.0) for n in range(8)]
    pleased = bought(rows, N_ITEMS)
    angry = bought([row._replace(rating=1.0) for row in rows], N_ITEMS)
    assert rate(model, pleased, 0, 9) > rate(model, angry, 0, 9) + 1.0


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("mean_rating", {"by": "items"}, "by must be one of both, item, customer, all"),
        ("rating_biases", {"item_pull": -1.0}, "item_pull must be at least 0, got -1.0"),
        ("rating_biases", {"customer_pull": float("nan")}, "customer_pull must be at least 0"),
        ("rating_factors", {"n_factors": 0}, "n_factors must be at least 1"),
        ("rating_factors", {"ridge": 0.0}, "ridge must be above 0"),
        ("rating_factors", {"seed": -1}, "seed must be at least 0"),
        ("hrnn_rating", {"ridge": 0.0}, "ridge must be above 0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(
    name: str, settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ParameterError, match=sentence):
        model_named(name)(**settings).fit(bought(random_rows(0), N_ITEMS))


@pytest.mark.parametrize("name", PLAIN)
def test_the_same_ratings_give_the_same_model(name: str) -> None:
    data = bought(random_rows(4), N_ITEMS)
    one, other = (fitted(name, data).arrays() for _ in range(2))
    assert all(np.array_equal(one[key], other[key]) for key in one)


def test_purchases_without_a_rating_change_no_bias() -> None:
    rows = random_rows(5)
    data, more = bought(rows, N_ITEMS), bought([*rows, Row(0, 3, START, 999)], N_ITEMS)
    one, other = (RatingBiases().fit(d) for d in (data, more))
    assert np.array_equal(one.parts_.item, other.parts_.item)
    assert rate(one, data, 0, 5) == rate(other, more, 0, 5)
    assert dataclasses.asdict(one) == dataclasses.asdict(other)
