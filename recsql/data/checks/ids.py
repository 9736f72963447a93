"""Checks of the ids: how they are written, where they lack a row, and which one dominates."""

from __future__ import annotations

from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding, Severity, counted, share_of, shown

_NOUNS = {"user_id": "customer", "item_id": "item"}
_HOMES = {"users": "user_id", "items": "item_id"}
_BLANKS = "chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160)"
_LEAST_MIXED_IDS = 20
_MOSTLY = 0.9
_DOMINATING_SHARE = 0.2
_DOMINATING_ROWS = 100


def surrounding_blanks(evidence: Evidence) -> list[Finding]:
    """Find ids that are empty, or begin or end with a blank."""
    found = []
    for column in _text_ids(evidence):
        ids, rows, example = evidence.session.rows(
            "SELECT count(*), coalesce(sum(s.n), 0)::BIGINT, min(s.id) "
            f"FROM {evidence.seen[column]} AS s WHERE s.id = '' OR s.id <> trim(s.id, {_BLANKS})"
        )[0]
        if ids:
            text = evidence.interactions.expression(column)
            fix = evidence.interactions.bind_call(**{column: f"nullif(trim({text}), '')"})
            found.append(
                _finding(
                    evidence, f"blank_{column}", rows, shown(example),
                    f"{column} must not be empty or begin or end with a blank, got "
                    f"{counted(ids, 'such id')}. Trim it, and where else it is bound: {fix}.",
                )
            )  # fmt: skip
    return found


def mixed_ids(evidence: Evidence) -> list[Finding]:
    """Find the few ids that are no number where nearly all are one."""
    found = []
    for column in _text_ids(evidence):
        number = "regexp_full_match(s.id, '[0-9]+')"
        ids, numbers, rows, example = evidence.session.rows(
            f"SELECT count(*), count(*) FILTER (WHERE {number}), "
            f"coalesce(sum(s.n) FILTER (WHERE NOT {number}), 0)::BIGINT, "
            f"min({{'n': -s.n, 'id': s.id}}) FILTER (WHERE NOT {number}) "
            f"FROM {evidence.seen[column]} AS s"
        )[0]
        if ids >= _LEAST_MIXED_IDS and _MOSTLY * ids <= numbers < ids:
            noun = _NOUNS[column]
            found.append(
                _finding(
                    evidence, f"mixed_{column}", rows, shown(example["id"]),
                    f"{column} must have one form, got {counted(ids - numbers, 'id')} with other "
                    f"signs where {numbers:,} are whole numbers. If they are no {noun}s, leave "
                    f"them out with a filter; if they are, nothing is lost.",
                )
            )  # fmt: skip
    return found


def ids_in_two_cases(evidence: Evidence) -> list[Finding]:
    """Find ids that differ in upper and lower case only."""
    return _variants(
        evidence, "two_case", "lower(s.id)", "true", "upper({})",
        "must be written in one case", "differ from another in upper and lower case only",
    )  # fmt: skip


def ids_with_leading_zeros(evidence: Evidence) -> list[Finding]:
    """Find whole numbers that are written with and without leading zeros."""
    return _variants(
        evidence, "leading_zero", r"regexp_replace(s.id, '^0+([0-9])', '\1')",
        "regexp_full_match(s.id, '[0-9]+')", r"regexp_replace({}, '^0+([0-9])', '\1')",
        "must be written with or without leading zeros", "differ from another in zeros only",
    )  # fmt: skip


def ids_without_a_row(evidence: Evidence) -> list[Finding]:
    """Find customers and items of the interactions that users and items do not know."""
    found = []
    for home, column in _HOMES.items():
        if home not in evidence.sources:
            continue
        ids, rows, example = evidence.session.rows(
            "SELECT count(*), coalesce(sum(s.n), 0)::BIGINT, min({'n': -s.n, 'id': s.id}) "
            f"FROM {evidence.seen[column]} AS s WHERE s.id::VARCHAR NOT IN (SELECT "
            f"v.{column}::VARCHAR FROM recsql.{home} AS v WHERE v.{column} IS NOT NULL)"
        )[0]
        if ids:
            noun = _NOUNS[column]
            lost = "attributes" if home == "users" else "title, no attributes and no availability"
            found.append(
                _finding(
                    evidence, f"{noun}s_without_row", rows, shown(example["id"]),
                    f"Each {noun} must have a row in {evidence.sources[home].relation}, got "
                    f"{counted(ids, noun)} without one, so with no {lost}. Add the rows"
                    f"{_types_differ(evidence, home, column)}.",
                )
            )  # fmt: skip
    return found


def rows_never_seen(evidence: Evidence) -> list[Finding]:
    """Find rows of users and items that no interaction mentions."""
    found = []
    for home, column in _HOMES.items():
        if home not in evidence.sources:
            continue
        rows, total, example = evidence.session.rows(
            "SELECT count(*) FILTER (WHERE NOT v.seen), count(*), "
            f"min(v.id) FILTER (WHERE NOT v.seen) FROM (SELECT v.{column} AS id, "
            f"v.{column}::VARCHAR IN (SELECT s.id::VARCHAR FROM {evidence.seen[column]} AS s) "
            f"AS seen FROM recsql.{home} AS v WHERE v.{column} IS NOT NULL) AS v"
        )[0]
        if rows:
            noun = _NOUNS[column]
            verb = "bought" if home == "users" else "was bought"
            found.append(
                Finding(
                    f"{noun}s_never_seen", home, "info", rows, share_of(rows, total), shown(example),
                    f"{counted(rows, 'row')} of {evidence.sources[home].relation} are of a {noun} "
                    f"that never {verb}: models from counts have no answer about them.",
                )
            )  # fmt: skip
    return found


