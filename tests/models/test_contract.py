"""What every model of the catalogue must do; new models are found by themselves."""

from __future__ import annotations

import dataclasses
import functools
import json
import re

import numpy as np
import pytest

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events, Feedback, pointers
from recsql.data.features import Features
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.errors import NotTrainedError, ParameterError, UnknownNameError
from recsql.models.base import Recommender
from recsql.models.catalogue import catalogue as all_models
from recsql.models.catalogue import model_named as any_model
from recsql.models.catalogue import models_for
from recsql.models.copurchase import PairChange
from recsql.models.imported import Imported
from recsql.models.network import Network
from recsql.models.popularity import Popularity
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.networks.brought import read_brought
from recsql.tasks import TASKS

N_ITEMS = 12
TODAY = 400


def purchases(seed: int = 0, n_baskets: int = 60) -> Purchases:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, n_baskets)
    baskets = [np.sort(rng.choice(N_ITEMS, size, replace=False)) for size in sizes]
    basket_ptr = np.cumsum([0, *map(len, baskets)]).astype(np.int64)
    buyer_ptr = np.arange(0, n_baskets + 1, 2, dtype=np.int64)
    is_user = np.arange(len(buyer_ptr) - 1) % 5 != 0
    item = np.concatenate(baskets).astype(np.int32)
    days = np.sort(rng.integers(TODAY - 100, TODAY + 1, len(item))).astype(np.int64)
    times = (TODAY - 100 + np.arange(n_baskets, dtype=np.int64)) * MICROSECONDS_PER_DAY
    history = History(N_ITEMS, is_user, buyer_ptr, basket_ptr, item, times)
    sold = ItemDays(item, days, np.ones(len(item), dtype=np.int64))
    events = events_of(history)
    users, items = features(events.n_users, 3), features(N_ITEMS, 2)
    return Purchases(history, sold, TODAY, 1000, events, users, items)


def features(n_rows: int, width: int) -> Features:
    """Give every row one value of each of two attributes, and every fourth row none."""
    code = np.arange(n_rows)
    table = np.stack([code % width, width + code * 7 % 5], axis=1)
    kept = code % 4 != 3
    names = tuple(("one", str(value)) for value in range(width))
    names += tuple(("two", str(value)) for value in range(5))
    return Features(pointers(2 * kept), table[kept].ravel().astype(np.int32), names)


def events_of(history: History) -> Events:
    """Give the events of the customers of a history: one a basket and item."""
    buyer = np.repeat(np.arange(history.n_buyers), np.diff(history.buyer_ptr))
    in_buyer = np.arange(history.n_baskets) - history.buyer_ptr[:-1][buyer]
    basket = np.repeat(np.arange(history.n_baskets), np.diff(history.basket_ptr))
    kept = history.is_user[buyer[basket]]
    user = (np.cumsum(history.is_user) - 1)[buyer[basket]][kept]
    number = in_buyer[basket][kept].astype(np.int32)
    return Events(
        history.n_items,
        pointers(np.bincount(user, minlength=int(history.is_user.sum()))),
        history.basket_item[kept],
        history.basket_time[basket][kept],
        number,
        number,
        np.ones(len(user), dtype=np.float32),
        feedback_of(user, history.basket_item[kept]),
    )


def feedback_of(user: np.ndarray, item: np.ndarray) -> Feedback:
    """Give three of four events a rating from 1 to 5, by tastes of customers and items."""
    rating = 1.0 + (user * item + item) % 5
    rating[(user + item) % 4 == 0] = np.nan
    kind = np.zeros(len(user), dtype=np.int16)
    return Feedback(rating.astype(np.float32), kind, ("purchase",))


def asked(model: Recommender) -> Requests:
    """Ask about every item, or for every customer of the purchases."""
    if not model.needs_events:
        return Requests.of_items(QUERIES)
    learned = purchases()
    events = learned.events
    assert events is not None
    users = np.arange(events.n_users)
    return Requests.of_customers(users, events, features=learned.user_features)


def catalogue() -> dict[str, type[Recommender]]:
    return {name: cls for name, cls in all_models().items() if issubclass(cls, Recommender)}


def model_named(name: str) -> type[Recommender]:
    found = any_model(name)
    assert issubclass(found, Recommender)
    return found


def made(name: str) -> Recommender:
    """Give a model with its defaults; a network that goes over everything three times."""
    cls = model_named(name)
    if cls is Imported:
        return imported()
    return cls(n_epochs=3) if issubclass(cls, Network) else cls()


def imported() -> Imported:
    """Give a network that learned elsewhere: it scores the items by a sum of rows of a table."""
    pytest.importorskip("onnx")
    from brought import signature_of, table_of, whole_scores

    ids = [str(code) for code in range(N_ITEMS)]
    content = whole_scores(table_of(N_ITEMS, N_ITEMS))
    network = read_brought(content, json.dumps(signature_of(content, ids)))
    model = Imported(network.name, network.version)
    model.source = lambda: (network, ids)
    return model


@functools.cache
def fitted(name: str) -> Recommender:
    """Give a model that has learned; every test asks the same one."""
    return made(name).fit(purchases())


