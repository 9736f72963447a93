"""What a few customers have bought, as it is at the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.bind import id_types
from recsql.data.events import Events, number_in_order, pointers
from recsql.data.purchases import PurchaseReader
from recsql.database import Session
from recsql.kernels.windows import breaks, time_windows

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class LiveHistory:
    """The events of customers that are asked for, and which of their items a model knows.

    Attributes
    ----------
    events : of each customer in the order asked for, items by code
    bought : ids of all items that each customer bought, as text
    quantity : float64[n_events]    pieces of each event
    """

    events: Events
    bought: Sequence[frozenset[str]]
    quantity: Array


def read_live(
    session: Session,
    reader: PurchaseReader,
    users: Sequence[str | None],
    until: Sequence[int | None],
    code_of: dict[str, int],
    n_items: int,
) -> LiveHistory:
    """Read what customers have bought, in one scan.

    Parameters
    ----------
    users : ids as text; None and text that is no id have no history
    until : for each customer the last moment that counts; None: all
    code_of : item code by id, for every item that the model knows
    """
    rows = _rows(session, reader, users, until)
    asked = np.asarray(rows.column("asked").to_numpy())
    texts = rows.column("item").to_pylist()
    item = np.array([code_of.get(text, -1) for text in texts], dtype=np.int32)
    time = np.asarray(rows.column("time").to_numpy())
    dated = np.asarray(rows.column("dated").to_numpy(zero_copy_only=False))
    strength = np.asarray(rows.column("strength").to_numpy())
    ptr = pointers(np.bincount(asked, minlength=len(users)))
    if reader.baskets == "windows":
        basket = np.full(len(asked), -1, dtype=np.int64)
        basket[dated] = time_windows(
            asked[dated].astype(np.int32), time[dated], reader.basket_microseconds
        )[0]
    else:
        basket = _codes(rows, "basket_id", reader.baskets == "bound")
    if reader.sessions == "breaks":
        visit = breaks(asked, time, reader.session_microseconds)
    elif reader.sessions == "bound":
        visit = _codes(rows, "session_id", True)
    else:
        visit = np.zeros(len(asked), dtype=np.int64)
    events = Events(
        n_items,
        ptr,
        item,
        time.astype(np.int64),
        number_in_order(ptr, basket),
        number_in_order(ptr, visit),
        strength.astype(np.float32),
    )
    known = item >= 0
    bought = [frozenset(texts[start:end]) for start, end in pairwise(ptr.tolist())]
    quantity = np.asarray(rows.column("quantity").to_numpy())
    if not known.all():
        events, quantity = events.select(known), quantity[known]
    return LiveHistory(events, bought, quantity)


def given_sessions(
    sessions: Sequence[Sequence[str | None]], code_of: dict[str, int], n_items: int
) -> LiveHistory:
    """Take sessions as they are given, item after item, each at a moment of its own.

    Parameters
    ----------
    sessions : ids as text; None and ids that the model does not know are passed over
    """
    codes = [[code_of[item] for item in one if item in code_of] for one in sessions]
    ptr = pointers(np.array([len(one) for one in codes], dtype=np.int64))
    item = np.array([code for one in codes for code in one], dtype=np.int32)
    place = np.arange(len(item)) - np.repeat(ptr[:-1], np.diff(ptr))
    events = Events(
        n_items,
        ptr,
        item,
        place.astype(np.int64),
        place.astype(np.int32),
        np.zeros(len(item), dtype=np.int32),
        np.ones(len(item), dtype=np.float32),
    )
    bought = [frozenset(item for item in one if item) for one in sessions]
    return LiveHistory(events, bought, np.ones(len(item)))


def read_everyone(
    session: Session, reader: PurchaseReader, codes: pa.Table, n_items: int
) -> tuple[LiveHistory, Sequence[str]]:
    """Read what every customer has bought at a known time, without baskets and sessions.

    Parameters
    ----------
    codes : item (id as text) and code of every item that the model knows

    Returns
    -------
    history, whose ``bought`` is empty, and the id of each customer as text, in order of id
    """
    known = (
        "SELECT p.user_id, c.code, p.time, p.quantity "
        f"FROM ({reader.sql}) AS p JOIN _recsql_codes AS c ON c.item = p.item_id::VARCHAR "
        f"WHERE p.user_id IS NOT NULL AND p.time IS NOT NULL"
    )
    with session.loaded(_recsql_codes=codes):
        session.execute(f"CREATE OR REPLACE TEMP TABLE _recsql_bought AS {known}")
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_customer AS SELECT d.user_id, "
        "(row_number() OVER (ORDER BY d.user_id) - 1)::INTEGER AS place "
        "FROM (SELECT DISTINCT b.user_id FROM _recsql_bought AS b) AS d"
    )
    ids = session.arrow("SELECT c.user_id::VARCHAR AS id FROM _recsql_customer AS c ORDER BY place")
    rows = session.arrow(
        "SELECT c.place, b.code, b.time, b.quantity FROM _recsql_bought AS b "
        "JOIN _recsql_customer AS c ON c.user_id = b.user_id ORDER BY 1, 3, 2"
    )
    place, item, time, quantity = (
        np.asarray(rows.column(name).to_numpy()) for name in rows.column_names
    )
    none = np.zeros(len(item), dtype=np.int32)
    events = Events(
        n_items,
        pointers(np.bincount(place, minlength=len(ids))),
        item.astype(np.int32),
        time.astype(np.int64),
        none,
        none,
        np.ones(len(item), dtype=np.float32),
    )
    return LiveHistory(events, [], quantity.astype(np.float64)), ids.column("id").to_pylist()


def _rows(
    session: Session,
    reader: PurchaseReader,
    users: Sequence[str | None],
    until: Sequence[int | None],
) -> pa.Table:
    import pyarrow as pa

    table = pa.table(
        {
            "asked": pa.array(range(len(users)), pa.int32()),
            "id": pa.array(users, pa.string()),
            "until": pa.array(until, pa.int64()),
        }
    )
    kind = id_types(session)["user_id_type"]
    with session.loaded(_recsql_asked=table):
        return session.arrow(
            "SELECT a.asked, p.item_id::VARCHAR AS item, coalesce(p.time, 0) AS time, "
            "p.time IS NOT NULL AS dated, p.strength::FLOAT AS strength, p.quantity, p.basket_id, "
            f"p.session_id FROM ({reader.sql}) AS p "
            f"JOIN _recsql_asked AS a ON p.user_id = TRY_CAST(a.id AS {kind}) "
            "WHERE a.until IS NULL OR p.time IS NULL OR p.time <= a.until "
            "ORDER BY a.asked, 3, p.basket_id NULLS FIRST, p.session_id NULLS FIRST, p.item_id"
        )


def _codes(rows: pa.Table, column: str, wanted: bool) -> Array:
    """Give equal numbers to equal values of a column, -1 to NULL and where it does not count."""
    if not wanted or len(rows) == 0:
        return np.full(len(rows), -1, dtype=np.int64)
    coded = rows.column(column).combine_chunks().dictionary_encode()
    indices = coded.combine_chunks().indices if hasattr(coded, "combine_chunks") else coded.indices
    return np.asarray(indices.fill_null(-1).to_numpy(zero_copy_only=False)).astype(np.int64)
