"""DIEN: interests that follow each other, and of them what leads to the item asked about."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from recsql.networks.pairs import PairParts

from ._fields import LastLayers
from ._items import HistoryModule, item_bias, mean_of_history
from ._pairs import ITEM, REQUEST, learn_pairs

if TYPE_CHECKING:
    from recsql.models.dien import DIEN
    from recsql.models.pair_network import Taught


class _Evolved(torch.autograd.Function):
    """The last state, with the gradient of all steps by a few products at each.

    What of the gradient does not depend on later steps is done for all steps at once.
    """

    @staticmethod
    def forward(ctx: Any, *given: Any) -> torch.Tensor:
        gates, attention, weight, bias = given
        n_steps, n_rows, width = len(gates), gates.shape[1], weight.shape[1]
        states = gates.new_zeros(n_steps + 1, n_rows, width)
        both = gates.new_empty(n_steps, n_rows, 2 * width)
        own, new = gates.new_empty(n_steps, n_rows, 3 * width), states.new_empty(states[1:].shape)
        for step in range(n_steps):
            torch.addmm(bias, states[step], weight.t(), out=own[step])
            torch.add(gates[step, :, : 2 * width], own[step, :, : 2 * width], out=both[step])
            both[step].sigmoid_()
            reset = both[step, :, width:]
            from_own = own[step, :, 2 * width :]
            torch.addcmul(gates[step, :, 2 * width :], reset, from_own, out=new[step])
            new[step].tanh_()
            update = both[step, :, :width] * attention[step, :, None]
            torch.lerp(states[step], new[step], update, out=states[step + 1])
        ctx.save_for_backward(attention, weight, states, both, own[:, :, 2 * width :], new)
        last: torch.Tensor = states[-1].clone()
        return last

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        attention, weight, states, both, own, new = ctx.saved_tensors
        width = weight.shape[1]
        update, reset = both[:, :, :width], both[:, :, width:]
        share = update * attention[:, :, None]
        change = new - states[:-1]
        to_update = change * attention[:, :, None] * update * (1 - update)
        to_new = share * (1 - new.square())
        to_reset = to_new * own * reset * (1 - reset)
        kept = 1 - share
        at = torch.empty_like(new)  # the gradient of the state after each step
        ahead = torch.cat([to_update, to_reset, to_new * reset], 2)  # times it: that of ``own``
        state = upstream[0]
        for step in reversed(range(len(new))):
            at[step] = state
            ahead[step].view(-1, 3, width).mul_(state[:, None, :])
            state = torch.addmm(state * kept[step], ahead[step], weight)
        of_gates = torch.cat([ahead[:, :, : 2 * width], to_new * at], 2)
        of_attention = (at * change * update).sum(2)
        flat = ahead.flatten(0, 1)
        return of_gates, of_attention, flat.t() @ states[:-1].flatten(0, 1), flat.sum(0)


def evolved(
    gates: torch.Tensor, attention: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Give the last state of gated units whose update gate is multiplied by an attention.

    Parameters
    ----------
    gates : float32[steps, rows, 3 width]    what the inputs add to update, reset and state
    attention : float32[steps, rows]         0: the state stays as it is
    weight, bias : float32[3 width, width], float32[3 width]

    Source: Zhou et al., "Deep Interest Evolution Network", AAAI 2019, equations 14 to 16; the reset
    gate is multiplied after the weights.
    """
    found: torch.Tensor = _Evolved.apply(  # type: ignore[no-untyped-call]
        gates, attention, weight, bias
    )
    return found


