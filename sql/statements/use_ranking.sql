-- recsql.use_ranking(preset, task := NULL) -> TABLE
-- Say what counts as the best model: replace the weights of recsql.ranking_weights by a preset.
--
-- Run it with CALL. 'quality' looks at the recommendations alone; 'balanced' takes 15% of the score
-- for time and memory, 'small_hardware' 40%. The leaderboard follows at once, what serves with the
-- next training.
--
-- Args     preset     VARCHAR  quality, balanced or small_hardware
--          task       VARCHAR  only this task; NULL: all of them
-- Returns  task       VARCHAR  task
--          metric     VARCHAR  metric
--          weight     DOUBLE   weight; 0 is only reported
--          direction  INTEGER  1 where more is better, -1 where less is
CREATE OR REPLACE MACRO recsql.use_ranking(preset, task := NULL) AS TABLE
SELECT unnest(_recsql_call_use_ranking(to_json({
    'preset': preset,
    'task': task,
    'caller': {'schema': current_schema()}
})::VARCHAR), recursive := true);
