-- recsql.bind_knowledge(facts, head := NULL, relation := NULL, tail := NULL, filter := NULL) -> TABLE
-- Bind the table of facts about items: a knowledge graph.
--
-- A row joins two things: 'Blade Runner' has director 'Ridley Scott'. Things are compared as text. A
-- text that is the id of an item is that item; any other is an entity. Facts about entities count
-- too, up to two steps from an item. The model kgat learns from them, and explain() names them.
-- Run it with CALL; it commits by itself.
--
-- Args     facts     VARCHAR  a committed table or view
--          head      VARCHAR  column or expression: an item, or what is the tail of another fact;
--                             needed
--          relation  VARCHAR  how both are joined; NULL: all facts are of one kind
--          tail      VARCHAR  what the head is joined to; needed
--          filter    VARCHAR  a condition over the columns of the table
-- Returns  source    VARCHAR  interactions, users, items, impressions or knowledge
--          name      VARCHAR  column of the view recsql.<source>
--          bound_to  VARCHAR  column or expression of your table
--          type      VARCHAR  SQL type
--          rows      BIGINT   rows of the view
--          missing   BIGINT   rows where the column is NULL
--          distinct_values  BIGINT  about how many different values
--          note      VARCHAR  what the binding makes invalid, what is left out
CREATE OR REPLACE MACRO recsql.bind_knowledge(facts, head := NULL, relation := NULL, tail := NULL, filter := NULL) AS TABLE
SELECT unnest(_recsql_call_bind_knowledge(to_json({
    'facts': facts,
    'head': head,
    'relation': relation,
    'tail': tail,
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
