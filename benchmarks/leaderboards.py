"""Networks and the models that count on the same leaderboard, datasets as a shop would bind them.

All models that count compete for a task with their defaults, and some networks, which share a
budget equally. Shown is what training measured on the test part, once, of the best setting of each
model on the validation part; ``promoted`` is what selection, which sees that part only, chose.

    python -m benchmarks.leaderboards [dataset …]
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks._report import report
from benchmarks.selection_regret import SHOPS, bound
from recsql.models.base import NETWORK_EFFORT
from recsql.models.catalogue import catalogue

TASKS = {
    "movielens_100k": ("next", "for_you", "first"),
    "amazon_beauty_seq": ("next",),
    "uci_online_retail": ("next", "for_you", "first"),
}
NETWORKS = {
    "next": ("gru", "hrnn_meta", "sasrec", "wide_deep+iacn"),
    "for_you": ("lightgcn", "kgat"),
    "first": ("deepfm", "wide_deep", "xdeepfm"),
}
BUDGET_S = {"next": 600.0, "for_you": 300.0, "first": 300.0}
METRICS = ("ndcg@10", "recall@10", "mrr@10", "hit_rate@10", "coverage@10")


def competitors(task: str) -> list[str]:
    """Name the models that count and are made for a task, and its networks."""
    counting = [
        name
        for name, model in catalogue().items()
        if model.effort < NETWORK_EFFORT and task in model.tasks
    ]
    return [*counting, *NETWORKS[task]]


def leaderboard(name: str, task: str) -> list[dict[str, Any]]:
    """Let everything compete for a task; gives a row a model, the best of the test part first."""
    import recsql

    shop = next(shop for shop in SHOPS if shop.name == name)
    con = bound(shop)
    recsql.train(
        con,
        task=task,
        models=competitors(task),
        protocol=shop.protocol,
        budget_s=BUDGET_S[task],
    )
    found = con.execute(
        "SELECT l.model_id, l.algorithm, l.status = 'incumbent', l.metric || '@' || l.k, l.value, "
        "l.n_queries, l.train_seconds FROM recsql.leaderboard AS l "
        "WHERE l.task = ? AND l.part = 'test' ORDER BY l.model_id",
        [task],
    ).fetchall()
    others = con.execute(
        "SELECT DISTINCT m.algorithm, coalesce(m.error, 'no time for the test part') "
        "FROM recsql.models AS m ANTI JOIN recsql.leaderboard AS l "
        "ON l.task = m.task AND l.algorithm = m.algorithm AND l.part = 'test' "
        "WHERE m.task = ? ORDER BY 1",
        [task],
    ).fetchall()
    con.close()
    for model, why in others:
        print(f"{name}: {task}: {model} is not measured: {why}", file=sys.stderr, flush=True)
    rows: dict[str, dict[str, Any]] = {}
    for model_id, model, serves, metric, value, queries, seconds in found:
        if metric not in METRICS:
            continue
        row = {
            "dataset": name,
            "task": task,
            "model": model,
            "network": "yes" if model in NETWORKS[task] else "",
            "promoted": "yes" if serves else "",
            "queries": queries,
            "train s": seconds,
        }
        rows.setdefault(model_id, row)[metric] = value
    return sorted(rows.values(), key=lambda row: -row["ndcg@10"])


def main() -> None:
    """Print the leaderboards of the datasets named, or of all of them."""
    for name in sys.argv[1:] or TASKS:
        for task in TASKS[name]:
            report("leaderboards", f"{name}: {task}", leaderboard(name, task))


if __name__ == "__main__":
    main()
