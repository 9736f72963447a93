"""Nearest vectors: enough of the true ones, the same every time, and after being stored."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from recsql.errors import NotTrainedError, ParameterError
from recsql.models import hnsw_graph, nearest
from recsql.models.nearest import NearestVectors

needs_hnswlib = pytest.mark.skipif(
    not hnsw_graph.is_installed(), reason="needs hnswlib, of the extra train"
)
HNSW = pytest.param("hnsw", marks=needs_hnswlib)
METHODS = ["exact", "cells", HNSW]
N = 6_000


def drawn(seed: int, n: int, width: int = 16) -> np.ndarray:
    """Vectors around 60 centres, which are the same for every seed."""
    centres = np.random.default_rng(99).standard_normal((60, width))
    rng = np.random.default_rng(seed)
    spread = 0.5 * rng.standard_normal((n, width))
    return (centres[rng.integers(0, 60, n)] + spread).astype(np.float32)


@pytest.fixture(scope="module")
def built() -> dict[tuple[str, str], NearestVectors]:
    known = nearest.METHODS if hnsw_graph.is_installed() else ("exact", "cells")
    return {
        (method, measure): NearestVectors(method, measure).fit(drawn(0, N))
        for method in known
        for measure in ("product", "cosine")
    }


Built = dict[tuple[str, str], NearestVectors]


def recall(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.mean([np.isin(w, f).mean() for w, f in zip(wanted, found, strict=True)]))


@pytest.mark.parametrize("measure", ["product", "cosine"])
@pytest.mark.parametrize("method", ["cells", HNSW])
def test_most_of_the_true_nearest_are_found(built: Built, method: str, measure: str) -> None:
    index, queries = built[method, measure], drawn(1, 500)
    assert index.method_ == method
    assert index.effort_ >= 1
    assert index.recall_ >= 0.98
    item, score = index.search(queries, 10)
    wanted, its_score = built["exact", measure].search(queries, 10)
    assert recall(item, wanted) >= 0.97  # what was measured on others, give or take
    same = item == wanted
    assert score[same] == pytest.approx(its_score[same], rel=1e-5)
    assert (np.diff(score, axis=1) <= 0).all()


def test_cosines_are_products_of_vectors_of_length_one(built: Built) -> None:
    vectors, queries = drawn(0, N), drawn(1, 20)
    item, score = built["exact", "cosine"].search(queries, 5)
    unit = [t / np.linalg.norm(t.astype(np.float64), axis=1)[:, None] for t in (queries, vectors)]
    assert score == pytest.approx(np.sort(unit[0] @ unit[1].T, axis=1)[:, :-6:-1], abs=1e-6)
    assert score == pytest.approx((unit[0][:, None] * unit[1][item]).sum(axis=2), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_query_has_the_same_answer_alone_and_at_any_number_of_threads(
    built: Built, method: str
) -> None:
    index, queries = built[method, "product"], drawn(2, 300)
    left_out = (np.arange(301) * 3, np.random.default_rng(0).integers(0, N, 900, dtype=np.int32))
    item, score = index.search(queries, 7, left_out=left_out, n_threads=1)
    for n_threads in (2, 3):
        again = index.search(queries, 7, left_out=left_out, n_threads=n_threads)
        assert np.array_equal(again[0], item)
        assert again[1].tobytes() == score.tobytes()
    for row in (0, 1, 150, 299):
        own = (np.array([0, 3]), left_out[1][3 * row : 3 * row + 3])
        alone = index.search(queries[row : row + 1], 7, left_out=own)
        assert np.array_equal(alone[0][0], item[row])
        assert alone[1].tobytes() == score[row].tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_left_out_is_not_found(built: Built, method: str) -> None:
    index, queries = built[method, "product"], drawn(3, 100)
    first, _ = index.search(queries, 5)
    left_out = (np.arange(101) * 5, first.ravel())
    second, _ = index.search(queries, 5, left_out=left_out)
    assert (second >= 0).all()
    assert not any(np.isin(a, b).any() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_the_same_vectors_and_seed_give_the_same_index(built: Built, method: str) -> None:
    one, two = built[method, "product"], NearestVectors(method).fit(drawn(0, N))
    for name, array in one.arrays().items():
        assert array.tobytes() == two.arrays()[name].tobytes(), name


@pytest.mark.parametrize("measure", ["product", "cosine"])
@pytest.mark.parametrize("method", METHODS)
def test_a_restored_index_answers_the_same(built: Built, method: str, measure: str) -> None:
    index, queries = built[method, measure], drawn(4, 100)
    again = NearestVectors.from_arrays(dataclasses.asdict(index), index.arrays())
    for one, two in zip(index.search(queries, 10), again.search(queries, 10), strict=True):
        assert one.tobytes() == two.tobytes()
    assert (again.method_, again.effort_, again.recall_) == (
        index.method_,
        index.effort_,
        index.recall_,
    )


@pytest.mark.parametrize("method", METHODS)
def test_fewer_vectors_than_wanted_are_all_given(built: Built, method: str) -> None:
    del built
    few = drawn(0, 4)
    item, score = NearestVectors(method).fit(few).search(few[:2], 6)
    assert np.sort(item, axis=1).tolist() == [[-1, -1, 0, 1, 2, 3]] * 2
    assert score[:, 4:].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("method", METHODS)
def test_a_list_longer_than_what_is_near_is_completed(built: Built, method: str) -> None:
    index = built[method, "product"]
    item, _ = index.search(drawn(5, 3), N + 1)
    assert (np.sort(item, axis=1) == np.arange(-1, N)).all()
    one = (np.array([0, N - 2]), np.arange(N - 2, dtype=np.int32))
    item, _ = index.search(drawn(5, 1), 3, left_out=one)
    assert sorted(item[0].tolist()) == [-1, N - 2, N - 1]


@pytest.mark.parametrize("measure", ["product", "cosine"])
@pytest.mark.parametrize("method", METHODS)
def test_a_query_of_zeros_has_an_answer_of_zeros(built: Built, method: str, measure: str) -> None:
    item, score = built[method, measure].search(np.zeros((1, 16), np.float32), 5)
    assert (item >= 0).all()
    assert score.tolist() == [[0.0] * 5]


@pytest.mark.parametrize("method", METHODS)
def test_vectors_of_zeros_have_the_cosine_zero(built: Built, method: str) -> None:
    del built
    item, score = NearestVectors(method, "cosine").fit(np.zeros((N, 3))).search(np.ones((1, 3)), 4)
    assert len(set(item[0].tolist())) == 4
    assert score.tolist() == [[0.0] * 4]


def test_vectors_without_neighbours_are_compared_one_by_one() -> None:
    noise = np.random.default_rng(0).standard_normal((5_200, 300), dtype=np.float32)
    index = NearestVectors("cells", "cosine", least_recall=0.999).fit(noise)
    assert (index.method_, index.effort_, index.recall_) == ("exact", 0, 1.0)
    assert index.arrays()["cell"].size == 0


def test_recall_may_be_measured_on_queries_like_those_to_come() -> None:
    index = NearestVectors().fit(drawn(0, N), drawn(1, 300))
    wanted, _ = NearestVectors("exact").fit(drawn(0, N)).search(drawn(1, 300), 10)
    assert index.recall_ == pytest.approx(recall(index.search(drawn(1, 300), 10)[0], wanted))


@needs_hnswlib
def test_a_graph_with_fewer_vectors_than_wanted_gives_none() -> None:
    graph = hnsw_graph.HnswGraph.empty(3, 4, seed=0)
    graph.add(np.eye(3, 4, dtype=np.float32), np.arange(3))
    assert graph.candidates(np.ones((2, 4), np.float32), 5, 5, 1).tolist() == [[-1] * 5] * 2
    assert sorted(graph.candidates(np.ones((1, 4), np.float32), 3, 3, 1)[0]) == [0, 1, 2]


@needs_hnswlib
def test_without_the_package_the_exact_search_answers(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = built["hnsw", "product"]
    monkeypatch.setattr(nearest, "is_installed", lambda: False)
    index = NearestVectors("hnsw").fit(drawn(0, N))
    again = NearestVectors.from_arrays(dataclasses.asdict(stored), stored.arrays())
    wanted = built["exact", "product"].search(drawn(1, 50), 5)
    for one in (index, again):
        assert one.method_ == "exact"
        assert np.array_equal(one.search(drawn(1, 50), 5)[0], wanted[0])


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_a_number_is_refused(built: Built, method: str) -> None:
    bad = drawn(0, N)
    bad[17, 3] = np.nan
    message = "must be finite numbers, got nan as factor 3 in row 17"
    with pytest.raises(ParameterError, match=f"vectors {message}"):
        NearestVectors(method).fit(bad)
    with pytest.raises(ParameterError, match=f"queries {message}"):
        built[method, "product"].search(bad, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "cell"}, "method must be one of exact, cells, hnsw.*Did you mean 'cells'"),
        ({"measure": "cosin"}, "measure must be one of product, cosine.*Did you mean 'cosine'"),
        ({"least_recall": 1.0}, "least_recall must be above 0 and below 1, got 1.0"),
        ({"least_recall": np.nan}, "least_recall must be above 0 and below 1, got nan"),
        ({"list_length": 0}, "list_length must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        NearestVectors(**settings).fit(drawn(0, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_asked_is_refused(built: Built, method: str) -> None:
    with pytest.raises(NotTrainedError, match="must be fitted first"):
        NearestVectors(method).search(drawn(0, 1), 1)
    with pytest.raises(ParameterError, match="k must be at least 1, got 0"):
        built[method, "product"].search(drawn(0, 1), 0)
    with pytest.raises(ParameterError, match="as many factors as items, got 5 and 16"):
        built[method, "product"].search(drawn(0, 1, 5), 1)
