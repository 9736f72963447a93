"""The context of events: read with them, kept beside them, and asked for in splits."""

from __future__ import annotations

import datetime as dt

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recsql
from recsql.data.context import ContextReader
from recsql.data.features import Features
from recsql.data.live import gather_everyone, read_block, read_live
from recsql.data.purchases import purchase_reader
from recsql.data.snapshot import Snapshot, read_snapshot
from recsql.database import Session
from recsql.models.catalogue import model_named
from recsql.selection.answers import make_purchases
from recsql.selection.compete import Clock
from recsql.selection.competition import would_compete
from recsql.splits.protocols import purchases_for, split
from recsql.store.models import StoredModel

FIELDS = ["device", "wind", "tags", "day", "app"]
Row = tuple[str | None, float | None, list[str | None] | None, dt.date | None, bool | None]
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "", " ", "phone", "desk", "Phone"]),
        st.sampled_from([None, 1.0, 2.5, float("nan"), float("inf")]),
        st.none() | st.lists(st.sampled_from([None, "a", "b", ""]), max_size=3),
        st.sampled_from([None, dt.date(2023, 12, 31), dt.date(2024, 1, 1)]),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    """Give clicks that are bound with a context of every kind of value."""
    con = recsql.connect()
    con.execute(
        "CREATE TABLE clicks (u INTEGER, p INTEGER, t TIMESTAMP, device VARCHAR, wind DOUBLE, "
        "tags VARCHAR[], day DATE, app BOOLEAN)"
    )
    recsql.bind_interactions(con, "clicks", user_id="u", item_id="p", ts="t", context=FIELDS)
    return con


def fill(con: duckdb.DuckDBPyConnection, rows: list[Row]) -> Session:
    con.execute("DELETE FROM clicks")
    con.executemany(
        "INSERT INTO clicks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (place % 3, place % 4, dt.datetime(2024, 1, 1) + dt.timedelta(days=place), *row)
            for place, row in enumerate(rows)
        ],
    )
    return Session(con.cursor())


def said(row: Row) -> set[tuple[str, str]]:
    """Tell in plain words what a row says."""
    device, wind, tags, day, app = row
    found = {("tags", tag) for tag in tags or [] if tag}
    if device is not None and device.strip():
        found.add(("device", device))
    if wind is not None and np.isfinite(wind):
        found.add(("wind", "1" if wind == 1 else "2.5"))
    if day is not None:
        found.add(("day", str(day.year)))
    if app is not None:
        found.add(("app", str(app).lower()))
    return found


def told(features: Features | None) -> list[set[tuple[str, str]]]:
    assert features is not None
    return [
        {features.names[code] for code in features.feature[first:last]}
        for first, last in zip(features.ptr[:-1], features.ptr[1:], strict=True)
    ]


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_each_event_has_what_its_row_says(con: duckdb.DuckDBPyConnection, rows: list[Row]) -> None:
    session = fill(con, rows)
    events = read_snapshot(session, with_events=True, with_context=True).events
    assert events is not None
    place = [number for user in range(3) for number in range(user, len(rows), 3)]
    assert told(events.context) == [said(rows[number]) for number in place]


@settings(max_examples=15, deadline=None)
@given(ROWS)
def test_what_is_read_at_a_call_is_what_was_read_at_training(
    con: duckdb.DuckDBPyConnection, rows: list[Row]
) -> None:
    session = fill(con, rows)
    snapshot = read_snapshot(session, with_events=True, with_context=True)
    assert snapshot.events is not None
    context = ContextReader.bound(session, snapshot.context_encoder)
    reader = purchase_reader(session, live=True)
    codes = {text: code for code, text in enumerate(map(str, snapshot.item_ids.to_pylist()))}
    users = sorted({number % 3 for number in range(len(rows))})
    n, n_items = len(users), len(codes)
    asked = [str(user) for user in users]
    live = read_live(session, reader, asked, [None] * n, codes, n_items, context)
    gather_everyone(session, reader, with_bound=False)
    block = read_block(session, reader, 0, n, codes, n_items, context)[1]
    for known in (live.events, block.events):
        assert told(known.context) == told(snapshot.events.context)
        assert known.context is not None
        assert known.context.names == snapshot.events.context.names  # type: ignore[union-attr]
    nothing = read_live(session, reader, asked, [None] * n, codes, n_items)
    assert nothing.events.context is None


def test_a_value_that_was_not_there_at_learning_is_unknown(
    con: duckdb.DuckDBPyConnection,
) -> None:
    row: Row = ("phone", 1.0, ["a"], None, True)
    encoder = read_snapshot(fill(con, [row]), with_events=True, with_context=True).context_encoder
    new: Row = ("fridge", 7.0, ["a", "c"], dt.date(1999, 1, 1), False)
    events = read_snapshot(
        fill(con, [new]), with_events=True, with_context=True, context_encoder=encoder
    ).events
    assert events is not None
    assert told(events.context) == [{("tags", "a")}]


