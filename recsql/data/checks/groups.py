"""Checks of customers and baskets as groups: shared basket ids, and groups above the cap."""

from __future__ import annotations

from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding, counted, shown


def shared_baskets(evidence: Evidence) -> list[Finding]:
    """Find basket ids that several customers have."""
    source = evidence.interactions
    if not (source.is_given("basket_id") and source.is_given("user_id")):
        return []
    baskets, rows, example = evidence.session.rows(
        "SELECT count(*), coalesce(sum(b.n), 0)::BIGINT, min({'n': -b.n, 'id': b.basket_id}) "
        f"FROM (SELECT i.basket_id, count(*) AS n FROM {evidence.relation} AS i "
        "WHERE i.basket_id IS NOT NULL AND i.user_id IS NOT NULL GROUP BY i.basket_id "
        "HAVING min(i.user_id) <> max(i.user_id)) AS b"
    )[0]
    if not baskets:
        return []
    advice = (
        f"basket_id must belong to one customer, got {counted(baskets, 'id')} of several: each "
        "customer's part is a basket of its own. If the numbers restart, for example in each "
        f"shop, bind them together: basket_id := 'shop || {source.expression('basket_id')}'."
    )
    return [evidence.finding("shared_basket_id", rows, shown(example["id"]), advice)]


def large_groups(evidence: Evidence) -> list[Finding]:
    """Find customers and baskets with more items than form pairs."""
    source = evidence.interactions
    found = []
    if source.is_given("user_id"):
        condition = "i.user_id IS NOT NULL"
        found += _above_cap(evidence, "customer", ["i.user_id"], condition, "newest")
    if source.is_given("basket_id"):
        keys, condition = ["i.user_id", "i.basket_id"], "i.basket_id IS NOT NULL"
        found += _above_cap(evidence, "basket", keys, condition, "first")
    return found


def _above_cap(
    evidence: Evidence, noun: str, keys: list[str], condition: str, which: str
) -> list[Finding]:
    cap, largest_key = evidence.cap, "user_id" if noun == "customer" else "basket_id"
    rows = f"FROM ({evidence.rows_sql}) AS i WHERE i.left_out_by = 0 AND {condition}"
    # A group of few rows has few items: only the others are counted exactly.
    same = " AND ".join(f"{key} IS NOT DISTINCT FROM {key.replace('i.', 'l.')}" for key in keys)
    groups, entries, largest = evidence.session.rows(
        f"WITH long AS (SELECT {', '.join(keys)} {rows} GROUP BY ALL HAVING count(*) > {cap}) "
        "SELECT count(*), coalesce(sum(g.items), 0)::BIGINT, "
        f"min({{'items': -g.items, 'id': g.{largest_key}}}) "
        f"FROM (SELECT {', '.join(keys)}, count(DISTINCT i.item_id) AS items "
        f"FROM ({evidence.rows_sql}) AS i SEMI JOIN long AS l ON {same} "
        f"WHERE i.left_out_by = 0 GROUP BY ALL HAVING count(DISTINCT i.item_id) > {cap}) AS g"
    )[0]
    if not groups:
        return []
    beyond, most = entries - groups * cap, -largest["items"]
    example = f"{shown(largest['id'])}: {most:,} items"
    advice = (
        f"A {noun} must have at most {cap:,} items, got {counted(groups, noun)} with more: only "
        f"the {which} {cap:,} of each form pairs, {beyond:,} do not. If they are real {noun}s: "
        f"UPDATE recsql.settings SET value = '{most}' WHERE name = 'max_group_items'."
    )
    return [evidence.finding(f"large_{noun}s", beyond, example, advice)]
