-- recsql.leaderboard -> VIEW
-- One row is a model of the latest training of its task and one of its metrics; score is the
-- metric that decides (ndcg), and score_rank orders the models of a task by it.
CREATE OR REPLACE VIEW recsql.leaderboard AS
WITH deciding AS (
    SELECT c.model_id, c.value AS score
    FROM recsql.metrics AS c
    WHERE c.metric = 'ndcg'
)
SELECT
    m.task,
    m.model_id,
    m.algorithm,
    m.params,
    m.status,
    dense_rank() OVER (PARTITION BY m.task ORDER BY d.score DESC NULLS LAST, m.model_id) AS score_rank,
    d.score,
    q.metric,
    q.k,
    q.value,
    q.ci_low,
    q.ci_high,
    q.n_queries,
    m.train_seconds,
    m.predict_microseconds,
    m.peak_memory_bytes,
    m.size_bytes,
    m.error
FROM recsql.models AS m
LEFT JOIN deciding AS d ON d.model_id = m.model_id
LEFT JOIN recsql.metrics AS q ON q.model_id = m.model_id
WHERE m.status <> 'retired'
ORDER BY m.task, score_rank, q.metric, q.k;
