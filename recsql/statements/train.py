"""Train the models of one task or of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from recsql.errors import UnknownNameError, did_you_mean
from recsql.statements.core import (
    Call,
    Rows,
    check_names,
    check_seconds,
    check_seed,
    check_task,
    refuse_uncommitted,
    require_bound,
    require_writable,
    statement,
)
from recsql.statements.follow import follow
from recsql.statements.progress import learning_shown
from recsql.tasks import TASKS


@statement
def train(
    call: Call,
    *,
    task: str | None = None,
    models: Sequence[str] | None = None,
    budget_s: float | None = None,
    seed: int = 0,
    protocol: str | None = None,
) -> Rows:
    """Train, measure, promote the best model of each task, and store its answers."""
    from recsql.models.catalogue import model_named
    from recsql.selection.train import train as run_training
    from recsql.splits.split import PROTOCOLS

    check_task(task, TASKS)
    check_seed(seed)
    check_seconds(budget_s, "budget_s")
    if protocol is not None and protocol not in PROTOCOLS:
        raise UnknownNameError(
            f"protocol must be one of {', '.join(PROTOCOLS)}, got {protocol!r}."
            f"{did_you_mean(str(protocol), PROTOCOLS)}"
        )
    check_names(models, "models", "basket_copurchase")
    for name in models or ():
        model_named(name)
    require_writable(call.session)
    require_bound(call.session)
    refuse_uncommitted(call)
    with learning_shown("Training", call.progress) as each:
        ids = run_training(
            call.session,
            tasks=None if task is None else [task],
            models=models,
            budget_s=budget_s,
            seed=seed,
            protocol=protocol,
            each=each,
            finish=follow,
        )
    return leaderboard_rows(call, ids)


def leaderboard_rows(call: Call, model_ids: Sequence[str]) -> Rows:
    """Give one row a model with its main metrics, best first within a task."""
    return call.session.rows(
        "SELECT m.task, m.algorithm, m.params::VARCHAR, m.status, m.error, any_value(l.score), "
        "max(l.value) FILTER (l.metric = 'ndcg' AND l.part = 'validation'), "
        "max(t.value) FILTER (t.metric = 'ndcg'), max(t.ci_low) FILTER (t.metric = 'ndcg'), "
        "max(t.ci_high) FILTER (t.metric = 'ndcg'), max(t.value) FILTER (t.metric = 'recall'), "
        "max(t.value) FILTER (t.metric = 'precision'), "
        "max(t.value) FILTER (t.metric = 'coverage'), max(t.n_queries), m.train_seconds, "
        "m.predict_microseconds, m.peak_memory_bytes, m.size_bytes, m.model_id "
        "FROM recsql.models AS m LEFT JOIN recsql.leaderboard AS l ON l.model_id = m.model_id "
        "LEFT JOIN recsql.metrics AS t ON t.model_id = m.model_id AND t.part = 'test' "
        "WHERE list_contains(?, m.model_id) GROUP BY ALL "
        "ORDER BY m.task, 6 DESC NULLS LAST, m.model_id",
        [list(model_ids)],
    )
