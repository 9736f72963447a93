"""Checks for items that are no goods: postage, fees, vouchers, samples, corrections."""

from __future__ import annotations

from typing import Any

from recsql.columns import INTEGER_TYPES
from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding, Severity, bind_call, counted, shown
from recsql.database import literal

# Read over the title in lower case. A word that goods also carry must be the whole title.
_TITLE = (
    r"\b(postage|shipping|surcharge|bad debts?|gift (card|certificate)s?|vouchers?|fees?|"
    r"adjust(ment)?s?|(bank|packing|delivery|handling|service) charges?)\b"
    r"|\b(carriage|delivery|discount)$"
    r"|^(manual|samples?|charges?|commission|credit|deposit)$"
    r"|^test( (item|product|article))?( ?\d+)?$"
)
Suspect = tuple[Any, int, str | None, bool]

_LEAST_ITEMS = 20
_NEARLY_ALL = 0.95
_LISTED = 50
_LONGEST_ID = 100


def likely_non_goods(evidence: Evidence) -> list[Finding]:
    """Find items bought and available that look like no goods, by title and by shape of id."""
    suspects = _suspects(evidence)
    titled = [row for row in suspects if row[3] or row[2] is None]
    shaped = [row for row in suspects if not row[3] and row[2] is not None]
    found = []
    if titled:
        advice = (
            f"Items must be goods to be recommended, got {counted(len(titled), 'item')} that by "
            "title or by id look like postage, fees, vouchers or corrections. After a look, take "
            f"them out: {_available(evidence, titled)}."
        )
        found.append(_finding(evidence, "likely_non_goods", titled, advice, "warning"))
    if shaped:
        advice = (
            f"{counted(len(shaped), 'item')} without a digit in the id, which nearly all others "
            f"hold. If they are no goods, take them out: {_available(evidence, shaped)}."
        )
        found.append(_finding(evidence, "odd_item_ids", shaped, advice, "info"))
    return found


def _suspects(evidence: Evidence) -> list[Suspect]:
    """Give (id, rows, title, title says so) of the suspects, most rows first."""
    seen = evidence.seen["item_id"]
    shape = "false"
    if evidence.interactions.types["item_id"] == "VARCHAR":
        ids, digits = evidence.session.rows(
            "SELECT count(*), count(*) FILTER (WHERE regexp_matches(s.id, '[0-9]')) "
            f"FROM {seen} AS s"
        )[0]
        if ids >= _LEAST_ITEMS and digits >= _NEARLY_ALL * ids:
            shape = "NOT regexp_matches(s.id, '[0-9]')"
    items = (
        "SELECT v.item_id::VARCHAR AS id, min(v.title) AS title, "
        "bool_or(v.available IS DISTINCT FROM false) AS available "
        "FROM recsql.items AS v WHERE v.item_id IS NOT NULL GROUP BY v.item_id::VARCHAR"
    )
    return evidence.session.rows(
        "SELECT c.id, c.n, c.title, c.says FROM (SELECT s.id, s.n, v.title, "
        f"coalesce(regexp_matches(trim(lower(v.title)), {literal(_TITLE)}), false) AS says, "
        f"{shape} AS odd, coalesce(v.available, true) AS available FROM {seen} AS s "
        f"LEFT JOIN ({items}) AS v ON v.id = s.id::VARCHAR WHERE s.bought > 0) AS c "
        "WHERE c.available AND (c.odd OR c.says) ORDER BY c.n DESC, c.id"
    )


def _available(evidence: Evidence, suspects: list[Suspect]) -> str:
    """Give the CALL that takes items out of every recommendation."""
    items = evidence.sources.get("items", evidence.interactions)
    numbers = items.types["item_id"] in INTEGER_TYPES
    ids = [str(name) for name, *_ in suspects if len(str(name)) <= _LONGEST_ID][:_LISTED]
    listed = ", ".join(ids if numbers else [literal(name) for name in ids])
    if items.name != "items":
        condition = f"item_id NOT IN ({listed})"
        return bind_call("items", "your_items", {"item_id": "item_id", "available": condition})
    condition = f"{items.expression('item_id')} NOT IN ({listed})"
    if items.is_given("available"):
        condition = f"{items.expression('available')} AND {condition}"
    return items.bind_call(available=condition)


def _finding(
    evidence: Evidence, check: str, suspects: list[Suspect], advice: str, severity: Severity
) -> Finding:
    name, _, title, _ = suspects[0]
    example = shown(name) if title is None else f"{shown(name)}: {title}"
    rows = sum(n for _, n, _, _ in suspects)
    return evidence.finding(check, rows, example, advice, severity=severity)
