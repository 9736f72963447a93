"""What a few customers have bought, as it is at the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.bind import id_types
from recsql.data.context import ContextReader
from recsql.data.events import UNDATED, Events, feedback_of, number_in_order, pointers
from recsql.data.purchases import PurchaseReader
from recsql.database import Session, literal
from recsql.kernels.windows import breaks, time_windows

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


MOST_LISTED = 50  # customers whose ids stand in the text of a query


@dataclass(frozen=True)
class LiveHistory:
    """What customers that are asked for have bought.

    Attributes
    ----------
    events : of each customer in the order asked for, of the items that a model knows, by code
    quantity : float64[n_events]    pieces of each event
    bought_ptr : int64[n_users + 1] where the items of each customer begin
    bought : int32[any]             codes of all that was bought, also what the model does not know
    unknown : ids, as text, of the items that the model does not know: their codes come after its
    """

    events: Events
    quantity: Array
    bought_ptr: Array
    bought: Array
    unknown: Sequence[str] = ()


def read_live(
    session: Session,
    reader: PurchaseReader,
    users: Sequence[str | None],
    until: Sequence[int | None],
    code_of: dict[str, int],
    n_items: int,
    context: ContextReader | None = None,
) -> LiveHistory:
    """Read what customers have bought, in one scan.

    Parameters
    ----------
    users : ids as text; None and text that is no id have no history
    until : for each customer the last moment that counts; None: all
    code_of : item code by id, for every item that the model knows
    context : reads the context of each event; None: it is not read
    """
    rows = _rows(session, reader, users, until, context)
    return _history(rows, reader, len(users), code_of, n_items, context)


def _history(
    rows: pa.Table,
    reader: PurchaseReader,
    n_users: int,
    code_of: dict[str, int],
    n_items: int,
    context: ContextReader | None,
) -> LiveHistory:
    """Make a history of rows in the order of ``_order``."""
    asked = np.asarray(rows.column("asked").to_numpy())
    item, unknown = _item_codes(rows.column("item"), code_of, n_items)
    time = np.asarray(rows.column("time").to_numpy())
    dated = np.asarray(rows.column("dated").to_numpy(zero_copy_only=False))
    strength = np.asarray(rows.column("strength").to_numpy())
    ptr = pointers(np.bincount(asked, minlength=n_users))
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
        feedback_of(rows) if reader.has_feedback else None,
        None if context is None else context.read(rows),
    )
    known = item < n_items
    quantity = np.asarray(rows.column("quantity").to_numpy())
    if unknown:
        events, quantity = events.select(known), quantity[known]
    return LiveHistory(events, quantity, ptr, item, unknown)


def _item_codes(
    column: pa.ChunkedArray, code_of: dict[str, int], n_items: int
) -> tuple[Array, Sequence[str]]:
    """Give the code of each item, and the ids of those that have none yet: n_items and up."""
    coded = column.combine_chunks().dictionary_encode()
    unknown: list[str] = []
    codes = np.empty(len(coded.dictionary), dtype=np.int32)
    for place, text in enumerate(coded.dictionary.to_pylist()):
        code = code_of.get(text)
        if code is None:
            code = n_items + len(unknown)
            unknown.append(text)
        codes[place] = code
    return codes[np.asarray(coded.indices.to_numpy())], unknown


def given_sessions(
    sessions: Sequence[Sequence[str | None]], code_of: dict[str, int], n_items: int
) -> LiveHistory:
    """Take sessions as they are given, item after item, each at a moment of its own.

    Parameters
    ----------
    sessions : ids as text; None and ids that the model does not know are passed over
    """
    unknown: dict[str, int] = {}

    def code(item: str) -> int:
        known = code_of.get(item)
        return unknown.setdefault(item, n_items + len(unknown)) if known is None else known

    every = [[code(item) for item in one if item] for one in sessions]
    codes = [[code for code in one if code < n_items] for one in every]
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
    bought_ptr = pointers(np.array([len(one) for one in every], dtype=np.int64))
    bought = np.array([code for one in every for code in one], dtype=np.int32)
    return LiveHistory(events, np.ones(len(item)), bought_ptr, bought, list(unknown))


def gather_everyone(session: Session, reader: PurchaseReader, *, with_bound: bool) -> Array:
    """Lay out what every customer has bought, by customer, for ``read_block``.

    Fills TEMP _recsql_everyone(place, user_id) and _recsql_everyones, whose rows are in order.

    Parameters
    ----------
    with_bound : customers of recsql.users who have bought nothing follow

    Returns
    -------
    int64[n_users] purchases of each customer, in ascending order of id
    """
    kind = id_types(session)["user_id_type"]
    more = (
        f"UNION ALL SELECT TRY_CAST(u.user_id::VARCHAR AS {kind}), 0 FROM recsql.users AS u"
        if with_bound
        else ""
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_everyone AS SELECT d.user_id, d.purchases, "
        "(row_number() OVER (ORDER BY d.purchases = 0, d.user_id) - 1)::INTEGER AS place FROM ("
        "SELECT b.user_id, sum(b.purchases)::BIGINT AS purchases FROM (SELECT p.user_id, count(*) "
        f"FROM ({reader.sql}) AS p GROUP BY 1 {more}) AS b(user_id, purchases) "
        "WHERE b.user_id IS NOT NULL GROUP BY 1) AS d ORDER BY place"
    )
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE _recsql_everyones AS SELECT e.place AS asked, "
        f"{_columns(reader)}, p.context FROM ({reader.sql}) AS p JOIN _recsql_everyone AS e "
        f"ON e.user_id = p.user_id ORDER BY {_order(reader)}, p.context"
    )
    counts = session.arrow("SELECT e.purchases FROM _recsql_everyone AS e ORDER BY e.place")
    return np.asarray(counts.column(0).to_numpy())


def read_block(
    session: Session,
    reader: PurchaseReader,
    first: int,
    last: int,
    code_of: dict[str, int],
    n_items: int,
    context: ContextReader | None = None,
) -> tuple[pa.Array, LiveHistory]:
    """Read some of the customers of ``gather_everyone``, from a place to before another.

    ``context`` reads that of each event; None: it is not read.

    Returns
    -------
    the ids of the customers as text, and what they have bought
    """
    within = f">= {first} AND {{0}} < {last}"
    users = session.arrow(
        "SELECT e.user_id::VARCHAR FROM _recsql_everyone AS e "
        f"WHERE e.place {within.format('e.place')} ORDER BY e.place"
    )
    rows = session.arrow(
        f"SELECT b.* EXCLUDE (context) REPLACE (b.asked - {first} AS asked)"
        f"{'' if context is None else context.select('b')} FROM _recsql_everyones AS b "
        f"WHERE b.asked {within.format('b.asked')}"
    )
    history = _history(rows, reader, last - first, code_of, n_items, context)
    return users.column(0).combine_chunks(), history


def read_everyone(
    session: Session, reader: PurchaseReader, codes: pa.Table, n_items: int
) -> tuple[LiveHistory, Sequence[str]]:
    """Read what every customer has bought at a known time, without baskets and sessions.

    Parameters
    ----------
    codes : item (id as text) and code of every item that the model knows

    Returns
    -------
    history, without what the model does not know, and the ids of customers as text, in order
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
    history = LiveHistory(events, quantity.astype(np.float64), events.user_ptr, events.item)
    return history, ids.column("id").to_pylist()


