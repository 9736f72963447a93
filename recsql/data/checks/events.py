"""Checks of the kinds of events and their weights."""

from __future__ import annotations

import re

from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding, Severity, counted, shown
from recsql.database import literal

_UNDOING = re.compile(r"cancel|return|refund|void|adjust|remove|dislike", re.IGNORECASE)
_LISTED = 10


def event_kinds(evidence: Evidence) -> list[Finding]:
    """Find kinds of events without a weight, and kinds whose weight leaves them out."""
    if not evidence.interactions.is_given("event"):
        return []
    kinds = evidence.session.rows(
        "SELECT i.event, i.n, w.weight::DOUBLE FROM (SELECT i.event, count(*) AS n "
        f"FROM {evidence.relation} AS i WHERE i.event IS NOT NULL GROUP BY i.event) AS i "
        "LEFT JOIN recsql.event_weights AS w ON w.event = i.event ORDER BY i.n DESC, i.event"
    )
    unknown = [(event, n) for event, n, weight in kinds if weight is None]
    weightless = [(event, n) for event, n, weight in kinds if weight is not None and weight <= 0]
    found = []
    if unknown and len(kinds) > 1:
        values = ", ".join(
            f"({literal(event)}, {0 if _UNDOING.search(event) else 1})"
            for event, _ in unknown[:_LISTED]
        )
        more = "" if len(unknown) <= _LISTED else f" and {len(unknown) - _LISTED:,} more"
        advice = (
            f"Each kind of event must have a weight, got {counted(len(unknown), 'kind')} without "
            "one, which weigh 1. With weights of your own: INSERT INTO recsql.event_weights VALUES "
            f"{values}{more}."
        )
        found.append(_finding(evidence, "unknown_events", unknown, advice, "warning"))
    if weightless:
        advice = (
            f"{counted(len(weightless), 'kind')} of event with a weight of 0 or less, which the "
            "models from counts leave out. To count it: UPDATE recsql.event_weights SET weight = 1 "
            f"WHERE event = {literal(weightless[0][0])}."
        )
        found.append(_finding(evidence, "weightless_events", weightless, advice, "info"))
    return found


def null_events(evidence: Evidence) -> list[Finding]:
    """Find rows without a kind of event where one is bound."""
    given = evidence.facts.get("given event")
    if not given or given == evidence.rows:
        return []
    rows = evidence.rows - given
    text = evidence.interactions.expression("event")
    fix = evidence.interactions.bind_call(event=f"coalesce({text}, 'purchase')")
    advice = f"{counted(rows, 'row')} have no kind of event and weigh 1. To name it: {fix}."
    return [evidence.finding("null_event", rows, None, advice, severity="info")]


def _finding(
    evidence: Evidence, check: str, kinds: list[tuple[str, int]], advice: str, severity: Severity
) -> Finding:
    rows = sum(n for _, n in kinds)
    return evidence.finding(check, rows, shown(kinds[0][0]), advice, severity=severity)
