-- A view, so that recommendations see an order the moment it is committed, without a build.
SELECT
    o.user_id AS customer_id,
    o.item_id AS sku,
    o.ts AS ordered_at,
    o.basket_id AS invoice,
    o.quantity,
    round(o.quantity * o.price, 2) AS amount
FROM {{ source('raw', 'orders') }} AS o
WHERE o.event_type <> 'adjust'
