"""Models of a customer's items, worked by hand and compared with their published equations."""

from __future__ import annotations

import numpy as np
import pytest
from bought import Row, bought
from histories import asked, learned, random_rows, table
from processes import needs_chosen_cores, printed_on

from recsql.errors import ParameterError
from recsql.models.ease import Ease
from recsql.models.fold_in import FoldInRecommender
from recsql.models.graph_filter import GraphFilter
from recsql.models.item_knn import ItemKNN
from recsql.models.of_items import EaseOfItems, GraphFilterOfItems, OfItemsRecommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests

MODELS = pytest.mark.parametrize("model", [Ease, GraphFilter, ItemKNN], ids=lambda m: m.name)
OF_ITEMS = pytest.mark.parametrize("model", [EaseOfItems, GraphFilterOfItems], ids=lambda m: m.name)
PLAIN = {"customer_power": 0.0, "popularity_power": 0.0}


def test_neighbours_of_all_items_add_up() -> None:
    # Customers {0, 1}, {0, 1, 2}, {2, 3}; cosine of 0 and 1 is 2/2, of 0 and 2 or 1 and 2 is 1/2,
    # of 2 and 3 is 1/sqrt(2).
    model = ItemKNN(**PLAIN).fit(learned([[0, 1], [0, 1, 2], [2, 3]], 5))
    found = model.recommend(asked([[0, 2], [3]], 5), 4)
    assert found.item.tolist() == [[1, 3, 0, 2], [2, -1, -1, -1]]
    assert found.score[0] == pytest.approx([1.5, np.sqrt(0.5), 0.5, 0.5])


def test_shrinkage_trusts_few_common_customers_less() -> None:
    rows = [[0, 1], [0, 1, 2], [2, 3]]
    model = ItemKNN(**PLAIN, shrinkage=1.0).fit(learned(rows, 4))
    # two customers bought 0 and 1: 1 * 2/3; one bought 0 and 2: 1/2 * 1/2
    assert model.recommend(asked([[0]], 4), 2).score[0] == pytest.approx([2 / 3, 1 / 4])


def test_ease_is_its_published_equation() -> None:
    rows, n = random_rows(0, 60, 12), 12
    known = table(rows, n)
    product = known.T @ known
    ridge = 0.7 * np.diag(product)[np.diag(product) > 0].mean()
    inverse = np.linalg.inv(product + ridge * np.eye(n))
    weight = -inverse / np.diag(inverse)
    np.fill_diagonal(weight, 0.0)
    model = Ease(ridge=0.7, ridge_power=0.0, **PLAIN).fit(learned(rows, n))
    assert model.table_ == pytest.approx(weight, abs=1e-5)
    found = model.recommend(asked(rows, n), n)
    expected = np.sort(known @ weight, axis=1)[:, ::-1]
    assert found.score == pytest.approx(expected, abs=1e-5)


def test_a_ridge_that_grows_with_popularity_is_what_dropping_items_does() -> None:
    rows, n = random_rows(1, 60, 9), 9
    known = table(rows, n)
    product = known.T @ known
    # Steck 2020: items dropped with probability p add p / (1 - p) times the diagonal; p = 1/3.
    inverse = np.linalg.inv(product + 0.5 * np.diag(np.diag(product)))
    weight = -inverse / np.diag(inverse)
    np.fill_diagonal(weight, 0.0)
    model = Ease(ridge=0.5, ridge_power=1.0, **PLAIN).fit(learned(rows, n))
    assert model.table_ == pytest.approx(weight, abs=1e-5)


def test_ease_weighs_customers_and_popularity() -> None:
    rows, n = random_rows(2, 60, 9), 9
    known = table(rows, n)
    share = known / known.sum(axis=1, keepdims=True) ** 0.25
    product = share.T @ share
    own = np.diag(product)
    inverse = np.linalg.inv(product + np.diag(4.0 * np.sqrt(own * own.mean())))
    weight = -inverse / np.diag(inverse) * known.sum(axis=0) ** -0.2
    np.fill_diagonal(weight, 0.0)
    assert Ease().fit(learned(rows, n)).table_ == pytest.approx(weight, abs=1e-5)


def test_ease_refuses_a_catalogue_that_would_not_fit() -> None:
    with pytest.raises(ParameterError, match=r"at most 8 items, got 9: it would take 0\.0 GB"):
        Ease(max_items=8).fit(learned([[0, 1]], 9))


