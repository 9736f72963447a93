"""Networks that users bring: what is refused, what they answer, and when they serve."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

onnx = pytest.importorskip("onnx")

import shop as small_shop  # noqa: E402
from brought import (  # noqa: E402
    OPSET,
    mean_of_pairs,
    signature_of,
    signature_of_pairs,
    table_of,
    whole_scores,
    write,
)
from histories import asked, learned  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

import recsql  # noqa: E402
from recsql.cli import app  # noqa: E402
from recsql.database import Session  # noqa: E402
from recsql.errors import ParameterError, RecsqlError, StateError  # noqa: E402
from recsql.models.imported import Imported  # noqa: E402
from recsql.networks.brought import Brought, read_brought  # noqa: E402
from recsql.networks.protobuf import has_external_weights, opset_of  # noqa: E402
from recsql.networks.trial import try_out  # noqa: E402
from recsql.selection.candidates import candidates_for  # noqa: E402
from recsql.selection.rebuild import rebuild  # noqa: E402
from recsql.statements.follow import follow  # noqa: E402
from recsql.store.models import StoredModel  # noqa: E402

IDS = [f"i{place:02}" for place in range(20)][::-1]  # the shop's, in an order of the user's own
TABLE = table_of(len(IDS), len(IDS))
SCORES = whole_scores(TABLE)
PAIRS = mean_of_pairs(table_of(len(IDS), 4))


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    found = recsql.connect()
    small_shop.fill(found)
    small_shop.bind(found)
    return found


@pytest.fixture(scope="module")
def untouched() -> duckdb.DuckDBPyConnection:
    """Give a shop that refuses whatever it is brought."""
    found = recsql.connect()
    small_shop.fill(found)
    small_shop.bind(found)
    return found


@pytest.fixture(scope="module")
def untouched_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file of a shop that refuses whatever it is brought."""
    path = tmp_path_factory.mktemp("refusing") / "shop.duckdb"
    with recsql.connect(path) as con:
        con.execute("BEGIN")
        small_shop.fill(con)
        con.execute("COMMIT")
        small_shop.bind(con)
    return path


def statuses(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str | None]]:
    rows = con.sql(
        "SELECT m.algorithm, m.status, m.error FROM recsql.models AS m WHERE m.status <> 'retired'"
    ).fetchall()
    return {name: (status, error) for name, status, error in rows}


def brought(content: bytes, signature: dict[str, Any]) -> Brought:
    return read_brought(content, json.dumps(signature))


# What it answers


def model_of(network: Brought, ids: list[str], rows: list[list[int]]) -> Imported:
    model = Imported(network.name, network.version)
    model.source = lambda: (network, ids)
    return model.fit(learned(rows, len(ids)))


def slow_scores(
    kind: str, listed: list[str], table: np.ndarray, ids: list[str], row: list[int], most: int
) -> list[float]:
    """Score every item of the shop for one history, from the definition; NaN for never."""
    codes = [1 + listed.index(ids[code]) for code in row if ids[code] in listed][-most:]
    found = []
    for text in ids:
        if not codes or text not in listed:
            found.append(float("nan"))
        elif kind == "pairs":
            mean = sum(table[code] for code in codes) / len(codes)
            found.append(float(mean @ table[1 + listed.index(text)]))
        else:
            found.append(float(sum(table[code][listed.index(text)] for code in codes)))
    return found


