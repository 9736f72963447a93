"""Every model by name and by task: filled from the files of this room."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from functools import cache

from recsql import models as room
from recsql.errors import UnknownNameError, did_you_mean
from recsql.models.base import Model


@cache
def catalogue() -> dict[str, type[Model]]:
    """Give every model class by its name."""
    found: dict[str, type[Model]] = {}
    for module in pkgutil.iter_modules(room.__path__):
        loaded = importlib.import_module(f"{room.__name__}.{module.name}")
        for value in vars(loaded).values():
            if inspect.isclass(value) and issubclass(value, Model) and "name" in vars(value):
                found[value.name] = value
    return dict(sorted(found.items()))


def models_for(task: str) -> list[type[Model]]:
    """Give the models that can serve a task, in order of name."""
    return [model for model in catalogue().values() if task in model.tasks]


def baselines_for(task: str) -> list[type[Model]]:
    """Give the models that are only measured for a task."""
    return [model for model in catalogue().values() if task in model.baseline_for]


def any_reads_knowledge(names: Iterable[str]) -> bool:
    """Tell whether one of some models learns from facts; unknown names are passed over."""
    known = catalogue()
    return any(known[name].reads_knowledge for name in names if name in known)


def model_named(name: str) -> type[Model]:
    """Give a model by name; UnknownNameError offers the nearest ones."""
    known = catalogue()
    if name not in known:
        raise UnknownNameError(
            f"models must be among {', '.join(known)}, got {name!r}.{did_you_mean(name, known)}"
        )
    return known[name]
