-- ema_trend($half_life_days, $window_days) -> TABLE
-- The trend of every item that was ever bought: how far its sales are above their usual level.
--
-- The definition of the model ema_trend (task trending). With x_t the purchases of an item on day
-- t, T today and alpha = 1 - 2^(-1 / $half_life_days), the moving average over the window of
-- $window_days days that ends today starts from 0 and follows e_t = alpha * x_t + (1 - alpha) *
-- e_(t-1); written out, e_t is the sum of alpha * (1 - alpha)^(t - s) * x_s. The z-score is
-- (e_T - mean of e) / standard deviation of e over the days of the window, 0 where e does not
-- vary; the trend score its softmax over the available items; the acceleration
-- (e_T - e_(T-7)) - (e_(T-7) - e_(T-14)), where e is 0 before the window.
--
-- Needs    interactions
-- Args     half_life_days  DOUBLE  > 0
--          window_days     BIGINT  >= 1
-- Returns  item_id       ITEM    an item that was ever bought
--          z_score       DOUBLE  standard deviations of e above its mean
--          trend_score   DOUBLE  softmax of z_score, sums to 1; NULL for an item not available
--          acceleration  DOUBLE  purchases a day, gained this week over the gain of last week
--          trend_rank    BIGINT  1 is highest; ties: smaller item_id; NULL if not available
-- Empty    when nothing was bought or where there is no real time
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.7, Trending Score, and
--          section 2.1 (rate of change). The paper names neither the window nor the smoothing
--          nor the start: these are the choices above; the population's standard deviation
WITH purchase AS (
    SELECT p.item_id, p.day, p.today
    FROM ({{purchases}}) AS p
    WHERE p.today IS NOT NULL
),
item AS (
    SELECT DISTINCT p.item_id, p.today
    FROM purchase AS p
),
series AS (
    SELECT p.item_id, p.day, CAST(count(*) AS DOUBLE) AS sold
    FROM purchase AS p
    WHERE p.day > p.today - $window_days AND p.day <= p.today
    GROUP BY p.item_id, p.day
),
back AS (
    SELECT CAST(r.range AS BIGINT) AS days
    FROM range(CAST($window_days AS BIGINT)) AS r
),
smoothing AS (
    SELECT 1 - power(CAST(2 AS DOUBLE), -1 / CAST($half_life_days AS DOUBLE)) AS alpha
),
average AS (
    SELECT
        i.item_id,
        b.days AS days_ago,
        coalesce(
            sum(a.alpha * power(1 - a.alpha, i.today - b.days - s.day) * s.sold), 0
        ) AS level
    FROM item AS i
    CROSS JOIN back AS b
    CROSS JOIN smoothing AS a
    LEFT JOIN series AS s ON s.item_id = i.item_id AND s.day <= i.today - b.days
    GROUP BY i.item_id, b.days
),
summary AS (
    SELECT
        a.item_id,
        avg(a.level) AS mean,
        stddev_pop(a.level) AS deviation,
        sum(CASE WHEN a.days_ago = 0 THEN a.level ELSE 0 END) AS now,
        sum(CASE WHEN a.days_ago = 7 THEN a.level ELSE 0 END) AS week_ago,
        sum(CASE WHEN a.days_ago = 14 THEN a.level ELSE 0 END) AS two_weeks_ago
    FROM average AS a
    GROUP BY a.item_id
),
not_available AS (
    SELECT CAST(v.item_id AS VARCHAR) AS item_id
    FROM recsql.items AS v
    WHERE v.item_id IS NOT NULL
    GROUP BY CAST(v.item_id AS VARCHAR)
    HAVING NOT bool_or(coalesce(v.available, true))
),
scored AS (
    SELECT
        s.item_id,
        CASE WHEN s.deviation > 0 THEN (s.now - s.mean) / s.deviation ELSE 0 END AS z_score,
        (s.now - s.week_ago) - (s.week_ago - s.two_weeks_ago) AS acceleration,
        CAST(s.item_id AS VARCHAR) NOT IN (
            SELECT n.item_id FROM not_available AS n
        ) AS available
    FROM summary AS s
),
highest AS (
    SELECT max(s.z_score) AS z_score
    FROM scored AS s
    WHERE s.available
)
SELECT
    s.item_id,
    s.z_score,
    CASE
        WHEN s.available
            THEN exp(s.z_score - h.z_score)
                / sum(CASE WHEN s.available THEN exp(s.z_score - h.z_score) END) OVER ()
    END AS trend_score,
    s.acceleration,
    CASE
        WHEN s.available
            THEN row_number() OVER (PARTITION BY s.available ORDER BY s.z_score DESC, s.item_id)
    END AS trend_rank
FROM scored AS s
CROSS JOIN highest AS h
ORDER BY s.item_id;
