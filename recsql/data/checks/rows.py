"""Checks of the rows of the interactions: what is missing, late, double, returned or left out."""

from __future__ import annotations

from recsql.columns import VIEWS
from recsql.data.checks.evidence import REASONS, Evidence
from recsql.data.checks.finding import Finding, Severity, counted, share_of, shown

_SAME = "i.user_id, i.item_id, i.ts, i.basket_id, i.event, i.quantity, i.value"


def overview(evidence: Evidence) -> list[Finding]:
    """Say how much there is: rows, customers, items and the range of time."""
    facts, rows = evidence.facts, evidence.rows
    known = rows - facts["anonymous"]
    found = [
        _finding(
            evidence, "rows", rows, counted(rows, "row"),
            f"recsql.interactions reads {evidence.interactions.relation}: "
            f"{counted(rows, 'row')}, {counted(facts['purchases'], 'purchase')} among them.",
        )
    ]  # fmt: skip
    for column, check, noun in (("user_id", "users", "customer"), ("item_id", "items", "item")):
        having = known if column == "user_id" else rows - facts["null items"]
        distinct, bought = evidence.session.rows(
            f"SELECT count(*), count(*) FILTER (WHERE s.bought > 0) FROM {evidence.seen[column]} AS s"
        )[0]
        found.append(
            _finding(
                evidence, check, having, counted(distinct, noun),
                f"{counted(distinct, noun)} in {counted(having, 'row')}, "
                f"{bought:,} of them in a purchase.",
            )
        )  # fmt: skip
    if facts["first ts"] is not None:
        span = f"{facts['first ts']} to {facts['last ts']}"
        found.append(
            _finding(
                evidence, "time_range", rows - facts["null times"], span,
                f"The rows with a time run from {span}.",
            )
        )  # fmt: skip
    return found


def uncommitted(evidence: Evidence) -> list[Finding]:
    """Say that the caller's transaction has rows that are not checked."""
    seen = evidence.visible_rows
    if seen is None or seen == evidence.rows:
        return []
    return [
        _finding(
            evidence, "uncommitted", abs(seen - evidence.rows), None,
            f"The interactions must be committed to be checked: this transaction sees {seen:,} "
            f"rows, {evidence.rows:,} are committed. COMMIT, and call again.",
            "warning",
        )
    ]  # fmt: skip


def empty_sources(evidence: Evidence) -> list[Finding]:
    """Find bound sources without a row."""
    found = []
    for name, source in evidence.sources.items():
        if evidence.session.rows(f"SELECT 1 FROM recsql.{name} AS v LIMIT 1"):
            continue
        cause = "load it" if "filter" not in source.arguments else "load it, or bind another filter"
        found.append(
            Finding(
                "empty_source", name, "error" if name == "interactions" else "warning", 0, 0.0, None,
                f"{source.relation} must have rows, got none. Fill the table: {cause}.",
            )
        )  # fmt: skip
    return found


def empty_columns(evidence: Evidence) -> list[Finding]:
    """Find bound columns that are NULL in every row."""
    found = []
    for name, source in evidence.sources.items():
        if name == "interactions":
            rows = evidence.rows
            empty = [c for c in evidence.given_columns if not evidence.facts[f"given {c}"]]
        else:
            given = [column.name for column in VIEWS[name] if source.is_given(column.name)]
            counts = "".join(f", count(v.{column})" for column in given)
            row = evidence.session.rows(f"SELECT count(*){counts} FROM recsql.{name} AS v")[0]
            rows = row[0]
            empty = [column for column, count in zip(given, row[1:], strict=True) if not count]
        for column in empty if rows else []:
            vital = column == "item_id" or (name == "users" and column == "user_id")
            found.append(
                Finding(
                    "empty_column", name, "error" if vital else "warning", rows, 1.0, column,
                    f"{column} must have values, got NULL in every row of {source.relation}. Bind "
                    f"another column or expression: CALL recsql.bind_{name}(…, "
                    f"{column.partition('.')[0]} := '…').",
                )
            )  # fmt: skip
    return found


def null_items(evidence: Evidence) -> list[Finding]:
    """Find rows without an item."""
    count = evidence.facts["null items"]
    user = evidence.facts["null item user"]
    if not count:
        return []
    return [
        _finding(
            evidence, "null_item_id", count, None if user is None else f"user_id {shown(user)}",
            f"item_id must be given, got {counted(count, 'row')} without one, which every task "
            "leaves out. See them: FROM recsql.interactions WHERE item_id IS NULL.",
            "warning",
        )
    ]  # fmt: skip


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
        _finding(
            evidence, "null_user_id", count, None if basket is None else f"basket_id {shown(basket)}",
            f"{counted(count, 'row')} have no customer: they count for {tasks}, not for related. "
            "If the source knows the customers, bind a user_id that names them.",
        )
    ]  # fmt: skip


