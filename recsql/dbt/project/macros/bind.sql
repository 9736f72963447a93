{% macro bind_interactions(
    relation, item_id, user_id=none, ts=none, event=none, quantity=none, value=none, rating=none,
    basket_id=none, session_id=none, context=none, filter=none, net_returns=none
) %}
    {%- do recsql.bind("interactions", relation, {
        "item_id": item_id, "user_id": user_id, "ts": ts, "event": event, "quantity": quantity,
        "value": value, "rating": rating, "basket_id": basket_id, "session_id": session_id,
        "context": context, "filter": filter, "net_returns": net_returns,
    }) -%}
{% endmacro %}

{% macro bind_users(relation, user_id, attributes=none, private=none, filter=none) %}
    {%- do recsql.bind("users", relation, {
        "user_id": user_id, "attributes": attributes, "private": private, "filter": filter,
    }) -%}
{% endmacro %}

{% macro bind_items(
    relation, item_id, title=none, category=none, available=none, attributes=none, filter=none
) %}
    {%- do recsql.bind("items", relation, {
        "item_id": item_id, "title": title, "category": category, "available": available,
        "attributes": attributes, "filter": filter,
    }) -%}
{% endmacro %}

{% macro bind_knowledge(facts, head, tail, relation=none, filter=none) %}
    {%- do recsql.bind("knowledge", facts, {
        "head": head, "relation": relation, "tail": tail, "filter": filter,
    }) -%}
{% endmacro %}

{% macro bind_impressions(
    relation, item_id, user_id=none, ts=none, request_id=none, position=none, clicked=none,
    attributes=none, filter=none
) %}
    {%- do recsql.bind("impressions", relation, {
        "item_id": item_id, "user_id": user_id, "ts": ts, "request_id": request_id,
        "position": position, "clicked": clicked, "attributes": attributes, "filter": filter,
    }) -%}
{% endmacro %}

{% macro bind(source, relation, arguments) %}
    {%- set bound = recsql.call_statement("bind_" ~ source, relation, arguments) -%}
    {%- if bound is not none -%}
        {%- for row in bound.rows if row["note"] -%}
            {%- do recsql.tell(source ~ ": " ~ row["note"]) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
