"""Models that answer for customers: kept as arrays, with the item ids that their codes mean."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.features import AttributeEncoder
from recsql.database import Session
from recsql.models.base import Model, Purchases
from recsql.models.catalogue import model_named
from recsql.models.random_walk import RandomWalk
from recsql.settings import setting_int
from recsql.splits.customers import customers_rebuy
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
ENCODER = "attributes"


def write_model(
    session: Session,
    stored: StoredModel,
    model: Model,
    item_ids: pa.Array,
    *,
    exclude_bought: bool,
    encoder: AttributeEncoder | None = None,
) -> None:
    """Store a fitted model in place of what was stored under its id.

    Parameters
    ----------
    exclude_bought : what its answers leave out where a call does not say
    encoder : how attributes of customers became features; None where it knows none
    """
    delete_artifacts(session, stored.model_id)
    write_artifact(session, stored.model_id, ARRAYS, model.arrays())
    ids = _id_arrays(item_ids) | {"exclude_bought": np.array([exclude_bought])}
    write_artifact(session, stored.model_id, ITEMS, ids)
    if encoder is not None:
        write_artifact(session, stored.model_id, ENCODER, encoder.arrays())
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


def walk_of(task: str) -> StoredModel:
    """Name the walk that answers an item-to-item task for one customer, whoever serves the task."""
    over = "customers" if task == "related" else "baskets"
    return StoredModel(f"{task}/walk", task, RandomWalk.name, RandomWalk(over=over).params())


def write_walk(session: Session, task: str, purchases: Purchases, item_ids: pa.Array) -> None:
    """Store what the walk of a task goes over: at most ``max_customer_events`` purchases."""
    most = setting_int(session, "max_customer_events")
    known = purchases
    if purchases.size > most:
        rng = np.random.default_rng(0)
        known = purchases.random_part(most / purchases.size, rng)[0]
    stored = walk_of(task)
    model = model_named(stored.algorithm)(**stored.params).fit(known)
    rebuy = purchases.events is not None and customers_rebuy(purchases.events)
    leaves_out = task == "related" or not rebuy
    write_model(session, stored, model, item_ids, exclude_bought=leaves_out)


def read_encoder(session: Session, model_id: str) -> AttributeEncoder | None:
    """Give how attributes become features of a stored model; None where it knows none."""
    if all(name != ENCODER for name, _, _ in artifact_versions(session, model_id)):
        return None
    return AttributeEncoder.of_arrays(read_artifact(session, model_id, ENCODER))


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