def null_times(evidence: Evidence) -> list[Finding]:
    """Find rows without a time where one is bound."""
    count, item = evidence.facts["null times"], evidence.facts["null time item"]
    if not count or not evidence.interactions.is_given("ts"):
        return []
    return [
        _finding(
            evidence, "null_ts", count, None if item is None else f"item_id {shown(item)}",
            f"ts must be given, got {counted(count, 'row')} without one: they count as purchases, "
            "but for no period of popular and no trend. See them: FROM recsql.interactions "
            "WHERE ts IS NULL.",
            "warning",
        )
    ]  # fmt: skip


def future_times(evidence: Evidence) -> list[Finding]:
    """Find rows after the present: the setting now, or the clock."""
    count = evidence.facts["late"]
    if not count:
        return []
    return [
        _finding(
            evidence, "future_ts", count, evidence.facts["latest"],
            f"ts must not be after the present, got {counted(count, 'row')} that training leaves "
            "out until then. Correct the times, or move the present: UPDATE recsql.settings SET "
            "value = '…' WHERE name = 'now'.",
            "warning",
        )
    ]  # fmt: skip


def duplicates(evidence: Evidence) -> list[Finding]:
    """Find rows that repeat another one in every column that counts.

    Rows without a customer and a basket are not compared: they may be different people.
    """
    rows = (
        f"SELECT {_SAME}, hash({_SAME}) AS row_hash FROM recsql.interactions AS i "
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
        _finding(
            evidence, "duplicate_rows", count, f"{-example['n']} times {', '.join(ids)}",
            f"Rows must differ in customer, item, time, basket, event, quantity or value, got "
            f"{counted(count, 'repeat')}; each counts as a purchase. {remedy}",
            "warning" if timed else "info",
        )
    ]  # fmt: skip


def zero_quantities(evidence: Evidence) -> list[Finding]:
    """Find rows with a quantity of zero."""
    count, item = evidence.facts["zero"], evidence.facts["zero item"]
    if not count:
        return []
    return [
        _finding(
            evidence, "zero_quantity", count, None if item is None else f"item_id {shown(item)}",
            f"quantity must be above 0 in a purchase, got 0 in {counted(count, 'row')}, which "
            "training leaves out. If they are purchases, bind another column as quantity or none.",
            "warning",
        )
    ]  # fmt: skip


def negative_quantities(evidence: Evidence) -> list[Finding]:
    """Find rows with a quantity below zero."""
    count = evidence.facts["negative"]
    if not count:
        return []
    remedy = f"To take the purchases back too: {evidence.interactions.bind_call(net_returns=True)}."
    return [
        _finding(
            evidence, "negative_quantity", count, f"quantity {evidence.facts['least quantity']:g}",
            f"quantity must be above 0 in a purchase, got less in {counted(count, 'row')}: returns, "
            f"which training leaves out while the purchases they return still count. {remedy}",
            "warning",
        )
    ]  # fmt: skip


def filtered(evidence: Evidence) -> list[Finding]:
    """Count the rows of the user's table that the binding itself leaves out."""
    count = filtered_rows(evidence)
    if not count:
        return []
    source = evidence.interactions
    causes = [name for name in ("filter", "net_returns") if source.arguments.get(name)]
    return [
        Finding(
            "filtered", "interactions", "info", count, share_of(count, count + evidence.rows), None,
            f"{counted(count, 'row')} of {source.relation} never reach recsql.interactions, because "
            f"of {' and '.join(causes)}. Bind without to count them.",
        )
    ]  # fmt: skip


def filtered_rows(evidence: Evidence) -> int:
    """Count the rows that ``filter`` and ``net_returns`` leave out; 0 if that cannot be told."""
    source = evidence.interactions
    if not (source.arguments.get("filter") or source.arguments.get("net_returns")):
        return 0
    table = evidence.table("interactions")
    if table is None:
        return 0
    total = evidence.session.value(f"SELECT count(*) FROM {table} AS source")
    return max(0, int(total) - evidence.rows)


def left_out(evidence: Evidence) -> list[Finding]:
    """Add up what training leaves out, by reason; each row counts for its first reason."""
    facts, rows = evidence.facts, evidence.rows
    count = rows - facts["purchases"]
    reasons = [
        f"{reason}: {facts[f'reason {number}']:,}"
        for number, reason in enumerate(REASONS, start=1)
        if facts[f"reason {number}"]
    ]
    sentences = [f"Training uses {facts['purchases']:,} of {counted(rows, 'row')}."]
    anonymous = facts["purchases"] - facts["known purchases"]
    if anonymous:
        sentences.append(f"related leaves out {anonymous:,} more, which have no customer.")
    earlier = filtered_rows(evidence)
    if earlier:
        sentences.append(f"The binding had left out {earlier:,} before.")
    return [_finding(evidence, "left_out", count, "; ".join(reasons) or None, " ".join(sentences))]


def _finding(
    evidence: Evidence,
    check: str,
    count: int,
    example: str | None,
    advice: str,
    severity: Severity = "info",
) -> Finding:
    share = share_of(count, evidence.rows)
    return Finding(check, "interactions", severity, count, share, example, advice)
