"""A challenger replaces the incumbent only on evidence."""

from __future__ import annotations

import re

import numpy as np
import pytest

from recsql.models.copurchase import UserCopurchase
from recsql.models.frequency import Frequency
from recsql.models.random_walk import RandomWalk
from recsql.selection.candidates import Candidate
from recsql.selection.decide import decide
from recsql.selection.evaluated import Metric
from recsql.store.models import StoredModel

RNG = np.random.default_rng(0)
QUALITY = RNG.random(2_000)
NOISE = RNG.normal(0, 0.2, 2_000)


def measured(decay: float, values: np.ndarray | None, seconds: float = 0.1) -> Candidate:
    cost = Metric("train_seconds", "cost", 0, seconds, None, None, 0, 0.0)
    return Candidate("next", Frequency(decay=decay), metrics=[cost], values=values)


def serving(decay: float) -> StoredModel:
    return StoredModel("next/frequency/1.1", "next", "frequency", Frequency(decay=decay).params())


def test_a_clear_difference_replaces_the_incumbent() -> None:
    best, second = measured(0.9, QUALITY + 0.05), measured(0.5, QUALITY)
    decision = decide([best, second], serving(0.5), 0)
    assert decision.order[0] is best
    assert decision.decided
    assert decision.margin == pytest.approx(0.05)
    assert "of the incumbent frequency, difference +0.0500 to +0.0500 (2 settings)" in decision.why


def test_a_difference_that_may_be_chance_leaves_the_incumbent() -> None:
    best, second = measured(0.9, QUALITY + NOISE - NOISE.mean() + 0.001), measured(0.5, QUALITY)
    decision = decide([best, second], serving(0.5), 0)
    assert decision.order == [second, best]
    assert not decision.decided
    # The interval is about 1.96 * .2 / sqrt(2000) = .0088 wide on each side: 77 times the queries.
    needed = int(re.findall(r"about ([\d,]+) queries", decision.why)[0].replace(",", ""))
    assert 100_000 < needed < 250_000
    assert "undecided, the incumbent stays" in decision.why


def test_many_rivals_ask_for_more_evidence() -> None:
    # 2.3 standard errors: enough against one rival (1.96), not against nine (2.77).
    shift = NOISE - NOISE.mean() + 2.3 * NOISE.std() / np.sqrt(len(NOISE))
    best, second = measured(0.9, QUALITY + shift), measured(0.5, QUALITY)
    others = [measured(0.1 + place / 100, QUALITY - 0.1) for place in range(8)]
    assert decide([best, second], serving(0.5), 0).decided
    assert not decide([best, second, *others], serving(0.5), 0).decided


def test_as_good_and_much_cheaper_replaces_the_incumbent() -> None:
    best = measured(0.9, QUALITY + NOISE - NOISE.mean() + 0.001, seconds=1.0)
    second = measured(0.5, QUALITY, seconds=20.0)
    decision = decide([best, second], serving(0.5), 0)
    assert decision.order[0] is best
    assert "as good and much cheaper" in decision.why


def test_without_an_incumbent_the_best_is_taken_and_doubt_is_said() -> None:
    best, second = measured(0.9, QUALITY + NOISE - NOISE.mean() + 0.001), measured(0.5, QUALITY)
    for incumbent in (None, serving(0.123)):
        decision = decide([best, second], incumbent, 0)
        assert decision.order[0] is best
        assert not decision.decided
        assert "of the second frequency" in decision.why
        assert decision.why.endswith("may be chance, the best is taken")


def test_the_incumbent_that_is_best_again_stays() -> None:
    best, second = measured(0.9, QUALITY + 0.05), measured(0.5, QUALITY)
    decision = decide([best, second], serving(0.9), 0)
    assert decision.order[0] is best
    assert decision.decided


def test_too_little_data_and_nothing_that_works_are_said() -> None:
    unmeasured = [measured(0.9, None), measured(0.5, None)]
    assert decide(unmeasured, None, 0).why == "too little data to compare"
    assert decide(unmeasured, None, 0).order == unmeasured
    assert decide(unmeasured, serving(0.5), 0).order == unmeasured[::-1]  # no word against it
    assert decide([measured(0.9, QUALITY)], None, 0).decided
    assert decide([], None, 0).why == "no model could be trained"


@pytest.mark.parametrize(("gain", "first"), [(0.04, "user_copurchase"), (0.06, "random_walk")])
def test_one_that_refreshes_exactly_goes_before_one_that_is_hardly_better(
    gain: float, first: str
) -> None:
    walk = Candidate("related", RandomWalk(), values=QUALITY * (1 + gain))
    counted = Candidate("related", UserCopurchase(), values=QUALITY)
    decision = decide([walk, counted], None, 0)
    assert decision.order[0].model.name == first
    said = "; random_walk scores" in decision.why and "does not refresh exactly" in decision.why
    assert said == (first == "user_copurchase")
    # One that serves already is not given up for what would cost more at every refresh.
    stored = StoredModel("r/1.1", "related", "user_copurchase", UserCopurchase().params())
    assert decide([walk, counted], stored, 0).order[0].model.name == first
