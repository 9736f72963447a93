"""The counted pairs of incumbents: a stored base, the changes since, and the latest in memory.

Writing all pairs costs more than changing them. So a refresh stores only the groups that came and
went, until these are large enough to be worth a new base; a process that has trained or refreshed
finds the pairs that it wrote last in memory.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from dataclasses import dataclass

from recsql.database import Session
from recsql.models.catalogue import model_named
from recsql.models.copurchase import CoPurchase, PairChange
from recsql.store.artifacts import (
    artifact_versions,
    delete_artifacts,
    read_artifact,
    write_artifact,
)
from recsql.store.models import StoredModel

BASE = "pairs"
CHANGE = "pairs+{:06d}"
Artifacts = list[tuple[str, str, int]]
MOST_LOGGED = 0.25  # of the bytes of the base
MOST_RESIDENT = 4

_RESIDENT: OrderedDict[tuple[str, ...], CoPurchase] = OrderedDict()
_LOCK = threading.Lock()


@dataclass(frozen=True)
class KeptPairs:
    """A model whose pairs are known, and what names it: settings and artifacts with SHA-256."""

    model: CoPurchase
    version: tuple[str, ...]


def are_kept(session: Session, stored: StoredModel) -> bool:
    """Tell whether the pairs of a model were stored."""
    return any(name == BASE for name, _, _ in artifact_versions(session, stored.model_id))


def read_pairs(session: Session, stored: StoredModel) -> CoPurchase:
    """Give an incumbent with its pairs, for the caller to change.

    Raises
    ------
    StateError
        The stored bytes are not those that were written.
    """
    artifacts = artifact_versions(session, stored.model_id)
    model = model_named(stored.algorithm)(**stored.params)
    assert isinstance(model, CoPurchase)  # only these keep pairs
    with _LOCK:
        resident = _RESIDENT.get(_version(model, artifacts))
    if resident is not None:
        return copy.copy(resident)
    for name, _, _ in artifacts:
        arrays = read_artifact(session, stored.model_id, name)
        if name == BASE:
            model.restore(arrays, len(arrays["ptr"]) - 1)
        else:
            model.change(PairChange.of_arrays(arrays), None)
    return model


def write_base(session: Session, stored: StoredModel, model: CoPurchase) -> KeptPairs:
    """Store all pairs of a model, if it kept them, in place of what was stored."""
    delete_artifacts(session, stored.model_id)
    if model.arrays():
        write_artifact(session, stored.model_id, BASE, model.arrays())
    return _written(session, stored, model)


def write_change(
    session: Session, stored: StoredModel, model: CoPurchase, change: PairChange
) -> KeptPairs:
    """Store how the pairs of a model changed, or all of them when many changes have gathered."""
    artifacts = artifact_versions(session, stored.model_id)
    logged = sum(size for name, _, size in artifacts if name != BASE)
    logged += sum(array.nbytes for array in change.arrays().values())
    if logged > MOST_LOGGED * artifacts[0][2]:
        return write_base(session, stored, model)
    write_artifact(session, stored.model_id, CHANGE.format(len(artifacts)), change.arrays())
    return _written(session, stored, model)


def remember(kept: KeptPairs) -> None:
    """Hold pairs in memory once they are committed; the oldest make room."""
    if kept.model.pairs_ is None:
        return
    with _LOCK:
        _RESIDENT[kept.version] = copy.copy(kept.model)
        _RESIDENT.move_to_end(kept.version)
        while len(_RESIDENT) > MOST_RESIDENT:
            _RESIDENT.popitem(last=False)


def _written(session: Session, stored: StoredModel, model: CoPurchase) -> KeptPairs:
    artifacts = artifact_versions(session, stored.model_id)
    session.execute(
        "UPDATE recsql.models AS m SET size_bytes = ? WHERE m.model_id = ?",
        [sum(size for _, _, size in artifacts), stored.model_id],
    )
    return KeptPairs(model, _version(model, artifacts))


def _version(model: CoPurchase, artifacts: Artifacts) -> tuple[str, ...]:
    return (model.name, repr(model.params()), *(sha256 for _, sha256, _ in artifacts))
