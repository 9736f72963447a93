"""The plugin of dbt-duckdb: every connection that dbt opens has recsql inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from recsql.connection import register
from recsql.data.sample import SAMPLE_NAMES, sample_path
from recsql.database import Session
from recsql.errors import ParameterError, StateError, UnknownNameError, did_you_mean
from recsql.settings import SETTINGS

OPTIONS = ("prefix", "settings")
_KNOWN_SETTINGS = tuple(setting.name for setting in SETTINGS)


class Plugin(BasePlugin):
    """recsql for dbt-duckdb.

    Options, under ``config`` of the plugin in profiles.yml:

    - ``prefix``: put before the names of the SQL functions, as in ``recsql.register``;
    - ``settings``: rows of ``recsql.settings`` by name, written where they differ.

    A source with ``meta: {plugin: recsql, sample: interactions}`` is a table of the bundled sample.
    """

    def initialize(self, plugin_config: Mapping[str, Any]) -> None:
        """Check the options.

        Raises
        ------
        ParameterError
            ``prefix`` is no text, or ``settings`` is no mapping.
        UnknownNameError
            There is no such option or setting.
        StateError
            The database does not lie in the process that runs dbt.
        """
        own = _own_options(plugin_config, getattr(self.creds, "settings", None) or {})
        _check_names("The option of the plugin recsql", own, OPTIONS)
        self.prefix = own.get("prefix")
        if not isinstance(self.prefix, str | None):
            raise ParameterError(f"prefix must be a text, got {self.prefix!r}. Write rec_.")
        given = own.get("settings") or {}
        if not isinstance(given, Mapping):
            raise ParameterError(
                f"settings must map names of recsql.settings to values, got {given!r}. "
                "For example settings: {stored_depth: 20}."
            )
        _check_names("The setting", given, _KNOWN_SETTINGS)
        self.settings = {name: _text(value) for name, value in given.items()}
        _check_local(self.creds)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register recsql in the database that dbt has just opened.

        Python functions belong to the database instance, so that the cursor of every thread has
        them; macros lie in the file. A cursor needs nothing of its own.
        """
        register(conn, prefix=self.prefix)
        session = Session(conn.cursor())
        for name, value in self.settings.items():
            session.execute(
                "UPDATE recsql.settings AS s SET value = ? "
                "WHERE s.name = ? AND s.value IS DISTINCT FROM ?",
                [value, name, value],
            )

    def load(self, source_config: Any) -> Any:
        """Give a table of the sample for a source: an Arrow table.

        Raises
        ------
        ParameterError
            The source does not say which table.
        UnknownNameError
            The sample has no such table.
        """
        import pyarrow.parquet as pq

        name = source_config.get("sample")
        if name is None:
            raise ParameterError(
                f"The source {source_config.name} of the plugin {self.name} must name a table of "
                f"the sample, got none. Write meta: {{plugin: {self.name}, sample: "
                f"{SAMPLE_NAMES[0]}}}."
            )
        return pq.read_table(sample_path(name))


def _own_options(given: Mapping[str, Any], duckdb_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the settings of DuckDB, which dbt-duckdb mixes into the options of a plugin."""
    return {
        name: value
        for name, value in given.items()
        if name not in duckdb_settings or duckdb_settings[name] != value
    }


def _check_names(what: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise UnknownNameError(
                f"{what} must be one of {', '.join(known)}, got {name!r}."
                f"{did_you_mean(str(name), known)}"
            )


def _text(value: object) -> str | None:
    """Give a value of YAML as recsql.settings keeps it."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _check_local(credentials: Any) -> None:
    """Refuse what runs elsewhere: Python functions live in one process."""
    where = None
    if getattr(credentials, "is_motherduck", False):
        where = f"MotherDuck ({credentials.path})"
    elif getattr(credentials, "remote", None):
        where = f"the server {credentials.remote.host}"
    if where is not None:
        raise StateError(
            f"The database must lie in the process that runs dbt, got {where}. "
            "Give path a file, for example shop.duckdb."
        )
