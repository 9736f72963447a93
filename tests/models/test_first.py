"""Recommendations for customers without purchases, from what is known about them."""

from __future__ import annotations

import builtins
import dataclasses
import importlib.util
from typing import Any

import numpy as np
import pytest

from recsql.data.events import Events, pointers
from recsql.data.features import Features
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.errors import MissingExtraError, ParameterError
from recsql.models.base import Recommender
from recsql.models.catalogue import model_named
from recsql.models.hnsw_customers import HnswCustomers
from recsql.models.lightfm import LightFM, item_matrix, user_matrix
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.models.segment_popularity import SegmentPopularity, count_segments, segment_gains

N_ITEMS = 30
NAMES = (("country", "fr"), ("country", "uk"), ("size", "big"), ("size", "small"), ("odd", "1"))

FIRST = pytest.mark.parametrize("name", ["hnsw_customers", "segment_popularity", "lightfm"])
LEARNS = pytest.mark.skipif(
    importlib.util.find_spec("lightfm") is None, reason="needs duckdb-recsql[train]"
)


def shop(n_users: int = 400, seed: int = 0) -> Purchases:
    """The French buy even items, the British odd ones; size says nothing; some tell nothing."""
    rng = np.random.default_rng(seed)
    country = rng.integers(0, 2, n_users)
    table = np.stack([country, 2 + rng.integers(0, 2, n_users)], axis=1)
    table[n_users // 2 :: 10] = -1
    kept = table >= 0
    features = Features(pointers(kept.sum(axis=1)), table[kept].astype(np.int32), NAMES)
    item = 2 * rng.geometric(0.2, (n_users, 3)).clip(1, N_ITEMS // 2) - 2 + country[:, None]
    item[:, 1:][rng.random((n_users, 2)) < 0.2] = 0
    basket = np.tile(np.array([0, 0, 1], dtype=np.int32), n_users)
    events = Events(
        N_ITEMS,
        np.arange(0, 3 * n_users + 1, 3),
        np.sort(item, axis=1).ravel().astype(np.int32),
        np.tile(np.array([0, 0, 1], dtype=np.int64), n_users),
        basket,
        basket,
        np.ones(3 * n_users, dtype=np.float32),
    )
    start, none = np.arange(n_users + 1), np.empty(0, dtype=np.int64)
    history = History(
        N_ITEMS, np.ones(n_users, dtype=bool), start, start, events.item[::3], start[:-1]
    )
    return Purchases(
        history, ItemDays(none, none, none), None, 100, events, features, item_features()
    )


def item_features() -> Features:
    code = (np.arange(N_ITEMS) % 5).astype(np.int32)
    names = tuple(("shelf", str(number)) for number in range(5))
    return Features(np.arange(N_ITEMS + 1), code, names)


def asking(*rows: list[int]) -> Requests:
    """Ask for new customers with these features."""
    features = Features(
        pointers(np.array([len(row) for row in rows])),
        np.array([code for row in rows for code in row], dtype=np.int32),
        NAMES,
    )
    data = shop().events
    assert data is not None
    nothing = data.select(np.zeros(len(data.item), dtype=bool)).of_users(np.arange(len(rows)))
    return Requests.of_customers(np.full(len(rows), -1), nothing, features=features)


@FIRST
@LEARNS
def test_each_country_gets_what_its_customers_buy_first(name: str) -> None:
    model: Recommender = model_named(name)()
    found = model.fit(shop()).recommend(asking([0], [1], [0, 3], [1, 2]), 3).item
    assert (found[[0, 2]] % 2 == 0).all()
    british = found[[1, 3]]
    assert ((british % 2 == 1) | (british == 0)).all()  # item 0 is everybody's


@FIRST
@LEARNS
def test_who_tells_nothing_or_nothing_known_is_answered(name: str) -> None:
    model: Recommender = model_named(name)()
    model.fit(shop())
    unknown, none = model.recommend(asking([4]), 5), model.recommend(asking([]), 5)
    without = model.recommend(dataclasses.replace(asking([]), features=None), 5)
    assert (unknown.item >= 0).all()
    assert np.array_equal(none.item, without.item)
    assert np.array_equal(none.score, without.score)


@pytest.mark.parametrize("name", ["hnsw_customers", "segment_popularity"])
def test_without_attributes_all_get_what_most_customers_bought_first(name: str) -> None:
    data = shop()
    assert data.events is not None
    first = data.events.first_baskets()
    buyers = np.bincount(first.distinct_items()[1], minlength=N_ITEMS)
    expected = np.argsort(-buyers, kind="stable")[:5]
    for blind in (data, dataclasses.replace(data, user_features=None)):
        found = model_named(name)().fit(blind).recommend(asking([]), 5)
        assert found.item[0].tolist() == expected.tolist()
        assert found.score[0] == pytest.approx(buyers[expected] / 400, rel=1e-6)


@FIRST
@LEARNS
def test_an_item_that_nobody_bought_is_never_recommended(name: str) -> None:
    data = shop()
    assert data.events is not None
    unsold = dataclasses.replace(data, events=data.events.select(data.events.item != 0))
    found = model_named(name)().fit(unsold).recommend(asking([0], []), N_ITEMS).item
    assert not (found == 0).any()


@FIRST
@LEARNS
def test_part_of_the_purchases_keeps_the_features_of_its_customers(name: str) -> None:
    data = shop()
    assert data.user_features is not None
    chosen = np.arange(400) % 3 != 0
    part = data.of_buyers(chosen)
    assert part.user_features is not None
    assert part.user_features.n_rows == chosen.sum()
    for row, user in enumerate(np.flatnonzero(chosen)):
        kept = part.user_features.of_rows(np.array([row])).feature
        assert np.array_equal(kept, data.user_features.of_rows(np.array([user])).feature)
    before = data.before(1, None)
    assert before.user_features is data.user_features
    assert before.item_features is data.item_features
    model_named(name)().fit(before).recommend(asking([0]), 3)


class TestSegments:
    def test_only_attributes_that_foretell_are_counted(self) -> None:
        model = SegmentPopularity().fit(shop())
        assert model.counts_.tolist() == [1, 1, 0, 0, 0]

    def test_gains_are_those_of_leaving_each_customer_out(self) -> None:
        data, smoothing = shop(60), 7.0
        assert data.events is not None
        assert data.user_features is not None
        first, features = data.events.first_baskets(), data.user_features
        bought = np.zeros((60, N_ITEMS))
        bought[first.user, first.item] = 1
        has = np.zeros((60, len(NAMES)))
        has[features.row, features.feature] = 1
        expected = np.zeros(3)
        for user in range(60):
            share = np.delete(bought, user, axis=0).mean(axis=0)
            for code in np.flatnonzero(has[user]):
                others = has[:, code] > 0
                others[user] = False
                inside = (bought[others].sum(axis=0) + smoothing * share) / (
                    others.sum() + smoothing
                )
                for item in np.flatnonzero(bought[user]):
                    if share[item] > 0:
                        told = np.log(inside[item] / share[item])
                        expected[features.attribute[code]] += told
                    expected[features.attribute[code]] -= np.log(inside.sum() / share.sum())
        found = segment_gains(count_segments(first, features), features, smoothing)
        assert found == pytest.approx(expected, rel=1e-9)

    def test_a_share_is_smoothed_and_weighed(self) -> None:
        # Four customers, two in each of two segments; the first two bought item 0, the others 1.
        data = shop(4)
        events = Events(
            2,
            np.arange(5),
            np.array([0, 0, 1, 1], dtype=np.int32),
            *(np.zeros(4, dtype=kind) for kind in (np.int64, np.int32, np.int32)),
            np.ones(4, dtype=np.float32),
        )
        features = Features(np.arange(5), np.array([0, 0, 1, 1], dtype=np.int32), NAMES[:2])
        learned = dataclasses.replace(
            data.only_events(events), user_features=features, item_features=None
        )
        model = SegmentPopularity(smoothing=2.0, strength=1.0).fit(learned)
        asked = dataclasses.replace(asking([0]), events=events.of_users(np.array([0])))
        found = model.recommend(asked, 2)
        # (2 + 2 * 0.5) / (2 + 2) and (0 + 2 * 0.5) / (2 + 2)
        assert found.score[0] == pytest.approx([0.75, 0.25])

    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"smoothing": 0.0}, "smoothing must be above 0"),
            ({"strength": -1.0}, "strength must be at least 0"),
        ],
    )
    def test_settings_out_of_range_are_refused(self, settings: Any, sentence: str) -> None:
        with pytest.raises(ParameterError, match=sentence):
            SegmentPopularity(**settings).fit(shop())


