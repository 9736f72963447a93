{% test drift_below(model, new_rows_share=0.3, psi=0.25, hit_rate_drop=0.3) %}
    WITH latest AS (
        SELECT
            r.changes,
            (r.changes ->> 'new_rows_share')::DOUBLE > coalesce((
                SELECT TRY_CAST(s.value AS DOUBLE) FROM recsql.settings AS s
                WHERE s.name = 'drift_relearn_share'
            ), 0) AS enough
        FROM recsql.runs AS r
        WHERE r.statement = 'drift' AND NOT EXISTS (
            SELECT 1 FROM recsql.runs AS t
            WHERE t.statement = 'train' AND t.run_id > r.run_id AND t.reason NOT LIKE 'drift:%'
        )
        ORDER BY r.run_id DESC
        LIMIT 1
    ),
    numbers AS (
        SELECT
            (l.changes ->> 'new_rows_share')::DOUBLE AS new_rows_share,
            CASE WHEN l.enough THEN (l.changes ->> 'psi_items')::DOUBLE END AS psi_items,
            CASE WHEN l.enough THEN (l.changes ->> 'psi_users')::DOUBLE END AS psi_users,
            1 - (l.changes ->> 'hit_rate')::DOUBLE
                / nullif((l.changes ->> 'hit_rate_before')::DOUBLE, 0) AS hit_rate_drop
        FROM latest AS l
    ),
    compared(name, found, allowed) AS (
        SELECT 'new_rows_share', n.new_rows_share, {{ recsql.bound(new_rows_share) }}
        FROM numbers AS n
        UNION ALL
        SELECT 'psi_items', n.psi_items, {{ recsql.bound(psi) }} FROM numbers AS n
        UNION ALL
        SELECT 'psi_users', n.psi_users, {{ recsql.bound(psi) }} FROM numbers AS n
        UNION ALL
        SELECT 'hit_rate_drop', n.hit_rate_drop, {{ recsql.bound(hit_rate_drop) }} FROM numbers AS n
    )
    SELECT c.name, c.found, c.allowed
    FROM compared AS c
    WHERE c.found >= c.allowed
{% endtest %}

{% macro bound(value) -%}
    {%- if value is not none and value is not number -%}
        {{- exceptions.raise_compiler_error(
            "A bound of recsql.drift_below must be a number, got " ~ value ~ ". Write 0.25."
        ) -}}
    {%- endif -%}
    {{ "NULL" if value is none else value }}::DOUBLE
{%- endmacro %}
