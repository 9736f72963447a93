"""Gated recurrent layers over what a customer did, and what they read at each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from recsql.data.events import Events
from recsql.data.features import Features
from recsql.data.offered import Unsold
from recsql.networks.exposure import Exposure
from recsql.networks.fields import FieldLayout
from recsql.networks.recurrent import Beside, Scales, step_inputs
from recsql.networks.sequences import SequenceParts, Steps, padded_features

from ._context import ContextVectors
from ._export import export
from ._mixed_items import MixedItems
from ._modules import weights_of
from ._sequences import SequenceLesson, SequenceModule, held_out_moments
from ._softmax import Shift
from ._training import Lesson, learned

if TYPE_CHECKING:
    from recsql.models.recurrent import RecurrentEncoder, RecurrentNetwork

Array = np.ndarray[Any, np.dtype[Any]]

NUMBERS = ("start", "gap", "rating", "rated")


class Encoder(SequenceModule):
    """From the events of a history, and what is known of the request, to a vector.

    It has ``n_beside`` numbers more than the vectors of items that are read.
    """

    def __init__(
        self,
        settings: RecurrentEncoder,
        count: Array,
        n_kinds: int,
        n_user_features: int,
        item_features: Features | None,
        n_beside: int = 0,
        context: FieldLayout | None = None,
    ) -> None:
        super().__init__()
        width = settings.n_factors
        switches = {
            "start": settings.session_starts,
            "gap": settings.time_gaps,
            "rating": settings.feedback,
            "rated": settings.feedback,
        }
        self.numbers = [name for name in NUMBERS if switches[name]]
        self.items_of = MixedItems(settings, count, item_features)
        self.of_numbers = nn.Linear(len(self.numbers), width) if self.numbers else None
        self.of_kind = nn.Embedding(n_kinds + 1, width) if settings.feedback else None
        self.of_context = (
            None if context is None else ContextVectors(context, width, settings.unknown_share)
        )
        self.of_user = nn.Embedding(n_user_features + 1, width) if n_user_features else None
        for table in (self.of_kind, self.of_user):
            if table is not None:
                nn.init.normal_(table.weight, std=0.02)
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.GRU(
            width, settings.n_hidden, num_layers=settings.n_layers, batch_first=True
        )
        self.to_item = nn.Linear(settings.n_hidden, width + n_beside)
        self.of_mean = nn.Linear(width, width + n_beside) if settings.profile else None
        self.frozen: torch.Tensor | None = None

    def item_rows(self) -> Mapping[str, int]:
        """Give the parameters with a row an item, and the row of the first one."""
        return {"items_of.own.weight": 0, "items_of.bias.weight": 0}

    def coded(self) -> frozenset[str]:
        """Give the parameters whose rows are codes of attributes, contexts or kinds."""
        return frozenset(
            {
                "items_of.of_features.weight",
                "of_user.weight",
                "of_kind.weight",
                "of_context.vectors.table.weight",
            }
        )

    @property
    def names(self) -> list[str]:
        """Give the inputs after ``item`` and ``length``, in order."""
        found = [*self.numbers]
        if self.of_kind is not None:
            found.append("kind")
        if self.of_context is not None:
            found.append("context")
        if self.of_user is not None:
            found.append("user")
        return found

    def items(self, code: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Give vectors and biases of items, of all where none are named."""
        found: tuple[torch.Tensor, torch.Tensor] = self.items_of(code)
        return found

    def penalty(self, state: torch.Tensor) -> torch.Tensor | None:
        """Give how far attributes may move the scores of states."""
        return self.items_of.penalty(state)

    def freeze(self, unsold: Unsold | None) -> tuple[Array, Array]:
        """Fix the vectors of items for answering, and give them with the biases.

        Those that nobody bought are among them where they are given, by their attributes.
        """
        self.eval()
        with torch.no_grad():
            vector, bias = (part.detach().numpy().copy() for part in self.items())
            if unsold is not None:
                more = self.items_of.by_attributes(unsold.features)
                vector, bias = (
                    unsold.among_all(part, new.detach().numpy())
                    for part, new in zip((vector, bias), more, strict=True)
                )
        self.frozen = functional.pad(torch.from_numpy(vector), (0, 0, 1, 0))
        return vector, bias

    def vectors_of(self, item: torch.Tensor) -> torch.Tensor:
        """Give the vectors of items by their codes from 1, 0 for none: float32[…, width]."""
        if self.frozen is not None:
            return functional.embedding(item, self.frozen)
        known = item > 0
        vector, _ = self.items(item[known] - 1)
        found = vector.new_zeros((*item.shape, vector.shape[1]))
        found[known] = vector
        return found

    def events_of(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give what is read of the item of each event: float32[rows, steps, width]."""
        return self.vectors_of(batch["item"])

    def reads(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give what is read of each event: float32[rows, steps, width]."""
        read = self.events_of(batch)
        if self.of_numbers is not None:
            read = read + self.of_numbers(torch.stack([batch[n] for n in self.numbers], dim=-1))
        if self.of_kind is not None:
            read = read + self.of_kind(batch["kind"])
        if self.of_context is not None:
            read = read + self.of_context(batch["context"])
        if self.of_user is not None:
            user = batch["user"]
            there = (user > 0).to(read.dtype)[..., None]
            told = (self.of_user(user) * there).sum(dim=1) / there.sum(dim=1).clamp_min(1.0)
            read = read + told[:, None, :]
        return read

    def states(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give the vector after each event: float32[rows, steps, width]."""
        read = self.reads(batch)
        state, _ = self.layers(self.dropout(read))
        found: torch.Tensor = self.to_item(self.dropout(state))
        if self.of_mean is not None:
            so_far = torch.cumsum(torch.ones_like(read[..., :1]), dim=1)
            found = found + self.of_mean(self.dropout(torch.cumsum(read, dim=1) / so_far))
        return found

    def forward(
        self, item: torch.Tensor, length: torch.Tensor, *more: torch.Tensor
    ) -> torch.Tensor:
        """Give the vector after the last event: float32[rows, width].

        Parameters
        ----------
        item : int64[rows, steps]    codes from 1, the oldest first; 0 after the end
        length : int64[rows]         events of each row, >= 1
        more : what ``names`` says, laid out like ``item``; ``context`` int64[rows, steps, slots],
            ``user`` int64[rows, values]
        """
        state = self.states({"item": item, **dict(zip(self.names, more, strict=True))})
        found: torch.Tensor = state[torch.arange(item.shape[0], device=item.device), length - 1]
        return found


class RecurrentLesson(SequenceLesson):
    """Learn what comes next, with what is known of each step."""

    def __init__(
        self,
        events: Events,
        settings: RecurrentNetwork,
        hidden: Array,
        scales: Scales,
        users: Features | None,
        context: FieldLayout | None = None,
    ) -> None:
        super().__init__(events, settings, hidden)
        self._context = context
        self._settings, self._scales, self._users = settings, scales, users
        self._user = events.user
        self._exposure: Exposure | None = None
        if settings.trend:
            known = events.select(~hidden).dated()
            self._exposure = Exposure.of(known, settings.trend_microseconds, settings.smoothing)

    def shifted(self, batch: dict[str, Array]) -> dict[str, Array]:
        """Add what the exposure of items at the time of each state adds to their scores."""
        exposure, heat = self._exposure, self._settings.temperature
        if exposure is None:
            return batch
        period = batch["period"] = exposure.period_of(batch.pop("time"))
        if "drawn" in batch:
            each, row = np.unique(period, return_inverse=True)
            drawn, target = batch["drawn"], batch["target"]
            batch["shift_drawn"] = (exposure.log_rates_at(each[:, None], drawn) / heat)[row]
            batch["shift_target"] = exposure.log_rates_at(period[batch["owner"]], target) / heat
        return batch

    def shift_of(self, batch: Mapping[str, torch.Tensor]) -> Shift | None:
        """Give what the exposure of all items at the time of each state adds to their scores."""
        exposure, heat = self._exposure, self._settings.temperature
        if exposure is None:
            return None
        period = batch["period"]

        def rates(states: torch.Tensor) -> torch.Tensor:
            each, row = torch.unique(period[states], return_inverse=True)
            table = exposure.log_rates(each.cpu().numpy()) / heat
            return torch.from_numpy(table).to(row.device)[row]

        return rates

    def inputs(self, steps: Steps) -> dict[str, Array]:
        """Give what the module reads of some events, laid out by row and step."""
        events, place = self.events, steps.place
        start = self._moments.start[place]
        has_next = self._moments.end[place] > start
        asked = self._moments.ends[place] & has_next
        following = np.where(asked, start, place)
        next_time, next_session = events.time[following], events.session[following]
        found = super().inputs(steps) | step_inputs(
            self._settings, self._scales, events, steps, next_session, next_time
        )
        if self._context is not None and events.context is not None:
            slots = self._context.slots(events.context.of_rows(following), len(following))
            found["context"] = steps.table(slots, np.int64)
        if self._users is not None:
            found["user"] = features_of(self._users, self._user[place[steps.step == 0]])
        return found


def learn(
    settings: RecurrentNetwork,
    events: Events,
    scales: Scales,
    beside: Beside,
) -> SequenceParts:
    """Learn from the events of customers, their context and attributes where they are given.

    Items that nobody bought teach nothing; they get vectors and codes when all is learned.
    """
    users, items, context, unsold = beside
    hidden = held_out_moments(events, settings)
    lesson: Lesson[Encoder] = RecurrentLesson(events, settings, hidden, scales, users, context)
    count = np.bincount(events.item[~hidden], minlength=events.n_items)
    n_user_features = 0 if users is None else users.n_features

    def make() -> Encoder:
        return Encoder(settings, count, len(scales.kinds), n_user_features, items, context=context)

    told = (None if context is None else events.context, users, items)
    module = learned(settings, make, lesson, data_of(events, told))
    return parts_of(settings, module, scales, unsold)


def parts_of(
    settings: RecurrentEncoder,
    module: Encoder,
    scales: Scales,
    unsold: Unsold | None = None,
) -> SequenceParts:
    """Give the graph of a module that has learned, and the vectors and biases of items."""
    table, bias = module.freeze(unsold)
    graph = export(
        settings.name,
        module,
        lambda rng, rows, steps: _example(module, rng, rows, steps, len(table), scales),
        ("vector",),
        _varying(module),
        lengths=sorted({1, min(7, settings.max_length), settings.max_length}),
    )
    return SequenceParts(graph, table, bias, weights_of(module))


def features_of(users: Features, owner: Array) -> Array:
    """Give the features of customers as a table; 0 for one beyond the last row."""
    known = np.minimum(owner, users.n_rows - 1)
    found = padded_features(users.of_rows(known), len(owner))
    found[owner >= users.n_rows] = 0
    return found


def data_of(events: Events, told: Sequence[Features | None]) -> list[Array]:
    """Give the arrays of what a network learns from: they name its checkpoint."""
    found = [events.user_ptr, events.item, events.time, events.session, events.strength]
    if events.feedback is not None:
        found += [events.feedback.rating, events.feedback.kind]
    for features in told:
        if features is not None:
            found += [features.ptr, features.feature]
    return found


def _example(
    module: Encoder,
    rng: np.random.Generator,
    rows: int,
    steps: int,
    n_items: int,
    scales: Scales,
) -> dict[str, Array]:
    found = {
        "item": rng.integers(1, n_items + 1, (rows, steps)),
        "length": rng.integers(1, steps + 1, rows),
    }
    for name in module.names:
        if name == "user":
            assert module.of_user is not None
            found[name] = rng.integers(0, module.of_user.num_embeddings, (rows, 3))
        elif name == "kind":
            found[name] = rng.integers(0, len(scales.kinds) + 1, (rows, steps))
        elif name == "context":
            assert module.of_context is not None
            size = (rows, steps, len(module.of_context.empty))
            found[name] = rng.integers(0, module.of_context.vectors.table.num_embeddings, size)
        else:
            found[name] = rng.standard_normal((rows, steps)).astype(np.float32)
    return found


def _varying(module: Encoder) -> dict[str, dict[int, str]]:
    found = {"item": {0: "rows", 1: "steps"}, "length": {0: "rows"}, "vector": {0: "rows"}}
    for name in module.names:
        found[name] = {0: "rows", 1: "values" if name == "user" else "steps"}
    return found
