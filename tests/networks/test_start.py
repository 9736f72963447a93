"""Networks that go on from the one that serves: what they take over, hold out and learn."""

from __future__ import annotations

import dataclasses

import duckdb
import numpy as np
import pytest

pytest.importorskip("torch")

from histories import events_of, only
from recsql.onnx_models._sequences import SequenceLesson, held_out_moments

import recsql
from recsql.data.events import Events, Feedback
from recsql.data.features import Features
from recsql.errors import ParameterError, StateError
from recsql.models.base import Array
from recsql.models.catalogue import model_named
from recsql.models.network import WEIGHTS, Network
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.models.sasrec import SASRec
from recsql.networks.start import Start, Weights

HOUR = 3_600_000_000
STILL = {"n_epochs": 1, "learning_rate": 1e-12, "held_out": 0.0, "n_threads": 1}


def followers(n: int = 60) -> Events:
    """Item 4 follows 0, 5 follows 1, 6 follows 2; item 3 is nobody's."""
    first = np.arange(n) % 3
    rows = np.stack([first, first + 4], axis=1)
    return events_of(rows.tolist(), 7, time=np.tile([HOUR, 2 * HOUR], n))


def with_attributes(events: Events, names: tuple[tuple[str, str], ...]) -> Purchases:
    def features(n: int) -> Features:
        return Features(np.arange(n + 1), (np.arange(n) % 2).astype(np.int32), names)

    return dataclasses.replace(
        only(events), user_features=features(events.n_users), item_features=features(events.n_items)
    )


NAMES = (("a", "x"), ("a", "y"))
EVERY = pytest.mark.parametrize(
    "name", ["sasrec", "hrnn_meta", "deepfm", "wide_deep", "mmoe", "din+iacn", "xdeepfm", "dien"]
)


def made(name: str, **settings: object) -> Network:
    model = model_named(name)(**settings)
    assert isinstance(model, Network)
    return model


def kept_weights(model: Network) -> bytes:
    assert model.weights_ is not None
    return model.weights_


def scores(model: Network, known: Events, features: Features | None, item: Array) -> Array:
    requests = Requests.of_customers(np.full(known.n_users, -1), known, features=features)
    row = np.repeat(np.arange(known.n_users), len(item))
    return model.score_pairs(requests, row, np.tile(item, known.n_users))


@EVERY
def test_a_network_that_learns_nothing_new_answers_as_the_one_before(name: str) -> None:
    data = with_attributes(followers(), NAMES)
    before = made(name, n_epochs=3, learning_rate=0.01, n_threads=1).fit(data)
    after = made(name, **STILL)
    after.goes_on(kept_weights(before), np.arange(7))
    after.fit(data)
    fresh = made(name, **STILL).fit(data)
    shown = events_of([[0], [1], [2]], 7)
    users = data.user_features.of_rows(np.arange(3))  # type: ignore[union-attr]
    item = np.array([0, 1, 2, 4, 5, 6])
    expected = scores(before, shown, users, item)
    assert scores(after, shown, users, item) == pytest.approx(expected, abs=1e-4)
    assert scores(fresh, shown, users, item) != pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize("name", ["sasrec", "gru", "deepfm", "mmoe", "din+iacn"])
def test_an_item_keeps_what_was_learned_of_it_where_its_code_has_changed(name: str) -> None:
    """Two new items come before all others: every code is two higher."""
    before = made(name, n_epochs=3, learning_rate=0.01, n_threads=1).fit(only(followers()))
    events = followers()
    moved = dataclasses.replace(events, n_items=9, item=events.item + 2)
    after = made(name, **STILL)
    after.goes_on(kept_weights(before), np.array([-1, -1, *range(7)]))
    after.fit(only(moved))
    item = np.array([0, 1, 2, 4, 5, 6])
    expected = scores(before, events_of([[0], [1], [2]], 7), None, item)
    found = scores(after, events_of([[2], [3], [4]], 9), None, item + 2)
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["hrnn_meta", "deepfm"])
def test_attributes_that_mean_something_else_begin_anew(name: str) -> None:
    before = made(name, n_epochs=3, learning_rate=0.01, n_threads=1)
    before.fit(with_attributes(followers(), NAMES))
    kept, changed = made(name, **STILL), made(name, **STILL)
    for model, names in ((kept, NAMES), (changed, NAMES[::-1])):
        model.goes_on(kept_weights(before), np.arange(7))
        model.fit(with_attributes(followers(), names))
    table = "items_of.of_features.weight" if name == "hrnn_meta" else "weights.table.weight"
    was, same, anew = (
        Weights.of_bytes(model.weights_).values[table][:4]  # type: ignore[arg-type]
        for model in (before, kept, changed)
    )
    assert same == pytest.approx(was, abs=1e-6)
    assert anew != pytest.approx(was, abs=1e-3)


