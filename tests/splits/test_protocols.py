"""Each task under each protocol: what is learned from, what is asked, what has to be found."""

from __future__ import annotations

import dataclasses

import duckdb
import numpy as np
import pytest
import shop
from bought import HOUR, Row, bought, features, random_rows
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events
from recsql.data.features import Features
from recsql.data.snapshot import read_snapshot
from recsql.database import Session
from recsql.models.base import Model, Recommender
from recsql.models.catalogue import baselines_for, models_for
from recsql.models.network import Network
from recsql.models.purchases import Purchases
from recsql.models.repeat import RepeatModel
from recsql.selection.answers import make_purchases
from recsql.splits.protocols import split
from recsql.splits.ratings import RatingQueries
from recsql.splits.repeats import RepeatQueries
from recsql.splits.split import PROTOCOLS, Queries, Split
from recsql.tasks import TASKS

DAY = MICROSECONDS_PER_DAY
START = 19_000 * DAY
N_ITEMS = 10
PAPER_TASKS = tuple(task for task in TASKS if task not in ("popular", "trending"))
EVERY_TASK = pytest.mark.parametrize("task", TASKS)
# A model of ratings may be asked about any item.
EVERY_TASK_OF_SALES = pytest.mark.parametrize("task", [task for task in TASKS if task != "rating"])
SEEDS = st.integers(0, 10_000)


def with_features(purchases: Purchases) -> Purchases:
    assert purchases.events is not None
    return dataclasses.replace(
        purchases,
        user_features=features(purchases.events.n_users, 3),
        item_features=features(purchases.n_items, 2),
    )


def without(features: Features, row: int) -> Features:
    """Give the same features with none of a row."""
    first, end = features.ptr[row : row + 2]
    ptr = features.ptr.copy()
    ptr[row + 1 :] -= end - first
    return Features(ptr, np.delete(features.feature, np.s_[first:end]), features.names)


def events_of(part: Split) -> Events:
    assert part.train.events is not None
    return part.train.events


def lists(part: Split) -> Queries:
    assert isinstance(part.queries, Queries)
    return part.queries


def truth(queries: Queries, row: int) -> set[int]:
    return set(queries.truth[queries.truth_ptr[row] : queries.truth_ptr[row + 1]].tolist())


def of_user(events: Events, user: int) -> list[int]:
    return events.item[events.user_ptr[user] : events.user_ptr[user + 1]].tolist()


def told(part: Split) -> list[object]:
    """Give everything that makes a split, in a form that can be compared."""
    train, queries = part.train, part.queries
    history, days = train.history, train.item_days
    arrays = [history.basket_item, history.basket_time, history.buyer_ptr, days.item, days.day]
    arrays += [days.transactions, *queries.rows()]
    if train.events is not None:
        arrays += [train.events.user_ptr, train.events.item, train.events.time]
    if isinstance(queries, Queries):
        arrays += [queries.requests.item, queries.requests.user, queries.truth_ptr]
    elif isinstance(queries, RatingQueries):
        arrays += [queries.requests.item, queries.requests.user, queries.rating]
    else:
        assert isinstance(queries, RepeatQueries)
        arrays += [queries.user, queries.day]
    return [part.protocol, part.cut, train.today, *(array.tolist() for array in arrays)]


def test_purchases_put_together_by_hand_are_those_that_sql_reads(
    shop_con: duckdb.DuckDBPyConnection,
) -> None:
    session = Session(shop_con.cursor())
    found = make_purchases(session, read_snapshot(session, with_events=True))
    rows = [
        Row(user, int(sku[1:]), int(np.datetime64(at.replace(" ", "T"), "us").astype(int)), basket)
        for user, sku, at, invoice, _, _ in shop.rows()
        for basket in [int(invoice[1:])]
    ]
    expected = bought(rows, found.n_items)
    assert found.events is not None
    assert expected.events is not None
    assert found.today == expected.today
    pairs = [
        (found.history, expected.history),
        (found.item_days, expected.item_days),
        (found.events, expected.events),
    ]
    for one, other in pairs:
        for field in dataclasses.fields(other):
            values = getattr(one, field.name), getattr(other, field.name)
            assert field.name == "session" or np.array_equal(*values), field.name


