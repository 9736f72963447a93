"""What is bought depends on the device alone: networks learn it, and answer for the one told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from recsql.onnx_models._context import ContextVectors  # noqa: E402
from recsql.onnx_models._recurrent import Encoder, RecurrentLesson  # noqa: E402

from recsql.data.events import Events, pointers  # noqa: E402
from recsql.data.features import Features  # noqa: E402
from recsql.data.history import History  # noqa: E402
from recsql.data.snapshot import ItemDays  # noqa: E402
from recsql.errors import ParameterError  # noqa: E402
from recsql.models.base import Recommender  # noqa: E402
from recsql.models.catalogue import model_named  # noqa: E402
from recsql.models.gru import GRU  # noqa: E402
from recsql.models.hrnn_meta import HRNNMeta  # noqa: E402
from recsql.models.network import meaning_of  # noqa: E402
from recsql.models.purchases import Purchases  # noqa: E402
from recsql.models.requests import Requests  # noqa: E402
from recsql.networks.fields import context_layout  # noqa: E402
from recsql.networks.recurrent import Scales  # noqa: E402
from recsql.networks.start import Weights  # noqa: E402

HOUR = 3_600_000_000
NAMES = (("device", "desk"), ("device", "phone"), ("device", "tv"))
DESK, PHONE, TV = 0, 1, 2
QUICK = {"n_threads": 1, "learning_rate": 0.01}


def devices(code: list[int] | np.ndarray) -> Features:
    """Give one row a device, -1 for none."""
    known = np.asarray(code)
    return Features(pointers(known >= 0), known[known >= 0].astype(np.int32), NAMES)


def events_of(items: list[list[int]], device: list[int] | np.ndarray, n_items: int = 6) -> Events:
    item = np.array([code for row in items for code in row], dtype=np.int32)
    ptr = pointers(np.array([len(row) for row in items]))
    place = np.arange(len(item)) - np.repeat(ptr[:-1], np.diff(ptr))
    zero, one = np.zeros(len(item), dtype=np.int32), np.ones(len(item), dtype=np.float32)
    number = place.astype(np.int32)
    return Events(n_items, ptr, item, (place + 1) * HOUR, number, zero, one, None, devices(device))


def purchases(events: Events) -> Purchases:
    empty, start = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    none = History(events.n_items, empty == 1, start, start, empty.astype(np.int32), empty)
    days = ItemDays(empty.astype(np.int32), empty, empty)
    return Purchases(none, days, 20_000, 1000, events)


def by_device(n: int = 150, size: int = 6, seed: int = 0) -> Purchases:
    """At a desk items 0 to 2 are bought, on a phone 3 to 5; one event in ten tells nothing."""
    rng = np.random.default_rng(seed)
    phone = rng.integers(0, 2, (n, size))
    item = rng.integers(0, 3, (n, size)) + 3 * phone
    told = np.where(rng.random((n, size)) < 0.1, -1, phone)
    return purchases(events_of(item.tolist(), told.flatten()))


def asked_by(device: list[int], history: list[int]) -> Requests:
    n = len(device)
    shown = replace(events_of([history] * n, [-1] * (n * len(history))), context=None)
    moment = np.full(n, 20 * HOUR)
    return Requests.of_customers(np.full(n, -1), shown, time=moment, context=devices(device))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("hrnn_meta", {"n_epochs": 8, "n_factors": 16, "n_hidden": 16, "held_out": 0.0}),
        ("deepfm", {"n_epochs": 6}),
        ("wide_deep", {"n_epochs": 6}),
        ("xdeepfm", {"n_epochs": 6}),
        ("mmoe", {"n_epochs": 6}),
        ("din", {"n_epochs": 6}),
        ("dien", {"n_epochs": 6}),
    ],
)
def test_what_a_device_buys_is_learned(name: str, settings: dict[str, float]) -> None:
    first = name in ("deepfm", "wide_deep", "xdeepfm")
    data = by_device(600, 1) if first else by_device()
    model = model_named(name)(**QUICK | settings).fit(data)
    assert isinstance(model, Recommender)
    assert model.learns_context()
    assert model.reads_context()
    asked = asked_by([DESK, PHONE, TV, -1], [] if first else [0, 4])
    found = model.recommend(asked, 3)
    assert set(found.item[0].tolist()) == {0, 1, 2}
    assert set(found.item[1].tolist()) == {3, 4, 5}
    assert found.score[2].tolist() == found.score[3].tolist()  # a value never seen is unknown
    nothing = model.recommend(replace(asked, context=None), 3)
    assert nothing.score[0].tolist() == pytest.approx(found.score[3].tolist(), rel=1e-5)
    again = model_named(name)(**QUICK | settings)
    again.restore(model.arrays(), 6, model.files("codes"), "codes")
    assert isinstance(again, Recommender)
    assert again.recommend(asked, 3).item.tolist() == found.item.tolist()


def test_without_a_context_none_is_read() -> None:
    data = by_device(60)
    assert data.events is not None
    unbound = purchases(replace(data.events, context=None))
    silent = purchases(replace(data.events, context=devices([-1] * len(data.events.item))))
    for known in (unbound, silent):
        model = HRNNMeta(n_epochs=1, n_threads=1).fit(known)
        assert not model.reads_context()
        assert "context" not in [tensor.name for tensor in model.graph_.signature.inputs]
        assert len(model.recommend(asked_by([DESK], [0]), 3).item) == 1
    plain = GRU(n_epochs=1, n_threads=1).fit(data)
    assert not plain.learns_context()
    assert not plain.reads_context()


def test_a_request_is_read_as_the_step_was_while_learning() -> None:
    """Cut each history before its last moment: the inputs must be those of the lesson's step."""
    data = by_device(40, 7)
    events = data.events
    assert events is not None
    time = events.time.copy()
    time[1::7] = time[0::7]  # the first two are one moment
    time[6::7] = time[5::7]  # and the last two
    events = replace(events, time=time)
    model = HRNNMeta()
    model.scales_, model.n_user_features_ = Scales.learn(events), 0
    model.context_ = context_layout(events.context)
    hidden = np.zeros(len(events.item), dtype=bool)
    lesson = RecurrentLesson(events, model, hidden, model.scales_, None, model.context_)
    last = events.user_ptr[1:] - 2
    shown = events.select(np.tile(np.arange(7) < 5, 40))
    assert events.context is not None
    asked = Requests.of_customers(
        np.full(40, -1), shown, time=events.time[last], context=events.context.of_rows(last)
    )
    found = model._inputs(asked)["context"]
    read = lesson._batch(events.user_ptr[:-1], last, lesson._asked)["context"]
    assert found.shape == (40, 5, 1)
    assert np.array_equal(found, read)
    code = np.where(np.diff(events.context.ptr) > 0, 1, 0)
    code[code > 0] = events.context.feature + 2
    code[code == 0] = 1  # unknown
    told = code.reshape(40, 7)
    # Asked after the first moment: the third event; after the fifth: the sixth.
    assert np.array_equal(read[:, 1:, 0], told[:, 2:6])


