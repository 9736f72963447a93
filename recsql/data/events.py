"""Purchases one by one, in order of customer and time: what sequences are learned from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.purchases import PurchaseReader
from recsql.database import Session
from recsql.kernels.groups import build_groups
from recsql.kernels.windows import breaks, time_windows

if TYPE_CHECKING:
    import pyarrow as pa

    from recsql.data.context import ContextReader
    from recsql.data.features import Features

Array = np.ndarray[Any, np.dtype[Any]]

UNDATED = 0  # the time of an event without one


@dataclass(frozen=True)
class Feedback:
    """What customers said of events, or did.

    Attributes
    ----------
    rating : float32[n_events]    NaN where there is none
    kind : int16[n_events]        place among ``kinds``
    kinds : the kinds of events, ascending
    """

    rating: Array
    kind: Array
    kinds: tuple[str, ...]

    def at(self, place: Array) -> Feedback:
        """Give the feedback of some events: positions, or bool[n_events]."""
        return Feedback(self.rating[place], self.kind[place], self.kinds)


@dataclass(frozen=True)
class Events:
    """The purchases of customers, each customer's in order of time.

    A customer without an id is one session, where sessions are bound. Events of the same time are
    in order of basket and item.

    Attributes
    ----------
    n_items : int; item codes are 0 … n_items - 1, ascending with the id
    user_ptr : int64[n_users + 1]    events of each customer
    item : int32[n_events]           item codes
    time : int64[n_events]           microseconds since 1970, or the ordering integer; 0 without one
    basket : int32[n_events]         number of the basket, counted from 0 within the customer; it
                                     rises with the time of the basket's first event
    session : int32[n_events]        number of the session, counted in the same way
    strength : float32[n_events]     weight of the kind of event, above 0
    feedback : Feedback or None      None where neither kinds nor ratings are bound
    context : Features or None       a row an event: what was known of the request; None where no
                                     context is bound, or nobody asked for it
    """

    n_items: int
    user_ptr: Array
    item: Array
    time: Array
    basket: Array
    session: Array
    strength: Array
    feedback: Feedback | None = None
    context: Features | None = None

    @property
    def n_users(self) -> int:
        """Count the customers."""
        return len(self.user_ptr) - 1

    @property
    def user(self) -> Array:
        """Give the customer of each event: int32[n_events]."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(self.user_ptr))

    @property
    def rated(self) -> Array:
        """Tell which events have a rating: bool[n_events]."""
        if self.feedback is None:
            return np.zeros(len(self.item), dtype=bool)
        return np.isfinite(self.feedback.rating)

    @property
    def begins(self) -> Array:
        """Tell which events are the first of their customer at a time: bool[n_events]."""
        found = np.ones(len(self.item), dtype=bool)
        found[1:] = (np.diff(self.user) != 0) | (np.diff(self.time) != 0)
        return found

    @property
    def moment(self) -> Array:
        """Give where the events of the same customer and time begin, for each: int64[n_events]."""
        return np.maximum.accumulate(np.where(self.begins, np.arange(len(self.item)), 0))

    def select(self, kept: Array) -> Events:
        """Give some of the events, bool[n_events]; every customer remains."""
        counts = np.bincount(self.user[kept], minlength=self.n_users)
        return self._at(pointers(counts), np.flatnonzero(kept))

    def of_users(self, users: Array) -> Events:
        """Give the events of some customers, in the order given: int[n] positions."""
        return self.between(self.user_ptr[:-1][users], self.user_ptr[1:][users])

    def between(self, first: Array, last: Array) -> Events:
        """Give the events first <= place < last as those of one customer: int64[n] each."""
        ptr = pointers(last - first)
        place = np.arange(int(ptr[-1])) - np.repeat(ptr[:-1] - first, last - first)
        return self._at(ptr, place)

    def _at(self, ptr: Array, place: Array) -> Events:
        return Events(
            self.n_items,
            ptr,
            self.item[place],
            self.time[place],
            self.basket[place],
            self.session[place],
            self.strength[place],
            None if self.feedback is None else self.feedback.at(place),
            None if self.context is None else self.context.of_rows(place),
        )

    def before(self, cut: int) -> Events:
        """Give the events before ``cut``; every customer remains."""
        return self.select(self.time < cut)

    def dated(self) -> Events:
        """Give the events that have a time; every customer remains."""
        known = self.time != UNDATED
        return self if known.all() else self.select(known)

    def first_baskets(self) -> Events:
        """Give the events of each customer's first basket; every customer remains."""
        return self.select(self.basket == 0)

    def distinct_items(self) -> tuple[Array, Array]:
        """Give (ptr, item) of the different items of each customer, ascending."""
        return self._distinct_items

    @cached_property
    def _distinct_items(self) -> tuple[Array, Array]:
        found = build_groups(self.user, self.item, self.n_users, max(self.n_items, 1))
        return found.group_ptr, found.group_item