def test_the_graph_filter_is_its_published_equation() -> None:
    rows, n = random_rows(3, 80, 24), 24
    known = table(rows, n)
    buyers = np.maximum(known.sum(axis=0), 1)
    smooth = known / np.sqrt(known.sum(axis=1, keepdims=True)) / np.sqrt(buyers)
    direction = np.linalg.svd(smooth)[2][:6]
    ideal = direction.T @ direction * np.sqrt(buyers) / np.sqrt(buyers)[:, None]
    linear = smooth.T @ smooth
    np.fill_diagonal(linear, 0.0)  # an item is no neighbour of itself
    model = GraphFilter(
        neighbours=24, customer_power=0.5, popularity_power=0.0, low_pass=0.3, n_rounds=80
    ).fit(learned(rows, n))
    found = model._scores(asked(rows, n))
    # A quarter of the items: 6 directions. A customer's own entries are 1, without a root: the
    # linear filter starts from the table as it is, the ideal one from 1 / sqrt(buyers).
    bought = known.sum(axis=0) > 0
    assert found[:, bought] == pytest.approx((known @ (linear + 0.3 * ideal))[:, bought], abs=1e-3)


def test_a_sharpened_graph_filter_counts_the_smoothest_directions_least() -> None:
    rows, n = random_rows(3, 80, 24), 24
    known = table(rows, n)
    bought = known.sum(axis=0) > 0
    buyers = np.maximum(known.sum(axis=0), 1)
    smooth = known / np.sqrt(known.sum(axis=1, keepdims=True)) / np.sqrt(buyers)
    _, root, direction = np.linalg.svd(smooth)
    share = 0.3 * (1 - 0.8 * root[:6] ** 2)
    ideal = (direction[:6].T * share) @ direction[:6] * np.sqrt(buyers) / np.sqrt(buyers)[:, None]
    common = known.T @ known
    linear = smooth.T @ smooth * common / (common + 2.0)
    np.fill_diagonal(linear, 0.0)
    model = GraphFilter(
        neighbours=24, customer_power=0.5, popularity_power=0.0, shrinkage=2.0,
        low_pass=0.3, sharpening=0.8, n_rounds=80,
    ).fit(learned(rows, n))  # fmt: skip
    found = model._scores(asked(rows, n))
    assert found[:, bought] == pytest.approx((known @ (linear + ideal))[:, bought], abs=1e-3)
    again = GraphFilter(**model.params()).restore(model.arrays(), n)
    assert np.array_equal(again._scores(asked(rows, n)), found)


def test_the_unit_of_the_linear_filter_does_not_depend_on_the_power() -> None:
    # All customers have two items: any power gives the same weights.
    rows = [[0, 1], [1, 2], [0, 2], [2, 3], [3, 4], [4, 5], [5, 6], [6, 7]]
    one, other = (
        GraphFilter(customer_power=power).fit(learned(rows, 8)).lists_ for power in (0.0, 0.5)
    )
    assert one.weight == pytest.approx(other.weight, rel=1e-5)


@MODELS
def test_who_bought_nothing_known_gets_what_most_customers_bought(
    model: type[FoldInRecommender],
) -> None:
    rows = [[0, 1], [1, 2], [1, 2], [3]]
    found = model().fit(learned(rows, 6)).recommend(asked([[], [5]], 6), 6)
    # customers: 1, 3, 2, 1; nobody bought 4 and 5
    assert found.item.tolist() == [[1, 2, 0, 3, -1, -1]] * 2
    assert found.score[0].tolist() == [3, 2, 1, 1, 0, 0]


def of_one_basket_each(rows: list[list[int]], n_items: int) -> Purchases:
    """Give customers with one basket, in the history and as events."""
    return bought([Row(u, code, u, u) for u, row in enumerate(rows) for code in row], n_items)


@OF_ITEMS
def test_the_list_of_an_item_leaves_it_out_and_that_of_an_unsold_one_is_empty(
    model: type[OfItemsRecommender],
) -> None:
    rows = [[0, 1], [0, 1], [2, 3], [2, 3], [1, 2]]
    fitted = model().fit(of_one_basket_each(rows, 5))
    found = fitted.recommend(Requests.of_items(np.array([0, 4])), 3)
    assert found.item[0, 0] == 1
    assert 0 not in found.item[0]
    assert found.item[1].tolist() == [-1, -1, -1]
    only = np.array([False, False, True, True, True])
    assert fitted.recommend(Requests.of_items(np.array([1])), 1, only).item.tolist() == [[2]]


