-- impact_score(item_id) -> DOUBLE
-- What is lost when a recommendation of an item is ignored: mean of contribution and choice.
--
-- TC = transactions of the item / all transactions, PS = customers who bought it / all customers,
-- score = (TC + PS) / 2. The text of the paper averages the transaction score; its equation, which
-- counts here, the transaction contribution TC. Where no customer is known PS is 0.
--
-- Needs    scores
-- Args     item_id  ITEM  the item
-- Returns  impact_score  DOUBLE  from 0 to 1
-- Empty    NULL for an item that is unknown or was never bought
-- Published  identical
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.7, equation 8
CREATE OR REPLACE MACRO {{prefix}}impact_score(item_id) AS (
    SELECT (stored._contribution + stored._choice) / 2
    FROM (
        SELECT
            s.item_id AS _key,
            s.transactions / t.transactions AS _contribution,
            coalesce(s.users / nullif(t.users, 0), 0) AS _choice
        FROM recsql.item_scores AS s
        CROSS JOIN recsql.totals AS t
    ) AS stored
    WHERE stored._key = TRY_CAST(item_id::VARCHAR AS {{item_id_type}})
);
