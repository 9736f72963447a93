-- recommend_related_for(user_id, item_id, k := 10, exclude_bought := NULL) -> TABLE
-- The k items most often bought with an item by customers like this one.
--
-- A random walk over customers and items as of the last CALL recsql.train(), drawn to customers that share
-- items with what the customer has bought, which is read at the call. Nobody's, or that of a
-- customer without purchases, is the walk of everyone.
--
-- Needs    task related
-- Args     user_id         USER     the customer
--          item_id         ITEM     the item
--          k               BIGINT   rows wanted, >= 1
--          exclude_bought  BOOLEAN  what the customer has bought; NULL: left out;
--                                   true or false decides
-- Returns  rank     BIGINT   1 is best; ties go to the smaller item_id
--          item_id  ITEM     an available item, never the one asked for
--          score    DOUBLE   visits of the walk, by the popularity of the item
--          support  BIGINT   visits of the walk
--          model    VARCHAR  algorithm that answered
-- Empty    when the item is unknown, or was bought with no other available item
-- Published  absent: pairs of customers and items are too many to store
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.2 (biased random walk);
--          Eksombatchai et al., Pixie, WWW 2018
CREATE OR REPLACE MACRO {{prefix}}recommend_related_for(
    user_id, item_id, k := 10, exclude_bought := NULL
) AS TABLE
SELECT
    _our_answer._our_row.rank AS rank,
    CAST(_our_answer._our_row.item_id AS {{item_id_type}}) AS item_id,
    _our_answer._our_row.score AS score,
    _our_answer._our_row.support AS support,
    _our_answer._our_row.model AS model
FROM (
    SELECT unnest(_recsql_runtime_related_for(
        user_id::VARCHAR, item_id::VARCHAR, k::BIGINT, exclude_bought::BOOLEAN
    )) AS _our_row
) AS _our_answer;
