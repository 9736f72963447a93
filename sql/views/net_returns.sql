-- net_returns(interactions) -> VIEW
-- Interactions after returns: a later negative quantity of the same customer and item takes
-- its units back from the latest purchases before it.
--
-- With B(t) the running balance of signed quantities, a purchase loses as many units as the
-- balance later falls below its own value, at most its quantity: later purchases are returned
-- first. Only customers and items with a return are computed; returns themselves are left out,
-- and so is a purchase that was returned whole. value shrinks with the units. Rows without units
-- (quantity NULL or 0: views, clicks) and rows without a customer or item stay as they are; a row
-- without a time counts as the latest.
WITH all_rows AS ({{interactions}}),
with_return AS (
    SELECT DISTINCT a.user_id, a.item_id
    FROM all_rows AS a
    WHERE a.quantity < 0 AND a.user_id IS NOT NULL AND a.item_id IS NOT NULL
),
placed AS (
    SELECT
        a.*,
        row_number() OVER (
            PARTITION BY a.user_id, a.item_id
            ORDER BY
                a.ts NULLS LAST,
                a.quantity DESC,
                a.basket_id NULLS LAST,
                a.value NULLS LAST,
                a.event NULLS LAST,
                a.session_id NULLS LAST,
                a.rating NULLS LAST,
                a.context NULLS LAST
        ) AS place
    FROM all_rows AS a
    SEMI JOIN with_return AS r ON r.user_id = a.user_id AND r.item_id = a.item_id
    WHERE a.quantity <> 0
),
balanced AS (
    SELECT
        p.*,
        sum(p.quantity) OVER (
            PARTITION BY p.user_id, p.item_id ORDER BY p.place
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS balance
    FROM placed AS p
),
lowest AS (
    SELECT
        b.*,
        min(b.balance) OVER (
            PARTITION BY b.user_id, b.item_id ORDER BY b.place
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS lowest_later
    FROM balanced AS b
),
kept AS (
    SELECT
        l.*,
        l.quantity - greatest(0, l.balance - coalesce(l.lowest_later, l.balance)) AS remaining
    FROM lowest AS l
    WHERE l.quantity > 0
)
SELECT a.*
FROM all_rows AS a
-- An equality of both sides: DuckDB 1.5 joins any other condition by nested loops.
ANTI JOIN with_return AS r
    ON r.item_id = a.item_id AND r.user_id = CASE WHEN a.quantity <> 0 THEN a.user_id END
WHERE a.quantity IS NULL OR a.quantity >= 0
UNION ALL
SELECT k.* EXCLUDE (place, balance, lowest_later, remaining)
    REPLACE (k.remaining AS quantity, k.value * k.remaining / k.quantity AS value)
FROM kept AS k
-- Sums of fractions are not exact: less than a billionth of the purchase is nothing.
WHERE k.remaining > k.quantity * 1e-9;
