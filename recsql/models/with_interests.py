"""The rankers that learn interests as a second task: one switch, no other change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.models.dien import DIEN
from recsql.models.din import DIN
from recsql.models.wide_deep import WideDeep


@dataclass
class WideDeepInterests(WideDeep):
    """Wide & Deep over what a customer bought, with interests as a second task."""

    name: ClassVar[str] = "wide_deep+iacn"
    tasks: ClassVar[tuple[str, ...]] = ("next",)
    needs_attributes_for: ClassVar[tuple[str, ...]] = ()

    history: bool = True
    interests: bool = True


@dataclass
class DINInterests(DIN):
    """DIN with interests as a second task."""

    name: ClassVar[str] = "din+iacn"

    interests: bool = True


@dataclass
class DIENInterests(DIEN):
    """DIEN with interests as a second task."""

    name: ClassVar[str] = "dien+iacn"

    interests: bool = True
