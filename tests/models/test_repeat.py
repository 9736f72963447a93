"""What every model of repeat purchases must do; new ones are found by themselves."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events, pointers
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.errors import NotTrainedError, ParameterError
from recsql.models.catalogue import catalogue
from recsql.models.interval_weights import logistic_weights, median_weights, strength
from recsql.models.purchases import Purchases
from recsql.models.recurrence import Recurrence
from recsql.models.repeat import RepeatModel, Repeats

N_ITEMS = 8
TODAY = 400


def repeat_catalogue() -> dict[str, type[RepeatModel]]:
    return {name: cls for name, cls in catalogue().items() if issubclass(cls, RepeatModel)}


MODELS = pytest.mark.parametrize("name", sorted(repeat_catalogue()))


def events_of(customers: list[list[tuple[int, int]]]) -> Events:
    """Give events of (day, item) for each customer."""
    rows = [purchase for customer in customers for purchase in sorted(customer)]
    day, item = (np.array(part, dtype=np.int64) for part in zip(*rows, strict=True))
    none = np.zeros(len(rows), dtype=np.int32)
    ptr = pointers(np.array([len(customer) for customer in customers]))
    strength_of = np.ones(len(rows), dtype=np.float32)
    return Events(
        N_ITEMS, ptr, item.astype(np.int32), day * MICROSECONDS_PER_DAY, none, none, strength_of
    )


def shop(seed: int = 0, n_customers: int = 150) -> Events:
    """Give customers with a rhythm: item i comes back after about 7 (i + 1) days."""
    rng = np.random.default_rng(seed)
    customers = []
    for _ in range(n_customers):
        purchases = [(int(rng.integers(1, TODAY)), int(rng.integers(N_ITEMS)))]
        for item in rng.choice(N_ITEMS, 3, replace=False):
            day = int(rng.integers(1, 200))
            while day <= TODAY:
                purchases.append((day, int(item)))
                day += 1 + int(rng.gamma(8.0, 7.0 * (item + 1) / 8.0))
        customers.append(purchases)
    return events_of(customers)


def purchases(events: Events, today: int | None = TODAY) -> Purchases:
    none, start = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    few = none.astype(np.int32)
    history = History(N_ITEMS, none.astype(bool), start, start, few, none)
    return Purchases(history, ItemDays(few, none, none), today, 1000, events)


def fitted(name: str, events: Events | None = None) -> RepeatModel:
    return repeat_catalogue()[name]().fit(purchases(shop() if events is None else events))


def same(one: Repeats, other: Repeats) -> bool:
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in vars(one))


NOW = TODAY * MICROSECONDS_PER_DAY


def test_models_of_repeats_are_found_and_are_no_recommenders() -> None:
    assert "recurrence" in repeat_catalogue()


@MODELS
def test_answers_are_in_range_and_in_order(name: str) -> None:
    found = fitted(name).predict(shop(), NOW)
    assert (found.low <= found.high).all()
    assert (found.due >= TODAY).all()
    assert ((found.probability >= 0) & (found.probability <= 1)).all()
    assert np.isfinite(found.interval).all()
    assert (found.times_bought >= 1).all()
    assert found.last_bought.max() <= TODAY


@MODELS
def test_customers_are_answered_alike_alone_or_together(name: str) -> None:
    model, events = fitted(name), shop()
    together = model.predict(events, NOW)
    for user in range(0, events.n_users, 10):
        alone = model.predict(events.of_users(np.array([user])), NOW)
        rows = slice(together.ptr[user], together.ptr[user + 1])
        for part in ("item", "due", "low", "high", "probability", "times_bought"):
            assert np.array_equal(getattr(alone, part), getattr(together, part)[rows])


@MODELS
def test_one_or_two_threads_do_not_change_a_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for cores in ({0}, {0, 1}):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: cores, raising=False)
        model = fitted(name)
        found.append((model.arrays(), model.predict(shop(), NOW)))
    (one, answer), (two, other) = found
    assert all(np.array_equal(one[part], two[part]) for part in one)
    assert same(answer, other)


@MODELS
def test_what_was_learned_comes_back_from_its_arrays(name: str) -> None:
    model = fitted(name)
    restored = repeat_catalogue()[name]().restore(model.arrays(), N_ITEMS)
    assert same(model.predict(shop(), NOW), restored.predict(shop(), NOW))


@MODELS
def test_a_new_customer_is_answered_from_what_they_bought(name: str) -> None:
    new = events_of([[(300, 2), (320, 2), (340, 2), (350, 5)]])
    found = fitted(name).predict(new, 345 * MICROSECONDS_PER_DAY)
    assert found.item.tolist() == [2]  # item 5 is bought later
    assert (found.times_bought.tolist(), found.last_bought.tolist()) == ([3], [340])
    assert 345 <= found.due[0] < 400


@MODELS
def test_customers_without_purchases_have_no_rows(name: str) -> None:
    events = shop()
    nothing = events.select(np.zeros(len(events.item), dtype=bool))
    found = fitted(name).predict(nothing, NOW)
    assert (len(found), len(found.ptr)) == (0, events.n_users + 1)
    assert (found.best(3) == -1).all()


@MODELS
@pytest.mark.parametrize("day", [0, TODAY])
def test_a_shop_where_all_is_bought_at_one_time_has_no_intervals(name: str, day: int) -> None:
    events = events_of([[(day, item), (day, item), (day, 1)] for item in range(N_ITEMS)])
    assert len(fitted(name, events).predict(events, NOW)) == 0


@MODELS
def test_customers_with_one_purchase_each_have_no_intervals(name: str) -> None:
    events = events_of([[(user, user % N_ITEMS)] for user in range(20)])
    model = fitted(name, events)
    restored = repeat_catalogue()[name]().restore(model.arrays(), N_ITEMS)
    assert len(model.predict(events)) == len(restored.predict(events)) == 0


@MODELS
def test_purchases_without_a_time_change_nothing(name: str) -> None:
    rng = np.random.default_rng(3)
    whole = shop(2)
    taken_out = rng.random(len(whole.item)) < 0.2
    with_gaps = dataclasses.replace(whole, time=np.where(taken_out, 0, whole.time))
    order = np.lexsort((with_gaps.time, whole.user))  # those without a time come first
    with_gaps = dataclasses.replace(
        with_gaps, time=with_gaps.time[order], item=with_gaps.item[order]
    )
    without = whole.select(~taken_out)
    quantity = rng.random(len(order))
    kept = quantity[with_gaps.time != 0]
    cls = repeat_catalogue()[name]
    found = cls().fit(purchases(with_gaps)).predict(with_gaps, quantity=quantity)
    expected = cls().fit(purchases(without)).predict(without, quantity=kept)
    for field in dataclasses.fields(Repeats):
        assert np.array_equal(getattr(found, field.name), getattr(expected, field.name))


@MODELS
def test_one_repeat_is_enough_to_answer(name: str) -> None:
    events = events_of([[(10, 1), (17, 1)], [(12, 1)], [(390, 3)]])
    found = fitted(name, events).predict(events)
    assert found.interval == pytest.approx([7.0, 7.0, 7.0], rel=1e-6)


@MODELS
def test_a_model_is_refused_what_it_needs(name: str) -> None:
    model = repeat_catalogue()[name]()
    with pytest.raises(NotTrainedError, match=f"{name} must be fitted first"):
        model.predict(shop())
    with pytest.raises(ParameterError, match=f"{name} must have dates or timestamps"):
        model.fit(purchases(shop(), today=None))
    nobody = shop().of_users(np.empty(0, dtype=np.int64))
    with pytest.raises(ParameterError, match=f"{name} must have purchases of known customers"):
        model.fit(purchases(nobody))


@MODELS
def test_items_that_training_did_not_know_are_refused(name: str) -> None:
    model, more = fitted(name), dataclasses.replace(shop(), n_items=N_ITEMS + 1)
    with pytest.raises(ParameterError, match="must have the 8 items of training, got 9"):
        model.predict(more)


def test_settings_are_given_by_name_and_compete_only_on_real_time() -> None:
    (only,) = Recurrence.variants(real_time=True)
    assert only.params() == {"horizon_days": 30, "inside": 0.8, "most_kinds": 9}
    assert Recurrence.variants(real_time=False) == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"horizon_days": 0}, "horizon_days must be at least 1"),
        ({"inside": 1.0}, "inside must be above 0 and below 1"),
        ({"inside": float("nan")}, "inside must be above 0 and below 1"),
        ({"most_kinds": 0}, "most_kinds must be at least 1"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        Recurrence(**settings).fit(purchases(shop()))  # type: ignore[arg-type]


def test_the_rhythm_of_items_is_found() -> None:
    found = fitted("recurrence").predict(shop(1))
    median = [np.median(found.interval[found.item == item]) for item in (1, 4, 7)]
    # planted: 14, 35 and 56 days, of a gamma of shape 8, whose median is 4% below its mean
    assert median[0] < median[1] < median[2]
    assert median == pytest.approx([14, 35, 56], rel=0.35)


def test_the_longer_one_has_waited_the_later_it_is_due() -> None:
    model, events = fitted("recurrence"), events_of([[(300, 2), (320, 2), (340, 2)]])
    due = [model.predict(events, day * MICROSECONDS_PER_DAY).due[0] for day in range(340, 600, 20)]
    assert (np.diff(due) > 0).all()


def test_quantities_of_the_days_on_which_it_was_bought_are_averaged() -> None:
    events = events_of([[(300, 2), (320, 2), (320, 2), (330, 5)]])
    found = fitted("recurrence").predict(events, quantity=np.array([4.0, 1.0, 5.0, 2.0]))
    assert found.quantity.tolist() == [5.0, 2.0]  # (4 + 1 + 5) / 2 days


def repeats() -> Repeats:
    return Repeats(
        np.array([0, 3, 4]),
        np.array([1, 4, 6, 2], dtype=np.int32),
        np.array([12.0, 10.0, 11.0, 11.0]),
        np.zeros(4),
        np.full(4, 20.0),
        np.array([0.5, 0.5, 0.9, 0.7]),
        np.zeros(4, dtype=np.int64),
        np.ones(4, dtype=np.int32),
        np.ones(4),
    )


def test_the_best_are_the_likeliest_and_of_equals_the_soonest() -> None:
    assert repeats().best(2).tolist() == [[2, 1], [3, -1]]


def test_what_is_due_between_two_days_comes_soonest_first() -> None:
    assert repeats().due_between(10.0, 12.0).tolist() == [1, 2, 3]


@pytest.mark.parametrize("within", [0.25, 1.0, 16.0])
def test_a_group_is_drawn_by_the_variance_within_over_that_between(within: float) -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(1, 40, 60_000).astype(np.float64)
    level = rng.normal(size=len(n))  # variance 1 between groups
    others = level + rng.normal(size=len(n)) * np.sqrt(within / n)
    value = level + rng.normal(size=len(n)) * np.sqrt(within)
    assert within / 2 <= strength(value, others, n) <= within * 2


def test_the_median_is_found_and_no_weight_is_below_zero() -> None:
    rng = np.random.default_rng(1)
    clues = rng.normal(size=(500, 2))
    wanted = 3.0 + 0.5 * clues[:, 0] - 2.0 * clues[:, 1] + np.where(rng.random(500) < 0.1, 50, 0)
    found = median_weights(np.column_stack([clues[:, 0], -clues[:, 1]]), wanted)
    assert found == pytest.approx([3.0, 0.5, 2.0], abs=0.02)
    assert median_weights(clues, wanted)[2] == 0.0


def test_the_chance_of_what_has_no_signs_is_its_share() -> None:
    signs = np.column_stack([np.ones(100), np.zeros(100)])
    found = logistic_weights(signs, np.arange(100) < 20)
    assert 1 / (1 + np.exp(-found[0])) == pytest.approx(0.2, abs=0.01)
