"""The models that compete for a task, and how each fared."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsql.errors import ParameterError, RecsqlError
from recsql.metrics.interval import bootstrap_interval
from recsql.models.base import Purchases, Recommender
from recsql.models.catalogue import baselines_for, models_for
from recsql.models.copurchase import CoPurchase
from recsql.models.popularity import Popularity
from recsql.selection.evaluate import K, Metric, Split, answer, deciding_values, measure, split
from recsql.selection.measure import Measured
from recsql.tasks import CUSTOMER_TASKS, NEIGHBOUR_TASKS

Array = np.ndarray[Any, np.dtype[Any]]
DECIDING = "ndcg_validation"


@dataclass
class Candidate:
    """A model in the competition of a task.

    Attributes
    ----------
    baseline : trivial: what the others must beat
    may_serve : can be promoted; of the baselines only those for customers, where nobody has asked
        for other models
    status : 'candidate', 'incumbent', 'failed' or 'skipped'; error says why
    values : what decides, for each query of the validation part: float64[n_queries]
    """

    task: str
    model: Recommender
    baseline: bool = False
    may_serve: bool = True
    status: str = "candidate"
    error: str | None = None
    metrics: list[Metric] = field(default_factory=list)
    values: Array | None = None
    train_seconds: float | None = None
    predict_microseconds: float | None = None
    peak_bytes: int | None = None

    @property
    def decides(self) -> float:
        """Give the value that models are compared by; below any other without one."""
        return next((m.value for m in self.metrics if m.name == DECIDING), float("-inf"))


def candidates_for(
    task: str, names: Sequence[str] | None, *, real_time: bool, pair_bytes: int
) -> list[Candidate]:
    """Give every setting of every model of a task that competes, then the baselines.

    Raises
    ------
    ParameterError
        None of ``names`` can serve the task.
    """
    wanted = [cls for cls in models_for(task) if names is None or cls.name in names]
    if not wanted:
        known = ", ".join(cls.name for cls in models_for(task))
        raise ParameterError(f"models for {task} must be among {known}, got {list(names or [])}.")
    found = [
        Candidate(task, model) for cls in wanted for model in cls.variants(real_time=real_time)
    ]
    for candidate in found:
        if isinstance(candidate.model, CoPurchase):
            candidate.model.keep_pair_bytes = pair_bytes
    trivial: list[Recommender] = [cls() for cls in baselines_for(task)]
    if task != "trending":
        trivial.append(Popularity(days=None))
    may_serve = task in CUSTOMER_TASKS and names is None
    found += [Candidate(task, model, baseline=True, may_serve=may_serve) for model in trivial]
    return found


def compete(
    competing: Sequence[Candidate],
    purchases: Purchases,
    eligible: Array,
    seed: int,
    deadline: float | None = None,
) -> list[Split]:
    """Measure every candidate; gives the test splits.

    The winner is chosen on a validation part, cut from the training part in the same way as the
    test part from everything; the test part is measured once for each candidate and decides
    nothing.
    """
    task = competing[0].task
    test = split(task, purchases, seed)
    validation = split(task, test[-1].train, seed) if test else []
    for place, candidate in enumerate(competing):
        if place > 0 and deadline is not None and time.perf_counter() > deadline:
            candidate.status, candidate.error = "skipped", "budget_s was used up"
            continue
        try:
            candidate.metrics = _measure(candidate, validation, eligible, seed, validation=True)
            candidate.metrics += _measure(candidate, test, eligible, seed, validation=False)
        except (RecsqlError, MemoryError) as error:
            candidate.status, candidate.error = "failed", str(error) or type(error).__name__
    return test


def promotable(competing: Sequence[Candidate]) -> list[Candidate]:
    """Give the candidates that can be promoted, best first, of equals the first."""
    able = [c for c in competing if c.status == "candidate" and c.may_serve]
    return sorted(able, key=lambda c: -c.decides)


def promote(order: Sequence[Candidate], purchases: Purchases) -> Recommender | None:
    """Promote the first candidate that learns from all purchases, and give what it learned.

    Those that cannot are failed; None when no candidate can.
    """
    for candidate in order:
        model = copy.copy(candidate.model)
        if candidate.task in (*NEIGHBOUR_TASKS, *CUSTOMER_TASKS):
            try:
                model.fit(purchases)
            except (RecsqlError, MemoryError) as error:
                candidate.status, candidate.error = "failed", str(error) or type(error).__name__
                continue
        candidate.status = "incumbent"
        return model
    return None


def _measure(
    candidate: Candidate,
    parts: Sequence[Split],
    eligible: Array,
    seed: int,
    *,
    validation: bool,
) -> list[Metric]:
    if not parts:
        return []
    found, seconds, queries = [], 0.0, 0
    for part in parts:
        with Measured() as cost:
            candidate.model.fit(part.train)
            answer(candidate.model, part, eligible, 1)  # ranks every item
        started = time.perf_counter()
        found.append(answer(candidate.model, part, eligible))
        seconds += time.perf_counter() - started
        queries += len(part.queries.requests)
        candidate.train_seconds, candidate.peak_bytes = cost.seconds, cost.peak_bytes
    candidate.predict_microseconds = seconds * 1e6 / queries
    if not validation:
        return measure(parts, found, eligible, seed)
    candidate.values = deciding_values(parts, found)
    low, high = bootstrap_interval(candidate.values, seed)
    mean = float(candidate.values.mean())
    return [Metric(DECIDING, K, mean, low, high, len(candidate.values))]
