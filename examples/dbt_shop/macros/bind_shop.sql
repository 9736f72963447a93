{#- Say which column is what. Nothing is copied, and binding the same again changes nothing. -#}
{% macro bind_shop() %}
    {%- do recsql.bind_interactions(
        ref("stg_orders"), user_id="customer_id", item_id="sku", ts="ordered_at",
        basket_id="invoice", quantity="quantity", value="amount", net_returns=true
    ) -%}
    {%- do recsql.bind_items(
        ref("stg_products"), item_id="sku", title="name", available="is_offered"
    ) -%}
    {%- do recsql.bind_users(ref("stg_customers"), user_id="customer_id") -%}
{% endmacro %}
