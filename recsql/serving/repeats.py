"""When customers buy again: a model in memory, and what they have bought by the call."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.live import LiveHistory, read_everyone, read_live
from recsql.data.offered import gone_items
from recsql.data.purchases import purchase_reader
from recsql.database import Session
from recsql.errors import ParameterError
from recsql.models.repeat import RepeatModel, Repeats
from recsql.serving.residents import Resident, resident_of
from recsql.settings import setting_text

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]
Row = dict[str, Any]
EPOCH = datetime.date(1970, 1, 1)
LATEST = (datetime.date.max - EPOCH).days


@dataclass(frozen=True)
class AskedRepeats:
    """One request: what a customer buys again, as of the end of a day since 1970; None: today."""

    user: str | None
    k: int | None
    on_day: int | None


def answer_repeats(session: Session, asked: Sequence[AskedRepeats]) -> list[list[Row]]:
    """Give the items that each customer will buy again, the likeliest first.

    Raises
    ------
    NotTrainedError
        The task repeat has no incumbent.
    ParameterError
        k is NULL or below 1.
    """
    for one in asked:
        if one.k is None or one.k < 1:
            raise ParameterError(f"k must be at least 1, got {'NULL' if one.k is None else one.k}.")
    if not asked:
        return []
    with session.transaction():
        resident = resident_of(session, "repeat")
        present = _present(session)
        until = [None if one.on_day is None else _end_of_day(one.on_day) for one in asked]
        history = read_live(
            session,
            purchase_reader(session, live=True),
            [one.user for one in asked],
            until,
            resident.code_of,
            len(resident.ids),
        )
        gone = gone_items(session)
    # What was bought since the last training or refresh is known on the day it came.
    newest = np.maximum(present, _newest(history))
    moment = np.array(
        [last if end is None else end for end, last in zip(until, newest.tolist(), strict=True)]
    )
    found = _predicted(resident, history, moment)
    kept = _available(found, resident, gone)
    rows: list[list[Row]] = []
    for place, one in enumerate(asked):
        assert one.k is not None
        own = np.flatnonzero(kept & (found.user == place))
        order = np.lexsort((found.item[own], found.due[own], -found.probability[own]))
        best = own[order][: one.k].tolist()
        rows.append(
            [_row(found, row, resident, rank=rank) for rank, row in enumerate(best, start=1)]
        )
    return rows


def answer_due(
    session: Session, from_day: int | None, to_day: int | None, least: float | None
) -> list[Row]:
    """Give everything that anybody is expected to buy from a day to a day, both included.

    Parameters
    ----------
    from_day, to_day : days since 1970
    least : probability below which nothing is listed, 0 to 1

    Raises
    ------
    NotTrainedError
        The task repeat has no incumbent.
    ParameterError
        A day is NULL, the first is after the last, or ``least`` is not from 0 to 1.
    """
    if from_day is None or to_day is None:
        raise ParameterError("from_date and to_date must be dates, got NULL.")
    if from_day > to_day:
        raise ParameterError(
            f"from_date must not be after to_date, got {_date(from_day)} and {_date(to_day)}."
        )
    if least is None or not 0 <= least <= 1:
        raise ParameterError(
            f"min_probability must be from 0 to 1, got {'NULL' if least is None else least}."
        )
    with session.transaction():
        resident, found, kept, users = _everyones(session)
    day = np.floor(found.due)
    kept &= (day >= from_day) & (day <= to_day) & (found.probability >= least)
    rows = np.flatnonzero(kept)
    order = np.lexsort((rows, -found.probability[rows], day[rows]))
    user = found.user
    return [
        _row(found, row, resident, rank=rank) | {"user_id": users[user[row]]}
        for rank, row in enumerate(rows[order].tolist(), start=1)
    ]


def repeats_of_everyone(session: Session) -> pa.Table:
    """Give what recommend_repeat gives for every customer, in order of id; ids as text.

    In the caller's transaction.

    Raises
    ------
    NotTrainedError
        The task repeat has no incumbent.
    """
    import pyarrow as pa

    resident, found, kept, users = _everyones(session)
    rows = np.flatnonzero(kept)
    user = found.user[rows]
    order = np.lexsort((found.item[rows], found.due[rows], -found.probability[rows], user))
    rows, user = rows[order], user[order]
    start = np.searchsorted(user, user)
    return pa.table(
        {
            "user_id": pa.array(users, pa.string()).take(pa.array(user)),
            "rank": pa.array(np.arange(1, len(rows) + 1) - start),
            "item_id": resident.texts.take(pa.array(found.item[rows])),
            "due_on": _dates(found.due[rows]),
            "due_low": _dates(found.low[rows]),
            "due_high": _dates(np.ceil(found.high[rows])),
            "probability": pa.array(found.probability[rows]),
            "last_bought": _dates(found.last_bought[rows]),
            "times_bought": pa.array(found.times_bought[rows].astype(np.int64)),
            "quantity": pa.array(found.quantity[rows]),
        }
    )


def _everyones(session: Session) -> tuple[Resident, Repeats, Array, Sequence[str]]:
    """Give the model, what everyone buys again, which rows are available, and who they are."""
    resident = resident_of(session, "repeat")
    present = _present(session)
    reader = purchase_reader(session, live=True)
    history, users = read_everyone(session, reader, _codes(resident), len(resident.ids))
    gone = gone_items(session)
    found = _predicted(resident, history, np.maximum(present, _newest(history)))
    return resident, found, _available(found, resident, gone), users


def _predicted(resident: Resident, history: LiveHistory, moment: Array) -> Repeats:
    model = resident.model
    assert isinstance(model, RepeatModel)  # the task has no others
    return model.predict(history.events, moment, history.quantity)


def _available(found: Repeats, resident: Resident, gone: frozenset[str]) -> Array:
    offered = np.ones(len(resident.ids), dtype=bool)
    offered[[resident.code_of[item] for item in gone if item in resident.code_of]] = False
    kept: Array = offered[found.item]
    return kept


def _newest(history: LiveHistory) -> Array:
    """Give the moment of each customer's last purchase; the least there is without any."""
    newest = np.full(history.events.n_users, np.iinfo(np.int64).min)
    np.maximum.at(newest, history.events.user, history.events.time)
    return newest


