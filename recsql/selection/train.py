"""Train: read once, let the models of each task compete, write everything in one transaction."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from recsql.data.snapshot import Snapshot, read_snapshot
from recsql.database import Session
from recsql.errors import RecsqlError, StateError
from recsql.models.base import Purchases, Recommender
from recsql.models.catalogue import model_named
from recsql.models.copurchase import CoPurchase
from recsql.selection.answers import (
    count_items,
    data_fingerprint,
    fit_incumbent,
    make_purchases,
    neighbours_of,
    pair_bytes,
    write_scores,
)
from recsql.selection.candidates import (
    Candidate,
    candidates_for,
    compete,
    promotable,
    promote,
)
from recsql.selection.customer_models import write_model
from recsql.selection.decide import Decision, decide
from recsql.selection.evaluate import Split, leaves_out_bought
from recsql.selection.kept_pairs import remember, write_base
from recsql.settings import setting_int
from recsql.store.models import (
    StoredModel,
    incumbents,
    insert_model,
    insert_run,
    next_run_number,
    retire,
)
from recsql.store.stored import (
    DAYS,
    buyer_table,
    replace_table,
    replace_table_by_query,
    write_top_items,
)
from recsql.tasks import CUSTOMER_TASKS, NEIGHBOUR_TASKS, TASKS

MOST_EVALUATION_ENTRIES = 5_000_000


@dataclass
class Competition:
    """How the models of one task fared."""

    task: str
    candidates: list[Candidate]
    splits: list[Split]
    decision: Decision
    learned: Recommender | None = None
    ids: list[str] = field(default_factory=list)

    @property
    def winner(self) -> int | None:
        """Give the position of the winner; None when no model could be trained."""
        places = [n for n, c in enumerate(self.candidates) if c.status == "incumbent"]
        return places[0] if places else None


def train(
    session: Session,
    *,
    task: str | None,
    models: Sequence[str] | None,
    budget_s: float | None,
    seed: int,
    each: Callable[[Sequence[str]], Iterator[str]],
    finish: Callable[[Session], None],
) -> list[str]:
    """Train the models of one task or of all; gives the ids of the models of this run.

    Models are compared on at most about 5 million purchases, those of random buyers; the winners
    learn from all. Tasks that are not trained now but have an incumbent are counted again with it,
    so that all stored answers are of the same moment.

    Parameters
    ----------
    budget_s : seconds after which no further candidate is begun; at least one a task is trained
    each : wraps the tasks, for a progress bar
    finish : called inside the writing transaction (what depends on the stored answers follows)
    """
    started = time.perf_counter()
    tasks = list(TASKS if task is None else [task])
    if models is not None and task is None:
        tasks = [t for t in TASKS if any(_serves(t, name) for name in models)]
    snapshot = read_snapshot(session, with_events=any(t in CUSTOMER_TASKS for t in tasks))
    if snapshot.n_items == 0:
        raise StateError(
            "The interactions must hold at least one purchase, got none. "
            "CALL recsql.validate() says which rows are left out and why."
        )
    purchases = make_purchases(session, snapshot)
    sampled = purchases.sample(MOST_EVALUATION_ENTRIES, seed)
    most_pair_bytes = pair_bytes(session)
    deadline = None if budget_s is None else started + budget_s
    serving = {stored.task: stored for stored in incumbents(session)}
    competitions = [
        _compete(
            wanted,
            models,
            sampled,
            snapshot,
            seed,
            deadline,
            most_pair_bytes,
            serving.get(wanted),
        )
        for wanted in each(tasks)
    ]
    run = next_run_number(session)
    for competition in competitions:
        competition.learned = promote(competition.decision.order, purchases)
        competition.ids = [
            f"{competition.task}/{c.model.name}/{run}.{n}"
            for n, c in enumerate(competition.candidates, start=1)
        ]
    write_rebuilt(session, snapshot, purchases, competitions, seed, started, finish)
    return [model_id for competition in competitions for model_id in competition.ids]


def rebuild(session: Session, reason: str, finish: Callable[[Session], None]) -> None:
    """Count everything again with the incumbents there are."""
    started = time.perf_counter()
    with_events = any(stored.task in CUSTOMER_TASKS for stored in incumbents(session))
    snapshot = read_snapshot(session, with_events=with_events)
    purchases = make_purchases(session, snapshot)
    write_rebuilt(session, snapshot, purchases, [], 0, started, finish, reason=reason)


def write_rebuilt(
    session: Session,
    snapshot: Snapshot,
    purchases: Purchases,
    competitions: Sequence[Competition],
    seed: int,
    started: float,
    finish: Callable[[Session], None],
    *,
    reason: str = "asked",
) -> None:
    """Fit the incumbents on everything and write all stored answers in one transaction."""
    winners = {
        c.task: StoredModel(
            c.ids[c.winner],
            c.task,
            c.candidates[c.winner].model.name,
            c.candidates[c.winner].model.params(),
        )
        for c in competitions
        if c.winner is not None
    }
    serving = {stored.task: stored for stored in incumbents(session)} | winners
    learned = {c.task: c.learned for c in competitions if c.learned is not None}
    not_learned: dict[str, str] = {}
    for name, stored in sorted(serving.items()):
        asked = NEIGHBOUR_TASKS if competitions else (*NEIGHBOUR_TASKS, *CUSTOMER_TASKS)
        if name not in asked or name in learned:
            continue
        try:
            learned[name] = fit_incumbent(session, stored, purchases)
        except RecsqlError as error:
            if name not in CUSTOMER_TASKS:
                raise
            not_learned[name] = str(error)  # what it learned before still answers
    fitted = {name: model for name, model in learned.items() if isinstance(model, CoPurchase)}
    lists = neighbours_of(session, fitted, snapshot.available)
    counts = count_items(snapshot.history, snapshot.n_items)
    kept = setting_int(session, "generations_kept")
    buyers = buyer_table(snapshot.history, snapshot.buyers, None)
    with session.transaction():
        replace_table_by_query(
            session, "item_codes", "SELECT * FROM _recsql_item_code ORDER BY code"
        )
        replace_table(session, "buyers", buyers)
        replace_table_by_query(
            session,
            "buyer_days",
            "SELECT * FROM _recsql_buyer_day ORDER BY day, user_id, basket_id",
        )
        replace_table_by_query(session, "days", DAYS)
        replace_table_by_query(
            session, "item_days", "SELECT * FROM _recsql_item_day ORDER BY day, item_id"
        )
        write_scores(session, snapshot, counts)
        write_top_items(session, snapshot.item_ids, lists)
        for competition in competitions:
            if competition.winner is not None:
                retire(session, competition.task, kept)
            _write_competition(session, competition, snapshot, seed)
        for name, model in learned.items():
            if name in CUSTOMER_TASKS:
                write_model(
                    session,
                    serving[name],
                    model,
                    snapshot.item_ids,
                    exclude_bought=leaves_out_bought(name, purchases),
                )
        kept_pairs = [write_base(session, serving[name], model) for name, model in fitted.items()]
        insert_run(
            session,
            "train" if competitions else "refresh",
            reason,
            time.perf_counter() - started,
            {
                "tasks": sorted(serving),
                "buyers": len(buyers),
                "items": snapshot.n_items,
                "not_learned": not_learned,
            },
        )
        finish(session)
    for one in kept_pairs:
        remember(one)


def _compete(
    task: str,
    models: Sequence[str] | None,
    purchases: Purchases,
    snapshot: Snapshot,
    seed: int,
    deadline: float | None,
    most_pair_bytes: int,
    incumbent: StoredModel | None,
) -> Competition:
    competing = candidates_for(
        task, models, real_time=purchases.today is not None, pair_bytes=most_pair_bytes
    )
    splits = compete(competing, purchases, snapshot.available, seed, deadline)
    decision = decide(promotable(competing), incumbent, seed)
    return Competition(task, competing, splits, decision)


def _serves(task: str, name: str) -> bool:
    return task in model_named(name).tasks


def _write_competition(
    session: Session, competition: Competition, snapshot: Snapshot, seed: int
) -> None:
    previous = session.value(
        "SELECT s.model_id FROM recsql.selections AS s WHERE s.task = ? "
        "ORDER BY s.selected_at DESC, s.model_id DESC LIMIT 1",
        [competition.task],
    )
    data = _data_columns(session, snapshot)
    for model_id, candidate in zip(competition.ids, competition.candidates, strict=True):
        insert_model(session, _model_row(model_id, candidate, seed) | data)
        for metric in candidate.metrics:
            session.execute(
                "INSERT INTO recsql.metrics VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    model_id,
                    metric.name,
                    metric.k,
                    metric.value,
                    metric.low,
                    metric.high,
                    metric.n_queries,
                ],
            )
    if competition.winner is not None:
        _write_selection(session, competition, previous)
    session.execute("DELETE FROM recsql.splits AS s WHERE s.task = ?", [competition.task])
    for part in competition.splits:
        session.execute(
            "INSERT INTO recsql.splits VALUES (?, ?, 'test', ?, ?, ?, ?)",
            [
                competition.task,
                part.protocol,
                part.cut,
                part.train.history.n_baskets,
                len(part.queries.requests),
                seed,
            ],
        )


def _write_selection(session: Session, competition: Competition, previous: str | None) -> None:
    assert competition.winner is not None
    decision, value = competition.decision, competition.candidates[competition.winner].decides
    session.execute(
        "INSERT INTO recsql.selections VALUES (?, ?, ?, ?, ?, ?, ?, now()::TIMESTAMP)",
        [
            competition.task,
            competition.ids[competition.winner],
            previous,
            value if math.isfinite(value) else None,
            decision.margin,
            decision.decided,
            decision.why,
        ],
    )


def _model_row(model_id: str, candidate: Candidate, seed: int) -> dict[str, Any]:
    return {
        "model_id": model_id,
        "task": candidate.task,
        "algorithm": candidate.model.name,
        "params": json.dumps(candidate.model.params()),
        "seed": seed,
        "status": candidate.status,
        "error": candidate.error,
        "train_seconds": candidate.train_seconds,
        "predict_microseconds": candidate.predict_microseconds,
        "peak_memory_bytes": candidate.peak_bytes,
    }


def _data_columns(session: Session, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "data_fingerprint": data_fingerprint(session),
        "n_interactions": int(snapshot.item_days.transactions.sum()),
        "n_users": int(snapshot.history.is_user.sum()),
        "n_items": snapshot.n_items,
    }
