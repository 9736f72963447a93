"""The models that compete for a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsql.errors import ParameterError
from recsql.models.base import Model
from recsql.models.catalogue import baselines_for, catalogue, models_for
from recsql.models.copurchase import CoPurchase
from recsql.models.imported import HOW_TO_IMPORT, Imported
from recsql.models.popularity import Popularity
from recsql.selection.evaluated import Metric
from recsql.store.models import StoredModel
from recsql.tasks import CUSTOMER_TASKS

Array = np.ndarray[Any, np.dtype[Any]]
LEARNED_ELSEWHERE = "it learned elsewhere and may have seen what it is asked"


@dataclass
class Candidate:
    """A model in the competition of a task.

    Attributes
    ----------
    baseline : trivial: what the others must beat
    may_serve : can be promoted; of the baselines only those for customers, where nobody has asked
        for other models
    status : 'candidate', 'incumbent', 'failed' or 'skipped'; error says why, and of a network that
        was imported what its measures are worth
    values : score of each query of the validation part: float64[n_queries]
    """

    task: str
    model: Model
    baseline: bool = False
    may_serve: bool = True
    status: str = "candidate"
    error: str | None = None
    metrics: list[Metric] = field(default_factory=list)
    values: Array | None = None

    @property
    def score(self) -> float:
        """Give the mean score; below any other where nothing was measured."""
        return float("-inf") if self.values is None else float(self.values.mean())

    def cost(self, name: str) -> float | None:
        """Give a cost by its name; None where it was not measured."""
        return next((m.value for m in self.metrics if m.name == name), None)

    def is_setting(self, stored: StoredModel | None) -> bool:
        """Tell whether it is a stored model, with the same settings."""
        return (
            stored is not None
            and self.model.name == stored.algorithm
            and self.model.params() == stored.params
        )


def candidates_for(
    task: str,
    names: Sequence[str] | None,
    incumbent: StoredModel | None,
    *,
    real_time: bool,
    pair_bytes: int,
    imports: Sequence[Model] = (),
) -> list[Candidate]:
    """Give the baselines, then every setting of every model of a task, the cheapest models first.

    The setting that serves now is among them, unless other models are asked for. A network that was
    imported can be promoted where it is named, or where it serves now.

    Parameters
    ----------
    imports : networks of the task that learned elsewhere

    Raises
    ------
    ParameterError
        None of ``names`` can serve the task.
    """
    wanted = [cls for cls in models_for(task) if names is None or cls.name in names]
    if not wanted:
        known = ", ".join(cls.name for cls in models_for(task))
        raise ParameterError(f"models for {task} must be among {known}, got {list(names or [])}.")
    wanted.sort(key=lambda cls: cls.effort)  # stable: of equal effort in order of name
    found = [
        Candidate(task, model)
        for cls in wanted
        for model in (imports if cls is Imported else cls.variants(real_time=real_time))
    ]
    if names is not None and set(names) == {Imported.name} and not imports:
        raise ParameterError(f"imported must have a network for {task}, got none. {HOW_TO_IMPORT}")
    for candidate in found:
        if isinstance(candidate.model, Imported):
            candidate.error = LEARNED_ELSEWHERE
            candidate.may_serve = names is not None or candidate.is_setting(incumbent)
    if names is None and not any(candidate.is_setting(incumbent) for candidate in found):
        found = _beside(found, _serving_now(task, incumbent))
    for candidate in found:
        if isinstance(candidate.model, CoPurchase):
            candidate.model.keep_pair_bytes = pair_bytes
    trivial: list[Model] = [cls() for cls in baselines_for(task)]
    if task not in ("trending", "repeat", "rating"):
        trivial.append(Popularity(days=None))
    may_serve = task in (*CUSTOMER_TASKS, "first", "rating") and names is None
    return [Candidate(task, model, baseline=True, may_serve=may_serve) for model in trivial] + found


def _beside(found: list[Candidate], more: list[Candidate]) -> list[Candidate]:
    """Put more settings of a model after those that compete already."""
    names = {candidate.model.name for candidate in more}
    after = [n for n, candidate in enumerate(found, start=1) if candidate.model.name in names]
    place = max(after, default=len(found))
    return [*found[:place], *more, *found[place:]]


def _serving_now(task: str, incumbent: StoredModel | None) -> list[Candidate]:
    """Give the setting that serves now, if this version still knows it and it is no baseline."""
    cls = None if incumbent is None else catalogue().get(incumbent.algorithm)
    if incumbent is None or cls is None or task not in cls.tasks or cls is Imported:
        return []
    if set(cls().params()) != set(incumbent.params):
        return []
    return [Candidate(task, cls(**incumbent.params))]
