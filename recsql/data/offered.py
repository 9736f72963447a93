"""Bound items that nobody bought, and items that may not be recommended at the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.attributes import read_features
from recsql.data.bind import id_types, is_argument_bound
from recsql.data.events import Events
from recsql.data.features import AttributeEncoder, Features
from recsql.database import Session

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Unsold:
    """Items with attributes in no purchase, and the codes of a model that can recommend them.

    Models number the items that were bought, in ascending order of id. One that can recommend
    these too numbers all of them in that order.

    Attributes
    ----------
    ids : in ascending order
    before : int64[n]        how many of the items that were bought have a smaller id
    available : bool[n]
    features : a row an item, at least one in each; as encoded for the items that were bought
    n_sold : items that were bought
    """

    ids: pa.Array
    before: Array
    available: Array
    features: Features
    n_sold: int

    @property
    def n_items(self) -> int:
        """Count all items."""
        return self.n_sold + len(self.before)

    @cached_property
    def code(self) -> Array:
        """Give the code among all items of each of these: int32[n]."""
        return (self.before + np.arange(len(self.before))).astype(np.int32)

    @cached_property
    def sold_code(self) -> Array:
        """Give the code among all items of each item that was bought: int32[n_sold]."""
        sold = np.arange(self.n_sold)
        return (sold + np.searchsorted(self.before, sold, side="right")).astype(np.int32)

    def among_all(self, of_sold: Array, of_unsold: Array | float) -> Array:
        """Give values of all items, in order of code, from those of the two kinds."""
        found = np.empty((self.n_items, *of_sold.shape[1:]), dtype=of_sold.dtype)
        found[self.sold_code] = of_sold
        found[self.code] = of_unsold
        return found

    def all_ids(self, sold_ids: pa.Array) -> pa.Array:
        """Give the ids of all items, in ascending order."""
        import pyarrow as pa

        place = np.empty(self.n_items, dtype=np.int64)
        place[np.concatenate([self.sold_code, self.code])] = np.arange(self.n_items)
        return pa.concat_arrays([sold_ids, self.ids]).take(pa.array(place))

    def recoded(self, events: Events) -> Events:
        """Give the same events with the codes among all items."""
        return replace(events, n_items=self.n_items, item=self.sold_code[events.item])

    def only_sold(self, item: Array) -> Array:
        """Give the codes among the items that were bought; -1 for -1 and for an unsold item."""
        sold = self.among_all(np.arange(self.n_sold, dtype=np.int32), -1.0)
        return np.where(item >= 0, sold[np.maximum(item, 0)], np.int32(-1))


def read_unsold(session: Session, n_sold: int, encoder: AttributeEncoder) -> Unsold | None:
    """Read the bound items that are not in TEMP _recsql_item_code; None where there are none.

    An item without a value that an item that was bought has too is passed over: nothing can be
    learned of it. So is one whose id is no id of the purchases as it stands.

    Parameters
    ----------
    encoder : of the attributes of the items that were bought
    """
    kind = id_types(session)["item_id_type"]
    own = f"TRY_CAST(v.item_id::VARCHAR AS {kind})"
    table = session.arrow(
        "SELECT b.item_id, b.available, b.before::BIGINT AS before FROM ("
        "SELECT a.*, sum(a.sold) OVER (ORDER BY a.item_id ROWS UNBOUNDED PRECEDING) AS before "
        "FROM (SELECT c.item_id, true AS available, 1 AS sold FROM _recsql_item_code AS c "
        f"UNION ALL SELECT {own}, bool_or(coalesce(v.available, true)), 0 FROM recsql.items AS v "
        f"WHERE {own}::VARCHAR = v.item_id::VARCHAR AND {own} NOT IN "
        "(SELECT c.item_id FROM _recsql_item_code AS c) GROUP BY 1) AS a) AS b "
        "WHERE b.sold = 0 ORDER BY b.item_id"
    ).combine_chunks()
    if len(table) == 0:
        return None
    ids, available, before = (table.column(n).combine_chunks() for n in table.column_names)
    features, _ = read_features(session, "items", ids, encoder)
    known = np.flatnonzero(np.diff(features.ptr))
    if len(known) == 0:
        return None
    return Unsold(
        ids.take(known),
        before.to_numpy()[known],
        available.to_numpy(zero_copy_only=False)[known],
        features.of_rows(known),
        n_sold,
    )


def gone_items(session: Session) -> frozenset[str]:
    """Give the items that may not be recommended, as the bound items say at the call."""
    if not is_argument_bound(session, "items", "available"):
        return frozenset()
    found = session.rows(
        "SELECT v.item_id::VARCHAR FROM recsql.items AS v WHERE v.item_id IS NOT NULL GROUP BY 1 "
        "HAVING NOT bool_or(coalesce(v.available, true))"
    )
    return frozenset(item for (item,) in found)


def removed_items(session: Session, ids: pa.Array | Sequence[str]) -> frozenset[str]:
    """Give those of some items, ids as text, that are neither bound nor sold any more."""
    import pyarrow as pa

    if len(ids) == 0:
        return frozenset()
    with session.loaded(_recsql_offered=pa.table({"id": pa.array(ids, pa.string())})):
        found = session.rows(
            "SELECT o.id FROM _recsql_offered AS o "
            "ANTI JOIN recsql.items AS v ON v.item_id::VARCHAR = o.id "
            "ANTI JOIN recsql.item_scores AS s ON s.item_id::VARCHAR = o.id"
        )
    return frozenset(item for (item,) in found)
