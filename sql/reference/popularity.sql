-- popularity($days, $half_life_days) -> TABLE
-- The available items by the strength of what was bought in a time window.
--
-- The definition of the model popularity (task popular).
--
-- Needs    interactions
-- Args     days  BIGINT  whole days that end with today, >= 1; NULL: everything, undated rows too
--          half_life_days  DOUBLE  an event counts half for each half-life of its age; NULL: whole
-- Returns  rank          BIGINT  1 is best; ties go to the smaller item_id
--          item_id       ITEM    an available item
--          score         DOUBLE  sum of the strengths of the events, less with age
--          transactions  BIGINT  rows that were counted
-- Empty    when nothing was bought in the window
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.1, Popular and Trending
WITH counted AS (
    SELECT
        p.item_id,
        sum(p.strength * coalesce(pow(0.5, (p.today - p.day) / CAST($half_life_days AS DOUBLE)), 1))
            AS score,
        count(*) AS transactions
    FROM ({{purchases}}) AS p
    WHERE (
            CAST($days AS BIGINT) IS NULL
            OR (p.day > p.today - CAST($days AS BIGINT) AND p.day <= p.today)
        )
        AND (CAST($half_life_days AS DOUBLE) IS NULL OR p.day <= p.today)
    GROUP BY p.item_id
),
not_available AS (
    SELECT CAST(v.item_id AS VARCHAR) AS item_id
    FROM recsql.items AS v
    WHERE v.item_id IS NOT NULL
    GROUP BY CAST(v.item_id AS VARCHAR)
    HAVING NOT bool_or(coalesce(v.available, true))
)
SELECT
    row_number() OVER (ORDER BY c.score DESC, c.item_id) AS rank,
    c.item_id,
    c.score,
    c.transactions
FROM counted AS c
WHERE CAST(c.item_id AS VARCHAR) NOT IN (SELECT n.item_id FROM not_available AS n)
ORDER BY rank;