@pytest.mark.parametrize("kind", ["all", "pairs", "fixed"])
@settings(deadline=None)  # the first example loads kernels
@given(
    rows=st.lists(st.lists(st.integers(0, 6), max_size=9), min_size=1, max_size=5),
    listed=st.permutations([f"p{n}" for n in range(3, 9)]),
    most=st.integers(1, 5),
)
def test_an_import_scores_what_its_network_says_of_the_items_that_it_knows(
    kind: str, rows: list[list[int]], listed: list[str], most: int
) -> None:
    ids = [f"p{n}" for n in range(7)]  # p0 to p2 are not listed, p7 and p8 not in the shop
    table = table_of(len(listed), 4 if kind == "pairs" else len(listed))
    if kind == "pairs":
        content = mean_of_pairs(table)
        network = brought(content, signature_of_pairs(content, listed, max_length=most))
    else:
        content = whole_scores(table, steps=5 if kind == "fixed" else "steps")
        shape = ["rows", 5 if kind == "fixed" else "steps"]
        inputs = [{"name": "history", "dtype": "int64", "shape": shape}]
        network = brought(content, signature_of(content, listed, max_length=most, inputs=inputs))
    model = model_of(network, ids, [[3, 4]])
    requests = asked(rows, len(ids))
    expected = np.array([slow_scores(kind, listed, table, ids, row, most) for row in rows])
    row, item = (axis.ravel() for axis in np.indices(expected.shape))
    scored = model.score_pairs(requests, row, item)
    np.testing.assert_allclose(scored, expected.ravel(), rtol=1e-5, atol=1e-5)
    found = model.recommend(requests, 3)
    for place, scores in enumerate(expected):
        able = np.flatnonzero(~np.isnan(scores))
        best = sorted(able, key=lambda code: (-round(scores[code], 3), code))[:3]
        assert [code for code in found.item[place] if code >= 0] == best


def test_an_item_may_be_never_recommended_by_minus_infinity() -> None:
    never = np.zeros(len(IDS), np.float32)
    never[0] = -np.inf
    add = [
        helper.make_node(
            "Constant", [], ["never"], value=onnx.numpy_helper.from_array(never, "never")
        ),
        helper.make_node("Add", ["sums", "never"], ["scores"]),
    ]
    content = whole_scores(TABLE, after=add)
    network = brought(content, signature_of(content, IDS))
    try_out(network)
    model = model_of(network, IDS, [[1]])
    assert np.isnan(model.score_pairs(asked([[1]], 20), np.array([0]), np.array([0]))[0])
    assert 0 not in model.recommend(asked([[1]], 20), 20).item[0]


def test_scores_that_are_no_numbers_are_refused_when_they_are_asked_for() -> None:
    table = TABLE.copy()
    table[7] = np.nan
    content = whole_scores(table)
    model = model_of(brought(content, signature_of(content, IDS)), IDS, [[1]])
    assert model.recommend(asked([[1]], 20), 2).item[0, 0] >= 0
    with pytest.raises(StateError, match="mine must give numbers, got NaN or infinity for 20 of"):
        model.recommend(asked([[6]], 20), 2)


def test_an_error_without_a_text_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    network = brought(SCORES, signature_of(SCORES, IDS))
    monkeypatch.setattr(network.graph, "run", full)
    with pytest.raises(StateError, match=r"got: MemoryError\. Export it"):
        network.answer(np.ones((1, 2), dtype=np.int64), np.array([2]))


# What is refused


def whole(**changes: Any) -> tuple[bytes, dict[str, Any]]:
    return SCORES, signature_of(SCORES, IDS) | changes


def resigned(content: bytes) -> tuple[bytes, dict[str, Any]]:
    return content, signature_of(content, IDS)


def of_inputs(**changes: Any) -> tuple[bytes, dict[str, Any]]:
    (said,) = signature_of(SCORES, IDS)["inputs"]
    return whole(inputs=[said | changes])


def fixed_rows() -> tuple[bytes, dict[str, Any]]:
    content = whole_scores(TABLE, rows=3)
    inputs = [{"name": "history", "dtype": "int64", "shape": [3, "steps"]}]
    outputs = [{"name": "scores", "dtype": "float32", "shape": [3, 20]}]
    return content, signature_of(content, IDS, inputs=inputs, outputs=outputs)


def noisy() -> tuple[bytes, dict[str, Any]]:
    """Give a network whose dropout was left on."""
    nodes = [
        helper.make_node("RandomNormalLike", ["sums"], ["noise"], seed=1.0),
        helper.make_node("Add", ["sums", "noise"], ["scores"]),
    ]
    return resigned(whole_scores(TABLE, after=nodes))


