"""Pack rows into the Arrow arrays that SQL functions return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from recsql.headers import Field

_TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
}


def struct_list(rows: Sequence[Sequence[dict[str, Any]]], fields: Sequence[Field]) -> pa.Array:
    """Give a list<struct> array: one list of rows for each call of the batch."""
    struct = pa.struct([(field.name, _TYPES[field.type]) for field in fields])
    return pa.array(rows, type=pa.list_(struct))


def lists_of(sizes: Any, columns: Mapping[str, pa.Array]) -> pa.Array:
    """Give a list<struct> array of columns that hold all lists, one after the other.

    Parameters
    ----------
    sizes : int64[n]    entries of each list
    """
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
    entries = pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
    return pa.ListArray.from_arrays(pa.array(offsets), entries)
