"""Vectors of items that are mixed with those of their attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from recsql.data.features import Features

from ._softmax import log_shares

if TYPE_CHECKING:
    from recsql.models.recurrent import RecurrentEncoder

Array = np.ndarray[Any, np.dtype[Any]]

NEVER = -1e9  # added to a score


class MixedItems(nn.Module):
    """Vectors and biases of items: their own, mixed with those of their attributes.

    While learning, an item's share of the attributes is drawn anew from ``least_mix`` to 1 in each
    step, so that neither part relies on the other. Afterwards it is ``warm_mix`` where an item was
    bought and 1 where it was not. It is 0 where an item has no attributes.

    Source: Ma et al., "Temporal-Contextual Recommendation in Real-Time", KDD 2020, equation 2.
    """

    feature: torch.Tensor
    begin: torch.Tensor
    mix: torch.Tensor
    most: torch.Tensor
    unsold: torch.Tensor

    def __init__(self, settings: RecurrentEncoder, count: Array, features: Features | None) -> None:
        super().__init__()
        n_items, width = len(count), settings.n_factors
        sparse = n_items >= settings.dense_items
        self.own = nn.Embedding(n_items, width, sparse=sparse)
        self.bias = nn.Embedding(n_items, 1, sparse=sparse)
        nn.init.normal_(self.own.weight, std=width**-0.5)
        nn.init.zeros_(self.bias.weight)
        self.of_features: nn.EmbeddingBag | None = None
        self.least_mix = settings.least_mix
        told = features is not None and features.n_features > 0
        if sparse and settings.begins_popular() and not told:  # else attributes would not learn it
            with torch.no_grad():
                self.bias.weight.copy_(log_shares(count))
        if features is not None and told:
            # A plain sum: of a mean, an attribute tells less where there are others, and layers
            # above it learn items by heart.
            self.of_features = nn.EmbeddingBag(features.n_features, width + 1, mode="sum")
            # Of all values of an item together vectors begin as long as its own, and its bias at 0.
            n_values = len(features.feature) / max(int(np.count_nonzero(np.diff(features.ptr))), 1)
            nn.init.normal_(self.of_features.weight, std=(width * max(n_values, 1.0)) ** -0.5)
            with torch.no_grad():
                self.of_features.weight[:, -1] = 0.0
            self.shrinkage = settings.attribute_shrinkage / max(int(np.count_nonzero(count)), 1)
            most = np.where(np.diff(features.ptr) == 0, 0.0, 1.0)
            mix = (most * np.where(count > 0, settings.warm_mix, 1.0)).astype(np.float32)
            # One without attributes learns from not being bought that it hardly is.
            unsold = np.where((count > 0) | (most == 0), 0.0, NEVER).astype(np.float32)
            self.register_buffer("unsold", torch.from_numpy(unsold))
            self.register_buffer("mix", torch.from_numpy(mix)[:, None])
            self.register_buffer("most", torch.from_numpy(most.astype(np.float32))[:, None])
            self.register_buffer("feature", torch.from_numpy(features.feature.astype(np.int64)))
            self.register_buffer("begin", torch.from_numpy(features.ptr.astype(np.int64)))

    def forward(self, code: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Give vectors float32[n, width] and biases float32[n] of items, or of all of them."""
        if code is None:
            own, bias = self.own.weight, self.bias.weight
        else:
            own, bias = self.own(code), self.bias(code)
        if self.of_features is None:
            return own, bias[:, 0]
        told = self._told(code)
        if self.training:
            mix = self.least_mix + (1.0 - self.least_mix) * torch.rand_like(bias)
            mix = mix * (self.most if code is None else self.most[code])
        else:
            mix = self.mix if code is None else self.mix[code]
        vector = (1 - mix) * own + mix * told[:, :-1]
        bias = ((1 - mix) * bias + mix * told[:, -1:])[:, 0]
        if self.training and code is None:
            bias = bias + self.unsold  # what nobody could buy is no evidence against its attributes
        return vector, bias

    def by_attributes(self, features: Features) -> tuple[torch.Tensor, torch.Tensor]:
        """Give vectors and biases of items that have no own: a row each, with features."""
        assert self.of_features is not None
        feature, begin = (
            torch.from_numpy(part.astype(np.int64)).to(self.bias.weight.device)
            for part in (features.feature, features.ptr[:-1])
        )
        told = self.of_features(feature, begin)
        return told[:, :-1], told[:, -1]

    def _told(self, code: torch.Tensor | None) -> torch.Tensor:
        """Give what the attributes of items say: float32[n, width + 1]; 0 without any."""
        assert self.of_features is not None
        if code is None:
            found: torch.Tensor = self.of_features(self.feature, self.begin[:-1])
            return found
        size = (self.begin[1:] - self.begin[:-1])[code]
        ends = torch.cumsum(size, 0)
        place = torch.arange(int(ends[-1]) if len(ends) else 0, device=code.device)
        place = place - torch.repeat_interleave(ends - size - self.begin[code], size)
        found = self.of_features(self.feature[place], ends - size)
        return found

    def penalty(self, state: torch.Tensor) -> torch.Tensor | None:
        """Give half the sum of squares of what each attribute alone adds, the mean over states."""
        if self.of_features is None or self.shrinkage == 0:
            return None
        weight = self.of_features.weight
        one = functional.pad(state, (0, 1), value=1.0)
        found: torch.Tensor = ((one @ (weight.T @ weight)) * one).sum(dim=1).mean()
        return 0.5 * self.shrinkage * found
