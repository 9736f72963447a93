SELECT
    i.item_id AS sku,
    i.title AS name,
    i.median_price AS price,
    -- Postage, fees, vouchers and stock corrections are no goods.
    i.title IS NOT NULL AND regexp_matches(i.item_id, '^([0-9]{5}|DCGS)')
        AND NOT regexp_matches(i.title, 'Voucher|Carriage|CHARGE$|adjust') AS is_offered
FROM {{ source('raw', 'products') }} AS i
