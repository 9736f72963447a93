"""The purchases as arrays: read whole for training, or only of the customers that changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.purchases import PurchaseReader
from recsql.database import Session
from recsql.kernels.groups import build_groups
from recsql.kernels.windows import latest_times, time_windows

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class History:
    """Baskets of buyers; a buyer is a customer, or one basket without a customer.

    Attributes
    ----------
    n_items : int; item codes are 0 … n_items - 1
    is_user : bool[n_buyers]            whether the buyer is a known customer
    buyer_ptr : int64[n_buyers + 1]     baskets of each buyer
    basket_ptr : int64[n_baskets + 1]   entries of each basket
    basket_item : int32[n_entries]      item codes, ascending and distinct in a basket
    basket_time : int64[n_baskets]      microseconds since 1970, or the ordering integer
    basket_end : int64[n_baskets] or None    time of the last purchase in it, where ``basket_time``
        is that of the first; None: all of it was bought at once
    """

    n_items: int
    is_user: Array
    buyer_ptr: Array
    basket_ptr: Array
    basket_item: Array
    basket_time: Array
    basket_end: Array | None = None

    @property
    def n_buyers(self) -> int:
        """Count the buyers."""
        return len(self.is_user)

    @property
    def n_baskets(self) -> int:
        """Count the baskets."""
        return len(self.basket_time)

    def basket_groups(self, cap: int) -> tuple[Array, Array]:
        """Give (ptr, item) of the baskets; above ``cap`` items the smallest ids remain."""
        if self.n_baskets == 0 or int(np.diff(self.basket_ptr).max(initial=0)) <= cap:
            return self.basket_ptr, self.basket_item
        basket = np.repeat(np.arange(self.n_baskets, dtype=np.int64), np.diff(self.basket_ptr))
        alike = np.zeros(len(basket), dtype=np.int64)
        return build_groups(
            basket, self.basket_item, self.n_baskets, self.n_items, cap=cap, time=alike
        )

    def user_groups(self, cap: int) -> tuple[Array, Array]:
        """Give (ptr, item) of the customers' distinct items, at most the newest ``cap``."""
        groups = self.user_items
        if int(np.diff(groups[0]).max(initial=0)) <= cap:
            return groups
        user, item = self._user_rows()
        n_users = int(self.is_user.sum())
        return build_groups(user, item, n_users, self.n_items, cap=cap, time=self._user_row_times())

    @cached_property
    def user_items(self) -> tuple[Array, Array]:
        """Give (ptr, item) of the distinct items of each customer."""
        return build_groups(*self._user_rows(), int(self.is_user.sum()), self.n_items)

    def user_times(self, groups: tuple[Array, Array]) -> Array:
        """Give the latest time of each entry of ``user_groups``: int64[n_entries]."""
        return latest_times(*groups, *self._user_rows(), self._user_row_times())

    def basket_times(self, groups: tuple[Array, Array]) -> Array:
        """Give the time of each entry of ``basket_groups``: int64[n_entries]."""
        return np.repeat(self.basket_time, np.diff(groups[0]))

    def _user_rows(self) -> tuple[Array, Array]:
        """Give (user, item) of every entry of a known customer."""
        entries = np.diff(self.basket_ptr)
        of_user = self._of_user
        users = np.repeat(np.arange(self.is_user.sum(), dtype=np.int32), self._user_baskets)
        user = np.repeat(users, entries[of_user])
        if of_user.all():
            return user, self.basket_item
        return user, self.basket_item[np.repeat(of_user, entries)]

    def _user_row_times(self) -> Array:
        """Give the time of every entry of a known customer."""
        of_user = self._of_user
        return np.repeat(self.basket_time[of_user], np.diff(self.basket_ptr)[of_user])

    @property
    def _of_user(self) -> Array:
        """Tell which baskets belong to a known customer."""
        return np.repeat(self.is_user, np.diff(self.buyer_ptr))

    @property
    def _user_baskets(self) -> Array:
        """Count the baskets of each known customer."""
        return np.diff(self.buyer_ptr)[self.is_user]

    def select(self, buyers: Array) -> History:
        """Give the history of some buyers only; ``buyers`` is bool[n_buyers]."""
        baskets = np.repeat(buyers, np.diff(self.buyer_ptr))
        return self._with_baskets(baskets, buyers)

    def of_baskets(self, baskets: Array) -> History:
        """Give the history of some baskets, bool[n_baskets]; every buyer remains."""
        return self._with_baskets(baskets, None)

    @property
    def buyer_sizes(self) -> Array:
        """Count the entries of each buyer: int64[n_buyers]."""
        return np.diff(self.basket_ptr[self.buyer_ptr])

    def recoded(self, code: Array) -> History:
        """Give the same history with item ``i`` called ``code[i]``."""
        basket = np.repeat(np.arange(self.n_baskets, dtype=np.int64), np.diff(self.basket_ptr))
        ptr, item = build_groups(basket, code[self.basket_item], self.n_baskets, self.n_items)
        return replace(self, basket_ptr=ptr, basket_item=item)

    def before(self, cut: int) -> History:
        """Give the history of the baskets that end before ``cut``; every buyer remains."""
        end = self.basket_time if self.basket_end is None else self.basket_end
        return self.of_baskets(end < cut)

    def since(self, cut: int) -> History:
        """Give the history of the baskets that begin at or after ``cut``; every buyer remains."""
        return self.of_baskets(self.basket_time >= cut)

    def _with_baskets(self, baskets: Array, buyers: Array | None) -> History:
        sizes = np.diff(self.basket_ptr)
        per_buyer = np.add.reduceat(
            np.append(baskets.astype(np.int64), 0), np.minimum(self.buyer_ptr[:-1], len(baskets))
        )
        per_buyer[np.diff(self.buyer_ptr) == 0] = 0
        is_user = self.is_user
        if buyers is not None:
            per_buyer, is_user = per_buyer[buyers], is_user[buyers]
        return History(
            self.n_items,
            is_user,
            _pointers(per_buyer),
            _pointers(sizes[baskets]),
            self.basket_item[np.repeat(baskets, sizes)],
            self.basket_time[baskets],
            None if self.basket_end is None else self.basket_end[baskets],
        )