@pytest.mark.parametrize("protocol", PROTOCOLS)
@EVERY_TASK
def test_the_same_seed_gives_the_same_split(task: str, protocol: str) -> None:
    purchases = bought(random_rows(0), N_ITEMS)
    once, again = (split(task, purchases, 3, protocol) for _ in range(2))
    assert [told(part) for part in once] == [told(part) for part in again]
    assert bool(once) == (protocol == "time" or task in PAPER_TASKS)
    assert all(part.protocol == protocol and len(part.queries) for part in once)


@pytest.mark.parametrize(
    ("task", "protocol"),
    [
        ("related", "time"),
        ("bundle", "time"),
        ("related", "paper"),
        ("bundle", "paper"),
        ("next", "paper"),
        ("first", "paper"),
    ],
)
def test_another_seed_gives_another_split_where_chance_plays_a_part(
    task: str, protocol: str
) -> None:
    purchases = bought(random_rows(0), N_ITEMS)
    one, other = (split(task, purchases, seed, protocol) for seed in (3, 4))
    assert told(one[0]) != told(other[0])


@pytest.mark.parametrize("task", ["popular", "trending"])
def test_without_time_there_is_nothing_to_ask_of_days(task: str) -> None:
    rows = [row._replace(time=0) for row in random_rows(0)]
    assert split(task, bought(rows, N_ITEMS, timed=False), 0) == []
    assert split(task, bought(random_rows(0), N_ITEMS), 0, "paper") == []


@EVERY_TASK
@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_nothing_at_or_after_the_cut_is_learned_from(task: str, seed: int) -> None:
    purchases = with_features(bought(random_rows(seed, nobody=0.2), N_ITEMS))
    for part in split(task, purchases, seed, "time"):
        assert part.cut is not None
        assert part.train.history.basket_end is not None
        assert (part.train.history.basket_end < part.cut).all()
        assert (part.train.item_days.day * DAY < part.cut).all()
        assert part.train.today is not None
        assert (part.train.today + 1) * DAY <= part.cut
        assert part.train.events is None or (part.train.events.time < part.cut).all()
        queries = part.queries
        if isinstance(queries, RepeatQueries):
            assert queries.on_time == part.cut - 1
            assert (queries.events.time < part.cut).all()
            assert (queries.day * DAY >= part.cut).all()
        elif isinstance(queries, RatingQueries):
            known, moment = queries.requests.events, queries.requests.time
            assert known is not None
            assert moment is not None
            assert (moment >= part.cut).all()
            assert (known.time < moment[known.user]).all()
        elif isinstance(queries, Queries) and queries.requests.events is not None:
            assert (queries.requests.events.time < part.cut).all()
            moment = queries.requests.time
            assert moment is None or (moment >= part.cut).all()


@EVERY_TASK
@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_what_must_be_found_was_bought_by_its_owner_at_or_after_the_cut(
    task: str, seed: int
) -> None:
    rows = random_rows(seed, nobody=0.2)
    users = sorted({row.user for row in rows if row.user is not None})
    for part in split(task, bought(rows, N_ITEMS), seed, "time"):
        assert part.cut is not None
        query, item, _, owner = part.queries.rows()
        later = {(row.user, row.item) for row in rows if row.time >= part.cut}
        anyone = {item for _, item in later}
        assert len(query) >= len(part.queries) > 0
        for code, place in zip(item.tolist(), owner.tolist(), strict=True):
            # Sessions follow the customers; purchases of nobody have no owner.
            if 0 <= place < len(users):
                assert (users[place], code) in later
            assert code in anyone


def rows_with_a_novelty(seed: int) -> tuple[list[Row], int]:
    """Give rows in which one item is bought in the last four days only, by several customers."""
    rows = random_rows(seed, items=N_ITEMS - 1, nobody=0.1)
    rng = np.random.default_rng(seed)
    novelty = int(rng.integers(N_ITEMS))
    rows = [row._replace(item=row.item + (row.item >= novelty)) for row in rows]
    last = max(row.time for row in rows)
    for basket in range(1_000, 1_008):
        user, at = int(rng.integers(15)), last + int(rng.integers(96)) * HOUR
        with_it = [novelty, *(int(rng.integers(N_ITEMS)) for _ in range(2))]
        rows += [Row(user, item, at, basket) for item in dict.fromkeys(with_it)]
    return rows, novelty


