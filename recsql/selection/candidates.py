"""The models that compete for a task, and how each fared."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsql.errors import ParameterError, RecsqlError
from recsql.models.base import Purchases, Recommender
from recsql.models.catalogue import baselines_for, models_for
from recsql.models.copurchase import WEIGHTINGS, CoPurchase
from recsql.models.popularity import Popularity
from recsql.selection.evaluate import Metric, Split, answer, measure, split
from recsql.selection.measure import Measured

Array = np.ndarray[Any, np.dtype[Any]]
DECIDING = "ndcg_validation"
HALF_LIVES_DAYS = (30.0, 120.0)


@dataclass
class Candidate:
    """A model in the competition of a task.

    Attributes
    ----------
    baseline : only measured, never promoted
    status : 'candidate', 'incumbent', 'failed' or 'skipped'; error says why
    """

    task: str
    model: Recommender
    baseline: bool = False
    status: str = "candidate"
    error: str | None = None
    metrics: list[Metric] = field(default_factory=list)
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
    found = []
    for cls in wanted:
        if issubclass(cls, CoPurchase):
            found += [Candidate(task, cls(weighting=weighting)) for weighting in WEIGHTINGS]
            if real_time:
                found += [
                    Candidate(task, cls(weighting=weighting, half_life_days=days))
                    for weighting in ("cosine", "confidence")
                    for days in HALF_LIVES_DAYS
                ]
        else:
            found.append(Candidate(task, cls()))
    for candidate in found:
        if isinstance(candidate.model, CoPurchase):
            candidate.model.keep_pair_bytes = pair_bytes
    for cls in baselines_for(task):
        found.append(Candidate(task, cls(), baseline=True))
    if task != "trending":
        found.append(Candidate(task, Popularity(days=None), baseline=True))
    return found


def compete(
    competing: Sequence[Candidate],
    purchases: Purchases,
    eligible: Array,
    seed: int,
    deadline: float | None = None,
) -> tuple[list[Split], str]:
    """Measure every candidate and promote the best; gives the test splits and the reason.

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
    able = [c for c in competing if not c.baseline and c.status == "candidate"]
    if not able:
        return test, "no model could be trained"
    winner = max(able, key=lambda c: c.decides)  # the first of equals
    winner.status = "incumbent"
    if not validation:
        return test, "too little data to compare: the first setting is taken"
    return test, f"highest {DECIDING} at 10 of {len(able)} settings"


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
        queries += len(part.queries.query)
        candidate.train_seconds, candidate.peak_bytes = cost.seconds, cost.peak_bytes
    candidate.predict_microseconds = seconds * 1e6 / queries
    metrics = measure(parts, found, eligible, seed)
    if not validation:
        return metrics
    ndcg = next(m for m in metrics if m.name == "ndcg")
    return [Metric(DECIDING, ndcg.k, ndcg.value, ndcg.low, ndcg.high, ndcg.n_queries)]
