"""Products of the vectors of all pairs of fields, and layers over the same vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.models.pair_network import PairNetwork


@dataclass
class DeepFM(PairNetwork):
    """Score a customer and an item by what their attributes are together.

    A weight for each value, the product of the vectors of any two fields, and layers over all of
    them add up. The vector of a field is the mean of those of its values.

    Source: Guo et al., "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction",
    IJCAI 2017.
    """

    name: ClassVar[str] = "deepfm"
    tasks: ClassVar[tuple[str, ...]] = ("first",)
    needs_attributes_for: ClassVar[tuple[str, ...]] = ("first",)

    def reads_history(self) -> bool:
        """Tell that histories are not read."""
        return False
