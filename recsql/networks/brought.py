"""A network that a user brings: its graph, what its inputs are, and the ids that its codes mean."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.errors import StateError
from recsql.networks.graph import Graph
from recsql.networks.protobuf import has_external_weights, opset_of
from recsql.networks.signature import Signature, Tensor, read_signature

Array = np.ndarray[Any, np.dtype[Any]]

TASKS = ("next", "for_you")
AXES_OF = {"history": 2, "length": 1, "item": 1}  # of the inputs, by role
DEFAULT_LENGTH = 50
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_EXAMPLE = "See docs/networks.md for an example."


@dataclass(frozen=True)
class Brought:
    """A network that learned elsewhere.

    Its inputs are int64, by role: ``history``, [rows, steps], the codes of the newest events of a
    customer, the oldest first, 0 after the end; ``length``, [rows], how many these are; ``item``,
    [rows], the code of an item. With an item its output is the score of a pair, float32[rows];
    without one it is float32[rows, len(items)], the score of every item in the order of its codes.

    Attributes
    ----------
    task : 'next' or 'for_you'
    graph : checked against its signature
    inputs : name in the graph of each role
    items : id of each code as text; the code of the first is 1
    max_length : how many events it reads at most
    steps : length of a history where it is fixed; None: it may vary
    text : the JSON that says all this
    """

    task: str
    graph: Graph
    inputs: Mapping[str, str]
    items: tuple[str, ...]
    max_length: int
    steps: int | None
    text: str

    @property
    def name(self) -> str:
        """Give the name of the network."""
        return self.graph.signature.network

    @property
    def version(self) -> str:
        """Give the beginning of the hash of the graph, which tells it from another one."""
        return self.graph.signature.graph[:12]

    @property
    def scores_pairs(self) -> bool:
        """Tell whether it scores pairs, and not all items at once."""
        return "item" in self.inputs

    def answer(self, history: Array, length: Array, item: Array | None = None) -> Array:
        """Score rows.

        Parameters
        ----------
        history : int64[n, steps]    codes, 0 after the end
        length : int64[n]            of each history, 1 to ``max_length``
        item : int64[n]              codes, for a network that scores pairs

        Returns
        -------
        float32[n] for pairs, else float32[n, len(items)]

        Raises
        ------
        StateError
            The graph fails, or gives what is no score: NaN, infinity, or another shape.
        """
        if self.steps is not None and history.shape[1] < self.steps:
            history = np.pad(history, ((0, 0), (0, self.steps - history.shape[1])))
        given = {"history": history, "length": length}
        if item is not None:
            given["item"] = item
        try:
            (found,) = self.graph.run({name: given[role] for role, name in self.inputs.items()})
        except Exception as error:  # each error of ONNX Runtime has a class of its own
            raise StateError(
                f"The network {self.name} must answer for {len(history):,} rows of "
                f"{history.shape[1]} steps, got: {_line(error)} Export it with sizes that vary, "
                "or say in its signature the max_length that it reads."
            ) from error
        wanted = (len(history),) if self.scores_pairs else (len(history), len(self.items))
        if found.shape != wanted:
            raise StateError(
                f"The network {self.name} must give scores of shape {wanted} for "
                f"{len(history):,} rows, got {found.shape}. Export it with an output a row."
            )
        if np.isnan(found).any() or np.isposinf(found).any():
            raise StateError(
                f"The network {self.name} must give numbers, got NaN or infinity for "
                f"{int((np.isnan(found) | np.isposinf(found)).sum()):,} of {found.size:,} scores. "
                "Look at its weights, and export it again."
            )
        scores: Array = found
        return scores


def read_brought(content: bytes, text: str | bytes) -> Brought:
    """Read a network from the bytes of its ONNX file and the JSON of its signature.

    Raises
    ------
    StateError
        The bytes are no graph, or not the one of the signature; or the signature says what no
        network for a task can be.
    """
    signature = read_signature(text)
    if _NAME.fullmatch(signature.network) is None:
        raise _refused("network", "be letters, digits, _ . or -", signature.network)
    if has_external_weights(content):
        raise StateError(
            f"The graph of {signature.network} must hold its weights, got one whose weights lie in "
            "another file. Export it with external_data=False."
        )
    graph = Graph(content, signature)
    opset = opset_of(content)
    if opset != signature.opset:
        raise StateError(
            f"The graph of {signature.network} must have opset {signature.opset}, got {opset}. "
            "Write the opset of the file into the signature, or take the file that belongs to it."
        )
    return brought_of(graph, text)


def brought_of(graph: Graph, text: str | bytes) -> Brought:
    """Give a network of a graph that was checked, and the JSON of its signature.

    Raises
    ------
    StateError
        The signature says what no network for a task can be.
    """
    said: dict[str, Any] = json.loads(text)
    signature = graph.signature
    task = said.get("task")
    if task not in TASKS:
        raise _refused("task", f"be one of {', '.join(TASKS)}", task)
    inputs = _roles(signature, said["inputs"])
    items = _items(said.get("items"))
    shape = next(one for one in signature.inputs if one.name == inputs["history"]).shape
    steps = shape[1] if isinstance(shape[1], int) else None
    most = said.get("max_length", steps or DEFAULT_LENGTH)
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= (steps or most):
        rule = f"be 1 to {steps}, the steps of its input" if steps else "be at least 1"
        raise _refused("max_length", rule, most)
    _check_output(signature, len(items), pairs="item" in inputs)
    return Brought(str(task), graph, inputs, items, most, steps, json.dumps(said))


def _roles(signature: Signature, inputs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Give the name of the input of each role; the role is the name where none is given."""
    found: dict[str, str] = {}
    for tensor, said in zip(signature.inputs, inputs, strict=True):
        role = str(said.get("role", tensor.name))
        if role not in AXES_OF or role in found:
            raise _refused("role of each input", f"be another of {', '.join(AXES_OF)}", role)
        if tensor.dtype != "int64" or len(tensor.shape) != AXES_OF[role]:
            axes = "[rows, steps]" if AXES_OF[role] == 2 else "[rows]"
            raise _refused(f"input {role}", f"be int64{axes}", tensor)
        _check_rows(tensor)
        found[role] = tensor.name
    if "history" not in found:
        raise _refused("inputs", "have one of role history", ", ".join(found) or "none")
    return found