def test_some_of_what_is_told_is_forgotten_while_learning_and_none_afterwards() -> None:
    layout = context_layout(devices([0, 1, 1, 0]))
    assert layout is not None
    assert (layout.empty.tolist(), layout.next_code) == ([1], 5)
    module = ContextVectors(layout, 1, 0.3)
    with torch.no_grad():
        module.vectors.table.weight[:, 0] = torch.arange(5.0)
    told = torch.full((1000, 2, 1), 3)
    learned = module(told)
    assert set(learned.flatten().tolist()) == {1.0, 3.0}
    assert 0.25 < float((learned == 1).float().mean()) < 0.35
    assert set(module.eval()(told).flatten().tolist()) == {3.0}
    assert module(torch.zeros((1, 2, 1), dtype=torch.long)).abs().sum() == 0


def test_a_share_of_the_unknown_out_of_its_range_is_refused() -> None:
    with pytest.raises(ParameterError, match="unknown_share must be 0 to 1, got 1"):
        HRNNMeta(unknown_share=1.0).fit(by_device(5))


def test_what_a_network_goes_on_from_tells_what_contexts_mean() -> None:
    data = by_device(60)
    assert data.events is not None
    assert data.events.context is not None
    renamed = replace(data.events.context, names=NAMES[::-1])
    others = [purchases(replace(data.events, context=known)) for known in (renamed, None)]
    assert meaning_of(data) not in [meaning_of(other) for other in others]
    model = HRNNMeta(n_epochs=1, n_threads=1).fit(data)
    assert model.weights_ is not None
    weights = Weights.of_bytes(model.weights_).values
    layout = model.context_
    assert layout is not None
    encoder = Encoder(model, np.ones(6), 0, 0, None, context=layout)
    assert "of_context.vectors.table.weight" in weights.keys() & encoder.coded()
