{% test no_leakage(
    model, task, item_id="item_id", user_id=none, asked_item_id=none, exclude_bought=none,
    as_of=none
) %}
    {%- do recsql.check_task(task) -%}
    {%- set leaves_out = exclude_bought -%}
    {%- if exclude_bought is none -%}
        {%- set leaves_out = user_id is not none and task in ("first", "for_you") -%}
    {%- elif exclude_bought and user_id is none -%}
        {{- exceptions.raise_compiler_error(
            "recsql.no_leakage must know the customer of a row to tell what was bought already, got "
            "no user_id. Name the column: user_id: customer_id."
        ) -}}
    {%- endif -%}
    WITH purchases AS (
        SELECT i.user_id::VARCHAR AS user_id, i.item_id::VARCHAR AS item_id, i.ts,
            {{ recsql.time_number("i.ts") }} AS time
        FROM recsql.interactions AS i
        LEFT JOIN recsql.event_weights AS w ON w.event = i.event
        WHERE i.item_id IS NOT NULL AND coalesce(i.quantity, 1) > 0 AND coalesce(w.weight, 1) > 0
    ),
    hidden AS (
        SELECT DISTINCT s.user_id, s.item_id, s.cut_at, {{ recsql.cut_number("s.cut_at") }} AS cut
        FROM recsql.splits AS s
        WHERE s.task = {{ recsql.literal(task) }} AND s.role = 'hidden' AND s.cut_at IS NOT NULL
    ),
    sold AS (
        SELECT p.user_id, p.item_id, max(p.ts) AS last_ts, max(p.time) AS last_time
        FROM purchases AS p GROUP BY ALL
    ),
    sold_to_anybody AS (
        SELECT p.item_id, max(p.ts) AS last_ts, max(p.time) AS last_time
        FROM purchases AS p GROUP BY ALL
    )
    SELECT
        'asked before the cut' AS problem, h.user_id, h.item_id,
        'last bought ' || s.last_ts::VARCHAR || ', cut at ' || h.cut_at AS detail
    FROM hidden AS h
    JOIN sold AS s ON s.user_id = h.user_id AND s.item_id = h.item_id
    WHERE s.last_time < h.cut
    UNION ALL
    SELECT
        'asked before the cut', NULL, h.item_id,
        'last sold ' || s.last_ts::VARCHAR || ', cut at ' || h.cut_at
    FROM hidden AS h
    JOIN sold_to_anybody AS s ON s.item_id = h.item_id
    WHERE h.user_id IS NULL AND s.last_time < h.cut
    {%- if leaves_out %}
    UNION ALL
    SELECT
        'bought already', r.{{ user_id }}::VARCHAR, r.{{ item_id }}::VARCHAR,
        'bought ' || coalesce(min(p.ts)::VARCHAR, 'at no known time')
    FROM {{ model }} AS r
    JOIN purchases AS p
        ON p.user_id = r.{{ user_id }}::VARCHAR AND p.item_id = r.{{ item_id }}::VARCHAR
    {%- if as_of is not none %}
    WHERE p.ts IS NULL OR p.ts < r.{{ as_of }}
    {%- endif %}
    GROUP BY 2, 3
    {%- endif %}
    UNION ALL
    SELECT
        'not available', {{ "r." ~ user_id ~ "::VARCHAR" if user_id else "NULL" }},
        r.{{ item_id }}::VARCHAR, NULL
    FROM {{ model }} AS r
    JOIN recsql.items AS o ON o.item_id::VARCHAR = r.{{ item_id }}::VARCHAR
    WHERE NOT o.available
    {%- if asked_item_id is not none %}
    UNION ALL
    SELECT 'recommends itself', NULL, r.{{ item_id }}::VARCHAR, NULL
    FROM {{ model }} AS r
    WHERE r.{{ item_id }}::VARCHAR = r.{{ asked_item_id }}::VARCHAR
    {%- endif %}
{% endtest %}

{% macro check_task(task) %}
    {%- set known = ("bundle", "related", "popular", "trending", "first", "next", "repeat", "for_you",
        "rating")
    -%}
    {%- if task not in known -%}
        {{- exceptions.raise_compiler_error(
            "task must be one of " ~ known | join(", ") ~ ", got " ~ task
            ~ ". Name the one whose function the model reads."
        ) -}}
    {%- endif -%}
{% endmacro %}
