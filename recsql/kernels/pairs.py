"""Stored pairs: what the rest of recsql may use of them."""

from recsql.kernels.pair_changes import merge_pairs, relabel_pairs
from recsql.kernels.pair_counting import Pairs, count_pairs, pair_bytes_estimate
from recsql.kernels.pair_ranking import rank_pairs

__all__ = [
    "Pairs",
    "count_pairs",
    "merge_pairs",
    "pair_bytes_estimate",
    "rank_pairs",
    "relabel_pairs",
]
