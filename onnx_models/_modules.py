"""Modules that can go on from one that learned before, and their weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from recsql.networks.start import Start

Array = np.ndarray[Any, np.dtype[Any]]


class NetworkModule(nn.Module):
    """A module that can go on from one that learned before."""

    def item_rows(self) -> Mapping[str, int]:
        """Give the parameters with a row an item, and the row of the first one.

        The rows before it belong to codes of attributes.
        """
        return {}

    def coded(self) -> frozenset[str]:
        """Give the parameters whose rows are codes of attributes or of kinds of events."""
        return frozenset()

    def crossed(self) -> frozenset[str]:
        """Give the parameters whose rows belong to codes of items and attributes together."""
        return frozenset()


def weights_of(module: nn.Module) -> dict[str, Array]:
    """Give the weights of a module by name."""
    return {
        name: weight.detach().cpu().numpy().copy() for name, weight in module.named_parameters()
    }


def go_on(module: NetworkModule, start: Start, *, same_codes: bool) -> None:
    """Take over the weights of a network before: those of an item by the item.

    What is new, and what has another shape, keeps its weights of chance.

    Parameters
    ----------
    same_codes : whether attributes and kinds of events have the codes they had; else what belongs
        to them begins anew
    """
    known = np.flatnonzero(start.items >= 0)
    moved = bool((start.items[known] != known).any())
    anew = module.crossed() if moved or not same_codes else frozenset()
    anew |= frozenset() if same_codes else module.coded()
    with torch.no_grad():
        for name, weight in module.named_parameters():
            before = start.weights.values.get(name)
            if before is None or before.shape[1:] != tuple(weight.shape[1:]) or name in anew:
                continue
            first = module.item_rows().get(name)
            if first is not None:
                then = len(before) - start.weights.n_items  # items are the last rows
                if same_codes and first == then:
                    weight[:first] = torch.from_numpy(before[:first])
                rows = torch.from_numpy(before[then:][start.items[known]])
                weight[torch.from_numpy(known + first)] = rows
            elif before.shape == tuple(weight.shape):
                weight.copy_(torch.from_numpy(before))
