"""Say what counts as the best model."""

from __future__ import annotations

from recsql.errors import ParameterError
from recsql.statements.core import Call, Rows, check_task, require_writable, statement
from recsql.tasks import TASKS


@statement
def use_ranking(call: Call, preset: str, *, task: str | None = None) -> Rows:
    """Weigh the metrics by a preset, for one task or all."""
    from recsql.store.weights import write_preset

    check_task(task, TASKS)
    require_writable(call.session)
    tasks = TASKS if task is None else (task,)
    with call.session.transaction():
        for name in tasks:
            write_preset(call.session, preset, name)
    return call.session.rows(
        "SELECT w.task, w.metric, w.weight, w.direction FROM recsql.ranking_weights AS w "
        "WHERE list_contains(?, w.task) ORDER BY w.task, w.weight DESC, w.metric",
        [list(tasks)],
    )


@statement
def learn_ranking(call: Call, relation: str) -> Rows:
    """Learn the weights from rankings of trained models that somebody prefers."""
    import numpy as np

    from recsql.data.relations import find_relation
    from recsql.selection.learned_weights import learn_weights
    from recsql.store.weights import write_weights

    require_writable(call.session)
    found = find_relation(call.session, relation, schema=call.schema, temporary=call.temporary)
    columns = {name.lower() for name in found.columns}
    if not {"model_id", "rank"} <= columns:
        raise ParameterError(
            f"{relation} must have the columns model_id and rank, got "
            f"{', '.join(sorted(columns))}. rank 1 is the best model of its task."
        )
    rows = call.session.rows(
        "SELECT l.task, l.model_id, l.metric, CASE WHEN w.direction > 0 THEN l.place "
        "ELSE 1 - l.place END, coalesce(l.weight, 0), p.rank::DOUBLE "
        "FROM recsql.leaderboard AS l JOIN recsql.ranking_weights AS w "
        "ON w.task = l.task AND w.metric = l.metric "
        f"JOIN {found.sql} AS p ON p.model_id = l.model_id "
        "WHERE l.part <> 'test' AND l.place IS NOT NULL AND p.rank IS NOT NULL "
        "ORDER BY l.task, l.model_id, l.metric"
    )
    if not rows:
        raise ParameterError(
            f"{relation} must rank models of recsql.leaderboard, got none of them. "
            "SELECT DISTINCT task, model_id FROM recsql.leaderboard."
        )
    told: list[tuple[object, ...]] = []
    with call.session.transaction():
        for task in sorted({row[0] for row in rows}):
            own = [row for row in rows if row[0] == task]
            models = sorted({row[1] for row in own})
            metrics = sorted({row[2] for row in own})
            merit = np.zeros((len(models), len(metrics)))
            present, rank = np.zeros(len(metrics)), np.zeros(len(models))
            for _, model, metric, place, weight, preferred in own:
                at = models.index(model), metrics.index(metric)
                merit[at], present[at[1]], rank[at[0]] = place, weight, preferred
            learned = learn_weights(merit, rank.tolist(), present)
            weights = {
                name: round(float(weight), 6)
                for name, weight in zip(metrics, learned.weights, strict=True)
            }
            write_weights(call.session, task, weights)
            told += [
                (task, name, before, weights[name], learned.agreed_before, learned.agreed)
                for name, before in zip(metrics, present.tolist(), strict=True)
            ]
    return told
