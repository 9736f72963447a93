"""The context of events, read as features: what was known of the request, like a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.attributes import Attribute, value_sql
from recsql.data.bind import is_argument_bound
from recsql.data.features import AttributeEncoder, Features, Values, learn_encoder
from recsql.database import Session, quote

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


def context_attributes(session: Session) -> list[Attribute]:
    """Give the fields of the bound context; none where none is bound."""
    if not is_argument_bound(session, "interactions", "context"):
        return []
    fields = session.columns("SELECT unnest(i.context) FROM recsql.interactions AS i")
    return [Attribute(name, kind) for name, kind in fields]


@dataclass
class ContextReader:
    """Reads the context of rows as features.

    Attributes
    ----------
    attributes : the fields of the bound context
    encoder : how their values become features; None until the first rows are read, from which it
        is then learned
    """

    attributes: Sequence[Attribute]
    encoder: AttributeEncoder | None = None

    @classmethod
    def bound(
        cls, session: Session, encoder: AttributeEncoder | None = None
    ) -> ContextReader | None:
        """Give the reader of the bound context; None where none is bound."""
        attributes = context_attributes(session)
        return cls(attributes, encoder) if attributes else None

    def select(self, alias: str) -> str:
        """Give SQL of the columns that ``read`` needs, a comma before each.

        Parameters
        ----------
        alias : of rows with the column context
        """
        return "".join(
            f", {_field_sql(attribute, alias)} AS context_{n}"
            for n, attribute in enumerate(self.attributes)
        )

    def read(self, rows: pa.Table) -> Features:
        """Give the features of rows with the columns that ``select`` names."""
        columns = {
            attribute.name: (attribute.kind, _values(rows.column(f"context_{n}"), attribute))
            for n, attribute in enumerate(self.attributes)
        }
        if self.encoder is None:
            self.encoder = learn_encoder(columns)
        values = {name: value for name, (_, value) in columns.items()}
        return self.encoder.encode(values, len(rows))


def _field_sql(attribute: Attribute, alias: str) -> str:
    field = f"{alias}.context.{quote(attribute.name)}"
    if attribute.is_list:
        return f"list_distinct({field}::{attribute.element}[])::VARCHAR[]"
    return value_sql(attribute, field)


def _values(column: pa.ChunkedArray, attribute: Attribute) -> Values:
    """Give the values of a column, without NULL, blank text, NaN and infinity."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if attribute.kind in ("number", "date"):
        number = np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
        row = np.flatnonzero(np.isfinite(number))
        return Values(row, number[row])
    if attribute.kind == "list":
        row = np.asarray(pc.list_parent_indices(array).to_numpy(), dtype=np.int64)
        array = pc.list_flatten(array)
    else:
        row = np.arange(len(array), dtype=np.int64)
    coded = array.dictionary_encode()  # of a text that many rows share there is one in memory
    texts = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    says = np.array([bool(text and text.strip(" ")) for text in texts.tolist()])
    code = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)
    kept = says[code]
    return Values(row[kept], texts[code[kept]])
