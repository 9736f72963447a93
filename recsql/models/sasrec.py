"""Self-attention over what a customer did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from recsql.errors import ParameterError
from recsql.models.base import Array
from recsql.models.network import SequenceNetwork, item_steps
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.networks.sequences import SequenceParts


@dataclass
class SASRec(SequenceNetwork):
    """Score items by what attention makes of the newest events of a customer.

    Each event is the vector of its item and one of its place in the history. ``n_layers`` layers
    of ``n_heads`` heads let an event see those before it; the last one, times the vector of an item
    (the same as at the entrance) plus its bias, is the item's score. The loss is the cross-entropy
    of what came at the next moment among all items, or among sampled ones. ``dropout`` leaves out
    that share of the values while learning.

    Source: Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, with the
    cross-entropy of Klenitskiy and Vasilev, "Turning Dross Into Gold Loss", RecSys 2023, in place
    of one negative a target, and layer norms before each part.
    """

    name: ClassVar[str] = "sasrec"
    tasks: ClassVar[tuple[str, ...]] = ("next",)

    n_factors: int = 64
    n_layers: int = 2
    n_heads: int = 2
    dropout: float = 0.3

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give one width for all."""
        del real_time
        return [cls()]

    def _check(self) -> None:
        super()._check()
        for name in ("n_factors", "n_layers", "n_heads"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.n_factors % self.n_heads:
            raise ParameterError(
                f"n_factors must be a multiple of n_heads, got {self.n_factors} and {self.n_heads}."
            )
        if not 0 <= self.dropout < 1:
            raise ParameterError(f"dropout must be 0 to 1, got {self.dropout}.")

    def _learned(self, purchases: Purchases) -> SequenceParts:
        parts: SequenceParts = self._module().learn(self, purchases.events)
        return parts

    def _inputs(self, requests: Requests) -> dict[str, Array]:
        assert requests.events is not None  # recommend() looked
        return item_steps(requests.events, self.max_length)[1]