def competing(task: str) -> list[Model]:
    return [
        *(cls() for cls in baselines_for(task)),
        *(quick(model) for cls in models_for(task) for model in cls.variants(real_time=True)),
    ]


def quick(model: Model) -> Model:
    """Let a network learn for two rounds: what it may find does not depend on how many."""
    return dataclasses.replace(model, n_epochs=2) if isinstance(model, Network) else model


@EVERY_TASK_OF_SALES
@given(SEEDS)
@settings(max_examples=6, deadline=None)
def test_an_item_of_the_future_is_never_found(task: str, seed: int) -> None:
    rows, novelty = rows_with_a_novelty(seed)
    first_seen = min(row.time for row in rows if row.item == novelty)
    purchases = with_features(bought(rows, N_ITEMS))
    assert purchases.item_features is not None
    # A network that reads attributes of items may give one that is in the catalogue and not sold.
    known = dataclasses.replace(purchases, item_features=without(purchases.item_features, novelty))
    parts = split(task, known, seed, "time")
    for part in parts[:1]:
        assert part.cut is not None
        assert first_seen >= part.cut
        for model in competing(task):
            model.fit(part.train)
            if isinstance(model, RepeatModel):
                assert isinstance(part.queries, RepeatQueries)
                found = model.predict(part.queries.events, part.queries.on_time).item
            else:
                assert isinstance(model, Recommender)
                found = model.recommend(lists(part).requests, N_ITEMS).item
            # Of late nobody may have bought anything first.
            assert (found >= 0).any() or getattr(model, "days", None), model
            assert novelty not in found, model
    assert parts


def hidden_events(part: Split, whole: Purchases) -> list[tuple[int, int]]:
    """Give (customer, item) of the events that are not learned from, each as often as it is."""
    assert whole.events is not None
    left = list(zip(whole.events.user.tolist(), whole.events.item.tolist(), strict=True))
    for pair in zip(events_of(part).user.tolist(), events_of(part).item.tolist(), strict=True):
        left.remove(pair)
    return left


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_paper_related_hides_customers_but_none_with_one_purchase(seed: int) -> None:
    rows = [*random_rows(seed, nobody=0.2), Row(900, 0, START, 900), Row(901, 1, START, 901)]
    whole = bought(rows, N_ITEMS)
    found = split("related", whole, seed, "paper")
    assume(found)  # by chance nobody is hidden
    (part,) = found
    users = sorted({row.user for row in rows if row.user is not None})
    items = [sorted({row.item for row in rows if row.user == user}) for user in users]
    queries, history = lists(part), part.train.history
    asked = queries.owner
    assert asked is not None
    hidden = set(asked.tolist())
    assert not hidden & {users.index(900), users.index(901)}
    learned = whole.history.select(
        np.array([not (u < len(users) and u in hidden) for u in range(whole.history.n_buyers)])
    )
    # Of those hidden who bought but one item nothing is asked, and nothing learned either.
    assert history.n_buyers <= learned.n_buyers
    assert int((~history.is_user).sum()) == int((~whole.history.is_user).sum())
    for row, place in enumerate(asked.tolist()):
        assert {int(queries.requests.item[row])} | truth(queries, row) == set(items[place])
    assert part.train.item_days.transactions.sum() == len(history.basket_item)
    assert part.cut is None


