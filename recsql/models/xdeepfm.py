"""Products of vectors of several fields, compressed layer by layer, and layers over the vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.errors import ParameterError
from recsql.models.pair_network import PairNetwork


@dataclass
class XDeepFM(PairNetwork):
    """Score a customer and an item by products of two and more of their attributes.

    A compressed interaction network of ``n_crossings`` layers: each multiplies the rows of the one
    before it with the vectors of the fields, number by number, and makes ``n_maps`` weighted sums
    of these products. More than 32 fields are made into 32 weighted sums before. The sums of all
    rows, a weight for each value and layers over the vectors add up.

    Source: Lian et al., "xDeepFM: Combining Explicit and Implicit Feature Interactions for
    Recommender Systems", KDD 2018, section 3.
    """

    name: ClassVar[str] = "xdeepfm"
    tasks: ClassVar[tuple[str, ...]] = ("first",)
    needs_attributes_for: ClassVar[tuple[str, ...]] = ("first",)

    n_crossings: int = 2
    n_maps: int = 16

    def _check(self) -> None:
        super()._check()
        for name in ("n_crossings", "n_maps"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")

    def reads_history(self) -> bool:
        """Tell that histories are not read."""
        return False
