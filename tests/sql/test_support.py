"""Whoever ranks the neighbours of an item, their support is what was bought together."""

from __future__ import annotations

import duckdb
import pytest

import recsql
from recsql.models.catalogue import models_for

TOGETHER = {"related": "customer", "bundle": "invoice"}
CASES = [(task, model.name) for task in TOGETHER for model in models_for(task)]


@pytest.mark.parametrize(("task", "model"), CASES)
def test_the_support_counts_the_customers_or_baskets_of_both(
    shop_con: duckdb.DuckDBPyConnection, task: str, model: str
) -> None:
    recsql.train(shop_con, task=task, models=[model])
    group = TOGETHER[task]
    wrong, pairs, models = shop_con.execute(
        "WITH one AS (SELECT DISTINCT sku, customer, invoice FROM orders), held AS ("
        f"SELECT a.sku AS item, b.sku AS other, count(DISTINCT a.{group}) AS n "
        f"FROM one AS a JOIN one AS b ON a.customer = b.customer AND a.{group} = b.{group} "
        "GROUP BY ALL), told AS (SELECT DISTINCT o.sku AS item, r.item_id AS other, r.support, "
        f"r.model FROM orders AS o, recommend_{task}(o.sku, k := 20) AS r) "
        "SELECT count(*) FILTER (t.support <> coalesce(h.n, 0)), count(*), list(DISTINCT t.model) "
        "FROM told AS t LEFT JOIN held AS h USING (item, other)"
    ).fetchall()[0]
    assert (wrong, models) == (0, [model])
    assert pairs > 50
