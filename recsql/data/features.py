"""Attributes as features: learned once, then alike for every row."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from recsql.data.events import pointers

Array = np.ndarray[Any, np.dtype[Any]]

FEW_NUMBERS = 32  # different numbers that are values of their own; more of them are binned
BINS = 8
MOST_VALUES = 256  # features of one attribute
LEAST_UNLIKE = 32  # different texts from which an attribute can be a name of its row

_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Features:
    """Features of rows.

    Attributes
    ----------
    ptr : int64[n_rows + 1]    where the features of a row begin
    feature : int32[nnz]       codes, ascending and distinct in a row
    names : (attribute, value) of each code, in order of code
    """

    ptr: Array
    feature: Array
    names: tuple[tuple[str, str], ...]

    @property
    def n_rows(self) -> int:
        """Count the rows."""
        return len(self.ptr) - 1

    @property
    def n_features(self) -> int:
        """Count the features that a row can have."""
        return len(self.names)

    @property
    def row(self) -> Array:
        """Give the row of each entry: int64[nnz]."""
        return np.repeat(np.arange(self.n_rows), np.diff(self.ptr))

    @property
    def attribute(self) -> Array:
        """Give the number of the attribute of each code, from 0 in order of code: int32[n]."""
        number: dict[str, int] = {}
        found = [number.setdefault(name, len(number)) for name, _ in self.names]
        return np.array(found, dtype=np.int32)

    def of_rows(self, rows: Array) -> Features:
        """Give some rows, in the order given: int[n] positions."""
        start, size = self.ptr[:-1][rows], np.diff(self.ptr)[rows]
        ptr = pointers(size)
        place = np.arange(int(ptr[-1])) - np.repeat(ptr[:-1] - start, size)
        return Features(ptr, self.feature[place], self.names)


def joined(one: Features, other: Features) -> Features:
    """Give the rows of one after those of the other; both were made by one encoder."""
    ptr = np.concatenate([one.ptr, one.ptr[-1] + other.ptr[1:]])
    return Features(ptr, np.concatenate([one.feature, other.feature]), one.names)


class Values(NamedTuple):
    """The values of one attribute: several a row, or none.

    Attributes
    ----------
    row : int64[n]
    value : float64[n] of numbers, or object[n] of texts
    """

    row: Array
    value: Array


@dataclass(frozen=True)
class AttributeCode:
    """What the values of one attribute become.

    Attributes
    ----------
    name : the attribute
    kind : 'text', 'list', 'number' or 'date', of which the year is a number
    values : the values that are features, in order of code; of bins, their ranges in words
    keys : the texts or numbers that these are; of bins, the upper ends of all but the last
    is_binned : whether ``keys`` are ends, which belong to the bin below them
    left_out : different values that are no features; 0: none
    why : what was left out, in words; '' for nothing
    """

    name: str
    kind: str
    values: tuple[str, ...]
    keys: tuple[str | float, ...]
    is_binned: bool = False
    left_out: int = 0
    why: str = ""

    def codes(self, value: Array) -> Array:
        """Give the place among ``values`` of each value, -1 for none of them: int32[n]."""
        if not self.values:
            return np.full(len(value), -1, dtype=np.int32)
        if self.is_binned:
            return np.searchsorted(np.array(self.keys), value, side="left").astype(np.int32)
        if self.kind in ("number", "date"):
            keys = np.array(self.keys, dtype=np.float64)  # ascending
            place = np.minimum(np.searchsorted(keys, value), len(keys) - 1)
            return np.where(keys[place] == value, place, -1).astype(np.int32)
        known = {key: place for place, key in enumerate(self.keys)}
        return np.array([known.get(text, -1) for text in value.tolist()], dtype=np.int32)


@dataclass(frozen=True)
class AttributeEncoder:
    """How attributes become features: learned once, then alike for every row.

    Text, a truth value and each element of a list are one feature a value. A number is one too
    where the attribute has at most FEW_NUMBERS different ones, else it falls into one of BINS
    quantile bins. Of a date the year counts, as a number. NULL, blank text, NaN, infinity and a
    value that was not there at learning give no feature.

    An attribute keeps its MOST_VALUES most frequent values. Where more than LEAST_UNLIKE texts are
    more than half as many as their rows, they name rows (an e-mail address, a postcode) and none is
    kept. ``left_out`` tells.
    """

    attributes: tuple[AttributeCode, ...]

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """Give (attribute, value) of each feature."""
        return tuple((code.name, value) for code in self.attributes for value in code.values)

    @property
    def left_out(self) -> dict[str, str]:
        """Tell by attribute what is no feature, and why."""
        return {code.name: code.why for code in self.attributes if code.why}

    def encode(self, columns: Mapping[str, Values], n_rows: int) -> Features:
        """Give the features of rows; an attribute that is not there gives none."""
        rows, features, first = [_NONE], [_NONE], 0
        for code in self.attributes:
            if code.name in columns:
                row, value = columns[code.name]
                place = code.codes(value)
                rows.append(row[place >= 0])
                features.append(place[place >= 0] + first)
            first += len(code.values)
        width = max(first, 1)
        key = np.unique(np.concatenate(rows) * width + np.concatenate(features))
        row, feature = np.divmod(key, width)
        ptr = pointers(np.bincount(row, minlength=n_rows))
        return Features(ptr, feature.astype(np.int32), self.names)

    def encode_rows(self, rows: Sequence[Mapping[str, Any]]) -> Features:
        """Give the features of rows of values by attribute, such as ``{'country': 'France'}``.

        Names match in any case. A value of another type counts by what it says: ``'12'`` is the
        number 12, ``True`` the text 'true'.
        """
        folded = [{name.lower(): value for name, value in row.items()} for row in rows]
        columns = {}
        for code in self.attributes:
            found = [
                (number, value)
                for number, row in enumerate(folded)
                for value in _said(row.get(code.name.lower()), code.kind)
            ]
            kind = np.float64 if code.kind in ("number", "date") else object
            value = np.empty(len(found), dtype=kind)
            value[:] = [value for _, value in found]
            columns[code.name] = Values(np.array([n for n, _ in found], dtype=np.int64), value)
        return self.encode(columns, len(rows))

    def arrays(self) -> dict[str, Array]:
        """Give the whole encoder as UTF-8 of JSON: uint8[n]."""
        text = json.dumps([asdict(code) for code in self.attributes])
        return {"attributes": np.frombuffer(text.encode(), dtype=np.uint8)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array]) -> AttributeEncoder:
        """Take back what ``arrays`` gave."""
        told: list[dict[str, Any]] = json.loads(arrays["attributes"].tobytes().decode())
        for code in told:
            code["values"], code["keys"] = tuple(code["values"]), tuple(code["keys"])
        return cls(tuple(AttributeCode(**code) for code in told))


def learn_encoder(columns: Mapping[str, tuple[str, Values]]) -> AttributeEncoder:
    """Learn from the values of attributes, each with its kind (see ``AttributeCode``)."""
    return AttributeEncoder(
        tuple(
            _learn_numbers(name, kind, values.value)
            if kind in ("number", "date")
            else _learn_texts(name, kind, values)
            for name, (kind, values) in columns.items()
        )
    )


def _learn_numbers(name: str, kind: str, value: Array) -> AttributeCode:
    numbers = np.unique(value)
    if len(numbers) <= FEW_NUMBERS:
        texts = tuple(number_text(number) for number in numbers)
        return AttributeCode(name, kind, texts, tuple(numbers.tolist()))
    # The smallest value with at least this share of all values up to it.
    places = np.ceil(np.arange(1, BINS) / BINS * len(value)).astype(np.int64) - 1
    ends = np.unique(np.sort(value)[places])
    ends = ends[ends < numbers[-1]]
    group = np.searchsorted(ends, numbers, side="left")
    words = []
    for number in range(len(ends) + 1):
        held = numbers[group == number]
        low, high = number_text(held[0]), number_text(held[-1])
        words.append(low if low == high else f"{low} to {high}")
    return AttributeCode(name, kind, tuple(words), tuple(ends.tolist()), is_binned=True)


def _learn_texts(name: str, kind: str, values: Values) -> AttributeCode:
    count = Counter(values.value.tolist())
    texts = sorted(count)
    n_rows = len(np.unique(values.row))
    if len(texts) > LEAST_UNLIKE and 2 * len(texts) > n_rows and kind == "text":
        why = f"{len(texts)} different values in {n_rows} rows tell rows apart, not groups of them"
        return AttributeCode(name, kind, (), (), left_out=len(texts), why=why)
    words = tuple(sorted(sorted(texts, key=lambda text: (-count[text], text))[:MOST_VALUES]))
    left_out = len(texts) - len(words)
    why = f"the {left_out} rarest of {len(texts)} values, above {MOST_VALUES}" if left_out else ""
    return AttributeCode(name, kind, words, words, left_out=left_out, why=why)


def number_text(number: float) -> str:
    """Give a number as a person writes it: 12, not 12.0."""
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(float(number))


def _said(value: Any, kind: str) -> Iterable[str | float]:
    """Give what a value says in an attribute of this kind: nothing, one entry, or several."""
    if value is None:
        return []
    if kind == "list":
        several = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
        return [text for one in several for text in _said(one, "text")]
    if kind == "text":
        text = _text(value)
        return [text] if text.strip(" ") else []
    if kind == "date":
        value = value.year if isinstance(value, dt.date) else str(value).strip()[:4]
    try:
        number = float(value)
    except (TypeError, ValueError):
        return []
    return [number] if math.isfinite(number) else []


def _text(value: Any) -> str:
    """Give a value as DuckDB writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (float, Decimal)):
        return number_text(float(value))
    return str(value)
