"""Arrays of models as rows: npz without pickle, with their SHA-256."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from recsql.database import Session
from recsql.errors import StateError

Array = np.ndarray[Any, np.dtype[Any]]


def artifact_versions(session: Session, model_id: str) -> list[tuple[str, str, int]]:
    """Give name, SHA-256 and bytes of each artifact of a model, in order of name."""
    found = session.rows(
        "SELECT a.name, a.sha256, a.size_bytes FROM recsql.artifacts AS a WHERE a.model_id = ?",
        [model_id],
    )
    return sorted(found)


def delete_artifacts(session: Session, model_id: str) -> None:
    """Delete every artifact of a model."""
    session.execute("DELETE FROM recsql.artifacts AS a WHERE a.model_id = ?", [model_id])


def write_artifact(session: Session, model_id: str, name: str, arrays: Mapping[str, Array]) -> None:
    """Store arrays under a name that the model does not have yet.

    Whole numbers that are not negative are stored in the narrowest type that holds them.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **{key: _narrowed(values) for key, values in arrays.items()})  # type: ignore[arg-type]
    write_file(session, model_id, name, buffer.getbuffer())


def write_file(session: Session, model_id: str, name: str, content: bytes | memoryview) -> None:
    """Store bytes under a name that the model does not have yet."""
    session.execute(
        "INSERT INTO recsql.artifacts VALUES (?, ?, ?, ?, ?, NULL)",
        [model_id, name, hashlib.sha256(content).hexdigest(), len(content), content],
    )


def read_artifact(session: Session, model_id: str, name: str) -> dict[str, Array]:
    """Read arrays back.

    Raises
    ------
    StateError
        There are none, or the bytes do not have the SHA-256 they were stored with.
    """
    with np.load(io.BytesIO(read_file(session, model_id, name)), allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def read_file(session: Session, model_id: str, name: str) -> bytes:
    """Read bytes back.

    Raises
    ------
    StateError
        There are none, or they do not have the SHA-256 they were stored with.
    """
    rows = session.rows(
        "SELECT a.sha256, a.bytes FROM recsql.artifacts AS a WHERE a.model_id = ? AND a.name = ?",
        [model_id, name],
    )
    sha256, content = rows[0] if rows else ("", b"")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise StateError(
            f"The artifact {name} of {model_id} must have SHA-256 {sha256}, got other bytes. "
            "CALL recsql.train() to make it again."
        )
    return bytes(content)


def _narrowed(values: Array) -> Array:
    if values.dtype.kind != "i" or values.size == 0 or values.min() < 0:
        return values
    return values.astype(np.min_scalar_type(int(values.max())), copy=False)
