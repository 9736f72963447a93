"""Histories as batches: windows of events, and what came at the next moment as targets.

Events of the same time are one moment: nothing says which of them came first. A network is asked
at the last event of a moment, and the targets are the events of the next one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recsql.data.events import Events
from recsql.errors import TrainingError
from recsql.kernels.ragged import ranges
from recsql.networks.sequences import Steps

from ._modules import NetworkModule
from ._softmax import Proposal, Shift, Targets, sampled_softmax_loss, softmax_loss
from ._training import Batch, on_device

if TYPE_CHECKING:
    from recsql.models.network import Network, SequenceNetwork

Array = np.ndarray[Any, np.dtype[Any]]

MOST_HELD_OUT = 5_000  # customers
HELD_OUT_ROWS = 128
MOST_RANKED = 8_000_000  # scores in memory at a time: 32 MB


@dataclass(frozen=True)
class Moments:
    """The moments of customers.

    Attributes
    ----------
    ends : bool[n_events]     whether an event is the last of its moment
    start, end : int64[n_events]    where the events of the next moment of its customer begin and
        end; nowhere (equal) for those of the last moment
    """

    ends: Array
    start: Array
    end: Array

    @classmethod
    def of(cls, events: Events, horizon: int = 1) -> Moments:
        """Find the moments of events; the next ``horizon`` of them count as one."""
        user, n = events.user, len(events.item)
        begins = events.begins
        first = np.append(np.flatnonzero(begins), n)
        moment = np.cumsum(begins) - 1
        after = np.minimum(moment + 1, max(len(first) - 2, 0))
        start, end = first[after], first[np.minimum(after + horizon, len(first) - 1)]
        end = np.minimum(end, events.user_ptr[1:][user])
        same = (moment + 1 < len(first) - 1) & (
            user[np.minimum(first[after], max(n - 1, 0))] == user
        )
        ends = np.append(begins[1:], True)[:n]
        return cls(ends, np.where(same, start, 0), np.where(same, end, 0))

    def before(self, events: Events, hidden: Array, next_hidden: Array) -> Moments:
        """Give the moments without what is hidden, where it is not just this that comes next."""
        begin = events.user_ptr[1:].copy()
        np.minimum.at(begin, events.user[hidden], np.flatnonzero(hidden))
        most = np.where(next_hidden, self.end, begin[events.user])
        return Moments(self.ends, self.start, np.maximum(np.minimum(self.end, most), self.start))


def held_out_moments(events: Events, settings: Network) -> Array:
    """Hide a share of the moments that have an earlier one: bool[n_events].

    They are the last moments of customers drawn at random, one of each. Where learning goes on,
    only what was not learned from before is hidden and counted.
    """
    share = settings.held_out
    if share == 0 or len(events.item) == 0:
        return np.zeros(len(events.item), dtype=bool)
    last = events.time[np.maximum(events.user_ptr[1:] - 1, 0)]
    in_last = events.time == last[events.user]
    earlier = np.bincount(events.user[~in_last], minlength=events.n_users) > 0
    later = (np.diff(events.user) == 0) & (np.diff(events.time) != 0)
    if settings.start is not None:
        earlier &= last > settings.start.weights.until
        later &= events.time[1:] > settings.start.weights.until
    rng = np.random.default_rng(settings.seed)
    among = share * int(later.sum()) / max(int(earlier.sum()), 1)
    chosen = np.flatnonzero(earlier & (rng.random(events.n_users) < among))
    if len(chosen) > MOST_HELD_OUT:
        chosen = rng.choice(chosen, MOST_HELD_OUT, replace=False)
    hidden: Array = in_last & np.isin(events.user, chosen)
    return hidden


class SequenceModule(NetworkModule, ABC):
    """A module that makes a state of each step of a history, to be multiplied by items."""

    @abstractmethod
    def states(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give the state after each event: float32[rows, steps, width]."""

    @abstractmethod
    def items(self, code: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Give vectors and biases of items, of all where none are named."""

    def penalty(self, state: torch.Tensor) -> torch.Tensor | None:
        """Give what is added to the loss of states, float32[n, width]; None for nothing."""
        del state
        return None


class SequenceLesson:
    """Learn what comes next from what came before.

    Batches hold what ``inputs`` gives for the events of each step.

    Parameters
    ----------
    events : of customers, in order of time
    settings : of the network; a history of more than ``max_length`` events is several windows
    hidden : bool[n_events]    held out: the last moments of some customers
    """

    least_steps = 50

    def __init__(self, events: Events, settings: SequenceNetwork, hidden: Array) -> None:
        self.events = events
        self.max_length = settings.max_length
        moments = Moments.of(events, settings.horizon)
        asked = moments.ends & (moments.end > moments.start)
        next_hidden = np.zeros(len(asked), dtype=bool)
        next_hidden[asked] = hidden[moments.start[asked]]
        self._moments = moments.before(events, hidden, next_hidden)
        self._asked = asked & ~next_hidden
        since = settings.learns_since(events)
        if since is not None:
            self._asked &= events.time[self._moments.start] >= since
        self._held_out = np.flatnonzero(asked & next_hidden)
        _, first, last = windows(events, self._asked, settings.max_length)
        so_far = np.concatenate([[0], np.cumsum(self._asked)])
        asks = so_far[last] > so_far[first]
        self._windows = first[asks], last[asks]
        self.n_rows = len(self._windows[0])
        if self.n_rows == 0 and settings.start is None:
            raise TrainingError(
                f"{settings.name} must have a customer with events at two times to learn from, got "
                "none. Bind ts, or take a model that learns from baskets."
            )
        self._proposal: Proposal | None = None
        if events.n_items >= settings.dense_items:
            count = np.bincount(events.item[~hidden], minlength=events.n_items)
            self._proposal = Proposal(count, settings.proposal_exponent)
        self._n_negatives = settings.n_negatives

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[Batch]:
        """Give windows of about equal length together, the batches in an order of chance."""
        first, last = self._windows
        order = np.argsort((last - first) + rng.random(len(first)), kind="stable")
        starts = np.arange(0, len(order), size)
        for start in rng.permutation(starts):
            rows = order[start : start + size]
            batch = self._batch(first[rows], last[rows], self._asked)
            if self._proposal is not None:
                batch["drawn"] = self._proposal.draw(self._n_negatives, rng)
            yield self.shifted(batch)

    def loss(self, module: SequenceModule, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give the mean loss of the targets of a batch."""
        state, targets = asked_of(module, batch)
        loss = self._loss_of(module, batch, state, targets)
        penalty = module.penalty(state)
        return loss if penalty is None else loss + penalty

    def _loss_of(
        self,
        module: SequenceModule,
        batch: Mapping[str, torch.Tensor],
        state: torch.Tensor,
        targets: Targets,
    ) -> torch.Tensor:
        if "drawn" not in batch or self._proposal is None:
            return softmax_loss(state, *module.items(), targets, self.shift_of(batch))
        log_q = torch.from_numpy(self._proposal.log_q).to(state.device)
        drawn = batch["drawn"]
        wanted, others = module.items(targets.item), module.items(drawn)
        if "shift_target" in batch:
            wanted = wanted[0], wanted[1] + batch["shift_target"]
        return sampled_softmax_loss(
            state,
            wanted,
            others,
            (log_q[targets.item], log_q[drawn]),
            batch.get("shift_drawn"),
            is_drawn(targets, drawn, len(state)),
            targets,
        )

    def held_out_loss(self, module: SequenceModule, device: torch.device) -> float | None:
        """Give 1 minus the mean NDCG of what was held out among all items.

        The likelihood stops to gain long before the ranks do. A mean of reciprocal ranks is the
        chance of a few first places, one of logarithms gains from what nobody will see.
        """
        if len(self._held_out) == 0:
            return None
        found, weight = 0.0, 0.0
        table, bias = module.items()
        for batch in self.held_out_batches():
            given = on_device(batch, device)
            state, targets = asked_of(module, given)
            rank = target_ranks(state, table, bias, targets, self.shift_of(given))
            found += float((targets.weight / torch.log2(1.0 + rank)).sum())
            weight += float(targets.weight.sum())
        return 1.0 - found / max(weight, 1e-12)

    def held_out_batches(self) -> Iterator[Batch]:
        """Give the histories whose last moment is held out."""
        asked = np.zeros(len(self._asked), dtype=bool)
        asked[self._held_out] = True
        begin = self.events.user_ptr[:-1][self.events.user[self._held_out]]
        last = self._held_out + 1
        first = np.maximum(begin, last - self.max_length)
        order = np.argsort(last - first, kind="stable")
        for start in range(0, len(order), HELD_OUT_ROWS):
            rows = order[start : start + HELD_OUT_ROWS]
            yield self.shifted(self._batch(first[rows], last[rows], asked))

    def shifted(self, batch: dict[str, Array]) -> dict[str, Array]:
        """Give a batch with what is added to scores; nothing unless a network says otherwise.

        ``time`` is that of the targets of each state.
        """
        return batch

    def shift_of(self, batch: Mapping[str, torch.Tensor]) -> Shift | None:
        """Give what is added to the scores of all items; nothing unless a network says so."""
        del batch
        return None

    def _batch(self, first: Array, last: Array, asked: Array) -> dict[str, Array]:
        """Give the inputs of some windows, and the targets of those of their events asked at."""
        steps = Steps.between(first, last)
        batch = self.inputs(steps)
        at = np.flatnonzero(asked[steps.place])
        batch["row"], batch["step"] = steps.row[at], steps.step[at]
        last_event = steps.place[at]
        owner, target = ranges(self._moments.start[last_event], self._moments.end[last_event])
        batch["owner"] = owner
        batch["target"] = self.events.item[target].astype(np.int64)
        batch["weight"] = self.events.strength[target]
        batch["time"] = self.events.time[self._moments.start[last_event]]
        return batch

    def inputs(self, steps: Steps) -> dict[str, Array]:
        """Give what the module reads of some events, laid out by row and step."""
        return {"item": steps.table(self.events.item[steps.place] + 1, np.int64)}


def asked_of(
    module: SequenceModule, batch: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, Targets]:
    """Give the states that are asked, float32[n, width], and what they should have named."""
    state = module.states(batch)[batch["row"], batch["step"]]
    return state, Targets(batch["owner"], batch["target"], batch["weight"])


def target_ranks(
    state: torch.Tensor,
    table: torch.Tensor,
    bias: torch.Tensor,
    targets: Targets,
    shift: Shift | None = None,
) -> torch.Tensor:
    """Give the rank of each target among all items, float32[n_targets]; some at a time.

    The parameters are those of ``softmax_loss``.
    """
    found = torch.empty(len(targets.item), device=state.device)
    rows = max(1, MOST_RANKED // max(len(table), 1))
    for first in range(0, len(found), rows):
        part = slice(first, first + rows)
        asked, place = torch.unique_consecutive(targets.owner[part], return_inverse=True)
        scores = torch.addmm(bias, state[asked], table.T)
        if shift is not None:
            scores += shift(asked)
        found[part] = ranks(scores[place], targets.item[part])
    return found


def ranks(scores: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
    """Give the rank of an item in each row of scores: float32[rows].

    Equal scores share their ranks; a score that is not a number ranks last.
    """
    own = scores.gather(1, item[:, None])
    above = (~(scores <= own)).sum(dim=1)
    alike = ((scores == own).sum(dim=1) - 1).clamp_min(0)
    found: torch.Tensor = 1.0 + above + 0.5 * alike
    return found


def is_drawn(targets: Targets, drawn: torch.Tensor, n_states: int) -> torch.Tensor:
    """Tell which of the items drawn are targets of which state: bool[n_states, n_drawn]."""
    order, place = torch.sort(drawn)
    begin = torch.searchsorted(order, targets.item)
    end = torch.searchsorted(order, targets.item, right=True)
    n_hits = end - begin
    hit = torch.repeat_interleave(torch.arange(len(n_hits), device=drawn.device), n_hits)
    step = torch.arange(len(hit), device=drawn.device)
    step = step - torch.repeat_interleave(torch.cumsum(n_hits, 0) - n_hits, n_hits)
    found = torch.zeros((n_states, len(drawn)), dtype=torch.bool, device=drawn.device)
    found[targets.owner[hit], place[begin[hit] + step]] = True
    return found


def windows(events: Events, asked: Array, max_length: int) -> tuple[Array, Array, Array]:
    """Cut histories, from the last event asked at backwards, into windows of events.

    Returns
    -------
    owner : int64[n]          the customer; one at least for each who has events
    first, last : int64[n]    its events, first <= place < last; none where nothing is asked at
    """
    begin, user = events.user_ptr[:-1], events.user
    end = begin.copy()
    np.maximum.at(end, user[asked], np.flatnonzero(asked) + 1)
    n_windows = np.maximum(-(-(end - begin) // max_length), 1)
    n_windows[np.diff(events.user_ptr) == 0] = 0
    owner, number = ranges(np.zeros(len(begin), dtype=np.int64), n_windows)
    last = end[owner] - number * max_length
    return owner, np.maximum(last - max_length, begin[owner]), last