def _rows(
    session: Session,
    reader: PurchaseReader,
    users: Sequence[str | None],
    until: Sequence[int | None],
    context: ContextReader | None,
) -> pa.Table:
    import pyarrow as pa

    kind = id_types(session)["user_id_type"]
    more, last = ("", "") if context is None else (context.select("p"), ", p.context")
    wanted = {"user_id", "item_id", "time", "strength", "quantity", *_read(reader)}
    wanted |= set() if context is None else {"context"}
    purchases = reader.select(*(name for name in reader.columns if name in wanted))

    def query(asked: str, source: str, condition: str) -> str:
        return (
            f"SELECT {asked} AS asked, {_columns(reader)}{more} FROM ({purchases}) AS p "
            f"{source} WHERE {condition} ORDER BY {_order(reader)}{last}"
        )

    if len(users) == 1:  # a join would take longer to plan than all the rest to run
        one = query("0::INTEGER", "", f"{_until(until[0])}{_only(users, kind)}")
        types = {name: kind for name, (_, kind) in _read(reader).items()}
        return session.arrow(one) if context else session.few(one, {"asked": "int32"} | types)
    join = f"JOIN {{}} AS a ON p.user_id = TRY_CAST(a.id AS {kind})"
    condition = f"(a.until IS NULL OR p.time IS NULL OR p.time <= a.until){_only(users, kind)}"
    if 1 < len(users) <= MOST_LISTED:
        return session.arrow(query("a.asked", join.format(_as_values(users, until)), condition))
    table = pa.table(
        {
            "asked": pa.array(range(len(users)), pa.int32()),
            "id": pa.array(users, pa.string()),
            "until": pa.array(until, pa.int64()),
        }
    )
    with session.loaded(_recsql_asked=table):
        return session.arrow(query("a.asked", join.format("_recsql_asked"), condition))