def _end_of_day(day: int) -> int:
    return (day + 1) * MICROSECONDS_PER_DAY - 1


def _present(session: Session) -> int:
    """Give the end of the present day: that of the setting, or what training and refresh saw.

    Where nothing is left that has a time, it is before everything.
    """
    text = setting_text(session, "now")
    if text:
        moment = session.value("SELECT epoch_us(TRY_CAST(? AS TIMESTAMP))", [text])
    else:
        moment = session.value("SELECT t.data_now FROM recsql.totals AS t")
    if moment is None:
        return int(np.iinfo(np.int64).min)
    return _end_of_day(int(moment // MICROSECONDS_PER_DAY))


def _codes(resident: Resident) -> Any:
    import pyarrow as pa

    return pa.table(
        {"item": pa.array(resident.ids), "code": pa.array(range(len(resident.ids)), pa.int32())}
    )


def _row(found: Repeats, row: int, resident: Resident, *, rank: int) -> Row:
    return {
        "rank": rank,
        "item_id": resident.ids[found.item[row]],
        "due_on": _date(found.due[row]),
        "due_low": _date(found.low[row]),
        "due_high": _date(np.ceil(found.high[row])),
        "probability": float(found.probability[row]),
        "last_bought": _date(found.last_bought[row]),
        "times_bought": int(found.times_bought[row]),
        "quantity": float(found.quantity[row]),
    }


def _date(day: float) -> datetime.date:
    return EPOCH + datetime.timedelta(days=min(int(np.floor(day)), LATEST))


def _dates(days: Array) -> pa.Array:
    import pyarrow as pa

    return pa.array(np.minimum(np.floor(days), LATEST).astype(np.int32), pa.int32()).cast(
        pa.date32()
    )
