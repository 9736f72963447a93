-- recommend_first(user_id, k := 10, context := NULL) -> TABLE
-- The k items that a customer will most likely buy first, judged by their attributes.
--
-- The model is as of the last CALL recsql.train(); the customer's row in the bound users is read at
-- the call. What the customer has bought is left out.
--
-- Needs    task first
-- Args     user_id  USER    the customer, who need not have bought anything
--          k        BIGINT  rows wanted, >= 1
--          context  ANY     what is known of the request, for example {'device': 'phone'}: a STRUCT or
--                           MAP; names of the bound context; NULL, and what is missing or was never
--                           seen: unknown
-- Returns  rank     BIGINT   1 is best; ties go to the smaller item_id
--          item_id  ITEM     an available item
--          score    DOUBLE   by the model that answered
--          model    VARCHAR  algorithm that answered; where its list ends before k, best sellers
--                            follow as 'popularity'
-- Empty    when nothing is available
-- Published  materialized: the lists of customers known when the file was written, and the list of
--            everyone else, to the published depth; context is not taken
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.1 (first purchase)
CREATE OR REPLACE MACRO {{prefix}}recommend_first(user_id, k := 10, context := NULL) AS TABLE
SELECT
    _our_answer._our_row.rank AS rank,
    CAST(_our_answer._our_row.item_id AS {{item_id_type}}) AS item_id,
    _our_answer._our_row.score AS score,
    _our_answer._our_row.model AS model
FROM (
    SELECT unnest(_recsql_runtime_first(
        user_id::VARCHAR, k::BIGINT, NULL::BIGINT, NULL::BOOLEAN, to_json(context)::VARCHAR
    )) AS _our_row
) AS _our_answer;
