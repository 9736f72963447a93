"""What the checks look at: the bound sources, measured by few scans, each run once when asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from recsql.columns import INTEGER_TYPES, VIEWS
from recsql.data.checks.finding import Argument, Finding, Severity, bind_call, share_of
from recsql.data.purchases import PurchaseReader, purchase_reader
from recsql.data.relations import find_relation
from recsql.database import Session, quote
from recsql.errors import BindError
from recsql.settings import setting_int

# Why training leaves a row out: the first that holds. ``left_out_by`` counts from 1.
REASONS = (
    "no item_id",
    "quantity of 0 or less",
    "kind of event that weighs 0 or less",
    "ts after the present",
)


@dataclass(frozen=True)
class Source:
    """A bound source: the user's table, what was passed, and the columns of its view."""

    name: str
    relation: str
    arguments: dict[str, Any]
    definition: str
    types: dict[str, str]

    @property
    def attributes(self) -> list[str]:
        """Name the attributes: the columns of the view that recsql does not name."""
        reserved = {column.name for column in VIEWS[self.name]}
        return [name for name in self.types if name not in reserved]

    def is_given(self, name: str) -> bool:
        """Tell whether a column was bound."""
        return self.arguments.get(name) is not None

    def expression(self, name: str) -> str:
        """Give what a column is bound to, as it is written inside of a longer expression."""
        text = str(self.arguments[name])
        if f"({text}\n)" in self.definition:
            return f"({text})"
        return text if text.strip().startswith('"') else quote(text.strip())

    def bind_call(self, **changes: Argument) -> str:
        """Give the CALL that binds the source again with some arguments changed."""
        return bind_call(self.name, self.relation, self.arguments, **changes)


@dataclass
class Evidence:
    """The measurements that the checks share.

    Attributes
    ----------
    session : must stay in one transaction, so that every scan sees the same rows
    schema : the caller's current schema, where table names are looked up
    visible_rows : interactions that the caller sees; None unknown
    cap : items of one customer or basket that form pairs
    """

    session: Session
    schema: str | None = None
    visible_rows: int | None = None
    cap: int = field(init=False)

    def __post_init__(self) -> None:
        self.cap = setting_int(self.session, "max_group_items")

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The bound sources by name."""
        rows = self.session.rows(
            "SELECT s.source, s.relation, s.arguments::VARCHAR, s.definition "
            "FROM recsql.sources AS s"
        )
        return {
            name: Source(
                name,
                relation,
                json.loads(arguments),
                definition,
                dict(self.session.columns(f"SELECT * FROM recsql.{name}")),
            )
            for name, relation, arguments, definition in rows
        }

    def table(self, name: str) -> str | None:
        """Give the quoted name of the table that a source reads; None if that cannot be told."""
        source = self.sources[name]
        try:
            relation = find_relation(self.session, source.relation, schema=self.schema)
        except BindError:
            return None
        return relation.sql if f" FROM {relation.sql} AS source" in source.definition else None

    @property
    def interactions(self) -> Source:
        """The bound interactions."""
        return self.sources["interactions"]

    @cached_property
    def reader(self) -> PurchaseReader:
        """How training reads purchases: the present, and what makes a basket."""
        return purchase_reader(self.session)

    @cached_property
    def relation(self) -> str:
        """The relation to read interactions from: the view, or a copy where the view is slow."""
        if not self.interactions.arguments.get("net_returns"):
            return "recsql.interactions"
        self.session.execute(
            "CREATE OR REPLACE TEMP TABLE _recsql_netted AS "
            "SELECT i.* FROM recsql.interactions AS i"
        )
        return _NETTED

    @cached_property
    def filtered_rows(self) -> int:
        """Rows that ``filter`` and ``net_returns`` leave out; 0 if that cannot be told."""
        arguments = self.interactions.arguments
        table = self.table("interactions")
        if table is None or not (arguments.get("filter") or arguments.get("net_returns")):
            return 0
        total = self.session.value(f"SELECT count(*) FROM {table} AS source")
        return max(0, int(total) - self.rows)

    @cached_property
    def rows_sql(self) -> str:
        """SELECT of every interaction with time, late and left_out_by (0: a purchase)."""
        integer = self.interactions.types["ts"] in INTEGER_TYPES
        time = "TRY_CAST(i.ts AS BIGINT)" if integer else "epoch_us(i.ts)"
        now = self.reader.now
        late = "false"
        if now is not None:
            late = f"(i.ts IS NOT NULL AND NOT coalesce({time} <= {now}, false))"
        weightless = "false"
        if self.session.value("SELECT count(*) FROM recsql.event_weights AS w WHERE w.weight <= 0"):
            weightless = (
                "i.event IN (SELECT w.event FROM recsql.event_weights AS w WHERE w.weight <= 0)"
            )
        return (
            f"SELECT i.*, {time} AS time, {late} AS late, CASE WHEN i.item_id IS NULL THEN 1 "
            f"WHEN NOT coalesce(i.quantity, 1) > 0 THEN 2 WHEN {weightless} THEN 3 "
            f"WHEN {late} THEN 4 ELSE 0 END AS left_out_by FROM {self.relation} AS i"
        )

    @cached_property
    def given_columns(self) -> dict[str, str]:
        """The bound columns of the interactions and the SQL that reads each."""
        names = [column.name for column in VIEWS["interactions"] if column.name != "context"]
        given = {name: f"i.{name}" for name in names if self.interactions.is_given(name)}
        for name in self.interactions.arguments.get("context") or ():
            given[f"context.{name}"] = f"i.context.{quote(name)}"
        return given

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Counts and extremes over the rows of the interactions, by one scan."""
        measures = dict(_FACTS)
        for number in range(1, len(REASONS) + 1):
            measures[f"reason {number}"] = f"count(*) FILTER (WHERE i.left_out_by = {number})"
        for name, sql in self.given_columns.items():
            measures[f"given {name}"] = f"count({sql})"
        values = self.session.rows(
            f"SELECT {', '.join(measures.values())} FROM ({self.rows_sql}) AS i"
        )[0]
        return dict(zip(measures, values, strict=True))

    @property
    def rows(self) -> int:
        """Rows of the interactions."""
        return int(self.facts["rows"])

    @cached_property
    def seen(self) -> dict[str, str]:
        """TEMP tables (id, n, bought, first_time, mixed) by name of the id: one row an id.

        ``n`` counts rows, ``bought`` purchases; ``first_time`` is that of the first purchase and
        ``mixed`` tells whether there are purchases of two items or more.
        """
        for column, table in _SEEN.items():
            self.session.execute(
                f"CREATE OR REPLACE TEMP TABLE {table.rpartition('.')[2]} AS SELECT "
                f"i.{column} AS id, count(*) AS n, {_BOUGHT} "
                f"FROM ({self.rows_sql}) AS i WHERE i.{column} IS NOT NULL GROUP BY i.{column}"
            )
        return _SEEN

    def finding(
        self,
        check: str,
        rows: int,
        example: str | None,
        advice: str,
        *,
        severity: Severity = "warning",
    ) -> Finding:
        """Give a finding about rows of the interactions."""
        share = share_of(rows, self.rows)
        return Finding(check, "interactions", severity, rows, share, example, advice)

    def forget(self) -> None:
        """Drop the TEMP tables."""
        for table in (*_SEEN.values(), _NETTED):
            self.session.execute(f"DROP TABLE IF EXISTS {table}")


