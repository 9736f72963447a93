"""An ONNX graph in memory: checked against its signature, run in chunks of rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from recsql.errors import StateError
from recsql.kernels._threads import available_threads
from recsql.networks.signature import Signature, Tensor

Array = np.ndarray[Any, np.dtype[Any]]

CHUNK = 2048  # rows at a time: larger batches leave the processor's caches
CHUNK_STEPS = 8192  # steps of all rows at a time, where rows have steps
LEAST_CHUNK = 64
ROWS, STEPS = "rows", "steps"  # names of sizes that vary
_DTYPE_OF = {"tensor(int64)": "int64", "tensor(float)": "float32"}


class Graph:
    """A graph that ONNX Runtime scores.

    Each run takes one thread; chunks of many rows are run side by side. The result does not depend
    on the number of threads.

    Parameters
    ----------
    content : bytes of the ONNX file
    signature : what it must be

    Raises
    ------
    StateError
        The bytes are no graph, or not the one of the signature.
    """

    def __init__(self, content: bytes, signature: Signature) -> None:
        found = hashlib.sha256(content).hexdigest()
        if found != signature.graph:
            raise StateError(
                f"The graph of {signature.network} must have SHA-256 {signature.graph}, got "
                f"{found}. Take the graph that belongs to the signature, or train again."
            )
        self.content = content
        self.signature = signature
        self._session = open_graph(content)
        inputs, outputs = described(self._session)
        _compare(signature.network, "inputs", signature.inputs, inputs)
        _compare(signature.network, "outputs", signature.outputs, outputs)

    def run(
        self, inputs: Mapping[str, Array], shared: Mapping[str, Array] | None = None
    ) -> list[Array]:
        """Score rows; gives the outputs in order, each with one entry a row.

        Parameters
        ----------
        inputs : arrays by name, as the signature says, all of the same number of rows
        shared : other inputs, that every row reads whole
        """
        whole = shared or {}
        given = {
            tensor.name: np.ascontiguousarray(
                (whole if tensor.name in whole else inputs)[tensor.name], dtype=tensor.dtype
            )
            for tensor in self.signature.inputs
        }
        parts = {name: values for name, values in given.items() if name not in whole}
        read = {name: values for name, values in given.items() if name in whole}
        n_rows, size = len(next(iter(parts.values()))), self._chunk(given)
        if n_rows <= size:
            return self._part(parts, read, slice(0, size))
        chunks = [slice(first, first + size) for first in range(0, n_rows, size)]
        with ThreadPoolExecutor(available_threads()) as pool:
            outputs = list(pool.map(lambda chunk: self._part(parts, read, chunk), chunks))
        return [np.concatenate(output) for output in zip(*outputs, strict=True)]

    def _chunk(self, given: Mapping[str, Array]) -> int:
        """Give how many rows are scored at a time."""
        steps = [
            given[tensor.name].shape[axis]
            for tensor in self.signature.inputs
            for axis, name in enumerate(tensor.shape)
            if name == STEPS
        ]
        return min(CHUNK, max(LEAST_CHUNK, CHUNK_STEPS // max(steps, default=1)))

    def _part(
        self, parts: Mapping[str, Array], read: Mapping[str, Array], chunk: slice
    ) -> list[Array]:
        given = {name: values[chunk] for name, values in parts.items()}
        found: list[Array] = self._session.run(None, {**given, **read})
        return found


def open_graph(content: bytes) -> Any:
    """Give a session of ONNX Runtime with one thread.

    Raises
    ------
    StateError
        The bytes are no graph that it can run.
    """
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each of its errors has a class of its own
        raise StateError(
            f"A graph must be an ONNX file that ONNX Runtime can run, got: {error} "
            "Export it again, or train again."
        ) from error


def described(session: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Give the inputs and outputs of a session."""
    return (
        tuple(_tensor(value) for value in session.get_inputs()),
        tuple(_tensor(value) for value in session.get_outputs()),
    )


def _tensor(value: Any) -> Tensor:
    return Tensor(value.name, _DTYPE_OF.get(value.type, value.type), tuple(value.shape))


def _compare(network: str, what: str, wanted: Sequence[Tensor], found: Sequence[Tensor]) -> None:
    if [tensor.without_names() for tensor in wanted] != [one.without_names() for one in found]:
        raise StateError(
            f"The graph of {network} must have the {what} {'; '.join(map(str, wanted))}, got "
            f"{'; '.join(map(str, found))}. Take the graph that belongs to the signature, or "
            "train again."
        )