def _check_output(signature: Signature, n_items: int, *, pairs: bool) -> None:
    if len(signature.outputs) != 1:
        names = ", ".join(tensor.name for tensor in signature.outputs)
        raise _refused("outputs", "be one", names)
    (tensor,) = signature.outputs
    shape = "[rows]" if pairs else f"[rows, {n_items}]"
    n_axes, last = len(tensor.shape), tensor.shape[-1]
    fits = n_axes == 1 if pairs else n_axes == 2 and (last == n_items or not isinstance(last, int))
    if tensor.dtype != "float32" or not fits:
        why = "the score of a pair" if pairs else "a score for each of its items"
        raise _refused("output", f"be float32{shape}, {why}", tensor)
    _check_rows(tensor)


def _check_rows(tensor: Tensor) -> None:
    if isinstance(tensor.shape[0], int):
        raise StateError(
            f"The number of rows must vary, got {tensor}. Export it with a dynamic first axis."
        )


def _items(listed: object) -> tuple[str, ...]:
    """Give ids as text, in the order of the codes."""
    if not isinstance(listed, list) or not listed:
        raise _refused(
            "items", "be a list of the ids of its items in the order of its codes", "none"
        )
    for one in listed:
        if isinstance(one, bool) or not isinstance(one, int | str):
            raise _refused("items", "be ids: text or whole numbers", one)
    texts = tuple(str(one) for one in listed)
    if len(set(texts)) < len(texts):
        twice = next(text for place, text in enumerate(texts) if text in texts[:place])
        raise _refused("items", "be different ids", f"{twice} twice")
    return texts


def _refused(what: str, rule: str, got: object) -> StateError:
    return StateError(f"The {what} of a signature must {rule}, got {got}. {_EXAMPLE}")


def _line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".") + "."
