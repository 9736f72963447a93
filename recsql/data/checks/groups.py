"""Checks of customers and baskets as groups: shared basket ids, and groups above the cap."""

from __future__ import annotations

from functools import partial
from typing import Any

from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding, counted, share_of, shown


def shared_baskets(evidence: Evidence) -> list[Finding]:
    """Find basket ids that several customers have."""
    source = evidence.interactions
    if not (source.is_given("basket_id") and source.is_given("user_id")):
        return []
    baskets, rows, example = evidence.session.rows(
        "SELECT count(*), coalesce(sum(b.n), 0)::BIGINT, min({'n': -b.n, 'id': b.basket_id}) "
        "FROM (SELECT i.basket_id, count(*) AS n FROM recsql.interactions AS i "
        "WHERE i.basket_id IS NOT NULL AND i.user_id IS NOT NULL GROUP BY i.basket_id "
        "HAVING min(i.user_id) <> max(i.user_id)) AS b"
    )[0]
    if not baskets:
        return []
    return [
        Finding(
            "shared_basket_id", "interactions", "warning", rows, share_of(rows, evidence.rows),
            shown(example["id"]),
            f"basket_id must belong to one customer, got {counted(baskets, 'id')} of several: each "
            "customer's part is a basket of its own. If the numbers restart, for example in each "
            f"shop, bind them together: basket_id := 'shop || {source.expression('basket_id')}'.",
        )
    ]  # fmt: skip


def large_groups(evidence: Evidence) -> list[Finding]:
    """Find customers and baskets with more items than form pairs."""
    source = evidence.interactions
    found = []
    if source.is_given("user_id"):
        found += _above_cap(evidence, "customer", "i.user_id", "i.user_id IS NOT NULL", "newest")
    if source.is_given("basket_id"):
        keys, condition = "i.user_id, i.basket_id", "i.basket_id IS NOT NULL"
        found += _above_cap(evidence, "basket", keys, condition, "first")
    return found


def _above_cap(
    evidence: Evidence, noun: str, keys: str, condition: str, which: str
) -> list[Finding]:
    rows_of = partial("FROM ({0}) AS i WHERE i.left_out_by = 0 AND {1}".format, evidence.rows_sql)
    # A group with few rows has few items: only the others are counted exactly.
    if not evidence.session.rows(
        f"SELECT 1 {rows_of(condition)} GROUP BY {keys} HAVING count(*) > {evidence.cap} LIMIT 1"
    ):
        return []
    sizes = (
        f"SELECT count(*) AS items, {keys} FROM (SELECT DISTINCT {keys}, i.item_id "
        f"{rows_of(condition)}) AS i GROUP BY {keys}"
    )
    row: Any = evidence.session.rows(
        f"SELECT count(*) FILTER (WHERE g.items > {evidence.cap}), "
        f"coalesce(sum(g.items - {evidence.cap}) FILTER (WHERE g.items > {evidence.cap}), 0)::BIGINT, "
        "sum(g.items)::BIGINT, min({'items': -g.items, 'id': "
        f"g.{'user_id' if noun == 'customer' else 'basket_id'}}}) FROM ({sizes}) AS g"
    )[0]
    groups, entries, total, largest = row
    if not groups:
        return []
    return [
        Finding(
            f"large_{noun}s", "interactions", "warning", entries, share_of(entries, total),
            f"{shown(largest['id'])}: {-largest['items']:,} items",
            f"A {noun} must have at most {evidence.cap:,} items, got {counted(groups, noun)} with "
            f"more: only the {which} {evidence.cap:,} of each form pairs, {entries:,} do not. If "
            f"they are real {noun}s: UPDATE recsql.settings SET value = "
            f"'{-largest['items']}' WHERE name = 'max_group_items'.",
        )
    ]  # fmt: skip
