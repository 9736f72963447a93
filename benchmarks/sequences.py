"""The next item of customers: models of sequences beside frequency and the most sold items.

The last item of each customer is hidden. The settings of every model, the baseline's too, are the
best of a grid by NDCG@10 on the item before the last; then the last item is asked for once. All
items are ranked. A shop's customers buy things again, so what they have is left in; in the
product reviews nothing repeats, and it is left out.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks._report import report
from benchmarks._sequences import (
    BEAUTY,
    UCI,
    MostSold,
    Settings,
    choose,
    grid,
    hide,
    quality,
    read_sequences,
)
from recsql.models.base import Recommender
from recsql.models.frequency import Frequency
from recsql.models.markov import Markov
from recsql.models.subseq import SuBSeq

DATASETS = {"uci_online_retail": (UCI, False), "amazon_beauty_seq": (BEAUTY, True)}
SKIPS = [(0, 0.0), (1, 0.05), (2, 0.1), (2, 0.3), (4, 0.5)]
LAST = [(1, 1.0), (2, 0.1), (4, 0.3), (8, 0.5)]
SUBSEQ = grid(
    max_length=[1, 3],
    ahead=[2, 4],
    skip=[{"max_skip": skip, "skip_decay": decay} for skip, decay in SKIPS],
)
MARKOV = grid(
    max_skip=[2, 4, 8],
    skip_decay=[0.5, 0.8],
    last=[{"last_items": last, "history_decay": decay} for last, decay in LAST],
    damping=[0.25, 0.75],
)
FREQUENCY = grid(decay=[0.6, 0.9, 1.0], global_weight=[0.001, 0.01, 0.1, 1.0])
MODELS: list[tuple[type[Recommender], list[Settings]]] = [
    (SuBSeq, SUBSEQ),
    (Markov, MARKOV),
    (Frequency, FREQUENCY),
    (MostSold, [{}]),
]


def compare(dataset: str) -> list[dict[str, Any]]:
    """Choose and measure every model on a dataset."""
    query, exclude_bought = DATASETS[dataset]
    events = read_sequences(query)
    validation, test = (hide(events, n, exclude_bought=exclude_bought) for n in (2, 1))
    rows = []
    for cls, settings in MODELS:
        chosen = choose(cls, settings, validation)
        started = time.perf_counter()
        model = cls(**chosen).fit(test.purchases)
        fitted = time.perf_counter()
        found = model.recommend(test.requests, 10)
        ended = time.perf_counter()
        rows.append(
            {
                "dataset": dataset,
                "model": cls.name,
                **quality(found.item, test.target),
                "fit s": fitted - started,
                "µs a customer": (ended - fitted) / len(test.target) * 1e6,
                "settings": " ".join(f"{name}={value}" for name, value in chosen.items()),
            }
        )
    return rows


def main() -> None:
    """Compare on a shop and on product reviews."""
    rows = [row for dataset in DATASETS for row in compare(dataset)]
    report("sequences", "the hidden last item of each customer, all items ranked", rows)


if __name__ == "__main__":
    main()
