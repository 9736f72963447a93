{% macro customer_states(task) %}
    SELECT
        d.user_id,
        {{ recsql.model_state(task) }} || ':' || md5(string_agg(
            coalesce(d.day::VARCHAR, '') || '=' || d.fingerprint::VARCHAR, ','
            ORDER BY d.day NULLS FIRST, d.fingerprint
        )) AS state
    FROM recsql.buyer_days AS d
    WHERE d.user_id IS NOT NULL
    GROUP BY d.user_id
{% endmacro %}

{% macro model_state(task) %}
    (
        SELECT m.model_id || ':' || coalesce(md5((
            SELECT string_agg(a.sha256, ',' ORDER BY a.name)
            FROM recsql.artifacts AS a
            WHERE a.model_id = m.model_id
        )), '')
        FROM recsql.models AS m
        WHERE m.status = 'incumbent' AND m.task = {{ recsql.literal(task) }}
    )
{% endmacro %}
