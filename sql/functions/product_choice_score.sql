-- product_choice_score(item_id) -> DOUBLE
-- The share of all customers who bought an item.
--
-- All customers are those of the bound users and those who bought anything.
--
-- Needs    scores
-- Args     item_id  ITEM  the item
-- Returns  product_choice_score  DOUBLE  from 0 to 1
-- Empty    NULL for an item that is unknown or was never bought, and where no customer is known
-- Published  identical
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.7, equation 7
CREATE OR REPLACE MACRO {{prefix}}product_choice_score(item_id) AS (
    SELECT stored._choice
    FROM (
        SELECT s.item_id AS _key, s.users / nullif(t.users, 0) AS _choice
        FROM recsql.item_scores AS s
        CROSS JOIN recsql.totals AS t
    ) AS stored
    WHERE stored._key = TRY_CAST(item_id::VARCHAR AS {{item_id_type}})
);
