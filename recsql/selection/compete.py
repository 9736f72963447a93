"""Measure the models that compete for a task, within a budget of time."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from recsql.metrics.interval import LEAST_QUERIES
from recsql.models.base import NETWORK_EFFORT, Model
from recsql.models.purchases import Purchases
from recsql.networks.limits import learning_until, telling_of
from recsql.selection.candidates import Candidate
from recsql.selection.evaluate import evaluate
from recsql.selection.evaluated import COST, TEST, VALIDATION, Evaluated
from recsql.selection.ranking import Ranking
from recsql.splits.protocols import purchases_for, split
from recsql.splits.ratings import RatingQueries, ratings_differ
from recsql.splits.split import Split

Array = np.ndarray[Any, np.dtype[Any]]
RUNG_ENTRIES = 50_000  # below twice as many every setting is measured on everything
RUNG_QUERIES = 1_000
RUNG_GROWTH = 4
CALLS = 20  # queries asked alone
# Measured where queries are asked alone: for the report, and wherever the ranking weighs one.
MEASURED_ALONE = frozenset(
    {"predict_p50_microseconds", "predict_p99_microseconds", "rows_per_second"}
)
USED_UP = "budget_s was used up"
# A network learns for the validation part, for the test part, and from everything: all networks
# together get about this share of what is left, for what they measure first.
OF_THREE, OF_TWO = 1 / 3, 1 / 2
LONGER = 1.5  # from everything, than from the training part


@dataclass
class Clock:
    """When the time for a task ends; None: never."""

    deadline: float | None

    def allows(self, seconds: float) -> bool:
        """Tell whether work of about so many seconds can be begun."""
        return self.deadline is None or time.perf_counter() + seconds <= self.deadline

    def share(self, part: float) -> float | None:
        """Give when a part of the time that is left will be over; None: never."""
        if self.deadline is None:
            return None
        now = time.perf_counter()
        return now + max(self.deadline - now, 0.0) * part


@dataclass
class Arena:
    """What candidates of one task are measured on.

    Attributes
    ----------
    available : bool[n_items]
    validation, test : parts of the same protocol; validation is cut from the training part of test
    """

    available: Array
    ranking: Ranking
    seed: int
    validation: list[Split]
    test: list[Split]

    @classmethod
    def of(
        cls,
        task: str,
        purchases: Purchases,
        available: Array,
        ranking: Ranking,
        seed: int,
        protocol: str | None,
    ) -> Arena:
        """Split the purchases twice in the same way."""
        test = split(task, purchases, seed, protocol)
        validation = split(task, test[-1].train, seed, test[-1].protocol) if test else []
        return cls(available, ranking, seed, validation, test)


def compete(
    competing: Sequence[Candidate], arena: Arena, keep: Candidate | None, clock: Clock
) -> None:
    """Measure every candidate.

    The winner is chosen on the validation part. Settings of one model are halved on growing
    samples of it before (successive halving), all but ``keep``, the one that serves now. The best
    setting of each model (``simplest``) is measured once on the test part, which decides nothing.
    What the time does not allow is skipped; the first baseline, the first model and ``keep`` are
    measured in any case.

    Source: Jamieson and Talwalkar, AISTATS 2016 (successive halving).
    """
    if not arena.test:
        return
    best: list[Candidate] = []
    begun: set[bool] = set()
    able = [candidate for candidate in competing if candidate.status == "candidate"]
    groups = groupby(able, key=lambda c: (c.baseline and id(c), c.model.name))
    competing_models = [list(group) for _, group in groups]
    for place, settings in enumerate(competing_models):
        if arena.validation:
            first = settings[0].baseline not in begun
            part = OF_THREE / _networks([one[0] for one in competing_models[place:]])
            _compare(settings, arena, keep, clock, part, one_at_least=first)
        begun.add(settings[0].baseline)
        measured = [candidate for candidate in settings if candidate.status == "candidate"]
        if measured:
            best.append(simplest(measured))
    for place, candidate in enumerate(best):
        if candidate.baseline or clock.allows(candidate.cost("train_seconds") or 0.0):
            with learning_until(clock.share(OF_TWO / _networks(best[place:]))):
                _measure(candidate, arena, arena.test, TEST)


def _networks(left: Sequence[Candidate]) -> int:
    """Count the networks that are left, at least 1."""
    return max(1, sum(candidate.model.effort >= NETWORK_EFFORT for candidate in left))


def _compare(
    settings: Sequence[Candidate],
    arena: Arena,
    keep: Candidate | None,
    clock: Clock,
    part: float,
    *,
    one_at_least: bool,
) -> None:
    """Measure the settings of one model on the validation part, the best of the samples first.

    Parameters
    ----------
    part : of the time that is left, for what takes any time it is given
    """
    seconds = 0.0
    for place, candidate in enumerate(_halved(settings, arena, keep, clock, part)):
        needed = candidate is keep or (one_at_least and place == 0)
        if not needed and not clock.allows(seconds):
            _skip(candidate, USED_UP)
            continue
        started = time.perf_counter()
        with learning_until(clock.share(part)):
            _measure(candidate, arena, arena.validation, VALIDATION)
        seconds = time.perf_counter() - started


def _halved(
    settings: Sequence[Candidate],
    arena: Arena,
    keep: Candidate | None,
    clock: Clock,
    part: float,
) -> list[Candidate]:
    """Give the settings that are left after growing samples of the validation part, best first."""
    settings = list(settings)
    for share in _shares(arena.validation[-1].train.size):
        if len(settings) < 2 or not clock.allows(0.0):
            break
        parts = [one.sample(share, RUNG_QUERIES, arena.seed) for one in arena.validation]
        parts = [one for one in parts if len(one.queries) and _can_teach(one)]
        if not parts:
            break
        scores = _scores(settings, arena, parts, keep, clock, part / len(settings))
        order = sorted(range(len(settings)), key=lambda place: (-scores[place], place))
        for place in order[(len(settings) + 1) // 2 :]:
            if settings[place] is not keep and settings[place].status == "candidate":
                _skip(
                    settings[place],
                    f"score {scores[place]:.4f} on {share:.0%} of the purchases, "
                    f"the best setting {scores[order[0]]:.4f}",
                )
        settings = [settings[place] for place in order if settings[place].status == "candidate"]
    return settings


def _can_teach(part: Split) -> bool:
    """Tell whether a model can learn from a sample: of ratings it may have none that differ."""
    events = part.train.events
    is_rating = isinstance(part.queries, RatingQueries)
    return not is_rating or (events is not None and ratings_differ(events))


def _scores(
    settings: Sequence[Candidate],
    arena: Arena,
    parts: Sequence[Split],
    keep: Candidate | None,
    clock: Clock,
    part: float,
) -> list[float]:
    """Score settings on a sample; below any other those that fail, or have no time any more."""
    scores, seconds = [], 0.0
    for place, candidate in enumerate(settings):
        if place > 0 and candidate is not keep and not clock.allows(seconds):
            _skip(candidate, USED_UP)
            scores.append(float("-inf"))
            continue
        started = time.perf_counter()
        with learning_until(clock.share(part)):
            found = _evaluated(candidate, arena, parts, "a sample")
        scores.append(float("-inf") if found is None else float(arena.ranking.values(found).mean()))
        seconds = time.perf_counter() - started
    return scores


def _skip(candidate: Candidate, why: str) -> None:
    candidate.status, candidate.error = "skipped", why


def _shares(size: int) -> Iterator[float]:
    """Give the shares of the purchases that settings are halved on, ascending, at most a half."""
    n = RUNG_ENTRIES
    while 2 * n <= size:
        yield n / size
        n *= RUNG_GROWTH


def _measure(candidate: Candidate, arena: Arena, parts: Sequence[Split], name: str) -> None:
    found = _evaluated(candidate, arena, parts, f"{name} part", calls_alone=name == TEST)
    if found is None:
        return
    candidate.metrics += found.metrics(name, arena.seed)
    known = {metric.name for metric in candidate.metrics if metric.part == COST}
    candidate.metrics += [metric for metric in found.cost_metrics() if metric.name not in known]
    if name == VALIDATION:
        candidate.values = arena.ranking.values(found)


def _evaluated(
    candidate: Candidate,
    arena: Arena,
    parts: Sequence[Split],
    name: str,
    *,
    calls_alone: bool = False,
) -> Evaluated | None:
    """Evaluate a candidate; one that fails says why in its row, and the others go on.

    What it learns is forgotten: all candidates at once may not fit into memory.

    Parameters
    ----------
    name : what the parts are, for whoever listens while it learns
    """
    n_calls = CALLS if calls_alone or not MEASURED_ALONE.isdisjoint(arena.ranking.weights) else 0
    try:
        with telling_of(f"{candidate.task}, {candidate.model.name}, {name}"):
            return evaluate(copy.copy(candidate.model), parts, arena.available, n_calls)
    except Exception as error:
        fail(candidate, error)
        return None


def fail(candidate: Candidate, error: Exception) -> None:
    """Note that a candidate failed."""
    candidate.status = "failed"
    candidate.error = sentence(error)


def sentence(error: Exception) -> str:
    """Say what went wrong, of an error without a text too."""
    if isinstance(error, MemoryError):
        return f"it ran out of memory: {error}" if str(error) else "it ran out of memory"
    return str(error) or type(error).__name__


def simplest(settings: Sequence[Candidate]) -> Candidate:
    """Give the setting with the best score; of few queries, the first that may be as good.

    Fewer than 20 queries hardly tell settings apart: there the first one is taken whose score is
    within one standard error of the best one's, the error of their paired difference.

    Source: Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984 (the one
    standard error rule).
    """
    best = max(settings, key=lambda candidate: candidate.score)  # of equals the first
    if best.values is None or not 1 < len(best.values) < LEAST_QUERIES:
        return best
    for candidate in settings:
        if candidate.values is not None:
            less = best.values - candidate.values
            if less.mean() <= less.std(ddof=1) / np.sqrt(len(less)):
                return candidate
    return best


def promotable(competing: Sequence[Candidate]) -> list[Candidate]:
    """Give the candidates that can be promoted, best first, of equals the first.

    The simplest setting of a model takes the place of the best one.
    """
    able = [c for c in competing if c.status == "candidate" and c.may_serve]
    standing = {}
    for _, group in groupby([c for c in able if not c.baseline], key=lambda c: c.model.name):
        settings = list(group)
        standing[id(simplest(settings))] = max(c.score for c in settings)
    return sorted(
        able, key=lambda c: (-standing.get(id(c), c.score), id(c) not in standing, c.baseline)
    )


def promote(
    order: Sequence[Candidate], purchases: Purchases, deadline: float | None = None
) -> Model | None:
    """Promote the first candidate that learns from all purchases, and give what it learned.

    Those that cannot are failed; None when no candidate can. Where there is a deadline, what takes
    any time it is given learns until then, and at least half as long again as when it was measured.
    """
    for candidate in order:
        model = copy.copy(candidate.model)
        until = deadline
        if until is not None:
            measured = candidate.cost("train_seconds") or 0.0
            until = max(until, time.perf_counter() + LONGER * measured)
        try:
            with learning_until(until), telling_of(f"{candidate.task}, {model.name}, everything"):
                model.fit(purchases_for(candidate.task, purchases))
        except Exception as error:
            fail(candidate, error)
            continue
        candidate.status = "incumbent"
        return model
    return None
