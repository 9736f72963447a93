"""Networks that rank learn rules that were planted, and score any pairs alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from histories import events_of, only  # noqa: E402
from recsql.onnx_models._pairs import (  # noqa: E402
    MixedProposal,
    chance_above,
    histories,
    pair_loss,
    with_unknown,
)
from recsql.onnx_models.dien import evolved, evolved_in_a_graph  # noqa: E402

from recsql.data.events import Feedback  # noqa: E402
from recsql.data.features import Features  # noqa: E402
from recsql.errors import ParameterError  # noqa: E402
from recsql.models.catalogue import model_named  # noqa: E402
from recsql.models.deepfm import DeepFM  # noqa: E402
from recsql.models.dien import DIEN  # noqa: E402
from recsql.models.din import DIN  # noqa: E402
from recsql.models.mmoe import MMoE  # noqa: E402
from recsql.models.pair_network import PairNetwork  # noqa: E402
from recsql.models.purchases import Purchases  # noqa: E402
from recsql.models.requests import Requests  # noqa: E402
from recsql.models.wide_deep import WideDeep  # noqa: E402
from recsql.models.xdeepfm import XDeepFM  # noqa: E402

QUICK = {"n_epochs": 6, "learning_rate": 0.01, "n_threads": 1, "patience": 6, "batch_size": 64}
HOUR = 3_600_000_000


def one_each(code: np.ndarray, names: tuple[tuple[str, str], ...]) -> Features:
    return Features(np.arange(len(code) + 1), code.astype(np.int32), names)


COUNTRIES = tuple(("country", name) for name in ("AT", "BE", "CH"))


def countries(n: int = 300, seed: int = 0) -> tuple[Purchases, np.ndarray]:
    """Customers of country c buy item c first, one in ten any of 6 items."""
    rng = np.random.default_rng(seed)
    country = rng.integers(0, 3, n)
    item = np.where(rng.random(n) < 0.1, rng.integers(0, 6, n), country)
    events = events_of([[code] for code in item.tolist()], 6)
    return only(events, one_each(country, COUNTRIES)), country


@pytest.mark.parametrize("cls", [DeepFM, XDeepFM, WideDeep])
def test_what_a_country_buys_first_is_learned(cls: type[PairNetwork]) -> None:
    data, _ = countries()
    model = cls(**QUICK, held_out=0.0).fit(data)
    asked = one_each(np.arange(3), COUNTRIES)
    nothing = events_of([[], [], []], 6)
    requests = Requests.of_customers(np.full(3, -1), nothing, features=asked)
    found = model.recommend(requests, 2)
    assert found.item[:, 0].tolist() == [0, 1, 2]
    assert (found.score[:, 0] > 2 * found.score[:, 1]).all()


def followers(n: int = 300, seed: int = 0) -> Purchases:
    """Who bought item 0 (or 1) buys 2 (or 3) next; items 4 to 9 say nothing."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        key = int(rng.integers(0, 2))
        row = rng.integers(4, 10, 3).tolist()
        place = int(rng.integers(0, 4))
        rows.append([*row[:place], key, 2 + key, *row[place:]])
    return only(events_of(rows, 10))


@pytest.mark.parametrize("name", ["din", "dien", "mmoe", "din+iacn", "dien+iacn", "wide_deep+iacn"])
def test_what_follows_an_item_is_learned(name: str) -> None:
    model = model_named(name)(**QUICK | {"n_epochs": 8}).fit(followers(200))
    asked = events_of([[4, 5, 0], [7, 8, 1], [0], []], 10)
    found = model.recommend(Requests.of_customers(np.full(4, -1), asked), 1)  # type: ignore[attr-defined]
    assert found.item[:2, 0].tolist() == [2, 3]
    assert np.isfinite(found.score).all()


