"""What it takes to learn each network: seconds on a small customer, memory as customers grow.

The small customer is that of benchmarks/_small_customer.py, with its attributes. Memory is the peak
of a process of its own while the network learns, less what it held before: with 10,000 customers of
10 events, 5,000 items and an attribute of each, and with four times as many customers. What is kept
of all customers are their events; the rest is bounded by the batch.

    python -m benchmarks.every_network [network …]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks._report import report
from benchmarks._small_customer import make
from benchmarks.small_customer import bind
from recsql.data.events import Events, Feedback, pointers
from recsql.data.features import Features
from recsql.models.base import NETWORK_EFFORT
from recsql.models.catalogue import catalogue, model_named
from recsql.models.purchases import Purchases

LIMIT_S = 20.0
CUSTOMERS, EVENTS, ITEMS, VALUES = 10_000, 10, 5_000, 20
MORE = 4


def networks() -> list[str]:
    """Give the names of all networks that learn here."""
    known = catalogue()
    return [n for n, cls in known.items() if cls.effort >= NETWORK_EFFORT and n != "imported"]


def seconds_on_the_small_customer(name: str) -> float:
    """Let a network learn from everything that the small customer has of its task."""
    import recsql
    from recsql.data.snapshot import read_snapshot
    from recsql.database import Session
    from recsql.selection.answers import make_purchases
    from recsql.splits.protocols import purchases_for

    con = recsql.connect()
    make(con)
    bind(con)
    session = Session(con.cursor())
    snapshot = read_snapshot(session, with_events=True, with_features=True)
    model = model_named(name)()
    purchases = purchases_for(model.tasks[0], make_purchases(session, snapshot))
    if model.tasks[0] == "rating":
        purchases = _rated(purchases)
    started = time.perf_counter()
    model.fit(purchases)
    return time.perf_counter() - started


def _rated(purchases: Purchases) -> Purchases:
    """Give purchases a rating each: the small customer has none."""
    events = purchases.events
    assert events is not None  # they were read
    rng = np.random.default_rng(0)
    rating = rng.integers(1, 6, len(events.item)).astype(np.float32)
    kind = np.zeros(len(events.item), dtype=np.int16)
    told = Feedback(rating, kind, ("purchase",))
    return Purchases(
        **(vars(purchases) | {"events": Events(**(vars(events) | {"feedback": told}))})
    )


def megabytes(name: str, n_customers: int) -> float:
    """Give what learning adds to the peak of this process."""
    from benchmarks._events import only

    rng = np.random.default_rng(0)
    n = n_customers * EVENTS
    item = (rng.random(n) ** 3 * ITEMS).astype(np.int32)
    place = np.tile(np.arange(EVENTS), n_customers)
    zero = np.zeros(n, dtype=np.int32)
    events = Events(
        ITEMS,
        pointers(np.full(n_customers, EVENTS)),
        item,
        (place + 1) * 3_600_000_000,
        place.astype(np.int32),
        zero,
        np.ones(n, dtype=np.float32),
        Feedback(rng.integers(1, 6, n).astype(np.float32), zero.astype(np.int16), ("buy",)),
    )

    def features(rows: int) -> Features:
        code = rng.integers(0, VALUES, rows).astype(np.int32)
        names = tuple(("attribute", str(value)) for value in range(VALUES))
        return Features(np.arange(rows + 1), code, names)

    users, items = features(n_customers), features(ITEMS)
    purchases = replace(only(events), user_features=users, item_features=items)
    model_named(name)(n_epochs=1).fit(_few(purchases))  # what is loaded and compiled counts before
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model_named(name)(n_epochs=1).fit(purchases)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def _few(purchases: Purchases) -> Purchases:
    events = purchases.events
    assert events is not None  # they were made
    return purchases.only_events(events.of_users(np.arange(200)), np.arange(200))


def _alone(*arguments: object) -> Any:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.every_network", *map(str, arguments)]
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure the named networks, or all of them."""
    if "--alone" in sys.argv:
        _, _, what, name, *more = sys.argv
        value = (
            seconds_on_the_small_customer(name)
            if what == "seconds"
            else megabytes(name, int(more[0]))
        )
        print(json.dumps(value))
        return
    for name in sys.argv[1:] or networks():
        seconds = _alone("--alone", "seconds", name)
        few, many = (_alone("--alone", "megabytes", name, n * CUSTOMERS) for n in (1, MORE))
        row = {
            f"ratio to {LIMIT_S:.0f} s": seconds / LIMIT_S,
            "network": name,
            "s, small customer": seconds,
            f"MB, {CUSTOMERS:,} customers": few,
            f"MB, {MORE * CUSTOMERS:,} customers": many,
            f"bytes of each of {MORE - 1} times more events": (many - few)
            * 2**20
            / ((MORE - 1) * CUSTOMERS * EVENTS),
        }
        report("every_network", "what it takes to learn", [row])


if __name__ == "__main__":
    main()
