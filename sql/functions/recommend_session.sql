-- recommend_session(items, k := 10, exclude_bought := NULL, context := NULL) -> TABLE
-- The k items that will most likely follow in a session that holds some items in this order.
--
-- For visitors who are not known: nothing is read but the model, which is that of recommend_next and
-- as of the last CALL recsql.train().
--
-- Needs    task next
-- Args     items           ITEM[]    the items of the session, in the order they were met
--          k               BIGINT    rows wanted, >= 1
--          exclude_bought  BOOLEAN   NULL: items of the session are left out unless customers
--                                    re-buy; true or false decides
--          context         ANY       what is known of the request, for example
--                                    {'device': 'phone'}: a STRUCT or MAP; names of the bound
--                                    context; NULL, and what is missing or was never seen: unknown
-- Returns  rank     BIGINT   1 is best; ties go to the smaller item_id
--          item_id  ITEM     an available item
--          score    DOUBLE   by the model that answered
--          model    VARCHAR  algorithm that answered; where its list ends before k, and for a
--                            session of unknown items, best sellers follow as 'popularity'
-- Empty    when nothing is available
-- Published  absent: the model has to see the session
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.1 (next purchase)
CREATE OR REPLACE MACRO {{prefix}}recommend_session(
    items, k := 10, exclude_bought := NULL, context := NULL
) AS TABLE
SELECT
    _our_answer._our_row.rank AS rank,
    CAST(_our_answer._our_row.item_id AS {{item_id_type}}) AS item_id,
    _our_answer._our_row.score AS score,
    _our_answer._our_row.model AS model
FROM (
    SELECT unnest(_recsql_runtime_session(
        items::VARCHAR[], k::BIGINT, exclude_bought::BOOLEAN, to_json(context)::VARCHAR
    )) AS _our_row
) AS _our_answer;
