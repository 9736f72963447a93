"""What networks of histories learn from, and that they are asked what they learned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from histories import only  # noqa: E402
from recsql.onnx_models import _recurrent, _sequences  # noqa: E402
from recsql.onnx_models._export import export  # noqa: E402
from recsql.onnx_models._mixed_items import MixedItems  # noqa: E402
from recsql.onnx_models._recurrent import RecurrentLesson  # noqa: E402
from recsql.onnx_models._sequences import (  # noqa: E402
    Moments,
    SequenceLesson,
    SequenceModule,
    held_out_moments,
    ranks,
)
from recsql.onnx_models._softmax import Targets  # noqa: E402

from recsql.data.events import UNDATED, Events, Feedback, pointers  # noqa: E402
from recsql.data.features import Features  # noqa: E402
from recsql.errors import ParameterError, StateError, TrainingError  # noqa: E402
from recsql.models.gru import GRU  # noqa: E402
from recsql.models.hrnn import HRNN  # noqa: E402
from recsql.models.hrnn_meta import HRNNMeta  # noqa: E402
from recsql.models.network import GRAPH, SIGNATURE, graph_of  # noqa: E402
from recsql.models.purchases import Purchases  # noqa: E402
from recsql.models.requests import Requests  # noqa: E402
from recsql.models.sasrec import SASRec  # noqa: E402
from recsql.networks.exposure import Exposure  # noqa: E402
from recsql.networks.recurrent import Scales  # noqa: E402
from recsql.networks.signature import read_signature  # noqa: E402

HOUR = 3_600_000_000


def events(times: list[list[int]], items: list[list[int]], n_items: int = 9) -> Events:
    time = np.array([one for row in times for one in row], dtype=np.int64)
    item = np.array([one for row in items for one in row], dtype=np.int32)
    ptr = pointers(np.array([len(row) for row in items]))
    number = np.zeros(len(item), dtype=np.int32)
    return Events(n_items, ptr, item, time, number, number, np.ones(len(item), dtype=np.float32))


def test_events_of_one_time_are_one_moment() -> None:
    found = Moments.of(events([[1, 1, 4, 6, 6], [2]], [[3, 5, 1, 0, 2], [7]]))
    assert found.ends.tolist() == [False, True, True, False, True, True]
    next_ones = list(zip(found.start.tolist(), found.end.tolist(), strict=True))
    assert next_ones == [(2, 3), (2, 3), (3, 5), (0, 0), (0, 0), (0, 0)]


def test_several_moments_can_count_as_the_next_one() -> None:
    found = Moments.of(events([[1, 2, 3, 4]], [[0, 1, 2, 3]]), horizon=2)
    assert list(zip(found.start.tolist(), found.end.tolist(), strict=True)) == [
        (1, 3), (2, 4), (3, 4), (0, 0),
    ]  # fmt: skip


def test_the_last_moments_of_some_are_held_out_and_never_learned_from() -> None:
    many = events([[1, 2, 3, 3]] * 40 + [[5]], [[0, 1, 2, 3]] * 40 + [[8]])
    hidden = held_out_moments(many, SASRec(held_out=0.25))  # half of the last moments
    assert 10 < hidden.sum() / 2 < 30
    assert not hidden[-1]
    assert (hidden[:160].reshape(40, 4)[:, :2] == 0).all()
    for horizon in (1, 3):
        lesson = SequenceLesson(many, SASRec(horizon=horizon), hidden)
        batches = list(lesson.batches(np.random.default_rng(0), 64))
        seen = np.bincount(np.concatenate([one["target"] for one in batches]), minlength=4)
        n_learned = 40 - hidden.sum() // 2
        assert seen[2] == seen[3] == n_learned * (1 if horizon == 1 else 2)
        (asked,) = lesson.held_out_batches()
        assert np.bincount(asked["target"]).tolist() == [0, 0, 40 - n_learned, 40 - n_learned]


def test_of_long_histories_every_last_moment_may_be_held_out_and_no_other() -> None:
    many = events([list(range(11))] * 30, [[0] * 11] * 30)
    hidden = held_out_moments(many, SASRec(held_out=0.1))
    assert np.flatnonzero(hidden).tolist() == [11 * user + 10 for user in range(30)]
    hidden = held_out_moments(many, SASRec(held_out=0.04))
    assert 4 <= hidden.sum() <= 20
    assert not hidden.reshape(30, 11)[:, :10].any()


def test_rounds_are_judged_by_the_mean_gain_of_ranks() -> None:
    class Given(SequenceModule):
        def states(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
            return torch.ones(*batch["item"].shape, 1)

        def items(self, code: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.zeros(4, 1), torch.tensor([4.0, 3.0, 1.0, 1.0])

    known = events([[1, 2]] * 4, [[3, 0], [3, 1], [1, 2], [0, 1]])
    hidden = np.array([False, True] * 3 + [False] * 2)
    found = SequenceLesson(known, SASRec(), hidden).held_out_loss(Given(), torch.device("cpu"))
    gain = 1.0 / np.log2([2.0, 3.0, 4.5])  # equals share places 3 and 4
    assert found == pytest.approx(1.0 - gain.mean())


@given(st.integers(0, 10_000), st.sampled_from([1, 20, 10_000]), st.booleans())
@settings(max_examples=20, deadline=None)
def test_ranks_are_found_some_at_a_time(seed: int, at_a_time: int, shifted: bool) -> None:
    torch.manual_seed(seed)
    state, table, bias = torch.randn(5, 3), torch.randn(9, 3), torch.randn(9)
    targets = Targets(
        torch.sort(torch.randint(0, 5, (12,))).values, torch.randint(0, 9, (12,)), torch.ones(12)
    )
    more = torch.randn(5, 9) if shifted else torch.zeros(5, 9)
    scores = (state @ table.T + bias + more)[targets.owner]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sequences, "MOST_RANKED", at_a_time)
        shift = (lambda states: more[states]) if shifted else None
        found = _sequences.target_ranks(state, table, bias, targets, shift)
    own = scores[torch.arange(12), targets.item][:, None]
    assert found.tolist() == (1 + (scores > own + 1e-6).sum(dim=1)).tolist()


def test_the_trend_is_added_by_the_time_of_each_target() -> None:
    rng = np.random.default_rng(5)
    times = np.sort(rng.integers(1, 96 * HOUR, (40, 6)), axis=1)
    known = events(times.tolist(), rng.integers(0, 9, (40, 6)).tolist())
    hidden = np.zeros(240, dtype=bool)
    drawn = {"dense_items": 5, "n_negatives": 4}
    found = []
    for more in ({}, drawn):
        model = GRU(trend=True, trend_hours=12.0, temperature=2.0, **more)  # type: ignore[arg-type]
        lesson = RecurrentLesson(known, model, hidden, Scales.learn(known), None)
        found += lesson.batches(np.random.default_rng(0), 64)
    exposure = Exposure.of(known, model.trend_microseconds, model.smoothing)
    for batch in found:
        rates = exposure.log_rates(batch["period"]) / 2.0
        given_ = {name: torch.from_numpy(values) for name, values in batch.items()}
        if "drawn" in batch:
            owner = batch["owner"]
            assert batch["shift_drawn"] == pytest.approx(rates[:, batch["drawn"]])
            assert batch["shift_target"] == pytest.approx(rates[owner, batch["target"]])
        else:
            shift = lesson.shift_of(given_)
            assert shift is not None
            chosen = torch.tensor([3, 0, 5])
            assert shift(chosen).numpy() == pytest.approx(rates[chosen.numpy()])


def test_where_nothing_follows_nothing_is_learned_and_it_is_said() -> None:
    for model in (GRU(), HRNN(), SASRec()):
        with pytest.raises(TrainingError, match=rf"{model.name} must have a customer with events"):
            model.fit(only(events([[5, 5], [7]], [[0, 1], [2]])))


def test_long_histories_are_windows_that_together_ask_for_everything_once() -> None:
    long = events([list(range(23))], [[place % 9 for place in range(23)]])
    lesson = SequenceLesson(long, SASRec(max_length=5), np.zeros(23, dtype=bool))
    (batch,) = lesson.batches(np.random.default_rng(0), 64)
    assert batch["item"].shape == (5, 5)
    assert sorted(batch["target"].tolist()) == sorted((place % 9) for place in range(1, 23))
    for owner, target in zip(batch["owner"], batch["target"], strict=True):
        read = batch["item"][batch["row"][owner], batch["step"][owner]] - 1
        assert (read + 1) % 9 == target or (read == 4 and target == 0) or read == 8


def purchases() -> Purchases:
    return only(told())


def told(n_users: int = 30, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 12, n_users)
    n = int(sizes.sum())
    ptr = pointers(sizes)
    gap = rng.integers(1, 5 * HOUR, n)
    time = np.cumsum(gap)
    session = np.zeros(n, dtype=np.int32)
    session[1:] = np.cumsum(np.diff(time) > HOUR)
    user = np.repeat(np.arange(n_users), sizes)
    session -= session[ptr[:-1]][user]
    rating = np.where(rng.random(n) < 0.3, np.nan, rng.integers(1, 6, n)).astype(np.float32)
    feedback = Feedback(rating, rng.integers(0, 2, n).astype(np.int16), ("buy", "click"))
    zero = np.zeros(n, dtype=np.int32)
    item = rng.integers(0, 9, n).astype(np.int32)
    return Events(9, ptr, item, time, zero, session, np.ones(n, dtype=np.float32), feedback)


def test_a_request_is_read_as_the_step_was_while_learning() -> None:
    """Cut each history before its last event: the inputs must be those of the lesson's step."""
    known = told()
    users = Features(np.arange(31), (np.arange(30) % 4).astype(np.int32), (("c", "x"),) * 4)
    model = HRNNMeta()
    model.scales_, model.n_user_features_, model.context_ = Scales.learn(known), 4, None
    lesson = RecurrentLesson(
        known, model, np.zeros(len(known.item), dtype=bool), model.scales_, users
    )
    last = known.user_ptr[1:] - 1
    kept = np.ones(len(known.item), dtype=bool)
    kept[last] = False
    shown = known.select(kept)
    asked = Requests.of_customers(np.full(30, -1), shown, time=known.time[last], features=users)
    found = model._inputs(asked)
    first = known.user_ptr[:-1]
    batch = lesson._batch(first, last, lesson._asked)
    for name in ("item", "gap", "rating", "rated", "kind", "start", "user"):
        assert np.array_equal(found[name], batch[name]), name


