-- depends_on: {{ ref('leaderboard') }}
SELECT
    c.customer_id,
    r.rank,
    r.item_id AS sku,
    r.due_on,
    r.due_low,
    r.due_high,
    r.probability,
    r.times_bought
FROM {{ ref("stg_customers") }} AS c, recommend_repeat(c.customer_id, k := 3) AS r
