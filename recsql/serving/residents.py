"""Models in memory: the incumbent of a task, read once from its arrays.

Where its stored bytes are damaged, the newest earlier incumbent that is whole answers, with a
warning; what is repaired or trained again is seen at the next call.
"""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa

from recsql.data.features import AttributeEncoder
from recsql.database import Session
from recsql.errors import NotTrainedError, RecsqlError, StateError
from recsql.kernels.text_codes import TextCodes, text_codes
from recsql.models.base import Model
from recsql.models.nearest import NearestVectors
from recsql.models.similar import ItemVectors
from recsql.selection.customer_models import (
    CONTEXT,
    VECTORS,
    read_customer_vectors,
    read_encoder,
    read_item_vectors,
    read_model,
    walk_of,
)
from recsql.store.artifacts import artifact_versions
from recsql.store.models import StoredModel, earlier_incumbents, incumbents

MOST_RESIDENT = 8
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Resident:
    """A model in memory, its item ids as text by code and back, and what it leaves out.

    ``encoder`` makes features of attributes, ``context`` of the context of events and requests;
    None where it knows none.
    """

    model: Model
    ids: Sequence[str]
    code_of: dict[str, int]
    exclude_bought: bool
    encoder: AttributeEncoder | None
    context: AttributeEncoder | None = None

    @cached_property
    def texts(self) -> pa.Array:
        """Give the item ids by code as an Arrow array."""
        return pa.array(self.ids, pa.string())

    @cached_property
    def unsold(self) -> pa.Array:
        """Give the ids of the items in no purchase of training."""
        return self.texts.take(pa.array(self.model.unsold_items(), pa.int32()))

    @cached_property
    def text_codes(self) -> TextCodes:
        """Give the item codes by id, to be asked in bulk."""
        texts = [text.encode() for text in self.ids]
        ptr = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        return text_codes(ptr, np.frombuffer(b"".join(texts), dtype=np.uint8))


@dataclass(frozen=True)
class ResidentVectors(Generic[Kind]):
    """Vectors in memory, and the ids of their rows as text by code and back."""

    vectors: Kind
    ids: Sequence[str]
    code_of: dict[str, int]


_RESIDENT: OrderedDict[tuple[str, ...], Any] = OrderedDict()
_LOCK = threading.Lock()


def resident_of(session: Session, task: str) -> Resident:
    """Give the incumbent of a task from memory, or read it; an earlier one if it is damaged.

    Raises
    ------
    NotTrainedError
        The task has no incumbent.
    StateError
        The stored bytes are missing or damaged, and those of every earlier incumbent are too.
    """
    serving = _incumbent(session, task)
    try:
        return _resident(session, serving)
    except StateError as damaged:
        for earlier in earlier_incumbents(session, task):
            try:
                found = _resident(session, earlier)
            except RecsqlError:  # damaged too, or a model that this version does not have
                continue
            # Python says the same warning once.
            text = f"{damaged} Until then {earlier.model_id} answers in place of the incumbent."
            warnings.warn(text, RuntimeWarning, stacklevel=2)
            return found
        raise


def resident_walk(session: Session, task: str) -> Resident:
    """Give the walk of an item-to-item task from memory, or read it.

    Raises
    ------
    NotTrainedError
        The task has no incumbent.
    StateError
        The stored bytes are missing or damaged: walks of earlier trainings are not kept.
    """
    _incumbent(session, task)
    return _resident(session, walk_of(task))


def resident_items(session: Session) -> ResidentVectors[ItemVectors]:
    """Give the vectors of items from memory, or read them.

    Raises
    ------
    NotTrainedError
        for_you has no incumbent.
    """
    return _resident_vectors(session, "items", read_item_vectors)


def resident_users(session: Session) -> ResidentVectors[NearestVectors]:
    """Give the vectors of customers from memory, or read them.

    Raises
    ------
    NotTrainedError
        for_you has no incumbent.
    """
    return _resident_vectors(session, "customers", read_customer_vectors)


def _resident_vectors(
    session: Session, what: str, read: Callable[[Session], tuple[Kind, Sequence[str]]]
) -> ResidentVectors[Kind]:
    _incumbent(session, "for_you")

    def make() -> ResidentVectors[Kind]:
        vectors, ids = read(session)
        return ResidentVectors(vectors, ids, {text: code for code, text in enumerate(ids)})

    versions = artifact_versions(session, VECTORS)
    return _kept((VECTORS, what, *(sha256 for _, sha256, _ in versions)), make)


def _resident(session: Session, stored: StoredModel) -> Resident:
    """Give a stored model; in memory it is known by what it is, not by its id."""
    versions = artifact_versions(session, stored.model_id)
    key = (stored.algorithm, repr(stored.params), *(sha256 for _, sha256, _ in versions))

    def make() -> Resident:
        model, ids, exclude_bought = read_model(session, stored)
        code_of = {text: code for code, text in enumerate(ids)}
        encoder = read_encoder(session, stored.model_id)
        context = read_encoder(session, stored.model_id, CONTEXT)
        return Resident(model, ids, code_of, exclude_bought, encoder, context)

    return _kept(key, make)


def _kept(key: tuple[str, ...], make: Callable[[], Kind]) -> Kind:
    """Give what is in memory under a key; it is made where it is not there."""
    with _LOCK:
        if key in _RESIDENT:
            _RESIDENT.move_to_end(key)
            found: Kind = _RESIDENT[key]
            return found
    made = make()
    with _LOCK:
        _RESIDENT[key] = made
        while len(_RESIDENT) > MOST_RESIDENT:
            _RESIDENT.popitem(last=False)
    return made


def _incumbent(session: Session, task: str) -> StoredModel:
    for stored in incumbents(session):
        if stored.task == task:
            return stored
    raise NotTrainedError(
        f"The task {task} must be trained first. CALL recsql.train(task := '{task}')."
    )
