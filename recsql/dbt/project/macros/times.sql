{% macro time_is_integer() %}
    {%- if not execute -%} {{ return(false) }} {%- endif -%}
    {%- set kind = run_query(
        "SELECT c.data_type FROM duckdb_columns() AS c WHERE c.database_name = current_database() "
        "AND c.schema_name = 'recsql' AND c.table_name = 'interactions' AND c.column_name = 'ts'"
    ).columns[0].values()[0] -%}
    {{ return("INT" in kind) }}
{% endmacro %}

{% macro time_number(expression) -%}
    {{ expression ~ "::BIGINT" if recsql.time_is_integer() else "epoch_us(" ~ expression ~ ")" }}
{%- endmacro %}

{% macro cut_number(expression) -%}
    {{ expression ~ "::BIGINT" if recsql.time_is_integer()
        else "epoch_us(" ~ expression ~ "::TIMESTAMP)" }}
{%- endmacro %}
