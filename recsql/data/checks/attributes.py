"""Checks of the attributes of customers and items: what they say, and whether they say it."""

from __future__ import annotations

from dataclasses import dataclass

from recsql.columns import INTEGER_TYPES
from recsql.data.checks.evidence import Evidence, Source
from recsql.data.checks.finding import Argument, Finding, counted, share_of
from recsql.database import quote

_IDENTIFYING = INTEGER_TYPES | {"VARCHAR", "UUID"}
_NOUNS = {"users": "customers", "items": "items"}
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
    useless = {m.name: verdict for m in measured if (verdict := _verdict(m, rows))}
    if useless.get("category", ("",))[0] == "empty_attribute":
        del useless["category"]  # a bound column: the check of empty columns tells
    fix = f"Leave it out: {_bind_without(source, set(useless))}."
    found = []
    for name, (check, got) in useless.items():
        remedy = "Bind another column as category, or none." if name == "category" else fix
        advice = f"{name} must tell {_NOUNS[home]} apart, got {got}. {remedy}"
        found.append(Finding(check, home, "warning", rows, 1.0, name, advice))
    if 0 < bare < rows:
        advice = (
            f"{counted(bare, 'row')} of {source.relation} have no attribute at all, so nothing "
            "can be said from likeness. Fill in one at least."
        )
        share = share_of(bare, rows)
        found.append(Finding("without_attributes", home, "info", bare, share, None, advice))
    return found


def _bind_without(source: Source, useless: set[str]) -> str:
    """Give the CALL that binds a source without some attributes."""
    changes: dict[str, Argument] = {
        "attributes": [name for name in source.attributes if name not in useless]
    }
    private = source.arguments.get("private")
    if private:
        changes["private"] = [name for name in private if name not in useless]
    return source.bind_call(**changes)


def _verdict(attribute: _Measured, rows: int) -> tuple[str, str] | None:
    """Give (check, what is so) of an attribute that tells nothing; None for a useful one."""
    if rows == 0:
        return None
    if attribute.given == 0:
        return "empty_attribute", "NULL in every row"
    if attribute.distinct == 1 and attribute.given == rows and rows > 1:
        return "constant_attribute", "the same value in every row"
    unique = attribute.distinct == attribute.given and attribute.given >= _LEAST_ROWS
    if unique and attribute.type in _IDENTIFYING:
        return "unique_attribute", "another value in every row"
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
