"""Answers for customers: a model in memory, and what they have bought by the time of the call.

The ladder: what the incumbent of the task recommends; below it, where that list ends early, what
was sold most by the last training or refresh (``model`` is then ``popularity``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.attributes import read_features
from recsql.data.features import Features, joined
from recsql.data.live import LiveHistory, given_sessions, read_live
from recsql.data.purchases import purchase_reader
from recsql.database import Session
from recsql.errors import ParameterError, UnknownNameError, did_you_mean
from recsql.kernels.fill_up import fill_up
from recsql.models.base import Recommender, Requests
from recsql.serving.lists import Lists
from recsql.serving.residents import Resident, gone_items, resident_of

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


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


def answer(session: Session, task: str, asked: Sequence[Asked]) -> Lists:
    """Answer requests, all for customers or all for sessions; there is at least one.

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
    with session.transaction():
        return answer_now(session, task, asked)


def answer_now(session: Session, task: str, asked: Sequence[Asked]) -> Lists:
    """Answer requests in the caller's transaction; ``k`` is checked."""
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
    return answer_history(
        session,
        resident,
        history,
        np.array([one.k for one in asked], dtype=np.int64),
        np.array([_leaves_out(one, resident) for one in asked]),
        _features(session, resident, asked),
    )


def answer_history(
    session: Session,
    resident: Resident,
    history: LiveHistory,
    wanted: Array,
    leaves_out: Array,
    features: Features | None,
) -> Lists:
    """Answer customers whose purchases are read; in the caller's transaction.

    Parameters
    ----------
    wanted : int64[n]       entries of each list, >= 1
    leaves_out : bool[n]    whether what was bought is left out
    """
    gone = gone_items(session)
    n_items = len(resident.ids)
    item = np.full((len(wanted), int(wanted.max())), -1, dtype=np.int32)
    score = np.zeros(item.shape)
    _recommend(resident, history, wanted, leaves_out, features, gone, item, score)
    by_model = np.count_nonzero(item >= 0, axis=1)
    ids = [*history.unknown]
    if (by_model < wanted).any():
        most = len(gone) + int((wanted + np.diff(history.bought_ptr))[by_model < wanted].max())
        order, sold = _best_sellers(session, resident, ids, gone, most)
        fill_up(
            item,
            score,
            wanted,
            order,
            sold,
            history.bought_ptr,
            history.bought,
            leaves_out,
            n_items + len(ids),
        )
    import pyarrow as pa

    texts = pa.concat_arrays([resident.texts, pa.array(ids, pa.string())]) if ids else None
    return Lists(texts or resident.texts, item, score, by_model, resident.model.name)


def features_of_customers(session: Session, resident: Resident, users: pa.Array) -> Features | None:
    """Give the features bound for each customer, ids as text; None where the model has none."""
    encoder = resident.encoder
    if encoder is None:
        return None
    distinct = users.unique().drop_null()
    found, _ = read_features(session, "users", distinct, encoder)
    place = {text: row for row, text in enumerate(distinct.to_pylist())}
    both = joined(found, encoder.encode_rows([{}]))
    return both.of_rows(np.array([place.get(user, len(place)) for user in users.to_pylist()]))


def _recommend(
    resident: Resident,
    history: LiveHistory,
    wanted: Array,
    leaves_out: Array,
    features: Features | None,
    gone: frozenset[str],
    item: Array,
    score: Array,
) -> None:
    """Write what the model gives, asked once for those who want their own items and once not."""
    model = resident.model
    assert isinstance(model, Recommender)  # tasks of lists have no others
    eligible = np.ones(len(resident.ids), dtype=bool)
    eligible[[resident.code_of[text] for text in gone if text in resident.code_of]] = False
    for flag in (False, True):
        chosen = np.flatnonzero(leaves_out == flag)
        if len(chosen) == 0:
            continue
        everyone = len(chosen) == len(wanted)
        events = history.events if everyone else history.events.of_users(chosen)
        requests = Requests.of_customers(np.full(len(chosen), -1), events, exclude_bought=flag)
        if features is not None:
            own = features if everyone else features.of_rows(chosen)
            requests = replace(requests, features=own)
        most = min(int(wanted[chosen].max()), max(len(resident.ids), 1))
        found = model.recommend(requests, most, eligible)
        beyond = np.arange(most) >= wanted[chosen, None]
        item[chosen, :most] = np.where(beyond, -1, found.item)
        score[chosen, :most] = np.where(item[chosen, :most] < 0, 0.0, found.score)


def _best_sellers(
    session: Session, resident: Resident, ids: list[str], gone: frozenset[str], most: int
) -> tuple[Array, Array]:
    """Give the codes and transactions of the items sold most; new ids are added to ``ids``."""
    code_of = {text: len(resident.ids) + place for place, text in enumerate(ids)}
    order, sold = [], []
    for text, transactions in session.rows(
        "SELECT s.item_id::VARCHAR, s.transactions::DOUBLE FROM recsql.item_scores AS s "
        "ORDER BY s.transactions DESC, s.item_id LIMIT ?",
        [most],
    ):
        if text in gone:
            continue
        code = resident.code_of.get(text)
        if code is None:
            if text not in code_of:
                code_of[text] = len(resident.ids) + len(ids)
                ids.append(text)
            code = code_of[text]
        order.append(code)
        sold.append(transactions)
    return np.array(order, dtype=np.int32), np.array(sold, dtype=np.float64)


def _features(session: Session, resident: Resident, asked: Sequence[Asked]) -> Features | None:
    """Give the features of each request: of the attributes given, or bound for the customer.

    Raises
    ------
    UnknownNameError
        An attribute is given that is not bound, or is private.
    """
    encoder = resident.encoder
    if asked[0].attributes is None or encoder is None:
        import pyarrow as pa

        users = pa.array([one.user for one in asked], pa.string())
        return features_of_customers(session, resident, users)
    known = {code.name.lower(): code.name for code in encoder.attributes}
    for one in asked:
        for name in one.attributes or ():
            if name.lower() not in known:
                raise UnknownNameError(
                    f"attributes must be among {', '.join(known.values())}, got {name!r}."
                    f"{did_you_mean(name, known.values())}"
                )
    return encoder.encode_rows([one.attributes or {} for one in asked])


def _leaves_out(one: Asked, resident: Resident) -> bool:
    return resident.exclude_bought if one.exclude_bought is None else one.exclude_bought
