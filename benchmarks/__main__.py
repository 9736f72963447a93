"""Every benchmark: python -m benchmarks [name …]."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "neighbours",
    "table_to_answers",
    "calls",
    "refresh",
    "growth",
    "sequences",
    "subseq_peer",
    "first_purchase",
    "lightfm_peer",
    "nearest_profiles",
    "lightfm_fold_in",
    "sessions",
    "next_basket",
    "interests",
    "gowalla",
    "movielens",
    "lightgcn",
    "kgat",
    "next_item",
    "step_inputs",
    "trends",
    "ratings",
    "cold_items",
    "sampled_softmax",
    "network_calls",
    "pair_scores",
    "every_network",
    "repeat_timing",
    "random_walk",
    "everyone",
    "nearest_search",
    "small_customer",
    "publish",
    "selection_regret",
    "dbt_build",
    "server",
)


def main() -> None:
    """Run the named benchmarks, or all of them, as each runs without arguments of its own."""
    names = sys.argv[1:] or NAMES
    del sys.argv[1:]
    for name in names:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
