"""What a graph takes and gives: stored as JSON beside it, compared when it is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from recsql.errors import StateError

DTYPES = ("int64", "float32")


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph.

    Attributes
    ----------
    name : identifier in the graph
    dtype : one of DTYPES
    shape : sizes; a name where the size may vary. The first one is 'rows'
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def without_names(self) -> Tensor:
        """Give the tensor with all sizes that may vary alike, whatever they are called."""
        sizes = tuple(size if isinstance(size, int) else "" for size in self.shape)
        return replace(self, shape=sizes)

    def __str__(self) -> str:
        """Give the tensor as text, such as ``item int64[rows, steps]``."""
        return f"{self.name} {self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Signature:
    """What a graph is.

    Attributes
    ----------
    network : name of the model
    opset : of ONNX
    inputs, outputs : tensors in the order of the graph
    graph : SHA-256 of the graph's bytes
    vocabulary : SHA-256 of what its codes mean: item ids, and how attributes become codes
    """

    network: str
    opset: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    graph: str
    vocabulary: str = ""

    def of_vocabulary(self, vocabulary: str) -> Signature:
        """Give the signature with the hash of what the codes mean."""
        return replace(self, vocabulary=vocabulary)

    def to_json(self) -> str:
        """Give the signature as JSON."""
        return json.dumps(asdict(self), indent=2)


def read_signature(text: str | bytes) -> Signature:
    """Read a signature from JSON.

    Raises
    ------
    StateError
        It is no JSON of a signature.
    """
    try:
        found = json.loads(text)
        return Signature(
            str(found["network"]),
            int(found["opset"]),
            _tensors(found["inputs"]),
            _tensors(found["outputs"]),
            str(found["graph"]),
            str(found.get("vocabulary", "")),
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise StateError(
            "A signature must be JSON with network, opset, inputs, outputs and graph, got "
            f"{error!r}. See docs/networks.md for an example."
        ) from error


def content_hash(*contents: bytes) -> str:
    """Give the SHA-256 of several pieces of bytes, each with its length."""
    found = hashlib.sha256()
    for content in contents:
        found.update(len(content).to_bytes(8, "little"))
        found.update(content)
    return found.hexdigest()


def _tensors(rows: Sequence[dict[str, Any]]) -> tuple[Tensor, ...]:
    found = []
    for row in rows:
        if row["dtype"] not in DTYPES:
            raise ValueError(f"dtype {row['dtype']!r} is none of {', '.join(DTYPES)}")
        found.append(Tensor(str(row["name"]), row["dtype"], tuple(row["shape"])))
    return tuple(found)
