"""One consistent reading of the user's tables, with everything a training or refresh needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.attributes import read_features
from recsql.data.bind import is_bound
from recsql.data.context import ContextReader
from recsql.data.events import Events, read_actors, read_events
from recsql.data.features import AttributeEncoder, Features
from recsql.data.history import BUYER, History, read_codes, read_fingerprints, read_history
from recsql.data.knowledge import Knowledge, knowledge_fingerprint, read_knowledge
from recsql.data.offered import Unsold, read_unsold
from recsql.data.purchases import PurchaseReader, purchase_reader
from recsql.database import Session
from recsql.settings import setting_int

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class ItemDays:
    """Transactions an item and day, sorted by item and day; rows without a day come first.

    Attributes
    ----------
    item : int32[n]            item codes
    day : int64[n]             days since 1970; the least int64 without a day
    transactions : int64[n]
    """

    item: Array
    day: Array
    transactions: Array

    def since(self, day: int) -> ItemDays:
        """Give what was bought on a day and after it."""
        kept = self.day >= day
        return ItemDays(self.item[kept], self.day[kept], self.transactions[kept])

    def decayed(self, n_items: int, today: int, half_life_days: float) -> Array:
        """Count the transactions of each item, half for each half-life of their age.

        Those without a day and those after ``today`` do not count. The share of an item in the sum
        is its exposure rate: what customers had before their eyes lately.

        Returns
        -------
        float64[n_items]
        """
        known = (self.day != NO_DAY) & (self.day <= today)
        age = (today - self.day[known]).astype(np.float64)
        weights = self.transactions[known] * np.exp2(-age / half_life_days)
        counted: Array = np.bincount(self.item[known], weights=weights, minlength=n_items)
        return counted


NO_DAY = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Snapshot:
    """What was read, all of it from one transaction.

    Attributes
    ----------
    reader : how purchases were read
    item_ids : ids in ascending order: the position is the item code of the models
    available : bool[n_items]
    history : every buyer
    buyers : Arrow table with one row a buyer: user_id, basket_id, transactions
    item_days : transactions an item and day
    events : purchases of customers in order of time; None where nobody asked for them
    user_features, item_features : a row a known customer, an item; None where none are bound
    encoder : how attributes of customers became features; None without
    context_encoder : how the context of events became features; None without
    unsold : bound items that nobody bought; None where nobody asked for them, or there are none
    knowledge : facts about items; None where none are bound or nobody asked for them
    facts : fingerprint of these facts; None where nobody asked for them
    """

    reader: PurchaseReader
    item_ids: pa.Array
    available: Array
    history: History
    buyers: pa.Table
    item_days: ItemDays
    events: Events | None
    user_features: Features | None = None
    item_features: Features | None = None
    encoder: AttributeEncoder | None = None
    context_encoder: AttributeEncoder | None = None
    unsold: Unsold | None = None
    knowledge: Knowledge | None = None
    facts: int | None = None

    @property
    def n_items(self) -> int:
        """Count the items that were bought."""
        return len(self.item_ids)

    def ids_of_all(self, *, unsold: bool) -> pa.Array:
        """Give the ids of the items, with those that nobody bought or without them."""
        return self.unsold.all_ids(self.item_ids) if unsold and self.unsold else self.item_ids


def read_snapshot(
    session: Session,
    *,
    with_events: bool = False,
    with_features: bool = False,
    with_context: bool = False,
    with_unsold: bool = False,
    with_knowledge: bool = False,
    context_encoder: AttributeEncoder | None = None,
) -> Snapshot:
    """Read everything; what ``with_…`` names only where it is asked for.

    ``context_encoder`` is that of an earlier reading; None: it is learned.

    Leaves the TEMP tables _recsql_…, names no view of a user can mean.
    """
    with session.transaction():
        reader = purchase_reader(session)
        read_codes(session, reader)
        read_fingerprints(session, "_recsql_buyer_day", reader.sql, f"{BUYER}, p.day")
        read_item_days(session, reader.sql)
        item_ids, available = read_items(session)
        history, buyers = read_history(
            session,
            reader,
            len(item_ids),
            "(SELECT d.user_id, d.basket_id, sum(d.transactions)::BIGINT AS transactions "
            "FROM _recsql_buyer_day AS d GROUP BY ALL)",
        )
        item_days = read_item_day_arrays(session, "_recsql_item_day")
        events = None
        context = ContextReader.bound(session, context_encoder) if with_context else None
        if with_events:
            n_actors = read_actors(session, reader)
            share = _share(session)
            events = read_events(session, reader, len(item_ids), n_actors, share, context)
        users, items, encoder, unsold = None, None, None, None
        if with_features and is_bound(session, "users"):
            ids = buyers.column("user_id").slice(0, int(history.is_user.sum()))
            users, encoder = read_features(session, "users", one_chunk(ids))
        if with_features and is_bound(session, "items"):
            items, of_items = read_features(session, "items", item_ids)
            if with_unsold:
                unsold = read_unsold(session, len(item_ids), of_items)
        knowledge = None
        if with_knowledge and is_bound(session, "knowledge"):
            knowledge = read_knowledge(session)
        facts = knowledge_fingerprint(session) if with_knowledge else None
    return Snapshot(
        reader,
        item_ids,
        available,
        history,
        buyers,
        item_days,
        events,
        users,
        items,
        encoder,
        None if context is None else context.encoder,
        unsold,
        knowledge,
        facts,
    )


def _share(session: Session) -> float:
    """Give the share of the customers that models of customers learn from."""
    most = setting_int(session, "max_customer_events")
    there = session.value("SELECT sum(d.transactions) FROM _recsql_buyer_day AS d") or 0
    return min(1.0, most / max(int(there), 1))


def read_item_days(session: Session, purchases: str, condition: str = "true") -> None:
    """Fill the TEMP table _recsql_item_day(day, item_id, transactions, strength)."""
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_item_day AS SELECT p.day, p.item_id, "
        "count(*) AS transactions, sum(p.strength)::DECIMAL(38, 6) AS strength "
        f"FROM ({purchases}) AS p WHERE {condition} GROUP BY ALL"
    )


def read_items(session: Session) -> tuple[pa.Array, Array]:
    """Give the ids of TEMP _recsql_item_code in ascending order, and which of them are available.

    An item of several rows in the bound items is available when one of them is; an item without
    a row is available.
    """
    table = session.arrow(
        "SELECT c.item_id, coalesce(a.available, true) AS available "
        "FROM _recsql_item_code AS c LEFT JOIN (SELECT v.item_id, "
        "bool_or(coalesce(v.available, true)) AS available "
        "FROM recsql.items AS v GROUP BY v.item_id) AS a "
        "ON a.item_id::VARCHAR = c.item_id::VARCHAR ORDER BY c.item_id"
    ).combine_chunks()
    ids = table.column("item_id")
    available = table.column("available").to_numpy()
    return one_chunk(ids), np.asarray(available, dtype=bool)


def read_item_day_arrays(session: Session, source: str) -> ItemDays:
    """Read a table like recsql.item_days as arrays, items as positions in order of id."""
    table = session.arrow(
        f"SELECT c.position, coalesce(d.day, {NO_DAY}) AS day, d.transactions FROM {source} AS d "
        "JOIN (SELECT i.item_id, (row_number() OVER (ORDER BY i.item_id) - 1)::INTEGER AS position "
        "FROM _recsql_item_code AS i) AS c ON c.item_id = d.item_id ORDER BY 1, 2"
    )
    return ItemDays(*(table.column(name).to_numpy() for name in table.column_names))


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Give a column as one array."""
    import pyarrow as pa

    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined
