-- trend_score(item_id) -> DOUBLE
-- The trend score of an item: the share that softmax gives to its z-score.
--
-- Shares are those of trending() and sum to 1 over the available items.
--
-- Needs    task trending
-- Args     item_id  ITEM  the item
-- Returns  trend_score  DOUBLE  from 0 to 1
-- Empty    NULL for an item that is unknown or not available, and where there is no real time
-- Published  identical
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.7, Trending Score
CREATE OR REPLACE MACRO {{prefix}}trend_score(item_id) AS (
    SELECT stored._score
    FROM (
        SELECT s.item_id AS _key, s.trend_score AS _score
        FROM recsql.item_scores AS s
    ) AS stored
    WHERE stored._key = TRY_CAST(item_id::VARCHAR AS {{item_id_type}})
);
