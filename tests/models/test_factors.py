"""Models of factors: their published objective, folding in, and bits alike at 1 and 2 threads."""

from __future__ import annotations

import numpy as np
import pytest
from histories import asked, learned, random_rows, table
from naive_factors import slow_least_squares, slow_logistic
from processes import needs_chosen_cores, printed_on

from recsql.errors import ParameterError
from recsql.models.fold_in import FoldInRecommender
from recsql.models.ials import IALS
from recsql.models.logistic_mf import LogisticMF

MODELS = pytest.mark.parametrize("model", [IALS, LogisticMF], ids=lambda m: m.name)


def compressed(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return ptr, np.array([code for row in rows for code in sorted(row)], dtype=np.int32)


def test_folding_in_what_was_learned_from_gives_the_factor_that_training_gave() -> None:
    rows, n = random_rows(0, 80, 15), 15
    model = IALS(n_factors=4, n_rounds=400, unobserved=1.0, ridge=0.05).fit(learned(rows, n))
    customers = model.fold_in(*compressed(rows))
    # After many rounds neither side moves: the items solve their equations for these customers.
    sold = table(rows, n).sum(axis=0)
    pair = sold.sum() / (len(rows) * n)  # all pairs together weigh as much as the purchases
    ridge = 0.05 / 2 * (sold + pair * len(rows))
    buyers = [[u for u, row in enumerate(rows) if code in row] for code in range(n)]
    others = customers.astype(np.float64).T @ customers
    for code in range(n):
        bought = customers[buyers[code]].astype(np.float64)
        left = bought.T @ bought + pair * others + ridge[code] * np.eye(4)
        expected = np.linalg.solve(left, bought.sum(axis=0))
        assert model.item_vectors[code] == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_a_round_is_the_published_alternation(power: float) -> None:
    rows, n = random_rows(1, 60, 12), 12
    one = IALS(n_factors=5, n_rounds=6, ridge=0.1, frequency_power=power, unobserved=2.0)
    model = one.fit(learned(rows, n))
    known = table(rows, n)
    rng = np.random.default_rng(0)
    items = rng.standard_normal((n, 5), dtype=np.float32) * np.float32(0.1 / np.sqrt(5))
    left = items.astype(np.float64)
    for _ in range(6):
        customers = alternated(known, left, power)
        left = alternated(known.T, customers, power)
    expected = alternated(known, left, power) @ left.T
    bought = known.sum(axis=0) > 0
    found = model._scores(asked(rows, n))
    assert found[:, bought] == pytest.approx(expected[:, bought], abs=2e-3)


def alternated(known: np.ndarray, factors: np.ndarray, power: float) -> np.ndarray:
    """Solve one side by its dense equations: all pairs weigh 2 times the purchases, ridge .1."""
    others = known.any(axis=0).sum()
    mean = known.sum() / known.any(axis=1).sum()
    pairs = 2.0 * mean  # of one customer, or item
    found = []
    for row in known:
        own = 0.1 * mean * ((row.sum() + pairs) / (mean + pairs)) ** power
        weights = factors.T * (row + pairs / others)
        left = weights @ factors + own * np.eye(len(factors.T))
        found.append(np.linalg.solve(left, factors.T @ row))
    return np.array(found)


def test_a_customer_is_the_dense_solution_for_the_factors_of_items() -> None:
    rows, n = random_rows(2, 60, 12), 12
    model = IALS(n_factors=6).fit(learned(rows, n))
    sizes = np.array([len(row) for row in rows])
    mean = sizes.mean()
    ridge = (0.04 * mean * (sizes + 10 * mean) / (11 * mean)).astype(np.float32)
    sold = np.sum(table(rows, n).sum(axis=0) > 0)
    penalty = model.spectrum_ * np.float32(10 * mean / sold)
    expected = slow_least_squares(model.item_vectors, rows, penalty, ridge)
    assert model.fold_in(*compressed(rows)) == pytest.approx(expected, abs=2e-3)


def test_a_customer_is_the_minimum_of_the_logistic_loss() -> None:
    rows, n = random_rows(3, 60, 12), 12
    model = LogisticMF(n_factors=6, ridge=0.05).fit(learned(rows, n))
    found = model.fold_in(*compressed(rows))
    assert model.rows_.sample.tolist() == list(range(n))  # few items: all stand for themselves
    factors, bias = model.item_vectors[:, :-1], model.item_vectors[:, -1]
    for row, factor in zip(rows, found, strict=True):
        chosen = [*sorted(row), *range(n)]
        label = np.array([1.0] * len(row) + [0.0] * n)
        weight = np.where(label > 0, 1.0, model.negatives * len(row) / n)
        ridge = 0.05 * (1 + model.negatives) * len(row)
        expected = slow_logistic(factors[chosen], bias[chosen], label, weight, ridge)
        assert factor[:-1] == pytest.approx(expected, abs=2e-3)
        assert factor[-1] == 1.0  # the bias of the item is added as it is


@MODELS
def test_scores_are_products_with_the_vectors_of_items(
    model: type[IALS] | type[LogisticMF],
) -> None:
    rows, n = random_rows(4, 60, 12), 12
    fitted = model().fit(learned(rows, n))
    expected = fitted.fold_in(*compressed(rows)) @ fitted.item_vectors.T
    bought = table(rows, n).sum(axis=0) > 0
    assert fitted.item_vectors.dtype == np.float32
    assert fitted._scores(asked(rows, n))[:, bought] == pytest.approx(expected[:, bought], abs=1e-4)


@MODELS
def test_two_groups_of_customers_are_told_apart(model: type[FoldInRecommender]) -> None:
    rows = [[code for code in range(4) if code != out] for out in range(4)] * 30
    rows += [[code + 4 for code in row] for row in rows]
    fitted = model(n_factors=2).fit(learned(rows, 8))  # type: ignore[call-arg]
    found = fitted.recommend(asked([[0], [5, 6]], 8, exclude_bought=True), 3)
    assert set(found.item[0].tolist()) == {1, 2, 3}
    assert set(found.item[1, :2].tolist()) == {4, 7}


@MODELS
def test_who_bought_nothing_known_gets_what_most_customers_bought(
    model: type[FoldInRecommender],
) -> None:
    rows = [[0, 1], [1, 2], [1, 2], [3]]
    found = model().fit(learned(rows, 6)).recommend(asked([[], [5]], 6), 6)
    assert found.item.tolist() == [[1, 2, 0, 3, -1, -1]] * 2  # customers: 1, 3, 2, 1; 0 of 4 and 5


@MODELS
def test_a_customer_gets_the_same_bits_alone_and_among_others(
    model: type[FoldInRecommender],
) -> None:
    rows = random_rows(5, 50, 30)
    fitted = model().fit(learned(rows, 30))
    together = fitted._scores(asked(rows, 30))
    for place, row in enumerate(rows):
        assert np.array_equal(fitted._scores(asked([row], 30))[0], together[place])


@needs_chosen_cores
def test_factors_have_the_same_bits_at_one_and_two_threads() -> None:
    code = """
from histories import digest, asked, learned, random_rows
from recsql.models.ials import IALS
from recsql.models.logistic_mf import LogisticMF
rows = random_rows(0, 1500, 300)
for model in (IALS(n_factors=40, n_rounds=3), LogisticMF(n_factors=20, n_rounds=3)):
    model.fit(learned(rows, 300))
    print(digest(model, model.recommend(asked(rows, 300), 10)))
"""
    alone, together = (printed_on(n_cores, code) for n_cores in (1, 2))
    assert len(alone) == 2
    assert alone == together


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (IALS(n_factors=0), "n_factors must be at least 1, got 0"),
        (IALS(n_rounds=0), "n_rounds must be at least 1, got 0"),
        (IALS(unobserved=0.0), "unobserved must be above 0, got 0.0"),
        (IALS(ridge=float("nan")), "ridge must be above 0, got nan"),
        (IALS(frequency_power=1.5), "frequency_power must be from 0 to 1, got 1.5"),
        (IALS(seed=-1), "seed must be at least 0, got -1"),
        (LogisticMF(n_factors=0), "n_factors must be at least 1, got 0"),
        (LogisticMF(negatives=0), "negatives must be at least 1, got 0"),
        (LogisticMF(ridge=0.0), "ridge must be above 0, got 0.0"),
        (LogisticMF(rate=0.0), "rate must be above 0, got 0.0"),
        (LogisticMF(n_sampled=0), "n_sampled must be at least 1, got 0"),
        (LogisticMF(seed=-1), "seed must be at least 0, got -1"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(model: FoldInRecommender, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        model.fit(learned([[0, 1]], 3))
