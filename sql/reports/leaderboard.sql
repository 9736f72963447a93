-- recsql.leaderboard -> VIEW
-- One row is a metric of a model of the latest training of its task. The score is the sum of
-- contribution: weight (recsql.ranking_weights, as parts of 1) times place on the metric's scale,
-- or times 1 - place where less is better. score_rank orders the models of a task.
CREATE OR REPLACE VIEW recsql.leaderboard AS
WITH weights AS (
    SELECT
        w.task, w.metric, w.direction,
        w.weight / nullif(sum(w.weight) OVER (PARTITION BY w.task), 0) AS weight
    FROM recsql.ranking_weights AS w
),
measured AS (
    SELECT
        m.task, m.model_id, q.metric, q.part, q.k, q.value, q.ci_low, q.ci_high, q.n_queries,
        q.place, CASE WHEN q.part <> 'test' THEN w.weight END AS weight,
        CASE WHEN q.part <> 'test'
            THEN w.weight * CASE WHEN w.direction > 0 THEN q.place ELSE 1 - q.place END
        END AS contribution
    FROM recsql.models AS m
    JOIN recsql.metrics AS q ON q.model_id = m.model_id
    LEFT JOIN weights AS w ON w.task = m.task AND w.metric = q.metric
    WHERE m.status <> 'retired'
),
scores AS (
    SELECT d.model_id, sum(d.contribution) AS score
    FROM measured AS d
    GROUP BY d.model_id
    HAVING bool_or(d.part = 'validation')
)
SELECT
    m.task,
    m.model_id,
    m.algorithm,
    m.params,
    m.status,
    dense_rank() OVER (PARTITION BY m.task ORDER BY s.score DESC NULLS LAST, m.model_id)
        AS score_rank,
    s.score,
    d.metric,
    d.part,
    d.k,
    d.value,
    d.ci_low,
    d.ci_high,
    d.n_queries,
    d.weight,
    d.place,
    d.contribution,
    m.train_seconds,
    m.predict_microseconds,
    m.peak_memory_bytes,
    m.size_bytes,
    m.error
FROM recsql.models AS m
LEFT JOIN scores AS s ON s.model_id = m.model_id
LEFT JOIN measured AS d ON d.model_id = m.model_id
WHERE m.status <> 'retired'
ORDER BY m.task, score_rank, d.part, d.metric, d.k;
