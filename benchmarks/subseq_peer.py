"""SuBSeq against the package subseq, which is written in C++, on the customers of a shop.

The last item of each customer is hidden; both learn from the rest and give lists of ten for the
same customers, drawn at random. The package is asked with the newest items of a customer as the
query: the whole history, whose only match is the customer's own, would find nothing. Settings of
the package are the items of the query and the rows that are enough; longer queries are faster and
find less. It runs in a process of its own, with the interpreter that RECSQL_SUBSEQ_PYTHON names, or
this one. It takes one query at a time; ours are timed one at a time and, two threads, all together.

The size of the index is given in parts of the codes of all purchases, packed in as few bits as the
number of items needs, and as int32. It holds all that the model keeps.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._report import report
from benchmarks._sequences import UCI, Array, Hidden, hide, quality, read_sequences
from recsql.models.subseq import SuBSeq

PYTHON = os.environ.get("RECSQL_SUBSEQ_PYTHON", sys.executable)
WORKER = Path(__file__).with_name("_subseq_worker.py")
CUSTOMERS = 300
ROUNDS = 7
PEERS = {"1 item": (0, 1), "2 items, 100 rows": (100, 2), "8 items, 1 row": (1, 8)}
OURS: dict[str, dict[str, Any]] = {
    "2 ahead, none skipped": {"max_skip": 0, "ahead": 2},
    "4 ahead, none skipped": {"max_skip": 0, "ahead": 4},
    "by default": {},
}


def run_peer(data: Hidden, customers: Array) -> dict[str, Array]:
    """Give what the package found and how long it took."""
    events = data.purchases.events
    assert events is not None
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        np.savez(
            given,
            ptr=events.user_ptr,
            item=events.item,
            customers=data.requests.user[customers],
            settings=np.array(list(PEERS.values())),
        )
        subprocess.run([PYTHON, str(WORKER), str(given), str(found)], check=True)
        with np.load(found) as arrays:
            return dict(arrays)


def run_ours(data: Hidden, customers: Array, settings: dict[str, Any]) -> dict[str, Any]:
    """Measure a setting of ours."""
    fits, together = [], []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        model = SuBSeq(**settings).fit(data.purchases)
        fits.append(time.perf_counter() - started)
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        found = model.recommend(data.requests, 10).item
        together.append((time.perf_counter() - started) / len(data.target))
    alone = []
    for one in [data.requests.part(row, row + 1) for row in customers.tolist()]:
        started = time.perf_counter()
        model.recommend(one, 10)
        alone.append(time.perf_counter() - started)
    return {
        "item": found[customers],
        "all": quality(found, data.target)["hit@10"],
        "fit": statistics.median(fits[1:]),
        "alone": statistics.mean(alone),
        "together": statistics.median(together[1:]),
        "bytes": sum(array.nbytes for array in model.arrays().values()),
    }


def main() -> None:
    """Compare every setting of both."""
    data = hide(read_sequences(UCI), 1, exclude_bought=False)
    assert data.purchases.events is not None
    n_tokens, n_items = len(data.purchases.events.item), data.purchases.n_items
    packed = n_tokens * (n_items - 1).bit_length() / 8
    customers = np.random.default_rng(0).choice(len(data.target), CUSTOMERS, replace=False)
    target = data.target[customers]
    peer = run_peer(data, customers)
    fit = float(np.median(peer["fit"]))
    rows = []
    for number, name in enumerate(PEERS):
        seconds = float(peer["seconds"][number].mean())
        rows.append(
            {
                "model": f"subseq, {name}",
                **quality(peer["item"][number], target),
                "fit s": fit,
                "ms, one": seconds * 1e3,
            }
        )
    best = max(rows, key=lambda row: row["hit@10"])["ms, one"]
    least = min(row["ms, one"] for row in rows)
    for name, settings in OURS.items():
        ours = run_ours(data, customers, settings)
        rows.append(
            {
                "model": f"recsql, {name}",
                **quality(ours["item"], target),
                "hit@10, all": ours["all"],
                "fit s": ours["fit"],
                "ms, one": ours["alone"] * 1e3,
                "ms, of all": ours["together"] * 1e3,
                "peer / recsql: fit": fit / ours["fit"],
                "best query": best / (ours["alone"] * 1e3),
                "fastest query": least / (ours["alone"] * 1e3),
                "fastest, of all": least / (ours["together"] * 1e3),
                "packed": ours["bytes"] / packed,
                "int32": ours["bytes"] / (4 * n_tokens),
            }
        )
    columns = list(rows[-1])
    rows = [{column: row.get(column) for column in columns} for row in rows]
    report("subseq_peer", f"{n_tokens} purchases, {n_items} items, {CUSTOMERS} asked", rows)


if __name__ == "__main__":
    main()
