"""Histories as the inputs of a graph, and what a learned encoder of histories is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.data.events import Events
from recsql.data.features import Features
from recsql.kernels.ragged import ranges
from recsql.networks.graph import CHUNK, Graph

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class SequenceParts:
    """A learned encoder of histories.

    Attributes
    ----------
    graph : from a history to a vector
    table : float32[n_items, width]    an item scores the product of its row with that vector
    bias : float32[n_items]            added to it
    weights : of the module that learned, by the name of the parameter
    """

    graph: Graph
    table: Array
    bias: Array
    weights: Mapping[str, Array]


@dataclass(frozen=True)
class Steps:
    """Where events lie that follow each other, and where they go.

    Attributes
    ----------
    row, step : int64[n]    place in a table with a row a history, the oldest event first
    place : int64[n]        place among the events
    length : int64[n_rows]  events of each history
    """

    row: Array
    step: Array
    place: Array
    length: Array

    @classmethod
    def newest(cls, events: Events, most: int) -> Steps:
        """Take at most so many events of each customer, the newest."""
        last = events.user_ptr[1:]
        return cls.between(np.maximum(last - most, events.user_ptr[:-1]), last)

    @classmethod
    def between(cls, first: Array, last: Array) -> Steps:
        """Take the events first <= place < last of each row."""
        row, place = ranges(first, last)
        return cls(row, place - first[row], place, last - first)

    def table(self, values: Array, dtype: Any) -> Array:
        """Lay out a value of each of these events, or several; 0 where a history has ended."""
        size = (len(self.length), max(int(self.length.max(initial=0)), 1), *values.shape[1:])
        found = np.zeros(size, dtype)
        found[self.row, self.step] = values
        return found


def padded_features(features: Features | None, n_rows: int) -> Array:
    """Give the features of rows as a table: int64[n_rows, width], codes from 1, 0 after the end."""
    if features is None or len(features.feature) == 0:
        return np.zeros((n_rows, 1), dtype=np.int64)
    row, place = ranges(features.ptr[:-1], features.ptr[1:])
    found = np.zeros((n_rows, int(np.diff(features.ptr).max())), dtype=np.int64)
    found[row, place - features.ptr[row]] = features.feature[place] + 1
    return found


def blocks_by_length(length: Array) -> list[Array]:
    """Give rows of about equal length together, so that a block has few empty steps: int64[…]."""
    order = np.argsort(length, kind="stable")
    return [order[first : first + CHUNK] for first in range(0, len(order), CHUNK)]
