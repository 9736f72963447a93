"""What training finds on the bundled sample: who serves, and how each model did on the test part.

``RECSQL_WRITE_GOLDEN=1 pytest tests/golden`` writes sample.json anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("sample")
GOLDEN = Path(__file__).with_name("sample.json")
OF_TASK = {"repeat": "interval_mae"}  # the others: ndcg
TOLERANCE = 0.02  # a part of the value: processors round differently


@pytest.fixture(scope="module")
def found(sample_shop: Any) -> dict[str, Any]:
    """Give for each task who serves, and the test value of the best setting of each model."""
    tasks: dict[str, Any] = {}
    for task, algorithm, status, metric, value in sample_shop.board:
        if metric == OF_TASK.get(task, "ndcg"):
            told = tasks.setdefault(task, {"metric": metric, "incumbent": None, "test": {}})
            told["test"][algorithm] = max(round(value, 4), told["test"].get(algorithm, 0.0))
            if status == "incumbent":
                told["incumbent"] = algorithm
    if os.environ.get("RECSQL_WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps(tasks, indent=2) + "\n", "utf-8")
    return tasks


@pytest.fixture(scope="module")
def golden(found: dict[str, Any]) -> dict[str, Any]:
    """Give what is to be found."""
    assert found
    read: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
    return read


def test_the_same_models_serve(found: dict[str, Any], golden: dict[str, Any]) -> None:
    assert {task: told["incumbent"] for task, told in found.items()} == {
        task: told["incumbent"] for task, told in golden.items()
    }


def test_each_model_does_as_well(found: dict[str, Any], golden: dict[str, Any]) -> None:
    for task, told in golden.items():
        assert found[task]["test"] == pytest.approx(told["test"], rel=TOLERANCE), task


def test_what_serves_beats_what_is_trivial(found: dict[str, Any]) -> None:
    trivial = {"popularity", "mean_interval", "constant_interval"}
    for task, told in found.items():
        others = [value for name, value in told["test"].items() if name in trivial]
        serving = told["test"][told["incumbent"]]
        if task == "repeat":
            assert serving < min(others)
        elif task not in ("popular", "first"):  # best sellers serve the one; see the README
            assert serving > max(others)
