"""A database file that is written under another name and moved into place when it is whole."""

from __future__ import annotations

import glob
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from recsql.connection import check_file_name, open_plain
from recsql.database import Session, literal
from recsql.errors import ParameterError, StateError

LEFT_FOR_SECONDS = 86_400


def check_target(session: Session, path: Path) -> None:
    """Refuse a file that must not be written: the database itself, or one of somebody else's.

    Raises
    ------
    ParameterError
        The folder is missing, the name is one that recsql cannot live with, or the file is no
        published one.
    StateError
        The process may not write files, or somebody has the file open for writing.
    """
    check_file_name(path)
    if not session.value("SELECT current_setting('enable_external_access')::BOOLEAN"):
        raise StateError(
            "publish must be allowed to write files, got a database with "
            "enable_external_access = false. Publish from a connection without it."
        )
    if not path.parent.is_dir():
        raise ParameterError(f"path must lie in a folder that exists, got {path}. Make it first.")
    if path.is_dir():
        raise ParameterError(f"path must be a file, got the folder {path}. Add a name to it.")
    if not path.exists():
        return
    rows = session.rows(
        "SELECT d.path FROM duckdb_databases() AS d WHERE d.path IS NOT NULL AND NOT d.internal"
    )
    if any(os.path.exists(name) and os.path.samefile(name, path) for (name,) in rows):
        raise ParameterError(
            f"path must not be a database that is in use, got {path}. Choose another name."
        )
    if Path(f"{path}.wal").exists():
        raise StateError(
            f"The file {path} must not be open for writing, got {path.name}.wal beside it. Close "
            "it there; readers open it with read_only."
        )
    if path.stat().st_size and not _is_published(path):
        raise ParameterError(
            f"path must be free or a file that recsql.publish wrote, got {path}, which is neither. "
            "Choose another name, or remove it."
        )


@contextmanager
def new_file(path: Path, storage_version: str) -> Iterator[Session]:
    """Give a session in a new database, which is moved to ``path`` when the block ends well.

    Raises
    ------
    ParameterError
        DuckDB does not know the storage version.
    """
    _sweep(path)
    written = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    con = duckdb.connect()
    try:
        _attach(con, written, storage_version)
        session = Session(con)
        session.execute("USE published")
        yield session
        session.execute("CHECKPOINT published")
        session.execute("USE memory")
        session.execute("DETACH published")
        con.close()
        _put(written, path)
    finally:
        con.close()
        for left in (written, Path(f"{written}.wal")):
            left.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove what killed processes left a day ago; younger files may be in the making."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp*"):
        with suppress(FileNotFoundError):  # another process has just moved it into place
            if time.time() - left.stat().st_mtime > LEFT_FOR_SECONDS:
                left.unlink()


def _attach(con: duckdb.DuckDBPyConnection, path: Path, storage_version: str) -> None:
    try:
        con.execute(
            f"ATTACH {literal(str(path))} AS published (STORAGE_VERSION {literal(storage_version)})"
        )
    except (duckdb.InvalidInputException, duckdb.BinderException) as error:
        raise ParameterError(
            f"storage_version must be one that DuckDB {duckdb.__version__} writes, got "
            f"{storage_version!r}: {str(error).splitlines()[0]} For example 'v1.5.0'."
        ) from error


def _put(written: Path, path: Path) -> None:
    """Move a file over another for good: its bytes first, then its name."""
    with open(written, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(written, path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _is_published(path: Path) -> bool:
    try:
        with open_plain(path, read_only=True) as con:
            tables = con.execute(
                "SELECT count(*) FROM duckdb_tables() AS t "
                "WHERE t.schema_name = 'recsql' AND t.table_name = 'publication'"
            ).fetchall()
    except duckdb.Error:
        return False
    return bool(tables[0][0])
