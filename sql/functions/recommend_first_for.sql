-- recommend_first_for(attributes, k := 10, context := NULL) -> TABLE
-- The k items that somebody with these attributes will most likely buy first.
--
-- For leads who are no customers yet; the model is that of recommend_first.
--
-- Needs    task first
-- Args     attributes  ANY     values by name, for example {'country': 'France'}: a STRUCT or MAP; names
--                              of the bound attributes that are not private; what is missing or
--                              was never seen says nothing
--          k           BIGINT  rows wanted, >= 1
--          context     ANY     what is known of the request, as in recommend_first
-- Returns  rank     BIGINT   1 is best; ties go to the smaller item_id
--          item_id  ITEM     an available item
--          score    DOUBLE   by the model that answered
--          model    VARCHAR  algorithm that answered; where its list ends before k, best sellers
--                            follow as 'popularity'
-- Empty    when nothing is available
-- Published  absent: the model has to see the attributes
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.1 (first purchase)
CREATE OR REPLACE MACRO {{prefix}}recommend_first_for(attributes, k := 10, context := NULL) AS TABLE
SELECT
    _our_answer._our_row.rank AS rank,
    CAST(_our_answer._our_row.item_id AS {{item_id_type}}) AS item_id,
    _our_answer._our_row.score AS score,
    _our_answer._our_row.model AS model
FROM (
    SELECT unnest(_recsql_runtime_first_for(
        to_json(attributes)::VARCHAR, k::BIGINT, to_json(context)::VARCHAR
    )) AS _our_row
) AS _our_answer;