BUYER = "p.user_id, CASE WHEN p.user_id IS NULL THEN p.basket_id END AS basket_id"


def read_codes(session: Session, reader: PurchaseReader) -> None:
    """Fill the TEMP table _recsql_item_code(code, item_id): codes in ascending order of id."""
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_item_code AS "
        "SELECT (row_number() OVER (ORDER BY d.item_id) - 1)::INTEGER AS code, d.item_id "
        f"FROM (SELECT DISTINCT p.item_id FROM ({reader.sql}) AS p) AS d ORDER BY d.item_id"
    )


def read_fingerprints(
    session: Session, name: str, purchases: str, keys: str, condition: str = "true"
) -> None:
    """Fill a TEMP table with a count and a fingerprint of the purchases of each key.

    Parameters
    ----------
    name : of the table, which is created anew: keys, transactions, fingerprint
    purchases : SQL of purchases
    keys : SELECT list over ``p``
    """
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {keys}, count(*) AS transactions, "
        "(sum(p.row_hash) % 18446744073709551616)::UBIGINT AS fingerprint "
        f"FROM ({purchases}) AS p WHERE {condition} GROUP BY ALL"
    )


def read_history(
    session: Session, reader: PurchaseReader, n_items: int, buyers_sql: str
) -> tuple[History, pa.Table]:
    """Read the history of some buyers.

    Parameters
    ----------
    n_items : codes of TEMP _recsql_item_code are below it
    buyers_sql : FROM clause with user_id, basket_id and transactions of each buyer

    Returns
    -------
    history, and an Arrow table (user_id, basket_id, transactions) with one row a buyer in the
    same order: ascending user_id, then the baskets without a customer
    """
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_buyer_code AS SELECT (row_number() OVER "
        "(ORDER BY b.user_id NULLS LAST, b.basket_id) - 1)::INTEGER AS buyer, b.* FROM "
        f"{buyers_sql} AS b WHERE b.user_id IS NOT NULL OR b.basket_id IS NOT NULL ORDER BY buyer"
    )
    buyers = session.arrow(
        "SELECT b.user_id, b.basket_id, b.transactions FROM _recsql_buyer_code AS b "
        "ORDER BY b.buyer"
    )
    is_user = buyers.column("user_id").is_valid().to_numpy()
    rows = _read_rows(session, reader)
    ptr, items = build_groups(rows.basket, rows.item, len(rows.basket_time), n_items)
    baskets_of_buyer = np.bincount(rows.basket_buyer, minlength=len(is_user))
    buyer_ptr = _pointers(baskets_of_buyer)
    history = History(n_items, is_user, buyer_ptr, ptr, items, rows.basket_time, rows.basket_end)
    return history, buyers