class TestNearest:
    @pytest.mark.skipif(importlib.util.find_spec("hnswlib") is None, reason="needs hnswlib")
    def test_an_index_answers_like_the_exact_search_and_twice_alike(self) -> None:
        data = many_profiles()
        exact = HnswCustomers(neighbours=5).fit(data)
        indexed = HnswCustomers(neighbours=5, index_from=100).fit(data)
        assert indexed._graph is not None
        again = HnswCustomers(neighbours=5, index_from=100).restore(indexed.arrays(), N_ITEMS)
        assert data.events is not None
        asked = Requests.of_customers(
            np.full(data.events.n_users, -1), data.events, features=data.user_features
        )
        expected, found, twice = (m.recommend(asked, 3) for m in (exact, indexed, again))
        assert (found.item == expected.item).mean() > 0.9
        assert np.array_equal(found.item, twice.item)
        assert np.array_equal(found.score, twice.score)

    def test_without_the_package_the_search_is_exact(self, monkeypatch: Any) -> None:
        hide(monkeypatch, "hnswlib")
        data = many_profiles()
        exact, wanted = HnswCustomers().fit(data), HnswCustomers(index_from=1).fit(data)
        asked = asking([0], [1, 3])
        assert np.array_equal(exact.recommend(asked, 5).score, wanted.recommend(asked, 5).score)

    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"neighbours": 0}, "neighbours must be at least 1"),
            ({"index_from": 0}, "index_from must be at least 1"),
            ({"sharpness": -1.0}, "sharpness must be at least 0"),
            ({"prior": 0.0}, "prior must be above 0"),
        ],
    )
    def test_settings_out_of_range_are_refused(self, settings: Any, sentence: str) -> None:
        with pytest.raises(ParameterError, match=sentence):
            HnswCustomers(**settings).fit(shop())