def packed(texts: Sequence[str]) -> Array:
    """Give texts as one array, to be kept beside others: uint8[n]."""
    return np.frombuffer(json.dumps(list(texts)).encode(), dtype=np.uint8)


def unpacked(content: Array) -> tuple[str, ...]:
    """Give back what ``packed`` made one array of."""
    return tuple(json.loads(content.tobytes()))


def pointers(counts: Array) -> Array:
    """Give where each of the groups begins that have so many entries: int64[n + 1]."""
    ptr = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=ptr[1:])
    return ptr


def read_actors(session: Session, reader: PurchaseReader) -> int:
    """Fill TEMP _recsql_actor(actor, user_id, session_id) with everyone, and count them.

    Customers come first, in ascending order of id, as in a history; sessions without a customer
    follow.
    """
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_actor AS "
        "SELECT (row_number() OVER (ORDER BY d.user_id NULLS LAST, d.session_id) - 1)::INTEGER "
        "AS actor, d.user_id, d.session_id FROM (SELECT DISTINCT p.user_id, "
        f"CASE WHEN p.user_id IS NULL THEN p.session_id END AS session_id FROM ({reader.sql}) AS p "
        "WHERE p.user_id IS NOT NULL OR p.session_id IS NOT NULL) AS d"
    )
    return int(session.value("SELECT count(*) FROM _recsql_actor AS a"))


