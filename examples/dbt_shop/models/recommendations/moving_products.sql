-- depends_on: {{ ref('leaderboard') }}
SELECT 'popular' AS list, r.rank, r.item_id AS sku, p.name
FROM popular(k := 20) AS r
JOIN {{ ref("stg_products") }} AS p ON p.sku = r.item_id
UNION ALL
SELECT 'trending', r.rank, r.item_id, p.name
FROM trending(k := 20) AS r
JOIN {{ ref("stg_products") }} AS p ON p.sku = r.item_id
