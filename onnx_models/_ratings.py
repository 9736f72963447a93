"""A recurrent encoder that learns ratings, and the histories that it learns from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from recsql.data.events import Events
from recsql.data.features import Features
from recsql.kernels.ragged import ranges
from recsql.models.rating_factors import item_factors
from recsql.models.rating_parts import drawn_means, rated
from recsql.models.recurrent_rating import begun
from recsql.networks.recurrent import Beside, Scales, step_inputs
from recsql.networks.sequences import SequenceParts, Steps

from ._pairs import held_out_customers
from ._recurrent import Encoder, data_of, features_of, parts_of
from ._sequences import Moments, windows
from ._training import Batch, learned, on_device

if TYPE_CHECKING:
    from recsql.models.recurrent_rating import RecurrentRating

Array = np.ndarray[Any, np.dtype[Any]]

HELD_OUT_ROWS = 64
FACTOR_ROUNDS = 12


class RatingEncoder(Encoder):
    """From a history to a vector whose product with that of an item is what biases leave.

    Its last number is for all items the same. It begins at 0: with what biases say, and a little of
    what attributes say by chance. The vectors of items are given and stay as they are: learned here
    too, they would fit single ratings. What their attributes say is learned.

    Parameters
    ----------
    factors : float64[n_items, n_factors]
    """

    def __init__(
        self,
        settings: RecurrentRating,
        factors: Array,
        count: Array,
        n_kinds: int,
        n_user_features: int,
        item_features: Features | None,
    ) -> None:
        super().__init__(settings, count, n_kinds, n_user_features, item_features, n_beside=1)
        self.of_rated = nn.Linear(settings.n_factors, settings.n_factors, bias=False)
        with torch.no_grad():
            self.items_of.own.weight.copy_(torch.from_numpy(factors))
            for layer in (self.to_item, self.of_mean):
                if layer is not None:
                    nn.init.zeros_(layer.weight)
                    nn.init.zeros_(layer.bias)
        self.items_of.own.requires_grad_(False)
        self.items_of.bias.requires_grad_(False)

    def items(self, code: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Give vectors, with a last number of 1, and biases of items; of all, if none are named."""
        vector, bias = super().items(code)
        return torch.cat([vector, torch.ones_like(vector[:, :1])], dim=1), bias

    def events_of(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give what is read of the item of each event: the more, the further its rating is off."""
        vector = self.vectors_of(batch["item"])[..., :-1]
        told: torch.Tensor = vector + self.of_rated(vector * batch["rating"][..., None])
        return told


class RatingLesson:
    """Learn every rating from what the customer did before its moment.

    Parameters
    ----------
    events : of customers, in order of time; their ratings are what the biases of items leave
    settings : of the network; a history of more than ``max_length`` events is several windows
    customer : float64[n_events]    what the bias of the customer says before each event
    """

    least_steps = 50

    def __init__(
        self,
        events: Events,
        settings: RecurrentRating,
        scales: Scales,
        users: Features | None,
        customer: Array,
    ) -> None:
        assert events.feedback is not None  # there are ratings
        self.events, self.settings = events, settings
        self._scales, self._users = scales, users
        self._target = (events.feedback.rating - customer) / scales.rating_spread
        self._rated = events.rated
        self._moments = Moments.of(events)
        self._asked = self._moments.ends & (self._moments.end > self._moments.start)
        self.hidden = held_out_customers(events, settings)
        owner, first, last = windows(events, self._asked, settings.max_length)
        hidden = self.hidden[events.user_ptr[:-1][owner]]
        self._windows = owner[~hidden], first[~hidden], last[~hidden]
        self._held_out = owner[hidden], first[hidden], last[hidden]
        self.n_rows = len(self._windows[0])

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[Batch]:
        """Give windows of about equal length together, the batches in an order of chance."""
        owner, first, last = self._windows
        order = np.argsort((last - first) + rng.random(len(first)), kind="stable")
        for start in rng.permutation(np.arange(0, len(order), size)):
            rows = order[start : start + size]
            batch = self.batch(owner[rows], first[rows], last[rows])
            if len(batch["target"]):
                yield batch

    def loss(self, module: RatingEncoder, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give the mean squared error of a batch, and what shrinks the vectors of attributes."""
        state = module.states(batch)[batch["row"], batch["step"]][batch["owner"]]
        loss, penalty = self._error(module, batch, state), module.penalty(state[:, :-1])
        # The penalty is half a square, as a likelihood would have it; the error is a whole one.
        return loss if penalty is None else loss + 2.0 * penalty

    def _error(
        self, module: RatingEncoder, batch: Mapping[str, torch.Tensor], state: torch.Tensor
    ) -> torch.Tensor:
        """Give the mean squared error of ratings, each weighed as its event."""
        vector, bias = module.items(batch["asked"])
        error = (state * vector).sum(dim=1) + bias - batch["target"]
        weight = batch["weight"]
        return (weight * error * error).sum() / weight.sum().clamp_min(1e-12)

    def held_out_loss(self, module: RatingEncoder, device: torch.device) -> float | None:
        """Give the mean squared error of the ratings of the customers that are held out."""
        owner, first, last = self._held_out
        total, weight = 0.0, 0.0
        for start in range(0, len(owner), HELD_OUT_ROWS):
            rows = slice(start, start + HELD_OUT_ROWS)
            batch = on_device(self.batch(owner[rows], first[rows], last[rows]), device)
            part = float(batch["weight"].sum())
            state = module.states(batch)[batch["row"], batch["step"]][batch["owner"]]
            error = float(self._error(module, batch, state))
            total, weight = total + error * part, weight + part
        return total / weight if weight > 0 else None

    def batch(self, owner: Array, first: Array, last: Array) -> dict[str, Array]:
        """Give the inputs of some windows, and the ratings asked for within them.

        Returns
        -------
        what the module reads, by name, with a step before the first event
        row, step : int64[n_asked]        the states that are asked
        owner : int64[n_targets]          which of them each rating belongs to
        asked, target : int64, float32[n_targets]    codes of items, and what biases leave
        weight : float32[n_targets]       of the kind of event
        """
        events, moments = self.events, self._moments
        steps = Steps.between(first, last)
        place = steps.place
        asked = self._asked[place]
        start = moments.start[place]
        next_time = np.where(asked, events.time[start], events.time[place])
        next_session = np.where(asked, events.session[start], events.session[place])
        item = steps.table(events.item[place] + 1, np.int64)
        found = {"item": item} | step_inputs(
            self.settings, self._scales, events, steps, next_session, next_time
        )
        found = {name: begun(values) for name, values in found.items()}
        if self._users is not None:
            found["user"] = features_of(self._users, owner)
        at = np.flatnonzero(asked)
        opens = np.flatnonzero(first == events.user_ptr[:-1][owner])
        begin = first[opens]
        end = _first_moments(events, owner[opens])
        found["row"] = np.concatenate([opens, steps.row[at]])
        found["step"] = np.concatenate([np.zeros(len(opens), np.int64), steps.step[at] + 1])
        state, target = ranges(
            np.concatenate([begin, moments.start[place[at]]]),
            np.concatenate([end, moments.end[place[at]]]),
        )
        rated = self._rated[target]
        state, target = state[rated], target[rated]
        found["owner"], found["asked"] = state, events.item[target].astype(np.int64)
        found["target"] = self._target[target].astype(np.float32)
        found["weight"] = events.strength[target]
        return found


def customer_before(events: Events, pull: float) -> Array:
    """Give the mean rating of each event's customer before its moment, drawn to 0: float64[n].

    Parameters
    ----------
    pull : ratings of 0 that every customer counts as having given, >= 0
    """
    assert events.feedback is not None  # there are ratings
    rated = events.rated
    rating = np.where(rated, events.feedback.rating, 0.0)
    total = np.concatenate([[0.0], np.cumsum(rating, dtype=np.float64)])
    count = np.concatenate([[0], np.cumsum(rated)])
    begin = events.user_ptr[:-1][events.user]
    moment = events.moment
    known = np.maximum(count[moment] - count[begin] + pull, 1e-12)
    found: Array = (total[moment] - total[begin]) / known
    return found


def scaled_factors(settings: RecurrentRating, events: Events) -> Array:
    """Give factors of items, of length 1 in the mean square: float64[n_items, n_factors]."""
    user, item, rest = rated(events)
    rest = rest - drawn_means(user, rest, events.n_users, settings.customer_pull)[user]
    shape = settings.n_factors, FACTOR_ROUNDS
    factors = item_factors(events, rest, *shape, settings.ridge, settings.seed)
    square = (factors[np.unique(item)] ** 2).sum(axis=1).mean() if len(item) else 0.0
    return factors / np.sqrt(square) if square > 0 else factors


def _first_moments(events: Events, owner: Array) -> Array:
    """Give where the first moments of customers who have events end: int64[n]."""
    begin, end = events.user_ptr[:-1][owner], events.user_ptr[1:][owner]
    row, place = ranges(begin, end)
    same = events.time[place] == events.time[begin][row]
    found: Array = begin + np.bincount(row[same], minlength=len(owner))
    return found


def learn(
    settings: RecurrentRating,
    events: Events,
    scales: Scales,
    beside: Beside,
) -> SequenceParts:
    """Learn what biases leave of ratings, and from attributes where they are given.

    Parameters
    ----------
    events : their ratings are what the biases of items leave
    """
    users, items = beside.users, beside.items
    customer = customer_before(events, settings.customer_pull)
    lesson = RatingLesson(events, settings, scales, users, customer)
    known = events.select(~lesson.hidden)
    count = np.bincount(known.item[known.rated], minlength=events.n_items)
    factors = scaled_factors(settings, known)
    n_user_features = 0 if users is None else users.n_features

    def make() -> RatingEncoder:
        n_kinds = len(scales.kinds)
        return RatingEncoder(settings, factors, count, n_kinds, n_user_features, items)

    module = learned(settings, make, lesson, [*data_of(events, (users, items)), customer])
    parts = parts_of(settings, module, scales)
    spread = np.float32(scales.rating_spread)
    return replace(parts, table=parts.table * spread, bias=parts.bias * spread)
