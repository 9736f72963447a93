SELECT
    u.user_id AS customer_id,
    u.country
FROM {{ source('raw', 'customers') }} AS u
