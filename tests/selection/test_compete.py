"""Candidates are measured in turn, within the time there is, and none of them stops the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import duckdb
import numpy as np
import pytest
import shop
from bought import bought, random_rows

import recsql
from recsql.models.base import Array, Recommender
from recsql.models.catalogue import catalogue
from recsql.models.frequency import Frequency
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests
from recsql.selection import compete as room
from recsql.selection.candidates import Candidate, candidates_for
from recsql.selection.compete import USED_UP, Arena, Clock, compete, promotable, promote, simplest
from recsql.selection.competition import NO_ATTRIBUTES, NO_FACTS
from recsql.selection.evaluated import TEST, VALIDATION
from recsql.selection.ranking import Ranking
from recsql.store.models import StoredModel

N_ITEMS = 10
NDCG = Ranking({"ndcg": 1.0}, {"ndcg": 1})
FITS: list[tuple[str, int, int]] = []  # model, skill, purchases


@dataclass
class Stub(Recommender):
    """Finds an item the more probably, the more skilled it is, and takes its time."""

    name: ClassVar[str] = "stub"
    tasks: ClassVar[tuple[str, ...]] = ("bundle",)

    skill: int = 0
    seconds: float = 0.0
    error: type[BaseException] | None = field(default=None, compare=False)

    def _fit(self, purchases: Purchases) -> None:
        FITS.append((self.name, self.skill, purchases.size))
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error("no luck") if self.error is not MemoryError else MemoryError
        self.learned_ = np.zeros(10)

    def arrays(self) -> dict[str, Array]:
        return {"learned": self.learned_}

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        """Recommend as many items as the model has skill: those with the largest codes."""
        item = np.full((len(requests), k), -1, dtype=np.int32)
        item[:, : self.skill] = np.arange(N_ITEMS)[::-1][: self.skill]
        return Recommended(item, np.zeros(item.shape), np.zeros_like(item))


@dataclass
class Other(Stub):
    name: ClassVar[str] = "other"


@dataclass
class Trivial(Stub):
    name: ClassVar[str] = "trivial"


@pytest.fixture(autouse=True)
def no_fits() -> None:
    FITS.clear()


def stubs(*models: Stub) -> list[Candidate]:
    return [Candidate("bundle", model, baseline=isinstance(model, Trivial)) for model in models]


def arena(seed: int = 0, ranking: Ranking = NDCG, baskets: int = 400) -> Arena:
    purchases = bought(random_rows(seed, baskets=baskets, users=150), N_ITEMS)
    available = np.ones(N_ITEMS, dtype=bool)
    return Arena.of("bundle", purchases, available, ranking, seed, None)


def part_of(candidate: Candidate, part: str) -> list[str]:
    return [metric.name for metric in candidate.metrics if metric.part == part]


@pytest.fixture
def rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Halve settings on 40 entries and on 160, of about 800."""
    monkeypatch.setattr(room, "RUNG_ENTRIES", 40)


@pytest.mark.usefixtures("rungs")
def test_halving_keeps_the_best_setting_and_the_one_that_serves() -> None:
    competing = stubs(*(Stub(skill=skill) for skill in range(9)))
    found = arena()
    assert found.validation[-1].train.size > 320
    compete(competing, found, competing[0], Clock(None))
    # 9 settings, then 5, then 3, and the worst because it serves now.
    left = [c.model.params()["skill"] for c in competing if c.status == "candidate"]
    assert left == [0, 6, 7, 8]
    assert {part_of(competing[n], VALIDATION)[0] for n in (0, 6, 7, 8)} == {"accuracy"}
    assert promotable(competing)[0] is competing[8]
    for skill in range(1, 6):
        candidate = competing[skill]
        assert candidate.status == "skipped"
        assert candidate.values is None
        why = candidate.error or ""
        assert why.startswith("score ")
        assert "% of the purchases" in why
        assert "the best setting" in why
    sizes = sorted({size for _, _, size in FITS})
    assert len(sizes) == 4  # two samples, the validation part, the test part


@pytest.mark.usefixtures("rungs")
def test_halving_goes_through_growing_samples_with_fewer_and_fewer_settings() -> None:
    compete(stubs(*(Stub(skill=skill) for skill in range(8))), arena(), None, Clock(None))
    fits = [size for _, _, size in FITS]
    by_size = [fits.count(size) for size in sorted(set(fits))]
    assert by_size == [8, 4, 2, 1]


@pytest.mark.usefixtures("rungs")
def test_settings_of_one_score_are_kept_in_their_order() -> None:
    competing = stubs(*(Stub(skill=5, seconds=n * 1e-9) for n in range(4)))
    compete(competing, arena(), None, Clock(None))
    assert [c.status for c in competing] == ["candidate", "skipped", "skipped", "skipped"]