@pytest.mark.parametrize("cls", [DeepFM, DIN, MMoE])
def test_pairs_score_as_in_lists_and_an_unknown_item_not_at_all(cls: type[PairNetwork]) -> None:
    model = cls(**QUICK | {"n_epochs": 1}).fit(followers())
    asked = events_of([[4, 0, 5, 6], [1, 7]], 10)
    requests = Requests.of_customers(np.full(2, -1), asked)
    listed = model.recommend(requests, 10)
    item = listed.item[listed.item >= 0]
    row = np.repeat(np.arange(2), (listed.item >= 0).sum(axis=1))
    found = model.score_pairs(requests, row, item)
    assert found == pytest.approx(listed.score[listed.item >= 0], rel=1e-5)
    assert ((found > 0) & (found < 1)).all()
    assert np.isnan(model.score_pairs(requests, np.array([0]), np.array([-1]))).all()


def test_lists_are_made_of_the_items_bought_most() -> None:
    data, _ = countries()
    model = DeepFM(**QUICK | {"n_epochs": 1}, n_candidates=2).fit(data)
    assert data.events is not None
    order = np.argsort(-np.bincount(data.events.item), kind="stable")
    requests = Requests.of_customers(np.array([-1]), events_of([[]], 6))
    found = model.recommend(requests, 4).item[0]
    assert sorted(found.tolist()) == [-1, -1, *sorted(order[:2].tolist())]
    assert model.recommend(requests, 4, np.arange(6) == 5).item[0].tolist() == [5, -1, -1, -1]


