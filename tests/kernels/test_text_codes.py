"""Texts found by their bytes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels.alias import alias_table, draw
from recsql.kernels.ragged import ranges
from recsql.kernels.text_codes import codes_of, text_codes


def laid(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    content = [text.encode() for text in texts]
    ptr = np.cumsum([0, *map(len, content)], dtype=np.int64)
    return ptr, np.frombuffer(b"".join(content), dtype=np.uint8)


TEXTS = st.lists(st.text(max_size=6), max_size=60)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_a_text_has_the_place_where_it_first_stands(known: list[str], asked: list[str]) -> None:
    found = codes_of(text_codes(*laid(known)), *laid(asked + known))
    assert found.tolist() == [known.index(text) if text in known else -1 for text in asked + known]


def test_many_texts_that_differ_in_one_byte_are_told_apart() -> None:
    known = [f"customer-{number:05d}" for number in range(20_000)]
    found = codes_of(text_codes(*laid(known)), *laid([*known, "customer-20000", ""]))
    assert found.tolist() == [*range(20_000), -1, -1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=12))
def test_ranges_are_the_places_one_after_the_other(given_ranges: list[tuple[int, int]]) -> None:
    first = np.array([start for start, _ in given_ranges], dtype=np.int64)
    last = first + np.array([size for _, size in given_ranges], dtype=np.int64)
    number, place = ranges(first, last)
    expected = [
        (n, p) for n, (start, size) in enumerate(given_ranges) for p in range(start, start + size)
    ]
    assert list(zip(number.tolist(), place.tolist(), strict=True)) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=30).filter(any))
def test_the_places_of_an_alias_table_hold_each_weight_exactly(weights: list[int]) -> None:
    weight = np.array(weights, dtype=np.float64)
    keep, other = alias_table(weight)
    mass = np.bincount(np.arange(len(weight)), keep, len(weight))
    mass += np.bincount(other, 1 - keep, len(weight))
    np.testing.assert_allclose(mass / len(weight), weight / weight.sum(), atol=1e-9)


def test_a_draw_takes_the_place_or_what_it_stands_for() -> None:
    keep, other = np.array([0.25, 1.0]), np.array([1, 1])
    found = draw(keep, other, np.array([0.1, 0.1, 0.9, 0.99999]), np.array([0.2, 0.3, 0.9, 0.0]))
    assert found.tolist() == [0, 1, 1, 1]
