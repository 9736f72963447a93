"""Scores of any pairs of a customer and an item that a query makes.

A query asks in chunks. What its customers have bought, and their attributes, are read for the
customers of the first chunk and, where more follow, once for everyone: they are those of the
moment when the query's transaction first asked.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.bind import is_bound
from recsql.data.live import gather_everyone, read_block, read_live
from recsql.data.purchases import purchase_reader
from recsql.database import Session
from recsql.kernels.text_codes import TextCodes, codes_of, text_codes
from recsql.models.base import PairScorer, Recommender
from recsql.models.requests import Requests
from recsql.serving.customers import context_reader, exposed, features_of_customers, moments
from recsql.serving.instances import session_of
from recsql.serving.residents import Resident, resident_of

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]

MOST_QUERIES = 4  # whose customers are kept in memory


@dataclass
class _Query:
    """What is known of a query.

    Attributes
    ----------
    customers : the codes of everyone, and what scores items for them; None: nobody yet
    """

    resident: Resident
    items: TextCodes
    n_chunks: int = 0
    customers: tuple[TextCodes, PairScorer] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_QUERIES: OrderedDict[tuple[str, str, int], _Query] = OrderedDict()
_LOCK = threading.Lock()


def score(key: str, task: str, transaction: int, users: pa.Array, items: pa.Array) -> Array:
    """Score pairs with the incumbent of a task.

    Parameters
    ----------
    key : of the instance of DuckDB
    transaction : number of the query's transaction
    users, items : ids as text

    Returns
    -------
    float64[n]    NaN for an unknown customer or item, and where the model says nothing

    Raises
    ------
    NotTrainedError
        The task has no incumbent.
    """
    name = (key, task, transaction)
    with _LOCK:
        query = _QUERIES.get(name)
    customers = None if query is None else query.customers
    if query is None or customers is None:  # else nothing is left to read
        with session_of(key) as session:
            query = query or _query(session, name)
            customers = _customers(session, query, users)
    known, scorer = customers
    row = codes_of(known, *_bytes(users))
    item = np.where(row >= 0, codes_of(query.items, *_bytes(items)), -1)
    return scorer(np.maximum(row, 0), item)


def _query(session: Session, name: tuple[str, str, int]) -> _Query:
    with session.transaction():
        resident = resident_of(session, name[1])
    with _LOCK:
        found = _QUERIES.setdefault(name, _Query(resident, resident.text_codes))
        while len(_QUERIES) > MOST_QUERIES:
            _QUERIES.popitem(last=False)
    return found


def _customers(session: Session, query: _Query, users: pa.Array) -> tuple[TextCodes, PairScorer]:
    """Give the customers of a chunk, or everyone, and what scores items for them."""
    with query.lock:
        query.n_chunks += 1
        if query.customers is None and query.n_chunks > 1:
            query.customers = _of_everyone(session, query.resident)
        if query.customers is not None:
            return query.customers
    import pyarrow as pa

    distinct = users.unique().drop_null()
    with session.transaction():
        history = read_live(
            session,
            purchase_reader(session, live=True),
            distinct.to_pylist(),
            [None] * len(distinct),
            query.resident.code_of,
            len(query.resident.ids),
            context_reader(session, query.resident),
        )
        known = _known(session, distinct, np.diff(history.bought_ptr) > 0)
        place = np.flatnonzero(known)
        chosen = distinct.take(pa.array(place))
        return _scorer(session, query.resident, chosen, history.events.of_users(place))


def _known(session: Session, users: pa.Array, bought: Array) -> Array:
    """Tell which customers have bought something or are bound: bool[n]."""
    import pyarrow as pa

    if bought.all() or not is_bound(session, "users"):
        return bought
    with session.loaded(_recsql_asked=pa.table({"id": users})):
        bound = session.arrow(
            "SELECT a.id FROM _recsql_asked AS a "
            "SEMI JOIN recsql.users AS u ON u.user_id::VARCHAR = a.id"
        ).column(0)
    known: Array = bought | np.isin(users.to_pylist(), bound.to_pylist())
    return known


def _of_everyone(session: Session, resident: Resident) -> tuple[TextCodes, PairScorer]:
    with session.transaction():
        reader = purchase_reader(session, live=True)
        everyone = gather_everyone(session, reader, with_bound=True)
        context = context_reader(session, resident)
        users, history = read_block(
            session, reader, 0, len(everyone), resident.code_of, len(resident.ids), context
        )
        return _scorer(session, resident, users, history.events)


def _scorer(
    session: Session, resident: Resident, users: pa.Array, events: Any
) -> tuple[TextCodes, PairScorer]:
    moment = moments(session, resident, len(users))
    requests = Requests.of_customers(
        np.full(len(users), -1),
        events,
        time=moment,
        features=features_of_customers(session, resident, users),
    )
    model = resident.model
    assert isinstance(model, Recommender)  # tasks with scores have no others
    return text_codes(*_bytes(users)), model.pair_scorer(exposed(session, resident, requests))


def _bytes(texts: pa.Array) -> tuple[Array, Array]:
    """Give where each text begins, and the bytes of all; NULL is an empty text."""
    import pyarrow as pa

    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
        texts = pa.concat_arrays(texts.chunks) if isinstance(texts, pa.ChunkedArray) else texts
    _, offsets, content = texts.buffers()
    if len(texts) == 0 or offsets is None:
        return np.zeros(len(texts) + 1, dtype=np.int64), np.empty(0, dtype=np.uint8)
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    ptr = np.frombuffer(offsets, dtype=width)[texts.offset : texts.offset + len(texts) + 1]
    text = np.empty(0, np.uint8) if content is None else np.frombuffer(content, dtype=np.uint8)
    return ptr.astype(np.int64), text