@pytest.mark.parametrize("seed", range(3))
def test_paper_hides_thirty_percent_of_customers_or_baskets(seed: int) -> None:
    whole = bought(random_rows(seed, baskets=400, users=150), N_ITEMS)
    several = int((whole.history.buyer_sizes >= 2).sum())
    related, bundle = (split(task, whole, seed, "paper")[0] for task in ("related", "bundle"))
    hidden = whole.history.n_buyers - related.train.history.n_buyers
    assert hidden / several == pytest.approx(0.3, abs=0.12)  # three times its spread
    hidden = whole.history.n_baskets - bundle.train.history.n_baskets
    assert hidden / whole.history.n_baskets == pytest.approx(0.3, abs=0.08)
    assert bundle.train.history.n_buyers == whole.history.n_buyers


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_paper_bundle_learns_from_no_basket_that_it_asks_about(seed: int) -> None:
    rows = random_rows(seed, nobody=0.2, users=30)
    whole = bought(rows, N_ITEMS)
    found = split("bundle", whole, seed, "paper")
    assume(found)
    (part,) = found
    sizes = np.diff(whole.history.buyer_ptr)
    one_purchase = whole.history.buyer_sizes == 1
    assert (np.diff(part.train.history.buyer_ptr)[one_purchase] == sizes[one_purchase]).all()
    queries = lists(part)
    n_asked = sum(len(truth(queries, row)) + 1 for row in range(len(queries)))
    n_learned = len(part.train.history.basket_item)
    n_alone = len(whole.history.basket_item) - n_learned - n_asked  # hidden baskets of one item
    assert n_alone >= 0
    assert n_alone <= int((np.diff(whole.history.basket_ptr) == 1).sum())
    assert part.train.item_days.transactions.sum() == n_learned
    assert part.train.events is None


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_paper_next_hides_the_last_basket_of_customers_not_learned_from(seed: int) -> None:
    rows = random_rows(seed, nobody=0.2)
    whole = bought(rows, N_ITEMS)
    users = sorted({row.user for row in rows if row.user is not None})
    for part in split("next", whole, seed, "paper"):
        queries = lists(part)
        assert (queries.requests.user == -1).all()
        assert queries.owner is not None
        assert queries.requests.events is not None
        learned = {tuple(of_user(events_of(part), n)) for n in range(events_of(part).n_users)}
        assert whole.events is not None
        for row, place in enumerate(queries.owner.tolist()):
            if place < len(users):
                own = [r for r in rows if r.user == users[place]]
            else:
                visits = sorted(
                    {r.session for r in rows if r.user is None and r.session is not None}
                )
                own = [
                    r for r in rows if r.user is None and r.session == visits[place - len(users)]
                ]
            own = sorted(own, key=lambda r: (r.time, r.basket, r.item))
            order = list(dict.fromkeys(r.basket for r in own))
            assert len(order) > 1
            known = {r.item for r in own if r.basket != order[-1]}
            last = {r.item for r in own if r.basket == order[-1]}
            left_out = known if queries.requests.exclude_bought else set()
            assert truth(queries, row) == last - left_out
            assert set(of_user(queries.requests.events, row)) == known
            assert tuple(of_user(whole.events, place)) not in learned or len(own) < 4
        assert len(part.train.item_days.item) == 0
        assert part.train.history.n_baskets == 0
        assert part.train.today is None


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_paper_for_you_hides_the_last_fifth_of_each_customer_at_least_one(seed: int) -> None:
    whole = bought(random_rows(seed, nobody=0.2), N_ITEMS)
    (part,) = split("for_you", whole, seed, "paper")
    assert whole.events is not None
    left = hidden_events(part, whole)
    for user in range(whole.events.n_users):
        own, learned = of_user(whole.events, user), of_user(events_of(part), user)
        n_hidden = max(1, len(own) // 5) if len(own) > 1 else 0
        assert learned == own[: len(own) - n_hidden]
        assert [pair for pair in left if pair[0] == user] == [
            (user, item) for item in own[len(own) - n_hidden :]
        ]
    queries = lists(part)
    assert queries.requests.exclude_bought
    for row, user in enumerate(queries.requests.user.tolist()):
        fresh = {item for owner, item in left if owner == user}
        assert truth(queries, row) == fresh - set(of_user(events_of(part), user))


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_paper_first_learns_first_baskets_of_others(seed: int) -> None:
    rows = random_rows(seed, nobody=0.2)
    whole = with_features(bought(rows, N_ITEMS))
    users = sorted({row.user for row in rows if row.user is not None})
    for protocol in PROTOCOLS:
        for part in split("first", whole, seed, protocol):
            queries = lists(part)
            assert queries.owner is not None
            assert queries.requests.events is not None
            assert len(queries.requests.events.item) == 0
            assert (queries.requests.user == -1).all()
            for row, place in enumerate(queries.owner.tolist()):
                own = [r for r in rows if r.user == users[place]]
                begun = min((r.time, r.basket) for r in own)[1]
                assert truth(queries, row) == {r.item for r in own if r.basket == begun}
                assert of_user(events_of(part), place) == []
            kept = [r for r in range(len(users)) if of_user(events_of(part), r)]
            for place in kept:
                own = [r for r in rows if r.user == users[place]]
                begun = min((r.time, r.basket) for r in own)[1]
                first = {r.item for r in own if r.basket == begun}
                assert set(of_user(events_of(part), place)) <= first
            asked_at = queries.requests.time
            assert asked_at is not None
            assert asked_at.tolist() == [
                min(r.time for r in rows if r.user == users[place])
                for place in queries.owner.tolist()
            ]
            features_asked = queries.requests.features
            assert features_asked is not None
            assert features_asked.n_rows == len(queries)


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_paper_repeat_hides_the_last_of_several_days_of_a_pair(seed: int) -> None:
    rows = random_rows(seed, users=4)
    whole = bought(rows, N_ITEMS)
    for part in split("repeat", whole, seed, "paper"):
        queries = part.queries
        assert isinstance(queries, RepeatQueries)
        asked = zip(queries.user.tolist(), queries.item.tolist(), queries.day.tolist(), strict=True)
        for user, item, day in asked:
            days = sorted({r.time // DAY for r in rows if (r.user, r.item) == (user, item)})
            assert len(days) > 1
            assert day == days[-1]
            own = queries.events.of_users(np.array([user]))
            known = own.time[own.item == item] // DAY
            assert sorted(set(known.tolist())) == days[:-1]


@EVERY_TASK
@pytest.mark.parametrize("protocol", [*PROTOCOLS, None])
@pytest.mark.parametrize("case", ["equal", "single", "no time", "nobody", "sessions", "alone"])
def test_poor_data_is_split_without_an_error(case: str, protocol: str | None, task: str) -> None:
    rows = random_rows(0)
    if case == "equal":
        rows = [row._replace(time=START) for row in rows]
    if case == "single":
        rows = [Row(n, n % N_ITEMS, START + n * HOUR, n) for n in range(40)]
    if case == "no time":
        rows = [row._replace(time=0) for row in rows]
    if case == "nobody":
        rows = [row._replace(user=None) for row in rows]
    if case == "sessions":
        rows = [row._replace(user=None, session=row.basket // 3) for row in rows]
    if case == "alone":
        rows = rows[:1]
    purchases = bought(rows, N_ITEMS, timed=case != "no time")
    for part in split(task, purchases, 0, protocol):
        assert len(part.queries) > 0
        assert protocol in (None, part.protocol)
        assert part.protocol == "paper" or case not in ("equal", "no time")
        if isinstance(part.queries, Queries):
            assert (np.diff(part.queries.truth_ptr) > 0).all()


def test_without_a_protocol_time_is_taken_where_there_is_one() -> None:
    rows = random_rows(0)
    at_once = bought([row._replace(time=START) for row in rows], N_ITEMS)
    for task in PAPER_TASKS:
        assert split(task, bought(rows, N_ITEMS), 0)[0].protocol == "time"
        assert [p.protocol for p in split(task, at_once, 0)] == ["paper"] * (task != "repeat")


@EVERY_TASK
@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(SEEDS, st.sampled_from([0.1, 0.5, 0.9]))
@settings(max_examples=10, deadline=None)
def test_customers_of_a_sample_keep_their_own_events(
    protocol: str, task: str, seed: int, share: float
) -> None:
    whole = with_features(bought(random_rows(seed, nobody=0.2), N_ITEMS))
    for part in split(task, whole, seed, protocol)[:1]:
        small = part.sample(share, 5, seed)
        assert len(small.queries) <= 5
        learned = small.train.events
        assert small.train.n_items == N_ITEMS
        if isinstance(small.queries, RepeatQueries):
            assert small.queries.events.n_users == events_of(small).n_users
            assert (small.queries.user < events_of(small).n_users).all()
            assert (small.queries.user >= 0).all()
        elif small.queries.requests.events is not None and task in ("next", "for_you"):
            assert learned is not None
            for row, user in enumerate(small.queries.requests.user.tolist()):
                if user >= 0:  # who is learned from is known by the same purchases
                    known = of_user(small.queries.requests.events, row)
                    assert of_user(learned, user) == known
        users = small.train.user_features
        if learned is not None and users is not None and task != "bundle":
            assert users.n_rows == learned.n_users


def test_a_sample_maps_a_customer_to_who_they_are_in_it() -> None:
    # Customer n bought item n twice, then something else: nobody else's events look alike.
    rows = [
        Row(user, item, START + DAY * (user + 50 * day), 3 * user + day)
        for user in range(30)
        for day, item in enumerate((user, user, 30 + user % 3))
    ]
    (part,) = split("for_you", bought(rows, 33), 0, "paper")
    small = part.sample(0.5, 30, 1)
    asked, learned = lists(small), events_of(small)
    assert asked.owner is not None
    assert 0 < int((asked.requests.user >= 0).sum()) < 30
    for user, owner in zip(asked.requests.user.tolist(), asked.owner.tolist(), strict=True):
        assert user == -1 or of_user(learned, user) == [owner, owner]


def test_a_basket_that_lasts_beyond_the_cut_is_not_asked_for_as_a_first_one() -> None:
    # Customers 0 to 9 begin one a day. The cut is the beginning of customer 8; the first basket of
    # customer 7 began a day before it and went on for two.
    rows = [Row(user, user, START + user * DAY, user) for user in range(10)]
    rows.append(Row(7, 9, START + 9 * DAY, 7))
    (part,) = split("first", bought(rows, N_ITEMS), 0, "time")
    assert part.cut == START + 8 * DAY
    assert lists(part).owner is not None
    assert lists(part).owner.tolist() == [8, 9]  # type: ignore[union-attr]
    assert of_user(events_of(part), 7) == [7]


def test_where_nothing_sells_above_its_norm_nothing_trends() -> None:
    # One item, ten a day, but only one a day in the last two weeks.
    sales = [(day, 10) for day in range(100)] + [(day, 1) for day in range(100, 114)]
    rows = [
        Row(0, 0, START + day * DAY + n, 1_000 * day + n)
        for day, count in sales
        for n in range(count)
    ]
    for part in split("trending", bought(rows, 1), 0):
        assert (np.diff(lists(part).truth_ptr) > 0).all()
    newest = START + 100 * DAY
    assert newest not in [part.cut for part in split("trending", bought(rows, 1), 0)]


def test_repeats_are_not_asked_for_where_none_can_be_learned() -> None:
    # Everyone buys the item twice, the second time in the last quarter: no interval ends before.
    rows = [Row(user, 0, START + user * DAY, user) for user in range(10)]
    rows += [Row(user, 0, START + (90 + user) * DAY, 10 + user) for user in range(10)]
    assert split("repeat", bought(rows, N_ITEMS), 0) == []


def test_purchases_without_a_time_do_not_move_the_cut_of_repeats() -> None:
    rows = [
        Row(user, 0, START + (10 * n + user) * DAY, 10 * user + n)
        for user in range(9)
        for n in range(10)
    ]
    (dated,) = split("repeat", bought(rows, N_ITEMS), 0, "time")
    (both,) = split("repeat", bought([*rows, Row(0, 1, 0, 999)], N_ITEMS), 0, "time")
    assert dated.cut == both.cut


@pytest.mark.parametrize("task", ["related", "bundle"])
def test_a_basket_that_is_not_over_at_the_cut_is_neither_learned_from_nor_asked_about(
    task: str,
) -> None:
    # Ten baskets, one a day; the cut is the beginning of basket 8. Basket 7 began a day before it,
    # and item 9 was put into it a day after: a model that learned from it would know the future.
    rows = [Row(n % 2, item, START + n * DAY, n) for n in range(10) for item in (n % 3, 3 + n % 2)]
    rows.append(Row(1, 9, START + 9 * DAY, 7))
    (part,) = split(task, bought(rows, N_ITEMS), 0, "time")
    assert part.cut == START + 8 * DAY
    assert part.train.history.n_baskets == 7
    assert 9 not in part.train.history.basket_item
    assert 9 not in lists(part).truth


def test_paper_for_you_hides_by_chance_what_has_no_order() -> None:
    rows = [Row(user, item, 0, user) for user in range(200) for item in range(10)]
    found = []
    for seed in (0, 0, 1):
        (part,) = split("for_you", bought(rows, 10, timed=False), seed, "paper")
        queries = lists(part)
        assert np.diff(queries.truth_ptr).tolist() == [2] * 200
        found.append(queries.truth)
    counts = np.bincount(found[0], minlength=10)
    assert counts.min() > 20  # 40 of each item on average
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
