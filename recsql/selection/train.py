"""Train: read once, let the models of each task compete, write everything in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from recsql.data.snapshot import read_snapshot
from recsql.database import Session
from recsql.errors import ParameterError, StateError
from recsql.models.catalogue import model_named
from recsql.models.imported import HOW_TO_IMPORT, Imported
from recsql.models.purchases import Purchases
from recsql.selection.answers import make_purchases
from recsql.selection.compete import Clock, promote
from recsql.selection.competition import hold, would_compete
from recsql.selection.imports import imports_for
from recsql.selection.rebuild import write_rebuilt
from recsql.store.models import incumbents, next_run_number
from recsql.tasks import FEATURE_TASKS, LIVE_TASKS, TASKS

Array = np.ndarray[Any, np.dtype[Any]]
MOST_EVALUATION_ENTRIES = 5_000_000


def train(
    session: Session,
    *,
    tasks: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    budget_s: float | None = None,
    seed: int = 0,
    protocol: str | None = None,
    each: Callable[[Sequence[str]], Iterator[str]] = iter,
    finish: Callable[[Session], None],
    reason: str = "asked",
) -> list[str]:
    """Train the models of some tasks; gives the ids of the models of this run.

    Models are compared on at most about 5 million purchases, those of random buyers, each task in
    an equal share of the time that is left; the winners learn from all. Tasks that are not trained
    now but have an incumbent are counted again with it, so that all stored answers are of the same
    moment.

    Parameters
    ----------
    tasks : None: all of them, or those that ``models`` can serve
    budget_s : seconds after which no further candidate is begun; at least one a task is trained
    protocol : 'time' or 'paper'; None: time where there is one
    each : wraps the tasks, for a progress bar
    finish : called inside the writing transaction (what depends on the stored answers follows)
    """
    started = time.perf_counter()
    if tasks is None:
        tasks = [t for t in TASKS if _serves(session, t, models)]
        if not tasks:
            raise ParameterError(_why_none_serves(models or ()))
    deadline = None if budget_s is None else started + budget_s
    serving = {stored.task: stored for stored in incumbents(session)}
    competing = [
        model
        for task in tasks
        for model in would_compete(session, task, models, serving.get(task), Clock(deadline))
    ]
    snapshot = read_snapshot(
        session,
        with_events=any(t in LIVE_TASKS for t in tasks),
        with_features=any(t in FEATURE_TASKS for t in tasks),
        with_context=any(model.learns_context() for model in competing),
        with_unsold=any(model.offers_unsold() for model in competing),
        with_knowledge=any(model.reads_knowledge for model in competing),
    )
    if snapshot.n_items == 0:
        raise StateError(
            "The interactions must hold at least one purchase, got none. "
            "CALL recsql.validate() says which rows are left out and why."
        )
    purchases = make_purchases(session, snapshot)
    sampled, customers = _evaluated_on(purchases, seed)
    competitions = [
        hold(
            session,
            wanted,
            models,
            sampled,
            snapshot.available,
            seed=seed,
            clock=_share_of_time(deadline, len(tasks) - place),
            incumbent=serving.get(wanted),
            protocol=protocol,
        )
        for place, wanted in enumerate(each(tasks))
    ]
    run = next_run_number(session)
    for competition in competitions:
        competition.learned = promote(competition.decision.order, purchases, deadline)
        competition.ids = [
            f"{competition.task}/{c.model.name}/{run}.{n}"
            for n, c in enumerate(competition.candidates, start=1)
        ]
    write_rebuilt(
        session,
        snapshot,
        purchases,
        competitions,
        seed,
        started,
        finish,
        reason=reason,
        customers=customers,
    )
    return [model_id for competition in competitions for model_id in competition.ids]


def _evaluated_on(purchases: Purchases, seed: int) -> tuple[Purchases, Array]:
    """Give the purchases that models are compared on, and whose they are: places of customers."""
    share = MOST_EVALUATION_ENTRIES / max(purchases.size, 1)
    is_user, rng = purchases.history.is_user, np.random.default_rng(seed)
    if share >= 1:
        return purchases, np.arange(int(is_user.sum()))
    if purchases.events is None:
        buyers = rng.random(len(is_user)) < share
        return purchases.of_buyers(buyers), np.flatnonzero(buyers[is_user])
    chosen, place = purchases.random_part(share, rng)
    return chosen, np.flatnonzero(place[: int(is_user.sum())] >= 0)  # sessions have no id


def _share_of_time(deadline: float | None, tasks_left: int) -> Clock:
    if deadline is None:
        return Clock(None)
    now = time.perf_counter()
    return Clock(now + max(deadline - now, 0.0) / tasks_left)


def _serves(session: Session, task: str, models: Sequence[str] | None) -> bool:
    """Tell whether one of the models can serve a task; those that were imported have one each."""
    if models is None:
        return True
    able = {name for name in models if task in model_named(name).tasks}
    if able == {Imported.name}:
        return bool(imports_for(session, task, None))
    return bool(able)


def _why_none_serves(models: Sequence[str]) -> str:
    """Say why none of the models can serve a task."""
    if Imported.name in models:
        return f"imported must have a network of yours, got none. {HOW_TO_IMPORT}"
    named = ", ".join(models)
    return (
        f"models must be able to serve a task, got {named or 'none'}, which is only measured as "
        "what others must beat. Leave it out: it is measured in every training."
    )
