-- baskets() -> TABLE
-- The purchases with the basket that each belongs to.
--
-- A part of the other definitions. A basket is a basket_id of one customer, or of nobody. Where
-- no basket_id is bound ({{has_basket}} is false) it is a window: it opens with a customer's first
-- purchase, and a purchase basket_hours later or more opens the next one. A purchase that
-- neither rule can group is a basket of its own; without customer and basket it is left out.
--
-- Needs    interactions
-- Returns  user_id  USER    NULL for an anonymous customer
--          item_id  ITEM    never NULL
--          basket   BIGINT  number of the basket, from 1
--          time     BIGINT  time of the first purchase of the basket; 0 without one
--          today    BIGINT  day of the present, the same in every row; NULL without real time
-- Empty    when nothing was bought up to the present
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.1 (a 24-hour interval)
WITH RECURSIVE purchase AS (
    SELECT
        p.user_id,
        p.item_id,
        p.basket_id,
        p.time,
        p.today,
        row_number() OVER (ORDER BY p.user_id, p.basket_id, p.time, p.item_id) AS row_no
    FROM ({{purchases}}) AS p
    WHERE p.user_id IS NOT NULL OR ({{has_basket}} AND p.basket_id IS NOT NULL)
),
length AS (
    SELECT
        greatest(1, CAST(coalesce(max(CAST(s.value AS DOUBLE)), 24) * 3600000000 AS BIGINT))
            AS microseconds
    FROM recsql.settings AS s
    WHERE s.name = 'basket_hours'
),
moment AS (
    SELECT DISTINCT p.user_id, p.time
    FROM purchase AS p
    WHERE {{real_time}} AND NOT {{has_basket}} AND p.time IS NOT NULL
),
next_moment AS (
    SELECT m.user_id, m.time, min(later.time) AS next_time
    FROM moment AS m
    CROSS JOIN length AS l
    JOIN moment AS later ON later.user_id = m.user_id AND later.time >= m.time + l.microseconds
    GROUP BY m.user_id, m.time
),
opened AS (
    SELECT m.user_id, min(m.time) AS time
    FROM moment AS m
    GROUP BY m.user_id
    UNION ALL
    SELECT o.user_id, n.next_time
    FROM opened AS o
    JOIN next_moment AS n ON n.user_id = o.user_id AND n.time = o.time
),
latest_opened AS (
    SELECT m.user_id, m.time, max(o.time) AS opened_at
    FROM moment AS m
    JOIN opened AS o ON o.user_id = m.user_id AND o.time <= m.time
    GROUP BY m.user_id, m.time
),
keyed AS (
    SELECT
        p.user_id,
        p.item_id,
        p.time,
        p.today,
        CASE WHEN {{has_basket}} THEN p.basket_id END AS basket_id,
        w.opened_at,
        CASE
            WHEN {{has_basket}} AND p.basket_id IS NOT NULL THEN 0
            WHEN w.opened_at IS NOT NULL THEN 0
            ELSE p.row_no
        END AS alone
    FROM purchase AS p
    LEFT JOIN latest_opened AS w ON w.user_id = p.user_id AND w.time = p.time
)
SELECT
    k.user_id,
    k.item_id,
    dense_rank() OVER (ORDER BY k.user_id, k.basket_id, k.opened_at, k.alone) AS basket,
    coalesce(
        min(k.time) OVER (PARTITION BY k.user_id, k.basket_id, k.opened_at, k.alone), 0
    ) AS time,
    k.today
FROM keyed AS k;
