"""Answers for customers: a model in memory, and what they have bought by the time of the call.

The ladder: what the incumbent of the task recommends; below it, where that list ends early, what
was sold most by the last training or refresh (``model`` is then ``popularity``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recsql.data.attributes import read_features
from recsql.data.features import Features, joined
from recsql.data.live import LiveHistory, given_sessions, read_live
from recsql.data.purchases import purchase_reader
from recsql.database import Session
from recsql.errors import ParameterError, UnknownNameError, did_you_mean
from recsql.models.base import Recommender, Requests
from recsql.serving.residents import Resident, gone_items, resident_of

Array = np.ndarray[Any, np.dtype[Any]]
Row = dict[str, Any]
FALLBACK = "popularity"


@dataclass(frozen=True)
class Asked:
    """One request for a customer: ``exclude_bought`` None lets the data decide.

    With ``items`` it is for a session that holds these items in this order, whoever has it; with
    ``attributes``, values by name, for somebody like this who is no customer yet.
    """

    user: str | None
    k: int | None
    until: int | None = None
    exclude_bought: bool | None = None
    items: Sequence[str | None] | None = None
    attributes: Mapping[str, Any] | None = None


def answer(session: Session, task: str, asked: Sequence[Asked]) -> list[list[Row]]:
    """Give the rows of each request, all for customers or all for sessions.

    A row has rank, item_id, score and model.

    Raises
    ------
    NotTrainedError
        The task has no incumbent.
    ParameterError
        k is NULL or below 1.
    """
    for one in asked:
        if one.k is None or one.k < 1:
            raise ParameterError(f"k must be at least 1, got {'NULL' if one.k is None else one.k}.")
    if not asked:
        return []
    with session.transaction():
        return answer_now(session, task, asked)


def answer_now(session: Session, task: str, asked: Sequence[Asked]) -> list[list[Row]]:
    """Give the rows of each request, in the caller's transaction; ``k`` is checked."""
    resident = resident_of(session, task)
    if asked[0].items is None:
        history = read_live(
            session,
            purchase_reader(session, live=True),
            [one.user for one in asked],
            [one.until for one in asked],
            resident.code_of,
            len(resident.ids),
        )
    else:
        sessions = [one.items or [] for one in asked]
        history = given_sessions(sessions, resident.code_of, len(resident.ids))
    gone = gone_items(session)
    features = _features(session, resident, asked)
    rows = _recommended(resident, history, asked, gone, features)
    _fill_up(session, rows, asked, history, resident, gone)
    return rows


def _recommended(
    resident: Resident,
    history: LiveHistory,
    asked: Sequence[Asked],
    gone: frozenset[str],
    features: Features | None,
) -> list[list[Row]]:
    """Ask the model, once for those who want their own items and once for those who do not."""
    model = resident.model
    assert isinstance(model, Recommender)  # tasks of lists have no others
    rows: list[list[Row]] = [[] for _ in asked]
    eligible = np.ones(len(resident.ids), dtype=bool)
    eligible[[resident.code_of[item] for item in gone if item in resident.code_of]] = False
    leaves_out = np.array([_leaves_out(one, resident) for one in asked])
    for flag in (False, True):
        chosen = np.flatnonzero(leaves_out == flag).tolist()
        if not chosen:
            continue
        requests = Requests.of_customers(
            np.full(len(chosen), -1), history.events.of_users(np.array(chosen)), exclude_bought=flag
        )
        if features is not None:
            requests = replace(requests, features=features.of_rows(np.array(chosen)))
        most = max(asked[place].k or 1 for place in chosen)
        found = model.recommend(requests, min(most, max(len(resident.ids), 1)), eligible)
        for place, codes, scores in zip(chosen, found.item, found.score, strict=True):
            wanted = codes[: asked[place].k]
            rows[place] = [
                _row(rank, resident.ids[code], float(score), model.name)
                for rank, (code, score) in enumerate(zip(wanted, scores, strict=False), start=1)
                if code >= 0
            ]
    return rows


def _features(session: Session, resident: Resident, asked: Sequence[Asked]) -> Features | None:
    """Give the features of each request: of the attributes given, or bound for the customer.

    Raises
    ------
    UnknownNameError
        An attribute is given that is not bound, or is private.
    """
    encoder = resident.encoder
    if encoder is None:
        return None
    if asked[0].attributes is None:
        import pyarrow as pa

        ids = pa.array([one.user for one in asked], pa.string())
        distinct = ids.unique().drop_null()
        found, _ = read_features(session, "users", distinct, encoder)
        place = {text: row for row, text in enumerate(distinct.to_pylist())}
        nothing = encoder.encode_rows([{}])
        both = joined(found, nothing)
        return both.of_rows(np.array([place.get(one.user, len(place)) for one in asked]))
    known = {code.name.lower(): code.name for code in encoder.attributes}
    for one in asked:
        for name in one.attributes or ():
            if name.lower() not in known:
                raise UnknownNameError(
                    f"attributes must be among {', '.join(known.values())}, got {name!r}."
                    f"{did_you_mean(name, known.values())}"
                )
    return encoder.encode_rows([one.attributes or {} for one in asked])


def _fill_up(
    session: Session,
    rows: list[list[Row]],
    asked: Sequence[Asked],
    history: LiveHistory,
    resident: Resident,
    gone: frozenset[str],
) -> None:
    """Append best sellers to the lists that ended before k."""
    short = [place for place, one in enumerate(asked) if len(rows[place]) < (one.k or 0)]
    if not short:
        return
    most = len(gone) + max((asked[place].k or 0) + len(history.bought[place]) for place in short)
    best = session.rows(
        "SELECT s.item_id::VARCHAR, s.transactions::DOUBLE FROM recsql.item_scores AS s "
        "ORDER BY s.transactions DESC, s.item_id LIMIT ?",
        [most],
    )
    for place in short:
        one = asked[place]
        left_out = gone | {row["item_id"] for row in rows[place]}
        if _leaves_out(one, resident):
            left_out |= history.bought[place]
        for item, sold in best:
            if len(rows[place]) == one.k:
                break
            if item not in left_out:
                rows[place].append(_row(len(rows[place]) + 1, item, sold, FALLBACK))


def _row(rank: int, item: str, score: float, model: str) -> Row:
    return {"rank": rank, "item_id": item, "score": score, "model": model}


def _leaves_out(one: Asked, resident: Resident) -> bool:
    return resident.exclude_bought if one.exclude_bought is None else one.exclude_bought