# A TEMP table hides a table of the same name and schema, also inside of views: unlikely names.
_NETTED = "temp.main._recsql_netted"
_SEEN = {"user_id": "temp.main._recsql_seen_user", "item_id": "temp.main._recsql_seen_item"}
_PURCHASE = "FILTER (WHERE i.left_out_by = 0)"
_BOUGHT = (
    f"count(*) {_PURCHASE} AS bought, min(i.time) {_PURCHASE} AS first_time, "
    f"coalesce(min(i.item_id) {_PURCHASE} <> max(i.item_id) {_PURCHASE}, false) AS mixed"
)
_FACTS = (
    ("rows", "count(*)"),
    ("null item user", "min(i.user_id) FILTER (WHERE i.item_id IS NULL)"),
    ("null items", "count(*) FILTER (WHERE i.item_id IS NULL)"),
    ("anonymous", "count(*) FILTER (WHERE i.user_id IS NULL)"),
    ("anonymous basket", "min(i.basket_id) FILTER (WHERE i.user_id IS NULL)"),
    ("alone", "count(*) FILTER (WHERE i.user_id IS NULL AND i.basket_id IS NULL)"),
    ("null times", "count(*) FILTER (WHERE i.ts IS NULL)"),
    ("null time item", "min(i.item_id) FILTER (WHERE i.ts IS NULL)"),
    ("late", "count(*) FILTER (WHERE i.late)"),
    ("latest", "max(i.ts) FILTER (WHERE i.late)::VARCHAR"),
    ("first ts", "min(i.ts)::VARCHAR"),
    ("last ts", "max(i.ts)::VARCHAR"),
    ("zero", "count(*) FILTER (WHERE i.quantity = 0)"),
    ("zero item", "min(i.item_id) FILTER (WHERE i.quantity = 0)"),
    ("negative", "count(*) FILTER (WHERE i.quantity < 0)"),
    ("least quantity", "min(i.quantity) FILTER (WHERE i.quantity < 0)"),
    ("purchases", f"count(*) {_PURCHASE}"),
    ("known purchases", f"count(i.user_id) {_PURCHASE}"),
    ("basket purchases", f"count(i.basket_id) {_PURCHASE}"),
    ("timed purchases", f"count(i.time) {_PURCHASE}"),
    ("window purchases", f"count(CASE WHEN i.user_id IS NOT NULL THEN i.time END) {_PURCHASE}"),
    ("first purchase", f"min(i.time) {_PURCHASE}"),
    ("last purchase", f"max(i.time) {_PURCHASE}"),
)