def read_events(
    session: Session,
    reader: PurchaseReader,
    n_items: int,
    n_actors: int,
    share: float,
    context: ContextReader | None = None,
) -> Events:
    """Read the events of TEMP _recsql_actor, with the items of TEMP _recsql_item_code.

    Parameters
    ----------
    share : of the customers that are read, chosen by a hash of their id; the others have no events
    context : reads the context of each event; None: it is not read
    """
    chosen = f"hash(coalesce(a.user_id::VARCHAR, a.session_id::VARCHAR)) % 10000 < {share * 1e4}"
    of_users = (
        "SELECT a.actor, c.code, p.time, p.strength, p.basket_id, p.session_id, p.rating, p.event"
        f"{'' if context is None else ', p.context'} "
        f"FROM ({reader.sql}) AS p JOIN _recsql_actor AS a ON a.user_id = p.user_id "
        f"JOIN _recsql_item_code AS c ON c.item_id = p.item_id WHERE {chosen}"
    )
    of_sessions = of_users.replace("a.user_id = p.user_id", "a.session_id = p.session_id")
    if reader.sessions == "bound":
        of_users += f" UNION ALL {of_sessions} AND p.user_id IS NULL AND a.user_id IS NULL"
    session.execute(f"CREATE OR REPLACE TEMP TABLE _recsql_event AS {of_users}")
    _number_keys(session, "basket", reader.baskets == "bound")
    _number_keys(session, "session", reader.sessions == "bound")
    said = ", e.rating, e.event" if reader.has_feedback else ""
    asked = "" if context is None else context.select("e")
    rows = session.arrow(
        f"SELECT e.actor, e.code, coalesce(e.time, {UNDATED}) AS time, "
        "e.time IS NOT NULL AS dated, e.strength::FLOAT AS strength, "
        "coalesce(b.number, -1) AS basket, "
        f"coalesce(s.number, -1) AS session{said}{asked} FROM _recsql_event AS e "
        "LEFT JOIN _recsql_basket_number AS b ON b.actor = e.actor AND b.id = e.basket_id "
        "LEFT JOIN _recsql_session_number AS s ON s.actor = e.actor AND s.id = e.session_id "
        f"ORDER BY e.actor, 3, 6, 7, e.code{', e.context' if asked else ''}"
    )
    actor, item, time, dated, strength, basket, visit = (
        np.asarray(rows.column(name).to_numpy()) for name in rows.column_names[:7]
    )
    ptr = pointers(np.bincount(actor, minlength=n_actors))
    if reader.baskets == "windows":
        basket = np.full(len(actor), -1, dtype=np.int64)
        basket[dated] = time_windows(actor[dated], time[dated], reader.basket_microseconds)[0]
    if reader.sessions == "breaks":
        visit = breaks(actor, time, reader.session_microseconds)
    elif reader.sessions == "none":
        visit = np.zeros(len(actor), dtype=np.int64)
    return Events(
        n_items,
        ptr,
        item.astype(np.int32),
        time.astype(np.int64),
        number_in_order(ptr, basket),
        number_in_order(ptr, visit),
        strength.astype(np.float32),
        feedback_of(rows) if reader.has_feedback else None,
        None if context is None else context.read(rows),
    )


def feedback_of(rows: pa.Table) -> Feedback:
    """Give the feedback of the columns ``rating`` and ``event``."""
    coded = rows.column("event").combine_chunks().dictionary_encode()
    found = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
    kinds = [kind or "" for kind in coded.dictionary.to_pylist()]
    order = sorted(range(len(kinds)), key=kinds.__getitem__)
    place = np.full(len(kinds) + 1, -1, dtype=np.int16)
    place[order] = np.arange(len(kinds))
    rating = np.asarray(rows.column("rating").to_numpy()).astype(np.float32)
    return Feedback(rating, place[found], tuple(kinds[n] for n in order))


def number_in_order(ptr: Array, key: Array) -> Array:
    """Number the keys of each customer from 0 in the order in which they appear: int32[n].

    Parameters
    ----------
    ptr : int64[n_users + 1]    where the keys of a customer begin
    key : int64[n]              equal within what has one number; -1: a number of its own
    """
    user = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    place = np.arange(len(key))
    own = np.where(key < 0, -1 - place, key)
    order = np.lexsort((place, own, user))
    begins = np.ones(len(key), dtype=bool)
    begins[1:] = (np.diff(user[order]) != 0) | (np.diff(own[order]) != 0)
    first = order[begins]  # the first place of each key
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    number -= np.concatenate([[0], np.cumsum(np.bincount(user[first], minlength=len(ptr) - 1))])[
        user[first]
    ]
    numbered = np.empty(len(key), dtype=np.int32)
    numbered[order] = number[np.cumsum(begins) - 1]
    return numbered


def _number_keys(session: Session, name: str, wanted: bool) -> None:
    """Fill TEMP _recsql_<name>_number(actor, id, number) with the keys of TEMP _recsql_event."""
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE _recsql_{name}_number AS "
        "SELECT row_number() OVER (ORDER BY d.actor, d.id) - 1 AS number, d.actor, d.id "
        f"FROM (SELECT DISTINCT e.actor, e.{name}_id AS id FROM _recsql_event AS e "
        f"WHERE {str(wanted).lower()} AND e.{name}_id IS NOT NULL) AS d"
    )
