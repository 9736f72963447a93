"""What is installed and healthy, and what to do where it is not."""

from __future__ import annotations

import importlib
import os
import pkgutil
import platform
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import duckdb

from recsql.connection import connect, register
from recsql.database import Session
from recsql.errors import RecsqlError
from recsql.store.models import StoredModel, damaged_models, earlier_incumbents, incumbents
from recsql.store.schema import SCHEMA_VERSION, schema_exists
from recsql.tasks import LIVE_TASKS
from recsql.version import __version__

_DISTRIBUTION = "duckdb-recsql"
_REQUIRED = ("duckdb", "numpy", "pyarrow", "scipy", "numba", "onnxruntime")
# module, what pip calls it, what it is for
_OPTIONAL = (
    ("lightfm", "rectools-lightfm", "factorisation models"),
    ("hnswlib", "hnswlib", "approximate nearest neighbours"),
    ("torch", "torch", "training neural networks"),
)
_WARM_ORDERS = """
CREATE TABLE orders AS
SELECT n // 4 AS customer, 'item ' || (n * 7 % 11) AS item, n // 2 AS basket,
    TIMESTAMP '2024-01-01' + to_hours(n * 5) AS ordered_at
FROM range(200) AS r(n)
"""


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at.

    Attributes
    ----------
    part : what
    status : 'ok', 'optional' (not there and not needed), 'note' (worth knowing) or 'problem'
    detail : what was found
    remedy : what to do; '' where nothing is to be done
    """

    part: str
    status: str
    detail: str
    remedy: str = ""


def examine(database: Path | None = None, *, warm: bool = False) -> list[Checked]:
    """Look at the installation, and into a database file when one is given.

    Parameters
    ----------
    warm : run a tiny training in memory, which compiles the kernels and fills their cache
    """
    found = [*_installation(), *_runtime()]
    if warm:
        found.append(_warm())
    if database is not None:
        found += _database(database)
    return found


def _installation() -> Iterator[Checked]:
    yield Checked("recsql", "ok", __version__)
    yield _in_range("python", platform.python_version(), ">=3.11")
    needed = _needed()
    for name in _REQUIRED:
        yield _in_range(name, _version(name), needed.get(name, ""))
    for module, distribution, purpose in _OPTIONAL:
        if find_spec(module) is None:
            remedy = f"pip install {distribution}"
            yield Checked(module, "optional", f"not installed; for {purpose}", remedy)
        else:
            yield Checked(module, "ok", _version(distribution) or _version(module) or "installed")


def _needed() -> dict[str, str]:
    """Give the version range of each requirement, as the installed package states it."""
    try:
        stated = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    pairs = [re.match(r"([\w.-]+)\s*([<>=!~,.\d\s]*)", line) for line in stated]
    return {pair[1]: pair[2].strip() for pair in pairs if pair and ";" not in pair.string}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _in_range(name: str, version: str | None, range_: str) -> Checked:
    if version is None:
        return Checked(name, "problem", "not installed", f"pip install '{name}{range_}'")
    detail = f"{version} (needs {range_})" if range_ else version
    if _fits(version, range_):
        return Checked(name, "ok", detail)
    remedy = f"pip install '{name}{range_}'" if name != "python" else f"Use Python {range_}."
    return Checked(name, "problem", detail, remedy)


def _fits(version: str, range_: str) -> bool:
    """Tell whether a version lies in a range of '>=' and '<' bounds, separated by commas."""
    compared = {">=": lambda a, b: a >= b, "<": lambda a, b: a < b}
    bounds = re.findall(r"(>=|<)\s*([\d.]+)", range_)
    return all(compared[sign](_numbers(version), _numbers(bound)) for sign, bound in bounds)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3]]
    return tuple(numbers + [0] * (3 - len(numbers)))


def _runtime() -> Iterator[Checked]:
    from recsql.kernels._threads import available_threads

    with duckdb.connect() as con:
        threads = con.execute("SELECT current_setting('threads')").fetchall()[0][0]
    yield Checked("threads", "ok", f"kernels {available_threads()}, DuckDB {threads}")
    yield _kernel_cache()


def _kernel_cache() -> Checked:
    remedy = "Set NUMBA_CACHE_DIR to a folder you may write to."
    try:
        folder = _kernel_cache_folder()
    except RuntimeError as error:  # numba found no folder that it may write to
        return Checked("kernel cache", "problem", str(error).splitlines()[0], remedy)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        return Checked("kernel cache", "problem", f"{folder} cannot be written", remedy)
    compiled = len(list(folder.glob("*.nbc"))) if folder.exists() else 0
    if compiled == 0:
        return Checked("kernel cache", "note", f"empty: {folder}", "recsql doctor --warm")
    return Checked("kernel cache", "ok", f"{compiled} compiled kernels in {folder}")


def _kernel_cache_folder() -> Path:
    room = importlib.import_module("recsql.kernels")
    for module in pkgutil.iter_modules(room.__path__):
        loaded = importlib.import_module(f"{room.__name__}.{module.name}")
        for value in vars(loaded).values():
            if hasattr(value, "py_func") and hasattr(value, "stats"):
                return Path(value.stats.cache_path)
    raise RuntimeError("The kernels must be installed, got none.")


def _warm() -> Checked:
    """Train, change and refresh once in memory: after it every kernel is in the cache."""
    started = time.perf_counter()
    with connect() as con:
        con.execute(_WARM_ORDERS)
        for call in (
            "CALL recsql.bind_interactions('orders', user_id := 'customer', item_id := 'item', "
            "basket_id := 'basket', ts := 'ordered_at')",
            "CALL recsql.train()",
            "INSERT INTO orders VALUES (1000, 'item 1', 1000, TIMESTAMP '2024-03-01'), "
            "(1000, 'item 3', 1000, TIMESTAMP '2024-03-01')",
            "CALL recsql.refresh()",
            "FROM recommend_cart(['item 1', 'item 2'], k := 3)",
        ):
            con.execute(call).fetchall()
    seconds = time.perf_counter() - started
    return Checked("kernels", "ok", f"compiled and run in {seconds:.1f} s")


def _database(path: Path) -> Iterator[Checked]:
    try:
        con = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        yield Checked("database", "problem", str(error).splitlines()[0], _why_closed(error))
        return
    with con:
        session = Session(con.cursor())
        if not schema_exists(session):
            remedy = f"recsql bind {path} interactions your_table --item-id …"
            yield Checked("database", "note", f"{path} holds nothing of recsql yet", remedy)
            return
        try:
            register(con)
        except RecsqlError as error:
            yield Checked("database", "problem", str(error), "See the message.")
            return
        yield _state(session)
        yield from _sources(session, path)
        yield from _models(session, path)
        yield _last_run(session, path)


def _why_closed(error: duckdb.Error) -> str:
    if re.search(r"\block\b", str(error)):  # and not a damaged block
        return "Close the process that has it open for writing."
    return "Check that it is a DuckDB file of a version that this DuckDB reads."


def _state(session: Session) -> Checked:
    version, writer = session.rows(
        "SELECT m.schema_version, m.recsql_version FROM recsql.meta AS m"
    )[0]
    detail = f"schema version {version}, first written by recsql {writer}"
    if version == SCHEMA_VERSION:
        return Checked("state", "ok", detail)
    return Checked("state", "note", detail, "It is brought up to date when opened for writing.")


def _sources(session: Session, path: Path) -> Iterator[Checked]:
    for source in ("interactions", "users", "items"):
        bound = session.rows(
            "SELECT s.relation FROM recsql.sources AS s WHERE s.source = ?", [source]
        )
        if not bound:
            status = "note" if source == "interactions" else "optional"
            remedy = f"recsql bind {path} {source} your_table …"
            yield Checked(source, status, "not bound", remedy)
            continue
        try:
            rows = session.value(f"SELECT count(*) FROM recsql.{source}")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            yield Checked(
                source, "problem", reason, f"Bind it again: recsql bind {path} {source} …"
            )
        else:
            yield Checked(source, "ok", f"{bound[0][0]}: {rows:,} rows")


def _models(session: Session, path: Path) -> Iterator[Checked]:
    serving, damaged = incumbents(session), damaged_models(session)
    remedy = f"recsql train {path}"
    if not serving:
        yield Checked("models", "note", "none serves", remedy)
    for stored in serving:
        yield _task(session, stored, damaged, remedy)
    detail = f"other SHA-256 than stored: {', '.join(damaged)}"
    retired = session.rows("SELECT m.model_id FROM recsql.models AS m WHERE m.status = 'retired'")
    if not damaged:
        stored_rows = session.value("SELECT count(*) FROM recsql.artifacts AS a")
        yield Checked("artifacts", "ok", f"{stored_rows} with the SHA-256 they were stored with")
    elif {model_id for (model_id,) in retired}.issuperset(damaged):
        yield Checked("artifacts", "note", f"{detail}; no longer in use")
    else:
        yield Checked("artifacts", "problem", detail, remedy)


def _task(session: Session, stored: StoredModel, damaged: list[str], remedy: str) -> Checked:
    """Say which model serves a task, and which answers instead where it is damaged."""
    from recsql.store.artifacts import artifact_versions

    part, detail = f"task {stored.task}", _trained(session, stored)
    whole = stored.model_id not in damaged and artifact_versions(session, stored.model_id)
    if whole or stored.task not in LIVE_TASKS:  # the others answer from stored rows
        return Checked(part, "ok", detail)
    instead = "no earlier model is kept, calls are refused"
    for earlier in earlier_incumbents(session, stored.task):
        if earlier.model_id not in damaged:
            instead = f"{earlier.model_id} answers instead: {_trained(session, earlier)}"
            break
    return Checked(part, "problem", f"{stored.model_id} is damaged; {instead}", remedy)


def _trained(session: Session, stored: StoredModel) -> str:
    trained_at = session.value(
        "SELECT m.trained_at FROM recsql.models AS m WHERE m.model_id = ?", [stored.model_id]
    )
    return f"{stored.algorithm}, trained {trained_at:%Y-%m-%d %H:%M}"


def _last_run(session: Session, path: Path) -> Checked:
    runs = session.rows(
        "SELECT r.statement, r.started_at, r.seconds FROM recsql.runs AS r "
        "ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1"
    )
    if not runs:
        return Checked("last run", "note", "none yet", f"recsql train {path}")
    statement, started_at, seconds = runs[0]
    return Checked("last run", "ok", f"{statement} at {started_at:%Y-%m-%d %H:%M}, {seconds:.1f} s")
