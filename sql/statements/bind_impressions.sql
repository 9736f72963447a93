-- recsql.bind_impressions(relation, user_id := NULL, item_id := NULL, ts := NULL, request_id := NULL, position := NULL, clicked := NULL, attributes := NULL, filter := NULL) -> TABLE
-- Bind the table of what was shown to whom.
--
-- Run it with CALL; it commits by itself.
--
-- Args     relation    VARCHAR    a committed table or view
--          user_id     VARCHAR    column or expression
--          item_id     VARCHAR    column or expression; needed
--          ts          VARCHAR    when
--          request_id  VARCHAR    the request that showed it
--          position    VARCHAR    place in the list, 1 is first; DuckDB 1.5 wants "position" :=
--          clicked     VARCHAR    whether it was clicked
--          attributes  VARCHAR[]  columns; NULL: all others
--          filter      VARCHAR    a condition over the columns of the table
-- Returns  source    VARCHAR  interactions, users, items, impressions or knowledge
--          name      VARCHAR  column of the view recsql.<source>
--          bound_to  VARCHAR  column or expression of your table
--          type      VARCHAR  SQL type
--          rows      BIGINT   rows of the view
--          missing   BIGINT   rows where the column is NULL
--          distinct_values  BIGINT  about how many different values
--          note      VARCHAR  what the binding makes invalid, what is left out
CREATE OR REPLACE MACRO recsql.bind_impressions(relation, user_id := NULL, item_id := NULL, ts := NULL, request_id := NULL, "position" := NULL, clicked := NULL, attributes := NULL, filter := NULL) AS TABLE
SELECT unnest(_recsql_call_bind_impressions(to_json({
    'relation': relation,
    'user_id': user_id,
    'item_id': item_id,
    'ts': ts,
    'request_id': request_id,
    'position': "position",
    'clicked': clicked,
    'attributes': attributes,
    'filter': filter,
    'caller': {
        'schema': current_schema(),
        'temporary': (
            SELECT list(t.name)
            FROM (
                SELECT d.table_name AS name FROM duckdb_tables() AS d WHERE d.temporary
                UNION ALL
                SELECT v.view_name FROM duckdb_views() AS v WHERE v.temporary AND NOT v.internal
            ) AS t
        )
    }
})::VARCHAR), recursive := true);
