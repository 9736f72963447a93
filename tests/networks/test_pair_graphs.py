"""What is said of a request and of an item apart says together what a pair says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from histories import events_of, only  # noqa: E402
from recsql.onnx_models._fields import FieldVectors, FirstLayer  # noqa: E402
from recsql.onnx_models.deepfm import Machine  # noqa: E402
from recsql.onnx_models.xdeepfm import Crossings  # noqa: E402

from recsql.data.events import pointers  # noqa: E402
from recsql.data.features import Features  # noqa: E402
from recsql.errors import StateError, TrainingError  # noqa: E402
from recsql.models import pair_network  # noqa: E402
from recsql.models.deepfm import DeepFM  # noqa: E402
from recsql.models.pair_network import PARTS, Taught  # noqa: E402
from recsql.models.requests import Requests  # noqa: E402
from recsql.models.xdeepfm import XDeepFM  # noqa: E402
from recsql.networks import pairs as pairs_module  # noqa: E402
from recsql.networks.graph import Graph  # noqa: E402
from recsql.networks.pairs import Rows, Told, width_of  # noqa: E402

N_ITEMS = 9


def attributes(n_rows: int, n_fields: int, seed: int) -> Features:
    """Give fields of two values each, of which a row has up to three values."""
    rng = np.random.default_rng(seed)
    names = tuple((f"a{field}", f"v{value}") for field in range(n_fields) for value in range(2))
    rows = [np.flatnonzero(rng.random(len(names)) < 0.4)[:3] for _ in range(n_rows)]
    flat = np.concatenate(rows).astype(np.int32)
    return Features(pointers(np.array([len(row) for row in rows])), flat, names)


def taught(settings: DeepFM | XDeepFM, n_fields: int, seed: int) -> Taught:
    rng = np.random.default_rng(seed)
    events = events_of([[int(item)] for item in rng.integers(0, N_ITEMS, 30)], N_ITEMS)
    data = only(events, attributes(30, n_fields, seed), attributes(N_ITEMS, n_fields, seed + 1))
    return settings._taught(data)


def of_pairs(
    module: Machine | Crossings, told: Taught, seed: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give what a module says of 12 pairs, and the vectors and weights of all their fields."""
    rng = np.random.default_rng(seed)
    item = torch.from_numpy(rng.integers(0, N_ITEMS + 1, 12))
    of_item = torch.from_numpy(told.item_slots)[item].long()
    users = told.users
    assert users is not None
    asked = told.fields.asked(12, users.of_rows(rng.integers(0, 30, 12)), None)
    slots = torch.from_numpy(asked).long()
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn(weight.shape) * 0.5)
        for part in (module.vectors, module.weights):
            part.table.weight[0] = 0.0
        module.double().eval()
        found = module.pair(module.request(slots, None), module.item(item, of_item))
        vectors, weights = (
            torch.cat([part(slots, 0), own(item)[:, None], part(of_item, 1)], 1)
            for part, own in ((module.vectors, module.own), (module.weights, module.own_weight))
        )
    return found[:, 0], vectors, weights


