"""What a statement gives back in Python prints as it is."""

from __future__ import annotations

from recsql.result import Result


def test_a_result_prints_its_text_unchanged_and_leaves_empty_columns_out() -> None:
    text = str(Result(("title", "nothing", "n"), [("[b]bold[/x]", None, 3), (":cat:", None, 4)]))
    assert "[b]bold[/x]" in text
    assert ":cat:" in text
    assert "nothing" not in text


def test_only_long_json_is_shortened() -> None:
    long, short = '{"a": "' + "x" * 100 + '"}', '{"a": 1}'
    text = str(Result(("params", "advice"), [(long, "y" * 100), (short, None)]))
    assert long[:59] + "…" in text
    assert long not in text
    assert short in text
    assert "y" * 100 in text


def test_a_result_converts_to_dictionaries_arrow_and_pandas() -> None:
    result = Result(("a", "b"), [(1, "x"), (2, None)])
    assert result.dicts() == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert result.to_arrow().to_pylist() == result.dicts()
    assert result.to_pandas()["a"].tolist() == [1, 2]
    assert len(result) == 2
    assert list(result) == [(1, "x"), (2, None)]


def test_an_empty_result_keeps_its_columns() -> None:
    assert Result(("a", "b"), []).to_arrow().column_names == ["a", "b"]
    assert "a" in str(Result(("a", "b"), []))
