-- recsql.refresh(retrain := true) -> TABLE
-- Bring stored answers up to date with inserted, changed and deleted rows: equal to a rebuild.
--
-- Run it with CALL; it reads what is committed, and commits by itself. Then it looks at how far the
-- data have moved since models last competed (settings drift_…): small changes keep what was
-- learned, larger ones let the serving models learn again, significant ones let all models
-- compete again. The numbers behind each decision are a row of recsql.runs.
--
-- Args     retrain         BOOLEAN  false leaves out the second part
-- Returns  how             VARCHAR  'changed only', or 'rebuilt' when everything was counted again
--          reason          VARCHAR  why everything was counted again
--          changed_buyers  BIGINT   customers (and anonymous baskets) that were read again
--          changed_days    BIGINT   days that were read again
--          models          VARCHAR  'kept', 'relearn' (the serving ones) or 'compete' (all); NULL
--                                   without retrain
--          why             VARCHAR  what has changed since models last competed
--          seconds         DOUBLE   wall clock
CREATE OR REPLACE MACRO recsql.refresh(retrain := true) AS TABLE
SELECT unnest(_recsql_call_refresh(to_json({
    'retrain': retrain,
    'caller': {
        'schema': current_schema(),
        'rows': (SELECT count(*) FROM recsql.interactions),
        'progress': current_setting('enable_progress_bar')
    }
})::VARCHAR), recursive := true);
