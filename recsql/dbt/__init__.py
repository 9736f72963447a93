"""recsql inside dbt: the plugin of dbt-duckdb, and the dbt package with its macros and tests.

In profiles.yml::

    plugins:
      - module: recsql.dbt
        alias: recsql

``python -m recsql.dbt FOLDER`` copies the dbt package into a project.
"""

from __future__ import annotations

from recsql.errors import MissingExtraError

try:
    from recsql.dbt.plugin import Plugin
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] != "dbt":
        raise
    raise MissingExtraError(
        "recsql.dbt must have the packages dbt-core and dbt-duckdb, got none. "
        "pip install 'duckdb-recsql[dbt]'"
    ) from error

__all__ = ["Plugin"]
