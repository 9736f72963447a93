"""Train: read once, let the models of each task compete, write everything in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from recsql.data.snapshot import read_snapshot
from recsql.database import Session
from recsql.errors import StateError
from recsql.models.catalogue import model_named
from recsql.selection.answers import make_purchases, pair_bytes
from recsql.selection.candidates import promote
from recsql.selection.competition import hold
from recsql.selection.rebuild import write_rebuilt
from recsql.store.models import incumbents, next_run_number
from recsql.tasks import CUSTOMER_TASKS, TASKS

MOST_EVALUATION_ENTRIES = 5_000_000


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
        hold(
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


def _serves(task: str, name: str) -> bool:
    return task in model_named(name).tasks