def assert_alike(found: np.ndarray, expected: np.ndarray, name: str) -> None:
    """Compare scores: those of a network round anew with the number of rows asked together."""
    if issubclass(model_named(name), Network):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    else:
        assert np.array_equal(found, expected)


MODELS = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in sorted(catalogue())],
)
QUERIES = np.arange(N_ITEMS, dtype=np.int32)
ASKED = Requests.of_items(QUERIES)


def test_every_task_has_a_model() -> None:
    assert all(models_for(task) for task in TASKS)


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'popularity'"):
        model_named("popularty")


@MODELS
def test_settings_are_the_fields_and_have_defaults(name: str) -> None:
    model = model_named(name)()
    assert set(model.params()) == {field.name for field in dataclasses.fields(model)}  # type: ignore[arg-type]
    assert model_named(name)(**model.params()) == model


@MODELS
def test_lists_hold_k_different_items_without_the_item_asked_about(name: str) -> None:
    model = fitted(name)
    requests = asked(model)
    found = model.recommend(requests, 4)
    assert found.item.shape == found.score.shape == found.support.shape == (len(requests), 4)
    for query, row in zip(requests.item, found.item, strict=True):
        real = row[row >= 0]
        assert query not in real
        assert len(set(real.tolist())) == len(real)


@MODELS
def test_scores_fall_and_ties_go_to_the_smaller_item(name: str) -> None:
    model = fitted(name)
    found = model.recommend(asked(model), N_ITEMS)
    for item, score in zip(found.item, found.score, strict=True):
        n = int((item >= 0).sum())
        order = sorted(range(n), key=lambda place: (-score[place], item[place]))
        assert order == list(range(n))


@MODELS
def test_only_candidates_are_recommended_and_k_of_them_whenever_there_are_k(name: str) -> None:
    model = fitted(name)
    everything = model.recommend(asked(model), N_ITEMS).item
    candidates = QUERIES % 3 == 0
    found = model.recommend(asked(model), 3, candidates).item
    for row, full in zip(found, everything, strict=True):
        wanted = [code for code in full.tolist() if code >= 0 and candidates[code]][:3]
        assert [code for code in row.tolist() if code >= 0] == wanted


@MODELS
def test_the_same_purchases_give_the_same_lists(name: str) -> None:
    first, second = (
        model.recommend(asked(model), 5) for model in (fitted(name), made(name).fit(purchases()))
    )
    assert np.array_equal(first.item, second.item)
    assert np.array_equal(first.score, second.score)


@MODELS
def test_a_longer_list_begins_with_the_shorter_one(name: str) -> None:
    model = fitted(name)
    longer, shorter = (model.recommend(asked(model), k).item for k in (5, 2))
    assert np.array_equal(longer[:, :2], shorter)


CUSTOMER_MODELS = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xdist_group(name))
        for name, model in sorted(catalogue().items())
        if model.needs_events
    ],
)


@CUSTOMER_MODELS
def test_what_a_customer_bought_is_left_out_where_asked(name: str) -> None:
    model = fitted(name)
    requests = dataclasses.replace(asked(model), exclude_bought=True)
    assert requests.events is not None
    ptr, bought = requests.events.distinct_items()
    for row, found in enumerate(model.recommend(requests, N_ITEMS).item):
        assert not set(found[found >= 0].tolist()) & set(bought[ptr[row] : ptr[row + 1]].tolist())


@CUSTOMER_MODELS
def test_a_model_of_customers_is_not_asked_without_them(name: str) -> None:
    with pytest.raises(
        ParameterError, match=rf"{re.escape(name)} must be asked for customers, got none"
    ):
        fitted(name).recommend(ASKED, 3)
    data = dataclasses.replace(purchases(), events=None)
    with pytest.raises(
        ParameterError, match=rf"{re.escape(name)} must have purchases of known customers"
    ):
        model_named(name)().fit(data)


@CUSTOMER_MODELS
def test_customers_are_answered_alike_alone_or_together(name: str) -> None:
    model = fitted(name)
    together = model.recommend(asked(model), 5)
    for row in range(len(asked(model))):
        alone = model.recommend(asked(model).part(row, row + 1), 5)
        assert np.array_equal(alone.item[0], together.item[row])
        assert_alike(alone.score[0], together.score[row], name)


@CUSTOMER_MODELS
def test_what_was_learned_comes_back_from_its_arrays(name: str) -> None:
    model = fitted(name)
    restored = made(name).restore(model.arrays(), N_ITEMS, model.files("codes"), "codes")
    expected, found = model.recommend(asked(model), 5), restored.recommend(asked(model), 5)
    assert np.array_equal(found.item, expected.item)
    assert np.array_equal(found.score, expected.score)


@CUSTOMER_MODELS
def test_a_customer_without_purchases_or_with_one_is_answered(name: str) -> None:
    model = fitted(name)
    events = purchases().events
    assert events is not None
    nothing = events.select(np.zeros(len(events.item), dtype=bool)).of_users(np.array([0]))
    one = events.select(np.arange(len(events.item)) == 0).of_users(np.array([0]))
    for known in (nothing, one):
        found = model.recommend(Requests.of_customers(np.array([-1]), known), 5)
        assert np.isfinite(found.score).all()


