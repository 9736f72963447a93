-- recsql.bind_interactions(relation, user_id := NULL, item_id := NULL, ts := NULL, event := NULL, quantity := NULL, value := NULL, rating := NULL, basket_id := NULL, session_id := NULL, context := NULL, filter := NULL, net_returns := NULL) -> TABLE
-- Bind the table of purchases, clicks or other events; nothing is copied.
--
-- Run it with CALL; it commits by itself.
--
-- Args     relation     VARCHAR    a committed table or view, for example orders or crm.orders
--          user_id      VARCHAR    column or expression; unbound or NULL: anonymous
--          item_id      VARCHAR    column or expression; needed
--          ts           VARCHAR    TIMESTAMP, TIMESTAMPTZ, DATE, or an integer that only orders
--          event        VARCHAR    kind of event; unbound: 'purchase'
--          quantity     VARCHAR    units; unbound: 1; 0 or less is not a purchase
--          value        VARCHAR    money, for example quantity * price
--          rating       VARCHAR    explicit feedback
--          basket_id    VARCHAR    order or invoice of one customer; unbound: 24-hour windows
--          session_id   VARCHAR    visit; unbound: a break of one hour ends it
--          context      VARCHAR[]  columns that tell what is known of a request, like a device
--          filter       VARCHAR    a condition over the columns of the table
--          net_returns  BOOLEAN    a later negative quantity takes the purchase back
-- Returns  source    VARCHAR  interactions, users, items, impressions or knowledge
--          name      VARCHAR  column of the view recsql.<source>
--          bound_to  VARCHAR  column or expression of your table
--          type      VARCHAR  SQL type
--          rows      BIGINT   rows of the view
--          missing   BIGINT   rows where the column is NULL
--          distinct_values  BIGINT  about how many different values
--          note      VARCHAR  what the binding makes invalid, what is left out
CREATE OR REPLACE MACRO recsql.bind_interactions(relation, user_id := NULL, item_id := NULL, ts := NULL, event := NULL, quantity := NULL, value := NULL, rating := NULL, basket_id := NULL, session_id := NULL, context := NULL, filter := NULL, net_returns := NULL) AS TABLE
SELECT unnest(_recsql_call_bind_interactions(to_json({
    'relation': relation,
    'user_id': user_id,
    'item_id': item_id,
    'ts': ts,
    'event': event,
    'quantity': quantity,
    'value': value,
    'rating': rating,
    'basket_id': basket_id,
    'session_id': session_id,
    'context': context,
    'filter': filter,
    'net_returns': net_returns,
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
