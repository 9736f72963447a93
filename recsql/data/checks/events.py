"""Checks of the kinds of events and their weights."""

from __future__ import annotations

import re

from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding, Severity, counted, share_of, shown
from recsql.database import literal

_UNDOING = re.compile(r"cancel|return|refund|void|adjust|remove|dislike", re.IGNORECASE)
_LISTED = 10


def event_kinds(evidence: Evidence) -> list[Finding]:
    """Find kinds of events without a weight, and kinds whose weight leaves them out."""
    if not evidence.interactions.is_given("event"):
        return []
    kinds = evidence.session.rows(
        "SELECT i.event, i.n, w.weight::DOUBLE FROM (SELECT i.event, count(*) AS n "
        "FROM recsql.interactions AS i WHERE i.event IS NOT NULL GROUP BY i.event) AS i "
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
        found.append(
            _finding(
                evidence, "unknown_events", unknown, "warning",
                f"Each kind of event must have a weight, got {counted(len(unknown), 'kind')} "
                "without one, which weigh 1. With your own weights: INSERT INTO "
                f"recsql.event_weights VALUES {values}{more}.",
            )
        )  # fmt: skip
    if weightless:
        found.append(
            _finding(
                evidence, "weightless_events", weightless, "info",
                f"{counted(len(weightless), 'kind')} of event weigh 0 or less and are left out of "
                "the models from counts. To count them: UPDATE recsql.event_weights SET weight = 1 "
                f"WHERE event = {literal(weightless[0][0])}.",
            )
        )  # fmt: skip
    return found


def null_events(evidence: Evidence) -> list[Finding]:
    """Find rows without a kind of event where one is bound."""
    given = evidence.facts.get("given event")
    if not given or given == evidence.rows:
        return []
    rows = evidence.rows - given
    return [
        Finding(
            "null_event", "interactions", "info", rows, share_of(rows, evidence.rows), None,
            f"{counted(rows, 'row')} have no kind of event and weigh 1. To give them one, bind "
            f"event := 'coalesce({evidence.interactions.expression('event')}, ''purchase'')'.",
        )
    ]  # fmt: skip


def _finding(
    evidence: Evidence, check: str, kinds: list[tuple[str, int]], severity: Severity, advice: str
) -> Finding:
    rows = sum(n for _, n in kinds)
    return Finding(
        check, "interactions", severity, rows, share_of(rows, evidence.rows), shown(kinds[0][0]), advice
    )