def test_a_small_shop_is_measured_as_a_whole() -> None:
    competing = stubs(*(Stub(skill=skill) for skill in range(5)))
    compete(competing, arena(), None, Clock(None))
    assert {c.status for c in competing} == {"candidate"}
    assert len({size for _, _, size in FITS}) == 2


def test_the_test_part_is_seen_once_by_the_best_setting_of_each_model() -> None:
    competing = stubs(Trivial(skill=1), Stub(skill=3), Stub(skill=8), Other(skill=2), Other())
    compete(competing, arena(), competing[1], Clock(None))
    whole = max(size for _, _, size in FITS)
    seen = [(name, skill) for name, skill, size in FITS if size == whole]
    assert sorted(seen) == [("other", 2), ("stub", 8), ("trivial", 1)]
    tested = [c for c in competing if part_of(c, TEST)]
    assert [c.model.params()["skill"] for c in tested] == [1, 8, 2]
    for candidate in tested:
        assert len(set(part_of(candidate, TEST))) == len(part_of(candidate, TEST))


def test_the_setting_that_serves_competes_among_those_of_its_model() -> None:
    params = catalogue()["basket_copurchase"]().params() | {"min_support": 7}
    serving = StoredModel("bundle/basket_copurchase/1.1", "bundle", "basket_copurchase", params)
    names = [
        candidate.model.name
        for candidate in candidates_for("bundle", None, serving, real_time=True, pair_bytes=0)
    ]
    places = [n for n, name in enumerate(names) if name == "basket_copurchase"]
    assert places == list(range(places[0], places[0] + len(places)))
    assert len(places) == 1 + len(catalogue()["basket_copurchase"].variants(real_time=True))


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_a_setting_that_was_stored_is_known_again(name: str) -> None:
    import json

    for real_time in (True, False):
        for model in catalogue()[name].variants(real_time=real_time):
            stored = StoredModel("id", "task", name, json.loads(json.dumps(model.params())))
            assert Candidate("task", model).is_setting(stored)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError, "no luck"),
        (MemoryError, "it ran out of memory"),
        (ZeroDivisionError, "no luck"),
        (AssertionError, "no luck"),
        (RecursionError, "no luck"),
    ],
)
def test_a_model_that_fails_is_a_failed_row_and_the_others_go_on(
    error: type[BaseException], sentence: str
) -> None:
    competing = stubs(
        Trivial(error=error), Stub(skill=9, error=error), Stub(skill=2), Other(skill=1)
    )
    compete(competing, arena(), None, Clock(None))
    assert [c.status for c in competing] == ["failed", "failed", "candidate", "candidate"]
    assert [c.error for c in competing] == [sentence, sentence, None, None]
    assert promotable(competing)[0] is competing[2]
    assert part_of(competing[2], TEST)


@pytest.mark.usefixtures("rungs")
def test_settings_that_fail_on_a_sample_are_failed_not_skipped() -> None:
    competing = stubs(*(Stub(skill=n, error=ValueError if n > 1 else None) for n in range(4)))
    compete(competing, arena(), None, Clock(None))
    assert [c.status for c in competing] == ["skipped", "candidate", "failed", "failed"]
    FITS.clear()
    broken = stubs(*(Stub(skill=n, error=ValueError) for n in range(4)))
    compete(broken, arena(), broken[0], Clock(None))
    assert {c.status for c in broken} == {"failed"}
    assert len(FITS) == 4  # on one sample, and never again


def test_a_winner_that_cannot_learn_from_everything_gives_way() -> None:
    competing = stubs(Stub(skill=9), Stub(skill=2), Stub(skill=1))
    compete(competing, arena(), None, Clock(None))
    competing[0].model.error = MemoryError  # type: ignore[attr-defined]
    learned = promote(promotable(competing), bought(random_rows(0), N_ITEMS))
    assert learned is not None
    assert learned.params()["skill"] == 2
    assert [c.status for c in competing] == ["failed", "incumbent", "candidate"]
    assert competing[0].error == "it ran out of memory"
    assert promote(stubs(Stub(error=ValueError)), bought(random_rows(0), N_ITEMS)) is None


def test_an_interrupt_is_no_failure_of_a_model() -> None:
    with pytest.raises(KeyboardInterrupt):
        compete(stubs(Stub(error=KeyboardInterrupt)), arena(), None, Clock(None))


def test_what_candidates_learned_is_not_kept() -> None:
    competing = stubs(Stub(skill=1), Other(skill=2))
    compete(competing, arena(), None, Clock(None))
    assert not any(hasattr(c.model, "learned_") for c in competing)


