{% test coverage_at_least(model, column_name, share, of, k=1, field=none) %}
    {%- if share is not number or share <= 0 or share > 1 -%}
        {{- exceptions.raise_compiler_error(
            "share must be above 0 and at most 1, got " ~ share ~ ". For example share: 0.95."
        ) -}}
    {%- endif -%}
    {%- if k is not number or k < 1 -%}
        {{- exceptions.raise_compiler_error("k must be at least 1, got " ~ k ~ ". Give a number.") -}}
    {%- endif -%}
    {%- if field is none and of not in ("customers", "buyers", "catalogue") -%}
        {{- exceptions.raise_compiler_error(
            "of must be customers, buyers or catalogue, got " ~ of
            ~ ". Write one of them, or a model and its column: field: customer_id."
        ) -}}
    {%- endif -%}
    WITH wanted AS (
        {%- if field is not none %}
        SELECT DISTINCT o.{{ field }}::VARCHAR AS id FROM {{ of }} AS o
        {%- elif of == "customers" %}
        SELECT DISTINCT u.user_id::VARCHAR AS id FROM recsql.users AS u
        UNION
        SELECT i.user_id::VARCHAR FROM recsql.interactions AS i
        WHERE NOT EXISTS (SELECT 1 FROM recsql.users AS u)
        {%- elif of == "buyers" %}
        SELECT DISTINCT s.user_id::VARCHAR AS id FROM recsql.user_scores AS s
        {%- else %}
        SELECT DISTINCT o.item_id::VARCHAR AS id FROM recsql.items AS o WHERE o.available
        UNION
        SELECT s.item_id::VARCHAR FROM recsql.item_scores AS s
        WHERE NOT EXISTS (SELECT 1 FROM recsql.items AS o)
        {%- endif %}
    ),
    covered AS (
        SELECT r.{{ column_name }}::VARCHAR AS id
        FROM {{ model }} AS r
        GROUP BY 1
        HAVING count(*) >= {{ k }}
    ),
    counted AS (
        SELECT count(*) AS wanted, count(c.id) AS covered
        FROM wanted AS w
        LEFT JOIN covered AS c ON c.id = w.id
        WHERE w.id IS NOT NULL
    )
    SELECT n.covered, n.wanted, n.covered / n.wanted AS share
    FROM counted AS n
    WHERE coalesce(n.covered / nullif(n.wanted, 0), 0) < {{ share }}
{% endtest %}
