-- purchases() -> TABLE
-- The rows of the bound interactions that count as purchases, with their time as a number.
--
-- A part of the other definitions. {{time}} is the time of a row as BIGINT (microseconds since
-- 1970, or the ordering integer), {{real_time}} whether it is a date or timestamp.
--
-- Needs    interactions
-- Returns  user_id    USER    NULL for an anonymous customer
--          item_id    ITEM    never NULL
--          basket_id  BASKET  NULL where the row has none
--          time       BIGINT  microseconds since 1970, or the ordering integer; NULL without one
--          day        BIGINT  whole days since 1970; NULL without real time
--          strength   DOUBLE  weight of the kind of event, above 0; 1 for a kind without a weight
--          today      BIGINT  day of the present, the same in every row; NULL without real time
-- Empty    when nothing was bought up to the present
WITH setting AS (
    SELECT
        CASE
            WHEN {{real_time}} THEN epoch_us(TRY_CAST(s.value AS TIMESTAMP))
            ELSE TRY_CAST(s.value AS BIGINT)
        END AS time
    FROM recsql.settings AS s
    WHERE s.name = 'now'
),
latest AS (
    SELECT
        CASE
            WHEN {{real_time}} THEN least(max({{time}}), epoch_us(now()))
            ELSE max({{time}})
        END AS time
    FROM recsql.interactions AS i
),
present AS (
    SELECT coalesce((SELECT s.time FROM setting AS s), l.time) AS time
    FROM latest AS l
),
timed AS (
    SELECT
        i.user_id,
        i.item_id,
        i.basket_id,
        {{time}} AS time,
        CAST(coalesce(w.weight, 1) AS DOUBLE) AS strength
    FROM recsql.interactions AS i
    LEFT JOIN recsql.event_weights AS w ON w.event = i.event
    WHERE i.item_id IS NOT NULL AND coalesce(i.quantity, 1) > 0 AND coalesce(w.weight, 1) > 0
)
SELECT
    t.user_id,
    t.item_id,
    t.basket_id,
    t.time,
    CASE WHEN {{real_time}} THEN CAST(floor(t.time / 86400000000) AS BIGINT) END AS day,
    t.strength,
    CASE WHEN {{real_time}} THEN CAST(floor(n.time / 86400000000) AS BIGINT) END AS today
FROM timed AS t
CROSS JOIN present AS n
WHERE t.time IS NULL OR n.time IS NULL OR t.time <= n.time;
