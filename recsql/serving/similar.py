"""Items like an item, and customers like a customer: the nearest by who bought what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from recsql.data.live import read_live
from recsql.data.offered import gone_items
from recsql.data.purchases import purchase_reader
from recsql.database import Session
from recsql.errors import ParameterError
from recsql.models.nearest import NearestVectors
from recsql.serving.residents import resident_items, resident_users

Array = np.ndarray[Any, np.dtype[Any]]

LEAST_SIMILARITY = 1e-3  # less is nothing in common, but for rounding
ENTRIES_AT_A_TIME = 4_000_000  # of lists and what is left out of them


class AskedSimilar(NamedTuple):
    """One request: those like an item or a customer."""

    id: str | None
    k: int | None


@dataclass(frozen=True)
class Similar:
    """Those who are like each of some.

    Attributes
    ----------
    ids : ids as text, by code
    column : name of the column of ids
    code : int32[n, k]           most similar first; -1 where a list has ended
    similarity : float64[n, k]   cosines
    """

    ids: Sequence[str]
    column: str
    code: Array
    similarity: Array

    @property
    def sizes(self) -> Array:
        """Count the entries of each list: int64[n]."""
        counts: Array = np.count_nonzero(self.code >= 0, axis=1)
        return counts

    def columns(self) -> dict[str, pa.Array]:
        """Give rank, id and similarity of all entries, list after list."""
        there = self.code >= 0
        rank = np.broadcast_to(np.arange(1, there.shape[1] + 1), there.shape)
        used, place = np.unique(self.code[there], return_inverse=True)
        texts = pa.array([self.ids[code] for code in used.tolist()], pa.string())
        return {
            "rank": pa.array(rank[there]),
            self.column: texts.take(pa.array(place)),
            "similarity": pa.array(self.similarity[there]),
        }


def answer_items(session: Session, asked: Sequence[AskedSimilar]) -> Similar:
    """Give the available items that are most like each item; none for an unknown one.

    In the caller's transaction.

    Raises
    ------
    NotTrainedError
        for_you has no incumbent.
    ParameterError
        k is NULL or below 1.
    StateError
        The vectors are missing, or are not those that were written.
    """
    _check_k(asked)
    resident = resident_items(session)
    gone = gone_items(session)
    index = resident.vectors.index
    code = np.array([resident.code_of.get(one.id or "", -1) for one in asked], dtype=np.int64)
    out = [resident.code_of[item] for item in gone if item in resident.code_of]
    return _found(
        index,
        resident.ids,
        "item_id",
        asked,
        index.vectors_[np.maximum(code, 0)],
        own=code,
        answered=code >= 0,
        out=np.array(out, dtype=np.int32),
    )


def answer_users(session: Session, asked: Sequence[AskedSimilar]) -> Similar:
    """Give the customers that are most like each customer, by what that one has bought by now.

    There are none for a customer without purchases.

    Raises
    ------
    NotTrainedError
        for_you has no incumbent.
    ParameterError
        k is NULL or below 1.
    StateError
        The vectors are missing, or are not those that were written.
    """
    _check_k(asked)
    items, users = resident_items(session), resident_users(session)
    history = read_live(
        session,
        purchase_reader(session, live=True),
        [one.id for one in asked],
        [None] * len(asked),
        items.code_of,
        len(items.ids),
    )
    vectors = items.vectors.of_customers(*history.events.distinct_items())
    return _found(
        users.vectors,
        users.ids,
        "user_id",
        asked,
        vectors,
        own=np.array([users.code_of.get(one.id or "", -1) for one in asked], dtype=np.int64),
        answered=(vectors != 0).any(axis=1),
        out=np.empty(0, dtype=np.int32),
    )


def _check_k(asked: Sequence[AskedSimilar]) -> None:
    for one in asked:
        if one.k is None or one.k < 1:
            raise ParameterError(f"k must be at least 1, got {'NULL' if one.k is None else one.k}.")


def _found(
    index: NearestVectors,
    ids: Sequence[str],
    column: str,
    asked: Sequence[AskedSimilar],
    queries: Array,
    *,
    own: Array,
    answered: Array,
    out: Array,
) -> Similar:
    """Find those like each request.

    Parameters
    ----------
    own : int64[n]         code of the one who is asked for, never listed; -1: is not in the index
    answered : bool[n]     which have rows
    out : int32[any]       codes that are never listed
    """
    # One k at a time: how long a list is wanted may decide how it is looked for.
    wanted = np.array([min(one.k or 1, len(ids)) for one in asked], dtype=np.int64)
    code = np.full((len(asked), int(wanted.max(initial=0))), -1, dtype=np.int32)
    similarity = np.zeros(code.shape)
    for k in np.unique(wanted[answered]).tolist():
        places = np.flatnonzero(answered & (wanted == k))
        step = max(1, ENTRIES_AT_A_TIME // (k + len(out) + 1))
        for first in range(0, len(places), step):
            chosen = places[first : first + step]
            found, score = index.search(queries[chosen], k, left_out=_left_out(own[chosen], out))
            code[chosen, :k] = np.where(score >= LEAST_SIMILARITY, found, -1)
            similarity[chosen, :k] = np.minimum(score, 1.0)
    return Similar(ids, column, code, similarity)


def _left_out(own: Array, out: Array) -> tuple[Array, Array]:
    """Give (ptr, code) of those that each list leaves out, all different."""
    lists = [
        out if code < 0 else np.append(out[out != code], code).astype(np.int32)
        for code in own.tolist()
    ]
    ptr = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    return ptr, np.concatenate([np.empty(0, np.int32), *lists]).astype(np.int32)
