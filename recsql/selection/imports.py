"""Networks that users bring: stored, and put among those that compete."""

from __future__ import annotations

from functools import partial

from recsql.database import Session
from recsql.errors import ParameterError
from recsql.models.base import Model
from recsql.models.catalogue import model_named
from recsql.models.imported import Imported
from recsql.models.network import GRAPH, SIGNATURE
from recsql.networks.brought import Brought, read_brought
from recsql.store.artifacts import delete_artifacts, read_file, write_file
from recsql.store.models import StoredModel


def import_id(task: str, network: str) -> str:
    """Give the id of the artifacts of a network that was imported."""
    return f"{Imported.name}/{task}/{network}"


def write_import(session: Session, network: Brought) -> None:
    """Store a network in place of one of the same task and name; in the caller's transaction."""
    stored = import_id(network.task, network.name)
    delete_artifacts(session, stored)
    write_file(session, stored, GRAPH, network.graph.content)
    write_file(session, stored, SIGNATURE, network.text.encode())


def read_import(session: Session, model_id: str) -> Brought:
    """Read a network, of those imported or of a model that serves.

    Raises
    ------
    StateError
        The stored bytes are missing or changed, or are no network.
    """
    content = read_file(session, model_id, GRAPH)
    return read_brought(content, read_file(session, model_id, SIGNATURE))


def imports_for(session: Session, task: str, incumbent: StoredModel | None) -> list[Model]:
    """Give the networks that were imported for a task, and the one that serves it now."""
    found: list[Model] = []
    for (model_id,) in session.rows(
        "SELECT a.model_id FROM recsql.artifacts AS a WHERE starts_with(a.model_id, ?) "
        "AND a.name = ? ORDER BY 1",
        [import_id(task, ""), GRAPH],
    ):
        version = session.value(
            "SELECT a.sha256 FROM recsql.artifacts AS a WHERE a.model_id = ? AND a.name = ?",
            [model_id, GRAPH],
        )
        network = model_id.removeprefix(import_id(task, ""))
        found.append(_reading(Imported(network, version[:12]), session, model_id))
    if incumbent is not None and incumbent.algorithm == Imported.name:
        serving = make_model(session, incumbent)
        if serving not in found:
            found.append(serving)
    return found


def make_model(session: Session, stored: StoredModel) -> Model:
    """Give a stored model with its settings, ready to learn; one that was imported from itself."""
    model = model_named(stored.algorithm)(**stored.params)
    return _reading(model, session, stored.model_id) if isinstance(model, Imported) else model


def count_known(session: Session, network: Brought) -> tuple[int, int]:
    """Count the items of the interactions that a network knows, and all of them.

    Raises
    ------
    ParameterError
        It knows none.
    """
    import pyarrow as pa

    with session.loaded(_recsql_listed=pa.table({"id": pa.array(network.items, pa.string())})):
        ((known, in_all),) = session.rows(
            "SELECT count(l.id), count(*) FROM "
            "(SELECT DISTINCT i.item_id::VARCHAR AS id FROM recsql.interactions AS i) AS i "
            "LEFT JOIN _recsql_listed AS l ON l.id = i.id"
        )
    if known == 0:
        raise ParameterError(
            f"The network {network.name} must know an item of recsql.interactions, got none of "
            f"{in_all:,}. Its items begin with {network.items[0]!r}: list ids as they are there."
        )
    return int(known), int(in_all)


def _reading(model: Imported, session: Session, model_id: str) -> Imported:
    model.source = partial(_network_and_ids, session, model_id)
    return model


def _network_and_ids(session: Session, model_id: str) -> tuple[Brought, list[str]]:
    """Give a network, and the ids of TEMP _recsql_item_code in the order of the models' codes."""
    ids = session.rows("SELECT c.item_id::VARCHAR FROM _recsql_item_code AS c ORDER BY c.item_id")
    return read_import(session, model_id), [text for (text,) in ids]
