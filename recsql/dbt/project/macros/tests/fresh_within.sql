{% test fresh_within(model, interval, compared_to="clock", task=none) %}
    {%- if compared_to not in ("clock", "data") -%}
        {{- exceptions.raise_compiler_error(
            "compared_to must be clock or data, got " ~ compared_to ~ ". Leave it out for clock."
        ) -}}
    {%- endif -%}
    {%- if task is not none -%} {%- do recsql.check_task(task) -%} {%- endif -%}
    {%- set span = recsql.literal(interval) ~ "::INTERVAL" -%}
    {%- if task is not none and compared_to == "data" -%}
        {{- exceptions.raise_compiler_error(
            "task must be left out with compared_to: data, got " ~ task
            ~ ". Compare a training with the clock."
        ) -}}
    {%- elif compared_to == "clock" -%}
    WITH latest AS (
        {%- if task is none %}
        SELECT max(r.started_at + to_microseconds((r.seconds * 1000000)::BIGINT)) AS answered_at
        FROM recsql.runs AS r
        WHERE r.statement IN ('train', 'refresh')
        {%- else %}
        SELECT max(m.trained_at) AS answered_at
        FROM recsql.models AS m
        WHERE m.status = 'incumbent' AND m.task = {{ recsql.literal(task) }}
        {%- endif %}
    )
    SELECT l.answered_at, now()::TIMESTAMP AS compared_with
    FROM latest AS l
    WHERE l.answered_at IS NULL OR l.answered_at < now()::TIMESTAMP - {{ span }}
    {%- elif recsql.time_is_integer() -%}
        {{- exceptions.raise_compiler_error(
            "compared_to: data must have real times, got integers that only order. Leave it out to "
            ~ "compare with the clock."
        ) -}}
    {%- else -%}
    WITH newest AS (
        SELECT
            (SELECT max(make_timestamp(t.data_now)) FROM recsql.totals AS t) AS answered_at,
            (
                SELECT make_timestamp(least(max(epoch_us(i.ts)), epoch_us(now())))
                FROM recsql.interactions AS i
            ) AS compared_with
    )
    SELECT n.answered_at, n.compared_with
    FROM newest AS n
    WHERE n.answered_at IS NULL OR n.answered_at < n.compared_with - {{ span }}
    {%- endif -%}
{% endtest %}
