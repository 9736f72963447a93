{#- Somebody buys: dbt run-operation new_order --args '{customer_id: 12748, sku: 85123A}' -#}
{% macro new_order(customer_id, sku, quantity=1) %}
    {%- do run_query(
        "INSERT INTO raw.orders (user_id, item_id, ts, event_type, basket_id, quantity, price) "
        ~ "SELECT " ~ recsql.literal(customer_id) ~ ", " ~ recsql.literal(sku)
        ~ ", max(o.ts), 'purchase', 'new-' || count(*), " ~ recsql.literal(quantity) ~ ", 1 "
        ~ "FROM raw.orders AS o"
    ) -%}
{% endmacro %}
