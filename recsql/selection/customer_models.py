"""Models that answer for customers: kept as arrays, with the item ids that their codes mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.features import AttributeEncoder
from recsql.database import Session
from recsql.errors import StateError
from recsql.models.base import Model
from recsql.models.catalogue import model_named
from recsql.models.nearest import NearestVectors
from recsql.models.network import WEIGHTS, Network
from recsql.models.purchases import Purchases
from recsql.models.random_walk import RandomWalk
from recsql.models.similar import (
    ItemVectors,
    customer_arrays,
    customers_of_arrays,
    learn_customers,
)
from recsql.networks.signature import content_hash
from recsql.settings import setting_int
from recsql.splits.customers import customers_rebuy
from recsql.store.artifacts import (
    artifact_versions,
    delete_artifacts,
    read_artifact,
    read_file,
    write_artifact,
    write_file,
)
from recsql.store.models import StoredModel

if TYPE_CHECKING:
    import pyarrow as pa

ARRAYS = "model"
ITEMS = "items"
ENCODER = "attributes"
CONTEXT = "context"
VECTORS = "for_you/vectors"
ITEM_VECTORS = "item_vectors"
CUSTOMERS = "customers"
CUSTOMER_VECTORS = "customer_vectors"


def write_model(
    session: Session,
    stored: StoredModel,
    model: Model,
    item_ids: pa.Array,
    *,
    exclude_bought: bool,
    encoder: AttributeEncoder | None = None,
    context: AttributeEncoder | None = None,
) -> None:
    """Store a fitted model in place of what was stored under its id.

    Parameters
    ----------
    exclude_bought : what its answers leave out where a call does not say
    encoder : how attributes of customers became features; None where it knows none
    context : how the context of events became features; None where it reads none
    """
    delete_artifacts(session, stored.model_id)
    write_artifact(session, stored.model_id, ARRAYS, model.arrays())
    ids = _id_arrays(item_ids)
    leaves_out = {"exclude_bought": np.array([exclude_bought])}
    write_artifact(session, stored.model_id, ITEMS, ids | leaves_out)
    for name, known in ((ENCODER, encoder), (CONTEXT, context)):
        if known is not None:
            write_artifact(session, stored.model_id, name, known.arrays())
    for name, content in model.files(_vocabulary(ids, encoder, context)).items():
        write_file(session, stored.model_id, name, content)
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
    names = [name for name, _, _ in artifact_versions(session, stored.model_id)]
    files = {
        name: read_file(session, stored.model_id, name)
        for name in names
        if name not in (ARRAYS, ITEMS, WEIGHTS, ENCODER, CONTEXT)
    }
    vocabulary = ""
    if files:
        encoders = (read_encoder(session, stored.model_id, name) for name in (ENCODER, CONTEXT))
        vocabulary = _vocabulary(arrays, *encoders)
    model = model_named(stored.algorithm)(**stored.params)
    model.restore(read_artifact(session, stored.model_id, ARRAYS), len(ids), files, vocabulary)
    return model, ids, bool(arrays["exclude_bought"][0])


def let_go_on(session: Session, stored: StoredModel, model: Network, item_ids: pa.Array) -> None:
    """Let a network begin with what is stored of it; what is damaged begins anew."""
    with suppress(StateError):
        before, known, _ = read_model(session, stored)
        weights = read_file(session, stored.model_id, WEIGHTS)
        sold = np.delete(np.array(known, dtype=object), before.unsold_items())
        place = {item: code for code, item in enumerate(sold.tolist())}
        ids = _ids_of(_id_arrays(item_ids))
        model.goes_on(weights, np.array([place.get(item, -1) for item in ids], dtype=np.int64))


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


def write_vectors(session: Session, purchases: Purchases) -> None:
    """Store the vectors of items and customers, whoever serves for_you.

    Ids are those of the TEMP tables that the snapshot left.
    """
    item_ids = session.arrow(
        "SELECT c.item_id::VARCHAR AS id FROM _recsql_item_code AS c ORDER BY c.item_id"
    ).column("id")
    user_ids = session.arrow(
        "SELECT a.user_id::VARCHAR AS id FROM _recsql_actor AS a "
        "WHERE a.user_id IS NOT NULL ORDER BY a.actor"
    ).column("id")
    items = ItemVectors.learn(purchases)
    customer, index = learn_customers(items, purchases, len(user_ids))
    delete_artifacts(session, VECTORS)
    write_artifact(session, VECTORS, ITEMS, _id_arrays(item_ids))
    write_artifact(session, VECTORS, ITEM_VECTORS, items.arrays())
    write_artifact(session, VECTORS, CUSTOMERS, _id_arrays(user_ids.take(customer)))
    write_artifact(session, VECTORS, CUSTOMER_VECTORS, customer_arrays(index))


def read_item_vectors(session: Session) -> tuple[ItemVectors, Sequence[str]]:
    """Give the vectors of items, and the id of each as text.

    Raises
    ------
    StateError
        The stored bytes are missing, or are not those that were written.
    """
    ids = _ids_of(read_artifact(session, VECTORS, ITEMS))
    return ItemVectors.from_arrays(read_artifact(session, VECTORS, ITEM_VECTORS)), ids


def read_customer_vectors(session: Session) -> tuple[NearestVectors, Sequence[str]]:
    """Give the index of customers, and the id of each as text.

    Raises
    ------
    StateError
        The stored bytes are missing, or are not those that were written.
    """
    ids = _ids_of(read_artifact(session, VECTORS, CUSTOMERS))
    return customers_of_arrays(read_artifact(session, VECTORS, CUSTOMER_VECTORS)), ids


def read_encoder(session: Session, model_id: str, name: str = ENCODER) -> AttributeEncoder | None:
    """Give how something becomes features of a stored model; None where it knows none.

    Parameters
    ----------
    name : ENCODER for attributes of customers, CONTEXT for the context of events
    """
    if all(stored != name for stored, _, _ in artifact_versions(session, model_id)):
        return None
    return AttributeEncoder.of_arrays(read_artifact(session, model_id, name))


def _vocabulary(ids: Mapping[str, Any], *encoders: AttributeEncoder | None) -> str:
    """Give the hash of what the codes of items, attributes and contexts mean."""
    known = [encoder for encoder in encoders if encoder is not None]
    attributes = [encoder.arrays()["attributes"].tobytes() for encoder in known]
    ptr = np.asarray(ids["ptr"], dtype=np.int64)
    return content_hash(ids["text"].tobytes(), ptr.tobytes(), *attributes)


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
