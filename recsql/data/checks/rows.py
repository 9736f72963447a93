"""Checks of the rows of the interactions: what is missing, late, double or returned."""

from __future__ import annotations

from recsql.columns import VIEWS
from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding, Severity, counted, labelled, shown

_SAME = "i.user_id, i.item_id, i.ts, i.basket_id, i.event, i.quantity, i.value"
_VITAL = {"interactions": "item_id", "users": "user_id", "items": "item_id"}


def empty_sources(evidence: Evidence) -> list[Finding]:
    """Find bound sources without a row."""
    found = []
    for name, source in evidence.sources.items():
        relation = evidence.relation if name == "interactions" else f"recsql.{name}"
        if evidence.session.rows(f"SELECT 1 FROM {relation} AS v LIMIT 1"):
            continue
        advice = f"{source.relation} must have rows, got none. Load the table."
        if "filter" in source.arguments:
            advice = f"{source.relation} must have rows, got none. Load it or change the filter."
        severity: Severity = "error" if name == "interactions" else "warning"
        found.append(Finding("empty_source", name, severity, 0, 0.0, None, advice))
    return found


def empty_columns(evidence: Evidence) -> list[Finding]:
    """Find bound columns that are NULL in every row."""
    found = []
    for name, source in evidence.sources.items():
        rows, empty = _empty_columns(evidence, name)
        for column in empty if rows else []:
            severity: Severity = "error" if column == _VITAL.get(name) else "warning"
            advice = (
                f"{column} must have values, got NULL in every row of {source.relation}. Bind "
                f"another column or expression: CALL recsql.bind_{name}(…, "
                f"{column.partition('.')[0]} := '…')."
            )
            found.append(Finding("empty_column", name, severity, rows, 1.0, column, advice))
    return found


def null_items(evidence: Evidence) -> list[Finding]:
    """Find rows without an item."""
    count, user = evidence.facts["null items"], evidence.facts["null item user"]
    if not count:
        return []
    return [
        evidence.finding(
            "null_item_id",
            count,
            labelled("user_id", user),
            f"item_id must be given, got {counted(count, 'row')} without one, which every task "
            "leaves out. See them: FROM recsql.interactions WHERE item_id IS NULL.",
        )
    ]


def null_users(evidence: Evidence) -> list[Finding]:
    """Find rows of anonymous customers."""
    facts = evidence.facts
    count, alone, basket = facts["anonymous"], facts["alone"], facts["anonymous basket"]
    if not count or not evidence.interactions.is_given("user_id"):
        return []
    tasks = "bundle, popular and trending" if alone == 0 else "popular and trending"
    if 0 < alone < count:
        tasks += f", the {count - alone:,} with a basket_id also for bundle"
    return [
        evidence.finding(
            "null_user_id",
            count,
            labelled("basket_id", basket),
            f"{counted(count, 'row')} have no customer: they count for {tasks}, not for related. "
            "If the source knows the customers, bind a user_id that names them.",
            severity="info",
        )
    ]


def null_times(evidence: Evidence) -> list[Finding]:
    """Find rows without a time where one is bound."""
    count, item = evidence.facts["null times"], evidence.facts["null time item"]
    if not count or not evidence.interactions.is_given("ts"):
        return []
    return [
        evidence.finding(
            "null_ts",
            count,
            labelled("item_id", item),
            f"ts must be given, got {counted(count, 'row')} without one: they count as purchases, "
            "but for no period of popular and no trend. See them: FROM recsql.interactions "
            "WHERE ts IS NULL.",
        )
    ]


def future_times(evidence: Evidence) -> list[Finding]:
    """Find rows after the present: the setting now, or the clock."""
    count = evidence.facts["late"]
    if not count:
        return []
    return [
        evidence.finding(
            "future_ts",
            count,
            evidence.facts["latest"],
            f"ts must not be after the present, got {counted(count, 'row')} that training leaves "
            "out until then. Correct the times, or move the present: UPDATE recsql.settings SET "
            "value = '…' WHERE name = 'now'.",
        )
    ]


