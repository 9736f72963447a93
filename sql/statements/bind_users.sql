-- recsql.bind_users(relation, user_id := NULL, attributes := NULL, private := NULL, filter := NULL) -> TABLE
-- Bind the table of customers.
--
-- Run it with CALL; it commits by itself.
--
-- Args     relation    VARCHAR    a committed table or view
--          user_id     VARCHAR    column or expression; needed
--          attributes  VARCHAR[]  columns; NULL: all others
--          private     VARCHAR[]  attributes never shown in matches, reasons or published files
--          filter      VARCHAR    a condition over the columns of the table
-- Returns  source    VARCHAR  interactions, users, items, impressions or knowledge
--          name      VARCHAR  column of the view recsql.<source>
--          bound_to  VARCHAR  column or expression of your table
--          type      VARCHAR  SQL type
--          rows      BIGINT   rows of the view
--          missing   BIGINT   rows where the column is NULL
--          distinct_values  BIGINT  about how many different values
--          note      VARCHAR  what the binding makes invalid, what is left out
CREATE OR REPLACE MACRO recsql.bind_users(relation, user_id := NULL, attributes := NULL, private := NULL, filter := NULL) AS TABLE
SELECT unnest(_recsql_call_bind_users(to_json({
    'relation': relation,
    'user_id': user_id,
    'attributes': attributes,
    'private': private,
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
