"""What is lost by the model that training promotes, against the best of the catalogue in hindsight.

Each dataset is bound in a fresh database and trained with the defaults, every task it supports.
Selection sees the validation part only; here the test part, on which training measures the best
setting of every model once, says how well it chose:

    regret = (best score of the catalogue - score of the promoted model) / best score

The catalogue is every model that may serve the task: best sellers serve customers, but are no
answer about an item. The score is that of recsql.ranking_weights (the preset 'quality') on the test
part; for ``repeat`` it is the mean absolute error in days, of which less is better. Beside it stand
the strongest trivial baseline and, over all datasets of a task, the best fixed choice: the one
model with the smallest mean regret if it served everywhere.

Dates that are only places in a customer's own sequence are no common clock, and a session is no
customer who comes back after a cut: those datasets are judged by the protocol 'paper', but for what
is asked about days. Without any order there is no next purchase. Lines sampled out of baskets say
nothing about bundles. Of purchases, clicks and ratings the rows nearest to a purchase are taken; no
dataset has more than about a million.

    python -m benchmarks.selection_regret [dataset …]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks._data import FOLDER
from benchmarks._report import report
from recsql.models.catalogue import models_for

if TYPE_CHECKING:
    import duckdb

SERVED_BY_BEST_SELLERS = ("next", "for_you", "first")
RATING = 4  # a rating from here on counts as a purchase


@dataclass(frozen=True)
class Shop:
    """A dataset as a shop would bind it.

    Attributes
    ----------
    rows : the query after FROM, ``{}`` stands for the folder of the dataset
    columns : arguments of bind_interactions
    protocol : of training; None: the default
    without : tasks that its columns say nothing about
    attributes : of the customers, in users.parquet
    """

    name: str
    rows: str
    columns: dict[str, str]
    protocol: str | None = None
    without: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()


_CUSTOMER = {"user_id": "user_id", "item_id": "item_id"}
_TIMED = _CUSTOMER | {"ts": "ts"}
_SESSION = {"user_id": "session_id", "item_id": "item_id"}
_IN_ORDER = _SESSION | {"ts": "session_id::BIGINT * 1000 + position"}  # sessions in their order
_OF_SEQUENCES = ("next", "for_you", "first", "repeat")
_WHOLE = "'{}/interactions.parquet'"
_LEARNED = "'{}/train.parquet'"
SHOPS = (
    Shop("uci_online_retail", f"{_WHOLE} WHERE event_type = 'purchase' AND quantity > 0",
         _TIMED | {"basket_id": "basket_id", "quantity": "quantity"}, None, (), ("country",)),
    Shop("complete_journey_sample", f"{_WHOLE} WHERE quantity > 0",
         _TIMED | {"basket_id": "basket_id", "quantity": "quantity"}, None, ("bundle",),
         ("age", "income", "home_ownership", "marital_status", "household_size", "kids_count")),
    Shop("groceries_baskets", _WHOLE, {"item_id": "item_id", "basket_id": "basket_id"}),
    Shop("amazon_grocery_relations", _WHOLE, _TIMED),
    Shop("taobao_multibehavior", f"{_LEARNED} WHERE event_type = 'buy'", _TIMED),
    Shop("retailrocket_multibehavior", f"{_LEARNED} WHERE event_type = 'buy'", _TIMED),
    Shop("yoochoose_100k", _LEARNED, _SESSION | {"ts": "ts"}, None, _OF_SEQUENCES),
    Shop("yoochoose_100k", _LEARNED, _SESSION | {"ts": "ts"}, "paper", ("related", "bundle")),
    Shop("diginetica_sessions", _LEARNED, _IN_ORDER, "paper"),
    Shop("retailrocket_sessions", _LEARNED, _IN_ORDER, "paper"),
    Shop("amazon_beauty_seq", _WHOLE, _TIMED, "paper"),
    Shop("amazon_sports_seq", _WHOLE, _TIMED, "paper"),
    Shop("amazon_videogames_seq", _WHOLE, _TIMED, "paper"),
    Shop("movielens_100k", f"{_WHOLE} WHERE rating >= {RATING}", _TIMED, None, (),
         ("age", "gender", "occupation")),
    Shop("movielens_1m", f"{_WHOLE} WHERE rating >= {RATING}", _CUSTOMER, "paper", ("next",),
         ("age", "gender", "occupation")),
    Shop("gowalla", _LEARNED, _CUSTOMER, "paper", ("next",)),
)  # fmt: skip


class Measured(NamedTuple):
    """A model on the test part of a task.

    Attributes
    ----------
    trivial : whether it is a baseline
    able : whether it may serve the task
    serves : whether it was promoted
    """

    task: str
    model: str
    params: str
    trivial: bool
    able: bool
    serves: bool
    value: float
    queries: int


def main() -> None:
    """Train every dataset, or those named, and print what was lost."""
    chosen = [shop for shop in SHOPS if len(sys.argv) < 2 or shop.name in sys.argv[1:]]
    everything: dict[tuple[str, str], list[Measured]] = {}
    for shop in chosen:
        seconds, measured = train(shop)
        rows = []
        for task in dict.fromkeys(one.task for one in measured):
            of_task = [one for one in measured if one.task == task]
            if task not in shop.without and any(one.serves for one in of_task):
                everything[shop.name, task] = of_task
                rows.append(told(shop.name, task, of_task) | {"all_tasks_s": round(seconds, 1)})
        if rows:
            report("selection_regret", f"{shop.name}: promoted, and best in hindsight", rows)
    report("selection_regret", "Mean regret by task", summary(everything))


def bound(shop: Shop) -> duckdb.DuckDBPyConnection:
    """Give a fresh database with a dataset bound."""
    import recsql

    con = recsql.connect(config={"threads": 2})
    con.execute(f"CREATE TABLE bought AS FROM {shop.rows.format(FOLDER / shop.name)}")
    recsql.bind_interactions(con, "bought", **shop.columns)
    if shop.attributes:
        con.execute(f"CREATE TABLE users AS FROM '{FOLDER / shop.name}/users.parquet'")
        recsql.bind_users(con, "users", user_id="user_id", attributes=list(shop.attributes))
    return con


def train(shop: Shop) -> tuple[float, list[Measured]]:
    """Train every task of a dataset; gives the seconds and what was measured on the test part."""
    import recsql

    con = bound(shop)
    started = time.perf_counter()
    recsql.train(con, protocol=shop.protocol)
    seconds = time.perf_counter() - started
    rows = con.execute(
        "SELECT m.task, m.algorithm, m.params::VARCHAR, m.status = 'incumbent', "
        "regexp_extract(m.model_id, '[0-9]+$')::INTEGER, CASE WHEN m.task = 'repeat' "
        "THEN any_value(q.value) FILTER (q.metric = 'interval_mae') ELSE "
        "sum(w.weight * q.place) FILTER (w.direction > 0) / sum(w.weight) END, "
        "max(q.n_queries) FROM recsql.models AS m "
        "JOIN recsql.metrics AS q ON q.model_id = m.model_id "
        "JOIN recsql.ranking_weights AS w ON w.task = m.task AND w.metric = q.metric "
        "WHERE q.part = 'test' GROUP BY m.task, m.algorithm, m.params, m.status, m.model_id "
        "ORDER BY m.task, 5"
    ).fetchall()
    con.close()
    return seconds, [
        Measured(
            task,
            model,
            params,
            number <= n_trivial(task),
            number > n_trivial(task) or task in SERVED_BY_BEST_SELLERS,
            serves,
            value,
            queries,
        )
        for task, model, params, serves, number, value, queries in rows
    ]


def n_trivial(task: str) -> int:
    """Count the baselines of a task, whose rows come first."""
    from recsql.models.catalogue import baselines_for

    return len(baselines_for(task)) + (task not in ("trending", "repeat"))


def regret(value: float, best: float, task: str) -> float:
    """Give the part of the best value that is lost; of an error, by which it is larger."""
    if best == 0:
        return 0.0
    return (value - best if task == "repeat" else best - value) / best


def best_of(measured: Sequence[Measured]) -> Measured:
    """Give the best of some models of one task."""
    sign = -1 if measured[0].task == "repeat" else 1
    return max(measured, key=lambda one: sign * one.value)


def told(shop: str, task: str, measured: Sequence[Measured]) -> dict[str, Any]:
    """Give the row of a dataset and task."""
    promoted = next(one for one in measured if one.serves)
    best = best_of([one for one in measured if one.able])
    trivial = [one for one in measured if one.trivial]
    base = best_of(trivial) if trivial else None
    return {
        "regret": f"{regret(promoted.value, best.value, task):.1%}",
        "dataset": shop,
        "task": task,
        "queries": promoted.queries,
        "promoted": promoted.model,
        "value": round(promoted.value, 4),
        "best_model": best.model,
        "best_value": round(best.value, 4),
        "trivial": base.model if base else None,
        "trivial_value": round(base.value, 4) if base else None,
        "loses_to_trivial": bool(base and best_of([promoted, base]) is not promoted),
    }


def summary(everything: dict[tuple[str, str], list[Measured]]) -> list[dict[str, Any]]:
    """Give the mean regret of selection and of the best fixed choice by task, and over all."""
    ours: dict[str, list[float]] = defaultdict(list)
    fixed: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (_, task), measured in everything.items():
        best = best_of([one for one in measured if one.able]).value
        promoted = next(one for one in measured if one.serves)
        ours[task].append(regret(promoted.value, best, task))
        for model in {cls.name for cls in models_for(task)}:
            able = [one for one in measured if one.model == model and not one.trivial]
            lost = regret(able[0].value, best, task) if able else 1.0  # it could not serve
            fixed[task][model].append(lost)
        if task in SERVED_BY_BEST_SELLERS:
            best_sellers = [one for one in measured if one.trivial]
            lost = regret(best_of(best_sellers).value, best, task) if best_sellers else 1.0
            fixed[task]["popularity"].append(lost)
    rows = []
    choices: list[float] = []
    for task, lost_by_us in ours.items():
        model, lost_by_it = min(fixed[task].items(), key=lambda pair: statistics.fmean(pair[1]))
        choices += lost_by_it
        rows.append(_row(task, lost_by_us, model, lost_by_it))
    total = [lost for lost_by_us in ours.values() for lost in lost_by_us]
    return [*rows, _row("all", total, "the best of each task", choices)]


def _row(task: str, ours: Sequence[float], model: str, fixed: Sequence[float]) -> dict[str, Any]:
    return {
        "mean_regret": f"{statistics.fmean(ours):.2%}",
        "best_fixed_choice": f"{statistics.fmean(fixed):.2%}",
        "task": task,
        "datasets": len(ours),
        "largest": f"{max(ours):.1%}",
        "fixed_model": model,
    }


if __name__ == "__main__":
    main()
