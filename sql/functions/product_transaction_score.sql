-- product_transaction_score(item_id) -> DOUBLE
-- How much an item takes part in all transactions: mean of contribution and importance.
--
-- TC = transactions of the item / all transactions, Z = TC / mean TC, IS = exp(Z) / sum of exp(Z),
-- score = (TC + IS) / 2, over all items that were ever bought. IS is computed as
-- exp(Z - ln(sum of exp(Z))), which is finite for any number of items.
--
-- Needs    scores
-- Args     item_id  ITEM  the item
-- Returns  product_transaction_score  DOUBLE  from 0 to 1; all of them sum to 1
-- Empty    NULL for an item that is unknown or was never bought
-- Published  identical
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.7, equation 6
CREATE OR REPLACE MACRO {{prefix}}product_transaction_score(item_id) AS (
    SELECT (stored._contribution + exp(stored._z - stored._log_sum)) / 2
    FROM (
        SELECT
            s.item_id AS _key,
            s.transactions / t.transactions AS _contribution,
            t.items::DOUBLE * s.transactions / t.transactions AS _z,
            t.item_log_sum AS _log_sum
        FROM recsql.item_scores AS s
        CROSS JOIN recsql.totals AS t
    ) AS stored
    WHERE stored._key = TRY_CAST(item_id::VARCHAR AS {{item_id_type}})
);