def layers(module: Machine | Crossings, vectors: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        units = torch.relu(module.first.all(vectors.flatten(1)))
        found: torch.Tensor = module.above.last(torch.relu(module.above.second(units)))[:, 0]
    return found


@given(st.integers(0, 99), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_a_machine_multiplies_every_two_fields(seed: int, n_fields: int) -> None:
    torch.manual_seed(seed)
    made = DeepFM(n_factors=3, n_hidden=4)
    told = taught(made, n_fields, seed)
    module = Machine(made, told)
    found, vectors, weights = of_pairs(module, told, seed)
    expected = layers(module, vectors) + weights[:, :, 0].sum(1)
    for one, other in combinations(range(vectors.shape[1]), 2):
        expected += (vectors[:, one] * vectors[:, other]).sum(1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("n_fields", [2, 20])  # of 20 on each side fewer are multiplied
def test_crossings_are_those_of_all_fields(n_fields: int) -> None:
    torch.manual_seed(n_fields)
    made = XDeepFM(n_factors=3, n_hidden=4, n_maps=5, n_crossings=2)
    told = taught(made, n_fields, n_fields)
    module = Crossings(made, told)
    found, vectors, weights = of_pairs(module, told, n_fields)
    fields = vectors
    with torch.no_grad():
        if module.to_rows is not None:
            fields = torch.einsum("rf,nfw->nrw", module.to_rows.weight, vectors)
        maps, sums = fields, []
        for compress in module.compress:
            shape = len(compress.weight), maps.shape[1], fields.shape[1]
            weight = compress.weight.reshape(shape)
            maps = torch.einsum("mhf,nhw,nfw->nmw", weight, maps, fields)
            sums.append(maps.sum(2))
        crossed = module.of_maps(torch.cat(sums, 1))[:, 0]
    torch.testing.assert_close(found, layers(module, vectors) + weights[:, :, 0].sum(1) + crossed)


@given(st.integers(0, 99), st.tuples(*[st.integers(0, 4)] * 3).filter(any))
@settings(max_examples=30, deadline=None)
def test_a_first_layer_is_linear_in_what_it_reads(seed: int, sizes: tuple[int, int, int]) -> None:
    torch.manual_seed(seed)
    layer = FirstLayer(*sizes, 6).double()
    parts = [torch.randn(5, size, dtype=torch.float64) for size in sizes]
    found = layer.of_request(parts[0]) + layer.of_item(parts[1]) + layer.of_pair(parts[2])
    torch.testing.assert_close(found, layer.all(torch.cat(parts, 1)))


def test_a_field_is_the_mean_of_its_values() -> None:
    vectors = FieldVectors(9, [1, 3], [2, 1, 1], width=2, spread=1.0)
    own = vectors.table.weight.detach()
    found = vectors(torch.tensor([[1, 2, 3, 0], [4, 0, 0, 0]])).detach()
    torch.testing.assert_close(found[0], torch.stack([own[1], (own[2] + own[3]) / 2]))
    torch.testing.assert_close(found[1], torch.stack([own[4], torch.zeros(2)]))
    found = vectors(torch.tensor([[5, 6, 7, 8]]), 1).detach()
    torch.testing.assert_close(found[0], torch.stack([(own[5] + own[6]) / 2, own[7], own[8]]))


@pytest.fixture(scope="module")
def learned() -> DeepFM:
    return learned_with(0)


def learned_with(seed: int) -> DeepFM:
    rng = np.random.default_rng(0)
    events = events_of([[int(item)] for item in rng.integers(0, N_ITEMS, 60)], N_ITEMS)
    data = only(events, attributes(60, 2, 0), attributes(N_ITEMS, 2, 1))
    return DeepFM(n_epochs=1, n_threads=1, seed=seed).fit(data)


def test_rows_are_computed_where_they_are_asked_for(
    learned: DeepFM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs_module, "BLOCK", 4)
    graph, slots = learned.graphs_.item, learned.item_slots_
    inputs = {"item": np.arange(N_ITEMS + 1), "slots": slots}
    whole, asked = graph.run(inputs), []

    class Counted:
        signature = graph.signature

        def run(self, given_: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
            asked.append(given_["item"].tolist())
            return graph.run(given_)

    def compare(found: Told, row: list[int]) -> None:
        for values, expected in zip(found.values, whole, strict=True):
            np.testing.assert_allclose(values[found.row], expected[row], rtol=1e-5, atol=1e-6)

    rows = Rows(Counted(), inputs)  # type: ignore[arg-type]
    assert [len(values) for values in rows.of(np.empty(0, dtype=np.int64)).values] == [10] * 4
    compare(rows.of(np.array([6, 9, 5])), [6, 9, 5])
    assert asked[1:] == [[4, 5, 6, 7, 8, 9]]  # two blocks of 10 rows, the last one longer
    every = range(N_ITEMS + 1)
    with ThreadPoolExecutor(4) as pool:
        for row, found in enumerate(pool.map(rows.of, [np.array([row]) for row in every])):
            compare(found, [row])
    assert asked[2:] == [[0, 1, 2, 3]]
    assert width_of(graph) == sum(values.shape[1] for values in whole)
    monkeypatch.setattr(pairs_module, "MOST_KEPT", 10)
    rows = Rows(Counted(), inputs)  # type: ignore[arg-type]
    compare(rows.of(np.array([6, 9, 6])), [6, 9, 6])
    assert asked[3:] == [[6, 9]]


@pytest.mark.parametrize("most", [5, 10**9])
def test_pairs_of_many_customers_score_alike_however_many_are_read_together(
    learned: DeepFM, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = events_of([[]] * 7, N_ITEMS)
    requests = Requests.of_customers(np.full(7, -1), nothing, features=attributes(7, 2, 5))
    row, item = np.divmod(np.arange(7 * N_ITEMS), N_ITEMS)
    expected = learned.score_pairs(requests, row, item)
    monkeypatch.setattr(pair_network, "MOST_READY", most)
    order = np.random.default_rng(0).permutation(len(row))
    scorer = learned.pair_scorer(requests)
    np.testing.assert_allclose(scorer(row[order], item[order]), expected[order], rtol=1e-5)
    np.testing.assert_allclose(learned.score_pairs(requests, row, item), expected, rtol=1e-5)
    lists = learned.recommend(requests, 3)
    np.testing.assert_allclose(lists.score[2], np.sort(expected[row == 2])[::-1][:3], rtol=1e-5)


def test_graphs_that_are_put_together_wrongly_are_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = Rows.of
    monkeypatch.setattr(Rows, "of", lambda rows, row: right(rows, row)._replace(row=row[::-1]))
    with pytest.raises(TrainingError, match=r"difference of .* in score for .*, all graphs togeth"):
        learned_with(0)


def test_graphs_of_different_networks_are_not_put_together(learned: DeepFM) -> None:
    files = learned.files("codes")
    other = learned_with(1).files("codes")
    assert {"request.onnx", "item.onnx", "graph.onnx"} <= files.keys()
    again = DeepFM().restore(learned.arrays(), N_ITEMS, files, "codes")
    assert isinstance(again.graphs_.pair, Graph)
    without = {name: content for name, content in files.items() if name != "item.json"}
    with pytest.raises(StateError, match=r"must have the artifacts item.onnx and item.json"):
        DeepFM().restore(learned.arrays(), N_ITEMS, without, "codes")
    for names in PARTS:
        mixed = files | {names[0]: other[names[0]]}
        with pytest.raises(StateError, match="The graph of deepfm must have SHA-256"):
            DeepFM().restore(learned.arrays(), N_ITEMS, mixed, "codes")
        mixed = files | {name: other[name] for name in names}
        with pytest.raises(StateError, match="The graph of deepfm must be of the items"):
            DeepFM().restore(learned.arrays(), N_ITEMS, mixed, "codes")
