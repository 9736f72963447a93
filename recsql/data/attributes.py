"""The attributes of bound customers and items, read as features.

Connecting loads this module: what needs numpy is imported where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsql.columns import INTEGER_TYPES
from recsql.database import Session, quote

if TYPE_CHECKING:
    import pyarrow as pa

    from recsql.data.features import AttributeEncoder, Features, Values

_NUMERIC_TYPES = INTEGER_TYPES | {"FLOAT", "DOUBLE"}
_NOT_ATTRIBUTES = {"users": {"user_id"}, "items": {"item_id", "title", "available"}}
_ID = {"users": "user_id", "items": "item_id"}


@dataclass(frozen=True)
class Attribute:
    """A column of bound users or items, or a field of the bound context, and its SQL type."""

    name: str
    type: str

    @property
    def is_numeric(self) -> bool:
        """Tell whether values are numbers, which match by bin."""
        return self.type in _NUMERIC_TYPES or self.type.startswith("DECIMAL")

    @property
    def is_list(self) -> bool:
        """Tell whether a row has several values."""
        return self.type.endswith("]")

    @property
    def is_date(self) -> bool:
        """Tell whether values are dates, of which the year counts."""
        return self.type.startswith(("DATE", "TIMESTAMP"))

    @property
    def kind(self) -> str:
        """Give what values are: 'list', 'number', 'date' or 'text'."""
        if self.is_list:
            return "list"
        if self.is_numeric:
            return "number"
        return "date" if self.is_date else "text"

    @property
    def element(self) -> str:
        """Give the SQL type of the elements of a list."""
        return self.type[: self.type.rindex("[")]


def public_attributes(session: Session, source: str) -> list[Attribute]:
    """Give the attributes of recsql.users or recsql.items that are not private."""
    rows = session.rows("SELECT s.private FROM recsql.sources AS s WHERE s.source = ?", [source])
    hidden = set(rows[0][0] or ()) if rows else set()
    hidden |= _NOT_ATTRIBUTES[source]
    columns = session.columns(f"SELECT * FROM recsql.{source}")
    return [Attribute(name, kind) for name, kind in columns if name not in hidden]


def read_features(
    session: Session, source: str, ids: pa.Array, encoder: AttributeEncoder | None = None
) -> tuple[Features, AttributeEncoder]:
    """Read the features of customers or items, one row an id, and how they were made.

    Parameters
    ----------
    source : 'users' or 'items'
    ids : distinct, in the order of the rows; one that is not bound has no features
    encoder : of an earlier reading; None: learn from these rows
    """
    from recsql.data.features import learn_encoder

    columns = read_values(session, source, ids)
    if encoder is None:
        encoder = learn_encoder(columns)
    values = {name: value for name, (_, value) in columns.items()}
    return encoder.encode(values, len(ids)), encoder


def read_values(session: Session, source: str, ids: pa.Array) -> dict[str, tuple[str, Values]]:
    """Read the kind and the values of each public attribute of these ids.

    Ids match as text, in the type of ``ids``. Of several rows of one id all values count.
    """
    import numpy as np
    import pyarrow as pa

    attributes = public_attributes(session, source)
    numbered = pa.table({"id": ids, "row": np.arange(len(ids), dtype=np.int64)})
    with session.loaded(_recsql_attribute_id=numbered):
        kind = session.value("SELECT any_value(typeof(i.id)) FROM _recsql_attribute_id AS i")
        own = f"TRY_CAST(a.{_ID[source]}::VARCHAR AS {kind or 'VARCHAR'})"
        columns = "".join(f", a.{quote(attribute.name)}" for attribute in attributes)
        session.execute(
            "CREATE OR REPLACE TEMP TABLE _recsql_attribute AS "
            f"SELECT i.row{columns} FROM recsql.{source} AS a "
            f"JOIN _recsql_attribute_id AS i ON i.id = {own}"
        )
    found = {attribute.name: _read_attribute(session, attribute) for attribute in attributes}
    session.execute("DROP TABLE _recsql_attribute")
    return found


def _read_attribute(session: Session, attribute: Attribute) -> tuple[str, Values]:
    import numpy as np

    from recsql.data.features import Values

    column, source = f"a.{quote(attribute.name)}", "_recsql_attribute AS a"
    kind, value = attribute.kind, value_sql(attribute, column)
    if kind == "list":
        source = f"{list_elements('_recsql_attribute', attribute, 'row')} AS a"
        value = "a.element::VARCHAR"
    is_number = kind in ("number", "date")
    kept = "isfinite(v.value)" if is_number else "trim(v.value) <> ''"
    table = session.arrow(
        f"SELECT v.row, v.value FROM (SELECT a.row, {value} AS value FROM {source}) AS v "
        f"WHERE {kept}"
    )
    row, values = (table.column(name).to_numpy() for name in ("row", "value"))
    return kind, Values(row.astype(np.int64), values.astype(np.float64 if is_number else object))


def value_sql(attribute: Attribute, column: str) -> str:
    """Give SQL of a value that is no list: DOUBLE of a number and of a date's year, or VARCHAR."""
    if attribute.kind == "number":
        return f"{column}::DOUBLE"
    if attribute.kind == "date":
        return f"CASE WHEN isfinite({column}) THEN year({column})::DOUBLE END"
    return f"{column}::VARCHAR"


def list_elements(table: str, attribute: Attribute, key: str) -> str:
    """Give SQL for (key, element), each different element of a list once a row."""
    values = f"unnest(list_distinct(u.{quote(attribute.name)}::{attribute.element}[]))"
    return f"(SELECT u.{key}, {values} AS element FROM {table} AS u)"
