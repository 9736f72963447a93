-- The step between your data and everything that recommends: it binds, then trains what is not
-- trained yet and refreshes what is. Models that call a recommendation function name it:
-- depends_on: ref('leaderboard').
{{ config(pre_hook=[
    {"sql": "{{ bind_shop() }}", "transaction": false},
    {"sql": "{{ recsql.train_or_refresh(var('recsql_tasks')) }}", "transaction": false},
]) }}
-- depends_on: {{ ref('stg_orders') }}, {{ ref('stg_products') }}, {{ ref('stg_customers') }}
SELECT
    l.task,
    l.algorithm,
    l.status,
    l.score_rank,
    any_value(l.score) AS score,
    max(l.value) FILTER (l.metric = 'ndcg' AND l.part = 'test') AS ndcg,
    max(l.value) FILTER (l.metric = 'hit_rate' AND l.part = 'test') AS hit_rate,
    max(l.value) FILTER (l.metric = 'coverage' AND l.part = 'test') AS coverage,
    max(l.n_queries) AS n_queries,
    any_value(l.train_seconds) AS train_seconds,
    any_value(l.error) AS error
FROM recsql.leaderboard AS l
GROUP BY l.task, l.model_id, l.algorithm, l.status, l.score_rank
