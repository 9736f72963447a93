"""Learn from everything and write all stored answers, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.snapshot import Snapshot, read_snapshot
from recsql.database import Session
from recsql.models.base import Model, Recommender
from recsql.models.catalogue import model_named
from recsql.models.copurchase import CoPurchase
from recsql.models.purchases import Purchases
from recsql.selection.answers import (
    count_items,
    fit_incumbent,
    make_purchases,
    neighbours_of,
    write_scores,
)
from recsql.selection.compete import sentence
from recsql.selection.competition import Competition, write_competition
from recsql.selection.customer_models import (
    VECTORS,
    walk_of,
    write_model,
    write_vectors,
    write_walk,
)
from recsql.selection.drift import write_baseline
from recsql.selection.kept_pairs import remember, write_base
from recsql.settings import setting_int
from recsql.splits.customers import leaves_out_bought
from recsql.store.facts import write_item_facts
from recsql.store.models import (
    StoredModel,
    drop_old_artifacts,
    incumbents,
    insert_run,
    retire,
)
from recsql.store.stored import (
    DAYS,
    buyer_table,
    replace_table,
    replace_table_by_query,
    write_top_items,
)
from recsql.tasks import FEATURE_TASKS, LIVE_TASKS, NEIGHBOUR_TASKS

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


def rebuild(
    session: Session,
    reason: str,
    finish: Callable[[Session], None],
    *,
    goes_on: bool = False,
) -> Mapping[str, str]:
    """Count everything again with the incumbents there are; gives why one could not learn.

    With ``goes_on`` networks begin with the weights they have; else nothing remains of what is no
    longer there.
    """
    started = time.perf_counter()
    stored = incumbents(session)
    serving = {one.task for one in stored}
    models = [model_named(one.algorithm)(**one.params) for one in stored]
    snapshot = read_snapshot(
        session,
        with_events=not serving.isdisjoint(LIVE_TASKS),
        with_features=not serving.isdisjoint(FEATURE_TASKS),
        with_context=any(model.learns_context() for model in models),
        with_unsold=any(model.offers_unsold() for model in models),
        with_knowledge=any(model.reads_knowledge for model in models),
    )
    purchases = make_purchases(session, snapshot)
    return write_rebuilt(
        session, snapshot, purchases, [], 0, started, finish, reason=reason, goes_on=goes_on
    )


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
    goes_on: bool = False,
    customers: Array | None = None,
) -> Mapping[str, str]:
    """Fit the incumbents on everything and write all stored answers in one transaction.

    Gives why something could not learn, by its name; what it learned before still answers.
    ``customers`` are the places of those whose purchases were split for the competitions.
    """
    winners = {c.task: c.winner for c in competitions if c.winner is not None}
    serving = {stored.task: stored for stored in incumbents(session)} | winners
    learned = {c.task: c.learned for c in competitions if c.learned is not None}
    asked = NEIGHBOUR_TASKS if competitions else (*NEIGHBOUR_TASKS, *LIVE_TASKS)
    others = {task: serving[task] for task in asked if task in serving and task not in learned}
    known = snapshot.item_ids if goes_on else None
    not_learned = _learn(session, others, purchases, known, learned)
    fitted = {name: model for name, model in learned.items() if isinstance(model, CoPurchase)}
    of_items = {
        name: model
        for name, model in learned.items()
        if name in NEIGHBOUR_TASKS and isinstance(model, Recommender)
    }
    lists = neighbours_of(session, of_items, snapshot.available, purchases)
    counts = count_items(snapshot.history, snapshot.n_items)
    kept = setting_int(session, "generations_kept")
    buyers = buyer_table(snapshot.history, snapshot.buyers, None)
    with session.transaction():
        _write_purchases(session, buyers)
        write_scores(session, snapshot, counts)
        write_top_items(session, snapshot.item_ids, lists)
        if competitions:
            write_baseline(session)
        for competition in competitions:
            has_winner = competition.winner is not None
            retire(session, competition.task, with_incumbent=has_winner)
            if has_winner:
                drop_old_artifacts(session, competition.task, kept)
            assert customers is not None
            write_competition(session, competition, snapshot, customers, seed)
        for task in [name for name in learned if name in LIVE_TASKS]:
            leaves_out = leaves_out_bought(task, purchases)
            stored, model = serving[task], learned[task]
            write_model(
                session,
                stored,
                model,
                snapshot.ids_of_all(unsold=model.offers_unsold()),
                exclude_bought=leaves_out,
                encoder=snapshot.encoder if model.reads_attributes(task) else None,
                context=snapshot.context_encoder if model.reads_context() else None,
            )
        if "for_you" in learned:
            write_item_facts(session, learned["for_you"].item_facts(), snapshot.item_ids)
            with _or_as_before(VECTORS, not_learned):
                write_vectors(session, purchases)
        for task in of_items:
            with _or_as_before(walk_of(task).model_id, not_learned):
                write_walk(session, task, purchases, snapshot.item_ids)
        kept_pairs = [write_base(session, serving[name], model) for name, model in fitted.items()]
        changes = {
            "tasks": sorted(serving),
            "buyers": len(buyers),
            "items": snapshot.n_items,
            "not_learned": not_learned,
            "learned_until": snapshot.reader.now,
        }
        if any(model.reads_knowledge for model in learned.values()):
            changes["facts"] = str(snapshot.facts)
        seconds = time.perf_counter() - started
        insert_run(session, "train" if competitions else "refresh", reason, seconds, changes)
        finish(session)
    for one in kept_pairs:
        remember(one)
    return not_learned


def _learn(
    session: Session,
    serving: Mapping[str, StoredModel],
    purchases: Purchases,
    item_ids: pa.Array | None,
    learned: dict[str, Model],
) -> dict[str, str]:
    """Fit incumbents into ``learned``; gives why one for customers cannot learn, by task.

    With ``item_ids`` networks go on from what they learned.
    """
    not_learned: dict[str, str] = {}
    for task, stored in serving.items():
        if task in LIVE_TASKS:
            with _or_as_before(task, not_learned):
                learned[task] = fit_incumbent(session, stored, purchases, item_ids)
        else:
            learned[task] = fit_incumbent(session, stored, purchases, item_ids)
    return not_learned


@contextmanager
def _or_as_before(name: str, not_learned: dict[str, str]) -> Iterator[None]:
    """Note why something cannot be learned, whatever that is: what it learned before answers."""
    try:
        yield
    except Exception as error:
        not_learned[name] = sentence(error)


def _write_purchases(session: Session, buyers: pa.Table) -> None:
    """Store what later refreshes compare, from the TEMP tables of the snapshot."""
    replace_table_by_query(session, "item_codes", "SELECT * FROM _recsql_item_code ORDER BY code")
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
