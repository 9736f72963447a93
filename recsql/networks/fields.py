"""Attributes as rows of codes: what a network that ranks reads of a customer, an item, a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recsql.data.features import Features

Array = np.ndarray[Any, np.dtype[Any]]

MOST_SLOTS = 32  # values of one row of one attribute
ROWS_AT_A_TIME = 1_000_000
HOURS, WEEKDAYS = 24, 7
_MICROSECONDS_PER_HOUR = 3_600_000_000
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday; Monday is 0


@dataclass(frozen=True)
class FieldLayout:
    """Where the values of each field stand in a row, and which codes they have.

    A field has one code for what is unknown and one for each of its features. Codes of several
    layouts differ; code 0 is an empty slot.

    Attributes
    ----------
    first_code : int                 the first code of these fields
    field : int32[n_features]        the field of each feature
    seen : bool[n_features]          whether a feature was there while learning; others are unknown
    n_slots : int32[n_fields]        slots of each field, 1 to MOST_SLOTS
    """

    first_code: int
    field: Array
    seen: Array
    n_slots: Array

    @classmethod
    def learn(cls, features: Features | None, first_code: int) -> FieldLayout:
        """Learn from rows of attributes; without any there is one field that is always unknown."""
        if features is None or features.n_features == 0:
            none = np.zeros(0, dtype=np.int32)
            return cls(first_code, none, none.astype(bool), np.ones(1, dtype=np.int32))
        field = features.attribute
        seen = np.bincount(features.feature, minlength=features.n_features) > 0
        n_fields = int(field.max()) + 1
        most = np.ones(n_fields, dtype=np.int64)
        for first in range(0, features.n_rows, ROWS_AT_A_TIME):
            last = min(first + ROWS_AT_A_TIME, features.n_rows)
            part = features.of_rows(np.arange(first, last))
            key = part.row * n_fields + field[part.feature]
            of_row = np.bincount(key, minlength=part.n_rows * n_fields).reshape(-1, n_fields)
            most = np.maximum(most, of_row.max(axis=0))
        return cls(first_code, field, seen, np.minimum(most, MOST_SLOTS).astype(np.int32))

    @property
    def next_code(self) -> int:
        """Give the first code that belongs to none of these fields."""
        return self.first_code + len(self.field) + len(self.n_slots)

    @cached_property
    def unknown(self) -> Array:
        """Give the code for what is unknown of each field: int32[n_fields]."""
        size = np.bincount(self.field, minlength=len(self.n_slots)) + 1
        found: Array = (self.first_code + np.cumsum(size) - size).astype(np.int32)
        return found

    @cached_property
    def code(self) -> Array:
        """Give the code of each feature: int32[n_features]."""
        order = np.argsort(self.field, kind="stable")
        found = np.empty(len(order), dtype=np.int32)
        found[order] = self.first_code + np.arange(len(order)) + self.field[order] + 1
        return found

    @cached_property
    def empty(self) -> Array:
        """Give the row of somebody of whom nothing is known: int32[sum of n_slots]."""
        found = np.zeros(int(self.n_slots.sum()), dtype=np.int32)
        found[self._first_slot] = self.unknown
        return found

    @cached_property
    def _first_slot(self) -> Array:
        return np.cumsum(self.n_slots) - self.n_slots

    @property
    def field_of_slot(self) -> Array:
        """Give the field of each slot: int64[sum of n_slots]."""
        return np.repeat(np.arange(len(self.n_slots)), self.n_slots)

    def slots(self, features: Features | None, n_rows: int) -> Array:
        """Give the codes of rows: int32[n_rows, sum of n_slots].

        Of a field without a known value the first slot holds its unknown code; of more values than
        slots the first ones stay. None: nothing is known of any row.
        """
        found = np.tile(self.empty, (n_rows, 1))
        if features is None or len(self.field) == 0:
            return found
        known = self.seen[features.feature]
        row, feature = features.row[known], features.feature[known]
        field = self.field[feature]
        order = np.lexsort((feature, field, row))
        row, feature, field = row[order], feature[order], field[order]
        key = row * len(self.n_slots) + field
        begins = np.ones(len(key), dtype=bool)
        begins[1:] = np.diff(key) != 0
        first = np.flatnonzero(begins)
        rank = np.arange(len(key)) - first[np.cumsum(begins) - 1] if len(key) else key
        kept = rank < self.n_slots[field]
        place = self._first_slot[field[kept]] + rank[kept]
        found[row[kept], place] = self.code[feature[kept]]
        return found

    def arrays(self, name: str) -> dict[str, Array]:
        """Give the layout as arrays whose names begin with ``name``."""
        return {
            f"{name}_first_code": np.array([self.first_code]),
            f"{name}_field": self.field,
            f"{name}_seen": self.seen,
            f"{name}_n_slots": self.n_slots,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array], name: str) -> FieldLayout:
        """Take back what ``arrays`` gave."""
        return cls(
            int(arrays[f"{name}_first_code"][0]),
            arrays[f"{name}_field"].astype(np.int32),
            arrays[f"{name}_seen"].astype(bool),
            arrays[f"{name}_n_slots"].astype(np.int32),
        )


def context_layout(context: Features | None, first_code: int = 1) -> FieldLayout | None:
    """Learn the layout of the context of events; None where nothing is known of any."""
    if context is None or len(context.feature) == 0:
        return None
    return FieldLayout.learn(context, first_code)


@dataclass(frozen=True)
class PairFields:
    """The fields of a customer, a moment and an item, side by side in one row.

    Attributes
    ----------
    user, item : attributes of customers and items
    context : what else is known of a request; None where nothing is
    moment : the first code of the hour and of the day of the week of a request; 0: not read
    """

    user: FieldLayout
    item: FieldLayout
    context: FieldLayout | None = None
    moment: int = 0

    @classmethod
    def learn(
        cls,
        users: Features | None,
        items: Features | None,
        context: Features | None = None,
        *,
        moments: bool = False,
    ) -> PairFields:
        """Learn from the attributes of those who bought, of items, and of events."""
        user = FieldLayout.learn(users, 1)
        item = FieldLayout.learn(items, user.next_code)
        moment, code = 0, item.next_code
        if moments:
            moment, code = code, code + HOURS + WEEKDAYS + 2
        return cls(user, item, context_layout(context, code), moment)

    @property
    def n_codes(self) -> int:
        """Count the codes, that of an empty slot among them."""
        if self.context is not None:
            return self.context.next_code
        if self.moment:
            return self.moment + HOURS + WEEKDAYS + 2
        return self.item.next_code

    @property
    def asked_slots(self) -> Array:
        """Give the slots of each field of a request: int32[n_fields]."""
        parts = [self.user.n_slots]
        if self.moment:
            parts.append(np.ones(2, dtype=np.int32))
        if self.context is not None:
            parts.append(self.context.n_slots)
        return np.concatenate(parts)

    @property
    def n_slots(self) -> Array:
        """Give the slots of each field, those of the request first: int32[n_fields]."""
        return np.concatenate([self.asked_slots, self.item.n_slots])

    @property
    def empty(self) -> Array:
        """Give the row of which nothing is known: int32[sum of n_slots]."""
        return np.concatenate([self.asked(1, None, None)[0], self.item.empty])

    def asked(
        self,
        n_rows: int,
        users: Features | None,
        time: Array | None,
        context: Features | None = None,
    ) -> Array:
        """Give the codes of requests: int32[n_rows, sum of asked_slots].

        Parameters
        ----------
        time : int64[n_rows] microseconds since 1970, or None where the moment is not known
        """
        parts = [self.user.slots(users, n_rows)]
        if self.moment:
            parts.append(self._moments(n_rows, time))
        if self.context is not None:
            parts.append(self.context.slots(context, n_rows))
        return np.concatenate(parts, axis=1)

    def _moments(self, n_rows: int, time: Array | None) -> Array:
        """Give the codes of the hour and of the day of the week: int32[n_rows, 2]."""
        of_day = self.moment + HOURS + 1
        found = np.tile(np.array([self.moment, of_day], dtype=np.int32), (n_rows, 1))
        if time is not None:
            hours = time // _MICROSECONDS_PER_HOUR
            found[:, 0] += (1 + hours % HOURS).astype(np.int32)
            found[:, 1] += (1 + (hours // HOURS + _EPOCH_WEEKDAY) % WEEKDAYS).astype(np.int32)
        return found

    def arrays(self) -> dict[str, Array]:
        """Give the layouts as arrays."""
        found = self.user.arrays("user") | self.item.arrays("item")
        if self.context is not None:
            found |= self.context.arrays("context")
        return found | {"moment": np.array([self.moment])}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array]) -> PairFields:
        """Take back what ``arrays`` gave."""
        has_context = "context_first_code" in arrays
        return cls(
            FieldLayout.of_arrays(arrays, "user"),
            FieldLayout.of_arrays(arrays, "item"),
            FieldLayout.of_arrays(arrays, "context") if has_context else None,
            int(arrays["moment"][0]),
        )
