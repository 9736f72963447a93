"""What recurrent networks share: their inputs by name, and how a request becomes these inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recsql.data.events import Events
from recsql.data.offered import Unsold
from recsql.errors import ParameterError
from recsql.models.base import Array
from recsql.models.network import HistoryEncoder, SequenceNetwork, item_steps
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.networks.exposure import log_rates_of
from recsql.networks.fields import FieldLayout, context_layout
from recsql.networks.recurrent import Beside, Scales, step_inputs
from recsql.networks.sequences import SequenceParts, Steps, padded_features


@dataclass
class RecurrentEncoder(HistoryEncoder):
    """An encoder of ``n_layers`` gated recurrent layers of ``n_hidden`` units.

    Each step reads the vector of an item, of ``n_factors``, and what its switches say:
    ``session_starts`` (whether what is asked for begins a session: a break of
    ``session_gap_minutes``, or a new ``session_id`` while learning), ``time_gaps`` (the logarithm
    of the time until then), ``feedback`` (rating and kind of the event), ``request_features`` (the
    context of what is asked for, where one is bound), ``user_features`` and ``item_features``
    (attributes that are bound). While learning an ``unknown_share`` of what the context says counts
    as unknown, so that a request without one is answered too. With ``profile`` the mean of all that
    was read is beside the state. The state times the vector of an item plus its bias is its score.

    What attributes of items say is shrunk as if ``attribute_shrinkage`` items more had said
    nothing: a value that few items have promises little.
    """

    n_factors: int = 64
    n_hidden: int = 64
    n_layers: int = 1
    dropout: float = 0.2
    session_starts: bool = False
    time_gaps: bool = False
    feedback: bool = False
    request_features: bool = False
    profile: bool = False
    user_features: bool = False
    item_features: bool = False
    session_gap_minutes: float = 60.0
    unknown_share: float = 0.1
    attribute_shrinkage: float = 3.0
    warm_mix: float = 0.5
    least_mix: float = 0.0

    def _check(self) -> None:
        super()._check()
        for name in ("n_factors", "n_hidden", "n_layers"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("dropout", "unknown_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ParameterError(f"{name} must be 0 to 1, got {getattr(self, name)}.")
        if not self.session_gap_minutes >= 0:
            raise ParameterError(
                f"session_gap_minutes must be at least 0, got {self.session_gap_minutes}."
            )
        if not 0 <= self.attribute_shrinkage < np.inf:
            raise ParameterError(
                f"attribute_shrinkage must be at least 0, got {self.attribute_shrinkage}."
            )
        for name in ("warm_mix", "least_mix"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} must be 0 to 1, got {getattr(self, name)}.")

    def reads_time(self) -> bool:
        """Tell whether answers depend on the moment of the request."""
        return self.session_starts or self.time_gaps

    def begins_popular(self) -> bool:
        """Tell whether learning from drawn items begins with how often items were bought."""
        return False

    def reads_attributes(self, task: str) -> bool:
        """Tell whether answers for a task depend on attributes of the customer."""
        del task
        return self.n_user_features_ > 0

    def learns_context(self) -> bool:
        """Tell whether it learns from the context of events, where one is bound."""
        return self.request_features

    def reads_context(self) -> bool:
        """Tell whether answers depend on the context of the request."""
        return self.context_ is not None

    def unsold_items(self) -> Array:
        """Give the codes of the items in no purchase of training, ascending: int32[n]."""
        return self.unsold_

    @property
    def session_gap_microseconds(self) -> int:
        """Give the break that begins a session."""
        return int(self.session_gap_minutes * 60_000_000)

    def _learned(self, purchases: Purchases) -> SequenceParts:
        events = self._read(purchases.events)
        self.scales_ = Scales.learn(events)
        users = purchases.user_features if self.user_features else None
        if users is not None and users.n_rows * users.n_features == 0:
            users = None
        items = purchases.item_features if self.item_features else None
        self.n_user_features_ = 0 if users is None else users.n_features
        self.context_ = None
        if self.request_features:
            self.context_ = context_layout(events.context)
        unsold = self._unsold(purchases)
        self.unsold_ = super().unsold_items() if unsold is None else unsold.code
        parts: SequenceParts = self._module().learn(
            self,
            events,
            self.scales_,
            Beside(users, items, self.context_, unsold),
        )
        return parts

    def _read(self, events: Events | None) -> Events:
        """Give events as the network reads them."""
        assert events is not None  # fit() and recommend() looked
        return events

    def _known_items(self, purchases: Purchases) -> Array:
        known = super()._known_items(purchases)
        if self.item_features and purchases.item_features is not None:
            known = known | (np.diff(purchases.item_features.ptr) > 0)
        unsold = self._unsold(purchases)
        return known if unsold is None else unsold.among_all(known, True)

    def _unsold(self, purchases: Purchases) -> Unsold | None:
        return purchases.unsold if self.offers_unsold() else None

    def _inputs(self, requests: Requests) -> dict[str, Array]:
        events = self._read(requests.events)
        steps, inputs = item_steps(events, self.max_length)
        place = steps.place
        after = np.minimum(place + 1, len(events.item) - 1)
        last = steps.step == steps.length[steps.row] - 1
        own = events.time[place]
        # Items of a session that is given come one after the other, and what is asked for too.
        asked = own + 1 if requests.time is None else requests.time[steps.row]
        next_time = np.where(last, np.maximum(asked, own), events.time[after])
        next_session = np.where(last, -1, events.session[after])
        inputs |= step_inputs(self, self.scales_, events, steps, next_session, next_time)
        if self.context_ is not None:
            inputs["context"] = self._context(requests, steps, after, last)
        if self.n_user_features_:
            inputs["user"] = padded_features(requests.features, len(requests))
        return inputs

    def _context(self, requests: Requests, steps: Steps, after: Array, last: Array) -> Array:
        """Give what is known of what each step asks for: of the next event, or of the request.

        Parameters
        ----------
        after, last : int64[n], bool[n]    the event after each of these, and which are the last
        """
        events = requests.events
        assert events is not None  # recommend() looked
        assert self.context_ is not None
        # Within a moment nothing is asked for: see how a step is learned.
        asked = np.where(events.time[after] > events.time[steps.place], after, steps.place)
        known = None if events.context is None else events.context.of_rows(asked)
        slots = self.context_.slots(known, len(asked))
        slots[last] = self.context_.slots(requests.context, len(requests))[steps.row[last]]
        return steps.table(slots, np.int64)

    def arrays(self) -> dict[str, Array]:
        """Give what every encoder keeps, and how numbers become inputs."""
        found = super().arrays() | self.scales_.arrays()
        if self.context_ is not None:
            found |= self.context_.arrays("context")
        if len(self.unsold_):
            found["unsold"] = self.unsold_
        return found | {"n_user_features": np.array([self.n_user_features_])}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        super()._restore(arrays)
        self.scales_ = Scales.of_arrays(arrays)
        self.n_user_features_ = int(arrays["n_user_features"][0])
        has_context = "context_first_code" in arrays
        self.context_ = FieldLayout.of_arrays(arrays, "context") if has_context else None
        there = arrays["unsold"] if "unsold" in arrays else super().unsold_items()
        self.unsold_ = there.astype(np.int32)


# The first base gives the defaults of what both have.
@dataclass
class RecurrentNetwork(SequenceNetwork, RecurrentEncoder):
    """A recurrent encoder that learns what comes next.

    With ``trend`` the scores learned are beside what is popular at the time: the logarithm of the
    share of an item in the events of the ``trend_hours`` before, over ``temperature``, is added
    while learning and, with the share of the hours before the request, when answering.
    ``smoothing`` events more for each item are shared out as all events are: of an item of which
    little was seen in that time it would tell chance, not a trend.
    """

    learning_rate: float = 3e-3
    trend: bool = False
    trend_hours: float = 24.0
    smoothing: float = 10.0
    temperature: float = 1.0

    def _check(self) -> None:
        super()._check()
        for name in ("trend_hours", "smoothing", "temperature"):
            if not 0 < getattr(self, name) < np.inf:
                raise ParameterError(f"{name} must be above 0, got {getattr(self, name)}.")

    @property
    def trend_microseconds(self) -> int:
        """Give the length of the period whose events are the exposure of items."""
        return int(self.trend_hours * 3_600_000_000)

    def exposure_microseconds(self) -> int | None:
        """Give the time before a request whose events change its answer; None: none does."""
        return self.trend_microseconds if self.trend else None

    def offers_unsold(self) -> bool:
        """Tell whether it can recommend items that nobody bought: by their attributes."""
        return self.item_features

    def reads_time(self) -> bool:
        """Tell whether answers depend on the moment of the request."""
        return super().reads_time() or self.trend

    def begins_popular(self) -> bool:
        """Tell whether learning from drawn items begins with how often items were bought."""
        return not self.trend  # which adds what is popular

    def _learned(self, purchases: Purchases) -> SequenceParts:
        if self.trend:
            self._count_lately(self._read(purchases.events).dated(), self._unsold(purchases))
        return super()._learned(purchases)

    def _count_lately(self, events: Events, unsold: Unsold | None) -> None:
        """Count what was done in all, and in the last period."""
        n_items = events.n_items
        lately = events.time > int(events.time.max(initial=0)) - self.trend_microseconds
        self.counts_ = np.bincount(events.item, minlength=n_items).astype(np.float64)
        self.lately_ = np.bincount(events.item[lately], minlength=n_items).astype(np.float64)
        if unsold is not None:
            self.counts_, self.lately_ = (
                unsold.among_all(count, 0.0) for count in (self.counts_, self.lately_)
            )

    def _shift(self, requests: Requests) -> Array | None:
        if not self.trend:
            return None
        lately = self.lately_ if requests.lately is None else requests.lately
        rates = log_rates_of(lately, self.counts_, self.smoothing)
        shift: Array = rates / np.float32(self.temperature)
        return shift

    def arrays(self) -> dict[str, Array]:
        """Give what every encoder keeps, and the counts that a trend is told from."""
        found = super().arrays()
        return found | {"counts": self.counts_, "lately": self.lately_} if self.trend else found

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        super()._restore(arrays)
        if self.trend:
            self.counts_, self.lately_ = arrays["counts"], arrays["lately"]
