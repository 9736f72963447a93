"""The columns of the views that binding creates: name, type and meaning, written once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a bound view.

    ``type`` is the type the column is cast to, or '' when the type of the source is kept;
    ``default`` is the SQL text of an unbound column.
    """

    name: str
    type: str
    default: str
    meaning: str


INTERACTIONS = (
    Column("user_id", "", "NULL::VARCHAR", "customer; NULL for an anonymous one"),
    Column("item_id", "", "NULL::VARCHAR", "item bought, viewed, …"),
    Column(
        "ts", "", "NULL::TIMESTAMP", "when: TIMESTAMP, TIMESTAMPTZ, DATE, or an ordering integer"
    ),
    Column("event", "VARCHAR", "'purchase'", "kind of event, weighed by recsql.event_weights"),
    Column("quantity", "DOUBLE", "1::DOUBLE", "units; below zero is a return"),
    Column("value", "DOUBLE", "NULL::DOUBLE", "money"),
    Column("rating", "DOUBLE", "NULL::DOUBLE", "explicit feedback"),
    Column("basket_id", "", "NULL::VARCHAR", "order or invoice; unbound: 24-hour windows"),
    Column("session_id", "", "NULL::VARCHAR", "visit; unbound: a break of one hour ends it"),
    Column("context", "", "NULL::STRUCT(unbound BOOLEAN)", "device, language, … of the request"),
)

USERS = (Column("user_id", "", "NULL::VARCHAR", "customer"),)

ITEMS = (
    Column("item_id", "", "NULL::VARCHAR", "item"),
    Column("title", "VARCHAR", "NULL::VARCHAR", "name shown to people"),
    Column("category", "VARCHAR", "NULL::VARCHAR", "group of items"),
    Column("available", "BOOLEAN", "true", "false: never recommended, still counts as history"),
)

IMPRESSIONS = (
    Column("user_id", "", "NULL::VARCHAR", "customer who was shown the item"),
    Column("item_id", "", "NULL::VARCHAR", "item shown"),
    Column("ts", "", "NULL::TIMESTAMP", "when it was shown"),
    Column("request_id", "", "NULL::VARCHAR", "the request that showed it"),
    Column("position", "INTEGER", "NULL::INTEGER", "place in the list, 1 is first"),
    Column("clicked", "BOOLEAN", "NULL::BOOLEAN", "whether it was clicked"),
)

KNOWLEDGE = (
    Column("head", "VARCHAR", "NULL::VARCHAR", "an item, or a thing that another fact names"),
    Column("relation", "VARCHAR", "NULL::VARCHAR", "how they are joined; NULL: all alike"),
    Column("tail", "VARCHAR", "NULL::VARCHAR", "any thing; an item where its id is the same text"),
)

VIEWS: dict[str, tuple[Column, ...]] = {
    "interactions": INTERACTIONS,
    "users": USERS,
    "items": ITEMS,
    "impressions": IMPRESSIONS,
    "knowledge": KNOWLEDGE,
}

# What a binding cannot do without.
REQUIRED: dict[str, tuple[str, ...]] = {
    "interactions": ("item_id",),
    "users": ("user_id",),
    "items": ("item_id",),
    "impressions": ("item_id",),
    "knowledge": ("head", "tail"),
}

INTEGER_TYPES = frozenset(
    {
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
    }
)
ID_TYPES = INTEGER_TYPES - {"UHUGEINT"} | {"VARCHAR", "UUID"}
REAL_TIME_TYPES = frozenset(
    {
        "TIMESTAMP",
        "TIMESTAMP WITH TIME ZONE",
        "DATE",
        "TIMESTAMP_S",
        "TIMESTAMP_MS",
        "TIMESTAMP_NS",
    }
)
TIME_TYPES = REAL_TIME_TYPES | INTEGER_TYPES
MICROSECONDS_PER_DAY = 86_400_000_000
