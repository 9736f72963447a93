-- depends_on: {{ ref('leaderboard') }}
SELECT
    p.sku,
    b.rank,
    b.item_id AS offer_sku,
    o.name AS offer_name,
    b.score,
    b.support AS baskets
FROM {{ ref("stg_products") }} AS p, recommend_bundle(p.sku, k := 5) AS b
JOIN {{ ref("stg_products") }} AS o ON o.sku = b.item_id
WHERE p.is_offered
