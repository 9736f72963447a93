"""Checks of the attributes of customers and items: what they say, and whether they say it."""

from __future__ import annotations

from dataclasses import dataclass

from recsql.columns import INTEGER_TYPES
from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding, Severity, counted, share_of
from recsql.database import quote

_IDENTIFYING = INTEGER_TYPES | {"VARCHAR", "UUID"}
_LEAST_ROWS = 10
_NEARLY = 0.8  # the approximate count of distinct values is off by less


@dataclass(frozen=True)
class _Measured:
    """One attribute: rows with a value, and how many different ones, exact where it matters."""

    name: str
    type: str
    given: int
    distinct: int


def useless_attributes(evidence: Evidence) -> list[Finding]:
    """Find attributes that are empty, constant or different in every row, and rows without any."""
    found = []
    for home in ("users", "items"):
        if home in evidence.sources:
            found += _of_source(evidence, home)
    return found


def _of_source(evidence: Evidence, home: str) -> list[Finding]:
    source = evidence.sources[home]
    names = source.attributes
    if home == "items" and source.is_given("category"):
        names = ["category", *names]
    if not names:
        return []
    rows, bare, measured = _measure(evidence, home, names)
    found = []
    useless = {m.name: verdict for m in measured if (verdict := _verdict(m, rows))}
    kept = [name for name in source.attributes if name not in useless]
    for attribute in measured:
        if attribute.name not in useless:
            continue
        check, severity, sentence = useless[attribute.name]
        fix = f"Leave it out: {source.bind_call(attributes=kept)}."
        if attribute.name == "category":
            fix = "Bind another column as category, or none."
        found.append(
            Finding(
                check, home, severity, rows, share_of(rows, rows), attribute.name,
                f"{attribute.name} must tell {_NOUNS[home]} apart, got {sentence}. {fix}",
            )
        )  # fmt: skip
    if 0 < bare < rows:
        found.append(
            Finding(
                "without_attributes", home, "info", bare, share_of(bare, rows), None,
                f"{counted(bare, 'row')} of {source.relation} have no attribute at all: nothing "
                "can be said from likeness about them. Fill in at least one.",
            )
        )  # fmt: skip
    return found


_NOUNS = {"users": "customers", "items": "items"}


def _verdict(attribute: _Measured, rows: int) -> tuple[str, Severity, str] | None:
    if rows == 0:
        return None
    if attribute.given == 0:
        return "empty_attribute", "warning", "NULL in every row"
    if attribute.distinct == 1 and attribute.given == rows and rows > 1:
        return "constant_attribute", "warning", "the same value in every row"
    unique = attribute.distinct == attribute.given and attribute.given >= _LEAST_ROWS
    if unique and attribute.type in _IDENTIFYING:
        return "unique_attribute", "warning", "another value in every row"
    return None


def _measure(evidence: Evidence, home: str, names: list[str]) -> tuple[int, int, list[_Measured]]:
    """Count rows, rows without any attribute, and the values of each attribute."""
    types = evidence.sources[home].types
    columns = [f"v.{quote(name)}" for name in names]
    counts = ", ".join(f"count({c}), approx_count_distinct({c}::VARCHAR)" for c in columns)
    bare = " AND ".join(f"{c} IS NULL" for c in columns)
    row = evidence.session.rows(
        f"SELECT count(*), count(*) FILTER (WHERE {bare}), {counts} FROM recsql.{home} AS v"
    )[0]
    measured = []
    for number, name in enumerate(names):
        given, distinct = row[2 + 2 * number], row[3 + 2 * number]
        if given and (distinct <= 2 or distinct >= _NEARLY * given):
            distinct = evidence.session.value(
                f"SELECT count(DISTINCT {columns[number]}::VARCHAR) FROM recsql.{home} AS v"
            )
        measured.append(_Measured(name, types[name], given, distinct))
    return row[0], row[1], measured