def of_the_batch() -> tuple[bytes, dict[str, Any]]:
    """Give a network that takes off the mean of all rows, as a norm in its state of learning."""
    nodes = [
        helper.make_node("ReduceMean", ["sums"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["sums", "mean"], ["scores"]),
    ]
    return resigned(whole_scores(TABLE, after=nodes))


def reading_the_end() -> tuple[bytes, dict[str, Any]]:
    table = TABLE.copy()
    table[0] = 1.0
    return resigned(whole_scores(table))


def not_a_number() -> tuple[bytes, dict[str, Any]]:
    return resigned(whole_scores(TABLE, after=[helper.make_node("Log", ["sums"], ["scores"])]))


def with_weights_elsewhere() -> tuple[bytes, dict[str, Any]]:
    model = onnx.load_from_string(SCORES)
    for tensor in model.graph.initializer:
        if tensor.name == "table":
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="model.onnx.data")
    return resigned(model.SerializeToString())


def with_vectors_of_steps() -> tuple[bytes, dict[str, Any]]:
    """Give a network that reads one of 20 numbers for each step, and does not say so."""
    node = helper.make_node
    return resigned(
        whole_scores(
            TABLE,
            after=[
                node("Constant", [], ["one"], value_int=1),
                node("Constant", [], ["zero"], value_int=0),
                node("Constant", [], ["numbers"], value_floats=[0.0] * 20),
                node("Shape", ["history"], ["shape"]),
                node("Gather", ["shape", "one"], ["steps"]),
                node("Range", ["zero", "steps", "one"], ["places"]),
                node("Constant", [], ["begin"], value_ints=[0]),
                node("Unsqueeze", ["steps", "begin"], ["end"]),
                node("Slice", ["numbers", "begin", "end"], ["sliced"]),
                node("Cast", ["places"], ["place"], to=TensorProto.FLOAT),
                node("Mul", ["sliced", "place"], ["of_steps"]),
                node("ReduceSum", ["of_steps"], ["nothing"], keepdims=0),
                node("Add", ["sums", "nothing"], ["scores"]),
            ],
        )
    )


