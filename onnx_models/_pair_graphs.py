"""From a module that scores pairs to three graphs: of requests, of items, and of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from recsql.networks.graph import ROWS, STEPS, Graph
from recsql.networks.pairs import ITEM_ROW, REQUEST_ROW, PairGraphs, Rows, Told

from ._export import check_alike, export

if TYPE_CHECKING:
    from recsql.models.pair_network import PairNetwork
    from recsql.networks.fields import PairFields

    from ._pairs import PairModule

Array = np.ndarray[Any, np.dtype[Any]]

EXPORT_STEPS = 7
EXAMPLE_ROWS = 5  # of each side of a pair, to compare with
_PREFIXES = f"{REQUEST_ROW}_", f"{ITEM_ROW}_"  # of what is read of each side


def exported(
    settings: PairNetwork, module: PairModule, fields: PairFields, n_items: int
) -> PairGraphs:
    """Give the graphs of a module, each compared with it."""
    module.eval()
    examples = _Examples(module, fields, n_items, reads_history=settings.reads_history())
    sizes = examples.sizes()
    of_request, of_item = ([name for name in sizes if name.startswith(s)] for s in _PREFIXES)
    most = settings.max_length if settings.reads_history() else 1
    lengths = sorted({1, min(EXPORT_STEPS, most), most})

    def graph(part: nn.Module, make: Any, outputs: Sequence[str], inputs: Any) -> Graph:
        varying = inputs | {name: {0: ROWS} | sizes.get(name, {}) for name in outputs}
        shared = inputs.keys() & sizes.keys()
        return export(settings.name, part, make, outputs, varying, lengths, shared)

    row = {0: ROWS}
    rows = {name: {0: f"{name.partition('_')[0]}s"} | size for name, size in sizes.items()}
    graphs = PairGraphs(
        graph(
            _Requests(module),
            examples.requests,
            of_request,
            {"slots": row, "history": {0: ROWS, 1: STEPS}},
        ),
        graph(_Items(module), examples.items, of_item, {"item": row, "slots": row}),
        graph(
            _Pairs(module, len(of_request)),
            examples.pairs,
            module.outputs,
            {REQUEST_ROW: row, ITEM_ROW: row} | rows,
        ),
    )
    for steps in lengths:
        _compare(graphs, module, examples, steps)
    return graphs


def _compare(graphs: PairGraphs, module: PairModule, examples: _Examples, steps: int) -> None:
    """Compare what the graphs say together with the module, from codes to chances."""
    rng = np.random.default_rng(steps)
    asked, items = examples.requests(rng, EXAMPLE_ROWS, steps), examples.items(rng, 3, steps)
    row, item = np.divmod(np.arange(3 * EXAMPLE_ROWS), 3)
    told = Told(graphs.request.run(asked), row)
    found = graphs.score(told, Rows(graphs.item, items).of(item))
    with torch.no_grad():
        requests = _Requests(module)(*map(torch.from_numpy, asked.values()))
        parts = (*requests, *_Items(module)(*map(torch.from_numpy, items.values())))
        wanted = _Pairs(module, len(requests))(*map(torch.from_numpy, (row, item)), *parts)
    for tensor, one, other in zip(graphs.pair.signature.outputs, found, wanted, strict=True):
        name = graphs.pair.signature.network
        check_alike(name, tensor.name, one, other.numpy(), f"{steps} steps, all graphs together")


class _Examples:
    """Inputs of chance for the parts of a module, by name."""

    def __init__(
        self, module: PairModule, fields: PairFields, n_items: int, *, reads_history: bool
    ) -> None:
        self._module, self._n_items, self._n_codes = module, n_items, fields.n_codes
        self._n_slots = int(fields.asked_slots.sum()), int(fields.item.n_slots.sum())
        self._reads_history = reads_history

    def requests(self, rng: np.random.Generator, rows: int, steps: int) -> dict[str, Array]:
        found = {"slots": rng.integers(0, self._n_codes, (rows, self._n_slots[0]))}
        if self._reads_history:
            found["history"] = rng.integers(0, self._n_items + 1, (rows, steps))
        return found

    def items(self, rng: np.random.Generator, rows: int, steps: int) -> dict[str, Array]:
        del steps
        slots = rng.integers(0, self._n_codes, (rows, self._n_slots[1]))
        return {"item": rng.integers(0, self._n_items + 1, rows), "slots": slots}

    def pairs(self, rng: np.random.Generator, rows: int, steps: int) -> dict[str, Array]:
        at = {name: rng.integers(0, EXAMPLE_ROWS, rows) for name in (REQUEST_ROW, ITEM_ROW)}
        return at | self.told(rng, EXAMPLE_ROWS, steps)

    def told(self, rng: np.random.Generator, rows: int, steps: int) -> dict[str, Array]:
        """Give what the module reads of some requests and items."""
        parts = _Requests(self._module), _Items(self._module)
        inputs = self.requests(rng, rows, steps), self.items(rng, rows, steps)
        found: dict[str, Array] = {}
        for prefix, part, given in zip(_PREFIXES, parts, inputs, strict=True):
            with torch.no_grad():
                outputs = part(*map(torch.from_numpy, given.values()))
            found |= {f"{prefix}{n}": output.numpy() for n, output in enumerate(outputs)}
        return found

    def sizes(self) -> dict[str, dict[int, str]]:
        """Give the axes of what is read of requests and items that vary with the history."""
        rng = np.random.default_rng(0)
        one, other = (self.told(rng, EXAMPLE_ROWS, steps) for steps in (2, 3))
        return {
            name: {
                axis: STEPS
                for axis, size in enumerate(value.shape)
                if size != other[name].shape[axis]
            }
            for name, value in one.items()
        }


class _Requests(nn.Module):
    def __init__(self, module: PairModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, slots: torch.Tensor, history: torch.Tensor | None = None) -> Any:
        return self.module.request(slots, history)


class _Items(nn.Module):
    def __init__(self, module: PairModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, item: torch.Tensor, slots: torch.Tensor) -> Any:
        return self.module.item(item, slots)


class _Pairs(nn.Module):
    def __init__(self, module: PairModule, n_request: int) -> None:
        super().__init__()
        self.module, self.n_request = module, n_request

    def forward(self, row: torch.Tensor, item: torch.Tensor, *told: torch.Tensor) -> Any:
        request = [part[row] for part in told[: self.n_request]]
        items = [part[item] for part in told[self.n_request :]]
        return tuple(torch.sigmoid(self.module.pair(request, items)).unbind(1))
