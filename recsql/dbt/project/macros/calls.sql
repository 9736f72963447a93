{% macro literal(value) %}
    {%- if value is none -%} NULL
    {%- elif value is boolean -%} {{ value | lower }}
    {%- elif value is number -%} {{ value }}
    {%- elif value is string -%} '{{ value | replace("'", "''") }}'
    {%- elif value is mapping or value is not sequence -%}
        {{- exceptions.raise_compiler_error(
            "An argument of recsql must be a text, a number, true, false or a list, got "
            ~ value ~ ". Write it as one of these."
        ) -}}
    {%- else -%}
        [{% for one in value %}{{ recsql.literal(one) }}{{ ", " if not loop.last }}{% endfor %}]
    {%- endif -%}
{% endmacro %}

{% macro call_statement(statement, relation=none, arguments={}) %}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {%- set given = [] -%}
    {%- if relation is not none -%}
        {%- do given.append(recsql.literal(recsql.relation_name(relation))) -%}
    {%- endif -%}
    {%- for name, value in arguments.items() if value is not none -%}
        {%- do given.append('"' ~ name ~ '" := ' ~ recsql.literal(value)) -%}
    {%- endfor -%}
    {{ return(run_query("CALL recsql." ~ statement ~ "(" ~ given | join(", ") ~ ")")) }}
{% endmacro %}

{% macro relation_name(relation) %}
    {%- if relation is string -%} {{ return(relation) }} {%- endif -%}
    {%- if relation.is_cte -%}
        {{- exceptions.raise_compiler_error(
            "The source must be a table or a view, got the ephemeral model "
            ~ relation.identifier ~ ". Materialize it as a view."
        ) -}}
    {%- endif -%}
    {{ return(relation | string) }}
{% endmacro %}

{% macro tell(sentence) %}
    {%- do log("recsql: " ~ sentence, info=true) -%}
{% endmacro %}
