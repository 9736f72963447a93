"""From a module to a graph: exported, and compared with the module before anyone may use it."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from recsql.errors import TrainingError
from recsql.networks.graph import Graph, described, open_graph
from recsql.networks.signature import Signature

Array = np.ndarray[Any, np.dtype[Any]]

OPSET = 17
ROWS = (1, 7, 2048)
TOLERANCE = 1e-4  # of the largest value of an output


def export(
    network: str,
    module: nn.Module,
    make: Callable[[np.random.Generator, int, int], Mapping[str, Array]],
    outputs: Sequence[str],
    varying: Mapping[str, Mapping[int, str]],
    lengths: Sequence[int] = (1,),
    shared: Collection[str] = (),
) -> Graph:
    """Give the graph of a module in its state of answering.

    The exporter that traces is used for all networks: the graph of the newer one scores attention
    at half the speed and takes twenty times as long to make.

    Parameters
    ----------
    make : gives inputs for a number of rows and a length, by name, in the order of ``forward``
    outputs : names of what ``forward`` gives
    varying : names of the sizes that may vary, by input or output and axis
    lengths : of sequences, to compare with; the longest is traced with
    shared : inputs that every row reads whole

    Raises
    ------
    TrainingError
        The graph does not give what the module gives; the greatest difference is in the text.
    """
    module.eval()
    rng = np.random.default_rng(0)
    example = make(rng, 3, max(lengths))
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter, and about sizes that are constants
        torch.onnx.export(
            module,
            tuple(torch.from_numpy(values) for values in example.values()),
            file,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=list(example),
            output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in varying.items()},
        )
    content = file.getvalue()
    inputs, given = described(open_graph(content))
    signature = Signature(network, OPSET, inputs, given, hashlib.sha256(content).hexdigest())
    graph = Graph(content, signature)
    for n_rows in ROWS:
        # A full batch of the longest histories would take more memory than learning did.
        for length in lengths if n_rows < max(ROWS) else lengths[:2]:
            _compare(network, graph, module, make(rng, n_rows, length), shared)
    return graph


def _compare(
    network: str,
    graph: Graph,
    module: nn.Module,
    inputs: Mapping[str, Array],
    shared: Collection[str],
) -> None:
    whole = {name: values for name, values in inputs.items() if name in shared}
    rows = {name: values for name, values in inputs.items() if name not in shared}
    found = graph.run(rows, whole)
    with torch.no_grad():
        wanted = module(*(torch.from_numpy(values) for values in inputs.values()))
    wanted = (wanted,) if isinstance(wanted, torch.Tensor) else wanted
    for tensor, one, other in zip(graph.signature.outputs, found, wanted, strict=True):
        shapes = {name: values.shape for name, values in inputs.items()}
        check_alike(network, tensor.name, one, other.numpy(), str(shapes))


def check_alike(network: str, output: str, found: Array, truth: Array, asked: str) -> None:
    """Compare an output of a graph with that of its module.

    Raises
    ------
    TrainingError
        They differ by more than TOLERANCE of the largest value.
    """
    same = found.shape == truth.shape
    difference = float(np.abs(found - truth).max(initial=0.0)) if same else np.inf
    largest = float(np.abs(truth).max(initial=0.0))
    if not difference <= TOLERANCE * max(largest, 1.0):
        raise TrainingError(
            f"The graph of {network} must give what its module gives, got a difference of "
            f"{difference:.3g} in {output} for {asked}. It was not registered."
        )
