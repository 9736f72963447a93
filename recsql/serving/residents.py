"""Models in memory: the incumbent of a task, read once from its arrays."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from recsql.data.features import AttributeEncoder
from recsql.database import Session
from recsql.errors import NotTrainedError
from recsql.models.base import Model
from recsql.selection.customer_models import read_encoder, read_model, walk_of
from recsql.store.artifacts import artifact_versions
from recsql.store.models import StoredModel, incumbents

MOST_RESIDENT = 8


@dataclass(frozen=True)
class Resident:
    """A model in memory, its item ids as text by code and back, and what it leaves out.

    ``encoder`` makes features of attributes; None where it knows none.
    """

    model: Model
    ids: Sequence[str]
    code_of: dict[str, int]
    exclude_bought: bool
    encoder: AttributeEncoder | None


_RESIDENT: OrderedDict[tuple[str, ...], Resident] = OrderedDict()
_LOCK = threading.Lock()


def gone_items(session: Session) -> frozenset[str]:
    """Give the items that may not be recommended, as the bound items say at the call."""
    found = session.rows(
        "SELECT v.item_id::VARCHAR FROM recsql.items AS v WHERE v.item_id IS NOT NULL GROUP BY 1 "
        "HAVING NOT bool_or(coalesce(v.available, true))"
    )
    return frozenset(item for (item,) in found)


def resident_of(session: Session, task: str) -> Resident:
    """Give the incumbent of a task from memory, or read it.

    Raises
    ------
    NotTrainedError
        The task has no incumbent.
    """
    return _resident(session, _incumbent(session, task))


def resident_walk(session: Session, task: str) -> Resident:
    """Give the walk of an item-to-item task from memory, or read it.

    Raises
    ------
    NotTrainedError
        The task has no incumbent.
    """
    _incumbent(session, task)
    return _resident(session, walk_of(task))


def _resident(session: Session, stored: StoredModel) -> Resident:
    """Give a stored model; in memory it is known by what it is, not by its id."""
    versions = artifact_versions(session, stored.model_id)
    key = (stored.algorithm, repr(stored.params), *(sha256 for _, sha256, _ in versions))
    with _LOCK:
        if key in _RESIDENT:
            _RESIDENT.move_to_end(key)
            return _RESIDENT[key]
    model, ids, exclude_bought = read_model(session, stored)
    code_of = {text: code for code, text in enumerate(ids)}
    encoder = read_encoder(session, stored.model_id)
    resident = Resident(model, ids, code_of, exclude_bought, encoder)
    with _LOCK:
        _RESIDENT[key] = resident
        while len(_RESIDENT) > MOST_RESIDENT:
            _RESIDENT.popitem(last=False)
    return resident


def _incumbent(session: Session, task: str) -> StoredModel:
    for stored in incumbents(session):
        if stored.task == task:
            return stored
    raise NotTrainedError(
        f"The task {task} must be trained first. CALL recsql.train(task := '{task}')."
    )