def _read(reader: PurchaseReader) -> dict[str, tuple[str, str]]:
    """Give the SQL and the Arrow type of each column that is read.

    DuckDB takes time to plan a column, so those that are not bound are left out.
    """
    found = {
        "item": ("p.item_id::VARCHAR", "string"),
        "time": (f"coalesce(p.time, {UNDATED})", "int64"),
        "dated": ("p.time IS NOT NULL", "bool"),
        "strength": ("p.strength::FLOAT", "float"),
        "quantity": ("p.quantity", "double"),
    }
    if reader.baskets == "bound":
        found["basket_id"] = ("p.basket_id", "string")
    if reader.sessions == "bound":
        found["session_id"] = ("p.session_id", "string")
    if reader.has_feedback:
        found |= {"rating": ("p.rating", "double"), "event": ("p.event", "string")}
    return found


def _columns(reader: PurchaseReader) -> str:
    return ", ".join(f"{sql} AS {name}" for name, (sql, _) in _read(reader).items())


def _order(reader: PurchaseReader) -> str:
    ids = (f"p.{name} NULLS FIRST" for name in _read(reader) if name.endswith("_id"))
    return ", ".join(["asked", "time", *ids, "p.item_id"])


def _until(moment: int | None) -> str:
    return "true" if moment is None else f"(p.time IS NULL OR p.time <= {moment})"


def _as_values(users: Sequence[str | None], until: Sequence[int | None]) -> str:
    """Give few requests in the text of a query: a table costs more to bring there."""
    rows = (
        f"({place}, {'NULL' if user is None else literal(user)}::VARCHAR, "
        f"CAST({'NULL' if moment is None else moment} AS BIGINT))"
        for place, (user, moment) in enumerate(zip(users, until, strict=True))
    )
    return f"(SELECT v.asked, v.id, v.until FROM (VALUES {', '.join(rows)}) AS v(asked, id, until))"


def _only(users: Sequence[str | None], kind: str) -> str:
    """Give a condition on few customers in the form that DuckDB takes down into a view."""
    distinct = sorted({user for user in users if user is not None})
    if len(distinct) > MOST_LISTED:
        return ""
    listed = ", ".join(f"TRY_CAST({literal(user)} AS {kind})" for user in distinct)
    return f" AND p.user_id IN ({listed or 'NULL'})"


def _codes(rows: pa.Table, column: str, wanted: bool) -> Array:
    """Give equal numbers to equal values of a column, -1 to NULL and where it does not count."""
    if not wanted or len(rows) == 0:
        return np.full(len(rows), -1, dtype=np.int64)
    coded = rows.column(column).combine_chunks().dictionary_encode()
    indices = coded.combine_chunks().indices if hasattr(coded, "combine_chunks") else coded.indices
    return np.asarray(indices.fill_null(-1).to_numpy(zero_copy_only=False)).astype(np.int64)
