"""What counts as a purchase, when it was, and what the present is: the SQL every reader shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from recsql.columns import INTEGER_TYPES, MICROSECONDS_PER_DAY, REAL_TIME_TYPES
from recsql.data.bind import bound_definition, is_argument_bound, time_sql
from recsql.database import Session
from recsql.errors import ParameterError
from recsql.settings import setting_number, setting_text


@dataclass(frozen=True)
class PurchaseReader:
    """How to read the purchases of the bound interactions.

    Attributes
    ----------
    columns : SQL of user_id, item_id, basket_id, session_id, time (BIGINT: microseconds since
        1970, or the ordering integer; NULL without one), day (days since 1970; NULL without real
        time), strength (DECIMAL: weight of the event), quantity (DOUBLE), rating (DOUBLE), event
        (VARCHAR), context (STRUCT) and row_hash (UBIGINT)
    rows : SQL of the rows that are purchases: FROM and WHERE
    now : the present on the scale of ``time``; None without times
    today : the present as days since 1970; None without real time
    baskets : 'bound' (basket_id), 'windows' (time) or 'none'
    basket_microseconds : length of a window
    definition : changes whenever older fingerprints can no longer be compared
    real_time : whether times are dates or timestamps
    sessions : 'bound' (session_id), 'breaks' (time) or 'none': a customer is one session
    session_microseconds : a longer break between two events ends a session
    prunable : whether a condition on ``ts`` can be written as a TIMESTAMP
    has_feedback : whether kinds of events or ratings are bound
    """

    columns: Mapping[str, str]
    rows: str
    now: int | None
    today: int | None
    baskets: str
    basket_microseconds: int
    definition: str
    real_time: bool
    sessions: str
    session_microseconds: int
    prunable: bool
    has_feedback: bool

    @property
    def sql(self) -> str:
        """Give the SQL of the purchases, with all columns."""
        return self.select(*self.columns)

    def select(self, *names: str) -> str:
        """Give the SQL of the purchases with some of their columns.

        DuckDB takes time to plan a column, also one that nobody reads.
        """
        return (
            f"SELECT {', '.join(f'{self.columns[name]} AS {name}' for name in names)} {self.rows}"
        )

    def of_days(self, first: int, last: int) -> str:
        """Give the SQL of the purchases of some days, and perhaps of others.

        Where ``ts`` is a TIMESTAMP the condition stands on the column itself, so that parts of
        a table in order of time are never read.
        """
        if not self.prunable:
            return self.sql
        start, end = first * MICROSECONDS_PER_DAY, (last + 1) * MICROSECONDS_PER_DAY
        return f"{self.sql} AND i.ts >= make_timestamp({start}) AND i.ts < make_timestamp({end})"

    def between(self, after: int, until: int) -> str:
        """Give the SQL of the purchases after a time, on the scale of times, and until another."""
        days = self.of_days(after // MICROSECONDS_PER_DAY, until // MICROSECONDS_PER_DAY)
        return (
            f"SELECT b.* FROM ({days if self.real_time else self.sql}) AS b "
            f"WHERE b.time > {after} AND b.time <= {until}"
        )


def purchase_reader(session: Session, *, live: bool = False) -> PurchaseReader:
    """Look at the binding, the event weights and the settings, and fix the present.

    ``live`` takes the clock for the present instead of looking for the latest time in the data.
    """
    [(_, kind, *_)] = session.known("DESCRIBE SELECT i.ts FROM recsql.interactions AS i")
    has_ts = is_argument_bound(session, "interactions", "ts")
    real = has_ts and kind in REAL_TIME_TYPES
    now = _now(session, kind, live=live) if has_ts else None
    if is_argument_bound(session, "interactions", "basket_id"):
        baskets = "bound"
    else:
        baskets = "windows" if real else "none"
    if is_argument_bound(session, "interactions", "session_id"):
        sessions = "bound"
    else:
        sessions = "breaks" if real else "none"
    hours = setting_number(session, "basket_hours", least=0)
    minutes = setting_number(session, "session_gap_minutes", least=0)
    weights = sorted(
        session.known("SELECT w.event, w.weight::VARCHAR FROM recsql.event_weights AS w")
    )
    time = time_sql(kind) if has_ts else "NULL::BIGINT"
    # The present moves with the data: only a fixed or clock-bound one excludes rows.
    rows = _rows_sql(time, weighted=bool(weights), until=now)
    bound = bound_definition(session, "interactions")
    definition = repr((bound, weights, duckdb.__version__, hours if baskets == "windows" else None))
    today = now // MICROSECONDS_PER_DAY if real and now is not None else None
    return PurchaseReader(
        _columns_sql(time, real=real, weighted=bool(weights)),
        rows,
        now,
        today,
        baskets,
        int(hours * 3_600_000_000),
        definition,
        real_time=real,
        sessions=sessions,
        session_microseconds=int(minutes * 60_000_000),
        prunable=has_ts and kind == "TIMESTAMP",
        has_feedback=any(
            is_argument_bound(session, "interactions", name) for name in ("event", "rating")
        ),
    )


def _now(session: Session, kind: str, *, live: bool) -> int | None:
    text = setting_text(session, "now")
    integer = kind in INTEGER_TYPES
    if text:
        target = "BIGINT" if integer else "TIMESTAMP"
        value = session.value(f"SELECT TRY_CAST(? AS {target})", [text])
        if value is None:
            raise ParameterError(
                f"Setting now must be a {target.lower()}, got {text!r}. "
                "UPDATE recsql.settings SET value = NULL WHERE name = 'now'."
            )
        return int(value if integer else session.value("SELECT epoch_us(?::TIMESTAMP)", [text]))
    if live:
        return None if integer else session.moment
    if integer:
        latest = session.value("SELECT max(TRY_CAST(i.ts AS BIGINT)) FROM recsql.interactions AS i")
    else:
        latest = session.value(
            "SELECT CASE WHEN max(epoch_us(i.ts)) IS NOT NULL "  # least() passes over NULL
            "THEN least(max(epoch_us(i.ts)), epoch_us(now())) END FROM recsql.interactions AS i"
        )
    return None if latest is None else int(latest)


def _columns_sql(time: str, *, real: bool, weighted: bool) -> dict[str, str]:
    # // rounds towards zero, which is a day too late before 1970.
    day = f"({time} // {MICROSECONDS_PER_DAY} - ({time} % {MICROSECONDS_PER_DAY} < 0)::BIGINT)"
    strength = f"{'coalesce(w.weight, 1)' if weighted else '1'}::DECIMAL(18, 6)"
    return {
        "user_id": "i.user_id",
        "item_id": "i.item_id",
        "basket_id": "i.basket_id",
        "session_id": "i.session_id",
        "time": time,
        "day": day if real else "NULL::BIGINT",
        "strength": strength,
        "quantity": "coalesce(i.quantity, 1)",
        "rating": "i.rating",
        "event": "i.event",
        "context": "i.context",
        "row_hash": f"hash(i.user_id, i.item_id, {time}, i.basket_id, {strength})",
    }


def _rows_sql(time: str, *, weighted: bool, until: int | None) -> str:
    join = "LEFT JOIN recsql.event_weights AS w ON w.event = i.event " if weighted else ""
    conditions = ["i.item_id IS NOT NULL", "coalesce(i.quantity, 1) > 0"]
    if weighted:
        conditions.append("coalesce(w.weight, 1) > 0")
    if until is not None:
        conditions.append(f"({time} IS NULL OR {time} <= {until})")
    return f"FROM recsql.interactions AS i {join}WHERE {' AND '.join(conditions)}"
