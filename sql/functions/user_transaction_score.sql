-- user_transaction_score(user_id) -> DOUBLE
-- How much a customer takes part in all transactions: mean of contribution and importance.
--
-- TC = transactions of the customer / transactions of all known customers, Z = TC / mean TC,
-- IS = exp(Z) / sum of exp(Z), score = (TC + IS) / 2. Transactions of anonymous customers are left
-- out, so that the contributions sum to 1. IS is computed as exp(Z - ln(sum of exp(Z))), which
-- is finite for any number of customers.
--
-- Needs    scores
-- Args     user_id  USER  the customer
-- Returns  user_transaction_score  DOUBLE  from 0 to 1; all of them sum to 1
-- Empty    NULL for a customer who is unknown or bought nothing
-- Published  identical
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.7, equations 1 to 5
CREATE OR REPLACE MACRO {{prefix}}user_transaction_score(user_id) AS (
    SELECT (stored._contribution + exp(stored._z - stored._log_sum)) / 2
    FROM (
        SELECT
            s.user_id AS _key,
            s.transactions / t.user_transactions AS _contribution,
            t.buyers::DOUBLE * s.transactions / t.user_transactions AS _z,
            t.user_log_sum AS _log_sum
        FROM recsql.user_scores AS s
        CROSS JOIN recsql.totals AS t
    ) AS stored
    WHERE stored._key = TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
);