def evolved_in_a_graph(
    gates: torch.Tensor, attention: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Do the same as its definition says, in a loop of any number of steps."""
    width = weight.shape[1]
    state = torch.zeros_like(gates[0, :, :width])
    for step in range(gates.shape[0]):
        own = torch.addmm(bias, state, weight.t())
        both = torch.sigmoid(gates[step, :, : 2 * width] + own[:, : 2 * width])
        reset = both[:, width:]
        new = torch.tanh(gates[step, :, 2 * width :] + reset * own[:, 2 * width :])
        update = both[:, :width] * attention[step].unsqueeze(1)
        state = state + update * (new - state)
    return state


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that scripts are old: an exporter that traces needs one
    _AS_LOOP = torch.jit.script(evolved_in_a_graph)


class Evolution(HistoryModule):
    """Gated units over a history, and a second time with attention to the item asked about."""

    def __init__(self, settings: DIEN, taught: Taught) -> None:
        super().__init__(settings, taught)
        width = self.items.width
        self.extractor = nn.GRU(width, width, batch_first=True)
        self.to_gates = nn.Linear(width, 3 * width)
        self.own = nn.Linear(width, 3 * width)
        self.attention = nn.Linear(width, width, bias=False)
        self.first = self.first_layer(width, 2 * width, settings.n_hidden)
        self.above = LastLayers(settings.n_hidden, settings.dropout)
        self.bias = item_bias(settings, taught.sold)
        self.next_weight = settings.next_weight

    def request(
        self, slots: torch.Tensor, history: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        """Give the interest after each event, what it adds to the gates, and which there are.

        After them come the mean vector, and what the first layer makes of it and of the fields.
        """
        assert history is not None
        read = self.items(history)
        # Vectors begin small, and gates hardly move for what is small.
        states, _ = self.extractor(read * read.shape[2] ** 0.5)
        mean, there = mean_of_history(read, history), (history > 0).to(read.dtype)
        told = self.first.of_request(torch.cat([self.fields_of(slots, REQUEST), mean], 1))
        return states, self.to_gates(states), there, mean, told

    def item(self, code: torch.Tensor, slots: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give vectors of items, what attends to them, what the first layer says, and bias."""
        vector = self.items(code)
        told = self.first.of_item(torch.cat([vector, self.fields_of(slots, ITEM)], 1))
        return vector, self.attention(vector), told, self.bias(code)

    def pair(self, request: Sequence[torch.Tensor], item: Sequence[torch.Tensor]) -> torch.Tensor:
        """Give the log odds of pairs: float32[rows, 1]."""
        states, gates, there, mean, of_request = request
        vector, attended, of_item, bias = item
        product = (states @ attended[:, :, None])[..., 0]
        weight = product.masked_fill(there == 0, -1e9).softmax(1) * there
        run = _AS_LOOP if torch.onnx.is_in_onnx_export() else evolved
        read = run(gates.transpose(0, 1), weight.transpose(0, 1), self.own.weight, self.own.bias)
        of_pair = self.first.of_pair(torch.cat([read, vector * mean], 1))
        found: torch.Tensor = self.above(of_request + of_item + of_pair)
        return found + bias

    def extra_loss(
        self, batch: Mapping[str, torch.Tensor], request: Sequence[torch.Tensor]
    ) -> torch.Tensor | None:
        """Give the loss of telling, after each event, the next one from an item that was drawn."""
        more = super().extra_loss(batch, request)
        history, drawn = batch["history"], batch["item"][:, 1:]
        if history.shape[1] < 2 or self.next_weight == 0:
            return more
        states = request[0][:, :-1]
        followed = (history[:, 1:] > 0).to(states.dtype)
        step = torch.arange(history.shape[1] - 1, device=history.device) % drawn.shape[1]
        logits = [(states * self.items(code)).sum(-1) for code in (history[:, 1:], drawn[:, step])]
        loss = functional.softplus(-logits[0]) + functional.softplus(logits[1])
        loss = self.next_weight * (loss * followed).sum() / followed.sum().clamp_min(1.0)
        return loss if more is None else loss + more


def learn(settings: DIEN, taught: Taught) -> PairParts:
    """Learn from what was bought."""
    return learn_pairs(settings, taught, lambda known: Evolution(settings, known))