SMALL = whole_scores(TABLE[:-1])
REFUSED: dict[str, tuple[Callable[[], tuple[bytes, dict[str, Any]]], str]] = {
    "another file": (
        lambda: (whole_scores(-TABLE), signature_of(SCORES, IDS)),
        "The graph of mine must have SHA-256",
    ),
    "altered": (
        lambda: (SCORES.replace(b"Gather", b"GatheR"), signature_of(SCORES, IDS)),
        "The graph of mine must have SHA-256",
    ),
    "steps": (with_vectors_of_steps, "or say in its signature the max_length that it reads"),
    "truncated": (
        lambda: (SCORES[:-100], signature_of(SCORES, IDS)),
        "A graph must be a whole ONNX file, got another one: it ends",
    ),
    "truncated and signed": (lambda: resigned(SCORES[:-100]), "must be a whole ONNX file"),
    "no graph": (lambda: resigned(b"\x08\x09"), "A graph must be an ONNX file that ONNX Runtime"),
    "another network": (
        lambda: (PAIRS, signature_of(PAIRS, IDS)),
        "The graph of mine must have the inputs history int64[rows, steps], got past int64",
    ),
    "opset": (lambda: whole(opset=18), "The graph of mine must have opset 18, got 17."),
    "type": (lambda: of_inputs(dtype="float32"), "must have the inputs history float32[rows"),
    "unknown type": (lambda: of_inputs(dtype="int8"), "A signature must be JSON with network"),
    "shape": (lambda: of_inputs(shape=["rows", 7]), "must have the inputs history int64[rows, 7]"),
    "role": (
        lambda: of_inputs(role="user"),
        "The role of each input of a signature must be another of history, length, item, got user",
    ),
    "no history": (lambda: of_inputs(role="item"), "The input item of a signature must be int64["),
    "fixed rows": (fixed_rows, "The number of rows must vary, got history int64[3, steps]."),
    "task": (lambda: whole(task="first"), "must be one of next, for_you, got first."),
    "name": (lambda: whole(network="my net"), "must be letters, digits, _ . or -, got my net."),
    "length": (lambda: whole(max_length=0), "The max_length of a signature must be at least 1"),
    "no items": (lambda: whole(items=[]), "The items of a signature must be a list of the ids"),
    "an item twice": (lambda: whole(items=[*IDS[1:], "i00"]), "different ids, got i00 twice"),
    "an item that is no id": (lambda: whole(items=[*IDS[1:], 1.5]), "must be ids: text or whole"),
    "fewer items": (
        lambda: whole(items=IDS[1:]),
        "The output of a signature must be float32[rows, 19], a score for each of its items",
    ),
    "items of another shop": (
        lambda: whole(items=[f"x{place}" for place in range(20)]),
        "The network mine must know an item of recsql.interactions, got none of 20.",
    ),
    "a code that it does not know": (
        lambda: (SMALL, signature_of(SMALL, IDS)),
        "The network mine must answer for 2,048 rows of 12 steps, got: ",
    ),
    "dropout": (noisy, "The network mine must give a row the same scores whatever is asked with"),
    "norm of the batch": (of_the_batch, "must give a row the same scores whatever is asked with"),
    "steps after the end": (reading_the_end, "leave out the steps after the end"),
    "no numbers": (not_a_number, "The network mine must give numbers, got NaN or infinity for"),
    "weights elsewhere": (with_weights_elsewhere, "got one whose weights lie in another file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_network_that_is_not_what_it_must_be_is_refused_and_not_stored(
    case: str, untouched: duckdb.DuckDBPyConnection, untouched_file: Path, tmp_path: Path
) -> None:
    make, sentence = REFUSED[case]
    path = write(tmp_path, *make())
    with pytest.raises(RecsqlError) as refused:
        recsql.import_model(untouched, path)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(duckdb.Error) as refused_in_sql:
        untouched.execute("CALL recsql.import_model(?)", [str(path)])
    assert sentence in str(refused_in_sql.value)
    assert untouched.sql("SELECT count(*) FROM recsql.artifacts").fetchall() == [(0,)]
    signature = ["--signature", str(path.with_suffix(".json"))]
    done = CliRunner().invoke(app, ["models", "import", str(untouched_file), str(path), *signature])
    assert (done.exit_code, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"path": "no.onnx"}, "path must be the name of an ONNX file, got no.onnx: no such file"),
        ({"path": ""}, "path must be the name of an ONNX file, got ''"),
        ({"signature": "no.json"}, "signature must be the name of a JSON file, got no.json: no"),
        ({"signature": "."}, "got .: a folder. Check the name."),
    ],
)
def test_files_that_are_not_there_are_refused(
    untouched: duckdb.DuckDBPyConnection, tmp_path: Path, arguments: dict[str, str], sentence: str
) -> None:
    given = {"path": str(write(tmp_path, *whole()))} | arguments
    with pytest.raises(ParameterError) as refused:
        recsql.import_model(untouched, **given)  # type: ignore[arg-type]
    assert sentence in str(refused.value)


