-- recsql.learn_ranking(relation) -> TABLE
-- Learn the weights of recsql.ranking_weights from rankings of trained models that you prefer.
--
-- Run it with CALL. The relation has the columns model_id (of recsql.leaderboard) and rank, 1 for
-- the best of its task; models of equal rank are not compared. Metrics without a row in
-- recsql.ranking_weights stay out of it.
--
-- Args     relation       VARCHAR  table or view with model_id and rank
-- Returns  task           VARCHAR  task
--          metric         VARCHAR  metric
--          weight_before  DOUBLE   weight until now, as a part of 1
--          weight         DOUBLE   learned weight
--          agreed_before  DOUBLE   share of the preferred pairs that the old weights order so
--          agreed         DOUBLE   share of them that the learned weights order so
CREATE OR REPLACE MACRO recsql.learn_ranking(relation) AS TABLE
SELECT unnest(_recsql_call_learn_ranking(to_json({
    'relation': relation,
    'caller': {
        'schema': current_schema(),
        'temporary': (SELECT list(t.table_name) FROM duckdb_tables() AS t WHERE t.temporary)
    }
})::VARCHAR), recursive := true);
