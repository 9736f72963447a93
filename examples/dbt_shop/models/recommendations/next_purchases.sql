-- Incremental: only customers are asked about whose purchases, or whose model, have changed since
-- their rows were written. What made the rows is kept in answered_from.
{{ config(
    materialized="incremental",
    incremental_strategy="delete+insert",
    unique_key="customer_id",
    post_hook="DELETE FROM {{ this }} AS t WHERE NOT EXISTS (
        SELECT 1 FROM {{ ref('stg_customers') }} AS c WHERE c.customer_id = t.customer_id)",
) }}
-- depends_on: {{ ref('leaderboard') }}
WITH states AS (
    {{ recsql.customer_states("next") }}
),
customers AS (
    SELECT
        c.customer_id,
        coalesce(s.state, {{ recsql.model_state("next") }}) AS answered_from
    FROM {{ ref("stg_customers") }} AS c
    LEFT JOIN states AS s ON s.user_id = c.customer_id
),
to_ask AS (
    SELECT c.customer_id, c.answered_from
    FROM customers AS c
    {%- if is_incremental() %}
    WHERE NOT EXISTS (
        SELECT 1 FROM {{ this }} AS t
        WHERE t.customer_id = c.customer_id AND t.answered_from = c.answered_from
    )
    {%- endif %}
)
SELECT a.customer_id, r.rank, r.item_id AS sku, r.score, r.model, a.answered_from
FROM to_ask AS a, recommend_next(a.customer_id, k := 5) AS r
