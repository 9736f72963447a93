-- recsql.train(task := NULL, models := NULL, budget_s := NULL, seed := 0, protocol := NULL) -> TABLE
-- Train the models of one task or of all, measure them, promote the best and store its answers.
--
-- Run it with CALL; it reads what is committed, and commits by itself. Earlier answers stay until
-- the new ones are committed.
--
-- The score that decides is made of metrics of a validation part, weighed as
-- recsql.ranking_weights says; see recsql.leaderboard. Settings are halved on growing samples.
--
-- While a network learns, how far it is goes to standard error where enable_progress_bar is on, and
-- always to the Python logger recsql.
--
-- Args     task      VARCHAR    one of the tasks; NULL: all of them
--          models    VARCHAR[]  only these algorithms; NULL: every one that can serve the task
--          budget_s  DOUBLE     seconds after which no further candidate is begun
--          seed      BIGINT     which items of the test groups are shown
--          protocol  VARCHAR    'time': learn from what came before a cut; 'paper': hide at random, or
--                               the last of each customer; NULL: time, where there is one
-- Returns  task                  VARCHAR  task
--          algorithm             VARCHAR  model, or the trivial baseline to beat
--          params                VARCHAR  settings as JSON
--          status                VARCHAR  incumbent, candidate, failed or skipped
--          error                 VARCHAR  why it failed or was skipped
--          score                 DOUBLE   what decided, on the validation part
--          ndcg_validation       DOUBLE   on the validation part, at 10
--          ndcg                  DOUBLE   on the test part, at 10
--          ndcg_low              DOUBLE   2.5% of resamples lie below
--          ndcg_high             DOUBLE   97.5% of resamples lie below
--          recall                DOUBLE   share of hidden items found, at 10
--          precision             DOUBLE   share of places with a hidden item, at 10
--          coverage              DOUBLE   share of the items that were ever recommended
--          n_queries             BIGINT   test queries
--          train_seconds         DOUBLE   fit on the training part
--          predict_microseconds  DOUBLE   a query, answered in bulk
--          peak_memory_bytes     BIGINT   memory that fitting added
--          size_bytes            BIGINT   stored arrays
--          model_id              VARCHAR  key of recsql.models
CREATE OR REPLACE MACRO recsql.train(task := NULL, models := NULL, budget_s := NULL, seed := 0, protocol := NULL) AS TABLE
SELECT unnest(_recsql_call_train(to_json({
    'task': task,
    'models': models,
    'budget_s': budget_s,
    'seed': seed,
    'protocol': protocol,
    'caller': {
        'schema': current_schema(),
        'rows': (SELECT count(*) FROM recsql.interactions),
        'progress': current_setting('enable_progress_bar')
    }
})::VARCHAR), recursive := true);
