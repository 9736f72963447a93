"""After a refresh: see what changed, and let the incumbents or the whole catalogue learn anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from recsql.data.attributes import read_features
from recsql.data.events import Events
from recsql.data.features import Features
from recsql.data.offered import gone_items, removed_items
from recsql.data.snapshot import Snapshot, one_chunk, read_snapshot
from recsql.database import Session
from recsql.errors import StateError
from recsql.metrics.ranked import hit_rate, hits
from recsql.models.base import Recommender
from recsql.selection.customer_models import CONTEXT, read_encoder, read_model
from recsql.selection.drift import COMPETE, KEPT, Drift, new_rows_share, stability_index, weigh
from recsql.selection.evaluated import TEST, K
from recsql.selection.rebuild import rebuild
from recsql.selection.train import train
from recsql.settings import setting_number
from recsql.splits.customers import ask_customers
from recsql.store.models import StoredModel, incumbents, insert_run
from recsql.tasks import CUSTOMER_TASKS

Array = np.ndarray[Any, np.dtype[Any]]
LEAST_QUERIES = 50  # fewer customers who came back say little


def keep_up(session: Session, finish: Callable[..., None]) -> Drift:
    """Decide whether models learn anew, write the decision, and do it.

    Small changes keep what was learned: stored answers were refreshed, live ones follow by
    themselves. A larger one lets the incumbents learn again; a significant one all models compete.
    """
    started = time.perf_counter()
    if not session.value("SELECT t.transactions FROM recsql.totals AS t"):
        return Drift(1.0, None, None, None, None, KEPT, "there is nothing left to learn from")
    share = new_rows_share(session)
    psi = {kind: stability_index(session, kind) for kind in ("item", "user")}
    rates = None
    if share > setting_number(session, "drift_relearn_share", least=0):
        rates = live_hit_rate(session)
    drift = weigh(session, share, psi, rates)
    with session.transaction():
        insert_run(session, "drift", drift.why, time.perf_counter() - started, drift.numbers())
    if drift.decision == COMPETE:
        tasks = [stored.task for stored in incumbents(session)]
        train(session, tasks=tasks, finish=finish, reason=f"drift: {drift.why}")
    elif drift.decision != KEPT:
        rebuild(session, f"drift: {drift.why}", finish, goes_on=True)
    return drift


def live_hit_rate(session: Session) -> tuple[float, float] | None:
    """Measure the model for customers on what came since it learned.

    Returns
    -------
    hit rate at 10 now, and on the test part of its training; None where there is no such model, no
    time, too few customers came back, or what the model learned is damaged
    """
    learned_until = session.value(
        "SELECT (r.changes ->> 'learned_until')::BIGINT FROM recsql.runs AS r "
        "WHERE (r.changes ->> 'learned_until') IS NOT NULL ORDER BY r.run_id DESC LIMIT 1"
    )
    serving = {stored.task: stored for stored in incumbents(session)}
    for task in CUSTOMER_TASKS:
        if task not in serving or learned_until is None:
            continue
        before = session.value(
            "SELECT m.value FROM recsql.metrics AS m WHERE m.model_id = ? AND m.part = ? "
            "AND m.metric = 'hit_rate'",
            [serving[task].model_id, TEST],
        )
        try:
            now = _hit_rate_since(session, serving[task], int(learned_until))
        except StateError:  # the models are about to learn again: nothing of it is needed
            continue
        if before is not None and now is not None:
            return now, float(before)
    return None


def _hit_rate_since(session: Session, stored: StoredModel, moment: int) -> float | None:
    context = read_encoder(session, stored.model_id, CONTEXT)
    snapshot = read_snapshot(
        session, with_events=True, with_context=context is not None, context_encoder=context
    )
    model, ids, exclude_bought = read_model(session, stored)
    events = snapshot.events
    assert isinstance(model, Recommender)  # tasks of customers have no others
    assert events is not None
    queries = ask_customers(
        events,
        events.time > moment,
        0,
        next_basket=stored.task == "next",
        exclude_bought=exclude_bought,
        features=_features(session, stored, snapshot),
    )
    if len(queries) < LEAST_QUERIES:
        return None
    assert queries.requests.events is not None
    code, place = _codes(snapshot, ids)
    unsold = [ids[code] for code in model.unsold_items()]
    gone = gone_items(session) | removed_items(session, unsold)
    known = replace(
        queries.requests,
        events=_recoded(queries.requests.events, code, len(ids)),
        user=np.full(len(queries), -1, dtype=np.int32),
    )
    available = np.array([text not in gone for text in ids], dtype=bool)
    item = model.recommend(known, K, available).item
    found = np.where(item >= 0, place[np.maximum(item, 0)], -1)
    return float(hit_rate(hits(found, queries), np.diff(queries.truth_ptr)).mean())


def _features(session: Session, stored: StoredModel, snapshot: Snapshot) -> Features | None:
    """Give the attributes of customers, as encoded for the model; None where it knows none."""
    encoder = read_encoder(session, stored.model_id)
    if encoder is None:
        return None
    ids = snapshot.buyers.column("user_id").slice(0, int(snapshot.history.is_user.sum()))
    return read_features(session, "users", one_chunk(ids), encoder)[0]


def _codes(snapshot: Snapshot, ids: Any) -> tuple[Array, Array]:
    """Give the model's code of each item of a snapshot, and the other way round; -1 for none."""
    import pyarrow as pa

    code_of = {text: code for code, text in enumerate(ids)}
    texts = snapshot.item_ids.cast(pa.string()).to_pylist()
    code = np.array([code_of.get(text, -1) for text in texts], dtype=np.int32)
    place = np.full(len(ids), -1, dtype=np.int32)
    place[code[code >= 0]] = np.flatnonzero(code >= 0)
    return code, place


def _recoded(events: Events, code: Array, n_items: int) -> Events:
    """Give the events of items that a model knows, by its codes."""
    known = events.select(code[events.item] >= 0)
    return replace(known, n_items=n_items, item=code[known.item])
