-- score_next(user_id, item_id) -> DOUBLE
-- How likely it is that a customer buys an item next, as the model of the task says.
--
-- Takes any pairs that a query makes, in bulk: what a customer has bought and their attributes are
-- read once for a query, as they are when its transaction first asks. By this score
-- recommend_next ranks; it says nothing across models.
--
-- Needs    task next
-- Args     user_id  USER  the customer
--          item_id  ITEM  the item, available or not, bought before or not
-- Returns  score_next  DOUBLE  the higher the better, on the scale of the model that serves
-- Empty    NULL for a customer nothing is known of, for an item that the model does not know, and
--          where the model would never recommend it
-- Published  absent: a file has no model, only what was asked before it was written
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.1 (next purchase)
CREATE OR REPLACE MACRO {{prefix}}score_next(user_id, item_id) AS (
    _recsql_runtime_score_next(user_id::VARCHAR, item_id::VARCHAR, txid_current()::BIGINT)
);
