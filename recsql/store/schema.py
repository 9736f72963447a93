"""The schema of the state: created, checked, migrated, removed."""

from __future__ import annotations

from recsql.columns import VIEWS
from recsql.data.bind import id_types, unbound_view
from recsql.database import Session, body, fill, sql_names, sql_text
from recsql.errors import StateError
from recsql.settings import SETTINGS
from recsql.store.weights import write_preset
from recsql.tasks import TASKS
from recsql.version import __version__

SCHEMA_VERSION = 3
UNBOUND_TYPES = dict.fromkeys(("user_id_type", "item_id_type", "basket_id_type"), "VARCHAR")

# One SQL text a step: version n to n + 1, inside the transaction of ``prepare``.
MIGRATIONS: dict[int, str] = {
    1: body(sql_text("tables", "forgotten_users")),
    2: f"CREATE OR REPLACE VIEW recsql.knowledge AS {unbound_view('knowledge')}; "
    + body(sql_text("stored", "item_facts")),
}


def schema_exists(session: Session) -> bool:
    """Tell whether the database has a state of recsql."""
    return bool(
        session.value(
            "SELECT count(*) FROM duckdb_tables() AS t WHERE t.database_name = current_database() "
            "AND t.schema_name = 'recsql' AND t.table_name = 'meta'"
        )
    )


def prepare(session: Session, prefix: str | None) -> None:
    """Fill the schema ``recsql``, or bring an older state to this version; in a transaction.

    Raises
    ------
    StateError
        A newer recsql wrote the state.
    """
    if schema_exists(session):
        _migrate(session)
        return
    for name in sql_names("tables"):
        session.execute(body(sql_text("tables", name)))
    for setting in SETTINGS:
        session.execute(
            "INSERT INTO recsql.settings VALUES (?, ?, ?)",
            [setting.name, setting.value, setting.meaning],
        )
    for task in TASKS:
        write_preset(session, "quality", task)
    for source in VIEWS:
        session.execute(f"CREATE OR REPLACE VIEW recsql.{source} AS {unbound_view(source)}")
    create_stored(session, UNBOUND_TYPES)
    session.execute(body(sql_text("reports", "leaderboard")))
    session.execute(
        "INSERT INTO recsql.meta VALUES (?, ?, now()::TIMESTAMP, ?)",
        [SCHEMA_VERSION, __version__, prefix or ""],
    )


def check_free(session: Session) -> None:
    """Refuse to move into a schema ``recsql`` that holds something of the user's."""
    there = session.value(
        "SELECT count(*) FROM duckdb_schemas() AS s WHERE lower(s.schema_name) = 'recsql' "
        "AND s.database_name = current_database()"
    )
    if not there:
        return
    found = _contents(session)
    if found:
        raise StateError(
            f"The schema recsql must be free, got one of yours with {found[0]}. "
            "Rename it: CREATE SCHEMA another, and move what is in it."
        )


def check_removable(session: Session) -> None:
    """Refuse to remove the schema while something of the user's is in it."""
    ours = {*VIEWS, *(name for room in ("tables", "stored", "reports") for name in sql_names(room))}
    ours |= {row[0] for row in session.rows("SELECT f.name FROM recsql.functions AS f")}
    strangers = [name for name in _contents(session) if name not in ours]
    if strangers:
        raise StateError(
            f"The schema recsql must hold nothing of yours to be removed, got {strangers[0]}. "
            "Move it to another schema or DROP it, and uninstall again."
        )


def _contents(session: Session) -> list[str]:
    """Give the names of all tables, views and macros in the schema, in order."""
    rows = session.rows(
        "SELECT e.name FROM (SELECT t.table_name AS name, t.schema_name, t.database_name "
        "FROM duckdb_tables() AS t UNION ALL SELECT v.view_name, v.schema_name, v.database_name "
        "FROM duckdb_views() AS v UNION ALL SELECT f.function_name, f.schema_name, "
        "f.database_name FROM duckdb_functions() AS f) AS e WHERE lower(e.schema_name) = 'recsql' "
        "AND e.database_name = current_database() ORDER BY e.name"
    )
    return [name for (name,) in rows]


def is_old(session: Session) -> bool:
    """Tell whether the state has to be migrated."""
    return bool(
        session.value("SELECT m.schema_version < ? FROM recsql.meta AS m", [SCHEMA_VERSION])
    )


def check_version(session: Session) -> None:
    """Refuse a state that a newer recsql wrote, and one that does not say who wrote it."""
    rows = session.rows("SELECT m.schema_version, m.recsql_version FROM recsql.meta AS m")
    if len(rows) != 1:
        raise StateError(
            f"The table recsql.meta must have one row, got {len(rows)}. Restore it from a backup, "
            "or DROP SCHEMA recsql CASCADE and begin anew: your own tables are not in it."
        )
    check_not_newer(session)


def check_not_newer(session: Session) -> None:
    """Refuse a state that a newer recsql wrote."""
    for version, writer in session.rows(
        "SELECT m.schema_version, m.recsql_version FROM recsql.meta AS m"
    ):
        if version > SCHEMA_VERSION:
            raise StateError(
                f"The state must have schema version {SCHEMA_VERSION} or older, got {version}, "
                f"written by recsql {writer}. Upgrade: pip install -U duckdb-recsql."
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
    session.execute("UPDATE recsql.models AS m SET status = 'retired'")
    # What was imported belongs to the user.
    session.execute(
        "DELETE FROM recsql.artifacts AS a WHERE NOT starts_with(a.model_id, 'imported/')"
    )


def remove(session: Session) -> None:
    """Drop the schema and everything in it."""
    session.execute("DROP SCHEMA IF EXISTS recsql CASCADE")


def _migrate(session: Session) -> None:
    check_version(session)
    version = session.value("SELECT m.schema_version FROM recsql.meta AS m")
    for step in range(version, SCHEMA_VERSION):
        session.execute(fill(MIGRATIONS[step], id_types(session)))
    if version < SCHEMA_VERSION:
        known = session.rows("SELECT DISTINCT w.task FROM recsql.ranking_weights AS w")
        for task in sorted(set(TASKS) - {task for (task,) in known}):
            write_preset(session, "quality", task)
        session.execute("UPDATE recsql.meta SET schema_version = ?", [SCHEMA_VERSION])
