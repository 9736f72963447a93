"""A hierarchy of two recurrent networks, to compare with one that is told when sessions begin."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import torch
from recsql.onnx_models._recurrent import Encoder, RecurrentLesson
from recsql.onnx_models._sequences import held_out_moments
from recsql.onnx_models._training import learned
from torch import nn

from recsql.data.events import Events
from recsql.models.base import Array
from recsql.models.hrnn import HRNN
from recsql.networks.recurrent import Beside, Scales
from recsql.networks.sequences import SequenceParts


class HierarchicalEncoder(Encoder):
    """One layer within sessions, and one whose state moves on where a session ends.

    Where what comes next begins a session, the state within sessions is made anew from that of
    the layer above, and the layer within reads the last item once more.

    Source: Quadrana et al., "Personalizing Session-based Recommendations with Hierarchical
    Recurrent Neural Networks", RecSys 2017; the second reading is that of Ma et al.,
    "Temporal-Contextual Recommendation in Real-Time", KDD 2020, section 2.2.
    """

    def __init__(self, settings: HRNN, count: Array) -> None:
        super().__init__(settings, count, 0, 0, None)
        width, hidden = settings.n_factors, settings.n_hidden
        self.of_numbers = None
        self.within = nn.GRUCell(width, hidden)
        self.above = nn.GRUCell(hidden, hidden)
        self.begin = nn.Linear(hidden, hidden)
        del self.layers

    def states(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give the vector after each event: float32[rows, steps, width]."""
        item, start = batch["item"], batch["start"][..., None]
        vector, _ = self.items()
        read = self.dropout(nn.functional.embedding(item, nn.functional.pad(vector, (0, 0, 1, 0))))
        state = read.new_zeros((len(item), self.begin.out_features))
        above, found = state, []
        for step in range(item.shape[1]):
            state = self.within(read[:, step], state)
            ends = start[:, step]
            above = torch.where(ends > 0, self.above(state, above), above)
            again = self.within(read[:, step], torch.tanh(self.begin(above)))
            state = torch.where(ends > 0, again, state)
            found.append(state)
        to_item: torch.Tensor = self.to_item(self.dropout(torch.stack(found, dim=1)))
        return to_item


class TorchGraph:
    """Answers like a graph, by the module itself: the loop over steps is not exported."""

    def __init__(self, module: HierarchicalEncoder) -> None:
        self._module = module

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Give the vector after the last event of each row."""
        given = {name: torch.from_numpy(values) for name, values in inputs.items()}
        with torch.no_grad():
            state = self._module.states(given)
        vector: Array = state[torch.arange(len(state)), given["length"] - 1].numpy()
        return [vector]


class HierarchicalGRU(HRNN):
    """The hierarchy of two layers as a model that is measured, and never stored."""

    name: ClassVar[str] = "hierarchical_gru"

    def _module(self) -> Any:
        return SimpleNamespace(learn=_learn)

    def _take_graph(self, graph: Any) -> None:
        self.graph_ = graph


def _learn(
    settings: HierarchicalGRU,
    events: Events,
    scales: Scales,
    beside: Beside,
) -> SequenceParts:
    del beside
    hidden = held_out_moments(events, settings)
    lesson = RecurrentLesson(events, settings, hidden, scales, None)
    count = np.bincount(events.item[~hidden], minlength=events.n_items)
    data = [events.user_ptr, events.item, events.time]
    module = learned(settings, lambda: HierarchicalEncoder(settings, count), lesson, data)
    table, bias = module.freeze(None)
    graph: Any = TorchGraph(module)
    return SequenceParts(graph, table, bias, {})
