"""Write stored answers: whole tables, replaced in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.bind import id_types
from recsql.data.history import History
from recsql.database import Session, body, fill, sql_text

if TYPE_CHECKING:
    import pyarrow as pa

    from recsql.kernels.ranking import Neighbours

Array = np.ndarray[Any, np.dtype[Any]]

DAYS = (
    "SELECT d.day, sum(d.transactions)::BIGINT AS transactions, "
    "(sum(d.fingerprint) % 18446744073709551616)::UBIGINT AS fingerprint "
    "FROM recsql.buyer_days AS d GROUP BY d.day ORDER BY d.day"
)


@dataclass(frozen=True)
class StoredNeighbours:
    """The neighbour lists of one task, rows in order of item code."""

    task: str
    neighbours: Neighbours


def replace_table(session: Session, name: str, rows: pa.Table) -> None:
    """Replace a stored table by ``rows``, which are in the order of its key.

    The table is created anew: deleting and inserting in one transaction lets readers that run at
    the same time see old and new rows together.
    """
    session.execute(fill(body(sql_text("stored", name)), id_types(session)))
    with session.loaded(_recsql_rows=rows):
        session.execute(f"INSERT INTO recsql.{name} BY NAME SELECT * FROM _recsql_rows")


def replace_table_by_query(session: Session, name: str, query: str) -> None:
    """Replace a stored table by the rows of a query, which does not read that table."""
    session.execute(fill(body(sql_text("stored", name)), id_types(session)))
    session.execute(f"INSERT INTO recsql.{name} BY NAME {query}")


def write_top_items(
    session: Session, item_ids: pa.Array, lists: Sequence[StoredNeighbours]
) -> None:
    """Write the neighbour lists of every trained task."""
    import pyarrow as pa

    parts = [_top_table(item_ids, stored) for stored in sorted(lists, key=lambda s: s.task)]
    if parts:
        replace_table(session, "top_items", pa.concat_tables(parts))
    else:
        session.execute(fill(body(sql_text("stored", "top_items")), id_types(session)))


def _top_table(item_ids: pa.Array, stored: StoredNeighbours) -> pa.Table:
    import pyarrow as pa

    found = stored.neighbours
    n_items, k = found.item.shape
    present = np.arange(k) < found.n_found[:, None]
    item = np.repeat(np.arange(n_items, dtype=np.int32), found.n_found)
    rank = np.broadcast_to(np.arange(1, k + 1, dtype=np.int32), (n_items, k))[present]
    return pa.table(
        {
            "task": pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(len(item), dtype=np.int8)), pa.array([stored.task])
            ),
            "item_id": item_ids.take(pa.array(item)),
            "rank": rank,
            "other_item_id": item_ids.take(pa.array(found.item[present])),
            "score": found.score[present],
            "support": found.support[present].astype(np.int64),
        }
    )


def buyer_table(history: History, buyers: pa.Table, codes: Array | None) -> pa.Table:
    """Lay out the rows of recsql.buyers; ``codes`` gives the stored code of each item code."""
    import pyarrow as pa

    items = history.basket_item if codes is None else codes[history.basket_item]
    baskets = pa.LargeListArray.from_arrays(
        pa.array(history.basket_ptr), pa.array(items.astype(np.int32))
    )
    return buyers.append_column(
        "baskets", pa.LargeListArray.from_arrays(pa.array(history.buyer_ptr), baskets)
    ).append_column(
        "basket_times",
        pa.LargeListArray.from_arrays(pa.array(history.buyer_ptr), pa.array(history.basket_time)),
    )


def read_buyers(session: Session, query: str, n_items: int) -> History:
    """Read rows of recsql.buyers back; ``query`` selects user_id, baskets and basket_times."""
    import pyarrow as pa

    table = session.arrow(query)
    baskets = _flat(table.column("baskets"))
    inner = baskets.flatten()
    offsets = np.asarray(baskets.offsets, dtype=np.int64)
    entry_offsets = np.asarray(inner.offsets, dtype=np.int64)
    times = _flat(table.column("basket_times")).flatten()
    del pa
    return History(
        n_items,
        table.column("user_id").is_valid().to_numpy(),
        offsets - offsets[0],
        entry_offsets - entry_offsets[0],
        np.asarray(inner.flatten(), dtype=np.int32),
        np.asarray(times, dtype=np.int64),
    )


def _flat(column: pa.ChunkedArray) -> Any:
    import pyarrow as pa

    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
