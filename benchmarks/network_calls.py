"""How long networks take to answer: one customer with 50 events, and many at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import recsql
from benchmarks._report import report

N_CUSTOMERS, N_EVENTS, N_ITEMS = 20_000, 50, 3_000
CALLS, ROUNDS = 300, 5
QUERY = "FROM recommend_next({}, k := 10)"


def shop() -> Any:
    """Make customers with 50 events each."""
    con = recsql.connect(config={"threads": 2})
    con.execute(
        "CREATE TABLE clicks AS SELECT u.u AS customer, (hash(u.u, e.e) % 997 * 31 + u.u) "
        f"% {N_ITEMS} AS item, TIMESTAMP '2024-01-01' + to_minutes(e.e * 47 + u.u % 60) AS ts "
        f"FROM range({N_CUSTOMERS}) AS u(u), range({N_EVENTS}) AS e(e) ORDER BY customer, ts"
    )
    recsql.bind_interactions(con, "clicks", user_id="customer", item_id="item", ts="ts")
    return con


def times(ask: Callable[[int], object], n: int) -> Any:
    """Give the seconds of calls after one before."""
    ask(0)
    found = []
    for call in range(n):
        started = time.perf_counter()
        ask(call + 1)
        found.append(time.perf_counter() - started)
    return np.array(found)


def main() -> None:
    """Measure the networks of histories, and a model that counts beside them."""
    con = shop()
    rows = []
    for name in ("gru", "hrnn", "sasrec", "markov"):
        con.execute(
            "UPDATE recsql.settings SET value = '100000' WHERE name = 'max_customer_events'"
        )
        recsql.train(con, task="next", models=[name], budget_s=20.0)
        calls = times(
            lambda call: con.execute(QUERY.format(call * 61 % N_CUSTOMERS)).fetchall(), CALLS
        )
        plain = times(lambda _: con.execute("SELECT 1").fetchall(), CALLS)
        bulk = times(
            lambda _: con.execute(
                "SELECT count(*), sum(r.score) FROM (SELECT DISTINCT customer FROM clicks) AS c, "
                "recommend_next(c.customer, k := 10) AS r"
            ).fetchall(),
            ROUNDS,
        )
        rows.append(
            {
                "model": name,
                "one call p50 ms": float(np.median(calls)) * 1e3,
                "p99 ms": float(np.percentile(calls, 99)) * 1e3,
                "SELECT 1 p50 ms": float(np.median(plain)) * 1e3,
                "histories/s in a query": N_CUSTOMERS / float(np.median(bulk)),
            }
            | without_reading(con)
        )
    report("network_calls", "customers of 50 events, 3,000 items, ten answers each", rows)


def without_reading(con: Any) -> dict[str, float | None]:
    """Give what the model takes of a call, and how many histories a second become vectors.

    None for the second where the model is no network.
    """
    from recsql.data.live import read_live
    from recsql.data.purchases import purchase_reader
    from recsql.functions import known_key
    from recsql.models.base import Recommender
    from recsql.models.network import SequenceNetwork
    from recsql.models.requests import Requests
    from recsql.serving.instances import session_of
    from recsql.serving.residents import resident_of

    key = known_key(con)
    assert key is not None
    with session_of(key) as session:
        resident = resident_of(session, "next")
        model = resident.model
        assert isinstance(model, Recommender)  # the task has no others
        users: list[str | None] = [str(user) for user in range(N_CUSTOMERS)]
        nothing = [None] * N_CUSTOMERS
        reader = purchase_reader(session, live=True)
        history = read_live(session, reader, users, nothing, resident.code_of, len(resident.ids))
    requests = Requests.of_customers(np.full(N_CUSTOMERS, -1), history.events)
    alone = [requests.chosen(np.array([user * 61 % N_CUSTOMERS])) for user in range(CALLS + 1)]
    one = times(lambda call: model.recommend(alone[call], 10), CALLS)
    found: dict[str, float | None] = {
        "of it the model p50 ms": float(np.median(one)) * 1e3,
        "histories/s encoded": None,
    }
    if isinstance(model, SequenceNetwork):
        bulk = times(lambda _: model.vectors(requests), ROUNDS)
        found["histories/s encoded"] = N_CUSTOMERS / float(np.median(bulk))
    return found


if __name__ == "__main__":
    main()