def duplicates(evidence: Evidence) -> list[Finding]:
    """Find rows that repeat another one in every column that counts.

    Rows without a customer and a basket are not compared: they may be different people.
    """
    rows = (
        f"SELECT {_SAME}, hash({_SAME}) AS row_hash FROM {evidence.relation} AS i "
        "WHERE i.user_id IS NOT NULL OR i.basket_id IS NOT NULL"
    )
    # Equal hashes first, for they need less memory; then only their rows are compared exactly.
    count, example = evidence.session.rows(
        f"WITH suspects AS (SELECT i.row_hash FROM ({rows}) AS i GROUP BY i.row_hash "
        f"HAVING count(*) > 1), doubles AS (SELECT {_SAME}, count(*) AS n FROM ({rows}) AS i "
        f"WHERE i.row_hash IN (SELECT s.row_hash FROM suspects AS s) GROUP BY ALL "
        "HAVING count(*) > 1) SELECT coalesce(sum(i.n - 1), 0)::BIGINT, "
        "min({'n': -i.n, 'user_id': i.user_id, 'basket_id': i.basket_id, 'item_id': i.item_id}) "
        "FROM doubles AS i"
    )[0]
    if not count:
        return []
    source = evidence.interactions
    timed = source.is_given("ts") or source.is_given("basket_id")
    ids = [
        f"{name} {shown(example[name])}"
        for name in ("user_id", "basket_id", "item_id")
        if example[name] is not None
    ]
    remedy = (
        "If they were loaded twice: CREATE VIEW distinct_rows AS SELECT DISTINCT * FROM "
        f"{evidence.table('interactions') or source.relation}, and bind that."
        if timed
        else "Bind ts or basket_id, so that a repeated purchase can be told from a double row."
    )
    return [
        evidence.finding(
            "duplicate_rows",
            count,
            f"{-example['n']} times {', '.join(ids)}",
            "Rows must differ in customer, item, time, basket, event, quantity or value, got "
            f"{counted(count, 'repeat')}; each counts as a purchase. {remedy}",
            severity="warning" if timed else "info",
        )
    ]


def zero_quantities(evidence: Evidence) -> list[Finding]:
    """Find rows with a quantity of zero."""
    count, item = evidence.facts["zero"], evidence.facts["zero item"]
    if not count:
        return []
    return [
        evidence.finding(
            "zero_quantity",
            count,
            labelled("item_id", item),
            f"quantity must be above 0 in a purchase, got 0 in {counted(count, 'row')}, which "
            "training leaves out. If they are purchases, bind another column as quantity or none.",
        )
    ]


def negative_quantities(evidence: Evidence) -> list[Finding]:
    """Find rows with a quantity below zero."""
    count = evidence.facts["negative"]
    if not count:
        return []
    remedy = f"To take the purchases back too: {evidence.interactions.bind_call(net_returns=True)}."
    return [
        evidence.finding(
            "negative_quantity",
            count,
            f"quantity {evidence.facts['least quantity']:g}",
            f"quantity must be above 0 in a purchase, got less in {counted(count, 'row')}: "
            "returns, which training leaves out while the purchases they return still count. "
            f"{remedy}",
        )
    ]


def _empty_columns(evidence: Evidence, name: str) -> tuple[int, list[str]]:
    """Count the rows of a source, and name its bound columns without a value."""
    if name == "interactions":
        columns = evidence.given_columns
        return evidence.rows, [c for c in columns if not evidence.facts[f"given {c}"]]
    source = evidence.sources[name]
    given = [column.name for column in VIEWS[name] if source.is_given(column.name)]
    counts = ", ".join(["count(*)", *(f"count(v.{column})" for column in given)])
    rows, *values = evidence.session.rows(f"SELECT {counts} FROM recsql.{name} AS v")[0]
    return rows, [column for column, count in zip(given, values, strict=True) if not count]
