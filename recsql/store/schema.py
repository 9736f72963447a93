"""The schema of the state: created, checked, migrated, removed."""

from __future__ import annotations

from recsql.columns import VIEWS
from recsql.data.bind import id_types, unbound_view
from recsql.database import Session, body, fill, sql_names, sql_text
from recsql.errors import StateError
from recsql.settings import SETTINGS
from recsql.version import __version__

SCHEMA_VERSION = 1
UNBOUND_TYPES = {name: "VARCHAR" for name in ("user_id_type", "item_id_type", "basket_id_type")}

# One function a step: version n to n + 1, inside the transaction of ``prepare``.
MIGRATIONS: dict[int, str] = {}


def schema_exists(session: Session) -> bool:
    """Tell whether the database has a state of recsql."""
    return bool(
        session.value(
            "SELECT count(*) FROM duckdb_tables() AS t WHERE t.database_name = current_database() "
            "AND t.schema_name = 'recsql' AND t.table_name = 'meta'"
        )
    )


def prepare(session: Session, prefix: str | None) -> None:
    """Create the state, or bring an older one to this version; inside a transaction.

    Raises
    ------
    StateError
        A newer recsql wrote the state, or the functions carry another prefix.
    """
    if schema_exists(session):
        _migrate(session)
        return
    session.execute("CREATE SCHEMA IF NOT EXISTS recsql")
    for name in sql_names("tables"):
        session.execute(body(sql_text("tables", name)))
    for setting in SETTINGS:
        session.execute(
            "INSERT INTO recsql.settings VALUES (?, ?, ?)",
            [setting.name, setting.value, setting.meaning],
        )
    for source in VIEWS:
        session.execute(f"CREATE OR REPLACE VIEW recsql.{source} AS {unbound_view(source)}")
    create_stored(session, UNBOUND_TYPES)
    session.execute(body(sql_text("reports", "leaderboard")))
    session.execute(
        "INSERT INTO recsql.meta VALUES (?, ?, now()::TIMESTAMP, ?)",
        [SCHEMA_VERSION, __version__, prefix or ""],
    )


def check_version(session: Session) -> None:
    """Refuse a state that a newer recsql wrote."""
    version, writer = session.rows("SELECT m.schema_version, m.recsql_version FROM recsql.meta AS m")[0]
    if version > SCHEMA_VERSION:
        raise StateError(
            f"The state must have schema version {SCHEMA_VERSION} or older, got {version}, written "
            f"by recsql {writer}. Upgrade: pip install -U duckdb-recsql."
        )


def stored_prefix(session: Session) -> str:
    """Give the prefix that the SQL functions of this database carry."""
    return str(session.value("SELECT m.prefix FROM recsql.meta AS m"))


def create_stored(session: Session, types: dict[str, str]) -> None:
    """Create the tables of stored answers anew and empty, with these id types."""
    for name in sql_names("stored"):
        session.execute(fill(body(sql_text("stored", name)), types))


def reset_stored(session: Session) -> None:
    """Empty the stored answers and retire every model, after another table was bound."""
    create_stored(session, id_types(session))
    session.execute(
        "UPDATE recsql.models AS m SET status = 'retired' WHERE m.status IN ('incumbent', 'candidate')"
    )
    session.execute("DELETE FROM recsql.artifacts")


def remove(session: Session) -> None:
    """Drop the schema and everything in it."""
    session.execute("DROP SCHEMA IF EXISTS recsql CASCADE")


def _migrate(session: Session) -> None:
    check_version(session)
    version = session.value("SELECT m.schema_version FROM recsql.meta AS m")
    for step in range(version, SCHEMA_VERSION):
        session.execute(MIGRATIONS[step])
    if version < SCHEMA_VERSION:
        session.execute("UPDATE recsql.meta SET schema_version = ?", [SCHEMA_VERSION])
