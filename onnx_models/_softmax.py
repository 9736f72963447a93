"""Cross-entropy over all items, or over items drawn by how often they were bought."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch

from recsql.kernels.alias import alias_table, draw

Array = np.ndarray[Any, np.dtype[Any]]

MOST_LOGITS = 4_000_000  # in memory at a time: 16 MB


def log_shares(count: Array) -> torch.Tensor:
    """Give the log of how often items were bought, each counted once more: float32[n_items, 1].

    As a bias it is what all scores would be without histories; a step of learning moves a bias by
    little, and of many items few are compared in a step. The mean count gives 0.
    """
    counted = count.astype(np.float64) + 1.0
    return torch.from_numpy(np.log(counted / counted.mean()).astype(np.float32))[:, None]


class Proposal:
    """Draws items with a probability in proportion to a power of how often they were bought.

    Parameters
    ----------
    count : int[n_items]    how often each item was bought; an item of 0 is never drawn
    exponent : float        1 draws as often as they were bought, 0 all alike
    """

    def __init__(self, count: Array, exponent: float) -> None:
        weight = np.where(count > 0, np.maximum(count, 1).astype(np.float64) ** exponent, 0.0)
        self.log_q = np.log(np.maximum(weight / max(weight.sum(), 1.0), 1e-30)).astype(np.float32)
        self._table = alias_table(weight)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Give ``n`` items, with repetition: int64[n]."""
        return draw(*self._table, rng.random(n), rng.random(n))


# Gives what is added to the scores of all items, float32[n, n_items], by the places of states.
Shift = Callable[[torch.Tensor], torch.Tensor]


class Targets(NamedTuple):
    """What came next: several items a state.

    Attributes
    ----------
    owner : int64[n_targets]     the state that a target belongs to
    item : int64[n_targets]      item codes
    weight : float32[n_targets]  >= 0
    """

    owner: torch.Tensor
    item: torch.Tensor
    weight: torch.Tensor

    def mean(self, loss: torch.Tensor) -> torch.Tensor:
        """Give a sum of weighted losses as a mean."""
        found: torch.Tensor = loss / self.weight.sum().clamp_min(1e-12)
        return found


def softmax_loss(
    state: torch.Tensor,
    table: torch.Tensor,
    bias: torch.Tensor,
    targets: Targets,
    shift: Shift | None = None,
) -> torch.Tensor:
    """Give the weighted mean of the negative log probability of the targets among all items.

    The products with all items are made in parts and never kept: the gradient of each part is
    taken at once.

    Parameters
    ----------
    state : float32[n, width]
    table, bias : float32[n_items, width], float32[n_items]
    targets : in order of owner
    shift : added to the scores; it gets no gradient
    """
    total: torch.Tensor = _Softmax.apply(state, table, bias, *targets, shift)  # type: ignore[no-untyped-call]
    return targets.mean(total)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> torch.Tensor:
        state, table, bias, owner, item, weight, shift = given
        learning = any(ctx.needs_input_grad)
        gradients = [torch.zeros_like(value) for value in (state, table, bias)] if learning else []
        mass = torch.zeros(len(state), dtype=weight.dtype, device=state.device)
        mass.index_add_(0, owner, weight)
        total: torch.Tensor = state.new_zeros(())
        rows = max(1, min(len(state), MOST_LOGITS // max(len(table), 1)))
        room = state.new_empty((rows, len(table)))  # made once: fresh memory costs more than sums
        edges = torch.searchsorted(
            owner, torch.arange(0, len(state) + rows, rows, device=owner.device)
        ).tolist()
        for first, (begin, end) in zip(range(0, len(state), rows), pairwise(edges), strict=True):
            part = slice(first, first + rows)
            scores = torch.addmm(bias, state[part], table.T, out=room[: len(state[part])])
            if shift is not None:
                scores += shift(torch.arange(first, first + len(scores), device=state.device))
            place = (owner[begin:end] - first, item[begin:end])
            total = total - (weight[begin:end] * scores[place]).sum()
            largest = scores.amax(dim=1)
            share = scores.sub_(largest[:, None]).exp_()
            sums = share.sum(dim=1)
            total = total + (mass[part] * (sums.log() + largest)).sum()
            if gradients:
                share *= (mass[part] / sums)[:, None]
                share.index_put_(place, -weight[begin:end], accumulate=True)
                gradients[0][part] = share @ table
                gradients[1].addmm_(share.T, state[part])
                gradients[2].add_(share.sum(dim=0))
        ctx.gradients = gradients
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        return (*(gradient * upstream[0] for gradient in ctx.gradients), None, None, None, None)


def sampled_softmax_loss(
    state: torch.Tensor,
    wanted: tuple[torch.Tensor, torch.Tensor],
    drawn: tuple[torch.Tensor, torch.Tensor],
    log_q: tuple[torch.Tensor, torch.Tensor],
    shift: torch.Tensor | None,
    is_target: torch.Tensor,
    targets: Targets,
) -> torch.Tensor:
    """Give the weighted mean of the negative log probability of targets among drawn items.

    The log of the probability with which an item is drawn is subtracted from its score, so that
    the scores learned are those of the softmax over all items, whatever draws.

    Parameters
    ----------
    state : float32[n, width]
    wanted : vectors float32[n_targets, width] and biases float32[n_targets] of the targets
    drawn : vectors float32[n_drawn, width] and biases float32[n_drawn] of the items drawn
    log_q : of the targets float32[n_targets], of the items drawn float32[n_drawn]
    shift : float32[n, n_drawn], added to the scores of the items drawn; None: nothing
    is_target : bool[n, n_drawn]    an item drawn that is a target of the state does not count

    Source: Ma et al., "Temporal-Contextual Recommendation in Real-Time", KDD 2020, section 3.1;
    Jean et al., "On Using Very Large Target Vocabulary", ACL 2015.
    """
    own = (state[targets.owner] * wanted[0]).sum(dim=1) + wanted[1] - log_q[0]
    others = torch.addmm(drawn[1] - log_q[1], state, drawn[0].T)
    if shift is not None:
        others = others + shift
    rest = torch.logsumexp(others.masked_fill(is_target, -torch.inf), dim=1)
    loss = torch.logaddexp(own, rest[targets.owner]) - own
    return targets.mean((loss * targets.weight).sum())
