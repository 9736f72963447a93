"""Ready-made weights of metrics: what counts as the best model."""

from __future__ import annotations

from recsql.errors import UnknownNameError, did_you_mean

_ONE_ITEM = {"ndcg": 0.8, "accuracy": 0.2}
_SEVERAL_ITEMS = {"ndcg": 0.7, "recall": 0.2, "precision": 0.1}
_QUALITY = {
    "first": _ONE_ITEM,
    "next": _ONE_ITEM,
    "popular": {"ndcg": 1.0},
    "rating": {"rmse": 1.0},
    "repeat": {"interval_mae": 1.0},
    "trending": {"ndcg": 1.0},
}
_REPORTED = {"repeat": ("interval_coverage",), "rating": ("mae",)}
_COSTS = ("train_seconds", "predict_microseconds", "peak_memory_bytes", "size_bytes")
# As the registry says; it is not asked, because it loads numpy.
LESS_IS_BETTER = frozenset({*_COSTS, "interval_mae", "interval_mse", "mae", "perplexity", "rmse"})
# What of the score is cost, and how it is divided among _COSTS.
PRESETS = {
    "quality": (0.0, (0.25, 0.25, 0.25, 0.25)),
    "balanced": (0.15, (0.3, 0.4, 0.2, 0.1)),
    "small_hardware": (0.4, (0.25, 0.25, 0.3, 0.2)),
}


def preset_weights(preset: str, task: str) -> dict[str, float]:
    """Give the weight of each metric of a task; 0 for those that only are reported.

    Raises
    ------
    UnknownNameError
        There is no such preset.
    """
    if preset not in PRESETS:
        raise UnknownNameError(
            f"preset must be one of {', '.join(PRESETS)}, got {preset!r}."
            f"{did_you_mean(preset, PRESETS)}"
        )
    cost, shares = PRESETS[preset]
    quality = _QUALITY.get(task, _SEVERAL_ITEMS)
    weights = {name: round((1 - cost) * weight, 6) for name, weight in quality.items()}
    weights |= {name: round(cost * share, 6) for name, share in zip(_COSTS, shares, strict=True)}
    reported = _REPORTED.get(task, ("coverage", "diversity", "novelty"))
    return weights | dict.fromkeys(reported, 0.0)
