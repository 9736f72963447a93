-- recsql.refresh() -> TABLE
-- Bring stored answers up to date with inserted, changed and deleted rows: equal to a rebuild.
--
-- Run it with CALL; it reads what is committed, and commits by itself. The models stay, their
-- counts change.
--
-- Returns  how             VARCHAR  'changed only', or 'rebuilt' when everything was counted again
--          reason          VARCHAR  why everything was counted again
--          changed_buyers  BIGINT   customers (and anonymous baskets) that were read again
--          changed_days    BIGINT   days that were read again
--          seconds         DOUBLE   wall clock
CREATE OR REPLACE MACRO recsql.refresh() AS TABLE
SELECT unnest(_recsql_call_refresh(to_json({
    'caller': {
        'schema': current_schema(),
        'rows': (SELECT count(*) FROM recsql.interactions)
    }
})::VARCHAR), recursive := true);
