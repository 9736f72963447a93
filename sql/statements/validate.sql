-- recsql.validate() -> TABLE
-- What is worth knowing about the bound data before training, with a remedy for each finding.
--
-- Run it with CALL. Nothing is changed, and nothing is dropped silently: the last row, left_out,
-- adds up what training leaves out and why.
--
-- Needs    interactions
-- Returns  check_name     VARCHAR  what was checked, for example null_item_id
--          source         VARCHAR  interactions, users, items, impressions or knowledge
--          severity       VARCHAR  error stops a task or gives wrong answers; warning; info
--          rows_affected  BIGINT   rows of the source; large_customers, large_baskets: items without pairs
--          share          DOUBLE   of all of them, 0 to 1
--          example        VARCHAR  one value that shows it; NULL without one
--          advice         VARCHAR  what is so and what to do, with the statement to paste
-- Empty    never
CREATE OR REPLACE MACRO recsql.validate() AS TABLE
SELECT unnest(_recsql_call_validate(to_json({
    'caller': {
        'schema': current_schema(),
        'temporary': (SELECT list(t.table_name) FROM duckdb_tables() AS t WHERE t.temporary),
        'rows': (SELECT count(*) FROM recsql.interactions AS i)
    }
})::VARCHAR), recursive := true);