@pytest.mark.parametrize("n_values", [1, 3])
@pytest.mark.parametrize("name", ["hrnn_meta", "deepfm", "wide_deep"])
def test_an_item_keeps_what_was_learned_of_it_where_values_come_or_go(
    name: str, n_values: int
) -> None:
    before = made(name, n_epochs=3, learning_rate=0.01, n_threads=1)
    before.fit(with_attributes(followers(), NAMES))
    code = np.minimum(np.arange(7), n_values - 1).astype(np.int32)
    names = tuple(("a", f"{value}") for value in range(n_values))
    items = Features(np.arange(8), code, names)
    after = made(name, **STILL)
    after.goes_on(kept_weights(before), np.arange(7))
    after.fit(dataclasses.replace(only(followers()), item_features=items))
    table = {"hrnn_meta": "items_of.own.weight", "wide_deep": "items.own.own.weight"}
    was, now = (
        Weights.of_bytes(kept_weights(model)).values[table.get(name, "own.weight")]
        for model in (before, after)
    )
    assert now[-7:] == pytest.approx(was[-7:], abs=1e-6)


def test_kinds_that_mean_something_else_begin_anew() -> None:
    def clicked(kinds: tuple[str, str]) -> Purchases:
        events = followers()
        rating = np.full(len(events.item), np.nan, dtype=np.float32)
        kind = (np.arange(len(events.item)) % 2).astype(np.int16)
        return only(dataclasses.replace(events, feedback=Feedback(rating, kind, kinds)))

    before = made("mmoe", n_epochs=3, learning_rate=0.01, n_threads=1)
    before.fit(clicked(("purchase", "view")))
    after = made("mmoe", **STILL)
    after.goes_on(kept_weights(before), np.arange(7))
    after.fit(clicked(("cart", "purchase")))
    was, now = (Weights.of_bytes(kept_weights(model)).values for model in (before, after))
    for name in ("towers.0.0.weight", "bias.weight"):
        assert now[name] != pytest.approx(was[name], abs=1e-3)
    assert now["gates.all.weight"] != pytest.approx(was["gates.all.weight"], abs=1e-3)
    assert now["first.all.weight"] == pytest.approx(was["first.all.weight"], abs=1e-6)
    items = "items.own.own.weight"  # the first row is an unknown item
    assert now[items][1:] == pytest.approx(was[items][1:], abs=1e-6)


@pytest.mark.parametrize("name", ["gru", "deepfm"])
def test_where_nothing_is_new_a_network_is_learned_as_from_the_beginning(name: str) -> None:
    settings = {"n_epochs": 3, "n_threads": 1}
    before = made(name, **settings).fit(only(followers()))
    after = made(name, **settings)
    after.goes_on(kept_weights(before), np.arange(7))
    assert after.fit(only(followers())).weights_ == before.weights_


