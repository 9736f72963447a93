"""Groups that came and went alike are struck out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsql.kernels.group_changes import GroupArrays, unmatched_groups

Group = tuple[tuple[int, int], ...]
groups = st.lists(
    st.dictionaries(st.integers(0, 3), st.integers(0, 1), max_size=3).map(
        lambda group: tuple(sorted(group.items()))
    ),
    max_size=12,
)


def arrays(given_groups: list[Group], *, weighted: bool) -> GroupArrays:
    ptr = np.cumsum([0, *(len(group) for group in given_groups)], dtype=np.int64)
    entries = [entry for group in given_groups for entry in group]
    item = np.array([entry[0] for entry in entries], dtype=np.int32)
    weight = np.array([entry[1] for entry in entries], dtype=np.int64)
    return ptr, item, weight if weighted else None


@pytest.mark.parametrize("weighted", [False, True])
@given(first=groups, second=groups)
def test_what_remains_is_the_difference_of_the_multisets(
    weighted: bool, first: list[Group], second: list[Group]
) -> None:
    if not weighted:
        first, second = ([tuple((i, 0) for i, _ in g) for g in part] for part in (first, second))
    remains = unmatched_groups(arrays(first, weighted=weighted), arrays(second, weighted=weighted))
    ours, theirs = (
        Counter(group for group, kept in zip(part, flags, strict=True) if kept)
        for part, flags in zip((first, second), remains, strict=True)
    )
    assert ours == Counter(first) - Counter(second)
    assert theirs == Counter(second) - Counter(first)


def test_the_first_of_equal_groups_are_struck_out() -> None:
    same = ((1, 0), (2, 0))
    remains = unmatched_groups(
        arrays([same, same, same], weighted=False), arrays([(), same], weighted=False)
    )
    assert [part.tolist() for part in remains] == [[False, True, True], [True, False]]