def test_the_hour_of_the_request_is_read_where_asked() -> None:
    rng = np.random.default_rng(0)
    hour = rng.integers(0, 2, 300) * 12
    time = (hour + 24 * rng.integers(0, 7, 300)) * HOUR + 1
    events = events_of([[code // 12] for code in hour.tolist()], 2, time=time)
    model = DeepFM(**QUICK, moment_fields=True).fit(only(events))
    assert model.reads_time()
    asked = events_of([[], []], 2)
    requests = Requests.of_customers(np.full(2, -1), asked, time=np.array([0, 12]) * HOUR)
    assert model.recommend(requests, 1).item[:, 0].tolist() == [0, 1]


def kinds(n: int = 400, seed: int = 0) -> Purchases:
    """Items 2 and 3 follow 0, items 4 and 5 follow 1; 2 and 4 are clicked, 3 and 5 are bought."""
    rng = np.random.default_rng(seed)
    first, bought = rng.integers(0, 2, n), rng.integers(0, 2, n)
    rows = np.stack([first, 2 + 2 * first + bought], axis=1)
    kind = np.stack([np.zeros(n), bought], axis=1).ravel().astype(np.int16)
    said = Feedback(np.full(2 * n, np.nan, dtype=np.float32), kind, ("click", "purchase"))
    strength = np.where(kind == 1, 1.0, 0.25).astype(np.float32)
    return only(events_of(rows.tolist(), 6, strength=strength, feedback=said))


@pytest.mark.parametrize("bottom", ["mmoe", "shared"])
def test_each_kind_of_event_has_its_own_chance(bottom: str) -> None:
    model = MMoE(**QUICK, bottom=bottom, event_weights={"purchase": 1.0}).fit(kinds())
    asked = Requests.of_customers(np.full(4, -1), events_of([[0]] * 4, 6))
    row, item = np.arange(4), np.array([2, 3, 4, 5])
    click, purchase = model.kind_scores(asked, row, item).T
    assert click.argmax() == 0
    assert purchase.argmax() == 1
    assert len(model.graphs_.pair.signature.outputs) == 2
    assert model.score_pairs(asked, row, item) == pytest.approx(purchase)
    back = MMoE(event_weights={"purchase": 1.0})
    back.restore(model.arrays(), 6, model.files("codes"), "codes")
    assert back.kinds_ == ("click", "purchase")


def test_kinds_weigh_as_their_events_do() -> None:
    model = MMoE(**QUICK | {"n_epochs": 1}).fit(kinds())
    assert model.kind_weight_.tolist() == [0.25, 1.0]


def test_events_of_unknown_kind_weigh_for_no_kind() -> None:
    data = kinds(40)
    assert data.events is not None
    assert data.events.feedback is not None
    data.events.feedback.kind[3::8] = -1
    data.events.strength[3::8] = 9.0
    model = MMoE(**QUICK | {"n_epochs": 1}).fit(data)
    assert model.kind_weight_.tolist() == [0.25, 1.0]


class Given(torch.nn.Module):
    """Scores that are given: of two rows with a positive and one drawn item, for two kinds."""

    def __init__(self, positive: list[list[float]]) -> None:
        super().__init__()
        self.scores = torch.tensor([[one, [0.0, 0.0]] for one in positive]).flatten(0, 1)

    def item(self, *_: object) -> tuple[torch.Tensor, ...]:
        return ()

    def pair(self, *_: object) -> torch.Tensor:
        return self.scores


def test_a_positive_counts_for_its_kind_alone() -> None:
    batch = {
        "item": torch.ones((2, 2), dtype=torch.int64),
        "asked": torch.zeros((2, 1), dtype=torch.int64),
        "item_slots": torch.zeros((2, 2, 1), dtype=torch.int64),
        "shift": torch.zeros((2, 2)),
        "weight": torch.ones(2),
        "kind": torch.tensor([1, -1]),
    }

    def loss(*positive: list[float]) -> float:
        return pair_loss(Given([*positive]), batch, ()).item()  # type: ignore[arg-type]

    assert loss([0.0, 0.0], [0.0, 0.0]) == pytest.approx(np.log(2))
    assert loss([7.0, 0.0], [7.0, 7.0]) == pytest.approx(np.log(2))
    assert loss([0.0, 7.0], [0.0, 0.0]) < 0.9 * np.log(2)


def test_a_value_that_is_forgotten_leaves_its_unknown_code() -> None:
    rng = np.random.default_rng(0)
    slots = np.tile(np.array([2, 5, 6], dtype=np.int32), (2000, 1))
    empty, field = np.array([1, 4, 0], dtype=np.int32), np.array([0, 1, 1])
    found = with_unknown(slots, empty, field, 0.25, rng)
    assert {tuple(row) for row in found[:, 1:].tolist()} == {(5, 6), (4, 0)}
    assert (found[:, 0] == 1).mean() == pytest.approx(0.25, abs=0.03)
    assert (found[:, 1] == 4).mean() == pytest.approx(0.25, abs=0.03)


def test_a_mixed_proposal_draws_as_its_shift_says() -> None:
    proposal = MixedProposal(np.array([1, 16, 0]), 0.5, 0.5)
    # half alike, 1/2 and 1/2; half by the root, 1/5 and 4/5: 0.35 and 0.65, of two items
    drawn = proposal.draw(20_000, np.random.default_rng(0))
    assert np.bincount(drawn, minlength=3) / 20_000 == pytest.approx([0.35, 0.65, 0], abs=0.02)
    assert np.exp(proposal.shift).tolist() == pytest.approx([0.7, 1.3, 1.0], rel=1e-5)


@given(st.integers(0, 10_000), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_rounds_are_judged_by_what_is_above_a_purchase(seed: int, outputs: int) -> None:
    rng = np.random.default_rng(seed)
    logit = rng.choice([-1.0, 0.0, 0.5, np.nan], (4, 6, outputs), p=[0.3, 0.3, 0.35, 0.05])
    kind = rng.integers(-1, outputs, 4)
    found = chance_above(torch.from_numpy(logit).float(), torch.from_numpy(kind))
    sharp = chance_above(torch.from_numpy(1e3 * logit).float(), torch.from_numpy(kind))
    for row in range(4):
        own, *others = logit[row, :, max(kind[row], 0)].tolist()
        chances = [1.0 if np.isnan(one - own) else 1 / (1 + np.exp(own - one)) for one in others]
        assert float(found[row]) == pytest.approx(np.mean(chances))
        shares = [0.5 if one == own else float(not one < own) for one in others]
        assert float(sharp[row]) == pytest.approx(np.mean(shares))


@given(st.integers(0, 99), st.integers(1, 9), st.integers(1, 5), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_interests_evolve_with_the_gradient_of_their_definition(
    seed: int, n_steps: int, n_rows: int, width: int
) -> None:
    torch.manual_seed(seed)
    shapes = (n_steps, n_rows, 3 * width), (n_steps, n_rows), (3 * width, width), (3 * width,)
    given_ = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    given_[1] = given_[1].clamp_min(0)  # of some events nothing is read
    upstream = torch.randn(n_rows, width, dtype=torch.float64)
    found, expected = [], []
    for steps, into in ((evolved, found), (evolved_in_a_graph, expected)):
        leaves = [part.clone().requires_grad_() for part in given_]
        state = steps(*leaves)
        state.backward(upstream)
        into += [state.detach(), *(leaf.grad for leaf in leaves)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_a_history_ends_before_the_moment_of_the_event() -> None:
    events = events_of([[0, 1, 2, 3], [4]], 5, time=np.array([1, 2, 2, 3, 1]) * HOUR)
    first, last = histories(events, 2)
    assert list(zip(first.tolist(), last.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (0, 1),
        (1, 3),
        (4, 4),
    ]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (DeepFM(n_factors=0), "n_factors must be at least 1, got 0"),
        (DeepFM(n_hidden=1), "n_hidden must be at least 2, got 1"),
        (DeepFM(dropout=1.0), "dropout must be 0 to 1, got 1.0"),
        (DeepFM(uniform_share=2.0), "uniform_share must be 0 to 1, got 2.0"),
        (DeepFM(proposal_exponent=3.0), "proposal_exponent must be 0 to 2, got 3.0"),
        (XDeepFM(n_maps=0), "n_maps must be at least 1, got 0"),
        (WideDeep(n_crosses=-1), "n_crosses must be at least 0, got -1"),
        (WideDeep(interests=True), "interests must be off without a history, got True"),
        (DIN(n_units=0), "n_units must be at least 1, got 0"),
        (DIN(interest_share=1.5), "interest_share must be 0 to 1, got 1.5"),
        (DIN(interest_weight=-1), "interest_weight must be at least 0, got -1"),
        (DIN(interest_rounds=0), "interest_rounds must be at least 1, got 0"),
        (DIN(interest_exponent=0.5), "interest_exponent must be at least 1, got 0.5"),
        (DIEN(next_weight=-1), "next_weight must be at least 0, got -1"),
        (MMoE(bottom="mmeo"), "Did you mean 'mmoe'"),
        (MMoE(n_experts=0), "n_experts must be at least 1, got 0"),
        (MMoE(event_weights={"click": 0}), "event_weights must be at least 0 and not all 0"),
        (MMoE(event_weights={"clik": 1.0}), "Did you mean 'click'"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(model: PairNetwork, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        model.fit(kinds(10))


def test_moments_need_real_time_and_pairs_their_histories() -> None:
    data = followers(20)
    undated = Purchases(data.history, data.item_days, None, 1000, data.events)
    with pytest.raises(ParameterError, match="moment_fields must be off without dates"):
        DeepFM(moment_fields=True).fit(undated)
    model = DIN(**QUICK | {"n_epochs": 1}).fit(data)
    with pytest.raises(ParameterError, match="din must be asked for customers, got none"):
        model.score_pairs(Requests.of_items(np.array([-1])), np.array([0]), np.array([0]))


@pytest.mark.parametrize("name", ["deepfm", "wide_deep", "xdeepfm", "din", "dien+iacn", "mmoe"])
def test_hardly_anything_to_learn_from_is_no_error(name: str) -> None:
    for rows in ([[0]], [[0], [1]], [[0, 1]]):
        model = model_named(name)(**QUICK).fit(only(events_of(rows, 3)))
        asked = Requests.of_customers(np.array([-1]), events_of([[0]], 3))
        assert np.isfinite(model.recommend(asked, 3).score).all()  # type: ignore[attr-defined]


def test_an_item_that_was_only_held_out_is_read_as_unknown() -> None:
    rows = [[0, 1, 0, 1]] * 30 + [[0, 1, 0, 2], [1, 0, 1, 3]]
    model = DIN(**QUICK | {"n_epochs": 1}, held_out=0.999).fit(only(events_of(rows, 4)))
    asked = Requests.of_customers(np.full(1, -1), events_of([[0, 1]], 4))
    score = model.score_pairs(asked, np.zeros(3, dtype=np.int64), np.array([1, 2, 3]))
    assert score[1] == score[2]
    assert score[0] != score[1]
