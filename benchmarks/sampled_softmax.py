"""A softmax over sampled items against one over all, in one recurrent network.

Histories are made: each customer goes about in a few groups of neighbouring items, which are as
unevenly popular as words are. Of a million items the throughput of learning and its memory are
measured, each in a process of its own; of a hundred thousand the perplexity that both reach on
histories held out, after the same number of rounds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks._events import only
from benchmarks._report import report
from recsql.data.events import Events
from recsql.models.base import Array
from recsql.models.gru import GRU
from recsql.models.requests import Requests
from recsql.selection.measure import Measured

GROUP = 100  # neighbouring items
LENGTH = 20
SETTINGS: dict[str, Any] = {
    "n_factors": 64,
    "n_hidden": 64,
    "dropout": 0.0,
    "batch_size": 64,
    "held_out": 0.0,
    "n_negatives": 1024,
    "max_length": LENGTH,
}
ALL_ITEMS = 10**9


def histories(n_customers: int, n_items: int, seed: int) -> Events:
    """Make histories of 20 events: two groups each, items of a group by Zipf's law."""
    rng = np.random.default_rng(seed)
    n_groups = n_items // GROUP
    weight = 1.0 / np.arange(1, n_groups + 1)
    of_customer = rng.choice(n_groups, (n_customers, 2), p=weight / weight.sum())
    turn = rng.integers(0, 2, (n_customers, LENGTH))
    group = np.take_along_axis(of_customer, turn, axis=1)
    within = 1.0 / np.arange(1, GROUP + 1)
    place = rng.choice(GROUP, (n_customers, LENGTH), p=within / within.sum())
    item = (group * GROUP + place).ravel().astype(np.int32)
    time_ = np.tile(np.arange(LENGTH), n_customers).astype(np.int64)
    zero = np.zeros(len(item), dtype=np.int32)
    ptr = np.arange(0, len(item) + 1, LENGTH, dtype=np.int64)
    return Events(n_items, ptr, item, time_, zero, zero, np.ones(len(item), dtype=np.float32))


def learned(n_items: int, n_customers: int, dense: bool, n_epochs: int) -> dict[str, Any]:
    """Learn, and give seconds and memory of learning, and the perplexity on other histories."""
    from recsql.onnx_models import _training
    from recsql.onnx_models._sequences import SequenceLesson

    from recsql.networks.limits import told_to

    SequenceLesson.least_steps = 1  # steps of as many rows in both, however few there are
    train, while_learning = _training.train, Measured(set_back=True)

    def measured(*given: Any, **more: Any) -> Any:
        with while_learning:
            return train(*given, **more)

    _training.train = measured  # without the export
    told: list[float] = []
    model = GRU(**SETTINGS, n_epochs=n_epochs, dense_items=ALL_ITEMS if dense else 2)
    events = only(histories(n_customers, n_items, 0))
    with Measured(set_back=True) as cost, told_to(lambda _: told.append(time.perf_counter())):
        started = time.perf_counter()
        model.fit(events)
    targets = n_customers * (LENGTH - 1)
    return {
        "targets/s": targets * n_epochs / (told[-1] - started),
        "peak MB": while_learning.peak_bytes / 1e6,
        "with export": cost.peak_bytes / 1e6,
        "perplexity": perplexity(model, histories(400, n_items, 1)) if n_items <= 100_000 else None,
    }


def perplexity(model: GRU, events: Events) -> float:
    """Give the perplexity of the last item of each history, given the others."""
    last = events.user_ptr[1:] - 1
    kept = np.ones(len(events.item), dtype=bool)
    kept[last] = False
    shown, target = events.select(kept), events.item[last]
    vector = model.vectors(Requests.of_customers(np.full(events.n_users, -1), shown))
    losses: list[Array] = []
    for row in range(0, len(vector), 50):
        scores = vector[row : row + 50] @ model.table_.T + model.bias_
        scores -= scores.max(axis=1, keepdims=True)
        own = scores[np.arange(len(scores)), target[row : row + 50]]
        losses.append(np.log(np.exp(scores).sum(axis=1)) - own)
    return float(np.exp(np.concatenate(losses).mean()))


def apart(*given: Any) -> dict[str, Any]:
    """Learn in a process of its own."""
    code = (
        "import json, sys; from benchmarks import sampled_softmax as s; "
        "print(json.dumps(s.learned(*json.loads(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(given)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure both sizes."""
    rows = []
    for n_items, customers, epochs in (
        (1_000_000, (2_048, 192), (3, 1)),
        (100_000, (8_000,) * 2, (6, 6)),
    ):
        found = [
            apart(n_items, customers[place], dense, epochs[place])
            for place, dense in enumerate((False, True))
        ]
        for name, one in zip(("sampled", "all items"), found, strict=True):
            rows.append(
                {
                    "throughput / all items": one["targets/s"] / found[1]["targets/s"],
                    "memory / all items": one["peak MB"] / found[1]["peak MB"],
                    "items": n_items,
                    "softmax over": name,
                }
                | one
            )
    report("sampled_softmax", "a softmax over sampled items against one over all", rows)


if __name__ == "__main__":
    main()
