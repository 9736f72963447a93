"""Which candidate serves: the incumbent stays until the evidence is against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsql.metrics.interval import LEAST_QUERIES, bootstrap_interval
from recsql.selection.candidates import Candidate
from recsql.store.models import StoredModel

DOUBT = 0.05
RESAMPLES = 4000
MUCH_CHEAPER = 10.0
CHEAP_SECONDS = 1.0  # below this, cost decides nothing
WORTH_LEARNING = 1.05  # times the score, for which answers are learned anew at every refresh


@dataclass(frozen=True)
class Decision:
    """The order in which candidates are to be promoted, and why.

    Attributes
    ----------
    order : candidates, the one that shall serve first
    decided : whether the evidence separates the best from the incumbent, or from the second
    margin : mean difference between the two; None without a comparison
    why : one sentence
    """

    order: list[Candidate]
    decided: bool
    margin: float | None
    why: str


def decide(able: Sequence[Candidate], incumbent: StoredModel | None, seed: int) -> Decision:
    """Decide between candidates that were measured on the same validation queries.

    The best replaces the incumbent where the paired bootstrap interval of their difference, with
    the doubt of 5% shared among all rivals (Bonferroni), lies above zero; or where it may be as
    good and costs less than a tenth. Else the incumbent stays, and is learned anew. A model whose
    answers refresh exactly goes before one that is learned from everything each time and is less
    than 5% better.

    Parameters
    ----------
    able : candidates that can serve, best first
    incumbent : the model that serves now; None: none, or its settings do not compete
    """
    if not able:
        return Decision([], False, None, "no model could be trained")
    serving = _serving(able, incumbent)
    able, note = _exact_first(able)
    best = able[0]
    if best.values is None:
        order = sorted(able, key=lambda candidate: candidate is not serving)
        return Decision(order, False, None, "too little data to compare")
    rival = serving if serving is not None and serving is not best else None
    if rival is None and len(able) > 1:
        rival = able[1]
    if rival is None or rival.values is None:
        return Decision(list(able), True, None, "the only setting that could be measured")
    difference = best.values - rival.values
    low, high = _interval(difference, able, seed)
    margin = float(difference.mean())
    sure = f"difference {low:+.4f} to {high:+.4f} ({len(able)} settings)"
    if len(difference) < LEAST_QUERIES:
        sure = f"of {len(difference)} queries only"
    words = (
        f"score {best.score:.4f} against {rival.score:.4f} of "
        f"{'the incumbent' if rival is serving else 'the second'} {rival.model.name}, {sure}{note}"
    )
    if low > 0:
        return Decision(list(able), True, margin, words)
    if rival is not serving and note:
        return Decision(list(able), False, margin, words)
    if rival is not serving:
        taken = "best" if margin >= 0 else "simpler one"
        return Decision(list(able), False, margin, f"{words}: may be chance, the {taken} is taken")
    if _is_much_cheaper(best, rival):
        return Decision(list(able), True, margin, f"{words}: as good and much cheaper")
    order = [rival, *(c for c in able if c is not rival)]
    needed = _queries_needed(difference, low)
    return Decision(
        order,
        False,
        margin,
        f"{words}: undecided, the incumbent stays; about {needed:,} queries would decide",
    )


def _exact_first(able: Sequence[Candidate]) -> tuple[list[Candidate], str]:
    """Put the best model whose answers refresh exactly first, if it is about as good as the best.

    Also gives what is to be said about it.
    """
    best, exact = able[0], next((c for c in able if c.model.refreshes), None)
    if exact is None or exact is best or exact.score * WORTH_LEARNING < best.score:
        return list(able), ""
    note = f"; {best.model.name} scores {best.score:.4f}, but does not refresh exactly"
    return [exact, *(c for c in able if c is not exact)], note


def _interval(difference: np.ndarray, able: Sequence[Candidate], seed: int) -> tuple[float, float]:
    """Give the interval of a mean difference that all rivals together leave 5% outside of."""
    if len(difference) < LEAST_QUERIES:
        return -math.inf, math.inf
    level = 1 - DOUBT / max(1, len(able) - 1)
    return bootstrap_interval(difference, seed, level=level, resamples=RESAMPLES)


def _serving(able: Sequence[Candidate], incumbent: StoredModel | None) -> Candidate | None:
    return next((candidate for candidate in able if candidate.is_setting(incumbent)), None)


def _is_much_cheaper(one: Candidate, other: Candidate) -> bool:
    cost, than = one.cost("train_seconds") or 0.0, other.cost("train_seconds") or 0.0
    return than > CHEAP_SECONDS and cost * MUCH_CHEAPER < than


def _queries_needed(difference: np.ndarray, low: float) -> int:
    """Estimate the queries that would lift the interval above zero if the difference is real."""
    mean = float(difference.mean())
    if len(difference) < LEAST_QUERIES:
        return LEAST_QUERIES
    if mean <= 0:
        return 10 * len(difference)
    return math.ceil(len(difference) * ((mean - low) / mean) ** 2)
