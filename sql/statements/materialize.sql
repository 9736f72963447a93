-- recsql.materialize(task, k := 20, memory_limit := '1GB') -> TABLE
-- Store the recommendations of every customer in recsql.user_recommendations.
--
-- Run it with CALL; it reads what is committed, and commits by itself. The rows are those that the
-- function of the task gives for each customer with purchases at that moment, in blocks of
-- customers that fit the memory. They replace the rows of this task all at once and stay until the
-- next materialize; training and refresh leave them.
--
-- Needs    interactions
-- Args     task          VARCHAR  next or for_you
--          k             BIGINT   recommendations of a customer, >= 1
--          memory_limit  VARCHAR  memory for a block of customers, for example '500MB' or '2GB'
-- Returns  task          VARCHAR  task
--          model         VARCHAR  algorithm that serves it
--          users         BIGINT   customers
--          rows          BIGINT   recommendations stored
--          seconds       DOUBLE   wall clock
CREATE OR REPLACE MACRO recsql.materialize(task, k := 20, memory_limit := '1GB') AS TABLE
SELECT unnest(_recsql_call_materialize(to_json({
    'task': task,
    'k': k,
    'memory_limit': memory_limit,
    'caller': {
        'schema': current_schema(),
        'rows': (SELECT count(*) FROM recsql.interactions)
    }
})::VARCHAR), recursive := true);
