"""The recommendations of every customer, stored at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.bind import id_types
from recsql.data.live import gather_everyone, read_block
from recsql.data.purchases import PurchaseReader, purchase_reader
from recsql.database import Session, body, fill, sql_text
from recsql.errors import ParameterError
from recsql.serving.customers import (
    answer_history,
    context_reader,
    features_of_customers,
    moments,
)
from recsql.serving.lists import Lists
from recsql.serving.residents import resident_of
from recsql.store.models import insert_run

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]
Each = Callable[[Sequence[int]], Iterator[int]]

ROW_BYTES = 200  # of a recommendation while it is a row in memory
EVENT_BYTES = 400  # of a purchase while it is read
LARGEST_BLOCK = 20_000


@dataclass(frozen=True)
class Materialized:
    """What was stored, and how long it took."""

    model: str
    users: int
    rows: int
    seconds: float


def materialize(session: Session, task: str, k: int, memory_bytes: int, each: Each) -> Materialized:
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
        session.execute(
            "CREATE OR REPLACE TEMP TABLE _recsql_others AS FROM recsql.user_recommendations AS r "
            "WHERE r.task <> ?",
            [task],
        )
        table = fill(body(sql_text("stored", "user_recommendations")), id_types(session))
        session.execute(table)
        _put_others(session, "<", task)
        users = rows = 0
        with everyone_of(session) as everyone:
            for block in lists_of_everyone(session, everyone, task, k, memory_bytes, each):
                users += len(block.users)
                rows += len(block.table)
                with session.loaded(_recsql_rows=block.table):
                    session.execute(
                        "INSERT INTO recsql.user_recommendations BY NAME FROM _recsql_rows"
                    )
        _put_others(session, ">", task)
        session.execute("DROP TABLE _recsql_others")
        seconds = time.perf_counter() - started
        told = {"task": task, "model": model, "users": users, "rows": rows}
        insert_run(session, "materialize", "asked", seconds, told)
    return Materialized(model, users, rows, seconds)


@dataclass(frozen=True)
class Block:
    """Some customers, ids as text, and rows of recsql.user_recommendations in order of its key.

    ``sizes`` are the lengths of their lists: int64[n_users].
    """

    users: pa.Array
    table: pa.Table
    sizes: Array


@dataclass(frozen=True)
class Everyone:
    """Every customer with purchases, and perhaps those without, laid out in the session.

    Attributes
    ----------
    purchases : int64[n_users]    of each, in ascending order of id; those without any come last
    """

    reader: PurchaseReader
    purchases: Array

    @property
    def n_buyers(self) -> int:
        """Count the customers with purchases."""
        return int(np.count_nonzero(self.purchases))


@contextmanager
def everyone_of(session: Session, *, with_bound: bool = False) -> Iterator[Everyone]:
    """Lay out all customers for ``lists_of_everyone``, within the block and a transaction.

    Parameters
    ----------
    with_bound : customers of recsql.users without purchases are among them
    """
    reader = purchase_reader(session, live=True)
    yield Everyone(reader, gather_everyone(session, reader, with_bound=with_bound))
    session.execute("DROP TABLE _recsql_everyone")
    session.execute("DROP TABLE _recsql_everyones")


def lists_of_everyone(
    session: Session,
    everyone: Everyone,
    task: str,
    k: int,
    memory_bytes: int,
    each: Each,
    *,
    only_buyers: bool = True,
) -> Iterator[Block]:
    """Give what the function of a task gives for every customer, in order of id.

    Raises
    ------
    NotTrainedError
        The task has no incumbent.
    ParameterError
        Not even one customer fits the memory.
    """
    resident = resident_of(session, task)
    purchases = everyone.purchases[: everyone.n_buyers] if only_buyers else everyone.purchases
    context = context_reader(session, resident)
    edges = _edges(k * ROW_BYTES + purchases * EVENT_BYTES, memory_bytes)
    for number in each(range(len(edges) - 1)):
        first, last = edges[number], edges[number + 1]
        users, history = read_block(
            session, everyone.reader, first, last, resident.code_of, len(resident.ids), context
        )
        lists = answer_history(
            session,
            resident,
            history,
            np.full(len(users), k, dtype=np.int64),
            np.full(len(users), resident.exclude_bought),
            features_of_customers(session, resident, users),
            moments(session, resident, len(users)),
        )
        yield Block(users, _table(task, users, lists), lists.sizes)


def _table(task: str, users: pa.Array, lists: Lists) -> pa.Table:
    import pyarrow as pa

    owner = np.repeat(np.arange(len(users)), lists.sizes)
    return pa.table(
        {
            "task": pa.repeat(task, len(owner)),
            "user_id": users.take(pa.array(owner)),
            **lists.columns(),
        }
    )


def _put_others(session: Session, comparison: str, task: str) -> None:
    session.execute(
        "INSERT INTO recsql.user_recommendations BY NAME FROM _recsql_others AS r "
        f"WHERE r.task {comparison} ? ORDER BY r.task, r.user_id, r.rank",
        [task],
    )


def _edges(cost: Array, memory_bytes: int) -> list[int]:
    """Cut customers into blocks that fit the memory; gives where each begins, and the end.

    Parameters
    ----------
    cost : int64[n_users]    bytes that each needs
    """
    most = int(cost.max(initial=0))
    if memory_bytes < most:
        raise ParameterError(
            f"memory_limit must hold one customer, at least {most:,} bytes, got "
            f"{memory_bytes:,}. Raise it, for example to '1GB'."
        )
    total = np.concatenate(([0], np.cumsum(cost)))
    edges = [0]
    while edges[-1] < len(cost):
        fits = int(np.searchsorted(total, total[edges[-1]] + memory_bytes, side="right")) - 1
        edges.append(min(fits, edges[-1] + LARGEST_BLOCK))
    return edges
