"""Pairs a second that a network scores inside a query, beside ONNX Runtime alone.

Twenty fields of one value each, ten attributes of customers and ten of items, vectors of 16, layers
of 128 and 64 units: DeepFM through ``score_first``. The query reads the pairs from a table, every
customer with some items; recsql gathers the attributes of both. ONNX Runtime alone scores as many
pairs in the same chunks on as many threads, without SQL: once with the network in one graph, as it
is commonly exported, the codes of each pair ready in memory; and once with recsql's graph of pairs,
what the other two say of customers and items ready in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from recsql.onnx_models._export import export

import recsql
from benchmarks._report import report
from benchmarks._timing import median_seconds
from recsql.functions import known_key
from recsql.models.base import Array
from recsql.models.pair_network import PairNetwork
from recsql.models.requests import Requests
from recsql.networks.graph import CHUNK, Graph
from recsql.networks.pairs import Rows
from recsql.serving.instances import session_of
from recsql.serving.residents import resident_of

N_CUSTOMERS, N_ITEMS, N_PAIRS, N_FIELDS = 20_000, 2_000, 4_000_000, 10
THREADS = 2
WIDTH, N_HIDDEN = 16, 128  # of DeepFM by default


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


def ready(con: Any) -> tuple[PairNetwork, Array, Array]:
    """Give the network, and the codes of the attributes of every customer and every item."""
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
    return model, model._asked(requests)["slots"], model.item_slots_


def in_one_graph(model: PairNetwork) -> Graph:
    """Give all of DeepFM in one graph, from codes to a score."""

    def example(rng: np.random.Generator, rows: int, _: int) -> dict[str, Array]:
        return {"item": rng.integers(1, 9, rows), "slots": rng.integers(1, 9, (rows, 2 * N_FIELDS))}

    module = Whole(len(model.sold_), model.fields_.n_codes)
    by_row = {name: {0: "rows"} for name in ("item", "slots", "score")}
    return export("deepfm", module, example, ["score"], by_row)


class Whole(torch.nn.Module):
    """DeepFM as it is commonly written: all fields of a pair side by side."""

    def __init__(self, n_items: int, n_codes: int) -> None:
        super().__init__()
        self.n_codes = n_codes
        self.vectors = torch.nn.Embedding(n_codes + n_items + 1, WIDTH)
        self.weights = torch.nn.Embedding(n_codes + n_items + 1, 1)
        sizes = [(2 * N_FIELDS + 1) * WIDTH, N_HIDDEN, N_HIDDEN // 2]
        units = [torch.nn.Linear(*pair) for pair in pairwise(sizes)]
        self.layers = torch.nn.Sequential(
            units[0], torch.nn.ReLU(), units[1], torch.nn.ReLU(), torch.nn.Linear(sizes[-1], 1)
        )

    def forward(self, item: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """Give the probability of pairs: float32[rows]."""
        codes = torch.cat([item[:, None] + self.n_codes, slots], 1)
        vectors = self.vectors(codes)
        of_two = 0.5 * (vectors.sum(1).square() - vectors.square().sum(1)).sum(1)
        found = self.layers(vectors.flatten(1))[:, 0] + self.weights(codes)[..., 0].sum(1)
        return torch.sigmoid(found + of_two)


def chunked(score: Callable[[slice], object]) -> Callable[[], None]:
    """Give what scores all pairs in chunks, on as many threads as the query has."""
    chunks = [slice(first, first + CHUNK) for first in range(0, N_PAIRS, CHUNK)]

    def all_of_them() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(score, chunks):
                pass

    return all_of_them


def main() -> None:
    """Measure all, one after the other."""
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

    model, asked, of_item = ready(con)
    row = np.repeat(np.arange(N_CUSTOMERS), several)
    item = 1 + np.resize(np.arange(len(of_item) - 1), len(row))
    one, slots = in_one_graph(model), np.concatenate([asked[row], of_item[item]], axis=1)
    given = {"item": item, "slots": slots.astype(np.int64)}
    whole = median_seconds(
        chunked(lambda part: one.run({name: values[part] for name, values in given.items()}))
    )
    graphs = model.graphs_
    items = Rows(graphs.item, {"item": np.arange(len(of_item)), "slots": of_item})
    requests = Rows(graphs.request, {"slots": asked})
    apart = median_seconds(
        chunked(lambda part: graphs.score(requests.of(row[part]), items.of(item[part])))
    )
    numbers = {
        "million pairs/s in a query": N_PAIRS / in_query / 1e6,
        "ONNX Runtime alone, all in one graph / in a query": whole / in_query,
        "ONNX Runtime alone, the graph of pairs / in a query": apart / in_query,
        "million pairs/s of one graph alone": N_PAIRS / whole / 1e6,
        "million pairs/s of the graph of pairs alone": N_PAIRS / apart / 1e6,
        "fields": 2 * N_FIELDS,
        "pairs": N_PAIRS,
    }
    report("pair_scores", "DeepFM: pairs of customers and items, attributes gathered", [numbers])


if __name__ == "__main__":
    main()
