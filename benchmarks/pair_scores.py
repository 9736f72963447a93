"""Pairs a second that a network scores inside a query, beside ONNX Runtime alone.

Twenty fields of one value each, ten attributes of customers and ten of items, vectors of 16, layers
of 128 and 64 units: DeepFM through ``score_first``. The query reads the pairs from a table, every
customer with some items; recsql gathers the attributes of both. ONNX Runtime alone scores as many
pairs, their slots ready in memory, in the same chunks on as many threads: no gathering, no SQL.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import recsql
from benchmarks._report import report
from benchmarks._timing import median_seconds
from recsql.functions import known_key
from recsql.models.base import Array
from recsql.models.pair_network import PairNetwork
from recsql.models.requests import Requests
from recsql.networks.graph import CHUNK
from recsql.serving.instances import session_of
from recsql.serving.residents import resident_of

N_CUSTOMERS, N_ITEMS, N_PAIRS, N_FIELDS = 20_000, 2_000, 4_000_000, 10
THREADS = 2


def shop() -> Any:
    """Make customers, items, ten attributes of each, and a first purchase of every customer."""
    con = recsql.connect(config={"threads": THREADS})
    for table, rows in (("people", N_CUSTOMERS), ("goods", N_ITEMS)):
        fields = ", ".join(
            f"'v' || hash(r.r, {field}) % {5 + 10 * field} AS a{field}" for field in range(N_FIELDS)
        )
        con.execute(
            f"CREATE TABLE {table} AS SELECT r.r AS id, {fields} FROM range({rows}) AS r(r)"
        )
    con.execute(
        "CREATE TABLE orders AS SELECT p.id AS customer, "
        f"((hash(p.a0) % {N_ITEMS} + hash(p.id) % {N_ITEMS}) % {N_ITEMS})::BIGINT "
        "AS item, TIMESTAMP '2024-01-01' + to_minutes(p.id) AS ts FROM people AS p"
    )
    names = [f"a{field}" for field in range(N_FIELDS)]
    recsql.bind_interactions(con, "orders", user_id="customer", item_id="item", ts="ts")
    recsql.bind_users(con, "people", user_id="id", attributes=names)
    recsql.bind_items(con, "goods", item_id="id", attributes=names)
    recsql.train(con, task="first", models=["deepfm"], budget_s=60.0)
    return con


def ready_inputs(con: Any) -> tuple[Any, dict[str, Array]]:
    """Give a session of ONNX Runtime, and the inputs of as many pairs as the query makes."""
    key = known_key(con)
    assert key is not None  # recsql made the connection
    with session_of(key) as session:
        resident = resident_of(session, "first")
    model = resident.model
    assert isinstance(model, PairNetwork)  # it is the one that was named
    assert resident.encoder is not None  # attributes are bound
    rows = con.execute("SELECT p.* FROM people AS p ORDER BY p.id").fetch_df()
    told = [dict(row) for row in rows.drop(columns="id").to_dict("records")]
    nobody = np.full(len(told), -1)
    requests = Requests(nobody, nobody, features=resident.encoder.encode_rows(told))
    asked = model._asked(requests)["slots"]
    several = N_PAIRS // N_CUSTOMERS
    row = np.repeat(np.arange(N_CUSTOMERS), several)
    item = np.resize(np.arange(len(resident.ids)), len(row))
    slots = np.concatenate([asked[row], model.item_slots_[item + 1]], axis=1)
    kind = {one.name: one.dtype for one in model.graph_.signature.inputs}
    return model.graph_._session, {
        "item": (item + 1).astype(kind["item"]),
        "slots": slots.astype(kind["slots"]),
    }


def main() -> None:
    """Measure both, one after the other."""
    con = shop()
    several = N_PAIRS // N_CUSTOMERS
    con.execute(
        "CREATE TABLE pairs AS SELECT p.id AS customer, o.item FROM people AS p, "
        f"(SELECT DISTINCT o.item FROM orders AS o ORDER BY 1 LIMIT {several}) AS o"
    )
    query = (
        "SELECT count(s.score), sum(s.score) FROM "
        "(SELECT score_first(p.customer, p.item) AS score FROM pairs AS p) AS s"
    )
    counted, _ = con.execute(query).fetchall()[0]
    assert counted == N_PAIRS, counted
    in_query = median_seconds(lambda: con.execute(query).fetchall())
    session, inputs = ready_inputs(con)
    starts = range(0, N_PAIRS, CHUNK)

    def part(first: int) -> object:
        return session.run(None, {name: v[first : first + CHUNK] for name, v in inputs.items()})

    def alone() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(part, starts):
                pass

    runtime = median_seconds(alone)
    row = {
        "ONNX Runtime alone / score_first": runtime / in_query,
        "million pairs/s in a query": N_PAIRS / in_query / 1e6,
        "million pairs/s of ONNX Runtime alone": N_PAIRS / runtime / 1e6,
        "fields": 2 * N_FIELDS,
        "pairs": N_PAIRS,
    }
    report("pair_scores", "DeepFM: pairs of customers and items, attributes gathered", [row])


if __name__ == "__main__":
    main()
