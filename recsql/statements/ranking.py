"""Say what counts as the best model."""

from __future__ import annotations

from recsql.errors import ParameterError
from recsql.statements.core import Call, Rows, check_task, require_writable, statement
from recsql.tasks import TASKS


@statement
def use_ranking(call: Call, preset: str | None = None, *, task: str | None = None) -> Rows:
    """Weigh the metrics by a preset, for one task or all."""
    from recsql.store.weights import write_preset

    check_task(task, TASKS)
    require_writable(call.session)
    tasks = TASKS if task is None else (task,)
    with call.session.transaction():
        for name in tasks:
            write_preset(call.session, str(preset), name)
    return call.session.rows(
        "SELECT w.task, w.metric, w.weight, w.direction FROM recsql.ranking_weights AS w "
        "WHERE list_contains(?, w.task) ORDER BY w.task, w.weight DESC, w.metric",
        [list(tasks)],
    )


@statement
def learn_ranking(call: Call, relation: str) -> Rows:
    """Learn the weights from rankings of trained models that somebody prefers."""
    from recsql.store.weights import change_weights

    require_writable(call.session)
    rows = _preferred(call, relation)
    told: list[tuple[object, ...]] = []
    with call.session.transaction():
        for task in sorted({row[0] for row in rows}):
            weights, rows_told = _learned(task, [row[1:] for row in rows if row[0] == task])
            change_weights(call.session, task, weights)
            told += rows_told
    return told


def _preferred(call: Call, relation: str) -> Rows:
    """Give (task, model_id, metric, merit, weight, rank) of every metric of the ranked models."""
    from recsql.data.relations import find_relation

    if not isinstance(relation, str) or not relation.strip():
        raise ParameterError(
            f"The rankings must be the name of a table or view, got {relation!r}. "
            "For example recsql.learn_ranking('preferred')."
        )
    found = find_relation(call.session, relation, schema=call.schema, temporary=call.temporary)
    columns = {name.lower() for name in found.columns}
    if not {"model_id", "rank"} <= columns:
        raise ParameterError(
            f"{relation} must have the columns model_id and rank, got "
            f"{', '.join(sorted(columns))}. rank 1 is the best model of its task."
        )
    for model, rank, n in call.session.rows(
        "SELECT p.model_id::VARCHAR, any_value(p.rank)::VARCHAR, count(*) "
        f"FROM {found.sql} AS p WHERE p.rank IS NOT NULL GROUP BY p.model_id HAVING count(*) > 1 "
        "OR NOT coalesce(isfinite(TRY_CAST(any_value(p.rank) AS DOUBLE)), false) ORDER BY ALL"
    ):
        got = f"{n} ranks" if n > 1 else f"the rank {rank!r}"
        raise ParameterError(
            f"{relation} must give a model one rank, and it must be a number, got {got} of {model}."
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
    return rows


def _learned(task: str, rows: Rows) -> tuple[dict[str, float], list[tuple[object, ...]]]:
    """Give the weights of a task by metric, and what is told of each."""
    import numpy as np

    from recsql.selection.learned_weights import learn_weights

    models, metrics = (sorted({row[column] for row in rows}) for column in (0, 1))
    merit = np.zeros((len(models), len(metrics)))
    present, rank = np.zeros(len(metrics)), np.zeros(len(models))
    for model, metric, place, weight, preferred in rows:
        at = models.index(model), metrics.index(metric)
        merit[at], present[at[1]], rank[at[0]] = place, weight, preferred
    learned = learn_weights(merit, rank.tolist(), present)
    weights = {
        name: round(float(weight), 6) for name, weight in zip(metrics, learned.weights, strict=True)
    }
    told: list[tuple[object, ...]] = [
        (task, name, before, weights[name], learned.agreed_before, learned.agreed)
        for name, before in zip(metrics, present.tolist(), strict=True)
    ]
    return weights, told