def test_equal_scores_share_their_ranks_and_what_is_no_number_ranks_last() -> None:
    nan = float("nan")
    scores = torch.tensor([[3.0, 2, 2, 1], [0, 0, 0, 0], [nan, nan, nan, nan], [1, nan, 0, 2]])
    assert ranks(scores, torch.tensor([1, 0, 2, 0])).tolist() == [2.5, 2.5, 5.0, 3.0]


def test_an_item_without_attributes_keeps_all_of_its_own_vector() -> None:
    network = HRNNMeta(n_factors=4, warm_mix=1.0)
    features = Features(np.array([0, 1, 1, 1]), np.zeros(1, dtype=np.int32), (("colour", "red"),))
    items = MixedItems(network, np.array([5, 5, 0]), features)
    torch.nn.init.ones_(items.bias.weight)
    for module in (items.train(), items.eval()):
        vector, bias = module()
        assert torch.equal(vector[1:], items.own.weight[1:])
        assert bias[1:].tolist() == [1, 1]
    told, _ = items.by_attributes(features)
    assert torch.equal(vector[0], told[0])


def test_an_item_seen_only_in_what_was_held_out_is_no_favourite() -> None:
    """Items 30 to 39 have no attributes and are bought last, once, by customers held out."""
    rng = np.random.default_rng(4)
    rows = [[*rng.permutation(30)[:5].tolist()] for _ in range(100)]
    for n in range(10):
        rows[n][-1] = 30 + n
    known = events([[1, 2, 3, 4, 5]] * 100, rows, 40)
    ptr = np.concatenate([np.arange(31), np.full(10, 30)])
    features = Features(ptr, np.zeros(30, dtype=np.int32), (("c", "r"),))
    bound = Purchases(**(vars(only(known)) | {"item_features": features}))
    hidden = np.zeros(500, dtype=bool)
    hidden[4:50:5] = True  # the last moments of the first ten
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_recurrent, "held_out_moments", lambda *_: hidden)
        model = HRNNMeta(n_epochs=10).fit(bound)
    asked = Requests.of_customers(np.full(50, -1), known.of_users(np.arange(50, 100)))
    order = model.recommend(asked, 40).item
    assert np.isin(order, np.arange(30, 40)).argmax(axis=1).min() >= 15


