-- recsql.bind_items(relation, item_id := NULL, title := NULL, category := NULL, available := NULL, attributes := NULL, filter := NULL) -> TABLE
-- Bind the table of items.
--
-- Run it with CALL; it commits by itself.
--
-- Args     relation    VARCHAR    a committed table or view
--          item_id     VARCHAR    column or expression; needed
--          title       VARCHAR    name shown to people
--          category    VARCHAR    group of items
--          available   VARCHAR    false: never recommended, still counts as history
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
CREATE OR REPLACE MACRO recsql.bind_items(relation, item_id := NULL, title := NULL, category := NULL, available := NULL, attributes := NULL, filter := NULL) AS TABLE
SELECT unnest(_recsql_call_bind_items(to_json({
    'relation': relation,
    'item_id': item_id,
    'title': title,
    'category': category,
    'available': available,
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
