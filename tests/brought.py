"""Small networks as ONNX files, made operator by operator, with the signatures of users."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
N_FACTORS = 4


def table_of(n_items: int, width: int, seed: int = 0) -> np.ndarray:
    """Give whole numbers, float32[n_items + 1, width], so that sums are exact; row 0 is 0."""
    table = np.random.default_rng(seed).integers(-9, 10, (n_items + 1, width)).astype(np.float32)
    table[0] = 0
    return table


def whole_scores(
    table: np.ndarray, *, rows: Any = "rows", steps: Any = "steps", after: Sequence[Any] = ()
) -> bytes:
    """Give a network that scores all items by the sum of the rows of a history.

    ``after`` are nodes from ``sums`` to ``scores``.
    """
    nodes = [
        helper.make_node("Gather", ["table", "history"], ["read"]),
        helper.make_node("ReduceSum", ["read", "axis"], ["sums"], keepdims=0),
        *(after or [helper.make_node("Identity", ["sums"], ["scores"])]),
    ]
    history = helper.make_tensor_value_info("history", TensorProto.INT64, [rows, steps])
    out = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [rows, table.shape[1]])
    return _file(nodes, [history], [out], {"table": table, "axis": np.array([1])})


def mean_of_pairs(table: np.ndarray) -> bytes:
    """Give a network that scores a pair by the product of an item and the mean of a history."""
    nodes = [
        helper.make_node("Gather", ["table", "past"], ["read"]),
        helper.make_node("ReduceSum", ["read", "axis"], ["sum"], keepdims=0),
        helper.make_node("Gather", ["table", "item"], ["asked"]),
        helper.make_node("Mul", ["sum", "asked"], ["products"]),
        helper.make_node("ReduceSum", ["products", "axis"], ["product"], keepdims=0),
        helper.make_node("Cast", ["n"], ["size"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["product", "size"], ["score"]),
    ]
    inputs = [
        helper.make_tensor_value_info("past", TensorProto.INT64, ["rows", "steps"]),
        helper.make_tensor_value_info("n", TensorProto.INT64, ["rows"]),
        helper.make_tensor_value_info("item", TensorProto.INT64, ["rows"]),
    ]
    out = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows"])
    return _file(nodes, inputs, [out], {"table": table, "axis": np.array([1])})


def _file(nodes: Any, inputs: Any, outputs: Any, constants: dict[str, np.ndarray]) -> bytes:
    stored = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "network", inputs, outputs, stored)
    opsets = [helper.make_opsetid("com.example", 3), helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def signature_of(content: bytes, items: Sequence[Any], **changes: Any) -> dict[str, Any]:
    """Give the signature of a file of ``whole_scores``, with some of it changed."""
    said = {
        "network": "mine",
        "task": "next",
        "opset": OPSET,
        "graph": hashlib.sha256(content).hexdigest(),
        "inputs": [{"name": "history", "dtype": "int64", "shape": ["rows", "steps"]}],
        "outputs": [{"name": "scores", "dtype": "float32", "shape": ["rows", len(items)]}],
        "items": list(items),
    }
    return said | changes


def signature_of_pairs(content: bytes, items: Sequence[Any], **changes: Any) -> dict[str, Any]:
    """Give the signature of a file of ``mean_of_pairs``, with some of it changed."""
    inputs = [
        {"name": "past", "dtype": "int64", "shape": ["n", "m"], "role": "history"},
        {"name": "n", "dtype": "int64", "shape": ["n"], "role": "length"},
        {"name": "item", "dtype": "int64", "shape": ["n"]},
    ]
    outputs = [{"name": "score", "dtype": "float32", "shape": ["n"]}]
    return signature_of(content, items, inputs=inputs, outputs=outputs) | changes


def write(folder: Path, content: bytes, signature: dict[str, Any], name: str = "model") -> Path:
    """Write both files and give the path of the ONNX file."""
    path = folder / f"{name}.onnx"
    path.write_bytes(content)
    path.with_suffix(".json").write_text(json.dumps(signature), "utf-8")
    return path