def test_an_item_that_comes_next_for_its_buyers_is_ranked_first() -> None:
    rng = np.random.default_rng(1)
    first = rng.integers(0, 4, 300)
    rows = events([[1, 2]] * 300, [[one, one + 4] for one in first.tolist()])
    for model in (GRU(n_epochs=30), SASRec(n_epochs=30)):
        model.fit(only(rows))
        asked = events([[1]] * 4, [[0], [1], [2], [3]])
        found = model.recommend(Requests.of_customers(np.full(4, -1), asked), 1)
        assert found.item[:, 0].tolist() == [4, 5, 6, 7], model.name


def test_the_answer_depends_on_the_time_that_has_passed() -> None:
    """Within the hour customers take item 1 after item 0, a day later item 2."""
    soon = [[HOUR, HOUR + HOUR // 6]] * 200
    late = [[HOUR, 25 * HOUR]] * 200
    rows = events(soon + late, [[0, 1]] * 200 + [[0, 2]] * 200)
    model = HRNN(n_epochs=20).fit(only(rows))
    asked = events([[HOUR]] * 2, [[0]] * 2)
    moment = np.array([HOUR + HOUR // 6, 25 * HOUR])
    found = model.recommend(Requests.of_customers(np.full(2, -1), asked, time=moment), 1)
    assert found.item[:, 0].tolist() == [1, 2]
    session = events([[0, 1, 2]], [[0, 1, 0]])  # nobody says when
    gap = model._inputs(Requests.of_customers(np.array([-1]), session))["gap"]
    assert gap[0, 1] == gap[0, 2] < 0
    assert model.reads_time()
    assert not GRU().reads_time()


def test_times_that_are_not_known_make_no_gaps() -> None:
    dated = [[100 * HOUR, 101 * HOUR, 104 * HOUR]] * 20
    times = [[UNDATED, *row[1:]] for row in dated]
    scales = Scales.learn(events(dated + times, [[0, 1, 2]] * 40))
    assert scales.gap_most == pytest.approx(np.log1p(3 * 3600))
    (gap,) = scales.gaps(np.array([UNDATED]), np.array([100 * HOUR]))
    assert gap == 0.0


def test_kinds_of_events_are_kept_as_they_are() -> None:
    for kinds in ((), ("",), ("a\nb", "c"), ("é", "\\")):
        known = events([[1, 2]], [[0, 1]])
        said = Feedback(np.zeros(2, dtype=np.float32), np.zeros(2, dtype=np.int16), kinds)
        scales = Scales.learn(Events(**(vars(known) | {"feedback": said})))
        assert Scales.of_arrays(scales.arrays()) == scales


def test_an_item_that_nobody_bought_is_recommended_by_its_attributes() -> None:
    """Customers stay with the items of one colour; item 8 is red and was never bought."""
    rng = np.random.default_rng(2)
    colour = rng.integers(0, 2, 300)
    items = [rng.permutation([0, 1, 2, 3] if red else [4, 5, 6, 7]).tolist() for red in colour]
    rows = events([[1, 2, 3, 4]] * 300, items)
    features = Features(
        np.arange(10),
        np.array([0, 0, 0, 0, 1, 1, 1, 1, 0], dtype=np.int32),
        (("c", "r"), ("c", "b")),
    )
    bound = Purchases(**(vars(only(rows)) | {"item_features": features}))
    asked = events([[1, 2]] * 2, [[0, 1], [4, 5]])
    requests = Requests.of_customers(np.full(2, -1), asked)
    model = HRNNMeta(n_epochs=15).fit(bound)
    red, blue = model.score_pairs(requests, np.array([0, 1]), np.array([8, 8]))
    assert red > blue
    assert np.isnan(GRU(n_epochs=2).fit(bound).score_pairs(requests, np.array([0]), np.array([8])))


def test_what_is_popular_lately_counts_where_trend_is_on() -> None:
    rng = np.random.default_rng(3)
    times = np.sort(rng.integers(0, 96 * HOUR, (60, 5)), axis=1)
    rows = events(times.tolist(), rng.integers(0, 9, (60, 5)).tolist())
    model = HRNN(n_epochs=2, trend=True, trend_hours=24.0).fit(only(rows))
    asked = Requests.of_customers(np.array([-1]), events([[0]], [[1]]), time=np.array([97 * HOUR]))
    plain = model.recommend(asked, 1).item[0, 0]
    other = (plain + 1) % 9
    lately = np.zeros(9)
    lately[other] = 1000.0
    from dataclasses import replace

    assert model.recommend(replace(asked, lately=lately), 1).item[0, 0] == other
    restored = HRNN(n_epochs=2, trend=True).restore(model.arrays(), 9, model.files("v"), "v")
    assert restored.recommend(asked, 3).item.tolist() == model.recommend(asked, 3).item.tolist()


@pytest.fixture(scope="module")
def small() -> GRU:
    return GRU(n_epochs=1).fit(purchases())


def test_a_graph_that_is_not_its_own_is_refused(small: GRU) -> None:
    files = small.files("codes")
    other = SASRec(n_epochs=1).fit(purchases()).files("codes")
    with pytest.raises(StateError, match=r"must have the artifacts graph.onnx and signature.json"):
        graph_of({GRAPH: files[GRAPH]}, "gru", "codes")
    with pytest.raises(StateError, match="must be one of sasrec, got one of gru"):
        graph_of(files, "sasrec", "codes")
    with pytest.raises(StateError, match="whose codes mean others"):
        graph_of(files, "gru", "other codes")
    with pytest.raises(StateError, match="The graph of gru must have SHA-256"):
        graph_of(files | {GRAPH: files[GRAPH][:-1]}, "gru", "codes")
    with pytest.raises(StateError, match="The graph of gru must have SHA-256"):
        graph_of(files | {GRAPH: other[GRAPH]}, "gru", "codes")
    with pytest.raises(StateError, match="A signature must be JSON with network, opset"):
        graph_of(files | {SIGNATURE: b"{}"}, "gru", "codes")
    signature = read_signature(files[SIGNATURE])
    assert [str(tensor) for tensor in signature.inputs] == [
        "item int64[rows, steps]",
        "length int64[rows]",
    ]


def test_a_graph_that_differs_from_its_module_is_not_given() -> None:
    class Moody(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * (2.0 if x.shape[0] == 7 else 1.0)  # traced with 3 rows

    with pytest.raises(TrainingError, match=r"got a difference of .* in y for .*not registered"):
        export(
            "moody",
            Moody(),
            lambda rng, rows, steps: {"x": rng.random((rows, 2)).astype(np.float32)},
            ("y",),
            {"x": {0: "rows"}, "y": {0: "rows"}},
        )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_epochs": 0}, "n_epochs must be at least 1, got 0"),
        ({"rate_patience": 0}, "rate_patience must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        ({"held_out": 1.0}, "held_out must be 0 to 1, got 1.0"),
        ({"device": "tpu"}, "device must be auto, cpu or cuda, got 'tpu'"),
        ({"horizon": 0}, "horizon must be at least 1, got 0"),
        ({"proposal_exponent": -1.0}, "proposal_exponent must be 0 to 2, got -1.0"),
        ({"dropout": 1.0}, "dropout must be 0 to 1, got 1.0"),
        ({"warm_mix": 2.0}, "warm_mix must be 0 to 1, got 2.0"),
        ({"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_a_setting_of_a_network_out_of_its_range_is_refused(
    settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ParameterError, match=sentence):
        HRNNMeta(**settings).fit(purchases())  # type: ignore[arg-type]


def test_heads_share_the_width() -> None:
    with pytest.raises(ParameterError, match="n_factors must be a multiple of n_heads"):
        SASRec(n_factors=10, n_heads=4).fit(purchases())


def test_many_items_are_learned_from_by_sampling() -> None:
    rng = np.random.default_rng(4)
    first = rng.integers(0, 4, 300)
    rows = events([[1, 2]] * 300, [[one, one + 4] for one in first.tolist()])
    model = HRNN(n_epochs=30, dense_items=2, n_negatives=16).fit(only(rows))
    asked = Requests.of_customers(np.full(4, -1), events([[1]] * 4, [[0], [1], [2], [3]]))
    assert model.recommend(asked, 1).item[:, 0].tolist() == [4, 5, 6, 7]
