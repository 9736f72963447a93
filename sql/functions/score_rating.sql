-- score_rating(user_id, item_id) -> DOUBLE
-- How a customer would rate an item now, as the model of the task says.
--
-- Takes any pairs that a query makes, in bulk: what a customer has bought and rated, and their
-- attributes, are read once for a query, as they are when its transaction first asks.
--
-- Needs    task rating
-- Args     user_id  USER  the customer
--          item_id  ITEM  the item, available or not, rated before or not
-- Returns  score_rating  DOUBLE  on the scale of the ratings, from the least to the highest learned
-- Empty    NULL for a customer nothing is known of, and for an item that the model does not know
-- Published  absent: a file has no model, only what was asked before it was written
-- Source   Ma et al., "Temporal-Contextual Recommendation in Real-Time", KDD 2020, section 4.3
CREATE OR REPLACE MACRO {{prefix}}score_rating(user_id, item_id) AS (
    _recsql_runtime_score_rating(user_id::VARCHAR, item_id::VARCHAR, txid_current()::BIGINT)
);