def test_languages_are_learned_by_how_many_events_speak_them() -> None:
    """40 values of 4,000 events are groups of them, though each is as different as can be."""
    con = recsql.connect()
    con.execute("CREATE TABLE clicks AS SELECT i // 9 AS u, i % 7 AS p, i % 40 AS n, "
                "'lang' || i % 40 AS lang, i / 3 AS wind FROM range(4000) AS r(i)")  # fmt: skip
    recsql.bind_interactions(con, "clicks", user_id="u", item_id="p", context=["lang", "n", "wind"])
    encoder = read_snapshot(
        Session(con.cursor()), with_events=True, with_context=True
    ).context_encoder
    assert encoder is not None
    assert [(code.name, code.kind, len(code.values)) for code in encoder.attributes] == [
        ("lang", "text", 40),
        ("n", "number", 8),
        ("wind", "number", 8),
    ]


def test_nothing_is_read_where_none_is_bound_or_nobody_asks(
    con: duckdb.DuckDBPyConnection,
) -> None:
    snapshot = read_snapshot(fill(con, [("phone", None, None, None, None)]), with_events=True)
    assert snapshot.events is not None
    assert (snapshot.events.context, snapshot.context_encoder) == (None, None)
    unbound = recsql.connect()
    unbound.execute("CREATE TABLE clicks AS SELECT 1 AS u, 2 AS p")
    recsql.bind_interactions(unbound, "clicks", user_id="u", item_id="p")
    snapshot = read_snapshot(Session(unbound.cursor()), with_events=True, with_context=True)
    assert snapshot.events is not None
    assert (snapshot.events.context, snapshot.context_encoder) == (None, None)


@pytest.mark.parametrize(
    ("names", "deadline", "serving", "expected"),
    [
        (None, None, None, False),
        (None, 1e9, None, True),
        (["markov", "gru"], 1e9, None, False),
        (["hrnn_meta"], None, None, True),
        (None, None, "hrnn_meta", True),
        (None, None, "markov", False),
    ],
)
def test_context_is_read_where_a_model_that_competes_learns_from_it(
    con: duckdb.DuckDBPyConnection,
    names: list[str] | None,
    deadline: float | None,
    serving: str | None,
    expected: bool,
) -> None:
    pytest.importorskip("torch")
    stored = None
    if serving is not None:
        params = model_named(serving)().params()
        stored = StoredModel("next/1", "next", serving, params)
    competing = would_compete(Session(con.cursor()), "next", names, stored, Clock(deadline))
    assert any(model.learns_context() for model in competing) is expected


def snapshot_of_shop() -> tuple[Session, Snapshot, dict[tuple[int, int], str]]:
    """Give customers whose device changes from event to event, and it by customer and time."""
    con = recsql.connect()
    con.execute(
        "CREATE TABLE clicks AS SELECT i % 60 AS u, hash(i) % 9 AS p, TIMESTAMP '2024-01-01' + "
        "INTERVAL (i) HOUR AS t, CASE hash(i + 7) % 3 WHEN 0 THEN 'phone' WHEN 1 THEN 'desk' END "
        "AS device FROM range(600) AS r(i)"
    )
    recsql.bind_interactions(con, "clicks", user_id="u", item_id="p", ts="t", context=["device"])
    session = Session(con.cursor())
    device = {
        (user, time): name
        for user, time, name in con.sql("SELECT u, epoch_us(t), device FROM clicks").fetchall()
    }
    return session, read_snapshot(session, with_events=True, with_context=True), device


@pytest.mark.parametrize("task", ["next", "first"])
@pytest.mark.parametrize("protocol", ["time", "paper"])
def test_a_query_is_asked_in_the_context_of_what_it_asks_for(task: str, protocol: str) -> None:
    session, snapshot, device = snapshot_of_shop()
    purchases = make_purchases(session, snapshot)
    found = split(task, purchases_for(task, purchases), 0, protocol)[0]
    events = purchases.events
    assert events is not None
    queries = found.queries.sample(np.empty(0), 20, np.random.default_rng(0))  # type: ignore[attr-defined]
    requests = queries.requests
    assert len(queries) > 5
    for row, owner in enumerate(queries.owner.tolist()):
        first, last = events.user_ptr[owner], events.user_ptr[owner + 1]
        times = events.time[first:last].tolist()
        at = times[0] if task == "first" else int(requests.time[row])
        name = device[owner, at]
        expected: set[tuple[str, str]] = set() if name is None else {("device", name)}
        assert told(requests.context)[row] == expected
    learned = found.train.events
    assert learned is not None
    assert learned.context is not None
    assert learned.context.n_rows == len(learned.item)
    for user, time, known in zip(
        learned.user.tolist(), learned.time.tolist(), told(learned.context), strict=True
    ):
        if protocol == "time":
            assert known == ({("device", device[user, time])} if device[user, time] else set())