@MODELS
def test_an_unfitted_model_and_a_k_of_zero_are_refused(name: str) -> None:
    model = model_named(name)()
    with pytest.raises(NotTrainedError, match=rf"{re.escape(name)} must be fitted first"):
        model.recommend(ASKED, 3)
    with pytest.raises(ParameterError, match="k must be at least 1, got 0"):
        fitted(name).recommend(ASKED, 0)


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("basket_copurchase", {"weighting": "cosin"}, "Did you mean 'cosine'"),
        ("user_copurchase", {"min_support": 0}, "min_support must be at least 1"),
        ("popularity", {"days": 0}, "days must be at least 1"),
        ("popularity", {"half_life_days": 0.0}, "half_life_days must be above 0"),
        ("ema_trend", {"half_life_days": float("nan")}, "half_life_days must be > 0"),
        ("ema_trend", {"window_days": 3}, "window_days must be at least 15"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(
    name: str, settings: dict[str, object], sentence: str
) -> None:
    model: Recommender = model_named(name)(**settings)
    with pytest.raises(ParameterError, match=sentence):
        model.fit(purchases())


def test_a_model_that_needs_real_time_says_so() -> None:
    data = purchases()
    undated = Purchases(data.history, data.item_days, None, 1000)
    with pytest.raises(ParameterError, match="ema_trend must have dates or timestamps"):
        model_named("ema_trend")().fit(undated)


@pytest.mark.parametrize("weighting", ["cosine", "jaccard", "confidence", "lift", "count"])
def test_kept_pairs_answer_like_groups_counted_again(weighting: str) -> None:
    cls = model_named("basket_copurchase")
    direct = cls(weighting=weighting, min_support=1).fit(purchases())
    keeping = cls(weighting=weighting, min_support=1)
    keeping.keep_pair_bytes = 10**9
    keeping.fit(purchases())
    restored = cls(weighting=weighting, min_support=1).restore(keeping.arrays(), N_ITEMS)
    expected = direct.recommend(ASKED, 6)
    for model in (keeping, restored):
        found = model.recommend(ASKED, 6)
        assert np.array_equal(found.item, expected.item)
        assert np.array_equal(found.score, expected.score)
        assert np.array_equal(found.support, expected.support)


@pytest.mark.parametrize("name", ["basket_copurchase", "user_copurchase"])
@pytest.mark.parametrize("half_life_days", [None, 20.0])
def test_changed_pairs_equal_pairs_counted_from_scratch(
    name: str, half_life_days: float | None
) -> None:
    whole = purchases()
    settings = {"min_support": 1, "half_life_days": half_life_days, "weighting": "lift"}
    first = np.arange(whole.history.n_buyers) < 15
    gone = np.arange(whole.history.n_buyers) < 5
    model = model_named(name)(**settings)
    model.keep_pair_bytes = 10**9
    model.fit(whole.of_buyers(first))
    same_codes = np.arange(N_ITEMS, dtype=np.int32)
    came, went = whole.of_buyers(~first), whole.of_buyers(gone)
    change = PairChange.of_arrays(model.change_of(came, went, same_codes).arrays())
    model.change(change, whole.today)
    expected = model_named(name)(**settings).fit(whole.of_buyers(~gone)).recommend(ASKED, 8)
    found = model.recommend(ASKED, 8)
    assert np.array_equal(found.item, expected.item)
    assert np.array_equal(found.score, expected.score)
    assert np.array_equal(found.support, expected.support)


def test_popularity_counts_the_last_days_only() -> None:
    item = np.array([0, 1], dtype=np.int32)
    days = ItemDays(item, np.array([TODAY - 30, TODAY - 29]), np.array([9, 1]))
    data = purchases()
    model = Popularity(days=30).fit(Purchases(data.history, days, TODAY, 1000))
    # day TODAY - 29 is the first of the last 30 days; the 9 sales of item 0 are a day too old
    assert model.recommend(Requests.of_items(np.array([-1])), 2).item.tolist() == [[1, -1]]


def test_popularity_counts_half_for_each_half_life() -> None:
    item = np.array([0, 1, 1, 2], dtype=np.int32)
    days = ItemDays(item, TODAY - np.array([20, 0, 10, -1]), np.array([12, 1, 2, 50]))
    data = Purchases(purchases().history, days, TODAY, 1000)
    model = Popularity(days=None, half_life_days=10).fit(data)
    found = model.recommend(Requests.of_items(np.array([-1])), 3)
    # item 0: 12 / 4; item 1: 1 + 2 / 2; item 2 was sold tomorrow only
    assert found.item.tolist() == [[0, 1, -1]]
    assert found.score[0, :2].tolist() == [3.0, 2.0]
    assert days.decayed(3, TODAY, 10).tolist() == [3.0, 2.0, 0.0]
    near = Popularity(days=15, half_life_days=10).fit(data)
    assert near.recommend(Requests.of_items(np.array([-1])), 3).item.tolist() == [[1, -1, -1]]
