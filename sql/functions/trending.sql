-- trending(k := 10) -> TABLE
-- The k items whose sales stand highest above their own usual level.
--
-- The moving average of an item's daily transactions is compared with its own mean over the
-- window (settings trend_half_life_days, trend_window_days). The answer is as of the last CALL
-- recsql.train() or recsql.refresh().
--
-- Needs    task trending
-- Args     k  BIGINT  rows wanted, >= 1
-- Returns  rank          BIGINT  1 is highest; ties go to the smaller item_id
--          item_id       ITEM    an available item
--          score         DOUBLE  trend score: softmax of z_score over all available items
--          z_score       DOUBLE  standard deviations of the moving average above its mean
--          acceleration  DOUBLE  transactions a day: this week's gain over last week's gain
-- Empty    when there is no real time, or nothing available was ever bought
-- Published  identical
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.7 (trending score) and
--          section 2.1 (acceleration)
CREATE OR REPLACE MACRO {{prefix}}trending(k := 10) AS TABLE
SELECT
    answer._our_rank AS rank,
    answer._our_item AS item_id,
    answer._our_score AS score,
    answer._our_z_score AS z_score,
    answer._our_acceleration AS acceleration
FROM (
    SELECT
        _our_stored._our_rank,
        _our_stored._our_item,
        _our_stored._our_score,
        _our_stored._our_z_score,
        _our_stored._our_acceleration
    FROM (
        SELECT
            s.trend_rank AS _our_rank,
            s.item_id AS _our_item,
            s.trend_score AS _our_score,
            s.trend_z AS _our_z_score,
            s.trend_acceleration AS _our_acceleration
        FROM recsql.item_scores AS s
    ) AS _our_stored
    WHERE _our_stored._our_rank <= k
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL
    WHERE CASE
        WHEN k >= 1 THEN false
        ELSE error(format('k must be at least 1, got {}.', ifnull(k::VARCHAR, 'NULL')))
    END
) AS answer
ORDER BY answer._our_rank;
