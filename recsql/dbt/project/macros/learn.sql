{% macro train(tasks=none, budget_s=none, seed=none, protocol=none) %}
    {%- if tasks is none -%}
        {%- do recsql.train_task(none, none, budget_s, seed, protocol) -%}
    {%- else -%}
        {%- for task in recsql.task_names(tasks) -%}
            {%- set models = (tasks[task] or none) if tasks is mapping else none -%}
            {%- do recsql.train_task(task, models, budget_s, seed, protocol) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{% macro train_task(task, models, budget_s, seed, protocol) %}
    {%- set board = recsql.call_statement("train", arguments={
        "task": task, "models": models, "budget_s": budget_s, "seed": seed, "protocol": protocol,
    }) -%}
    {%- if board is not none -%}
        {%- for row in board.rows if row["status"] == "incumbent" -%}
            {%- do recsql.tell(row["task"] ~ " is answered by " ~ row["algorithm"]) -%}
        {%- endfor -%}
        {%- for row in board.rows if row["status"] == "failed" -%}
            {%- do recsql.tell(
                row["task"] ~ ": " ~ row["algorithm"] ~ " failed: " ~ row["error"]
            ) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{% macro refresh(retrain=none) %}
    {%- set done = recsql.call_statement("refresh", arguments={"retrain": retrain}) -%}
    {%- if done is not none -%}
        {%- set row = done.rows[0] -%}
        {%- do recsql.tell(
            "refresh: " ~ row["how"] ~ ", " ~ row["changed_buyers"] ~ " customers or baskets changed"
            ~ ("; models " ~ row["models"] ~ ": " ~ row["why"] if row["models"] else "")
        ) -%}
    {%- endif -%}
{% endmacro %}

{% macro train_or_refresh(tasks=none, budget_s=none, seed=none, protocol=none) %}
    {%- if execute -%}
        {%- set trained = run_query(
            "SELECT m.task FROM recsql.models AS m WHERE m.status = 'incumbent' ORDER BY m.task"
        ).columns[0].values() | list -%}
        {%- if not trained or flags.FULL_REFRESH -%}
            {%- do recsql.train(tasks, budget_s, seed, protocol) -%}
        {%- else -%}
            {%- do recsql.refresh() -%}
            {%- for task in recsql.task_names(tasks or []) if task not in trained -%}
                {%- set models = (tasks[task] or none) if tasks is mapping else none -%}
                {%- do recsql.train_task(task, models, budget_s, seed, protocol) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{% macro materialize(task, k=none, memory_limit=none) %}
    {%- do recsql.call_statement("materialize", arguments={
        "task": task, "k": k, "memory_limit": memory_limit,
    }) -%}
{% endmacro %}

{% macro publish(path, k=none, include=none, functions=none, storage_version=none) %}
    {%- set done = recsql.call_statement("publish", arguments={
        "path": path, "k": k, "include": include, "functions": functions,
        "storage_version": storage_version,
    }) -%}
    {%- if done is not none -%}
        {%- do recsql.tell("published " ~ path) -%}
    {%- endif -%}
{% endmacro %}

{% macro forget_user(user_id) %}
    {%- do recsql.call_statement("forget_user", arguments={"user_id": user_id}) -%}
{% endmacro %}

{% macro task_names(tasks) %}
    {%- if tasks is string -%} {{ return([tasks]) }} {%- endif -%}
    {{ return(tasks | list) }}
{% endmacro %}
