"""Models that answer for customers: kept as arrays, with the item ids that their codes mean."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.database import Session
from recsql.models.base import Model
from recsql.models.catalogue import model_named
from recsql.store.artifacts import (
    artifact_versions,
    delete_artifacts,
    read_artifact,
    write_artifact,
)
from recsql.store.models import StoredModel

if TYPE_CHECKING:
    import pyarrow as pa

ARRAYS = "model"
ITEMS = "items"


def write_model(
    session: Session,
    stored: StoredModel,
    model: Model,
    item_ids: pa.Array,
    *,
    exclude_bought: bool,
) -> None:
    """Store a fitted model in place of what was stored under its id.

    ``exclude_bought`` tells what its answers leave out where a call does not say.
    """
    delete_artifacts(session, stored.model_id)
    write_artifact(session, stored.model_id, ARRAYS, model.arrays())
    ids = _id_arrays(item_ids) | {"exclude_bought": np.array([exclude_bought])}
    write_artifact(session, stored.model_id, ITEMS, ids)
    session.execute(
        "UPDATE recsql.models AS m SET size_bytes = ? WHERE m.model_id = ?",
        [sum(size for _, _, size in artifact_versions(session, stored.model_id)), stored.model_id],
    )


def read_model(session: Session, stored: StoredModel) -> tuple[Model, Sequence[str], bool]:
    """Give a stored model, the id of each item code as text, and whether bought items are left out.

    Raises
    ------
    StateError
        The stored bytes are missing, or are not those that were written.
    """
    arrays = read_artifact(session, stored.model_id, ITEMS)
    ids = _ids_of(arrays)
    model = model_named(stored.algorithm)(**stored.params)
    model.restore(read_artifact(session, stored.model_id, ARRAYS), len(ids))
    return model, ids, bool(arrays["exclude_bought"][0])


def _id_arrays(item_ids: pa.Array) -> dict[str, Any]:
    """Lay ids out as UTF-8 one after the other, and where each of them begins."""
    import pyarrow as pa

    texts = [text.encode() for text in item_ids.cast(pa.string()).to_pylist()]
    ptr = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return {"ptr": ptr, "text": np.frombuffer(b"".join(texts), dtype=np.uint8)}


def _ids_of(arrays: dict[str, Any]) -> list[str]:
    text = arrays["text"].tobytes()
    ptr = arrays["ptr"].tolist()
    return [text[start:end].decode() for start, end in pairwise(ptr)]
