"""Checks of the ids: how they are written, where they lack a row, and which one dominates."""

from __future__ import annotations

from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding, counted, shown

_NOUNS = {"user_id": "customer", "item_id": "item"}
_BLANKS = "chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160)"
_LEAST_MIXED_IDS = 20
_MOSTLY = 0.9
_DOMINATING_SHARE = 0.2
_DOMINATING_ROWS = 100


def surrounding_blanks(evidence: Evidence) -> list[Finding]:
    """Find ids that are empty, or begin or end with a blank."""
    found = []
    for column in _text_ids(evidence):
        ids, rows, example, unusual = evidence.session.rows(
            "SELECT count(*), coalesce(sum(s.n), 0)::BIGINT, min(s.id), "
            f"count(*) FILTER (WHERE trim(s.id) <> trim(s.id, {_BLANKS})) FROM "
            f"{evidence.seen[column]} AS s WHERE s.id = '' OR s.id <> trim(s.id, {_BLANKS})"
        )[0]
        if not ids:
            continue
        text = evidence.interactions.expression(column)
        trimmed = f"nullif(trim({text}, {_BLANKS}), '')" if unusual else f"nullif(trim({text}), '')"
        advice = (
            f"{column} must not be empty or begin or end with a blank, got "
            f"{counted(ids, 'such id')}. Trim it, here and where else it is bound: "
            f"{evidence.interactions.bind_call(**{column: trimmed})}."
        )
        found.append(evidence.finding(f"blank_{column}", rows, shown(example), advice))
    return found


def mixed_ids(evidence: Evidence) -> list[Finding]:
    """Find the few ids that are no number where nearly all are one."""
    found = []
    number = "regexp_full_match(s.id, '[0-9]+')"
    for column in _text_ids(evidence):
        ids, numbers, rows, example = evidence.session.rows(
            f"SELECT count(*), count(*) FILTER (WHERE {number}), "
            f"coalesce(sum(s.n) FILTER (WHERE NOT {number}), 0)::BIGINT, "
            f"min({{'n': -s.n, 'id': s.id}}) FILTER (WHERE NOT {number}) "
            f"FROM {evidence.seen[column]} AS s"
        )[0]
        if ids < _LEAST_MIXED_IDS or not _MOSTLY * ids <= numbers < ids:
            continue
        advice = (
            f"{column} must have one form, got {counted(ids - numbers, 'id')} with other signs "
            f"where {numbers:,} are whole numbers. If they are no {_NOUNS[column]}s, leave them "
            "out with a filter; if they are, nothing is lost."
        )
        found.append(evidence.finding(f"mixed_{column}", rows, shown(example["id"]), advice))
    return found


def ids_in_two_cases(evidence: Evidence) -> list[Finding]:
    """Find ids that differ in upper and lower case only."""
    found = []
    for column in _text_ids(evidence):
        ids, rows, example = _spellings(evidence, column, "lower(s.id)", "true")
        if not ids:
            continue
        text = f"upper({evidence.interactions.expression(column)})"
        advice = (
            f"{column} must be written in one case, got {counted(ids, 'id')} that differ from "
            f"another in upper and lower case only and count as {_NOUNS[column]}s of their own. If "
            "they are the same, here and where else it is bound: "
            f"{evidence.interactions.bind_call(**{column: text})}."
        )
        found.append(evidence.finding(f"two_case_{column}", rows, example, advice))
    return found


def ids_with_leading_zeros(evidence: Evidence) -> list[Finding]:
    """Find whole numbers that are written with and without leading zeros."""
    found = []
    without = r"regexp_replace({}, '^0+([0-9])', '\1')"
    for column in _text_ids(evidence):
        ids, rows, example = _spellings(
            evidence, column, without.format("s.id"), "regexp_full_match(s.id, '[0-9]+')"
        )
        if not ids:
            continue
        text = without.format(evidence.interactions.expression(column))
        advice = (
            f"{column} must be written with or without leading zeros, got {counted(ids, 'id')} "
            f"that differ from another in zeros only and count as {_NOUNS[column]}s of their own. "
            "If they are the same, here and where else it is bound: "
            f"{evidence.interactions.bind_call(**{column: text})}."
        )
        found.append(evidence.finding(f"leading_zero_{column}", rows, example, advice))
    return found


def dominating_ids(evidence: Evidence) -> list[Finding]:
    """Find a customer or item with more than a fifth of the rows."""
    found = []
    for column, noun in _NOUNS.items():
        top = evidence.session.rows(
            f"SELECT s.id, s.n FROM {evidence.seen[column]} AS s ORDER BY s.n DESC, s.id LIMIT 1"
        )
        if not top or top[0][1] <= max(_DOMINATING_ROWS, _DOMINATING_SHARE * evidence.rows):
            continue
        name, rows = top[0]
        typical = "a till or a test account" if noun == "customer" else "a bag or a fee"
        advice = (
            f"One {noun} must not have more than a fifth of the rows, got "
            f"{rows / evidence.rows:.0%}. If it is no real {noun} ({typical}), leave it out with "
            "a filter."
        )
        found.append(evidence.finding(f"dominating_{noun}", rows, shown(name), advice))
    return found


def _spellings(
    evidence: Evidence, column: str, normal: str, condition: str
) -> tuple[int, int, str]:
    """Look for ids that are equal under ``normal``.

    Returns
    -------
    how many ids and how many rows are not of the spelling with most rows, and the spellings of
    the id where that concerns most rows
    """
    ids, rows, example = evidence.session.rows(
        "SELECT coalesce(sum(g.ids - 1), 0)::BIGINT, coalesce(sum(g.n - g.most), 0)::BIGINT, "
        "min({'n': g.most - g.n, 'spellings': g.spellings}) FROM (SELECT count(*) AS ids, "
        "sum(s.n) AS n, max(s.n) AS most, list(s.id ORDER BY s.n DESC, s.id)[:3] AS spellings "
        f"FROM {evidence.seen[column]} AS s WHERE {condition} "
        f"GROUP BY {normal} HAVING count(*) > 1) AS g"
    )[0]
    spellings = example["spellings"] if example else []
    return ids, rows, ", ".join(map(shown, spellings))


def _text_ids(evidence: Evidence) -> list[str]:
    """Name the ids that are text; numbers and UUIDs are written in one way."""
    interactions = evidence.interactions
    return [
        column
        for column in _NOUNS
        if interactions.types[column] == "VARCHAR" and interactions.is_given(column)
    ]