def test_a_signature_that_is_no_json_is_refused(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = write(tmp_path, *whole())
    opset = path.with_suffix(".json").read_text().replace('"opset": 17', '"opset": Infinity')
    for text in ("{", "[]", '{"network": "mine"}', opset):
        path.with_suffix(".json").write_text(text)
        with pytest.raises(StateError, match="A signature must be JSON with network, opset"):
            recsql.import_model(con, path)


def test_no_file_is_read_where_the_database_may_not(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = write(tmp_path, *whole())
    con.execute("SET enable_external_access = false")
    with pytest.raises(StateError, match="import_model must be allowed to read files"):
        recsql.import_model(con, path)


@given(st.integers(0, len(SCORES) - 1))
def test_a_file_cut_anywhere_is_read_or_refused_with_a_sentence(size: int) -> None:
    for read in (opset_of, has_external_weights):
        assert said(read, SCORES[:size]) in (str(OPSET), "False", "whole ONNX file")


def said(read: Callable[[bytes], object], content: bytes) -> str:
    """Give what is read, or the middle of the sentence that refuses it."""
    try:
        return str(read(content))
    except StateError as error:
        return str(error).partition(" must be a ")[2].partition(",")[0]


@given(st.binary(max_size=60))
def test_bytes_that_are_no_graph_are_refused_with_a_sentence(content: bytes) -> None:
    signature = signature_of(content, IDS)
    with pytest.raises(StateError):
        brought(content, signature)


def test_the_opset_is_that_of_the_standard_operators() -> None:
    assert opset_of(SCORES) == OPSET  # beside another domain's, of version 3
    model = onnx.load_from_string(SCORES)
    del model.opset_import[:]
    with pytest.raises(StateError, match="it names no opset"):
        opset_of(model.SerializeToString())


# When it serves


def test_an_import_serves_where_it_is_named_and_says_what_its_measures_are_worth(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = write(tmp_path, SCORES, signature_of(SCORES, ["never sold", *IDS[:-1]]))
    ((task, network, version, scores, items, known, in_all, step),) = con.execute(
        "CALL recsql.import_model(?)", [str(path)]
    ).fetchall()
    assert (task, network, scores, items, known, in_all) == (
        "next", "mine", "all items", 20, 19, 20,
    )  # fmt: skip
    assert version == hashlib.sha256(SCORES).hexdigest()[:12]
    recsql.train(con, task="next")
    mark = "it learned elsewhere and may have seen what it is asked"
    assert statuses(con)["imported"] == ("candidate", mark)
    measured = con.sql(
        "SELECT DISTINCT l.part FROM recsql.leaderboard AS l WHERE l.algorithm = 'imported' "
        "AND l.metric = 'ndcg' ORDER BY 1"
    ).fetchall()
    assert measured == [("test",), ("validation",)]
    con.execute(step)
    assert statuses(con)["imported"] == ("incumbent", mark)
    why = con.sql(
        "SELECT s.why FROM recsql.selections AS s ORDER BY s.selected_at DESC LIMIT 1"
    ).fetchall()
    assert why[0][0].endswith(mark)
    listed = ["never sold", *IDS[:-1]]
    bought = [
        sku for (sku,) in con.sql(
            "SELECT o.sku FROM orders AS o WHERE o.customer = 3 ORDER BY o.ordered_at, o.sku"
        ).fetchall()
    ]  # fmt: skip
    codes = [1 + listed.index(sku) for sku in bought if sku in listed]
    expected = TABLE[codes].sum(axis=0)
    best = sorted(listed[1:], key=lambda sku: (-expected[listed.index(sku)], sku))
    found = con.sql(
        "SELECT r.item_id, r.score, r.model FROM recommend_next(3, k := 4) AS r ORDER BY r.rank"
    ).fetchall()
    assert found == [(sku, expected[listed.index(sku)], "imported") for sku in best[:4]]
    assert con.sql("SELECT score_next(3, 'i05'), score_next(3, 'i00')").fetchall() == [
        (expected[listed.index("i05")], None)
    ]


def test_an_import_that_scores_pairs_serves_for_you(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    said = recsql.import_model(
        con, write(tmp_path, PAIRS, signature_of_pairs(PAIRS, IDS, task="for_you"))
    ).dicts()[0]
    assert (said["scores"], said["known"]) == ("pairs", 20)
    recsql.train(con, models=["imported"])  # of the tasks it can serve, the one that has a network
    served = con.sql("SELECT m.task FROM recsql.models AS m WHERE m.status = 'incumbent'")
    assert served.fetchall() == [("for_you",)]
    rows = con.sql(
        "SELECT r.score, score_for_you(3, r.item_id), r.model FROM recommend_for_you(3) AS r"
    ).fetchall()
    assert rows
    for listed, alone, model in rows:
        assert model == "imported"
        assert listed == pytest.approx(alone, rel=1e-5)


def test_what_serves_competes_on_and_no_other_import_can_be_promoted_unnamed() -> None:
    serving, other = Imported("mine", "0" * 12), Imported("theirs", "1" * 12)
    incumbent = StoredModel("next/imported/1.1", "next", "imported", serving.params())
    for names, able in ((None, [True, False]), (["imported"], [True, True])):
        found = candidates_for(
            "next", names, incumbent, real_time=True, pair_bytes=0, imports=[serving, other]
        )
        assert [c.may_serve for c in found if c.model.name == "imported"] == able


def test_an_import_of_the_same_name_replaces_and_what_serves_stays_as_it_is(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    recsql.import_model(con, write(tmp_path, *whole()))
    recsql.train(con, task="next", models=["imported"])
    query = "SELECT list(r.item_id ORDER BY r.rank) FROM recommend_next(3) AS r"
    before = con.sql(query).fetchall()
    recsql.import_model(con, write(tmp_path, *resigned(whole_scores(-TABLE))))
    assert con.sql(query).fetchall() == before
    imported = con.sql(
        "SELECT a.name FROM recsql.artifacts AS a "
        "WHERE a.model_id = 'imported/next/mine' ORDER BY 1"
    ).fetchall()
    assert imported == [("graph.onnx",), ("signature.json",)]
    recsql.train(con, task="next")  # the one that serves competes, and so does the new one
    rows = con.sql(
        "SELECT count(DISTINCT m.params->>'version') FROM recsql.models AS m "
        "WHERE m.algorithm = 'imported' AND m.status <> 'retired'"
    ).fetchall()
    assert rows == [(2,)]


def test_after_many_new_orders_an_import_serves_on_with_the_items_that_it_knows(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    recsql.import_model(con, write(tmp_path, *whole()))
    recsql.train(con, task="next", models=["imported"])
    con.execute(
        "INSERT INTO orders "
        "SELECT o.customer, CASE WHEN o.qty = 1 THEN 'a new one' ELSE o.sku END, "
        "o.ordered_at + INTERVAL 3 DAY, o.invoice || 'b', 1, 1.0 FROM orders AS o"
    )
    assert rebuild(Session(con), "asked", follow) == {}
    found = con.sql("SELECT r.item_id, r.model FROM recommend_next(3, k := 20) AS r").fetchall()
    assert {model for _, model in found} == {"imported"}
    scores = con.sql("SELECT score_next(3, 'a new one'), score_next(3, 'i05') IS NULL")
    assert scores.fetchall() == [(None, False)]


def test_an_import_whose_bytes_were_changed_fails_and_the_others_go_on(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    recsql.import_model(con, write(tmp_path, *whole()))
    con.execute("UPDATE recsql.artifacts AS a SET bytes = 'x'::BLOB WHERE a.name = 'graph.onnx'")
    recsql.train(con, task="next")
    status, error = statuses(con)["imported"]
    assert status == "failed"
    assert error is not None
    assert "graph.onnx of imported/next/mine must have SHA-256" in error
    assert "incumbent" in {status for status, _ in statuses(con).values()}


def test_a_network_of_another_version_is_not_taken() -> None:
    content, signature = whole()
    model = Imported("mine", "0" * 12)
    model.source = lambda: (brought(content, signature), IDS)
    with pytest.raises(StateError, match="The network must be mine 000000000000, got mine"):
        model.fit(learned([[1]], 20))


def test_an_import_without_its_network_cannot_learn() -> None:
    with pytest.raises(ParameterError, match="imported must have a network of yours, got none"):
        Imported().fit(learned([[1]], 20))
    content, signature = whole()
    network = brought(content, signature)
    model = Imported(network.name, network.version)
    model.source = lambda: (network, ["other"])
    with pytest.raises(ParameterError, match="mine must know an item that was bought, got none"):
        model.fit(learned([[0]], 1))


def test_no_import_at_all_is_said_before_anything_is_trained(
    con: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(ParameterError, match="imported must have a network of yours, got none"):
        recsql.train(con, models=["imported"])
