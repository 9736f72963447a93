"""The hidden functions behind the scores of pairs: one for each task of customers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recsql.functions import PythonFunction
from recsql.tasks import SCORED_TASKS


def _function(task: str) -> PythonFunction:
    def make(key: str) -> Callable[..., Any]:
        def score_pairs(users: Any, items: Any, transactions: Any) -> Any:
            import pyarrow as pa

            from recsql.serving.scores import score

            if len(users) == 0:
                return pa.array([], pa.float64())
            found = score(key, task, transactions[0].as_py(), users, items)
            return pa.array(found, from_pandas=True)  # NaN is NULL

        return score_pairs

    parameters = ("VARCHAR", "VARCHAR", "BIGINT")
    return PythonFunction(f"_recsql_runtime_score_{task}", parameters, "DOUBLE", make)


FUNCTIONS = [_function(task) for task in SCORED_TASKS]