@pytest.mark.parametrize("halved", [False, True])
def test_almost_no_time_measures_the_first_of_each_kind_and_what_serves(
    halved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if halved:
        monkeypatch.setattr(room, "RUNG_ENTRIES", 40)
    trivial = [Trivial(skill=1), Trivial(skill=2)]
    competing = stubs(*trivial, Stub(skill=3), Stub(skill=4), Other(skill=5), Other(skill=6))
    compete(competing, arena(), competing[5], Clock(time.perf_counter()))
    measured = [c.values is not None for c in competing]
    assert measured == [True, False, True, False, False, True]
    for candidate, was_measured in zip(competing, measured, strict=True):
        assert candidate.status == ("candidate" if was_measured else "skipped")
        assert candidate.error == (None if was_measured else USED_UP)
    assert promotable(competing)[0] is competing[5]


@pytest.mark.parametrize("halved", [False, True])
def test_the_time_is_kept_to_about_one_candidate(
    halved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if halved:
        monkeypatch.setattr(room, "RUNG_ENTRIES", 40)
    found = arena()
    models = [Trivial(skill=1, seconds=0.05)]
    models += [Stub(skill=n % 9, seconds=0.05) for n in range(40)]
    competing = stubs(*models)
    started = time.perf_counter()
    compete(competing, found, None, Clock(started + 0.4))
    took = time.perf_counter() - started
    # 0.4, the test part of the baseline, and what began just before the end; 41 at once take 2.
    assert took < 1.0
    said = [c.error for c in competing if c.status == "skipped"]
    assert said.count(USED_UP) > 20
    assert sum(c.values is not None for c in competing) >= 2


def test_measures_of_single_calls_count_where_they_are_weighed() -> None:
    weighed = Ranking(
        {"ndcg": 0.5, "predict_p50_microseconds": 0.5},
        {"ndcg": 1, "predict_p50_microseconds": -1},
    )
    competing = stubs(Stub(skill=3), Stub(skill=0))
    compete(competing, arena(ranking=weighed), None, Clock(None))
    for candidate in competing:
        place = {m.name: m.place for m in candidate.metrics if m.part != TEST}
        expected = 0.5 * place["ndcg"] + 0.5 * (1 - place["predict_p50_microseconds"])
        assert candidate.score == pytest.approx(expected)


def test_without_a_validation_part_nothing_is_compared_and_the_test_part_is_reported() -> None:
    found = arena()
    found.validation = []
    competing = stubs(Trivial(skill=1), Stub(skill=2), Stub(skill=9))
    compete(competing, found, None, Clock(None))
    assert [c.values for c in competing] == [None, None, None]
    assert [bool(part_of(c, TEST)) for c in competing] == [True, True, False]
    assert {c.status for c in competing} == {"candidate"}


def test_the_validation_part_is_cut_from_what_the_test_part_learns_from() -> None:
    found = arena()
    (test,), (validation,) = found.test, found.validation
    assert test.cut is not None
    assert validation.cut is not None
    assert validation.cut < test.cut
    assert validation.train.size < test.train.size
    assert (validation.train.history.basket_time < validation.cut).all()


COSTS = "('train_seconds', 'predict_microseconds', 'predict_p50_microseconds', "
COSTS += "'predict_p99_microseconds', 'rows_per_second', 'peak_memory_bytes')"


def trained(seed: int) -> dict[str, list[tuple[object, ...]]]:
    """Give what a training of a fresh database decides and measures."""
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    recsql.train(con, seed=seed)
    queries = {
        "models": "SELECT m.model_id, m.status, m.error, m.params FROM recsql.models AS m "
        "ORDER BY ALL",
        "metrics": "SELECT q.* FROM recsql.metrics AS q WHERE q.metric NOT IN "
        f"{COSTS} ORDER BY ALL",
        "decisions": "SELECT s.task, s.model_id, s.score, s.margin, s.decided, s.why "
        "FROM recsql.selections AS s ORDER BY ALL",
        "splits": "SELECT s.* FROM recsql.splits AS s ORDER BY ALL",
    }
    found = {name: con.execute(sql).fetchall() for name, sql in queries.items()}
    con.close()
    return found


def test_the_same_data_and_seed_give_the_same_models_and_measures() -> None:
    once, again, other = trained(0), trained(0), trained(1)
    assert once == again
    assert once["splits"] != other["splits"]
    assert len(once["decisions"]) == len(shop.TASKS)


def failing(message: str) -> Callable[..., None]:
    def fit(self: Recommender, purchases: Purchases) -> None:
        raise MemoryError(message)

    return fit


def test_a_training_says_which_models_failed(
    shop_con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue()["frequency"], "_fit", failing("9 GB were not there"))
    recsql.train(shop_con, task="next")
    rows = shop_con.execute(
        "SELECT DISTINCT m.status, m.error FROM recsql.models AS m WHERE m.algorithm = 'frequency'"
    ).fetchall()
    assert rows == [("failed", "it ran out of memory: 9 GB were not there")]
    assert shop_con.execute(
        "SELECT count(*) FROM recsql.models AS m WHERE m.status = 'incumbent'"
    ).fetchall() == [(1,)]


def test_a_training_of_almost_no_time_trains_every_task_and_says_what_it_skipped(
    shop_con: duckdb.DuckDBPyConnection,
) -> None:
    recsql.train(shop_con, budget_s=1e-9)
    rows = shop_con.execute(
        "SELECT m.task, count(*) FILTER (m.status = 'incumbent'), "
        "count(*) FILTER (m.status = 'candidate'), count(*) FILTER (m.status = 'skipped'), "
        "count(*) FILTER (m.error IN (?, ?, ?)) FROM recsql.models AS m GROUP BY 1 ORDER BY 1",
        [USED_UP, NO_ATTRIBUTES, NO_FACTS],
    ).fetchall()
    by_task = {row[0]: row for row in rows}
    assert by_task.pop("rating")[1:3] == (0, 0)  # nobody rates in this shop
    assert sorted(by_task) == sorted(shop.TASKS)
    for task, serving, others, skipped, said in by_task.values():
        assert serving == 1, task
        assert others == 1, task
        assert skipped == said, task
    assert sum(row[3] for row in rows) > 20


def test_models_that_are_only_measured_are_refused_by_name(
    shop_con: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(recsql.ParameterError, match="got mean_rating, which is only measured"):
        recsql.train(shop_con, models=["mean_rating"])


def test_a_short_training_does_not_replace_what_serves_unseen(
    shop_con: duckdb.DuckDBPyConnection,
) -> None:
    recsql.train(shop_con, task="next", models=["tifuknn"])
    recsql.train(shop_con, task="next", budget_s=1e-9)
    rows = shop_con.execute(
        "SELECT m.algorithm, q.value FROM recsql.models AS m JOIN recsql.metrics AS q "
        "ON q.model_id = m.model_id AND q.metric = 'ndcg' AND q.part = 'validation' "
        "WHERE m.status <> 'retired' AND m.algorithm = 'tifuknn'"
    ).fetchall()
    assert len(rows) == 1


def test_a_decision_says_that_the_best_could_not_learn_from_everything(
    shop_con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = catalogue()["popularity"]
    learn, everything = cls._fit, len(shop.rows())

    def fit(self: Recommender, purchases: Purchases) -> None:
        if purchases.size == everything:
            raise MemoryError
        learn(self, purchases)

    monkeypatch.setattr(cls, "_fit", fit)
    recsql.train(shop_con, task="next")
    rows = shop_con.execute(
        "SELECT s.decided, s.margin, s.why, m.algorithm FROM recsql.selections AS s "
        "JOIN recsql.models AS m ON m.model_id = s.model_id"
    ).fetchall()
    assert len(rows) == 1
    decided, margin, why, algorithm = rows[0]
    assert (decided, margin) == (False, None)
    failed = "popularity could not learn from everything (it ran out of memory); before: score"
    assert why.startswith(failed)
    assert algorithm != "popularity"


def test_without_attributes_only_models_that_do_without_them_compete_for_first(
    shop_con: duckdb.DuckDBPyConnection,
) -> None:
    skipped = (
        "SELECT m.algorithm, bool_and(m.status = 'skipped' AND m.error = ?) "
        "FROM recsql.models AS m WHERE m.task = 'first' AND m.status <> 'retired' "
        "AND m.algorithm NOT IN ('deepfm', 'wide_deep', 'xdeepfm') GROUP BY 1 ORDER BY 1"
    )
    everyone = ["hnsw_customers", "lightfm", "popularity", "segment_popularity"]
    recsql.train(shop_con, task="first")
    found = shop_con.execute(skipped, [NO_ATTRIBUTES]).fetchall()
    assert found == list(zip(everyone, (True, True, False, False), strict=True))
    recsql.bind_users(shop_con, "customers", user_id="id", attributes=["country"])
    recsql.train(shop_con, task="first")
    assert not any(out for _, out in shop_con.execute(skipped, [NO_ATTRIBUTES]).fetchall())


@pytest.mark.parametrize(
    ("n_queries", "behind", "chosen"), [(19, 0.9, 1), (19, 1.1, 2), (20, 0.9, 2)]
)
def test_of_few_queries_the_simplest_setting_within_one_standard_error_is_taken(
    n_queries: int, behind: float, chosen: int
) -> None:
    rng = np.random.default_rng(1)
    base, noise = rng.random(n_queries), rng.normal(0, 0.2, n_queries)
    error = noise.std(ddof=1) / np.sqrt(len(noise))
    near = base + noise - noise.mean() - behind * error
    settings = [
        Candidate("next", Frequency(decay=decay), values=values)
        for decay, values in ((0.5, base - 0.5), (0.6, near), (0.7, base))
    ]
    assert simplest(settings) is settings[chosen]
    assert promotable(settings)[0] is settings[chosen]
