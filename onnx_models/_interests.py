"""Interests of a history as capsules: a second task that teaches one half of the items' vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from recsql.models.history_network import HistoryNetwork

SHARPNESS = 10.0  # of the softmax over items: vectors begin near 0, and small scores teach little


class _Scaled(torch.autograd.Function):
    """Gives what it got; its gradient is multiplied."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> torch.Tensor:
        values, ctx.factor = given
        found: torch.Tensor = values.view_as(values)
        return found

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        return upstream[0] * ctx.factor, None


def scaled_gradient(values: torch.Tensor, factor: float) -> torch.Tensor:
    """Give the values; what learns from them gets its gradient times ``factor``."""
    found: torch.Tensor = _Scaled.apply(values, factor)  # type: ignore[no-untyped-call]
    return found


def n_interests(n_events: torch.Tensor) -> torch.Tensor:
    """Give the interests of a history of n events: max(1, ceil(log2 n)), int64[rows]."""
    found = torch.zeros_like(n_events)
    reach = torch.ones_like(n_events)
    for _ in range(63):  # whole numbers: logarithms of powers of two must not be rounded up
        more = reach < n_events
        if not more.any():
            break
        found, reach = found + more, torch.where(more, reach * 2, reach)
    return found.clamp_min(1)


def squash(vector: torch.Tensor) -> torch.Tensor:
    """Give vectors of the same direction whose lengths are from 0 to 1: l² / (1 + l²)."""
    square = vector.square().sum(-1, keepdim=True)
    return vector * (square / (1 + square) * torch.rsqrt(square + 1e-9))


def routed(
    read: torch.Tensor, there: torch.Tensor, interests: torch.Tensor, start: torch.Tensor, n: int
) -> torch.Tensor:
    """Give capsules by dynamic routing: float32[rows, most interests, width].

    Each event is shared among the interests by the softmax of its logits; an interest is the
    squashed sum of its shares; then the logits of an event grow by its products with the
    interests. The gradient goes through the last sum, not through the logits.

    Parameters
    ----------
    read : float32[rows, steps, width]    events after the bilinear map
    there : bool[rows, steps]             False after the end of a history
    interests : bool[rows, most]          False beyond the interests of a row
    start : float32[most, steps]          logits to begin with: they let interests differ
    n : rounds

    Source: Sabour, Frosst and Hinton, "Dynamic Routing Between Capsules", NeurIPS 2017; Li et al.,
    "Multi-Interest Network with Dynamic Routing for Recommendation at Tmall", CIKM 2019.
    """
    logit = start.expand(len(read), -1, -1)
    fixed, capsules = read.detach(), read[:, :0]
    for number in range(n):
        share = logit.masked_fill(~interests[..., None], -torch.inf).softmax(1) * there[:, None, :]
        last = number == n - 1
        capsules = squash(share @ (read if last else fixed))
        if not last:
            logit = logit + capsules @ fixed.transpose(1, 2)
    return capsules


class Interests(nn.Module):
    """Tells the item that was bought from others by the interests of a history.

    Interests are capsules of the auxiliary vectors of items; each goes, together with the profile
    of the customer, through a layer of units. The item asked about weighs them.
    """

    start: torch.Tensor

    def __init__(self, settings: HistoryNetwork) -> None:
        super().__init__()
        width = settings.n_factors
        self.rounds, self.exponent = settings.interest_rounds, settings.interest_exponent
        most = max(1, (settings.max_length - 1).bit_length())
        self.bilinear = nn.Linear(width, width, bias=False)
        self.with_profile = nn.Linear(2 * width, 2 * width)
        self.to_items = nn.Linear(2 * width, width)
        self.register_buffer("start", torch.randn(most, settings.max_length))

    def capsules(
        self, read: torch.Tensor, there: torch.Tensor, profile: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give interests float32[rows, most, width], and which of them there are: bool[rows, most].

        Parameters
        ----------
        read : float32[rows, steps, width]    auxiliary vectors of a history
        there : bool[rows, steps]
        profile : float32[rows, width]
        """
        count = n_interests(there.sum(1))
        most = int(count.max())
        exists = torch.arange(most, device=read.device) < count[:, None]
        start = self.start[:most, : read.shape[1]]
        found = routed(self.bilinear(read), there, exists, start, self.rounds)
        both = torch.cat([found, profile[:, None, :].expand(-1, most, -1)], -1)
        return self.to_items(torch.relu(self.with_profile(both))), exists

    def chosen(
        self, capsules: torch.Tensor, exists: torch.Tensor, item: torch.Tensor
    ) -> torch.Tensor:
        """Give what a customer wants where an item is asked about: float32[rows, width].

        The weight of an interest is the softmax of the power of its product with the item.
        """
        product = (capsules @ item[:, :, None])[..., 0]
        power = product.sign() * product.abs().clamp_min(1e-9) ** self.exponent
        weight = power.masked_fill(~exists, -torch.inf).softmax(1)
        return (weight[:, None, :] @ capsules)[:, 0]


def interest_loss(
    wanted: torch.Tensor,
    item: torch.Tensor,
    vectors: torch.Tensor,
    shift: torch.Tensor,
    weight: torch.Tensor,
) -> torch.Tensor:
    """Give the weighted mean negative log probability of the items bought among those of a step.

    The score of an item is SHARPNESS times its product with what is wanted, less ``shift``.

    Only what was bought is a target: what was drawn against it has no row here. An item that is the
    same as the target does not stand against it.

    Parameters
    ----------
    wanted : float32[n, width]
    item : int64[n + others]             the targets first
    vectors : float32[n + others, width]
    shift : float32[n + others]          log of how likely an item is among them, up to a constant,
        less the log odds of its purchase: what is popular need not be learned
    weight : float32[n]
    """
    n = len(wanted)
    score = SHARPNESS * (wanted @ vectors.T) - shift
    same = item[:n, None] == item
    same[torch.arange(n), torch.arange(n)] = False
    target = torch.arange(n, device=item.device)
    loss = functional.cross_entropy(score.masked_fill(same, -torch.inf), target, reduction="none")
    return (loss * weight).sum() / weight.sum().clamp_min(1e-12)