@OF_ITEMS
def test_the_list_of_an_item_is_that_of_someone_who_bought_nothing_else(
    model: type[OfItemsRecommender],
) -> None:
    n_items = 12
    purchases = of_one_basket_each(random_rows(7, 60, n_items), n_items)
    of_items, of_customers = model(), model.__mro__[2]
    assert issubclass(of_customers, FoldInRecommender)
    shared = {name: of_items.params()[name] for name in of_customers().params()}
    for_items = of_items.fit(purchases).recommend(Requests.of_items(np.arange(n_items)), 4)
    for_customers = (
        of_customers(**shared)
        .fit(purchases)
        .recommend(asked([[code] for code in range(n_items)], n_items, exclude_bought=True), 4)
    )
    scored = for_items.item >= 0
    assert scored.any(axis=1).all()
    assert np.array_equal(for_items.item[scored], for_customers.item[scored])
    assert np.array_equal(for_items.score[scored], for_customers.score[scored])
    assert (for_items.score[scored] > 0).all()


@OF_ITEMS
def test_too_many_items_are_refused_with_what_to_use_instead(
    model: type[OfItemsRecommender],
) -> None:
    with pytest.raises(ParameterError, match=r"at most 3 items, got 4.*user_copurchase"):
        model(max_items=3).fit(of_one_basket_each([[0, 1], [2, 3]], 4))


@MODELS
def test_a_customer_of_very_many_items_counts_with_the_newest_only(
    model: type[FoldInRecommender],
) -> None:
    rows = random_rows(4, 20, 8)
    long = [[5, 4, 3, 2, 1, 0]]
    capped = model().fit(learned([*rows, *long], 8, cap=6))
    short = model().fit(learned([*[row[-2:] for row in rows], [1, 0]], 8, cap=2))
    both = model().fit(learned([*rows, *long], 8, cap=2))
    for name, array in short.arrays().items():
        assert np.array_equal(array, both.arrays()[name])
    assert any(not np.array_equal(a, both.arrays()[n]) for n, a in capped.arrays().items())


@MODELS
def test_a_purchase_made_twice_counts_once(model: type[FoldInRecommender]) -> None:
    rows = random_rows(5, 20, 8)
    once, twice = (model().fit(learned(of, 8)) for of in (rows, [row + row[:1] for row in rows]))
    for name, array in once.arrays().items():
        assert np.array_equal(array, twice.arrays()[name])


@needs_chosen_cores
def test_factors_and_tables_have_the_same_bits_at_one_and_two_threads() -> None:
    code = """
from histories import digest
from test_fold_in import Ease, GraphFilter, ItemKNN, asked, learned, random_rows
rows = random_rows(0, 1500, 700)
for model in (Ease(), GraphFilter(n_factors=150, sharpening=1.0), ItemKNN()):
    model.fit(learned(rows, 700))
    print(digest(model, model.recommend(asked(rows, 700), 10)))
"""
    alone, together = (printed_on(n_cores, code) for n_cores in (1, 2))
    assert len(alone) == 3
    assert alone == together


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Ease(ridge=0.0), "ridge must be above 0, got 0.0"),
        (Ease(ridge=float("nan")), "ridge must be above 0"),
        (Ease(ridge_power=1.5), "ridge_power must be from 0 to 1, got 1.5"),
        (Ease(max_items=0), "max_items must be at least 1, got 0"),
        (Ease(customer_power=-0.1), "customer_power must be from 0 to 1, got -0.1"),
        (ItemKNN(weighting="cosin"), "Did you mean 'cosine'"),
        (ItemKNN(neighbours=0), "neighbours must be at least 1, got 0"),
        (ItemKNN(popularity_power=0.6), "popularity_power must be from -0.5 to 0.5, got 0.6"),
        (ItemKNN(shrinkage=-1.0), "shrinkage must be at least 0, got -1.0"),
        (GraphFilter(neighbours=0), "neighbours must be at least 1, got 0"),
        (GraphFilter(n_factors=0), "n_factors must be at least 1, got 0"),
        (GraphFilter(n_rounds=0), "n_rounds must be at least 1, got 0"),
        (GraphFilter(low_pass=float("nan")), "low_pass must be at least 0, got nan"),
        (GraphFilter(shrinkage=-0.5), "shrinkage must be at least 0, got -0.5"),
        (GraphFilter(sharpening=1.5), "sharpening must be from 0 to 1, got 1.5"),
        (GraphFilter(sharpening=float("nan")), "sharpening must be from 0 to 1, got nan"),
        (GraphFilter(seed=-1), "seed must be at least 0, got -1"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(model: FoldInRecommender, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        model.fit(learned([[0, 1]], 3))
