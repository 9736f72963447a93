"""Answers for customers: a model in memory, and what they have bought by the time of the call.

The ladder: what the incumbent of the task recommends; below it, where that list ends early, what
was sold most by the last training or refresh (``model`` is then ``popularity``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.attributes import read_features
from recsql.data.context import ContextReader, context_attributes
from recsql.data.features import Features, joined
from recsql.data.live import LiveHistory, given_sessions, read_live
from recsql.data.offered import gone_items, removed_items
from recsql.data.purchases import purchase_reader
from recsql.database import Session
from recsql.errors import ParameterError, UnknownNameError, did_you_mean
from recsql.kernels.fill_up import fill_up
from recsql.models.base import Recommender
from recsql.models.requests import Requests
from recsql.serving.lists import Lists
from recsql.serving.residents import Resident, resident_of

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Asked:
    """One request for a customer: ``exclude_bought`` None lets the data decide.

    With ``items`` it is for a session that holds these items in this order, whoever has it; with
    ``attributes``, values by name, for somebody like this who is no customer yet. ``context`` tells
    what is known of the request, by the names of the bound context.
    """

    user: str | None
    k: int | None
    until: int | None = None
    exclude_bought: bool | None = None
    items: Sequence[str | None] | None = None
    attributes: Mapping[str, Any] | None = None
    context: Mapping[str, Any] | None = None


def answer(session: Session, task: str, asked: Sequence[Asked]) -> Lists:
    """Answer requests, all for customers or all for sessions; there is at least one.

    Raises
    ------
    NotTrainedError
        The task has no incumbent.
    ParameterError
        k is NULL or below 1, or a context is told where none is bound.
    UnknownNameError
        An attribute or a part of the context is told that is not bound.
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
            context_reader(session, resident),
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
        None if asked[0].items is not None else moments(session, resident, asked),
        _context(session, resident, asked),
    )


def moments(session: Session, resident: Resident, asked: Sequence[Asked] | int) -> Array | None:
    """Give the moment of each request, or of so many asked now: int64[n]; None: no matter.

    Where a request names none it is the present: the latest time of the data, or the clock.
    """
    if not resident.model.reads_time():
        return None
    until: list[int | None] = (
        [None] * asked if isinstance(asked, int) else [one.until for one in asked]
    )
    if None not in until:
        return np.array(until, dtype=np.int64)
    now = purchase_reader(session).now or 0
    return np.array([now if one is None else one for one in until], dtype=np.int64)


def answer_history(
    session: Session,
    resident: Resident,
    history: LiveHistory,
    wanted: Array,
    leaves_out: Array,
    features: Features | None,
    moment: Array | None = None,
    context: Features | None = None,
) -> Lists:
    """Answer customers whose purchases are read; in the caller's transaction.

    Parameters
    ----------
    wanted : int64[n]       entries of each list, >= 1
    leaves_out : bool[n]    whether what was bought is left out
    moment : int64[n]       of each request, for models that read it
    context : Features      a row a request, for models that read it; None: nothing is known
    """
    gone = gone_items(session) | removed_items(session, resident.unsold)
    n_items = len(resident.ids)
    item = np.full((len(wanted), int(wanted.max())), -1, dtype=np.int32)
    score = np.zeros(item.shape)
    requests = Requests.of_customers(
        np.full(len(wanted), -1), history.events, time=moment, features=features, context=context
    )
    for part, some in _by_exposure(session, resident, requests):
        found, scores = item[part], score[part]
        _recommend(resident, some, wanted[part], leaves_out[part], gone, found, scores)
        item[part], score[part] = found, scores
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


def _by_exposure(
    session: Session, resident: Resident, requests: Requests
) -> Iterator[tuple[Array, Requests]]:
    """Give the requests of each moment with the events of each item in the time before it.

    Where the model does not ask for these all requests are one part.
    """
    if resident.model.exposure_microseconds() is None or requests.time is None:
        yield np.arange(len(requests)), exposed(session, resident, requests)
        return
    for moment in np.unique(requests.time):
        part = np.flatnonzero(requests.time == moment)
        some = requests if len(part) == len(requests) else requests.chosen(part)
        yield part, exposed(session, resident, some)


def exposed(session: Session, resident: Resident, requests: Requests) -> Requests:
    """Give requests of one moment with the events of each item in the time before it.

    That of a session, which has none, is the present.
    """
    before = resident.model.exposure_microseconds()
    if before is None or len(requests) == 0:
        return requests
    reader = purchase_reader(session, live=requests.time is not None)
    moment = (reader.now or 0) if requests.time is None else int(requests.time[0])
    events = np.zeros(len(resident.ids))
    for text, count in session.rows(
        "SELECT p.item_id::VARCHAR, count(*) "
        f"FROM ({reader.between(moment - before, moment)}) AS p GROUP BY 1"
    ):
        if text in resident.code_of:
            events[resident.code_of[text]] = count
    return replace(requests, lately=events)


def context_reader(session: Session, resident: Resident) -> ContextReader | None:
    """Give what reads the context of events for a model; None where it reads none."""
    return None if resident.context is None else ContextReader.bound(session, resident.context)


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
    asked: Requests,
    wanted: Array,
    leaves_out: Array,
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
        requests = asked if len(chosen) == len(wanted) else asked.chosen(chosen)
        requests = replace(requests, exclude_bought=flag)
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


def _context(session: Session, resident: Resident, asked: Sequence[Asked]) -> Features | None:
    """Give the features of what is told of each request; None where the model reads none.

    Raises
    ------
    ParameterError
        Something is told, and no context is bound.
    UnknownNameError
        Something is told that is not bound.
    """
    told = {name for one in asked for name in one.context or ()}
    if told:
        known = [attribute.name for attribute in context_attributes(session)]
        if not known:
            raise ParameterError(
                f"context must be left out where none is bound, got {', '.join(sorted(told))}. "
                "CALL recsql.bind_interactions(…, context := ['…']) and train again."
            )
        lower = {name.lower() for name in known}
        for name in sorted(told):
            if name.lower() not in lower:
                raise UnknownNameError(
                    f"context must be among {', '.join(known)}, got {name!r}."
                    f"{did_you_mean(name, known)}"
                )
    if resident.context is None:
        return None
    return resident.context.encode_rows([one.context or {} for one in asked])


def _leaves_out(one: Asked, resident: Resident) -> bool:
    return resident.exclude_bought if one.exclude_bought is None else one.exclude_bought
