"""Load DuckDB's extensions quack and httpfs: from packages on 1.5, from DuckDB's own on 2.0."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb

from recsql.database import literal
from recsql.errors import MissingExtraError

EXTENSIONS = ("httpfs", "quack")
_PACKAGED = ("1.5.3", "1.5.4", "1.5.5")  # releases for which the package index has both


def load_extensions(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Load what the server needs; gives the LOAD statements, which clients need too.

    Raises
    ------
    MissingExtraError
        An extension is not there for this DuckDB.
    """
    version = str(con.execute("SELECT version()").fetchall()[0][0]).removeprefix("v")
    return [_load(con, name, version) for name in EXTENSIONS]


def _load(con: duckdb.DuckDBPyConnection, name: str, version: str) -> str:
    file = packaged_file(name, version)
    statement = f"LOAD {literal(str(file))}" if file else f"LOAD {name}"
    try:
        con.execute(statement)
    except duckdb.Error as error:
        if file is not None:
            raise MissingExtraError(
                f"DuckDB's extension {name} must be loadable, got: {_first_line(error)} "
                f"{remedy(version)}"
            ) from error
        _install(con, name, version, error)
    return f"{statement};"


def _install(
    con: duckdb.DuckDBPyConnection, name: str, version: str, missing: duckdb.Error
) -> None:
    """Let DuckDB 2 fetch an extension from its own repository, over the network."""
    got = missing
    if not version.startswith("1."):
        try:
            con.execute(f"INSTALL {name}")
            con.execute(f"LOAD {name}")
        except duckdb.Error as error:
            got = error
        else:
            return
    raise MissingExtraError(
        f"DuckDB's extension {name} must be installed to serve, got none for DuckDB {version}: "
        f"{_first_line(got)} {remedy(version)}"
    ) from got


def packaged_file(name: str, version: str) -> Path | None:
    """Give the file of an extension that pip installed for this version of DuckDB, or None."""
    found = find_spec(f"duckdb_extension_{name}")
    for folder in found.submodule_search_locations or () if found else ():
        file = Path(folder) / "extensions" / f"v{version}" / f"{name}.duckdb_extension"
        if file.is_file():
            return file
    return None


def remedy(version: str) -> str:
    """Say how to get the extensions for a version of DuckDB."""
    if not version.startswith("1."):
        return (
            "Run INSTALL httpfs; INSTALL quack; once in DuckDB where it can reach "
            "extensions.duckdb.org."
        )
    fitting = version if version in _PACKAGED else _PACKAGED[-1]
    packages = [f"duckdb-extension-{name}=={fitting}" for name in EXTENSIONS]
    if fitting != version:
        packages.insert(0, f"duckdb=={fitting}")
    return f"pip install {' '.join(packages)}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") + "."
