"""Texts as codes: a table of hashes over the bytes of many texts, asked in bulk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel

Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

_BASIS = np.uint64(14695981039346656037)
_PRIME = np.uint64(1099511628211)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class TextCodes(NamedTuple):
    """A table of texts.

    Attributes
    ----------
    ptr : int64[n + 1]    where the bytes of each text begin
    text : uint8[…]       UTF-8, one text after the other
    slot : int32[2 ** m]  code of the text in a place of the table; -1 where it is empty
    """

    ptr: Longs
    text: Bytes
    slot: Counts


def text_codes(ptr: Longs, text: Bytes) -> TextCodes:
    """Lay out different texts so that ``codes_of`` finds them; of equal ones the first counts."""
    n = len(ptr) - 1
    slot = np.full(1 << max(4, int(2 * n).bit_length()), -1, dtype=np.int32)
    codes = TextCodes(np.ascontiguousarray(ptr, np.int64), np.ascontiguousarray(text), slot)
    _fill(codes.ptr, codes.text, codes.slot)
    return codes


def codes_of(codes: TextCodes, ptr: Longs, text: Bytes) -> Counts:
    """Give the code of each of some texts, -1 for one that is not among them: int32[n].

    Parameters
    ----------
    ptr : int64[n + 1]    where the bytes of each text begin
    text : uint8[…]
    """
    found = np.empty(len(ptr) - 1, dtype=np.int32)
    _find(*codes, np.ascontiguousarray(ptr, np.int64), np.ascontiguousarray(text), found)
    return found


@kernel_part
def _place(text: Bytes, first: int, last: int, mask: np.uint64) -> np.int64:
    """Give where in the table a text belongs.

    Source: Fowler, Noll and Vo (FNV-1a), mixed once more, because its low bits are weak.
    """
    value = _BASIS
    for byte in range(first, last):
        value = (value ^ np.uint64(text[byte])) * _PRIME
    value = (value ^ (value >> np.uint64(32))) * _MIX
    return np.int64((value >> np.uint64(20)) & mask)


@kernel_part
def _equal(one: Bytes, first: int, last: int, other: Bytes, begin: int, end: int) -> bool:
    if last - first != end - begin:
        return False
    for step in range(last - first):  # noqa: SIM110 - compiled code has no generators
        if one[first + step] != other[begin + step]:
            return False
    return True


@lean_kernel
def _fill(ptr: Longs, text: Bytes, slot: Counts) -> None:
    mask = np.uint64(len(slot) - 1)
    for code in range(len(ptr) - 1):
        place = _place(text, ptr[code], ptr[code + 1], mask)
        while slot[place] >= 0:
            held = slot[place]
            if _equal(text, ptr[code], ptr[code + 1], text, ptr[held], ptr[held + 1]):
                break
            place = (place + 1) & np.int64(mask)
        if slot[place] < 0:
            slot[place] = code


@lean_kernel
def _find(
    ptr: Longs, text: Bytes, slot: Counts, asked_ptr: Longs, asked: Bytes, found: Counts
) -> None:
    mask = np.uint64(len(slot) - 1)
    for row in range(len(asked_ptr) - 1):
        first, last = asked_ptr[row], asked_ptr[row + 1]
        place = _place(asked, first, last, mask)
        found[row] = -1
        while slot[place] >= 0:
            held = slot[place]
            if _equal(asked, first, last, text, ptr[held], ptr[held + 1]):
                found[row] = held
                break
            place = (place + 1) & np.int64(mask)
