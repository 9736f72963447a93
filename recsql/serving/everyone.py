"""The recommendations of every customer, stored at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from recsql.data.purchases import purchase_reader
from recsql.database import Session
from recsql.errors import ParameterError
from recsql.serving.customers import Asked, answer_now
from recsql.serving.residents import resident_of
from recsql.store.models import insert_run
from recsql.store.stored import replace_table_by_query

ROW_BYTES = 600  # of a recommendation while it is a row in memory
EVENT_BYTES = 400  # of a purchase while it is read
LARGEST_BLOCK = 20_000


@dataclass(frozen=True)
class Materialized:
    """What was stored, and how long it took."""

    model: str
    users: int
    rows: int
    seconds: float


def materialize(
    session: Session,
    task: str,
    k: int,
    memory_bytes: int,
    each: Callable[[Sequence[int]], Iterator[int]],
) -> Materialized:
    """Store what the function of a task gives for every customer with purchases.

    All is read and written in one transaction: readers see the rows of before until it commits.

    Parameters
    ----------
    memory_bytes : for a block of customers
    each : wraps the numbers of the blocks, for a progress bar

    Raises
    ------
    NotTrainedError
        The task has no incumbent.
    ParameterError
        Not even one customer fits the memory.
    """
    started = time.perf_counter()
    with session.transaction():
        model = resident_of(session, task).model.name
        reader = purchase_reader(session, live=True)
        session.execute(
            "CREATE OR REPLACE TEMP TABLE _recsql_everyone AS SELECT d.user_id, d.purchases, "
            "row_number() OVER (ORDER BY d.user_id) - 1 AS place FROM (SELECT p.user_id, "
            f"count(*) AS purchases FROM ({reader.sql}) AS p WHERE p.user_id IS NOT NULL "
            "GROUP BY 1) AS d"
        )
        users, purchases = session.rows(
            "SELECT count(*), coalesce(max(e.purchases), 0) FROM _recsql_everyone AS e"
        )[0]
        size = _block_size(k, int(purchases), memory_bytes)
        session.execute(
            "CREATE OR REPLACE TEMP TABLE _recsql_recommended AS "
            "FROM recsql.user_recommendations AS r WHERE r.task <> ?",
            [task],
        )
        rows = 0
        for block in each(range(-(-users // size))):
            rows += _add_block(session, task, k, block * size, size)
        replace_table_by_query(
            session,
            "user_recommendations",
            "SELECT * FROM _recsql_recommended ORDER BY task, user_id, rank",
        )
        session.execute("DROP TABLE _recsql_recommended")
        seconds = time.perf_counter() - started
        told = {"task": task, "model": model, "users": users, "rows": rows}
        insert_run(session, "materialize", "asked", seconds, told)
    return Materialized(model, users, rows, seconds)


def _block_size(k: int, most_purchases: int, memory_bytes: int) -> int:
    needed = k * ROW_BYTES + most_purchases * EVENT_BYTES
    if memory_bytes < needed:
        raise ParameterError(
            f"memory_limit must hold one customer, at least {needed:,} bytes, got "
            f"{memory_bytes:,}. Raise it, for example to '1GB'."
        )
    return min(LARGEST_BLOCK, memory_bytes // needed)


def _add_block(session: Session, task: str, k: int, first: int, size: int) -> int:
    import pyarrow as pa

    users = [
        user
        for (user,) in session.rows(
            "SELECT e.user_id::VARCHAR FROM _recsql_everyone AS e "
            f"WHERE e.place >= {first} AND e.place < {first + size} ORDER BY e.place"
        )
    ]
    answers = answer_now(session, task, [Asked(user, k) for user in users])
    found = [(user, row) for user, rows in zip(users, answers, strict=True) for row in rows]
    table = pa.table(
        {
            "task": pa.repeat(task, len(found)),
            "user_id": pa.array([user for user, _ in found], pa.string()),
            "rank": pa.array([row["rank"] for _, row in found], pa.int32()),
            "item_id": pa.array([row["item_id"] for _, row in found], pa.string()),
            "score": pa.array([row["score"] for _, row in found], pa.float64()),
            "model": pa.array([row["model"] for _, row in found], pa.string()),
        }
    )
    with session.loaded(_recsql_rows=table):
        session.execute("INSERT INTO _recsql_recommended BY NAME SELECT * FROM _recsql_rows")
    return len(found)