@dataclass(frozen=True)
class _Rows:
    """Rows as (basket, item), and the buyer (ascending), begin and end of each basket."""

    basket: Array
    item: Array
    basket_buyer: Array
    basket_time: Array
    basket_end: Array


def _read_rows(session: Session, reader: PurchaseReader) -> _Rows:
    if reader.baskets == "bound":
        return _merge(
            _bound_rows(session, reader), _single_rows(session, reader, "p.basket_id IS NULL")
        )
    if reader.baskets == "none":
        return _single_rows(session, reader, "true")
    undated = _single_rows(session, reader, "p.time IS NULL")
    buyer, item, time = _user_rows(session, reader, "p.time IS NOT NULL")
    basket, basket_buyer, basket_time = time_windows(buyer, time, reader.basket_microseconds)
    last = np.searchsorted(basket, np.arange(len(basket_time)), side="right") - 1
    return _merge(_Rows(basket, item, basket_buyer, basket_time, time[last]), undated)


def _bound_rows(session: Session, reader: PurchaseReader) -> _Rows:
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_basket_code AS SELECT (row_number() OVER "
        "(ORDER BY g.buyer, g.basket_id) - 1)::INTEGER AS basket, g.* "
        "FROM (SELECT b.buyer, p.user_id, p.basket_id, "
        "coalesce(min(p.time), 0) AS time, coalesce(max(p.time), 0) AS last "
        f"FROM ({reader.sql}) AS p JOIN _recsql_buyer_code AS b "
        "ON b.user_id IS NOT DISTINCT FROM p.user_id AND b.basket_id IS NOT DISTINCT FROM "
        "CASE WHEN p.user_id IS NULL THEN p.basket_id END WHERE p.basket_id IS NOT NULL "
        "GROUP BY ALL) AS g ORDER BY basket"
    )
    baskets = session.arrow(
        "SELECT k.buyer, k.time, k.last FROM _recsql_basket_code AS k ORDER BY k.basket"
    )
    rows = session.arrow(
        f"SELECT k.basket, c.code FROM ({reader.sql}) AS p JOIN _recsql_basket_code AS k "
        "ON k.user_id IS NOT DISTINCT FROM p.user_id AND k.basket_id = p.basket_id "
        "JOIN _recsql_item_code AS c ON c.item_id = p.item_id"
    )
    return _Rows(
        _numbers(rows, "basket"),
        _numbers(rows, "code"),
        _numbers(baskets, "buyer"),
        _numbers(baskets, "time"),
        _numbers(baskets, "last"),
    )


def _user_rows(
    session: Session, reader: PurchaseReader, condition: str
) -> tuple[Array, Array, Array]:
    rows = session.arrow(
        "SELECT b.buyer, c.code, coalesce(p.time, 0) AS time "
        f"FROM ({reader.sql}) AS p JOIN _recsql_item_code AS c ON c.item_id = p.item_id "
        f"JOIN _recsql_buyer_code AS b ON b.user_id = p.user_id WHERE {condition} ORDER BY 1, 3, 2"
    )
    return _numbers(rows, "buyer"), _numbers(rows, "code"), _numbers(rows, "time")


def _single_rows(session: Session, reader: PurchaseReader, condition: str) -> _Rows:
    """Make each row that cannot be grouped a basket of its own."""
    buyer, item, time = _user_rows(session, reader, condition)
    return _Rows(np.arange(len(buyer), dtype=np.int32), item, buyer, time, time)


def _merge(first: _Rows, second: _Rows) -> _Rows:
    """Put two sets of baskets together, ordered by buyer."""
    if len(second.item) == 0:
        return first
    if len(first.item) == 0:
        return second
    buyer = np.concatenate([first.basket_buyer, second.basket_buyer])
    order = np.argsort(buyer, kind="stable")
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    basket = np.concatenate([first.basket, second.basket + len(first.basket_buyer)])
    return _Rows(
        place[basket],
        np.concatenate([first.item, second.item]),
        buyer[order],
        np.concatenate([first.basket_time, second.basket_time])[order],
        np.concatenate([first.basket_end, second.basket_end])[order],
    )


def _numbers(table: pa.Table, column: str) -> Array:
    values: Array = table.column(column).to_numpy()
    return values


def _pointers(counts: Array) -> Array:
    pointers = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=pointers[1:])
    return pointers