def test_only_what_is_new_is_held_out_and_only_the_last_hours_are_learned() -> None:
    old = np.tile([1, 2, 3], 40) * HOUR
    new = np.tile([8, 9, 10], 40) * HOUR
    events = events_of([[0, 1, 2]] * 80, 7, time=np.concatenate([old, new]))
    settings = SASRec(held_out=0.25, retrain_hours=1.5)
    settings.meaning_ = ""
    settings._start = Start(Weights({}, 5 * HOUR, "", 7), np.arange(7))
    hidden = held_out_moments(events, settings)
    assert not hidden[:120].any()
    assert 10 < hidden[120:].sum() < 30
    lesson = SequenceLesson(events, settings, np.zeros(240, dtype=bool))
    (batch,) = lesson.batches(np.random.default_rng(0), 1_000)
    assert sorted(set((batch["time"] // HOUR).tolist())) == [9, 10]
    everything = SequenceLesson(events, SASRec(retrain_hours=1.5), np.zeros(240, dtype=bool))
    (batch,) = everything.batches(np.random.default_rng(0), 1_000)
    assert sorted(set((batch["time"] // HOUR).tolist())) == [2, 3, 9, 10]
    with pytest.raises(ParameterError, match="retrain_hours must be above 0, got 0"):
        SASRec(retrain_hours=0).fit(only(events))


def test_weights_come_back_as_they_were_and_a_damaged_archive_is_refused() -> None:
    weights = Weights({"a.weight": np.arange(6.0).reshape(2, 3)}, 7, "x", 2)
    content = weights.to_bytes()
    found = Weights.of_bytes(content)
    assert (found.until, found.meaning, found.n_items) == (7, "x", 2)
    assert np.array_equal(found.values["a.weight"], weights.values["a.weight"])
    for damaged in (b"", b"no archive", content[: len(content) // 2]):
        with pytest.raises(StateError, match="must be an archive of arrays"):
            Weights.of_bytes(damaged)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Give what networks went on from."""
    found: list[list[int]] = []
    goes_on = Network.goes_on

    def told(self: Network, weights: bytes, items: Array) -> None:
        found.append(items.tolist())
        goes_on(self, weights, items)

    monkeypatch.setattr(Network, "goes_on", told)
    return found


def test_new_rows_let_a_network_go_on_and_all_else_lets_it_begin_anew(
    starts: list[list[int]],
) -> None:
    con = recsql.connect()
    con.execute(
        "CREATE TABLE clicks AS SELECT i % 150 AS u, 2 * ((i % 150 + i // 150) % 5) AS p, "
        "TIMESTAMP '2024-01-01' + INTERVAL (i * 17) MINUTE AS t FROM range(1500) AS r(i)"
    )
    recsql.bind_interactions(con, "clicks", user_id="u", item_id="p", ts="t")
    recsql.train(con, task="next", models=["gru"])
    for name in ("drift_psi", "drift_hit_rate_drop", "drift_new_rows_share"):
        con.execute("UPDATE recsql.settings AS s SET value = '99' WHERE s.name = ?", [name])
    assert starts == []
    grown(con, "2024-02-01")
    assert starts == [[0, 1, -1, 2, 3, 4]]
    assert kept(con) == 1
    con.execute(f"UPDATE recsql.artifacts AS a SET bytes = 'x'::BLOB WHERE a.name = '{WEIGHTS}'")
    grown(con, "2024-02-02")
    assert len(starts) == 1
    assert kept(con) == 1
    recsql.forget_user(con, 3)
    recsql.refresh(con, retrain=False)
    assert len(starts) == 1
    assert con.sql("SELECT count(*) FROM recommend_next(4, k := 3)").fetchall() == [(3,)]


def grown(con: duckdb.DuckDBPyConnection, day: str) -> None:
    """Let customers buy on a day, enough to learn again, and look what was decided."""
    con.execute(f"INSERT INTO clicks SELECT u, 3, TIMESTAMP '{day}' FROM range(90) AS r(u)")
    recsql.refresh(con)
    (decision,) = con.sql(
        "SELECT r.changes ->> 'decision' FROM recsql.runs AS r WHERE r.statement = 'drift' "
        "ORDER BY r.run_id DESC LIMIT 1"
    ).fetchall()
    assert decision == ("relearn",)


def kept(con: duckdb.DuckDBPyConnection) -> int:
    rows = con.execute(
        "SELECT count(*) FROM recsql.artifacts AS a WHERE a.name = ? AND a.size_bytes > 100",
        [WEIGHTS],
    ).fetchall()
    return int(rows[0][0])