def many_profiles() -> Purchases:
    """Customers with three of twenty attribute values each, and purchases that follow the first."""
    data, rng = shop(), np.random.default_rng(3)
    assert data.events is not None
    code = np.sort(np.argsort(rng.random((400, 20)), axis=1)[:, :3], axis=1).astype(np.int32)
    names = tuple(("likes", str(number)) for number in range(20))
    features = Features(np.arange(0, 1201, 3), code.ravel(), names)
    return dataclasses.replace(data, user_features=features)


def hide(monkeypatch: Any, package: str) -> None:
    """Let a package be missing."""
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == package:
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)


class TestLightFM:
    def test_a_missing_package_is_said_with_the_remedy(self, monkeypatch: Any) -> None:
        hide(monkeypatch, "lightfm")
        with pytest.raises(MissingExtraError, match=r"pip install 'duckdb-recsql\[train\]'"):
            LightFM().fit(shop())

    @LEARNS
    @pytest.mark.parametrize("own", [False, True])
    def test_scores_are_those_of_the_package(self, own: bool) -> None:
        data = shop()
        assert data.events is not None
        model = LightFM(n_factors=7, n_epochs=3, own_vectors=own)
        learned = model._learned(data.events, data.user_features, data.item_features)
        model.fit(data)
        requests = asking([0], [1, 3], [], [4])
        users = user_matrix(4, requests.features, own=False)
        users.resize(4, learned.user_embeddings.shape[0])
        items = item_matrix(N_ITEMS, data.item_features, own=True)
        user, item = (place.ravel().astype(np.int32) for place in np.indices((4, N_ITEMS)))
        expected = learned.predict(user, item, item_features=items, user_features=users)
        found = model._scores(requests)
        sold = model.buyers_ > 0
        assert found[:, sold] == pytest.approx(
            expected.reshape(4, N_ITEMS)[:, sold], rel=1e-4, abs=1e-5
        )

    @LEARNS
    def test_what_was_bought_moves_a_customer_by_the_closed_form(self) -> None:
        data = shop()
        assert data.events is not None
        model = LightFM(n_factors=4, n_epochs=5, fold_in=0.5, everything=0.2, pull=3.0).fit(data)
        events = data.events.of_users(np.array([2]))
        vectors, all_items = model.item_vector_[events.distinct_items()[1]], model.item_vector_
        start = model.customer_vectors(None, 1)[0][0].astype(np.float64)
        table = vectors.T @ vectors + 0.2 * all_items.T @ all_items + 3.0 * np.eye(4)
        end = np.linalg.inv(table) @ (vectors.sum(axis=0) + 3.0 * start)
        place = start + 0.5 * (end - start)
        found = model._scores(Requests.of_customers(np.array([-1]), events))[0]
        expected = all_items @ place + model.item_bias_ + model.feature_bias_[-1]
        assert found[model.buyers_ > 0] == pytest.approx(expected[model.buyers_ > 0], abs=1e-4)

    @LEARNS
    def test_items_without_attributes_are_themselves(self) -> None:
        data = dataclasses.replace(shop(), item_features=None)
        found = LightFM(item_vectors=False).fit(data).recommend(asking([0], [1]), 4).item
        assert (found[0] % 2 == 0).all()

    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"n_factors": 0}, "n_factors must be at least 1"),
            ({"n_epochs": 0}, "n_epochs must be at least 1"),
            ({"learning_rate": 0.0}, "learning_rate must be above 0"),
            ({"pull": 0.0}, "pull must be above 0"),
            ({"penalty": -1.0}, "penalty must be at least 0"),
            ({"everything": -1.0}, "everything must be at least 0"),
            ({"fold_in": 2.0}, "fold_in must be 0 to 1"),
        ],
    )
    def test_settings_out_of_range_are_refused(self, settings: Any, sentence: str) -> None:
        with pytest.raises(ParameterError, match=sentence):
            LightFM(**settings).fit(shop())
