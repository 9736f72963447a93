"""Checks of users and items as tables of one row an id: rows that lack, repeat or are not used."""

from __future__ import annotations

from dataclasses import dataclass

from recsql.data.checks.evidence import Evidence, Source
from recsql.data.checks.finding import Finding, counted, share_of, shown


@dataclass(frozen=True)
class _Home:
    """A bound source that describes the ids of the interactions, in the words of findings."""

    source: Source
    id: str
    noun: str

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.source.name


def ids_without_a_row(evidence: Evidence) -> list[Finding]:
    """Find customers and items of the interactions that users and items do not know."""
    found = []
    for home in _homes(evidence):
        ids, rows, example = evidence.session.rows(
            "SELECT count(*), coalesce(sum(s.n), 0)::BIGINT, min({'n': -s.n, 'id': s.id}) "
            f"FROM {evidence.seen[home.id]} AS s WHERE s.id::VARCHAR NOT IN (SELECT "
            f"v.{home.id}::VARCHAR FROM recsql.{home.name} AS v WHERE v.{home.id} IS NOT NULL)"
        )[0]
        if not ids:
            continue
        lost = "attributes" if home.name == "users" else "title and attributes"
        advice = (
            f"Each {home.noun} must have a row in {home.source.relation}, got "
            f"{counted(ids, home.noun)} without one, so without {lost}. Add the rows"
            f"{_types_differ(evidence, home)}."
        )
        check = f"{home.noun}s_without_row"
        found.append(evidence.finding(check, rows, shown(example["id"]), advice))
    return found


def rows_never_seen(evidence: Evidence) -> list[Finding]:
    """Find rows of users and items that no interaction mentions."""
    found = []
    for home in _homes(evidence):
        rows, total, example = evidence.session.rows(
            "SELECT count(*) FILTER (WHERE NOT v.seen), count(*), "
            f"min(v.id) FILTER (WHERE NOT v.seen) FROM (SELECT v.{home.id} AS id, "
            f"v.{home.id}::VARCHAR IN (SELECT s.id::VARCHAR FROM {evidence.seen[home.id]} AS s) "
            f"AS seen FROM recsql.{home.name} AS v WHERE v.{home.id} IS NOT NULL) AS v"
        )[0]
        if not rows:
            continue
        advice = (
            f"{counted(rows, 'row')} of {home.source.relation} with a {home.noun} that no "
            "interaction mentions: models from counts have no answer about it."
        )
        check, share = f"{home.noun}s_never_seen", share_of(rows, total)
        found.append(Finding(check, home.name, "info", rows, share, shown(example), advice))
    return found


def null_ids(evidence: Evidence) -> list[Finding]:
    """Find rows of users and items without an id."""
    found = []
    for home in _homes(evidence):
        total, given = evidence.session.rows(
            f"SELECT count(*), count(v.{home.id}) FROM recsql.{home.name} AS v"
        )[0]
        if not 0 < given < total:
            continue
        rows = total - given
        advice = (
            f"{home.id} must be given, got {counted(rows, 'row')} without one, which nothing "
            f"uses. See them: FROM recsql.{home.name} WHERE {home.id} IS NULL."
        )
        check, share = f"null_{home.id}", share_of(rows, total)
        found.append(Finding(check, home.name, "warning", rows, share, None, advice))
    return found


def duplicate_ids(evidence: Evidence) -> list[Finding]:
    """Find ids with several rows in users or items."""
    found = []
    for home in _homes(evidence):
        ids, extra, example, total = evidence.session.rows(
            "SELECT count(*) FILTER (WHERE d.n > 1), coalesce(sum(d.n - 1), 0)::BIGINT, "
            "min({'n': -d.n, 'id': d.id}), coalesce(sum(d.n), 0)::BIGINT "
            f"FROM (SELECT v.{home.id} AS id, count(*) AS n FROM recsql.{home.name} AS v "
            f"WHERE v.{home.id} IS NOT NULL GROUP BY v.{home.id}) AS d"
        )[0]
        if not ids:
            continue
        table = evidence.table(home.name) or home.source.relation
        advice = (
            f"{home.source.relation} must have one row a {home.noun}, got "
            f"{counted(ids, home.noun)} with more. CREATE VIEW one_row AS FROM {table} AS source "
            f"QUALIFY row_number() OVER (PARTITION BY {home.source.expression(home.id)} "
            "ORDER BY source) = 1, and bind that."
        )
        example_text = f"{-example['n']} rows of {shown(example['id'])}"
        check, share = f"duplicate_{home.id}", share_of(extra, total)
        found.append(Finding(check, home.name, "error", extra, share, example_text, advice))
    return found


def _homes(evidence: Evidence) -> list[_Home]:
    words = {"users": ("user_id", "customer"), "items": ("item_id", "item")}
    return [
        _Home(evidence.sources[name], *words[name]) for name in words if name in evidence.sources
    ]


def _types_differ(evidence: Evidence, home: _Home) -> str:
    here, there = evidence.interactions.types[home.id], home.source.types[home.id]
    if here == there:
        return ""
    return f", or bind both ids in one form: {home.id} is {here} here and {there} there"