def null_home_ids(evidence: Evidence) -> list[Finding]:
    """Find rows of users and items without an id."""
    found = []
    for home, column in _HOMES.items():
        if home not in evidence.sources:
            continue
        total, given = evidence.session.rows(
            f"SELECT count(*), count(v.{column}) FROM recsql.{home} AS v"
        )[0]
        if 0 < given < total:
            rows = total - given
            found.append(
                Finding(
                    f"null_{column}", home, "warning", rows, share_of(rows, total), None,
                    f"{column} must be given, got {counted(rows, 'row')} without one, which are "
                    f"never used. See them: FROM recsql.{home} WHERE {column} IS NULL.",
                )
            )  # fmt: skip
    return found


def duplicate_ids(evidence: Evidence) -> list[Finding]:
    """Find ids with several rows in users or items."""
    found = []
    for home, column in _HOMES.items():
        if home not in evidence.sources:
            continue
        ids, extra, example, total = evidence.session.rows(
            "SELECT count(*) FILTER (WHERE d.n > 1), coalesce(sum(d.n - 1), 0)::BIGINT, "
            "min({'n': -d.n, 'id': d.id}), coalesce(sum(d.n), 0)::BIGINT "
            f"FROM (SELECT v.{column} AS id, count(*) AS n FROM recsql.{home} AS v "
            f"WHERE v.{column} IS NOT NULL GROUP BY v.{column}) AS d"
        )[0]
        if ids:
            noun, source = _NOUNS[column], evidence.sources[home]
            table = evidence.table(home) or source.relation
            found.append(
                Finding(
                    f"duplicate_{column}", home, "error", extra, share_of(extra, total),
                    f"{-example['n']} rows of {shown(example['id'])}",
                    f"{source.relation} must have one row a {noun}, got {counted(ids, noun)} with "
                    f"more. CREATE VIEW one_row AS FROM {table} QUALIFY row_number() OVER "
                    f"(PARTITION BY {source.expression(column)} ORDER BY ALL) = 1, and bind that.",
                )
            )  # fmt: skip
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
        share = share_of(rows, evidence.rows)
        typical = "a till or a test account" if noun == "customer" else "a bag or a fee"
        found.append(
            _finding(
                evidence, f"dominating_{noun}", rows, shown(name),
                f"One {noun} must not have more than a fifth of the rows, got {share:.0%}. If it "
                f"is no real {noun} ({typical}), leave it out with a filter.",
            )
        )  # fmt: skip
    return found


def _variants(
    evidence: Evidence,
    check: str,
    normal: str,
    condition: str,
    fix: str,
    rule: str,
    difference: str,
) -> list[Finding]:
    """Find ids that become equal under ``normal``: all but the spelling with most rows."""
    found = []
    for column in _text_ids(evidence):
        ids, rows, example = evidence.session.rows(
            "SELECT coalesce(sum(g.ids - 1), 0)::BIGINT, coalesce(sum(g.n - g.most), 0)::BIGINT, "
            "min({'n': g.most - g.n, 'spellings': g.spellings}) FROM (SELECT count(*) AS ids, "
            "sum(s.n) AS n, max(s.n) AS most, list(s.id ORDER BY s.n DESC, s.id)[:3] AS spellings "
            f"FROM {evidence.seen[column]} AS s WHERE {condition} "
            f"GROUP BY {normal} HAVING count(*) > 1) AS g"
        )[0]
        if ids:
            text = evidence.interactions.expression(column)
            call = evidence.interactions.bind_call(**{column: fix.format(text)})
            found.append(
                _finding(
                    evidence, f"{check}_{column}", rows,
                    ", ".join(shown(spelling) or "" for spelling in example["spellings"]),
                    f"{column} {rule}, got {counted(ids, 'id')} that {difference} and count as "
                    f"{_NOUNS[column]}s of their own. If they are the same, here and where else "
                    f"the id is bound: {call}.",
                )
            )  # fmt: skip
    return found


def _text_ids(evidence: Evidence) -> list[str]:
    interactions = evidence.interactions
    return [
        column
        for column in _NOUNS
        if interactions.types[column] == "VARCHAR" and interactions.is_given(column)
    ]


def _types_differ(evidence: Evidence, home: str, column: str) -> str:
    here, there = evidence.interactions.types[column], evidence.sources[home].types[column]
    if here == there:
        return ""
    return f", or bind both ids in one form: {column} is {here} here and {there} there"


def _finding(
    evidence: Evidence,
    check: str,
    rows: int,
    example: str | None,
    advice: str,
    severity: Severity = "warning",
) -> Finding:
    share = share_of(rows, evidence.rows)
    return Finding(check, "interactions", severity, rows, share, example, advice)
