"""Take in a network that learned elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from recsql.errors import ParameterError, StateError
from recsql.statements.core import Call, Rows, require_bound, require_writable, statement


@statement
def import_model(
    call: Call, path: str | os.PathLike[str], *, signature: str | os.PathLike[str] | None = None
) -> Rows:
    """Check a network of yours and store it, to compete for the task of its signature."""
    from recsql.networks.brought import read_brought
    from recsql.networks.trial import try_out
    from recsql.selection.imports import count_known, write_import

    session = call.session
    require_writable(session)
    require_bound(session)
    if not session.value("SELECT current_setting('enable_external_access')::BOOLEAN"):
        raise StateError(
            "import_model must be allowed to read files, got a database with "
            "enable_external_access = false. Import from a connection without it."
        )
    content = _content(path, "path", "the name of an ONNX file")
    if signature is None:
        signature = Path(os.fspath(path)).with_suffix(".json")
    network = read_brought(content, _content(signature, "signature", "the name of a JSON file"))
    try_out(network)
    known, in_all = count_known(session, network)
    with session.transaction():
        write_import(session, network)
    step = f"CALL recsql.train(task := '{network.task}', models := ['imported'])"
    answers = "pairs" if network.scores_pairs else "all items"
    return [
        (
            network.task,
            network.name,
            network.version,
            answers,
            len(network.items),
            known,
            in_all,
            step,
        )
    ]


def _content(path: object, argument: str, what: str) -> bytes:
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise ParameterError(f"{argument} must be {what}, got {path!r}.")
    file = Path(os.fspath(path))
    if not file.is_file():
        found = "a folder" if file.is_dir() else "no such file"
        raise ParameterError(f"{argument} must be {what}, got {file}: {found}. Check the name.")
    return file.read_bytes()
