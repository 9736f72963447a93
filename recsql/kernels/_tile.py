"""Products of a few queries with a few items, held in registers: the inside of a search.

LLVM keeps the sums of ``QUERIES`` times ``ITEMS`` in vector registers through the whole loop over
the factors, which it does not for a loop written in Python. Every sum adds its products in order of
the factors, wherever in a tile it stands: the bits of a score depend on its two vectors alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import llvmlite.binding
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from recsql.kernels._jit import kernel_line

Shorts = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]

_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
LANES = 16 if _WIDE else 8  # numbers in a vector
QUERIES = 8 if _WIDE else 4
VECTORS = 3  # of items: QUERIES * VECTORS sums leave registers for the factors
ITEMS = LANES * VECTORS  # at most 64: a word holds a bit for each

_NUMBER, _WORD = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_NUMBER, LANES)


def _emit_tile(
    _context: Any,
    query: Any,
    query_at: Any,
    panel: Any,
    panel_at: Any,
    width: Any,
    least: Any,
    least_at: Any,
    score: Any,
    above: Any,
) -> Any:
    """Describe the tile to numba: where its arrays begin, then what LLVM is to do."""
    del query_at, panel_at, width, least_at
    at = types.uint64

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def begin(place: int, at: Any = None) -> Any:
            base = context.make_array(signature.args[place])(context, builder, values[place]).data
            return base if at is None else builder.gep(base, [at])

        sums = _sum_products(builder, begin(0, values[1]), begin(2, values[3]), values[4])
        return _compare(builder, sums, begin(5, values[6]), begin(7), begin(8))

    return types.uint64(query, at, panel, at, at, least, at, score, above), generate


def _sum_products(builder: Any, query: Any, panel: Any, width: Any) -> list[list[Any]]:
    """Add up the products: a vector for each query and part of the items; width is at least 1."""
    before = builder.block
    loop = builder.append_basic_block("factor")
    after = builder.append_basic_block("summed")
    builder.branch(loop)
    builder.position_at_end(loop)
    factor = builder.phi(_WORD)
    factor.add_incoming(ir.Constant(_WORD, 0), before)
    sums = [[builder.phi(_VECTOR) for _ in range(VECTORS)] for _ in range(QUERIES)]
    items = list(_vectors(builder, panel, builder.mul(factor, ir.Constant(_WORD, ITEMS))))
    row = builder.mul(factor, ir.Constant(_WORD, QUERIES))
    shape = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    find: Any = cgutils.get_or_insert_function
    add = find(builder.module, shape, f"llvm.fmuladd.v{LANES}f32")
    totals = []
    for place, line in enumerate(sums):
        weight = _splat(builder, _number(builder, query, row, place))
        totals.append(
            [builder.call(add, [weight, item, s]) for item, s in zip(items, line, strict=True)]
        )
        for old, new in zip(line, totals[-1], strict=True):
            old.add_incoming(ir.Constant(_VECTOR, None), before)
            old.add_incoming(new, loop)
    following = builder.add(factor, ir.Constant(_WORD, 1))
    factor.add_incoming(following, loop)
    builder.cbranch(builder.icmp_unsigned("<", following, width), loop, after)
    builder.position_at_end(after)
    return totals


def _compare(builder: Any, sums: list[list[Any]], least: Any, score: Any, above: Any) -> Any:
    """Store the sums and the bits of those that are not below the least; gives bits of queries."""
    zero, found = ir.Constant(_WORD, 0), ir.Constant(_WORD, 0)
    for row, line in enumerate(sums):
        limit = _splat(builder, _number(builder, least, zero, row))
        bits = ir.Constant(_WORD, 0)
        for place, total in enumerate(line):
            at = builder.gep(score, [ir.Constant(_WORD, row * ITEMS + place * LANES)])
            builder.store(total, builder.bitcast(at, _VECTOR.as_pointer()), align=4)
            mask = builder.bitcast(builder.fcmp_ordered(">=", total, limit), ir.IntType(LANES))
            shift = ir.Constant(_WORD, place * LANES)
            bits = builder.or_(bits, builder.shl(builder.zext(mask, _WORD), shift))
        builder.store(bits, builder.gep(above, [ir.Constant(_WORD, row)]))
        some = builder.zext(builder.icmp_unsigned("!=", bits, zero), _WORD)
        found = builder.or_(found, builder.shl(some, ir.Constant(_WORD, row)))
    return found


def _vectors(builder: Any, base: Any, at: Any) -> Iterator[Any]:
    """Load the vectors of one factor of a panel."""
    for place in range(VECTORS):
        start = builder.gep(base, [builder.add(at, ir.Constant(_WORD, place * LANES))])
        yield builder.load(builder.bitcast(start, _VECTOR.as_pointer()), align=4)


def _number(builder: Any, base: Any, at: Any, place: int) -> Any:
    return builder.load(builder.gep(base, [builder.add(at, ir.Constant(_WORD, place))]))


def _splat(builder: Any, number: Any) -> Any:
    """Give a vector that holds one number everywhere."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
    return builder.shuffle_vector(first, nothing, everywhere)


_intrinsic: Any = intrinsic
_tile: Any = _intrinsic(_emit_tile)


@kernel_line
def multiply_tile(
    query: Shorts,
    query_at: np.uint64,
    panel: Shorts,
    panel_at: np.uint64,
    width: np.uint64,
    least: Shorts,
    least_at: np.uint64,
    score: Shorts,
    above: Words,
) -> np.uint64:
    """Score QUERIES queries for ITEMS items; gives the bits of the queries with a bit in above.

    Parameters
    ----------
    query : float32[…]        from query_at: the QUERIES numbers of each factor in turn
    panel : float32[…]        from panel_at: the ITEMS numbers of each factor in turn
    width : int               factors, >= 1
    least : float32[…]        from least_at: what each query's score has to reach
    score : float32[QUERIES * ITEMS]    written: the items of each query in turn
    above : uint64[QUERIES]             written: bit i is set where item i reaches the least
    """
    found: np.uint64 = _tile(query, query_at, panel, panel_at, width, least, least_at, score, above)
    return found
