-- recommend_for_you(user_id, k := 10, at_time := NULL, exclude_bought := NULL) -> TABLE
-- The k items, new to a customer, that fit best what they have bought so far.
--
-- The model is as of the last CALL recsql.train(); what the customer has bought is read at the
-- call: a purchase inserted a moment ago counts. A customer who is new since the training is
-- answered by the purchases there are.
-- Items bought before are left out.
--
-- Needs    task for_you
-- Args     user_id         USER      the customer
--          k               BIGINT    rows wanted, >= 1
--          at_time         ANY       the moment of the question, on the scale of ts: later
--                                    purchases do not count; NULL: all count
--          exclude_bought  BOOLEAN   NULL or true: left out; false: kept
-- Returns  rank     BIGINT   1 is best; ties go to the smaller item_id
--          item_id  ITEM     an available item
--          score    DOUBLE   by the model that answered
--          model    VARCHAR  algorithm that answered; where its list ends before k, and for a
--                            customer without purchases, best sellers follow as 'popularity'
-- Empty    when nothing is available
-- Published  materialized: the lists of customers known when the file was written, and the list of
--            everyone else, to the published depth; at_time and exclude_bought are not taken
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.1 (personalized)
CREATE OR REPLACE MACRO {{prefix}}recommend_for_you(
    user_id, k := 10, at_time := NULL, exclude_bought := NULL
) AS TABLE
SELECT
    _our_answer._our_row.rank AS rank,
    CAST(_our_answer._our_row.item_id AS {{item_id_type}}) AS item_id,
    _our_answer._our_row.score AS score,
    _our_answer._our_row.model AS model
FROM (
    SELECT unnest(_recsql_runtime_for_you(
        user_id::VARCHAR, k::BIGINT, {{at_time}}, exclude_bought::BOOLEAN, NULL::VARCHAR
    )) AS _our_row
) AS _our_answer;
