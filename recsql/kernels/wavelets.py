"""A text in a wavelet matrix: as many bits a symbol as it needs, with ranks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import count_ones, kernel, kernel_line, lean_kernel

Codes = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

BLOCK_WORDS = 5  # a word of counts, four of bits
BLOCK_BITS = 256


class Wavelet(NamedTuple):
    """Symbols of a text, one bit of each in a level.

    The lowest bits stand in the first level, in the order of the text. Each level puts the symbols
    of which it holds a zero before the others and keeps their order otherwise, as sorting by
    digits does; so, behind the last level, the text is sorted. Where a row of a Burrows-Wheeler
    transform comes to lie is therefore its LF-mapping: no table of first rows is needed.

    Attributes
    ----------
    words : uint64[n_levels * n_blocks * 5]    blocks of four words of bits. A word before them
                                               counts: its low half the ones of the level before
                                               the block; the bytes above the ones of the block
                                               before its second, third and fourth word of bits
    zeros : int64[n_levels]                    zeros of each level
    length : int                               symbols

    Source
    ------
    Claude, Navarro and Ordóñez, "The wavelet matrix: An efficient wavelet tree for large
    alphabets", Information Systems 47, 2015. There the highest bits stand in the first level.
    """

    words: Words
    zeros: Longs
    length: int


def build_wavelet(text: Codes, n_symbols: int) -> Wavelet:
    """Lay a text out: int32[n], 0 <= symbol < n_symbols."""
    n_levels = max(1, (n_symbols - 1).bit_length())
    words = np.zeros(n_levels * blocks_of(len(text)) * BLOCK_WORDS, dtype=np.uint64)
    zeros = np.zeros(n_levels, dtype=np.int64)
    fill_levels(text.astype(np.int32), words, zeros)
    return Wavelet(words, zeros, len(text))


def blocks_of(length: int) -> int:
    """Give the blocks of a level: a place at the end can be ranked too."""
    return length // BLOCK_BITS + 1


@kernel
def fill_levels(text: Codes, words: Words, zeros: Longs) -> None:
    """Write the bits and counts of all levels; ``text`` is left sorted."""
    n, n_levels = text.shape[0], zeros.shape[0]
    stride = np.int64(words.shape[0] // n_levels)
    ones = np.empty(n, dtype=np.int32)
    for level in range(n_levels):
        n_ones = np.int64(0)
        n_zeros = np.int64(0)
        block = level * stride
        place = 0
        while block < (level + 1) * stride:
            counts = np.uint64(n_ones)
            before = n_ones
            for word in range(1, BLOCK_WORDS):
                if word > 1:
                    counts |= np.uint64(n_ones - before) << np.uint64(16 + 8 * word)
                bits = np.uint64(0)
                for bit in range(min(64, n - place)):
                    symbol = text[np.uint64(place + bit)]
                    one = (np.int64(symbol) >> level) & 1
                    bits |= np.uint64(one) << np.uint64(bit)
                    # Both are written and one is kept: no branch to be guessed.
                    text[np.uint64(n_zeros)] = symbol
                    ones[np.uint64(n_ones)] = symbol
                    n_ones += one
                    n_zeros += 1 - one
                words[np.uint64(block + word)] = bits
                place = min(place + 64, n)
            words[np.uint64(block)] = counts
            block += BLOCK_WORDS
        zeros[level] = n_zeros
        text[n_zeros:] = ones[:n_ones]


@kernel_line
def ones_before(words: Words, first_word: int, place: int) -> np.int64:
    """Count the ones of a level before a place; the level begins at ``first_word``."""
    word = np.uint64(place) >> np.uint64(6)  # of bits, counted over all blocks
    block = np.uint64(first_word) + (word >> np.uint64(2)) * np.uint64(BLOCK_WORDS)
    word &= np.uint64(3)
    counts = words[block]
    # The first word has no count of its own: it is sent to the highest byte, which is zero.
    in_block = counts >> (np.uint64(32) + np.uint64(8) * ((word + np.uint64(3)) & np.uint64(3)))
    below = (np.uint64(1) << (np.uint64(place) & np.uint64(63))) - np.uint64(1)
    ones = count_ones(words[block + word + np.uint64(1)] & below)
    ones += (counts & np.uint64(0xFFFFFFFF)) + (in_block & np.uint64(0xFF))
    return np.int64(ones)


@kernel_line
def bit_at(words: Words, first_word: int, place: int) -> bool:
    """Tell whether the bit of a level at a place is set."""
    word = np.uint64(place) >> np.uint64(6)
    block = np.uint64(first_word) + (word >> np.uint64(2)) * np.uint64(BLOCK_WORDS)
    bits = words[block + (word & np.uint64(3)) + np.uint64(1)]
    return (bits >> (np.uint64(place) & np.uint64(63))) & np.uint64(1) != 0


@lean_kernel
def narrow(words: Words, zeros: Longs, symbol: int, first: int, last: int) -> tuple[int, int]:
    """Give the rows of a symbol followed by what the rows first <= row < last begin with.

    This is one step of a backward search; rows are empty where first equals last.
    """
    n_levels = zeros.shape[0]
    stride = words.shape[0] // n_levels
    for level in range(n_levels):
        if first == last:
            break
        before = ones_before(words, level * stride, first)
        within = ones_before(words, level * stride, last)
        if (symbol >> level) & 1:
            first, last = zeros[level] + before, zeros[level] + within
        else:
            first, last = first - before, last - within
    return first, last
